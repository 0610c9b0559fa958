"""Windows of a page each: what one fetch asks for, and whether what came is to be believed."""

import threading
from dataclasses import dataclass, field

import polars as pl

from mlsignal.candles import VALUE_COLUMNS, Interval, Times, impossible_values

PAGE = 1000
"""Candles in the exchange's largest page."""


@dataclass(frozen=True, slots=True)
class KlineRequest:
    """What is asked for in one `fetch`; closed means closed before `server_ms`."""

    symbol: str
    interval: Interval
    server_ms: int
    end_ms: int
    expected: int
    gaps: list[tuple[int, int]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def newest_ms(self) -> int:
        """Open time of the newest candle of the grid that is closed and not after the end asked for."""
        return min(self.interval.floor(self.end_ms), self.interval.next(self.interval.floor(self.server_ms), -1))


def windows(request: KlineRequest, first_ms: int) -> list[tuple[int, int]]:
    """Return first and last open time of windows of a page each, without holes between them."""
    interval, found = request.interval, []
    start = first_ms
    while start <= request.newest_ms:
        following = interval.next(interval.floor(start), PAGE)
        found.append((start, min(following - 1, request.end_ms)))
        start = following
    return found


def known_rows(page: pl.DataFrame, request: KlineRequest, window: tuple[int, int]) -> pl.DataFrame | None:
    """Return what the first page has of the first window; None where it does not reach its end."""
    last_on_grid = min(request.interval.floor(window[1]), request.newest_ms)
    if page.height == PAGE and int(open_times(page).max()) < last_on_grid:
        return None
    return page.filter(pl.col("open_time").dt.epoch("ms") <= window[1])


def is_doubtful(frame: pl.DataFrame, request: KlineRequest, start: int, end: int) -> bool:
    """Whether a window should be asked for again: candles absent, said twice, or impossible."""
    if frame.height < on_grid(request, start, end) or not frame["open_time"].is_unique().all():
        return True
    values = {name: frame[name].to_numpy() for name in VALUE_COLUMNS}
    return any(bool(bad.any()) for _, bad in impossible_values(values))


def less_doubtful(
    first: pl.DataFrame, second: pl.DataFrame, request: KlineRequest, start: int, end: int
) -> pl.DataFrame:
    """Return which of two answers for one window is to be believed: a sound one, else the one with more candles."""
    if not is_doubtful(second, request, start, end):
        return second
    return second if second["open_time"].n_unique() >= first["open_time"].n_unique() else first


def on_grid(request: KlineRequest, start: int, end: int) -> int:
    """Count the closed candles that a whole grid has in a window."""
    last = min(request.interval.floor(end), request.newest_ms)
    return request.interval.grid_size(request.interval.floor(start), last)


def first_open(frame: pl.DataFrame, default: int) -> int:
    """Return the earliest open time (ms) of a page."""
    return default if frame.is_empty() else int(open_times(frame).min())


def open_times(frame: pl.DataFrame) -> Times:
    """Return the open times (ms) of a page, shape (n_rows,)."""
    return frame["open_time"].dt.epoch("ms").to_numpy()
