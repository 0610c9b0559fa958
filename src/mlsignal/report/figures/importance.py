"""How much each feature matters to the selected model."""

import numpy as np

from mlsignal.evaluation.results import Importance
from mlsignal.report.axes import Axis, limits, round_ticks
from mlsignal.report.numbers import finite, score
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing, text_width

MOST_FEATURES = 25
ROW = 22


def known_importances(story: Story) -> list[Importance]:
    """Return the importances that are numbers, the largest first."""
    known = [item for item in story.evaluation.importances if finite(item.mean) is not None]
    return sorted(known, key=lambda item: -item.mean)


def draw_importance(story: Story, width: float) -> Drawing | None:
    """Draw the fall of the AUC as bars, with one standard deviation of the repeats."""
    shown = known_importances(story)[:MOST_FEATURES]
    if not shown:
        return None
    names = [_shortened(item.feature, width * 0.42) for item in shown]
    left = max(text_width(name) for name in names) + 12
    means = np.array([item.mean for item in shown])
    spread = np.array([finite(item.std) or 0.0 for item in shown])
    low, high = limits(np.concatenate([means - spread, means + spread, [0.0]]), 0.03, least=1e-5)
    axis = Axis(low, high, round_ticks(low, high, 6 if width > 500 else 3))
    return _draw_bars(story, width, left, axis, list(zip(shown, names, means, spread, strict=True)))


def _draw_bars(
    story: Story, width: float, left: float, axis: Axis, rows: list[tuple[Importance, str, float, float]]
) -> Drawing:
    height = ROW * len(rows) + 8
    drawing = Drawing(width, height + 46)
    reach = width - left - 16

    def place(value: float) -> float:
        return left + (value - axis.low) / (axis.high - axis.low) * reach

    for value, label in axis.ticks:
        x = place(value)
        drawing.line(x, 0, x, height, "grid").text(x, height + 17, label, anchor="middle")
    style = story.style(story.selected or "").split()[0]
    for i, (item, name, mean, spread) in enumerate(rows):
        middle = i * ROW + ROW / 2 + 4
        drawing.text(left - 10, middle + 4, name, "strong", "end")
        drawing.rectangle(min(place(0), place(mean)), middle - 7, abs(place(mean) - place(0)), 14, f"bar faded {style}")
        drawing.line(place(mean - spread), middle, place(mean + spread), middle, "line thin ink")
        drawing.dot(place(mean), middle, "bar ink", 2.2, f"{item.feature}: {score(mean)} ± {score(spread)}")
    drawing.line(place(0), 0, place(0), height, "axis")
    told = "Fall of the test AUC when the feature is shuffled (ties left out)"
    drawing.text(width / 2 if width < 500 else left + reach / 2, height + 38, told, anchor="middle")
    return drawing


def _shortened(name: str, width: float) -> str:
    while len(name) > 4 and text_width(name) > width:
        name = name[:-2].rstrip("…") + "…"
    return name
