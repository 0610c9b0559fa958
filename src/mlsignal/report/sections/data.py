"""What went in, and how to get the same again."""

import shlex
from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Block, Facts, Section
from mlsignal.report.numbers import MISSING, count, finite, moment, percent, score, seconds, words
from mlsignal.report.story import Story


def data_section(story: Story) -> Section:
    """Return gaps, cleaning, and how the rows were divided."""
    data = story.mapping("data")
    told = (
        "Gaps stay gaps: no window and no label spans one, nothing is filled. Outliers are judged by the training rows "
        "alone; test rows are always scored, flagged or not."
    )
    flagged = data.get("outlier_share")
    flagged = flagged if isinstance(flagged, Mapping) else {}
    rows = (
        ("Candles", count(data.get("candles"))),
        ("First candle opens", f"{moment(data.get('start'))} UTC"),
        ("Last candle closes", f"{moment(data.get('end'))} UTC"),
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
        blocks += (Facts(tuple((words(str(key)), _plain(value)) for key, value in cleaning.items()), "Cleaning"),)
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
        Facts(tuple((words(str(key)), seconds(value)) for key, value in story.mapping("seconds").items()), "Seconds by stage"),
    )
    told = "The same command on the same candles, with the same versions and engine, gives the same numbers."
    return Section("reproducibility", "Settings and reproducibility", told, tuple(b for b in blocks if _filled(b)))


def _filled(block: Block) -> bool:
    return not isinstance(block, Facts) or bool(block.items)


def _command(command: Any) -> str:
    return shlex.join(map(str, command)) if isinstance(command, (list, tuple)) else str(command)


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
