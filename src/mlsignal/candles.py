"""Candles on a regular grid in time: validated once, here, with a record of their gaps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from mlsignal.errors import CandleError, ConfigurationError, MissingColumnError
from mlsignal.interval import TIME_TYPE as TIME_TYPE
from mlsignal.interval import Interval as Interval
from mlsignal.interval import Times as Times
from mlsignal.interval import times_utc as times_utc
from mlsignal.interval import utc as utc

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

OHLCV_COLUMNS = ("open", "high", "low", "close", "volume")
FLOW_COLUMNS = ("quote_volume", "trades", "taker_buy_base", "taker_buy_quote")
VALUE_COLUMNS = OHLCV_COLUMNS + FLOW_COLUMNS


@dataclass(frozen=True, slots=True)
class Gap:
    """Candles that are absent from the grid between two that are there."""

    first_missing: datetime
    """Open time of the first absent candle (UTC)."""
    last_missing: datetime
    """Open time of the last absent candle (UTC)."""
    missing: int
    """How many are absent."""


class KlineSource(Protocol):
    """Where candles come from; everything else in the package meets exchanges and files through this."""

    @property
    def name(self) -> str:
        """Short name, for messages and manifests."""
        ...

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return raw closed klines, ascending by open time, as the source has them (not yet cleaned).

        Parameters
        ----------
        symbol, interval
            What to fetch.
        start_ms, end_ms
            Bounds of the OPEN time in milliseconds, both inclusive; none means unbounded.
        limit
            Only the newest `limit` of them.

        Returns
        -------
        polars.DataFrame
            `open_time` (Datetime ms UTC), the float columns open, high, low, close, volume, those of quote_volume,
            trades, taker_buy_base, taker_buy_quote that the source has, and, where the source gives it, `close_time`.
        """
        ...


class Candles:
    """Closed candles of one symbol and interval, ascending on a regular grid; gaps are kept as gaps.

    Build with `from_polars` or `from_pandas`, which validate; the constructor trusts its arguments. Every value
    column is a read-only float64 array of shape (n_candles,), reached as an attribute: `candles.close`.

    Attributes
    ----------
    symbol : str
    interval : Interval
    open_time_ms : array of int64, shape (n_candles,)
        Opening moments, milliseconds since the epoch, UTC, strictly increasing.
    """

    __slots__ = ("_gap_starts", "_values", "interval", "open_time_ms", "symbol")

    def __init__(self, symbol: str, interval: Interval, open_time_ms: Times, values: Mapping[str, Floats]) -> None:
        self.symbol = symbol
        self.interval = interval
        self.open_time_ms = open_time_ms
        self._values = values
        self._gap_starts: Times | None = None

    # -- in and out -----------------------------------------------------------------------------------------------

    @classmethod
    def from_polars(cls, frame: pl.DataFrame, symbol: str, interval: str | Interval) -> Self:
        """Validate a polars frame and take its candles.

        Parameters
        ----------
        frame
            Columns `open_time` (Datetime; naive is read as UTC) and open, high, low, close, volume; optionally
            quote_volume, trades, taker_buy_base, taker_buy_quote. Other columns are ignored.
        symbol, interval
            What the candles are of.

        Raises
        ------
        MissingColumnError
            If one of the six columns is absent.
        CandleError
            If times are unsorted, repeated or off the interval's grid, or values are impossible. `mlsignal.clean`
            turns such rows into a report instead.
        """
        interval = Interval.parse(interval)
        absent = [name for name in ("open_time", *OHLCV_COLUMNS) if name not in frame.columns]
        if absent:
            raise MissingColumnError(
                f"candles of {symbol}: column {', '.join(absent)} expected, found {', '.join(frame.columns) or 'none'}"
            )
        open_time_ms = _milliseconds(frame["open_time"], symbol)
        try:
            values = {
                name: _frozen(frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy())
                for name in VALUE_COLUMNS
                if name in frame.columns
            }
        except pl.exceptions.PolarsError as error:
            raise CandleError(f"candles of {symbol}: a value is not a number ({str(error).splitlines()[0]})") from None
        candles = cls(symbol, interval, open_time_ms, values)
        candles._validate()
        return candles

    @classmethod
    def from_pandas(cls, frame: "pd.DataFrame", symbol: str, interval: str | Interval) -> Self:
        """Validate a pandas frame (`open_time` a column or the index) and take its candles; see `from_polars`."""
        if "open_time" not in frame.columns and frame.index.name == "open_time":
            frame = frame.reset_index()
        columns = {name: frame[name].to_numpy() for name in ("open_time", *VALUE_COLUMNS) if name in frame.columns}
        if "open_time" in columns and getattr(frame["open_time"].dtype, "tz", None) is not None:
            columns["open_time"] = frame["open_time"].dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        if "open_time" in columns and columns["open_time"].dtype.kind == "M":
            columns["open_time"] = columns["open_time"].astype("datetime64[ms]")
        return cls.from_polars(pl.DataFrame(columns), symbol, interval)

    def to_polars(self) -> pl.DataFrame:
        """Return open_time, close_time (Datetime ms UTC) and the value columns as a polars frame."""
        times = {"open_time": times_utc(self.open_time_ms), "close_time": times_utc(self.close_time_ms)}
        return pl.DataFrame({**times, **self._values})

    def to_pandas(self) -> "pd.DataFrame":
        """Return the same as `to_polars`, as a pandas frame; needs the extra `notebook`."""
        return self.to_polars().to_pandas()

    # -- values ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def __repr__(self) -> str:
        span = f"{self.start:%Y-%m-%d %H:%M}..{self.end:%Y-%m-%d %H:%M}" if len(self) else "empty"
        return f"Candles({self.symbol} {self.interval.value}, {len(self)} candles, {span}, {len(self.gaps)} gaps)"

    def column(self, name: str) -> Floats:
        """Return a value column, float64, shape (n_candles,).

        Raises
        ------
        MissingColumnError
            If these candles lack it, as OHLCV-only sources lack the flow columns.
        """
        try:
            return self._values[name]
        except KeyError:
            raise MissingColumnError(
                f"candles of {self.symbol}: column {name!r} is not there (found {', '.join(self._values)}); "
                "use a source that has it, or features that do not need it"
            ) from None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the value columns that are there."""
        return tuple(self._values)

    @property
    def open(self) -> Floats:
        """First price."""
        return self.column("open")

    @property
    def high(self) -> Floats:
        """Highest price."""
        return self.column("high")

    @property
    def low(self) -> Floats:
        """Lowest price."""
        return self.column("low")

    @property
    def close(self) -> Floats:
        """Last price."""
        return self.column("close")

    @property
    def volume(self) -> Floats:
        """Volume in the base asset."""
        return self.column("volume")

    @property
    def quote_volume(self) -> Floats:
        """Volume in the quote asset."""
        return self.column("quote_volume")

    @property
    def trades(self) -> Floats:
        """Number of trades."""
        return self.column("trades")

    @property
    def taker_buy_base(self) -> Floats:
        """Base volume bought by takers."""
        return self.column("taker_buy_base")

    @property
    def taker_buy_quote(self) -> Floats:
        """Quote volume bought by takers."""
        return self.column("taker_buy_quote")

    @property
    def close_time_ms(self) -> Times:
        """Last millisecond of each candle: the moment at which its row becomes known."""
        return self.interval.next_array(self.open_time_ms) - 1

    @property
    def start(self) -> datetime:
        """Open time of the first candle (UTC)."""
        return utc(int(self.open_time_ms[0]))

    @property
    def end(self) -> datetime:
        """Close time of the last candle (UTC)."""
        return utc(self.interval.next(int(self.open_time_ms[-1])) - 1)

    # -- gaps and segments ----------------------------------------------------------------------------------------

    @property
    def gap_starts(self) -> Times:
        """Positions of the candles that follow a gap, ascending."""
        if self._gap_starts is None:
            expected = self.interval.next_array(self.open_time_ms[:-1])
            self._gap_starts = np.flatnonzero(self.open_time_ms[1:] != expected) + 1
        return self._gap_starts

    @property
    def segment_bounds(self) -> list[tuple[int, int]]:
        """First and one-past-last position of each gap-free stretch."""
        if not len(self):
            return []
        edges = [0, *self.gap_starts.tolist(), len(self)]
        return list(pairwise(edges))

    @property
    def segment_ids(self) -> Times:
        """Number of the gap-free stretch that each candle lies in, shape (n_candles,)."""
        ids = np.zeros(len(self), dtype=np.int64)
        ids[self.gap_starts] = 1
        return np.cumsum(ids)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Every stretch of absent candles, in order."""
        found = []
        for position in self.gap_starts.tolist():
            first = self.interval.next(int(self.open_time_ms[position - 1]))
            last = self.interval.next(int(self.open_time_ms[position]), -1)
            found.append(Gap(utc(first), utc(last), self.interval.grid_size(first, last)))
        return tuple(found)

    def segments(self) -> Iterator["Candles"]:
        """Yield the gap-free stretches, in order."""
        for start, stop in self.segment_bounds:
            yield self[start:stop]

    def __getitem__(self, rows: slice) -> "Candles":
        """Return the candles of a slice (step 1); no copy."""
        if rows.step not in (None, 1):
            raise ConfigurationError("a slice of candles must have step 1: a thinned grid would be one large gap")
        values = {name: column[rows] for name, column in self._values.items()}
        return Candles(self.symbol, self.interval, self.open_time_ms[rows], values)

    def last(self, n: int) -> "Candles":
        """Return the newest `n` candles, or all where there are fewer."""
        return self[max(0, len(self) - n) :]

    # -- validation -----------------------------------------------------------------------------------------------

    def _validate(self) -> None:
        if len(self) == 0:
            return
        steps = np.diff(self.open_time_ms)
        self._refuse(np.concatenate([[False], steps <= 0]), "open_time does not increase")
        self._refuse(self.interval.floor_array(self.open_time_ms) != self.open_time_ms, "open_time is off the grid")
        for reason, bad in impossible_values(self._values):
            self._refuse(bad, reason)

    def _refuse(self, bad: npt.NDArray[np.bool_], reason: str) -> None:
        if bad.any():
            first = int(np.argmax(bad))
            raise CandleError(
                f"candles of {self.symbol} {self.interval.value}: {reason} at "
                f"{utc(int(self.open_time_ms[first])):%Y-%m-%d %H:%M:%S} "
                f"(row {first}, {int(bad.sum())} in all); mlsignal.clean() sets such rows apart"
            )


def impossible_values(values: Mapping[str, Floats]) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Yield, for each rule that value columns must keep, its name and the mask of rows that break it."""
    prices = [values[name] for name in ("open", "high", "low", "close")]
    open_, high, low, close = prices
    yield "a price is not a positive finite number", ~np.logical_and.reduce([np.isfinite(p) & (p > 0) for p in prices])
    yield "high is below open, close or low", (high < open_) | (high < close) | (high < low)
    yield "low is above open or close", (low > open_) | (low > close)
    amounts = [column for name, column in values.items() if name not in ("open", "high", "low", "close")]
    yield (
        "an amount is not a finite number of at least 0",
        ~np.logical_and.reduce([np.isfinite(a) & (a >= 0) for a in amounts]),
    )
    for taker, total in (("taker_buy_base", "volume"), ("taker_buy_quote", "quote_volume")):
        if taker in values and total in values:
            yield f"{taker} exceeds {total}", values[taker] > values[total] * (1 + 1e-9)


def _frozen(array: npt.NDArray[Any]) -> Floats:
    column = np.ascontiguousarray(array, dtype=np.float64)
    if column.flags.writeable:
        column.flags.writeable = False
    return column


def _milliseconds(times: pl.Series, symbol: str) -> Times:
    if not isinstance(times.dtype, pl.Datetime):
        raise CandleError(
            f"candles of {symbol}: open_time must be a Datetime column, found {times.dtype}; "
            "read files with mlsignal.sources.files, which knows the exchange's formats"
        )
    if times.null_count():
        raise CandleError(f"candles of {symbol}: open_time is missing in {times.null_count()} rows")
    return times.dt.epoch("ms").to_numpy().astype(np.int64)
