"""A simulated market whose truth is known: candles, and the very probability that each was drawn with.

It is SYNTHETIC: no price in it was ever paid. What is planted, and what is not:

==========  ================================================================================
BTCUSDT     P(up) follows two classic features, as `Plant` documents
ETHUSDT,    copy BTCUSDT's direction in a share of the minutes, and toss a fair coin in the
SOLUSDT     others, so that P(up) = share x P(up of BTCUSDT) + (1 - share) / 2
NULLUSDT    P(up | moved, past) = .5 exactly, at every interval
==========  ================================================================================

A minute is ten steps of exponential size times a volatility that clusters at several time scales, jumps, and
follows the hours of the day. Sizes never depend on signs within a block of 4096 minutes, so a minute turned
over is as likely as the minute itself, and P(up) is free to be whatever is planted. In NULLUSDT sizes never
depend on signs at all, not even on the price that they led to: therefore any sum of its steps, over any span,
is as likely above as below zero. (The price that one minute could bring below a fiftieth of the first one
stands still for that minute instead.)
"""

import hashlib
import threading
from datetime import UTC, datetime

import numpy as np

from mlsignal.candles import Candles, Floats, Interval, Times
from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sim.path import MinutePath
from mlsignal.sim.plant import Plant
from mlsignal.sim.randomness import Purpose, stream
from mlsignal.sim.seconds import split_minutes, step_seconds
from mlsignal.sim.symbols import BITCOIN, NULL, SYMBOL_MODELS, SymbolInfo
from mlsignal.sim.table import CandleTable
from mlsignal.sim.volatility import BLOCK, LogVolatility

_MINUTE_MS = 60_000
_FIRST_DAY = datetime(2024, 1, 1, tzinfo=UTC)


class Market:
    """A seeded market of several symbols, without end; what was generated is remembered.

    Parameters
    ----------
    seed
        Every number of the market follows from it, and from `start` (through the hours of the day).
    start
        When trading begins: a whole minute, time-zone aware.
    signal_strength
        Standard deviation of the logit of P(up) of BTCUSDT, 0 (nothing is planted) to 2. The default leaves a
        best possible accuracy of about 54 %.

    Attributes
    ----------
    seed, start
        As given.
    start_ms : int
        `start` in milliseconds since the epoch.
    plant : Plant
        What is planted in BTCUSDT.
    symbols : tuple of str
        Names of the symbols.

    Raises
    ------
    ConfigurationError
        If an argument is out of its range.

    Notes
    -----
    Candles of n minutes are a prefix of those of more. Every interval is made of the same minutes, and a
    minute of its seconds: they reconcile exactly. May be used from several threads.

    Examples
    --------
    >>> market = Market(seed=7)
    >>> market.candles("BTCUSDT", "15m", 100)
    Candles(BTCUSDT 15m, 100 candles, 2024-01-01 00:00..2024-01-02 00:59, 0 gaps)
    >>> market.oracle("NULLUSDT", "1h", 3).tolist()
    [0.5, 0.5, 0.5]
    """

    def __init__(self, seed: int = 0, *, start: datetime = _FIRST_DAY, signal_strength: float = 0.2) -> None:
        _check_arguments(seed, start, signal_strength)
        self.seed = seed
        self.start = start.astimezone(UTC)
        self.start_ms = round(start.timestamp()) * 1000
        self.plant = Plant.of_strength(signal_strength)
        self.symbols: tuple[str, ...] = tuple(SYMBOL_MODELS)
        self._lock = threading.RLock()
        self._common = LogVolatility(seed, "MARKET")
        self._paths: dict[str, MinutePath] = {}

    @property
    def fingerprint(self) -> str:
        """Eight characters that tell this market from others; neither seed nor oracle can be read from them."""
        told = f"{self.seed} {self.start_ms} {self.plant.coefficients}"
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def symbol_info(self, symbol: str) -> SymbolInfo:
        """Return what an exchange publishes about a symbol.

        Raises
        ------
        ConfigurationError
            If there is no such symbol.
        """
        if symbol not in SYMBOL_MODELS:
            raise ConfigurationError(
                f"symbol: {symbol!r} is not in the simulated market. {did_you_mean(symbol, self.symbols)}"
            )
        return SYMBOL_MODELS[symbol].info

    def candles(self, symbol: str, interval: str | Interval, n: int) -> Candles:
        """Return the first `n` candles of an interval, since the market began.

        Parameters
        ----------
        symbol
            One of `symbols`.
        interval
            Length of a candle. Where the market began in mid-period, the first candle is as short as at a
            listing.
        n
            How many, at least 0.

        Returns
        -------
        Candles
            With all columns; prices are whole ticks, no candle is missing.

        Raises
        ------
        ConfigurationError
            If there is no such symbol or interval, or `n` is negative.
        """
        interval = Interval.parse(interval)
        return self.table(symbol, interval, 0, _count(n)).to_candles(self.symbol_info(symbol), interval)

    def oracle(self, symbol: str, interval: str | Interval, n: int) -> Floats:
        """Return the probabilities that the first `n` candles were drawn with.

        Returns
        -------
        array of float64, shape (n,)
            Element t: P(candle t closes above candle t-1 | it closes elsewhere, and all that is known when it
            opens). Of the first candle, .5.

        Raises
        ------
        ConfigurationError
            If there is no such symbol or interval, `n` is negative, or the probability is not known: that of
            the planted symbols is, at 1m only.
        """
        interval, n = Interval.parse(interval), _count(n)
        self.symbol_info(symbol)
        if symbol == NULL:
            return np.full(n, 0.5)
        if interval is not Interval.M1:
            raise ConfigurationError(
                f"interval: the oracle of {symbol} is known at 1m, not at {interval.value}; "
                f"ask for 1m, or take {NULL}, whose oracle is known at every interval"
            )
        with self._lock:
            path = self._path(symbol)
            parts = [path.block(index).p_up for index in range(-(-n // BLOCK))]
        return np.concatenate([*parts, np.empty(0)])[:n]

    def table(self, symbol: str, interval: Interval, first: int, stop: int) -> CandleTable:
        """Return candles number `first` up to, but without, `stop`, in whole numbers of ticks and lots.

        The candle that holds `start` is number 0.
        """
        self.symbol_info(symbol)
        if interval is Interval.S1:
            return self._second_table(symbol, first, stop)
        opens = self.open_times(interval, first, stop)
        if not len(opens):
            return self._minute_table(symbol, 0, 1)[:0]
        begins = np.maximum(opens, self.start_ms)
        first_minute, stop_minute = (
            (time - self.start_ms) // _MINUTE_MS for time in (int(begins[0]), interval.next(int(opens[-1])))
        )
        minutes = self._minute_table(symbol, first_minute, stop_minute)
        if interval is Interval.M1:
            return minutes
        return minutes.merge((begins - self.start_ms) // _MINUTE_MS - first_minute, opens)

    def open_times(self, interval: Interval, first: int, stop: int) -> Times:
        """Return the open times (ms) of candles number `first` up to, but without, `stop`."""
        origin = np.full(max(0, stop - first), interval.floor(self.start_ms), dtype=np.int64)
        if interval is Interval.MONTH1:
            months = origin.astype("datetime64[ms]").astype("datetime64[M]") + np.arange(first, first + len(origin))
            return months.astype("datetime64[ms]").astype(np.int64)
        return origin + interval.milliseconds * np.arange(first, first + len(origin), dtype=np.int64)

    def _minute_table(self, symbol: str, first: int, stop: int) -> CandleTable:
        low, high = first // BLOCK, max(first, stop - 1) // BLOCK
        with self._lock:
            path = self._path(symbol)
            path.block(high)
            tables = [path.block(index).table for index in range(low, high + 1)]
        return CandleTable.concatenate(tables)[first - low * BLOCK : stop - low * BLOCK]

    def _second_table(self, symbol: str, first: int, stop: int) -> CandleTable:
        stop = max(first, stop)
        first_minute, stop_minute = first // 60, max(first // 60 + 1, -(-stop // 60))
        tables = []
        with self._lock:
            path = self._path(symbol)
            for index in range(first_minute // BLOCK, (stop_minute - 1) // BLOCK + 1):
                rows = slice(max(0, first_minute - index * BLOCK), min(BLOCK, stop_minute - index * BLOCK))
                starts = step_seconds(stream(self.seed, symbol, index, Purpose.SECONDS))
                times = path.block(index).table.open_time_ms[rows]
                tables.append(split_minutes(path.slots(index), starts, rows, times))
        return CandleTable.concatenate(tables)[first - first_minute * 60 : stop - first_minute * 60]

    def _path(self, symbol: str) -> MinutePath:
        if symbol not in self._paths:
            model = SYMBOL_MODELS[symbol]
            leader = None if model.leader is None else self._path(model.leader)
            plant = self.plant if symbol == BITCOIN else None
            self._paths[symbol] = MinutePath(self.seed, model, self.start_ms, self._common, plant, leader)
        return self._paths[symbol]


def _check_arguments(seed: int, start: datetime, signal_strength: float) -> None:
    if not _is_count(seed):
        raise ConfigurationError(f"seed: a whole number of at least 0 expected, found {seed!r}")
    if start.tzinfo is None:
        raise ConfigurationError(f"start: a time zone is expected, found {start!r}; add tzinfo=UTC")
    if start.second or start.microsecond:
        raise ConfigurationError(f"start: a whole minute expected, found {start.isoformat()}")
    if not 0 <= signal_strength <= 2:
        raise ConfigurationError(f"signal_strength: 0 to 2 expected, found {signal_strength!r}")


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 0


def _count(n: int) -> int:
    if not _is_count(n):
        raise ConfigurationError(f"n: a whole number of at least 0 expected, found {n!r}")
    return int(n)
