"""Pages that came and are not merged yet: a log beside the month files, from which a killed fetch goes on.

To merge a page into its month is to write the month again, so pages are merged many at a time. Until then each is a
line here, flushed to the disk. A page says of no more time than its own rows that it is known, so that a line that is
lost or damaged is a hole that is asked for again, and never one that is passed over.
"""

import base64
import binascii
import hashlib
import io
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlsignal.errors import OutputError
from mlsignal.store.folder import Folder
from mlsignal.store.spans import Span

logger = logging.getLogger(__name__)

FILE = "arrivals.jsonl"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One page of a source's answer."""

    rows: pl.DataFrame
    """As the source sent them."""
    covered: Span
    """Span of open time (ms) that the rows are all of."""
    source: str
    """Who was asked."""
    seen_ms: int
    """When."""


def append_arrival(folder: Folder, arrival: Arrival) -> None:
    """Add a page to the log and flush it to the disk; call with the series' lock held.

    Raises
    ------
    OutputError
        If the log cannot be written; it is then as before.
    """
    buffer = io.BytesIO()
    arrival.rows.write_parquet(buffer, compression="lz4")
    content = buffer.getvalue()
    told = {
        "covered": arrival.covered,
        "source": arrival.source,
        "seen_ms": arrival.seen_ms,
        "parquet": base64.b64encode(content).decode(),
    }
    folder.append(FILE, json.dumps({"sha256": _hash(told), **told}) + "\n")


def read_arrivals(folder: Folder) -> list[Arrival]:
    """Return the pages of the log, oldest first; what a killed writer left half written is passed over."""
    try:
        lines = folder.read(FILE).splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            found.append(_parsed(line))
        except (ValueError, TypeError, AttributeError, KeyError, binascii.Error, pl.exceptions.PolarsError):
            logger.info("%s: a page is not whole, and will be asked for again", folder.place(FILE))
    return found


def joined(arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Return pages of one answer that follow each other as one."""
    found: list[Arrival] = []
    for page in arrivals:
        last = found[-1] if found else None
        if last is not None and (last.covered[1] + 1, last.source, last.seen_ms) == (
            page.covered[0],
            page.source,
            page.seen_ms,
        ):
            rows = pl.concat([last.rows, page.rows], how="diagonal")
            found[-1] = Arrival(rows, (last.covered[0], page.covered[1]), page.source, page.seen_ms)
        else:
            found.append(page)
    return found


def forget_arrivals(folder: Folder) -> None:
    """Remove the log, whose pages are merged; call with the series' lock held.

    Raises
    ------
    OutputError
        If it cannot be removed: merged again after a revision, it would undo it.
    """
    try:
        folder.remove(FILE)
    except OSError as error:
        raise OutputError(f"{folder.place(FILE)}: cannot be removed ({error.strerror or error})") from None


def _parsed(line: bytes) -> Arrival:
    told = json.loads(line)
    if told.pop("sha256") != _hash(told):
        raise ValueError("its SHA-256 differs")
    first, last = told["covered"]
    content = base64.b64decode(told["parquet"], validate=True)
    return Arrival(pl.read_parquet(io.BytesIO(content)), (first, last), told["source"], told["seen_ms"])


def _hash(told: dict[str, Any]) -> str:
    """Return the SHA-256 of a page and of all that is said of it."""
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
