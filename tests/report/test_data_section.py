"""The data section: what is no row is said."""

from dataclasses import replace
from typing import Any

from mlsignal.evaluation.results import EvaluationReport
from mlsignal.report.sections.data import data_section
from mlsignal.report.story import Story


def told_of(evaluation: EvaluationReport, **data: Any) -> str:
    metrics = {**evaluation.metrics, "data": {**evaluation.metrics["data"], **data}}
    return str(data_section(Story(replace(evaluation, metrics=metrics))).explanation)


def test_section_tells_of_candles_without_a_value(evaluation: EvaluationReport) -> None:
    told = told_of(evaluation, incomplete_rows=1_327, incomplete_columns={"log_ratio": 1_300, "b": 27})
    assert "1,327 candles are neither learnt from nor scored" in told
    assert "log_ratio (1,300), b (27)." in told


def test_section_is_silent_where_all_rows_are_whole(evaluation: EvaluationReport) -> None:
    plain = told_of(evaluation)
    assert "NaN" not in plain
    assert told_of(evaluation, incomplete_rows=0, incomplete_columns={}) == plain
    assert told_of(evaluation, incomplete_rows=None, incomplete_columns=7) == plain
