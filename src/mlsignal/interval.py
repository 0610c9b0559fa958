"""Lengths of candles and the grids they lie on; moments in milliseconds."""

from datetime import UTC, datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import polars as pl

from mlsignal.errors import ConfigurationError, did_you_mean

Times = npt.NDArray[np.int64]
TIME_TYPE = pl.Datetime("ms", "UTC")

_SECOND = 1_000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY
_FIRST_MONDAY = 4 * _DAY  # 1970-01-05: weeks open on Mondays
_MONTH = "1M"


class Interval(StrEnum):
    """Length of a candle, by the exchange's own names; weeks open on Mondays, months are calendar months.

    Examples
    --------
    >>> Interval.parse("15m").milliseconds
    900000
    >>> Interval.parse("1M").next(Interval.parse("1M").floor(1709164800000))  # from 2024-02-29
    1709251200000
    """

    S1 = "1s"
    M1 = "1m"
    M3 = "3m"
    M5 = "5m"
    M15 = "15m"
    M30 = "30m"
    H1 = "1h"
    H2 = "2h"
    H4 = "4h"
    H6 = "6h"
    H8 = "8h"
    H12 = "12h"
    D1 = "1d"
    D3 = "3d"
    W1 = "1w"
    MONTH1 = "1M"

    @classmethod
    def parse(cls, text: "str | Interval") -> "Interval":
        """Read an interval by its (case-sensitive) name.

        Raises
        ------
        ConfigurationError
            If there is no such interval; the message names the nearest.
        """
        try:
            return cls(text)
        except ValueError:
            hint = did_you_mean(str(text), [member.value for member in cls])
            raise ConfigurationError(f"interval: {text!r} is not one of the exchange's intervals. {hint}") from None

    @property
    def milliseconds(self) -> int:
        """Length in milliseconds; of a calendar month, the shortest (28 days)."""
        if self.value == _MONTH:
            return 28 * _DAY
        units = {"s": _SECOND, "m": _MINUTE, "h": _HOUR, "d": _DAY, "w": _WEEK}
        return int(self.value[:-1]) * units[self.value[-1]]

    @property
    def per_year(self) -> float:
        """Candles in a year of 365.25 days, in a market that never closes."""
        return 12.0 if self.value == _MONTH else 365.25 * _DAY / self.milliseconds

    @property
    def _anchor(self) -> int:
        return _FIRST_MONDAY if self is Interval.W1 else 0

    def floor(self, time_ms: int) -> int:
        """Return the open time (ms) of the candle that holds the moment `time_ms`."""
        return int(self.floor_array(np.array([time_ms], dtype=np.int64))[0])

    def next(self, open_time_ms: int, n: int = 1) -> int:
        """Return the open time (ms) of the candle `n` after (before, if negative) the one that opens then."""
        return int(self.next_array(np.array([open_time_ms], dtype=np.int64), n)[0])

    def floor_array(self, time_ms: Times) -> Times:
        """Vectorised `floor`: open times (ms), shape as given."""
        if self.value == _MONTH:
            months = time_ms.astype("datetime64[ms]").astype("datetime64[M]")
            return months.astype("datetime64[ms]").astype(np.int64)
        step, anchor = self.milliseconds, self._anchor
        return (time_ms - anchor) // step * step + anchor

    def next_array(self, open_time_ms: Times, n: int = 1) -> Times:
        """Vectorised `next`: open times (ms), shape as given."""
        if self.value == _MONTH:
            months = open_time_ms.astype("datetime64[ms]").astype("datetime64[M]") + np.timedelta64(n, "M")
            return months.astype("datetime64[ms]").astype(np.int64)
        return open_time_ms + n * self.milliseconds

    def grid_size(self, first_open_ms: int, last_open_ms: int) -> int:
        """Count the candles of a whole grid from the first to the last open time, both included."""
        if self.value == _MONTH:
            first, last = (np.datetime64(t, "ms").astype("datetime64[M]") for t in (first_open_ms, last_open_ms))
            return int((last - first).astype(np.int64)) + 1
        return (last_open_ms - first_open_ms) // self.milliseconds + 1


def times_utc(times_ms: Times) -> pl.Series:
    """Return moments in milliseconds since the epoch as a polars column, time-zone aware."""
    return pl.Series(times_ms).cast(TIME_TYPE)


def utc(time_ms: int) -> datetime:
    """Return the moment `time_ms` milliseconds after the epoch, time-zone aware.

    Examples
    --------
    >>> utc(0).isoformat()
    '1970-01-01T00:00:00+00:00'
    """
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC)
