"""Whether a stated probability is the share that came true."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Floats
from mlsignal.report.axes import Box, Key, Panel, axes, boxes, legend, limits, linear_axis
from mlsignal.report.numbers import score
from mlsignal.report.story import ScoredRows, Story
from mlsignal.report.svg import Drawing

BINS = 10
HISTOGRAM_BINS = 40
OUTERMOST = 0.002
"""Share of the probabilities at each end that may lie beyond the histogram; they count in its end bins."""
NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Reliability:
    """By bin of about equal size: rows, mean p_up, share of ups with the 95 % interval of Wilson (1927)."""

    n: Floats
    stated: Floats
    came_true: Floats
    low: Floats
    high: Floats


def reliability(p_up: Floats, label: Floats, bins: int = BINS) -> Reliability:
    """Compare stated with observed shares in quantile bins; equal probabilities share a bin.

    Examples
    --------
    >>> found = reliability(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0.0, 1.0, 1.0, 1.0]), bins=2)
    >>> found.stated.tolist(), found.came_true.tolist()
    ([0.25, 0.75], [0.5, 1.0])
    """
    edges = np.unique(np.quantile(p_up, np.linspace(0, 1, bins + 1)[1:-1]))
    which = np.searchsorted(edges, p_up, side="right")
    n = np.bincount(which).astype(np.float64)
    kept = n > 0
    n, total, ups = n[kept], np.bincount(which, weights=p_up)[kept], np.bincount(which, weights=label)[kept]
    share, z2 = ups / n, NORMAL_95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n**2))
    return Reliability(n, total / n, share, centre - half, centre + half)


def scored_rows(story: Story) -> dict[str, ScoredRows]:
    """Return the rows that the models' probabilities speak of: without ties where ties were left out of training."""
    if story.look("settings.ties") != "drop":
        return {model: rows for model, rows in story.test.items() if len(rows.p_up)}
    return {model: rows.moved() for model, rows in story.test.items() if (~rows.tie).any()}


def draw_calibration(story: Story, width: float) -> Drawing | None:
    """Draw the reliability diagram, and the histogram of the stated probabilities."""
    rows = scored_rows(story)
    if not rows:
        return None
    found = {model: reliability(part.p_up, part.label.astype(np.float64)) for model, part in rows.items()}
    drawing = Drawing(width, 0)
    keys = [Key(story.title(model), f"line {story.style(model)}") for model in found]
    top = legend(drawing, 0, 0, width, [*keys, Key("Stated as it came true", "reference")]) + 6
    left, right = boxes(width, min(width, 420), top)
    _draw_reliability(story, drawing, left, found)
    _draw_histogram(story, drawing, right, rows)
    drawing.height = right.top + right.height
    return drawing


def _draw_reliability(story: Story, drawing: Drawing, box: Box, found: dict[str, Reliability]) -> None:
    seen = np.concatenate([np.concatenate([r.stated, r.low, r.high]) for r in found.values()])
    low, high = limits(seen, 0.03, least=0.01)
    axis = linear_axis(max(low, 0), min(high, 1), 6, "Mean stated probability of up")
    panel = axes(drawing, box, axis, linear_axis(axis.low, axis.high, 6, "Share that closed up"), "Reliability")
    corners = [scale.at(value) for value in (axis.low, axis.high) for scale in (panel.x, panel.y)]
    drawing.line(corners[0], corners[1], corners[2], corners[3], "reference")
    for model, bins in found.items():
        if model == story.selected or len(found) == 1:
            continue
        _draw_bins(story, panel, model, bins, bars=len(found) == 2)
    if story.selected in found or len(found) == 1:
        model = story.selected if story.selected in found else next(iter(found))
        _draw_bins(story, panel, str(model), found[str(model)], bars=True)


def _draw_bins(story: Story, panel: Panel, model: str, bins: Reliability, *, bars: bool) -> None:
    x, y, style = panel.x(bins.stated), panel.y(bins.came_true), story.style(model)
    if bars:
        panel.drawing.sticks(x, panel.y(bins.low), panel.y(bins.high), f"line thin {style}")
    panel.drawing.polyline(x, y, f"line faded {style}")
    for a, b, stated, share, n in zip(x, y, bins.stated, bins.came_true, bins.n, strict=True):
        tip = f"{story.title(model)}: stated {score(stated, 3)}, came true {score(share, 3)} of {n:,.0f}"
        panel.drawing.dot(a, b, f"bar {style}", 3.2, tip)


def _draw_histogram(story: Story, drawing: Drawing, box: Box, rows: dict[str, ScoredRows]) -> None:
    ends = [np.quantile(part.p_up, (OUTERMOST, 1 - OUTERMOST)) for part in rows.values()]
    low, high = limits(np.concatenate(ends), 0.02, least=0.01)
    edges = np.linspace(max(low, 0), min(high, 1), HISTOGRAM_BINS + 1)
    shares = {
        model: np.histogram(np.clip(part.p_up, edges[0], edges[-1]), edges)[0] / len(part.p_up) * 100
        for model, part in rows.items()
    }
    most = max(float(share.max()) for share in shares.values())
    x = linear_axis(edges[0], edges[-1], 6, "Stated probability of up")
    panel = axes(drawing, box, x, linear_axis(0, most * 1.06 or 1, 5, "Share of rows (%)"), "What the models state")
    if edges[0] < 0.5 < edges[-1]:
        middle = panel.x.at(0.5)
        drawing.line(middle, panel.box.top, middle, panel.box.top + panel.box.height, "reference")
    for model, share in shares.items():
        y = panel.y(np.concatenate([[0], np.repeat(share, 2), [0]]))
        drawing.polyline(panel.x(np.repeat(edges, 2)), y, f"line {story.style(model)}")
