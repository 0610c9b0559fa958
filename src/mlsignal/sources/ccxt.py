"""Candles from other venues through ccxt, which has open, high, low, close and volume only; needs the extra `ccxt`."""

import logging
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import polars as pl

from mlsignal.candles import OHLCV_COLUMNS, TIME_TYPE, Interval
from mlsignal.errors import (
    ConfigurationError,
    ExchangeError,
    MissingExtraError,
    RateLimitError,
    UnknownSymbolError,
    UnreachableError,
    did_you_mean,
)
from mlsignal.sources.binance import Progress
from mlsignal.sources.clock import SYSTEM_CLOCK, Clock

logger = logging.getLogger(__name__)

_PAGE = 1000
_MOST_EMPTY = 50  # pages in a row without a candle, after which a span counts as done


class CcxtSource:
    """Closed candles of a venue that ccxt knows; a `KlineSource`.

    Parameters
    ----------
    venue
        ccxt's name of the venue, as in `kraken`.
    exchange
        An object with ccxt's interface; made from the name where not given.
    timeout_seconds, on_progress, clock
        As in `BinanceSource`.

    Attributes
    ----------
    columns : tuple of str
        The value columns that there are: OHLCV. A feature that needs quote volume, trades or taker columns is refused
        by name (`MissingColumnError`).

    Notes
    -----
    Symbols are the venue's own (`BTCUSDT`, `XBTUSD`) or ccxt's (`BTC/USDT`); the store takes the venue's own only.

    Raises
    ------
    MissingExtraError
        If ccxt is not installed.
    ConfigurationError
        If ccxt does not know the venue, or the venue does not serve candles of the interval.
    """

    columns = OHLCV_COLUMNS

    def __init__(
        self,
        venue: str,
        *,
        exchange: Any = None,
        timeout_seconds: float = 20.0,
        on_progress: Progress | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.venue = venue
        self._exchange = _opened(venue, timeout_seconds) if exchange is None else exchange
        self._on_progress = on_progress
        self._clock = clock

    @property
    def name(self) -> str:
        """`ccxt:` and the venue."""
        return f"ccxt:{self.venue}"

    @property
    def origin(self) -> str:
        """Whose candles these are, as a folder's name."""
        return f"ccxt-{self.venue}"

    def close(self) -> None:
        """Close the connections, where the venue keeps any."""
        session = getattr(self._exchange, "session", None)
        if session is not None:
            session.close()

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return closed candles, ascending by open time; see `KlineSource.fetch`. Empty where there are none."""
        parts = list(self.fetch_parts(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit))
        frame = pl.concat(parts) if parts else _frame([])
        return frame if limit is None else frame.tail(limit)

    def fetch_parts(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the candles page by page; with a limit, the newest `limit` candles of the grid."""
        interval = Interval.parse(interval)
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        market = self._market(symbol)
        if interval.value not in (self._exchange.timeframes or {}):
            known = ", ".join(self._exchange.timeframes or {})
            raise ConfigurationError(f"interval: {self.venue} has no candles of {interval.value}; it has {known}")
        newest = interval.next(interval.floor(self._now_ms()), -1)
        newest = newest if end_ms is None else min(newest, end_ms)
        start = start_ms or 0
        if limit is not None:
            start = max(start, interval.next(interval.floor(newest), 1 - limit))
        yield from self._pages(market, interval, start, newest)

    def _pages(self, market: str, interval: Interval, start: int, newest: int) -> Iterator[pl.DataFrame]:
        since, empty, done = start, 0, 0
        while since <= newest and empty < _MOST_EMPTY:
            rows = self._call("fetch_ohlcv", market, interval.value, since, _PAGE)
            page = [row for row in rows if since <= row[0] <= newest]
            if page:
                empty, since = 0, interval.next(interval.floor(max(row[0] for row in page)))
                done += len(page)
                if self._on_progress is not None:
                    self._on_progress(
                        done, max(done, interval.grid_size(interval.floor(start), newest) if start else 0)
                    )
                yield _frame(page)
            else:
                empty += 1
                since = interval.next(interval.floor(since), _PAGE)

    def _market(self, symbol: str) -> str:
        markets = self._call("load_markets")
        if symbol in markets:
            return symbol
        ids = {str(market["id"]): name for name, market in reversed(list(markets.items()))}
        if symbol in ids:
            return str(ids[symbol])
        raise UnknownSymbolError(
            f"{self.venue} does not know the symbol {symbol!r}. {did_you_mean(symbol, ids) if len(ids) < 20 else ''}"
        )

    def _now_ms(self) -> int:
        """Return the venue's clock where it tells it, else this machine's."""
        if (getattr(self._exchange, "has", None) or {}).get("fetchTime"):
            told = self._call("fetch_time")
            if isinstance(told, int):
                return told
        return self._clock.now_ms()

    def _call(self, method: str, *arguments: Any) -> Any:
        """Return what ccxt answers; its errors become ours, told apart by the names of their classes."""
        try:
            return getattr(self._exchange, method)(*arguments)
        except Exception as error:
            kind = _kind_of(error)
            if kind is None:
                raise
            text = " ".join(str(error).split())[:200]
            raise kind(f"{self.venue} ({method}): {type(error).__name__}: {text}") from None


def _kind_of(error: Exception) -> type[ExchangeError] | None:
    names = {base.__name__ for base in type(error).__mro__}
    for name, kind in (
        ("BadSymbol", UnknownSymbolError),
        ("RateLimitExceeded", RateLimitError),
        ("DDoSProtection", RateLimitError),
        ("NetworkError", UnreachableError),
        ("BaseError", ExchangeError),
    ):
        if name in names:
            return kind
    return None


def _opened(venue: str, timeout_seconds: float) -> Any:
    try:
        ccxt = import_module("ccxt")
    except ImportError:
        raise MissingExtraError.for_extra(f"source ccxt:{venue}", "ccxt") from None
    if venue not in ccxt.exchanges:
        hint = did_you_mean(venue, ccxt.exchanges)
        raise ConfigurationError(
            f"source: ccxt does not know the venue {venue!r}. "
            f"{hint if hint.startswith('Did') else 'Its names are as in kraken, bybit, okx.'}"
        )
    return getattr(ccxt, venue)({"enableRateLimit": True, "timeout": int(timeout_seconds * 1000)})


def _frame(rows: list[list[float]]) -> pl.DataFrame:
    columns = ("open_time", *OHLCV_COLUMNS)
    schema = {name: pl.Int64() if name == "open_time" else pl.Float64() for name in columns}
    frame = pl.DataFrame([row[: len(columns)] for row in rows], schema=schema, orient="row", strict=False)
    return frame.with_columns(pl.col("open_time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC").cast(TIME_TYPE))
