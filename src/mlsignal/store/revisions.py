"""The revisions of a series: every stored value that its source has changed since, in a log that only grows."""

import json
import logging
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mlsignal.candles import utc
from mlsignal.errors import OutputError
from mlsignal.store.atomic import flush_folder

logger = logging.getLogger(__name__)

FILE = "revisions.jsonl"


@dataclass(frozen=True, slots=True)
class Revision:
    """One value of one candle, said twice and differently."""

    open_time_ms: int
    """Which candle."""
    column: str
    """Which value."""
    old: float | None
    """What was said first."""
    new: float | None
    """What was said later."""
    kind: str
    """`revised`: the new value is kept; `conflict`: both came in one answer, the later is kept; `refused`: the new
    row is impossible, the old one is kept."""
    seen_ms: int
    """When that was seen."""
    source: str
    """Who said it."""

    @property
    def open_time(self) -> datetime:
        """Which candle (UTC)."""
        return utc(self.open_time_ms)


def append_revisions(folder: Path, revisions: Iterable[Revision]) -> None:
    """Add to the log and flush it to the disk; call with the series' lock held.

    Raises
    ------
    OutputError
        If the log cannot be written.
    """
    lines = "".join(json.dumps(asdict(revision)) + "\n" for revision in revisions)
    if not lines:
        return
    path = folder / FILE
    try:
        with path.open("ab+") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                lines = lines if file.read(1) == b"\n" else "\n" + lines  # a killed writer's half line
            file.write(lines.encode())
            file.flush()
            os.fsync(file.fileno())
        if not size:
            flush_folder(folder)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None


def read_revisions(folder: Path) -> list[Revision]:
    """Return the log, oldest first; a line that a killed writer left half written is passed over.

    Notes
    -----
    A writer logs before it commits: after a crash between the two, the rerun logs the same revision again.
    """
    path = folder / FILE
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(Revision(**json.loads(line)))
        except (ValueError, TypeError):
            logger.warning("%s: a line is not a revision, passed over", path)
    return found
