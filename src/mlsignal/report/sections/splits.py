"""How the rows were divided: folds, purging, embargo, the test span."""

from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Facts, Section
from mlsignal.report.figures.splits import draw_splits
from mlsignal.report.numbers import MISSING, count, finite, moment, words
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story

_TOLD = {
    "time_series": "Each fold learns from all rows before the stretch on which it is tested.",
    "walk_forward": "Each fold is a fit as it would have been made then: it learns from what was known before the "
    "stretch that it serves, all of it or a rolling window.",
    "combinatorial": "Each fold is tested on some blocks of time and learns from the others, later ones included: many "
    "paths through the same history instead of one.",
}
_PURGE = (
    "Rows whose label looks at a candle that a tested label looks at are purged from learning; an embargo keeps more "
    "of them away. The test span at the end was set apart first, and chose nothing."
)


def splits_section(story: Story) -> Section:
    """Return the picture of the folds and their numbers."""
    validation = story.mapping("validation")
    scheme = str(validation.get("scheme") or "")
    told = " ".join(part for part in (_TOLD.get(scheme, ""), _PURGE, _refits(story)) if part)
    folds = validation.get("folds")
    entries = [e for e in folds if isinstance(e, Mapping)] if isinstance(folds, (list, tuple)) else []
    number = finite(validation.get("n_folds"))
    caption = "Stretches of time; the shortest are drawn a little wider than they are."
    if number is not None and len(entries) < number:
        caption += f" {count(len(entries))} of {count(number)} folds are drawn, evenly spread."
    figure = chart(
        story, "splits", "Folds in time", caption, draw_splits, "The folds were not recorded.", "all rows, oldest first"
    )
    return Section("splits", "How the rows were divided", told, (*figure, *_facts(validation, entries)))


def _refits(story: Story) -> str:
    """Return what served the test rows, where it was no single fit."""
    every, window = finite(story.look("settings.refit_every")), finite(story.look("settings.train_candles"))
    if every is None:
        return ""
    rows, end = story.look("data.exported_rows"), story.look("data.exported_end")
    learnt = "all rows known by then" if window is None else f"the {count(window)} candles before"
    last = "" if finite(rows) is None else f", on {count(rows)} rows up to {moment(end)} UTC"
    return (
        f"The test rows were scored by a chain of fits, a new one every {count(every)} candles, each on {learnt}, "
        f"earlier test rows included. The picture shows what the first of them learnt from; the last{last}, is the "
        "exported model."
    )


def _facts(validation: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> tuple[Facts, ...]:
    if not validation:
        return ()
    scheme, embargo = validation.get("scheme"), finite(validation.get("embargo"))
    items = (
        ("Scheme", words(str(scheme)) if scheme else MISSING),
        ("Folds", count(validation.get("n_folds"))),
        ("Embargo", MISSING if embargo is None else f"{count(embargo)} candles" if embargo != 1 else "1 candle"),
        ("Rows learnt from in a fold", _range(entries, "train_rows")),
        ("Rows tested in a fold", _range(entries, "test_rows")),
        ("Rows purged, over all folds", count(validation.get("purged"))),
        ("Rows embargoed, over all folds", count(validation.get("embargoed"))),
    )
    return (Facts(items),)


def _range(entries: list[Mapping[str, Any]], name: str) -> str:
    values = [value for value in (finite(entry.get(name)) for entry in entries) if value is not None]
    if not values:
        return MISSING
    low, high = min(values), max(values)
    return count(low) if low == high else f"{count(low)} to {count(high)}"
