"""Kline streams: which messages a subscription is sent as time goes by."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mlsignal.candles import Interval
from mlsignal.sim.klines import kline_rows
from mlsignal.sim.market import Market
from mlsignal.sim.table import CandleTable
from mlsignal.sim.view import MarketView

_MINUTE_MS: Final = 60_000
_NAME: Final = re.compile(r"(?P<symbol>[^@]+)@kline_(?P<interval>\w+)")
_INTERVALS: Final = {one.value: one for one in Interval}


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """A message of a stream."""

    stream: str
    payload: dict[str, Any]
    due_ms: int
    """When it is to be sent."""
    broken: bool = False
    """Whether only half of its JSON is sent."""


def stream_topic(name: str, market: Market) -> tuple[str, Interval] | None:
    """Return symbol and interval of a kline stream, or None where the name is of nothing that there is.

    Examples
    --------
    >>> stream_topic("btcusdt@kline_1m", Market(7))
    ('BTCUSDT', <Interval.M1: '1m'>)
    >>> stream_topic("BTCUSDT@kline_1m", Market(7)) is None  # names are in lower case
    True
    """
    found = _NAME.fullmatch(name)
    if found is None or found["symbol"] != found["symbol"].lower() or found["interval"] not in _INTERVALS:
        return None
    symbol = found["symbol"].upper()
    return (symbol, _INTERVALS[found["interval"]]) if symbol in market.symbols else None


class LiveCandles:
    """Candles while they are made; what a minute has brought is remembered for the streams that share it.

    Parameters
    ----------
    view
        What they are made of.
    """

    def __init__(self, view: MarketView) -> None:
        self.view = view
        self._seconds: dict[str, tuple[tuple[object, ...], CandleTable]] = {}
        self._before: dict[tuple[str, Interval], tuple[tuple[object, ...], CandleTable]] = {}
        self._trades: dict[tuple[str, Interval], tuple[int, int]] = {}

    def at(self, symbol: str, interval: Interval, open_ms: int, now_ms: int) -> CandleTable:
        """Return the candle that opened at `open_ms`, made of what was traded before `now_ms`; none if nothing was."""
        minute_ms = max(open_ms, now_ms // _MINUTE_MS * _MINUTE_MS)
        parts = [self._minutes_before(symbol, interval, open_ms, minute_ms, now_ms)]
        if now_ms > minute_ms:
            seconds = self._minute(symbol, minute_ms, now_ms)
            parts.append(seconds[: int(np.searchsorted(seconds.open_time_ms, now_ms // 1000 * 1000))])
        parts = [part for part in parts if len(part)] or parts[:1]
        content = CandleTable.concatenate(parts)
        if not len(content):
            return content
        return content.merge(np.zeros(1, dtype=np.int64), np.array([open_ms], dtype=np.int64))

    def trades_before(self, symbol: str, interval: Interval, open_ms: int) -> int:
        """Return how many trades a symbol had before a candle of an interval opened: the number of its first."""
        known_ms, known = self._trades.get((symbol, interval), (self.view.market.start_ms, 0))
        if known_ms > open_ms:
            known_ms, known = self.view.market.start_ms, 0
        trades = known + self.view.true_trades(symbol, known_ms, open_ms)
        self._trades[symbol, interval] = (open_ms, trades)
        return trades

    def _minutes_before(
        self, symbol: str, interval: Interval, open_ms: int, minute_ms: int, now_ms: int
    ) -> CandleTable:
        key = (open_ms, minute_ms, self.view.version(now_ms))
        known = self._before.get((symbol, interval))
        if known is None or known[0] != key:
            content = self.view.content(symbol, open_ms, minute_ms, now_ms)
            if len(content):
                content = content.merge(np.zeros(1, dtype=np.int64), np.array([open_ms], dtype=np.int64))
            known = self._before[symbol, interval] = (key, content)
        return known[1]

    def _minute(self, symbol: str, minute_ms: int, now_ms: int) -> CandleTable:
        key = (minute_ms, self.view.version(now_ms))
        known = self._seconds.get(symbol)
        if known is None or known[0] != key:
            known = self._seconds[symbol] = (
                key,
                self.view.seconds(symbol, minute_ms, minute_ms + _MINUTE_MS, now_ms),
            )
        return known[1]


class KlineStream:
    """One subscription: an update every two seconds (of 1s candles every second) in which something was traded.

    Parameters
    ----------
    name, symbol, interval
        What is subscribed to.
    live
        Where its candles come from.
    now_ms
        When it was subscribed to.

    Notes
    -----
    A candle's closing message is sent at the moment of its close, but on a quiet symbol later: that of a candle
    without trades comes with the next trade. Of a candle that is absent none is sent.
    """

    def __init__(self, name: str, symbol: str, interval: Interval, live: LiveCandles, now_ms: int) -> None:
        self.name = name
        self.symbol = symbol
        self.interval = interval
        self.live = live
        self._period_ms = 1_000 if interval is Interval.S1 else 2_000
        self._unclosed: list[int] = []
        self._turn(now_ms)
        self._sent_trades = self._trades(self._candle(self._open_ms, now_ms))

    def tick(self, now_ms: int) -> Iterator[StreamEvent]:
        """Yield the messages that are due at a whole second; call it for one after the other."""
        if now_ms >= self._next_ms or now_ms < self._open_ms:
            self._unclosed.append(self._open_ms)
            self._turn(now_ms)
            self._sent_trades = 0
        elif now_ms % self._period_ms:
            return
        current = self._candle(self._open_ms, now_ms)
        trades = self._trades(current)
        yield from self._closings(now_ms, traded_since=trades > 0)
        if trades > self._sent_trades:
            self._sent_trades = trades
            yield self._event(current, now_ms, is_closed=False)

    def _closings(self, now_ms: int, *, traded_since: bool) -> Iterator[StreamEvent]:
        candles = [self._candle(open_ms, self.interval.next(open_ms)) for open_ms in self._unclosed]
        due = len(candles) if traded_since else 0
        for number, candle in enumerate(candles, 1):
            due = max(due, number if self._trades(candle) else 0)
        for candle in candles[:due]:
            if len(candle):
                yield self._event(candle, now_ms, is_closed=True)
        self._unclosed = self._unclosed[due:]

    def _turn(self, now_ms: int) -> None:
        self._open_ms = self.interval.floor(now_ms)
        self._next_ms = self.interval.next(self._open_ms)

    def _candle(self, open_ms: int, now_ms: int) -> CandleTable:
        return self.live.at(self.symbol, self.interval, open_ms, now_ms)

    @staticmethod
    def _trades(candle: CandleTable) -> int:
        return int(candle.trades[0]) if len(candle) else 0

    def _event(self, candle: CandleTable, now_ms: int, *, is_closed: bool) -> StreamEvent:
        info = self.live.view.market.symbol_info(self.symbol)
        row = kline_rows(candle, info, self.interval)[0]
        first = self.live.trades_before(self.symbol, self.interval, row[0])
        payload = {
            "e": "kline",
            "E": now_ms,
            "s": self.symbol,
            "k": {
                "t": row[0],
                "T": row[6],
                "s": self.symbol,
                "i": self.interval.value,
                "f": first if row[8] else -1,
                "L": first + row[8] - 1 if row[8] else -1,
                "o": row[1],
                "c": row[4],
                "h": row[2],
                "l": row[3],
                "v": row[5],
                "n": row[8],
                "x": is_closed,
                "q": row[7],
                "V": row[9],
                "Q": row[10],
                "B": "0",
            },
        }
        return StreamEvent(self.name, payload, now_ms)
