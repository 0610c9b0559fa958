"""Growth of money that follows the signals, before and after costs, and its drawdown."""

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
    round_ticks,
    time_ticks,
)
from mlsignal.report.numbers import basis_points, percent
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing, text_width, thin_out

MOST_POINTS = 600
SMALLEST = 1e-12
LOG_FROM = 3.0
"""Ratio of the highest to the lowest value from which on the scale is logarithmic."""

_CURVES = (("gross", "Before costs", "s0"), ("net", "After costs", "s1"), ("buy_and_hold", "Buy and hold", "faint"))


def equity_curves(equity: pl.DataFrame) -> tuple[Floats, dict[str, Floats]] | None:
    """Return times (ms) and the curves that are there, thinned; None where there is no row."""
    names = [name for name, _, _ in _CURVES if name in equity.columns]
    if equity.is_empty() or not names or "time" not in equity.columns:
        return None
    kept = equity[thin_out(len(equity), MOST_POINTS)]
    curves = {name: kept[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in names}
    return kept["time"].dt.epoch("ms").to_numpy().astype(np.float64), curves


def drawdown_curve(equity: pl.DataFrame) -> Floats | None:
    """Return the drawdown at the times of `equity_curves`: the deepest up to each since the one before; None if absent.

    Examples
    --------
    >>> drawdown_curve(pl.DataFrame({"drawdown": [0.0, -0.2, -0.1]})).tolist()
    [0.0, -0.2, -0.1]
    """
    if equity.is_empty() or "drawdown" not in equity.columns:
        return None
    drawdown = equity["drawdown"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    kept = thin_out(len(drawdown), MOST_POINTS)
    starts = np.append(0, kept[:-1] + 1)
    return np.asarray(np.fmin.reduceat(drawdown, starts), dtype=np.float64)


def draw_equity(story: Story, width: float) -> Drawing | None:
    """Draw the curves, on a logarithmic scale where they reach far, and below them the drawdown after costs."""
    found = equity_curves(story.evaluation.equity)
    if found is None:
        return None
    times, curves = found
    drawing = Drawing(width, 0)
    keys = [
        Key(f"{title}{_paid(story, name)}: {_total(story, name)}", f"line {style}")
        for name, title, style in _CURVES
        if name in curves
    ]
    top = legend(drawing, 0, 0, width, keys) + 6
    box = Box(0, top, width, 340 if width >= TWO_COLUMNS_FROM else 280)
    growth = _growth_axis(np.concatenate(list(curves.values())))
    drawdown = drawdown_curve(story.evaluation.equity)
    below = None if drawdown is None else _drawdown_axis(drawdown)
    room = max(text_width(label) for axis in (growth, below) if axis for _, label in axis.ticks) + 10
    panel = axes(drawing, box, _time_axis(times, width), growth, left=room)
    drawing.line(panel.box.left, panel.y.at(1), panel.box.left + panel.box.width, panel.y.at(1), "reference")
    for name, _, style in reversed(_CURVES):
        if name in curves:
            values = np.maximum(curves[name], panel.y.low) if panel.y.log else curves[name]
            drawing.polyline(panel.x(times), panel.y(values), f"line {style}")
    drawing.height = top + box.height
    if drawdown is not None and below is not None:
        under = Box(0, drawing.height + 8, width, 150 if width >= TWO_COLUMNS_FROM else 130)
        panel = axes(drawing, under, _time_axis(times, width), below, left=room)
        drawing.polyline(panel.x(times), panel.y(drawdown), "line s1")
        drawing.height = under.top + under.height
    return drawing


def _paid(story: Story, name: str) -> str:
    if name != "net":
        return ""
    mean = story.look("economics.mean_cost_bps")
    return f" of {basis_points(story.look('economics.fee_bps') if mean is None else mean)} a side"


def _total(story: Story, name: str) -> str:
    return percent(story.look(f"economics.{name}_return"), signed=True)


def _drawdown_axis(drawdown: Floats) -> Axis:
    deepest = float(np.nanmin(drawdown)) if np.isfinite(drawdown).any() else 0.0
    low = min(deepest * 1.06, -1e-4)
    ticks = tuple((value, percent(value, 2 if low > -0.05 else 0)) for value, _ in round_ticks(low, 0.0, 3))
    return Axis(low, 0.0, ticks, "Drawdown after costs")


def _growth_axis(values: Floats) -> Axis:
    values = np.append(values[np.isfinite(values)], 1.0)
    low, high = max(float(values.min()), SMALLEST), float(values.max())
    if high / low < LOG_FROM:
        return linear_axis(*limits(values, 0.06, least=1e-4), 5, "Growth of 1, gains reinvested")
    return log_axis(low / 1.15, high * 1.15, "Growth of 1, logarithmic scale")


def _time_axis(times: Floats, width: float) -> Axis:
    first, last = float(times[0]), float(times[-1])
    ticks = time_ticks(first, last, 9 if width >= TWO_COLUMNS_FROM else 4)
    return Axis(first, last if last > first else first + 1, tuple(ticks), "Time (UTC)")
