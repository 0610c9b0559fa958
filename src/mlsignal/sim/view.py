"""The market as an exchange sees it at a moment: what is known by then, with the defects of its data."""

from collections.abc import Iterable, Sequence

import numpy as np

from mlsignal.candles import Interval
from mlsignal.sim.defects import Defect, Delisting, absent_spans
from mlsignal.sim.market import Market
from mlsignal.sim.schedule import Run, Schedule
from mlsignal.sim.table import CandleTable

_SECOND_MS = 1_000
_MINUTE_MS = 60_000


class MarketView:
    """A market with defects; everything an exchange serves is made of this.

    Parameters
    ----------
    market
        The truth.
    defects
        What is wrong with it as it is served. None of them changes a candle that they do not touch.

    Attributes
    ----------
    market, defects
        As given.

    Examples
    --------
    >>> from mlsignal.sim.defects import Outage
    >>> market = Market(seed=7)
    >>> t = market.start_ms
    >>> view = MarketView(market, [Outage("BTCUSDT", t + 60_000, t + 180_000)])
    >>> view.candles("BTCUSDT", Interval.M1, 0, 2, t + 600_000).open_time_ms - t
    array([     0, 180000])
    """

    def __init__(self, market: Market, defects: Iterable[Defect] = ()) -> None:
        self.market = market
        self.defects = tuple(defects)
        self._schedules: dict[tuple[str, Interval], Schedule] = {}

    def status(self, symbol: str, now_ms: int) -> str:
        """Return what exchangeInfo says of a symbol: TRADING, or BREAK once it is delisted."""
        ended = any(isinstance(d, Delisting) and d.start_ms <= now_ms for d in self._defects(symbol))
        return "BREAK" if ended else "TRADING"

    def version(self, now_ms: int) -> tuple[bool, ...]:
        """Return what tells the data served at one moment from those served, of the same candles, at another."""
        return tuple(defect.is_pending(now_ms) for defect in self.defects)

    def schedule(self, symbol: str, interval: Interval) -> Schedule:
        """Return which candles there are."""
        key = (symbol, interval)
        if key not in self._schedules:
            self._schedules[key] = Schedule(self.market, interval, self._defects(symbol))
        return self._schedules[key]

    def candles(self, symbol: str, interval: Interval, first: int, stop: int, now_ms: int) -> CandleTable:
        """Return the candles at positions `first` up to, but without, `stop`, as they stand at a moment.

        Notes
        -----
        A candle that is open then is made of the seconds elapsed; where none has traded it is flat.
        """
        tables = [self._run(symbol, interval, run, now_ms) for run in self.schedule(symbol, interval).runs(first, stop)]
        return CandleTable.concatenate(tables) if tables else self.market.table(symbol, interval, 0, 0)

    def content(self, symbol: str, begin_ms: int, until_ms: int, now_ms: int) -> CandleTable:
        """Return the minutes, and at both ends the seconds, that lie between two moments."""
        begin, until = (max(0, time - self.market.start_ms) for time in (begin_ms, until_ms))
        first_minute, stop_minute = -(-begin // _MINUTE_MS), until // _MINUTE_MS
        first_second, stop_second = begin // _SECOND_MS, until // _SECOND_MS
        if first_minute > stop_minute:
            return self._seconds(symbol, first_second, stop_second, now_ms)
        parts = (
            self._seconds(symbol, first_second, first_minute * 60, now_ms),
            self._minutes(symbol, first_minute, stop_minute, now_ms),
            self._seconds(symbol, stop_minute * 60, stop_second, now_ms),
        )
        return CandleTable.concatenate([part for part in parts if len(part)] or [parts[0]])

    def seconds(self, symbol: str, begin_ms: int, until_ms: int, now_ms: int) -> CandleTable:
        """Return the seconds that lie between two moments."""
        first, stop = (max(0, time - self.market.start_ms) // _SECOND_MS for time in (begin_ms, until_ms))
        return self._seconds(symbol, first, stop, now_ms)

    def true_trades(self, symbol: str, begin_ms: int, until_ms: int) -> int:
        """Return how many trades the market made between two moments, whatever its defects."""
        return int(MarketView(self.market).content(symbol, begin_ms, until_ms, until_ms).trades.sum())

    def _run(self, symbol: str, interval: Interval, run: Run, now_ms: int) -> CandleTable:
        if run.offset_ms:
            return CandleTable.concatenate(
                [self._single(symbol, interval, number, run.offset_ms, now_ms) for number in range(run.first, run.stop)]
            )
        newest = int(self.market.open_times(interval, run.stop - 1, run.stop)[0])
        if interval.next(newest) <= now_ms:
            return self._closed(symbol, interval, run.first, run.stop, now_ms)
        closed = self._closed(symbol, interval, run.first, run.stop - 1, now_ms)
        return CandleTable.concatenate([closed, self._single(symbol, interval, run.stop - 1, 0, now_ms)])

    def _closed(self, symbol: str, interval: Interval, first: int, stop: int, now_ms: int) -> CandleTable:
        if first >= stop or interval is Interval.S1:
            return self._seconds(symbol, first, stop, now_ms)
        opens = self.market.open_times(interval, first, stop)
        begin_ms = max(int(opens[0]), self.market.start_ms)
        end_ms = interval.next(int(opens[-1]))
        if not self._touching(symbol, begin_ms, end_ms, now_ms):
            return self.market.table(symbol, interval, first, stop)
        first_minute, stop_minute = ((time - self.market.start_ms) // _MINUTE_MS for time in (begin_ms, end_ms))
        minutes = self._minutes(symbol, first_minute, stop_minute, now_ms)
        if interval is Interval.M1:
            return minutes
        owners = interval.floor_array(minutes.open_time_ms)
        first_rows = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1))
        return minutes.merge(first_rows, owners[first_rows])

    def _single(self, symbol: str, interval: Interval, number: int, offset_ms: int, now_ms: int) -> CandleTable:
        """Return one candle that is open, or opens off the grid; flat where nothing has been traded in it yet."""
        opens = self.market.open_times(interval, number, number + 1)
        end_ms = interval.next(int(opens[0])) + offset_ms
        opens = opens + offset_ms
        content = self.content(symbol, int(opens[0]), min(end_ms, now_ms), now_ms)
        if len(content):
            return content.merge(np.zeros(1, dtype=np.int64), opens)
        second = max(0, (min(now_ms, end_ms) - self.market.start_ms) // _SECOND_MS)
        price = self.market.table(symbol, Interval.S1, second, second + 1).open
        none = np.zeros(1, dtype=np.int64)
        return CandleTable(opens, price, price, price, price, none, none, none, none, none)

    def _minutes(self, symbol: str, first: int, stop: int, now_ms: int) -> CandleTable:
        """Return the minutes number `first` up to, but without, `stop`; absent ones are left out."""
        minutes = self.market.table(symbol, Interval.M1, first, stop)
        begin_ms = self.market.start_ms + first * _MINUTE_MS
        touching = self._touching(symbol, begin_ms, begin_ms + (stop - first) * _MINUTE_MS, now_ms)
        for defect in touching:
            if defect.changes_values:
                minutes = self._remade(symbol, minutes, defect, touching)
        return _present(minutes, touching)

    def _remade(self, symbol: str, minutes: CandleTable, defect: Defect, touching: Sequence[Defect]) -> CandleTable:
        """Return the minutes, those that a defect changes made of their seconds anew."""
        low, high = np.searchsorted(minutes.open_time_ms, (defect.start_ms, defect.end_ms))
        if low == high:
            return minutes
        numbers = ((int(minutes.open_time_ms[row]) - self.market.start_ms) // 1000 for row in (low, high - 1))
        first, last = numbers
        seconds = self.market.table(symbol, Interval.S1, first, last + 60)
        for each in touching:
            seconds = each.on_seconds(seconds, self.market, symbol)
        remade = seconds.merge(np.arange(0, len(seconds), 60), minutes.open_time_ms[low:high])
        return CandleTable.concatenate([minutes[:low], remade, minutes[high:]])

    def _seconds(self, symbol: str, first: int, stop: int, now_ms: int) -> CandleTable:
        """Return the seconds number `first` up to, but without, `stop`; absent ones are left out."""
        seconds = self.market.table(symbol, Interval.S1, first, stop)
        begin_ms = self.market.start_ms + first * _SECOND_MS
        touching = self._touching(symbol, begin_ms, begin_ms + (stop - first) * _SECOND_MS, now_ms)
        for defect in touching:
            seconds = defect.on_seconds(seconds, self.market, symbol)
        return _present(seconds, touching)

    def _touching(self, symbol: str, begin_ms: int, end_ms: int, now_ms: int) -> tuple[Defect, ...]:
        return tuple(
            defect
            for defect in self._defects(symbol)
            if defect.start_ms < end_ms and begin_ms < defect.end_ms and defect.is_pending(now_ms)
        )

    def _defects(self, symbol: str) -> tuple[Defect, ...]:
        return tuple(defect for defect in self.defects if defect.concerns(symbol))


def _present(table: CandleTable, defects: Iterable[Defect]) -> CandleTable:
    for start_ms, end_ms in absent_spans(defects):
        low, high = np.searchsorted(table.open_time_ms, (start_ms, end_ms))
        if low < high:
            table = CandleTable.concatenate([table[:low], table[high:]])
    return table
