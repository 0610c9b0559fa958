"""Klines as the exchange serves them: which candles a window holds, and how they are written."""

from dataclasses import replace

import numpy as np

from mlsignal.candles import Interval, Times
from mlsignal.sim.market import Market
from mlsignal.sim.symbols import SymbolInfo
from mlsignal.sim.table import CandleTable

_MINUTE_MS = 60_000
_DECIMALS = 8  # the exchange writes eight decimals, whatever the tick


def kline_window(
    market: Market,
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
    market, symbol, interval
        What to serve.
    now_ms
        The moment: nothing later is known.
    start_ms, end_ms
        Bounds of the OPEN time, both inclusive. With a start, the oldest from there; without, the newest.
    limit
        At most so many.
    """
    newest = _number_at(market, interval, now_ms) if now_ms >= market.start_ms else -1
    last = newest if end_ms is None or end_ms >= now_ms else _number_at(market, interval, end_ms)
    if start_ms is None:
        first = max(0, last - limit + 1)
    else:
        first = _first_from(market, interval, start_ms, newest)
        last = min(last, first + limit - 1)
    closed = market.table(symbol, interval, first, min(last, newest - 1) + 1)
    if newest < 0 or not first <= newest <= last:
        return closed
    return CandleTable.concatenate([closed, _open_candle(market, symbol, interval, newest, now_ms)])


def _number_at(market: Market, interval: Interval, time_ms: int) -> int:
    """Return the number of the candle that holds a moment, negative before the market began."""
    if time_ms < market.start_ms:
        return 0 if time_ms >= interval.floor(market.start_ms) else -1
    return interval.grid_size(interval.floor(market.start_ms), interval.floor(time_ms)) - 1


def _first_from(market: Market, interval: Interval, start_ms: int, newest: int) -> int:
    """Return the number of the first candle that opens at `start_ms` or later."""
    if start_ms <= interval.floor(market.start_ms):
        return 0
    newest_open = int(market.open_times(interval, newest, newest + 1)[0]) if newest >= 0 else -1
    if start_ms > newest_open:
        return newest + 1
    number = _number_at(market, interval, start_ms)
    return number if int(market.open_times(interval, number, number + 1)[0]) == start_ms else number + 1


def _open_candle(market: Market, symbol: str, interval: Interval, number: int, now_ms: int) -> CandleTable:
    """Return the candle that is open at a moment, made of the seconds elapsed; flat where none has."""
    opens = market.open_times(interval, number, number + 1)
    begin_ms = max(int(opens[0]), market.start_ms) - market.start_ms
    elapsed_ms = now_ms - market.start_ms
    minute, second = elapsed_ms // _MINUTE_MS, elapsed_ms // 1000
    first_second = max(begin_ms // 1000, minute * 60)
    parts = [
        market.table(symbol, Interval.M1, begin_ms // _MINUTE_MS, minute),
        market.table(symbol, Interval.S1, first_second, second),
    ]
    if not any(len(part) for part in parts):
        now = market.table(symbol, Interval.S1, second, second + 1)
        none = np.zeros(1, dtype=np.int64)
        return CandleTable(opens, now.open, now.open, now.open, now.open, none, none, none, none, none)
    return CandleTable.concatenate(parts).merge(np.zeros(1, dtype=np.int64), opens)


def kline_json(table: CandleTable, info: SymbolInfo, interval: Interval) -> bytes:
    """Write klines as the JSON array of arrays of twelve that the exchange sends.

    Examples
    --------
    >>> market = Market(7)
    >>> table = market.table("BTCUSDT", Interval.M1, 0, 1)
    >>> kline_json(table, market.symbol_info("BTCUSDT"), Interval.M1)[:33]
    b'[[1704067200000,"42000.00000000",'
    """
    price = _decimal_format(info.price_decimals)
    amount = _decimal_format(info.lot_decimals)
    value = _decimal_format(info.price_decimals + info.lot_decimals)
    row = f'[%d,{price},{price},{price},{price},{amount},%d,{value},%d,{amount},{value},"0"]'
    prices = [_split(column, info.price_decimals) for column in (table.open, table.high, table.low, table.close)]
    columns: list[Times] = [table.open_time_ms]
    for parts in (*prices, _split(table.volume, info.lot_decimals)):
        columns += parts
    columns.append(interval.next_array(table.open_time_ms) - 1)
    columns += _split(table.quote_volume, info.price_decimals + info.lot_decimals)
    columns.append(table.trades)
    columns += _split(table.taker_buy_base, info.lot_decimals)
    columns += _split(table.taker_buy_quote, info.price_decimals + info.lot_decimals)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return f"[{','.join([row % values for values in rows])}]".encode()


def _decimal_format(decimals: int) -> str:
    return f'"%d.%0{decimals}d{"0" * (_DECIMALS - decimals)}"'


def _split(column: Times, decimals: int) -> list[Times]:
    whole, part = np.divmod(column, 10**decimals)
    return [whole, part]


def presentation(table: CandleTable) -> CandleTable:
    """Return klines changed for presentation, as uiKlines are: each opens where the one before closed."""
    opens = np.concatenate([table.open[:1], table.close[:-1]])
    return replace(table, open=opens, high=np.maximum(table.high, opens), low=np.minimum(table.low, opens))
