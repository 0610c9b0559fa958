"""Scores of the cross-validation, fold by fold."""

import numpy as np

from mlsignal.candles import Floats
from mlsignal.report.axes import Axis, Box, Key, Panel, axes, boxes, legend, limits, linear_axis
from mlsignal.report.numbers import finite, score
from mlsignal.report.scores import score_title
from mlsignal.report.story import Story, look
from mlsignal.report.svg import Drawing

RANKING = "without_ties.roc_auc"


def fold_scores(story: Story, name: str) -> dict[str, Floats]:
    """Return the scores of each model's folds, NaN where one is missing; models without any are left out."""
    found = {}
    for model, results in story.mapping("models").items():
        cv = look(results, "cv")
        values = look(cv.get(name), "folds") if isinstance(cv, dict) else None
        if isinstance(values, (list, tuple)):
            scores = np.array([np.nan if finite(v) is None else float(v) for v in values], dtype=np.float64)
            if np.isfinite(scores).any():
                found[model] = scores
    return found


def always_up_f1(story: Story, folds: int) -> Floats:
    """Return the F1 of Up that always saying up has in each fold: 2 u / (1 + u), with u the share of ups."""
    level = np.full(folds, finite(look(story.mapping("baselines").get("always_up"), "f1_up")) or np.nan)
    for fold in range(folds):
        of_fold = story.rows.get(str(fold + 1), {})
        if of_fold:
            up = float(next(iter(of_fold.values())).label.mean())
            level[fold] = 2 * up / (1 + up)
    return level


def draw_folds(story: Story, width: float) -> Drawing | None:
    """Draw the selection score and the ranking of moved rows of every fold."""
    chosen = str(story.look("settings.select_by") or "f1_up")
    wanted = [name for name in dict.fromkeys((chosen, RANKING)) if fold_scores(story, name)]
    if not wanted:
        return None
    drawing = Drawing(width, 0)
    keys = [Key(story.title(model), f"line {story.style(model)}") for model in fold_scores(story, wanted[0])]
    top = legend(drawing, 0, 0, width, [*keys, Key("No model", "reference")]) + 6
    places = boxes(width, 270, top, count=len(wanted))
    for name, box in zip(wanted, places, strict=True):
        _draw_score(story, drawing, box, name, selects=name == chosen)
    drawing.height = places[-1].top + places[-1].height
    return drawing


def _draw_score(story: Story, drawing: Drawing, box: Box, name: str, *, selects: bool) -> None:
    scores = fold_scores(story, name)
    folds = max(len(values) for values in scores.values())
    reference, told = _reference(story, name, folds)
    low, high = limits(np.concatenate([*scores.values(), reference]), 0.08, least=0.005)
    ticks = tuple((float(i), str(i)) for i in range(1, folds + 1))
    head = score_title(name) + (" (selects the model)" if selects else "")
    along = "Fold" if story.folds_overlap else "Fold, oldest to newest"
    panel = axes(drawing, box, Axis(0.5, folds + 0.5, ticks, along), linear_axis(low, high, 5, told), head)
    _draw_reference(panel, reference)
    for i, (model, values) in enumerate(scores.items()):
        shift = (i - (len(scores) - 1) / 2) * min(0.12, 0.6 / len(scores))
        x, y = panel.x(np.arange(len(values), dtype=np.float64) + (1 + shift)), panel.y(values)
        if not story.folds_overlap:
            drawing.polyline(x, y, f"line {story.style(model)}")
        for fold, (a, b, value) in enumerate(zip(x, y, values, strict=True), 1):
            if np.isfinite(b):
                drawing.dot(a, b, f"ring {story.style(model)}", 3, f"{story.title(model)}, fold {fold}: {score(value)}")


def _reference(story: Story, name: str, folds: int) -> tuple[Floats, str]:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "f1_up":
        return always_up_f1(story, folds), "Score; dotted: always up"
    if leaf in ("roc_auc", "balanced_accuracy"):
        return np.full(folds, 0.5), "Score; dotted: guessing"
    return np.full(folds, np.nan), "Score"


def _draw_reference(panel: Panel, level: Floats) -> None:
    x = np.repeat(np.arange(len(level), dtype=np.float64), 2) + np.tile([0.5, 1.5], len(level))
    panel.drawing.polyline(panel.x(x), panel.y(np.repeat(level, 2)), "reference")
