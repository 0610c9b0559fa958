"""Klines as the exchange serves them: which candles a window holds, and how they are written."""

import json
from dataclasses import replace
from typing import Any

import numpy as np

from mlsignal.candles import Interval, Times
from mlsignal.sim.symbols import SymbolInfo
from mlsignal.sim.table import CandleTable
from mlsignal.sim.view import MarketView

_DECIMALS = 8  # the exchange writes eight decimals, whatever the tick


def kline_window(
    view: MarketView,
    symbol: str,
    interval: Interval,
    now_ms: int,
    *,
    start_ms: int | None = None,
    end_ms: int | None = None,
    limit: int = 500,
) -> CandleTable:
    """Return the klines of a window as they stand at a moment, the open candle included.

    Parameters
    ----------
    view, symbol, interval
        What to serve.
    now_ms
        The moment: nothing later is known.
    start_ms, end_ms
        Bounds of the OPEN time, both inclusive. With a start, the oldest from there; without, the newest.
    limit
        At most so many.
    """
    schedule = view.schedule(symbol, interval)
    if now_ms < view.market.start_ms:
        return view.market.table(symbol, interval, 0, 0)
    last = schedule.position_from(min(now_ms, now_ms if end_ms is None else end_ms) + 1) - 1
    if start_ms is None:
        first = max(0, last - limit + 1)
    else:
        first = schedule.position_from(min(start_ms, now_ms + 1))
        last = min(last, first + limit - 1)
    return view.candles(symbol, interval, first, last + 1, now_ms)


def kline_json(table: CandleTable, info: SymbolInfo, interval: Interval) -> bytes:
    """Write klines as the JSON array of arrays of twelve that the exchange sends.

    Examples
    --------
    >>> from mlsignal.sim.market import Market
    >>> market = Market(7)
    >>> table = market.table("BTCUSDT", Interval.M1, 0, 1)
    >>> kline_json(table, market.symbol_info("BTCUSDT"), Interval.M1)[:33]
    b'[[1704067200000,"42000.00000000",'
    """
    lines = _lines(table, info, interval, '[%d,"{}","{}","{}","{}","{}",%d,"{}",%d,"{}","{}","0"]')
    return f"[{','.join(lines)}]".encode()


def kline_rows(table: CandleTable, info: SymbolInfo, interval: Interval) -> list[list[Any]]:
    """Return klines as the lists of twelve that JSON makes of them."""
    rows: list[list[Any]] = json.loads(kline_json(table, info, interval))
    return rows


def kline_csv(table: CandleTable, info: SymbolInfo, interval: Interval, ticks_per_ms: int = 1) -> bytes:
    """Write klines as the lines of twelve that the archive holds.

    Parameters
    ----------
    table, info, interval
        What to write.
    ticks_per_ms
        Unit of the times: 1 for milliseconds, 1000 for microseconds.
    """
    lines = _lines(table, info, interval, "%d,{},{},{},{},{},%d,{},%d,{},{},0\n", ticks_per_ms)
    return "".join(lines).encode()


def _lines(table: CandleTable, info: SymbolInfo, interval: Interval, layout: str, ticks_per_ms: int = 1) -> list[str]:
    """Return a line of every kline, by a layout with a place for each of its decimals."""
    price, lot = info.price_decimals, info.lot_decimals
    decimals = (price, price, price, price, lot, price + lot, lot, price + lot)
    line = layout.format(*(_decimal_format(places) for places in decimals))
    columns: list[Times] = [table.open_time_ms * ticks_per_ms]
    for column in (table.open, table.high, table.low, table.close):
        columns += _split(column, price)
    columns += _split(table.volume, lot)
    columns.append(interval.next_array(table.open_time_ms) * ticks_per_ms - 1)
    columns += _split(table.quote_volume, price + lot)
    columns.append(table.trades)
    columns += _split(table.taker_buy_base, lot)
    columns += _split(table.taker_buy_quote, price + lot)
    return [line % values for values in zip(*(column.tolist() for column in columns), strict=True)]


def _decimal_format(decimals: int) -> str:
    return f"%d.%0{decimals}d{'0' * (_DECIMALS - decimals)}"


def _split(column: Times, decimals: int) -> list[Times]:
    whole, part = np.divmod(column, 10**decimals)
    return [whole, part]


def presentation(table: CandleTable) -> CandleTable:
    """Return klines changed for presentation, as uiKlines are: each opens where the one before closed."""
    opens = np.concatenate([table.open[:1], table.close[:-1]])
    return replace(table, open=opens, high=np.maximum(table.high, opens), low=np.minimum(table.low, opens))
