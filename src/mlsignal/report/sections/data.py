"""What went in, and how to get the same again."""

import shlex
from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Block, Cell, Column, Facts, Row, Section, Table
from mlsignal.report.numbers import MISSING, count, finite, moment, percent, score, seconds, words
from mlsignal.report.story import Story

MOST_GAPS = 5
"""How many gaps are listed."""


def data_section(story: Story) -> Section:
    """Return gaps, cleaning, and how the rows were divided."""
    data = story.mapping("data")
    told = (
        "Gaps stay gaps: no window and no label spans one, nothing is filled. Outliers are judged by the training "
        f"rows alone; test rows are always scored, flagged or not.{_incomplete(data)}"
    )
    flagged = data.get("outlier_share")
    flagged = flagged if isinstance(flagged, Mapping) else {}
    rows = (
        ("Candles", count(data.get("candles"))),
        ("First open (UTC)", moment(data.get("start"))),
        ("Last close (UTC)", moment(data.get("end"))),
        ("Gaps", count(data.get("gaps"))),
        ("Candles missing in gaps", count(data.get("missing"))),
        ("Rows with features and label", count(data.get("rows"))),
        ("Training rows", count(data.get("train_rows"))),
        ("Purged between training and test", count(data.get("purged_rows"))),
        ("Test rows", count(data.get("test_rows"))),
    )
    shares = (
        ("Ties", percent(data.get("tie_share"), 2)),
        ("Ups", percent(data.get("up_share"), 2)),
        ("Outliers among training rows", percent(flagged.get("train"), 2)),
        ("Outliers among test rows", percent(flagged.get("test"), 2)),
    )
    blocks: tuple[Block, ...] = (Facts(rows, "Candles and rows"), Facts(shares, "Shares"))
    cleaning = data.get("cleaning")
    if isinstance(cleaning, Mapping) and cleaning:
        blocks += _cleaning(cleaning)
    return Section("data", "Data", told, blocks)


def reproducibility_section(story: Story) -> Section:
    """Return the command, the settings, the versions and the seconds of each stage."""
    settings = {str(key): value for key, value in story.mapping("settings").items()}
    command = settings.pop("command", None)
    versions = {"mlsignal": story.look("mlsignal_version"), **story.mapping("versions")}
    blocks: tuple[Block, ...] = ()
    if command:
        blocks += (Facts((("Command", _command(command)),), code=True),)
    blocks += (
        Facts((("SHA-256 of the candles", _plain(story.look("data.sha256"))),), code=True),
        Facts(tuple((words(key), _plain(value)) for key, value in settings.items()), "Settings"),
        Facts(tuple((str(key), _plain(value)) for key, value in versions.items()), "Versions"),
        Facts(
            tuple((words(str(key)), seconds(value)) for key, value in story.mapping("seconds").items()),
            "Seconds by stage",
        ),
    )
    told = "The same command on the same candles, with the same versions and engine, gives the same numbers."
    return Section("reproducibility", "Settings and reproducibility", told, tuple(b for b in blocks if _filled(b)))


def _incomplete(data: Mapping[str, Any]) -> str:
    """Tell how many candles are no row for want of a value, where there are any."""
    rows, columns = finite(data.get("incomplete_rows")) or 0, data.get("incomplete_columns")
    if not rows:
        return ""
    named = [f"{name} ({count(number)})" for name, number in columns.items()] if isinstance(columns, Mapping) else []
    return (
        f" Past the warm-up {count(rows)} candles are neither learnt from nor scored, as a feature is NaN or infinite "
        f"there: {', '.join(named) or MISSING}."
    )


def _filled(block: Block) -> bool:
    return not isinstance(block, Facts) or bool(block.items)


def _command(command: Any) -> str:
    return shlex.join(map(str, command)) if isinstance(command, (list, tuple)) else str(command)


def _cleaning(report: Mapping[str, Any]) -> tuple[Block, ...]:
    """Return the counts of the cleaning report, and the longest gaps."""
    counts = {key: value for key, value in report.items() if finite(value) is not None}
    reasons = report.get("impossible")
    counts |= reasons if isinstance(reasons, Mapping) else {}
    blocks: tuple[Block, ...] = (Facts(tuple((words(str(k)), count(v)) for k, v in counts.items()), "Cleaning"),)
    gaps = report.get("gaps")
    gaps = [gap for gap in gaps if isinstance(gap, Mapping)] if isinstance(gaps, (list, tuple)) else []
    if not gaps:
        return blocks
    longest = sorted(gaps, key=lambda gap: -(finite(gap.get("missing")) or 0))[:MOST_GAPS]
    rows = tuple(
        Row(moment(gap.get("first_missing")), (Cell(moment(gap.get("last_missing"))), Cell(count(gap.get("missing")))))
        for gap in longest
    )
    told = f"The {len(rows)} longest of {count(len(gaps))} gaps." if len(gaps) > len(rows) else "All gaps."
    columns = (Column("Last missing (UTC)"), Column("Candles missing"))
    return (*blocks, Table("First missing (UTC)", columns, rows, told))


def _plain(value: Any) -> str:
    """Write any value of the metrics: lists by commas, mappings as pairs, what is absent as a dash."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(key))} {_plain(item)}" for key, item in value.items()) or MISSING
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value) or MISSING
    if isinstance(value, (int, float)):
        number = finite(value)
        return MISSING if number is None else count(number) if number == int(number) else score(number, 6).rstrip("0")
    return str(value)
