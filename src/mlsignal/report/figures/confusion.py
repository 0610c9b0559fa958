"""Decisions against outcomes."""

from mlsignal.metrics import confusion
from mlsignal.report.axes import Box, boxes
from mlsignal.report.numbers import count, percent
from mlsignal.report.story import ScoredRows, Story
from mlsignal.report.svg import Drawing

_OUTCOMES = ("Closed down", "Closed up")
_DECISIONS = ("Said down", "Said up")


def draw_confusion(story: Story, width: float) -> Drawing | None:
    """Draw two matrices of the selected model, of all rows and of those that moved: counts, and shares of each row."""
    rows = story.test.get(story.selected or "")
    if rows is None or not len(rows.label):
        return None
    tied = story.look("settings.ties") != "drop"
    drawing = Drawing(width, 0)
    places = boxes(width, 232)
    heads = (f"All {count(len(rows.label))} rows" + (" (a tie counts as down)" if tied else ""), "Ties left out")
    for box, head, part in zip(places, heads, (rows, rows.moved()), strict=True):
        _draw_matrix(drawing, box, head, part)
    drawing.height = places[-1].top + places[-1].height
    return drawing


def _draw_matrix(drawing: Drawing, box: Box, head: str, rows: ScoredRows) -> None:
    true_down, false_up, false_down, true_up = confusion(rows.label, rows.p_up > 0.5)
    room, top, high = 88, box.top + 46, 88
    wide = (box.width - room - 8) / 2
    drawing.text(box.left, box.top + 14, head, "head")
    for j, decision in enumerate(_DECISIONS):
        drawing.text(box.left + room + (wide + 4) * j + wide / 2, top - 9, decision, anchor="middle")
    for i, counts in enumerate(((true_down, false_up), (false_down, true_up))):
        y, total = top + i * (high + 4), sum(counts)
        drawing.text(box.left + room - 10, y + high / 2 + 4, _OUTCOMES[i], anchor="end")
        for j, n in enumerate(counts):
            share = n / total if total else float("nan")
            x, style = box.left + room + (wide + 4) * j, "right" if i == j else "wrong"
            drawing.rectangle(x, y, wide, high, f"bar {style}", 0.08 + 0.34 * (share if total else 0))
            drawing.text(x + wide / 2, y + high / 2, count(n), "count", "middle")
            drawing.text(x + wide / 2, y + high / 2 + 22, f"{percent(share)} of the row", anchor="middle")
