"""How far prices move over each horizon against what a round trip costs, and how often one must be right."""

import numpy as np

from mlsignal.candles import Floats
from mlsignal.report.axes import TWO_COLUMNS_FROM, Axis, Box, Key, Panel, axes, boxes, legend, linear_axis, log_axis
from mlsignal.report.numbers import basis_points, finite, percent
from mlsignal.report.story import Story, look
from mlsignal.report.svg import Drawing

SMALLEST_BPS = 1e-3
"""Moves below this are drawn here: a logarithmic scale has no 0."""


def breakeven_rows(story: Story) -> list[dict[str, float]]:
    """Return the horizons that can be drawn, ascending: horizon, mean_move, round_trip_cost, accuracy_needed."""
    found = story.look("breakeven")
    rows = []
    for row in found if isinstance(found, (list, tuple)) else ():
        numbers = {key: finite(look(row, key)) for key in ("horizon", "mean_move", "round_trip_cost")}
        known = {key: value for key, value in numbers.items() if value is not None}
        if len(known) == len(numbers) and known["horizon"] >= 1:
            needed = finite(look(row, "accuracy_needed"))  # None where it is infinite
            rows.append({**known, "accuracy_needed": np.inf if needed is None else needed})
    return sorted(rows, key=lambda row: row["horizon"])


def draw_breakeven(story: Story, width: float) -> Drawing | None:
    """Draw mean move and round trip on logarithmic scales, and beside them the accuracy needed."""
    rows = breakeven_rows(story)
    if not rows:
        return None
    horizon, move, cost, needed = (
        np.array([row[key] for row in rows]) for key in ("horizon", "mean_move", "round_trip_cost", "accuracy_needed")
    )
    drawing = Drawing(width, 0)
    keys = [Key("Mean move", "line s0"), Key("Cost of a round trip", "line s1")]
    top = legend(drawing, 0, 0, width, [*keys, Key("Accuracy needed", "line s2")]) + 6
    left, right = boxes(width, 300, top)
    x = _horizon_axis(horizon, narrow=width < TWO_COLUMNS_FROM)
    _draw_moves(drawing, left, x, horizon, np.maximum(move * 1e4, SMALLEST_BPS), np.maximum(cost * 1e4, SMALLEST_BPS))
    _draw_needed(drawing, right, x, horizon, needed)
    drawing.height = right.top + right.height
    return drawing


def _horizon_axis(horizon: Floats, *, narrow: bool) -> Axis:
    shown = horizon[:: 2 if narrow and len(horizon) > 5 else 1]
    ticks = tuple((float(value), f"{value:,.0f}") for value in shown)
    return Axis(float(horizon[0]) / 1.3, float(horizon[-1]) * 1.3, ticks, "Candles ahead", log=True)


def _draw_moves(drawing: Drawing, box: Box, x: Axis, horizon: Floats, move: Floats, cost: Floats) -> None:
    both = np.append(move, cost)
    y = log_axis(float(both.min()) / 1.5, float(both.max()) * 1.5, "Basis points, logarithmic scale")
    panel = axes(drawing, box, x, y, "Moves against costs")
    drawing.polyline(panel.x(horizon), panel.y(cost), "line s1")
    drawing.polyline(panel.x(horizon), panel.y(move), "line s0")
    for value, size in zip(horizon, move, strict=True):
        tip = f"{value:,.0f} ahead: {basis_points(size, 2)}"
        drawing.dot(panel.x.at(float(value)), panel.y.at(float(size)), "ring s0", 3, tip)


def _draw_needed(drawing: Drawing, box: Box, x: Axis, horizon: Floats, needed: Floats) -> None:
    axis = linear_axis(0.5, 1.06, 6, "Share of moves to call right; top: no share is enough")
    ticks = tuple((value, label) for value, label in axis.ticks if value <= 1)
    panel: Panel = axes(drawing, box, x, Axis(axis.low, axis.high, ticks, axis.label), "Accuracy needed")
    drawing.line(panel.box.left, panel.y.at(1), panel.box.left + panel.box.width, panel.y.at(1), "reference")
    level = np.minimum(needed, 1.04)
    drawing.polyline(panel.x(horizon), panel.y(level), "line s2")
    for value, share, height in zip(horizon, needed, level, strict=True):
        told = percent(float(share), 1) if share <= 1 else "no accuracy is enough"
        style = "ring s2" if share <= 1 else "ring s1"
        drawing.dot(panel.x.at(float(value)), panel.y.at(float(height)), style, 3, f"{value:,.0f} ahead: {told}")
