"""What the audit beside the run looked at, and whom it names."""

from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Block, Cell, Column, Row, Section, Table, Text
from mlsignal.report.numbers import MISSING, count, words
from mlsignal.report.story import Story

MOST_FINDINGS = 20
"""How many findings are listed."""


def audit_section(story: Story) -> Section:
    """Return the checks for leaks with their results, and the findings."""
    told = (
        "Every feature is computed again without the candles that came later, with others in their place, and from its "
        "declared lookback alone: a value that moves has seen what it could not know. Labels, folds and columns that "
        "know the label too well are looked at too. A run looks at a sample; mlsignal audit looks at more."
    )
    checks = _mappings(story.look("audit.checks"))
    if not checks:
        return Section("audit", "Audit", told, (Text("No audit was made."),))
    findings = _mappings(story.look("audit.findings"))
    leaks = [finding for finding in findings if finding.get("severity") == "leak"]
    blocks: tuple[Block, ...] = (_answer(leaks), *(_finding(finding) for finding in findings[:MOST_FINDINGS]))
    if len(findings) > MOST_FINDINGS:
        blocks += (Text(f"And {count(len(findings) - MOST_FINDINGS)} findings more, in metrics.json."),)
    return Section("audit", "Audit", told, (*blocks, _table(checks)))


def _answer(leaks: list[Mapping[str, Any]]) -> Text:
    if not leaks:
        return Text("No leak was found.")
    culprits = ", ".join(dict.fromkeys(_told(leak.get("culprit")) for leak in leaks))
    return Text(f"A leak was found: {culprits}. No score of this run can be believed before it is gone.", warning=True)


def _finding(finding: Mapping[str, Any]) -> Text:
    culprit, check, told = (_told(finding.get(key)) for key in ("culprit", "check", "explanation"))
    severity = words(_told(finding.get("severity")))
    return Text(f"{severity}: {culprit} ({check}): {told}", warning=finding.get("severity") == "leak")


def _table(checks: list[Mapping[str, Any]]) -> Table:
    rows = tuple(
        Row(words(_told(check.get("check"))), (Cell(_told(check.get("looked_at"))), Cell(_told(check.get("result")))))
        for check in checks
    )
    return Table("Check", (Column("Looked at"), Column("Result")), rows, "")


def _mappings(found: Any) -> list[Mapping[str, Any]]:
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []


def _told(value: Any) -> str:
    return value if isinstance(value, str) and value else MISSING
