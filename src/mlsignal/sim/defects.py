"""Defects of a market's data, as exchanges have had them: what is absent, halted, crashed, shifted or revised later."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsignal.candles import Interval, Times
from mlsignal.errors import ConfigurationError
from mlsignal.sim.market import Market
from mlsignal.sim.table import CandleTable

EVERY_SYMBOL: Final = "*"
_MINUTE_MS: Final = 60_000
_LATE_MS: Final = 50_000  # of a minute: what a provisional candle knows
_FOREVER_MS: Final = 1 << 60


@dataclass(frozen=True, slots=True)
class Defect:
    """A stretch of whole minutes in which a symbol's data are not what the market made.

    Raises
    ------
    ConfigurationError
        If the stretch is empty, or not of whole minutes.
    """

    symbol: str
    """Whose data; "*" for every symbol's."""
    start_ms: int
    """Where it begins, milliseconds since the epoch."""
    end_ms: int
    """Where it ends, without that moment."""

    def __post_init__(self) -> None:
        if self.start_ms % _MINUTE_MS or self.end_ms % _MINUTE_MS or self.end_ms <= self.start_ms:
            raise ConfigurationError(
                f"{type(self).__name__}: a stretch of whole minutes expected, found {self.start_ms} to {self.end_ms}"
            )

    def concerns(self, symbol: str) -> bool:
        """Tell whether it is a defect of this symbol."""
        return self.symbol in (symbol, EVERY_SYMBOL)

    def is_pending(self, now_ms: int) -> bool:
        """Tell whether the data served at this moment have it; only a revision ends."""
        del now_ms
        return True

    def on_seconds(self, seconds: CandleTable, market: Market, symbol: str) -> CandleTable:
        """Return seconds as they are served, where the defect changes what they hold."""
        del market, symbol
        return seconds

    @property
    def changes_values(self) -> bool:
        """Whether `on_seconds` does anything."""
        return type(self).on_seconds is not Defect.on_seconds


@dataclass(frozen=True, slots=True)
class Outage(Defect):
    """The engine is off: candles that lie within it are absent, longer ones lack its minutes."""


@dataclass(frozen=True, slots=True)
class Halt(Defect):
    """Trading is halted: zero volume, no trades, open = high = low = close."""

    def on_seconds(self, seconds: CandleTable, market: Market, symbol: str) -> CandleTable:
        """Return the seconds, those of the halt flat at the price before it."""
        return _frozen(seconds, market, symbol, self.start_ms, self.end_ms)


@dataclass(frozen=True, slots=True)
class Crash(Defect):
    """Prices fall away from the market's and come back, along a straight line each way."""

    depth: float = 0.3
    """Share of the price that is lost at the bottom, 0 to 1, without either."""

    def __post_init__(self) -> None:
        """Check the arguments."""
        Defect.__post_init__(self)
        if not 0 < self.depth < 1:
            raise ConfigurationError(f"depth: a share between 0 and 1 expected, found {self.depth!r}")

    def on_seconds(self, seconds: CandleTable, market: Market, symbol: str) -> CandleTable:
        """Return the seconds, those of the crash at the fallen prices; they trade as much as they did."""
        inside = (seconds.open_time_ms >= self.start_ms) & (seconds.open_time_ms < self.end_ms)
        if not inside.any():
            return seconds
        first_second, stop_second = ((time - market.start_ms) // 1000 for time in (self.start_ms, self.end_ms))
        whole = market.table(symbol, Interval.S1, max(0, first_second), stop_second)
        price = self._prices(whole)
        before = np.concatenate([whole.open[:1], price[:-1]])
        fallen = replace(
            whole,
            open=before,
            high=np.maximum(before, price),
            low=np.minimum(before, price),
            close=price,
            quote_volume=whole.volume * price,
            taker_buy_quote=whole.taker_buy_base * price,
        )
        times = seconds.open_time_ms
        first = int(np.argmax(inside))
        stop = first + int(inside.sum())
        row = (int(times[first]) - int(fallen.open_time_ms[0])) // 1000
        return CandleTable.concatenate([seconds[:first], fallen[row : row + stop - first], seconds[stop:]])

    def _prices(self, whole: CandleTable) -> Times:
        """Return the price after each second: it moves where there is a trade, and then to the fallen price."""
        share = (np.arange(len(whole)) + 0.5) / len(whole)
        factor = 1 - self.depth * (1 - np.abs(2 * share - 1))
        target = np.maximum(1, np.rint(whole.close * factor)).astype(np.int64)
        traded = np.where(whole.trades > 0, np.arange(len(whole)), -1)
        newest = np.maximum.accumulate(traded)
        price: Times = np.where(newest < 0, whole.open[0], target[newest])
        return price


@dataclass(frozen=True, slots=True)
class Misaligned(Defect):
    """Candles of one interval open off the grid; the last of them overlaps its regular successor."""

    interval: Interval = Interval.H1
    offset_ms: int = 28 * _MINUTE_MS + 14_789

    def __post_init__(self) -> None:
        """Check the arguments."""
        Defect.__post_init__(self)
        if not 0 < self.offset_ms < self.interval.milliseconds:
            raise ConfigurationError(f"offset_ms: less than a candle of {self.interval.value}, found {self.offset_ms}")


@dataclass(frozen=True, slots=True)
class Revision(Defect):
    """Minutes are served without their last ten seconds until a later moment, then as they were."""

    known_ms: int = _FOREVER_MS
    """When the whole minutes begin to be served, milliseconds since the epoch."""

    def is_pending(self, now_ms: int) -> bool:
        """Tell whether the provisional minutes are still served."""
        return now_ms < self.known_ms

    def on_seconds(self, seconds: CandleTable, market: Market, symbol: str) -> CandleTable:
        """Return the seconds, the last ten of each minute without trades."""
        for minute_ms in range(self.start_ms, self.end_ms, _MINUTE_MS):
            seconds = _frozen(seconds, market, symbol, minute_ms + _LATE_MS, minute_ms + _MINUTE_MS)
        return seconds


@dataclass(frozen=True, slots=True)
class Delisting(Defect):
    """Trading ends for good: no candle from then on, status BREAK; what was traded is still served."""

    end_ms: int = _FOREVER_MS - _FOREVER_MS % _MINUTE_MS


def absent_spans(defects: Iterable[Defect]) -> list[tuple[int, int]]:
    """Return the stretches (ms) without any candle, merged and in order.

    Examples
    --------
    >>> absent_spans([Outage("*", 120_000, 240_000), Outage("BTCUSDT", 60_000, 120_000)])
    [(60000, 240000)]
    """
    merged: list[tuple[int, int]] = []
    spans = sorted((d.start_ms, d.end_ms) for d in defects if isinstance(d, Outage | Delisting))
    for start_ms, end_ms in spans:
        if merged and start_ms <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end_ms))
        else:
            merged.append((start_ms, end_ms))
    return merged


def _frozen(seconds: CandleTable, market: Market, symbol: str, start_ms: int, end_ms: int) -> CandleTable:
    """Return the seconds, those of a stretch flat at the price before it, and without trades."""
    inside = (seconds.open_time_ms >= start_ms) & (seconds.open_time_ms < end_ms)
    if not inside.any():
        return seconds
    number = (start_ms - market.start_ms) // 1000
    if number > 0:
        price = market.table(symbol, Interval.S1, number - 1, number).close[0]
    else:
        price = market.table(symbol, Interval.S1, 0, 1).open[0]
    prices = {name: np.where(inside, price, getattr(seconds, name)) for name in ("open", "high", "low", "close")}
    amounts = ("volume", "quote_volume", "trades", "taker_buy_base", "taker_buy_quote")
    return replace(seconds, **prices, **{name: np.where(inside, 0, getattr(seconds, name)) for name in amounts})
