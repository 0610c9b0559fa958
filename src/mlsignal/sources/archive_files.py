"""The exchange's archive: which file holds which candles, and which files a span of time is best read from."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import numpy as np
import polars as pl

from mlsignal.candles import Interval

Span = tuple[int, int]

_DAY = 86_400_000
_WITHOUT_DAYS = frozenset({Interval.D3, Interval.W1, Interval.MONTH1})
_LONGEST_OF_DAYS = Interval.M15  # beyond it a day is so few candles that REST costs less than a file and its checksum
_FEW_DAYS = 3  # up to so many days of a month are read from their own files
_NEAR = 1000  # candles between two holes that REST is asked for at once
_OVERDUE_DAYS = 45  # a month's file appears on the first Monday after it


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of the archive."""

    symbol: str
    interval: Interval
    period: Literal["monthly", "daily"]
    first_ms: int
    """First millisecond of its month or day."""

    @property
    def last_ms(self) -> int:
        """Last millisecond of its month or day."""
        return (Interval.MONTH1 if self.period == "monthly" else Interval.D1).next(self.first_ms) - 1

    @property
    def name(self) -> str:
        """File name, as in `BTCUSDT-1m-2024-01.zip`."""
        moment = datetime.fromtimestamp(self.first_ms / 1000, tz=UTC)
        date = f"{moment:%Y-%m}" if self.period == "monthly" else f"{moment:%Y-%m-%d}"
        return f"{self.symbol}-{_archive_name(self.interval)}-{date}.zip"

    @property
    def path(self) -> str:
        """Path on the host."""
        return f"/data/spot/{self.period}/klines/{self.symbol}/{_archive_name(self.interval)}/{self.name}"


@dataclass(frozen=True, slots=True)
class Piece:
    """A span of open time and the file to read it from; without a file, REST."""

    span: Span
    file: ArchiveFile | None


def plan(symbol: str, interval: Interval, span: Span, now_ms: int, *, with_rest: bool) -> list[Piece]:
    """Return what to read a span of open time from, ascending, without holes.

    Parameters
    ----------
    symbol, interval, span
        What is wanted.
    now_ms
        The exchange's clock: a file appears after its month or day.
    with_rest
        Whether REST can be asked.
    """
    if with_rest and interval in _WITHOUT_DAYS:
        return [Piece(span, None)]
    pieces: list[Piece] = []
    for part in _cut(span, Interval.MONTH1):
        month = ArchiveFile(symbol, interval, "monthly", Interval.MONTH1.floor(part[0]))
        many = part[1] - part[0] > _FEW_DAYS * _DAY or interval in _WITHOUT_DAYS
        if month.last_ms < now_ms and (many or not with_rest):
            pieces.append(Piece(part, month))
        else:
            pieces += plan_days(symbol, interval, part, now_ms, with_rest=with_rest)
    return _joined(pieces)


def plan_days(symbol: str, interval: Interval, span: Span, now_ms: int, *, with_rest: bool) -> list[Piece]:
    """Return the daily files, or REST, that a span within a month is best read from."""
    if interval in _WITHOUT_DAYS or (with_rest and interval.milliseconds > _LONGEST_OF_DAYS.milliseconds):
        return [Piece(span, None)]
    pieces = []
    for part in _cut(span, Interval.D1):
        file = ArchiveFile(symbol, interval, "daily", Interval.D1.floor(part[0]))
        there = file.last_ms < now_ms
        mostly = part[1] - part[0] >= _DAY // 2
        pieces.append(Piece(part, file if there and (mostly or not with_rest) else None))
    return _joined(pieces)


def has_days(interval: Interval) -> bool:
    """Whether the archive has daily files of an interval."""
    return interval not in _WITHOUT_DAYS


def is_overdue(file: ArchiveFile, now_ms: int) -> bool:
    """Whether a file that is not there will not come any more."""
    return now_ms - file.last_ms > _OVERDUE_DAYS * _DAY


def absent_spans(frame: pl.DataFrame, interval: Interval, span: Span) -> list[Span]:
    """Return first and last open time of the stretches of the grid in a span that have no candle."""
    first = interval.floor(span[0])
    first = first if first == span[0] else interval.next(first)
    if first > span[1]:
        return []
    opens = np.unique(interval.floor_array(frame["open_time"].dt.epoch("ms").to_numpy()))
    edges = np.concatenate(
        [[interval.next(first, -1)], opens[opens >= first], [interval.next(interval.floor(span[1]))]]
    )
    following = interval.next_array(edges[:-1])
    return [(int(following[at]), interval.next(int(edges[at + 1]), -1)) for at in np.flatnonzero(edges[1:] > following)]


def whole_days(span: Span) -> Span:
    """Return the span of the whole days that a span touches."""
    return span[0] // _DAY * _DAY, (span[1] // _DAY + 1) * _DAY - 1


def near_joined(holes: list[Span], interval: Interval) -> list[Span]:
    """Return the holes with those that one page of REST can hold made one."""
    joined: list[Span] = []
    for first, last in holes:
        if joined and interval.next(joined[-1][1], _NEAR) >= first:
            joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return joined


def _cut(span: Span, by: Interval) -> list[Span]:
    parts, start = [], span[0]
    while start <= span[1]:
        following = by.next(by.floor(start))
        parts.append((start, min(span[1], following - 1)))
        start = following
    return parts


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with neighbours without a file made one."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and joined[-1].file is None and piece.file is None:
            joined[-1] = Piece((joined[-1].span[0], piece.span[1]), None)
        else:
            joined.append(piece)
    return joined


def _archive_name(interval: Interval) -> str:
    return "1mo" if interval is Interval.MONTH1 else interval.value
