"""The log of every configuration that was ever evaluated on a market, kept without being asked."""

import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlsignal.errors import DataError, OutputError
from mlsignal.evaluation.trials import Trial
from mlsignal.store.local import LocalFolder

logger = logging.getLogger(__name__)

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True)
class LoggedTrials:
    """The trials of one market.

    Attributes
    ----------
    trials
        Each configuration, model and data once, the oldest first.
    recorded
        Whether the newest trial is in the log; None where none was to be recorded.
    unreadable
        Lines that hold no trial, a torn last one for example: those are trials that are not counted.
    file
        Name of the log's file in its folder; the folder may tell who runs this.
    """

    trials: tuple[Trial, ...]
    recorded: bool | None
    unreadable: int
    file: str

    def overlapping(self, start: datetime, end: datetime) -> tuple[Trial, ...]:
        """Return the trials whose test span shares time with a span."""
        return tuple(trial for trial in self.trials if trial.overlaps(start, end))


class TrialLog:
    """A folder of logs, one file of JSON lines for every market, interval and origin of candles; only ever added to.

    Parameters
    ----------
    folder
        Where it is; made when first written to.

    Notes
    -----
    A line is added under the folder's lock and flushed to the disk. A log that cannot be read or written is a
    warning, never the end of a run, and the record says so.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = LocalFolder(folder)

    def file_name(self, symbol: str, interval: str, origin: str) -> str:
        """Return the name of a market's file.

        Parameters
        ----------
        symbol, interval
            Of the candles; the interval's 1m and 1M differ even where file names do not know capitals.
        origin
            Where candles come from: exchanges, files and simulated markets are apart.
        """
        digest = hashlib.sha256(f"{symbol}\n{interval}\n{origin}".encode()).hexdigest()[:12]
        readable = _UNSAFE.sub("_", f"{symbol}-{interval}-{origin}")[:80]
        return f"{readable}-{digest}.jsonl"

    def read(self, symbol: str, interval: str, origin: str) -> LoggedTrials:
        """Return the trials of a market; none where there is no log."""
        return self._read(self.file_name(symbol, interval, origin), None)

    def record(self, symbol: str, interval: str, origin: str, trials: Iterable[Trial]) -> LoggedTrials:
        """Add the trials that are not in a market's log yet, and return all of them.

        Where the log cannot be written, a warning is logged, and `recorded` of the result is False; its trials are
        those that could be read, and the new ones.
        """
        name, new = self.file_name(symbol, interval, origin), tuple(trials)
        try:
            with self._folder.writing():
                known = {trial.key for trial in self._read(name, None).trials}
                lines = {trial.key: trial.to_line() for trial in new if trial.key not in known}
                if lines:
                    self._folder.append(name, "".join(lines.values()))
            return self._read(name, recorded=True)
        except OutputError as error:
            reason = str(error).partition(";")[0]  # what follows is advice on the candle store
            logger.warning("this trial is not in the trial log: %s", reason)
            found = self._read(name, recorded=False)
            return LoggedTrials(_once((*found.trials, *new)), False, found.unreadable, found.file)

    def _read(self, name: str, recorded: bool | None) -> LoggedTrials:
        try:
            lines = self._folder.read(name).decode(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        except OSError as error:
            logger.warning("the trial log cannot be read: %s", error)
            lines = []
        trials, unreadable = [], 0
        for line in filter(str.strip, lines):
            try:
                trials.append(Trial.from_line(line))
            except DataError as error:
                unreadable += 1
                logger.warning("%s: %s", self._folder.place(name), error)
        return LoggedTrials(_once(trials), recorded, unreadable, name)


def _once(trials: Iterable[Trial]) -> tuple[Trial, ...]:
    first: dict[tuple[str, str, str], Trial] = {}
    for trial in trials:
        first.setdefault(trial.key, trial)
    return tuple(first.values())
