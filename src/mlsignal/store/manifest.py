"""What is known of a stored series: its month files and their hashes, what has been asked for, and of whom."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from mlsignal.candles import Interval, Times
from mlsignal.errors import DataError
from mlsignal.store.spans import Span, add_span, intersection, remove_span

SCHEMA_VERSION = 2
_FIRST_VERSION = 1
_HASH_IN_NAME = 16


class BrokenManifestError(DataError):
    """The manifest's bytes are not those that were written."""


class OldManifestError(DataError):
    """The first version's manifest, which knows no hashes; `covered` is what it says."""

    def __init__(self, covered: list[Span]) -> None:
        super().__init__("schema version 1")
        self.covered = covered


@dataclass(frozen=True, slots=True)
class MonthFile:
    """One month's rows: a file that never changes, named after its content."""

    month: str
    """`YYYY-MM`."""
    sha256: str
    """Of the file's bytes."""
    bytes: int
    """Size of the file."""
    rows: int
    """Candles in it."""
    first_ms: int
    """Open time of its first candle."""
    last_ms: int
    """Open time of its last candle."""
    absent: tuple[Span, ...] = ()
    """First and last open time of the stretches of the grid that are absent between its candles."""

    @property
    def name(self) -> str:
        """Name of the file."""
        return f"{self.month}.{self.sha256[:_HASH_IN_NAME]}.parquet"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The one commit point of a series: a file that it does not name is not part of it."""

    covered: tuple[Span, ...] = ()
    """Spans of open time (ms) in which every closed candle that the source had is stored."""
    months: Mapping[str, MonthFile] = field(default_factory=dict)
    """By month, ascending."""
    sources: tuple[tuple[int, int, str], ...] = ()
    """First and last open time of a span, and who was asked for it last."""

    @property
    def rows(self) -> int:
        """Candles stored."""
        return sum(month.rows for month in self.months.values())

    @property
    def bytes(self) -> int:
        """Size of the month files."""
        return sum(month.bytes for month in self.months.values())

    def with_fetched(self, span: Span, source: str) -> "Manifest":
        """Return the manifest with one more span covered."""
        if span[1] < span[0]:
            return self
        others = [(*piece, name) for *ends, name in self.sources for piece in remove_span([(ends[0], ends[1])], span)]
        labelled = _joined(sorted([*others, (*span, source)]))
        return replace(self, covered=tuple(add_span(list(self.covered), span)), sources=tuple(labelled))

    def with_month(self, entry: MonthFile) -> "Manifest":
        """Return the manifest with a month added or replaced."""
        return replace(self, months=dict(sorted({**self.months, entry.month: entry}.items())))

    def without_month(self, month: str) -> "Manifest":
        """Return the manifest without a month and without the knowledge of what it covered."""
        gone = span_of_month(month)
        return Manifest(
            tuple(remove_span(list(self.covered), gone)),
            {name: entry for name, entry in self.months.items() if name != month},
            tuple((*p, name) for *ends, name in self.sources for p in remove_span([(ends[0], ends[1])], gone)),
        )

    def gaps(self, interval: Interval) -> list[Span]:
        """Return the stretches of the grid, first and last open time, that were asked for and are absent."""
        absent = []
        entries = list(self.months.values())
        for entry, following in pairwise([*entries, None]):
            if entry is None:
                break
            absent += list(entry.absent)
            if following is not None:
                between = interval.next(interval.floor(entry.last_ms)), interval.next(following.first_ms, -1)
                absent += [between] if between[0] <= between[1] else []
        return [_on_grid(part, interval) for gap in absent for part in intersection(list(self.covered), gap)]

    # -- text -------------------------------------------------------------------------------------------------------

    def to_text(self, symbol: str, interval: Interval) -> str:
        """Return the manifest as JSON with a checksum of its own."""
        months = {
            name: {
                "file": entry.name,
                "sha256": entry.sha256,
                "bytes": entry.bytes,
                "rows": entry.rows,
                "first": entry.first_ms,
                "last": entry.last_ms,
                "absent": [list(span) for span in entry.absent],
            }
            for name, entry in self.months.items()
        }
        content = {
            "schema_version": SCHEMA_VERSION,
            "symbol": symbol,
            "interval": interval.value,
            "covered": [list(span) for span in self.covered],
            "sources": [list(one) for one in self.sources],
            "gaps": [[*gap, interval.grid_size(*gap)] for gap in self.gaps(interval)],
            "months": months,
        }
        return json.dumps({**content, "checksum": _checksum(content)}, indent=1) + "\n"

    @classmethod
    def from_text(cls, text: str, place: str) -> "Manifest":
        """Read the manifest; `place` is named in errors.

        Raises
        ------
        OldManifestError
            If the first version wrote it.
        BrokenManifestError
            If it is not what was written.
        DataError
            If a newer version of the package wrote it.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            version = int(content["schema_version"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise BrokenManifestError(f"{place}: not a manifest") from None
        if version > SCHEMA_VERSION:
            raise DataError(
                f"{place}: schema version {version}, this package knows up to {SCHEMA_VERSION}; "
                "upgrade it, or give another folder with --store"
            )
        try:
            if version == _FIRST_VERSION:
                raise OldManifestError([(int(first), int(last)) for first, last in content["covered"]])
            checksum = content.pop("checksum")
            if version != SCHEMA_VERSION or checksum != _checksum(content):
                raise BrokenManifestError(f"{place}: its checksum does not fit")
            return cls(
                tuple((int(first), int(last)) for first, last in content["covered"]),
                {name: _month_of(name, entry) for name, entry in content["months"].items()},
                tuple((int(first), int(last), str(name)) for first, last, name in content["sources"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, DataError):
                raise
            raise BrokenManifestError(f"{place}: not a manifest") from None


def span_of_month(name: str) -> Span:
    """Return the first and last millisecond of the month `YYYY-MM`.

    Examples
    --------
    >>> span_of_month("1970-01")
    (0, 2678399999)
    """
    start = int(np.datetime64(name, "M").astype("datetime64[ms]").astype(np.int64))
    return start, Interval.MONTH1.next(start) - 1


def absent_stretches(opens: Times, interval: Interval) -> tuple[Span, ...]:
    """Return first and last open time of the stretches of the grid that are absent between ascending open times.

    Candles off the grid count for the place on it that they begin in.
    """
    return tuple(_absent(np.unique(interval.floor_array(opens)), interval))


def _absent(opens: Times, interval: Interval) -> Iterator[Span]:
    for position in np.flatnonzero(opens[1:] != interval.next_array(opens[:-1])).tolist():
        yield interval.next(int(opens[position])), interval.next(int(opens[position + 1]), -1)


def _on_grid(span: Span, interval: Interval) -> Span:
    first = interval.floor(span[0])
    return (first if first == span[0] else interval.next(first)), interval.floor(span[1])


def _joined(sources: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    joined: list[tuple[int, int, str]] = []
    for first, last, name in sources:
        if joined and joined[-1][2] == name and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]), name)
        else:
            joined.append((first, last, name))
    return joined


def _month_of(name: str, entry: Mapping[str, Any]) -> MonthFile:
    return MonthFile(
        month=name,
        sha256=str(entry["sha256"]),
        bytes=int(entry["bytes"]),
        rows=int(entry["rows"]),
        first_ms=int(entry["first"]),
        last_ms=int(entry["last"]),
        absent=tuple((int(first), int(last)) for first, last in entry["absent"]),
    )


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
