"""Scores of the models and the baselines in one table; scores of the cross-validation."""

from collections.abc import Mapping
from typing import Any

from mlsignal.metrics import is_better
from mlsignal.report.blocks import Cell, Column, Row, Section, Table, Text
from mlsignal.report.figures.folds import draw_folds
from mlsignal.report.numbers import MISSING, count, finite, score, span, words
from mlsignal.report.scores import ALL_ROWS, WITHOUT_TIES, ScoreColumn, score_title
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import TEST, Story, look, look_score

_COLUMNS = (*ALL_ROWS, *WITHOUT_TIES)
_CV_COLUMNS = (
    "f1_up",
    "accuracy",
    "balanced_accuracy",
    "roc_auc",
    "log_loss",
    "brier",
    "mcc",
    "without_ties.roc_auc",
    "without_ties.accuracy",
    "without_ties.log_loss",
)


def scores_section(story: Story) -> Section:
    """Return the test scores of models and baselines, the best of each column marked."""
    told = (
        "Every model beside rules that need no model. Intervals of 95 % stand below the scores; the best of each "
        "column is marked. A tie is a close equal to the one before: volatility alone foretells ties, so only the "
        "scores without them can show foresight."
    )
    entries = [(story.title(m), look(v, TEST), m == story.selected, False) for m, v in story.mapping("models").items()]
    entries += [(words(name), scores, False, True) for name, scores in story.mapping("baselines").items()]
    if not entries:
        return Section("scores", "Scores on the test span", "", (Text("There are no scores."),))
    best = {column.name: _best(column.name, [scores for _, scores, _, _ in entries]) for column in _COLUMNS}
    rows = tuple(
        Row(name, tuple(_cell(scores, c.name, best[c.name]) for c in _COLUMNS), _tag(selected, baseline), baseline)
        for name, scores, selected, baseline in entries
    )
    return Section(
        "scores", "Scores on the test span", told, (Table("Model", _heads(story), rows, _caption(entries), _notes()),)
    )


def _tag(selected: bool, baseline: bool) -> str:
    return "selected" if selected else "baseline" if baseline else ""


def _heads(story: Story) -> tuple[Column, ...]:
    told = "All rows, a tie counts as down" if story.look("settings.ties") != "drop" else "All rows"
    groups = ((ALL_ROWS, told), (WITHOUT_TIES, "Ties left out"))
    return tuple(Column(c.title, c.explanation, group) for columns, group in groups for c in columns)


def _notes() -> tuple[tuple[str, str], ...]:
    return tuple((column.title, column.explanation) for column in (*ALL_ROWS, WITHOUT_TIES[-1]))


def _caption(entries: list[tuple[str, Any, bool, bool]]) -> str:
    for _, scores, _, _ in entries:
        n, moved = look(scores, "n"), look(scores, "without_ties.n")
        if finite(n) is not None:
            return f"{count(n)} test rows, of which {count(moved)} moved."
    return ""


def _best(name: str, all_scores: list[Any]) -> float | None:
    best: float | None = None
    for scores in all_scores:
        value, _ = look_score(scores, name)
        if value is not None and (best is None or is_better(name, value, best)):
            best = value
    return best


def _cell(scores: Any, name: str, best: float | None) -> Cell:
    value, bounds = look_score(scores, name)
    return Cell(score(value), span(bounds), best=value is not None and score(value) == score(best))


def folds_section(story: Story) -> Section:
    """Return the cross-validation: a figure by fold and a table of means."""
    settings = story.mapping("settings")
    how = (
        "Every fold is tested on some blocks of time before the test span, and learns from the others, later ones "
        "included."
        if story.folds_overlap
        else "Folds in the order of time, each tested on what follows its training rows, before the test span."
    )
    told = f"{how} The model with the best mean {score_title(str(settings.get('select_by') or 'f1_up'))} is selected."
    caption = (
        "A score that wanders as much as the models differ does not choose between them. Always saying up sets "
        "the level that F1 (Up) has to pass; ranking the candles that moved has to pass 0.5."
    )
    figure = chart(
        story,
        "folds",
        "Cross-validation by fold",
        caption,
        draw_folds,
        "There are no scores by fold.",
        "rows before the test span",
    )
    return Section("folds", "Cross-validation", told, (*figure, *_cv_table(story)))


def _cv_table(story: Story) -> tuple[Table, ...]:
    results = {model: look(found, "cv") for model, found in story.mapping("models").items()}
    results = {model: cv for model, cv in results.items() if isinstance(cv, Mapping)}
    names = [name for name in _CV_COLUMNS if any(name in cv for cv in results.values())]
    if not names:
        return ()
    best = {name: _best_mean(name, results) for name in names}
    rows = tuple(
        Row(
            story.title(model),
            tuple(_cv_cell(cv.get(name), best[name]) for name in names),
            _tag(model == story.selected, False),
        )
        for model, cv in results.items()
    )
    heads = tuple(_cv_head(name) for name in names)
    return (Table("Model", heads, rows, "Mean over the folds ± standard deviation.", ()),)


def _cv_head(name: str) -> Column:
    known: dict[str, ScoreColumn] = {column.name: column for column in _COLUMNS}
    group = "Ties left out" if name.startswith("without_ties.") else "All rows"
    if name in known:
        return Column(known[name].title, known[name].explanation, group)
    return Column(words(name), "", group)


def _best_mean(name: str, results: Mapping[str, Any]) -> float | None:
    best: float | None = None
    for cv in results.values():
        mean = finite(look(cv.get(name), "mean"))
        if mean is not None and (best is None or is_better(name, mean, best)):
            best = mean
    return best


def _cv_cell(result: Any, best: float | None) -> Cell:
    mean, spread = finite(look(result, "mean")), finite(look(result, "std"))
    small = "" if spread is None or mean is None else f"± {score(spread)}"
    return Cell(score(mean) if mean is not None else MISSING, small, mean is not None and mean == best)
