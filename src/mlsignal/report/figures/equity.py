"""Growth of money that follows the signals, before and after the stated fee."""

import numpy as np
import polars as pl

from mlsignal.candles import Floats
from mlsignal.report.axes import (
    TWO_COLUMNS_FROM,
    Axis,
    Box,
    Key,
    axes,
    legend,
    limits,
    linear_axis,
    log_axis,
    time_ticks,
)
from mlsignal.report.numbers import basis_points, percent
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing, thin_out

MOST_POINTS = 600
SMALLEST = 1e-12
LOG_FROM = 3.0
"""Ratio of the highest to the lowest value from which on the scale is logarithmic."""

_CURVES = (("gross", "Before fees", "s0"), ("net", "After fees", "s1"), ("buy_and_hold", "Buy and hold", "faint"))


def equity_curves(equity: pl.DataFrame) -> tuple[Floats, dict[str, Floats]] | None:
    """Return times (ms) and the curves that are there, thinned; None where there is no row."""
    names = [name for name, _, _ in _CURVES if name in equity.columns]
    if equity.is_empty() or not names or "time" not in equity.columns:
        return None
    kept = equity[thin_out(len(equity), MOST_POINTS)]
    curves = {name: kept[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    return kept["time"].dt.epoch("ms").to_numpy().astype(np.float64), curves


def draw_equity(story: Story, width: float) -> Drawing | None:
    """Draw the curves, on a logarithmic scale where they reach far."""
    found = equity_curves(story.evaluation.equity)
    if found is None:
        return None
    times, curves = found
    fee = basis_points(story.look("economics.fee_bps"))
    drawing = Drawing(width, 0)
    keys = []
    for name, title, style in _CURVES:
        if name in curves:
            told = f"{title} of {fee} a side" if name == "net" else title
            total = percent(story.look(f"economics.{name}_return"), signed=True)
            keys.append(Key(f"{told}: {total}", f"line {style}"))
    top = legend(drawing, 0, 0, width, keys) + 6
    box = Box(0, top, width, 340 if width >= TWO_COLUMNS_FROM else 280)
    panel = axes(drawing, box, _time_axis(times, width), _growth_axis(np.concatenate(list(curves.values()))))
    drawing.line(panel.box.left, panel.y.at(1), panel.box.left + panel.box.width, panel.y.at(1), "reference")
    for name, _, style in reversed(_CURVES):
        if name in curves:
            values = np.maximum(curves[name], panel.y.low) if panel.y.log else curves[name]
            drawing.polyline(panel.x(times), panel.y(values), f"line {style}")
    drawing.height = top + box.height
    return drawing


def _growth_axis(values: Floats) -> Axis:
    values = np.append(values[np.isfinite(values)], 1.0)
    low, high = max(float(values.min()), SMALLEST), float(values.max())
    if high / low < LOG_FROM:
        return linear_axis(*limits(values, 0.06, least=1e-4), 5, "Growth of 1, fees reinvested")
    return log_axis(low / 1.15, high * 1.15, "Growth of 1, logarithmic scale")


def _time_axis(times: Floats, width: float) -> Axis:
    first, last = float(times[0]), float(times[-1])
    ticks = time_ticks(first, last, 9 if width >= TWO_COLUMNS_FROM else 4)
    return Axis(first, last if last > first else first + 1, tuple(ticks), "Time (UTC)")
