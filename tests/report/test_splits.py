"""The picture of the folds: every stretch in its place, whole where the metrics are not."""

import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from mlsignal.evaluation.folds import describe_folds
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.learning.schemes import FoldOptions, make_folds
from mlsignal.learning.splits import holdout
from mlsignal.report.blocks import Chart, Facts, Text
from mlsignal.report.figures.folds import draw_folds
from mlsignal.report.figures.splits import draw_splits, fold_spans
from mlsignal.report.sections.scores import folds_section
from mlsignal.report.sections.splits import splits_section
from mlsignal.report.story import Story
from tests.learning.test_schemes import dataset

DATA = dataset(3_000, 8, gaps=(1_200,))


def story_of(evaluation: EvaluationReport, options: FoldOptions) -> Story:
    split = holdout(DATA)
    told = describe_folds(
        DATA, make_folds(DATA, split.train, options), options.validation, embargo=options.embargo, test=split
    )
    return Story(replace(evaluation, metrics={**evaluation.metrics, "validation": told}))


def bars(svg: str, style: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<rect class="{style}" x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    return [(float(x), float(width)) for x, width in found]


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        (FoldOptions("time_series", 5), 6),
        (FoldOptions("walk_forward", 5, 200, 600, 30), 9),
        (FoldOptions("combinatorial", 4, embargo=40), 13),
    ],
)
def test_picture_has_a_bar_for_every_stretch(evaluation: EvaluationReport, options: FoldOptions, left_out: int) -> None:
    story = story_of(evaluation, options)
    folds = fold_spans(story)
    assert folds[-1].name == "Test"
    drawing = draw_splits(story, 880)
    assert drawing is not None
    svg = drawing.inline("folds")
    ElementTree.fromstring(svg)
    legend_bars = 1
    assert len(bars(svg, "bar faded s0")) == sum(len(fold.train) for fold in folds) + legend_bars
    assert len(bars(svg, "bar s1")) == sum(len(fold.test) for fold in folds[:-1]) + legend_bars
    assert len(bars(svg, "bar s2")) == 1 + legend_bars
    assert len(bars(svg, "bar s3")) == sum(len(fold.left_out) for fold in folds) + legend_bars == left_out + legend_bars
    drawn = [bar for style in ("faded s0", "s1", "s2", "s3") for bar in bars(svg, f"bar {style}")]
    assert all(x >= 0 and x + width <= 880 for x, width in drawn)


def test_left_out_stretch_lies_between_learning_and_testing(evaluation: EvaluationReport) -> None:
    fold = fold_spans(story_of(evaluation, FoldOptions("walk_forward", 5, 200, 600, 30)))[2]
    ((start, stop),) = fold.left_out
    assert start == fold.train[0][1]
    assert stop == fold.test[0][0]
    assert stop - start == (8 + 30 + 1) * 60_000


def test_section_of_many_folds_says_how_many_are_drawn(evaluation: EvaluationReport) -> None:
    section = splits_section(story_of(evaluation, FoldOptions("walk_forward", 10, 40)))
    chart, facts = section.blocks
    assert isinstance(chart, Chart)
    assert re.search(r"40 of \d\d folds are drawn", chart.caption)
    assert isinstance(facts, Facts)
    assert dict(facts.items)["Scheme"] == "Walk forward"
    assert chart.wide.height < 480


@pytest.mark.parametrize(
    "validation",
    [
        None, {}, 3, {"folds": None}, {"folds": [None, {}, {"test": "x", "train": [[1, 2], ["a", "b"]]}]},
        {"scheme": None, "n_folds": None, "folds": [], "test": {}},
    ],
)  # fmt: skip
def test_section_without_folds_says_so(evaluation: EvaluationReport, validation: Any) -> None:
    section = splits_section(Story(replace(evaluation, metrics={"validation": validation})))
    assert section.blocks[0] == Text("The folds were not recorded.")


def test_fold_of_one_moment_is_drawn(evaluation: EvaluationReport) -> None:
    moment = ["2024-01-01T00:00:59.999+00:00"] * 2
    story = Story(replace(evaluation, metrics={"validation": {"folds": [{"test": [moment]}]}}))
    drawing = draw_splits(story, 350)
    assert drawing is not None
    assert "nan" not in drawing.inline("folds")
    assert np.isfinite(drawing.height)


def with_settings(story: Story, **settings: Any) -> Story:
    evaluation = story.evaluation
    metrics = dict(evaluation.metrics)
    metrics["settings"] = {**metrics["settings"], **settings}
    metrics["data"] = {**metrics["data"], "exported_rows": 480, "exported_end": "2024-01-03T01:00:00+00:00"}
    return Story(replace(evaluation, metrics=metrics))


def test_refits_over_the_test_rows_are_told_and_drawn_with_their_window(evaluation: EvaluationReport) -> None:
    plain = story_of(evaluation, FoldOptions("walk_forward", 5, 200, 600))
    rolling = with_settings(plain, refit_every=200, train_candles=500)
    told = splits_section(rolling).explanation
    assert "a new one every 200 candles, each on the 500 candles before" in told
    assert "480 rows up to 2024-01-03 01:00 UTC" in told
    window = fold_spans(rolling)[-1]
    assert window.test[0][0] - window.train[0][0] == 500 * 60_000
    assert window.train[-1][1] == fold_spans(plain)[-1].train[-1][1]


def test_refits_without_a_window_are_told_to_learn_from_all(evaluation: EvaluationReport) -> None:
    plain = story_of(evaluation, FoldOptions("time_series", 5))
    growing = with_settings(plain, refit_every=200, train_candles=None)
    assert "each on all rows known by then" in splits_section(growing).explanation
    assert fold_spans(growing) == fold_spans(plain)
    assert "chain of fits" not in splits_section(plain).explanation


def test_scores_of_combinatorial_folds_claim_no_order_in_time(evaluation: EvaluationReport) -> None:
    for scheme, ordered in (("time_series", True), ("combinatorial", False)):
        story = Story(replace(evaluation, metrics={**evaluation.metrics, "validation": {"scheme": scheme}}))
        drawing = draw_folds(story, 880)
        assert drawing is not None
        svg = drawing.inline("scores")
        assert ("oldest to newest" in svg) is ordered
        joined = re.findall(r'<path class="line s\d" d="M[^"]*L[^"]*L', svg)
        assert bool(joined) is ordered
        assert ("in the order of time" in folds_section(story).explanation) is ordered
