"""The sections on luck and on trials: what they say, and that they say something where keys are absent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsignal.evaluation.record import without_nan
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.evaluation.significance import predictive_tests
from mlsignal.report.blocks import Section, Table
from mlsignal.report.sections.significance import significance_section, trials_section
from mlsignal.report.story import Story

TRIALS: dict[str, Any] = {
    "n_trials": 12, "n_configurations": 7, "n_independent": 4.2, "sharpe": 0.021, "sharpe_error": 0.01,
    "spread": 0.01, "expected_maximum": 0.016, "probabilistic_sharpe": 0.98, "deflated_sharpe": 0.69,
    "pbo": {"pbo": 0.43, "n_trials": 9}, "pbo_reason": None, "best": {}, "is_best": True,
    "recorded": True, "unreadable": 0,
}  # fmt: skip


def story(evaluation: EvaluationReport, **metrics: Any) -> Story:
    return Story(replace(evaluation, metrics=evaluation.metrics | metrics))


def words(section: Section) -> str:
    return str(section)


@pytest.fixture
def tests(evaluation: EvaluationReport) -> dict[str, Any]:
    rows = Story(evaluation).test
    first = next(iter(rows.values()))
    found = predictive_tests(
        first.label,
        first.tie,
        {name: model.p_up for name, model in rows.items()},
        {"always_up": np.full(len(first.label), 0.5), "reversal": np.full(len(first.label), 0.49)},
        generator=np.random.default_rng(0),
        replicates=100,
    )
    return without_nan(found.to_dict())


def test_significance_shows_every_model_and_test(evaluation: EvaluationReport, tests: dict[str, Any]) -> None:
    section = significance_section(story(evaluation, significance=tests))
    table = section.blocks[0]
    assert isinstance(table, Table)
    assert [row.name for row in table.rows] == ["Logistic regression", "Random forest"]
    assert all(len(row.cells) == len(table.columns) == 6 for row in table.rows)
    assert [row.tag for row in table.rows] == ["", "selected"]
    assert "1,0" not in table.caption
    assert "replicates" in table.caption


@pytest.mark.parametrize(("p", "told"), [(0.001, "is passed by: logistic regression"), (0.2, "may be luck")])
def test_significance_says_who_passed(evaluation: EvaluationReport, tests: dict[str, Any], p: float, told: str) -> None:
    for name, model in tests["models"].items():
        model["p_adjusted"] = p if name == "logistic_regression" else 0.5
    assert told in words(significance_section(story(evaluation, significance=tests)))


def test_trials_are_told_in_words(evaluation: EvaluationReport) -> None:
    told = words(trials_section(story(evaluation, trials=TRIALS)))
    for part in ("12 trials of 7 configurations", "highest Sharpe ratio", "69.0", "43.0", "0.0160"):
        assert part in told
    first = words(trials_section(story(evaluation, trials={"n_trials": 1, "pbo": None, "pbo_reason": "one only"})))
    assert "first trial" in first
    assert "one only" in first


def test_trials_that_were_not_recorded_are_a_warning(evaluation: EvaluationReport) -> None:
    told = words(trials_section(story(evaluation, trials=TRIALS | {"recorded": False, "unreadable": 2})))
    assert "could not be written" in told
    assert "2 lines" in told


@pytest.mark.parametrize("section", [significance_section, trials_section])
@pytest.mark.parametrize("value", [None, {}, {"models": None}, {"models": {"m": None}}, {"n_trials": None}, 7])
def test_sections_without_their_keys_are_there(
    evaluation: EvaluationReport, section: Callable[[Story], Section], value: Any
) -> None:
    found = section(story(evaluation, significance=value, trials=value))
    assert found.blocks
    assert "None" not in "".join(getattr(block, "text", "") for block in found.blocks)


def test_small_p_stands_in_one_piece(evaluation: EvaluationReport, tests: dict[str, Any]) -> None:
    tests["models"]["random_forest"]["p_adjusted"] = 0.0001
    table = significance_section(story(evaluation, significance=tests)).blocks[0]
    assert isinstance(table, Table)
    assert table.rows[1].cells[-1].text == "<\N{NO-BREAK SPACE}0.001"
