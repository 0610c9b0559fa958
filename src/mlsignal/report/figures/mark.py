"""A line with a dot: a score, its interval and its baseline at a glance."""

import numpy as np

from mlsignal.report.axes import Scale, limits
from mlsignal.report.svg import Drawing

WIDTH = 168
HEIGHT = 20


def draw_mark(value: float | None, interval: tuple[float, float] | None, baseline: float | None) -> Drawing | None:
    """Draw the interval as a bar with the value on it, and the baseline as a tick; None without both values."""
    if value is None or baseline is None:
        return None
    low, high = limits(np.array([value, baseline, *(interval or ())]), 0.12, least=1e-6)
    scale = Scale(low, high, 4, WIDTH - 4)
    middle = HEIGHT / 2
    drawing = Drawing(WIDTH, HEIGHT).line(2, middle, WIDTH - 2, middle, "grid")
    drawing.line(scale.at(baseline), 2, scale.at(baseline), HEIGHT - 2, "line ink")
    if interval:
        drawing.line(scale.at(interval[0]), middle, scale.at(interval[1]), middle, "line s0")
    return drawing.dot(scale.at(value), middle, "bar s0", 4)
