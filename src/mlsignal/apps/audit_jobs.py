"""What the command audit does: settings in, a table of checks and the culprits out."""

from rich.text import Text

from mlsignal.apps.terminal import StageProgress, output, print_json, print_table
from mlsignal.audit import AuditReport, audit_run
from mlsignal.config import Settings


def audit_job(settings: Settings, null_seeds: int, *, as_json: bool) -> None:
    """Audit, show what was looked at and found, and fail where a leak was found.

    Raises
    ------
    LeakageError
        If a leak was found; the report is out by then.
    """
    with StageProgress(quiet=as_json) as progress:
        report = audit_run(settings, null_seeds=null_seeds, on_progress=progress)
    if as_json:
        print_json(report.to_dict())
    else:
        show_audit(report)
    report.raise_for_leaks()


def show_audit(report: AuditReport) -> None:
    """Print a line a check, and a line a finding."""
    console = output()
    if report.synthetic:
        console.print(Text(" SYNTHETIC market: no price here was ever paid ", style="bold black on yellow"))
    console.print(
        f"Audit of {len(report.feature_names)} columns on {report.candles:,} candles of {report.symbol} "
        f"{report.interval}, seed {report.seed}",
        highlight=False,
    )
    rows = [[check.check, check.looked_at, check.result] for check in report.checks]
    print_table(console, ["check", "looked at", "result"], rows)
    console.print()
    for finding in report.findings:
        told = f"{finding.severity}  {finding.culprit}  {finding.check}: {finding.explanation}"
        console.print(Text(told), soft_wrap=True)
    leaks, warnings = len(report.leakage.leaks), len(report.findings) - len(report.leakage.leaks)
    console.print("No leak found." if not leaks else f"{leaks} findings of a leak.", highlight=False)
    if warnings:
        console.print(f"{warnings} warnings, which do not fail an audit.", highlight=False)
