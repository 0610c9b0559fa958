"""Candles as whole numbers (ticks, lots), so that sums and extremes of any interval reconcile exactly."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from mlsignal.candles import Candles, Floats, Interval, Times
from mlsignal.sim.symbols import SymbolInfo


@dataclass(frozen=True, slots=True)
class CandleTable:
    """Candles in whole numbers: prices in ticks, amounts in lots, quote amounts in ticks x lots."""

    open_time_ms: Times
    open: Times
    high: Times
    low: Times
    close: Times
    volume: Times
    quote_volume: Times
    trades: Times
    taker_buy_base: Times
    taker_buy_quote: Times

    def __len__(self) -> int:
        return len(self.open_time_ms)

    def __getitem__(self, rows: slice) -> Self:
        """Return the candles of a slice, without copying."""
        return type(self)(*(column[rows] for column in self._columns()))

    @classmethod
    def concatenate(cls, tables: Sequence[Self]) -> Self:
        """Return the candles of several tables, one after the other."""
        if len(tables) == 1:
            return tables[0]
        return cls(*(np.concatenate(columns) for columns in zip(*(t._columns() for t in tables), strict=True)))

    def merge(self, first_rows: Times, open_time_ms: Times) -> Self:
        """Return longer candles, each of the rows from one of `first_rows` up to the next.

        Parameters
        ----------
        first_rows
            Where each longer candle begins, strictly increasing, shape (n_longer,).
        open_time_ms
            Open time of each longer candle, shape (n_longer,).
        """
        last_rows = np.append(first_rows[1:], len(self)) - 1
        amounts = (self.volume, self.quote_volume, self.trades, self.taker_buy_base, self.taker_buy_quote)
        return type(self)(
            open_time_ms,
            self.open[first_rows],
            np.maximum.reduceat(self.high, first_rows),
            np.minimum.reduceat(self.low, first_rows),
            self.close[last_rows],
            *(np.add.reduceat(amount, first_rows) for amount in amounts),
        )

    def to_candles(self, info: SymbolInfo, interval: Interval) -> Candles:
        """Return them as `Candles`: every price the float nearest to its decimal number."""
        price, lot = 10.0**info.price_decimals, 10.0**info.lot_decimals
        values = {
            "open": self.open / price,
            "high": self.high / price,
            "low": self.low / price,
            "close": self.close / price,
            "volume": self.volume / lot,
            "quote_volume": self.quote_volume / (price * lot),
            "trades": self.trades.astype(np.float64),
            "taker_buy_base": self.taker_buy_base / lot,
            "taker_buy_quote": self.taker_buy_quote / (price * lot),
        }
        times = self.open_time_ms.copy()
        for column in (times, *values.values()):
            column.flags.writeable = False
        frozen: dict[str, Floats] = values
        return Candles(info.name, interval, times, frozen)

    def _columns(self) -> list[Times]:
        return [getattr(self, field.name) for field in fields(self)]
