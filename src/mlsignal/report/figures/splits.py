"""The folds as bars in time: what each learnt from, what it left out, what it was tested on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from mlsignal.report.axes import TWO_COLUMNS_FROM, Axis, Box, Key, Panel, axes, legend, time_ticks
from mlsignal.report.numbers import finite
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing

TRAIN, TEST, LEFT_OUT, SET_APART = "bar faded s0", "bar s1", "bar s3", "bar s2"
LEAST_PIXELS = 1.5
"""Width of a stretch that is too short to be seen otherwise: a purged candle among thousands."""
MOST_LABELS = 12

Span = tuple[float, float]


@dataclass(frozen=True)
class FoldSpans:
    """Stretches of time (first and last, ms) of a fold; `name` stands beside its bars."""

    name: str
    train: tuple[Span, ...]
    test: tuple[Span, ...]
    left_out: tuple[Span, ...]


def fold_spans(story: Story) -> list[FoldSpans]:
    """Return the folds that the metrics list, the test span last; what cannot be read is left out."""
    found = story.look("validation.folds")
    entries = list(found) if isinstance(found, (list, tuple)) else []
    folds = []
    for place, entry in enumerate(entries, start=1):
        if isinstance(entry, Mapping):
            number = finite(entry.get("fold"))
            folds.append(_fold(str(place if number is None else int(number)), entry))
    apart = story.mapping("validation.test")
    folds += [_since(_fold("Test", apart), _window(story))] if apart else []
    return [fold for fold in folds if fold.test]


def _window(story: Story) -> float | None:
    """Return the length (ms) of the rolling window that the first fit for the test rows learnt from, if it had one."""
    candles = finite(story.look("settings.train_candles")) if story.look("settings.refit_every") else None
    return None if candles is None else candles * story.evaluation.candles.interval.milliseconds


def _since(fold: FoldSpans, window: float | None) -> FoldSpans:
    if window is None or not fold.test:
        return fold
    start = fold.test[0][0] - window
    return replace(fold, train=tuple((max(first, start), last) for first, last in fold.train if last >= start))


def _fold(name: str, entry: Mapping[str, Any]) -> FoldSpans:
    train, test = _spans(entry.get("train")), _spans(entry.get("test"))
    ordered = sorted([(span, False) for span in train] + [(span, True) for span in test])
    some = bool((finite(entry.get("purged")) or 0) + (finite(entry.get("embargoed")) or 0))
    left_out = [(a[1], b[0]) for (a, of_a), (b, of_b) in pairwise(ordered) if some and of_a != of_b and a[1] < b[0]]
    return FoldSpans(name, tuple(train), tuple(test), tuple(left_out))


def _spans(value: Any) -> list[Span]:
    found = []
    for pair in value if isinstance(value, (list, tuple)) else ():
        if isinstance(pair, (list, tuple)) and len(pair) == 2:
            first, last = _milliseconds(pair[0]), _milliseconds(pair[1])
            if first is not None and last is not None and first <= last:
                found.append((first, last))
    return found


def _milliseconds(value: Any) -> float | None:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000


def draw_splits(story: Story, width: float) -> Drawing | None:
    """Draw a bar for every fold, the oldest on top, and one for the test span at the end."""
    folds = fold_spans(story)
    if not folds:
        return None
    spans = [span for fold in folds for span in (*fold.train, *fold.test)]
    first, last = min(a for a, _ in spans), max(b for _, b in spans)
    drawing = Drawing(width, 0)
    keys = [Key("Learnt from", TRAIN, "bar"), Key("Tested on", TEST, "bar")]
    if any(fold.left_out for fold in folds):
        keys.append(Key("Left out: purged, embargoed", LEFT_OUT, "bar"))
    if folds[-1].name == "Test":
        keys.append(Key("Test span, set apart", SET_APART, "bar"))
    top = legend(drawing, 0, 0, width, keys) + 6
    pitch = 20.0 if len(folds) <= 16 else 320 / len(folds)
    box = Box(0, top, width, pitch * len(folds) + 72)
    ticks = time_ticks(first, last, 9 if width >= TWO_COLUMNS_FROM else 4)
    x = Axis(first, last if last > first else first + 1, tuple(ticks), "Time (UTC)")
    y = Axis(len(folds) + 0.5, 0.5, _labels(folds), "Fold")
    panel = axes(drawing, box, x, y)
    for row, fold in enumerate(folds, start=1):
        _draw_fold(panel, row, pitch * 0.66, fold)
    drawing.height = top + box.height
    return drawing


def _labels(folds: Sequence[FoldSpans]) -> tuple[tuple[float, str], ...]:
    """Name every fold, or as many as can be read apart; the test span always."""
    step = -(-len(folds) // MOST_LABELS) if len(folds) > 16 else 1
    last = len(folds)
    return tuple(
        (float(row), fold.name)
        for row, fold in enumerate(folds, start=1)
        if row == last or ((row - 1) % step == 0 and last - row >= step)
    )


def _draw_fold(panel: Panel, row: int, height: float, fold: FoldSpans) -> None:
    top = panel.y.at(row) - height / 2
    tested = SET_APART if fold.name == "Test" else TEST
    for first, last in fold.train:  # the grid would show through
        left, right = panel.x.at(first), panel.x.at(last)
        panel.drawing.rectangle(left, top, right - left, height, "paper")
    for spans, style in ((fold.train, TRAIN), (fold.test, tested), (fold.left_out, LEFT_OUT)):
        for first, last in spans:
            left, right = panel.x.at(first), panel.x.at(last)
            if right - left < LEAST_PIXELS:
                left = min((left + right - LEAST_PIXELS) / 2, panel.box.left + panel.box.width - LEAST_PIXELS)
                right = left + LEAST_PIXELS
            panel.drawing.rectangle(left, top, right - left, height, style)
