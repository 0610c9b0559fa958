"""The audit in the report: what was looked at, and whom it names."""

from dataclasses import replace
from typing import Any

import pytest

from mlsignal.evaluation.results import EvaluationReport
from mlsignal.leakage.finding import CheckResult, Finding, LeakageReport
from mlsignal.report.blocks import Table, Text
from mlsignal.report.sections.audit import audit_section
from mlsignal.report.story import Story


def section_of(evaluation: EvaluationReport, audit: Any) -> Any:
    return audit_section(Story(replace(evaluation, metrics={**evaluation.metrics, "audit": audit})))


def test_section_names_the_culprit(evaluation: EvaluationReport) -> None:
    finding = Finding("prefixes", "ahead", "the value of then changes")
    report = LeakageReport((CheckResult("prefixes", "3 columns", 3, (finding,)), CheckResult("labels", "9 labels", 9)))
    section = section_of(evaluation, report.to_dict())
    answer, told, facts = section.blocks
    assert isinstance(answer, Text)
    assert answer.warning
    assert "A leak was found: ahead." in answer.text
    assert told.text == "Leak: ahead (prefixes): the value of then changes"
    assert isinstance(facts, Table)
    told = [(row.name, *(cell.text for cell in row.cells)) for row in facts.rows]
    assert told == [("Prefixes", "3 columns", "leak"), ("Labels", "9 labels", "passed")]


def test_section_of_a_clean_audit_says_so(evaluation: EvaluationReport) -> None:
    section = section_of(evaluation, LeakageReport((CheckResult("labels", "9 labels", 9),)).to_dict())
    assert section.blocks[0] == Text("No leak was found.")


@pytest.mark.parametrize("audit", [None, {}, {"checks": []}, {"checks": None, "findings": 3}, 7])
def test_section_without_an_audit_says_so(evaluation: EvaluationReport, audit: Any) -> None:
    assert section_of(evaluation, audit).blocks == (Text("No audit was made."),)


def test_section_of_partial_findings_is_written(evaluation: EvaluationReport) -> None:
    audit = {"checks": [{"check": None}], "findings": [{"severity": "warning"}] * 30}
    section = section_of(evaluation, audit)
    assert len(section.blocks) == 1 + 20 + 1 + 1
    assert not section.blocks[0].warning
