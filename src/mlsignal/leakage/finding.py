"""What a check found, and what it looked at."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["leak", "warning"]


@dataclass(frozen=True)
class Finding:
    """Something that is not as it must be.

    Attributes
    ----------
    check
        Name of the check.
    culprit
        Column, feature or fold.
    explanation
        One line: where it showed first, and by how much.
    severity
        "leak" makes an audit fail; a "warning" does not.
    """

    check: str
    culprit: str
    explanation: str
    severity: Severity = "leak"

    def to_dict(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class CheckResult:
    """A check that was made.

    Attributes
    ----------
    check
        Its name.
    looked_at
        What was compared, in words.
    count
        How many comparisons that were.
    findings
        What it found.
    """

    check: str
    looked_at: str
    count: int
    findings: tuple[Finding, ...] = ()

    @property
    def result(self) -> str:
        """Return "leak", "warning" or "passed"; "nothing to check" where nothing was compared."""
        if any(finding.severity == "leak" for finding in self.findings):
            return "leak"
        if self.findings:
            return "warning"
        return "passed" if self.count else "nothing to check"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, without the findings."""
        return {"check": self.check, "looked_at": self.looked_at, "count": self.count, "result": self.result}


@dataclass(frozen=True)
class LeakageReport:
    """All checks of an audit, in order."""

    checks: tuple[CheckResult, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found."""
        return tuple(finding for check in self.checks for finding in check.findings)

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """What makes the audit fail."""
        return tuple(finding for finding in self.findings if finding.severity == "leak")

    @property
    def culprits(self) -> tuple[str, ...]:
        """Names behind the leaks, each once."""
        return tuple(dict.fromkeys(finding.culprit for finding in self.leaks))

    def to_dict(self) -> dict[str, Any]:
        """Return `checks` and `findings` as plain values: what metrics.json holds under `audit`."""
        return {
            "checks": [check.to_dict() for check in self.checks],
            "findings": [finding.to_dict() for finding in self.findings],
        }


def merge_checks(results: Iterable[CheckResult]) -> tuple[CheckResult, ...]:
    """Join results of checks of the same name; of a culprit's findings in one check the first stays."""
    merged: dict[str, CheckResult] = {}
    for result in results:
        known = merged.get(result.check)
        if known is None:
            merged[result.check] = CheckResult(
                result.check, result.looked_at, result.count, first_of_each(result.findings)
            )
        else:
            told = "; ".join(part for part in (known.looked_at, result.looked_at) if part)
            findings = first_of_each([*known.findings, *result.findings])
            merged[result.check] = CheckResult(result.check, told, known.count + result.count, findings)
    return tuple(merged.values())


def first_of_each(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Keep the first finding of each check, culprit and severity."""
    kept: dict[tuple[str, str, str], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.check, finding.culprit, finding.severity), finding)
    return tuple(kept.values())
