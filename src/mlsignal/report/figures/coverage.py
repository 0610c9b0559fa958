"""Accuracy against coverage: what is gained by deciding only where the model is sure."""

import math

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.reliability import FEWEST_ROWS
from mlsignal.report.axes import Axis, Box, Key, Panel, axes, legend, limits, linear_axis
from mlsignal.report.numbers import bounds_of, count, finite, percent, score
from mlsignal.report.story import Story, look
from mlsignal.report.svg import Drawing

Curve = list[tuple[float, float, tuple[float, float] | None, int]]
"""Coverage, accuracy without ties, its interval and rows, the widest coverage first."""


def coverage_curves(story: Story) -> dict[str, Curve]:
    """Return each model's points; those of fewer than 30 rows say nothing, and are left out."""
    found: dict[str, Curve] = {}
    for model, results in story.mapping("models").items():
        rows = look(results, "coverage")
        points: Curve = []
        for row in rows if isinstance(rows, (list, tuple)) else ():
            covered, accuracy = finite(look(row, "coverage")), finite(look(row, "accuracy_without_ties"))
            n = int(finite(look(row, "n")) or 0)
            if covered and accuracy is not None and n >= FEWEST_ROWS:
                points.append((covered, accuracy, bounds_of(look(row, "ci")), n))
        if points:
            found[model] = points
    return found


def draw_coverage(story: Story, width: float) -> Drawing | None:
    """Draw the curves on a logarithmic scale of coverage, everything on the left."""
    found = coverage_curves(story)
    if not found:
        return None
    drawing = Drawing(width, 0)
    keys = [Key(story.title(model), f"line {story.style(model)}") for model in found]
    top = legend(drawing, 0, 0, width, [*keys, Key("Guessing", "reference")]) + 6
    box = Box(0, top, width, 300)
    values = [value for points in found.values() for _, accuracy, ci, _ in points for value in (accuracy, *(ci or ()))]
    low, high = limits(np.append(np.array(values), 0.5), 0.06, least=0.01)
    widest = max(covered for points in found.values() for covered, *_ in points)
    narrowest = min(covered for points in found.values() for covered, *_ in points)
    panel = axes(drawing, box, _coverage_axis(widest, narrowest), linear_axis(low, high, 6, "Share of decisions right"))
    drawing.line(panel.box.left, panel.y.at(0.5), panel.box.left + panel.box.width, panel.y.at(0.5), "reference")
    for place, (model, points) in enumerate(found.items()):
        _draw_curve(story, panel, model, points, (place - (len(found) - 1) / 2) * 6)
    drawing.height = top + box.height
    return drawing


def _draw_curve(story: Story, panel: Panel, model: str, points: Curve, shift: float) -> None:
    style = story.style(model)
    x = panel.x(_decades([covered for covered, *_ in points])) + shift
    y = panel.y(np.array([accuracy for _, accuracy, _, _ in points]))
    bounds = np.array([ci or (math.nan, math.nan) for _, _, ci, _ in points])
    whole = np.isfinite(bounds).all(axis=1)
    panel.drawing.sticks(x[whole], panel.y(bounds[whole, 0]), panel.y(bounds[whole, 1]), f"line thin {style}")
    panel.drawing.polyline(x, y, f"line {style}")
    for a, b, (covered, accuracy, _, n) in zip(x, y, points, strict=True):
        tip = f"{story.title(model)}: {score(accuracy, 3)} right of {count(n)} rows, {percent(covered)} covered"
        panel.drawing.dot(a, b, f"ring {style}", 3, tip)


def _decades(coverage: list[float]) -> Floats:
    """Return how many times coverage was divided by ten: an axis that runs from everything to little."""
    decades: Floats = -np.log10(np.array(coverage))
    return decades


def _coverage_axis(widest: float, narrowest: float) -> Axis:
    low, high = -math.log10(widest), -math.log10(narrowest)
    room = max(0.05 * (high - low), 0.03)
    shares = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
    ticks = tuple((-math.log10(s), f"{100 * s:g} %") for s in shares if low - room <= -math.log10(s) <= high + room)
    return Axis(low - room, high + room, ticks, "Share of the rows decided upon, the most confident")
