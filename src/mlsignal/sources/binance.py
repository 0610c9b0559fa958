"""Candles from Binance's REST interface, or from anything that speaks it."""

import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import polars as pl

from mlsignal.candles import Interval, utc
from mlsignal.errors import ConfigurationError, UnknownSymbolError
from mlsignal.sources.clock import SYSTEM_CLOCK, Clock
from mlsignal.sources.connection import Connection, RefusedError
from mlsignal.sources.klines import KlineFormatError, empty_klines, klines_from_json, quoted
from mlsignal.sources.symbols import check_symbol, refuses_symbol, symbol_hint
from mlsignal.sources.windows import (
    PAGE,
    KlineRequest,
    first_open,
    is_doubtful,
    known_rows,
    less_doubtful,
    on_grid,
    open_times,
    windows,
)

logger = logging.getLogger(__name__)

BASE_URL = "https://api.binance.com"
Progress = Callable[[int, int], None]
"""Called with the candles that are done, and the candles expected in all."""

_EXCHANGE_HOSTS = frozenset(f"{host}.binance.com" for host in ("api", "api-gcp", "api1", "api2", "api3", "api4")) | {
    "data-api.binance.vision"
}
_AHEAD = 2  # pages asked for before they are taken, times the connections: memory stays bounded
_KLINES_WEIGHT, _INFO_WEIGHT, _TIME_WEIGHT = 2, 20, 1
_CLOCK_TOLERANCE_MS = 5_000
_NEVER = 2**62


class BinanceSource:
    """Closed klines over REST; a `KlineSource`.

    Parameters
    ----------
    base_url
        Host: the exchange, its keyless mirror, or a simulated exchange.
    api_key
        Optional; public data needs none.
    timeout_seconds
        Deadline of one request, its retries included.
    connections
        Requests under way at one time.
    on_progress
        Called with (candles done, candles expected) as pages arrive, from the threads that fetch them.
    transport, clock, seed
        For tests.
    ban_file
        Where a ban (418) is remembered; None forgets it when the process ends.

    Notes
    -----
    Pages are windows of open time, never row positions, so a candle that closes meanwhile cannot shift them. The
    server's clock decides what is closed. A page with fewer candles than its window, or with two of one open
    time, is asked for once more; what is still absent is a gap.

    Raises
    ------
    ConfigurationError
        From `fetch`, before any request, if symbol, interval or limit cannot be right.
    UnknownSymbolError, RateLimitError, UnreachableError, ExchangeError
        From `fetch`; see `mlsignal.errors`.
    """

    name = "binance"

    def __init__(
        self,
        base_url: str = BASE_URL,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 20.0,
        connections: int = 4,
        on_progress: Progress | None = None,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        ban_file: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.base_url = base_url
        self._connections = connections
        self._on_progress = on_progress
        self._clock = clock
        self._connection = Connection(
            base_url,
            api_key=api_key,
            timeout_seconds=timeout_seconds,
            connections=connections,
            transport=transport,
            clock=clock,
            ban_file=ban_file,
            seed=seed,
        )
        self._trading: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def origin(self) -> str:
        """Whose candles these are: the exchange's, or those of another host, which must never mix with them."""
        if self.is_exchange:
            return self.name
        if self._connection.synthetic is not None:
            return f"synthetic-{self._connection.synthetic}"
        url = httpx2.URL(self.base_url)
        return url.host if url.port is None else f"{url.host}-{url.port}"

    @property
    def is_exchange(self) -> bool:
        """Whether the host is one of the exchange's own."""
        return httpx2.URL(self.base_url).host in _EXCHANGE_HOSTS

    @property
    def synthetic(self) -> bool:
        """Whether a simulated exchange answered."""
        return self._connection.synthetic is not None

    def identify(self) -> None:
        """Ask who answers, where the host is not one of the exchange's own: `origin` and `synthetic` then know."""
        if not self.is_exchange:
            self.server_time_ms()

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def server_time_ms(self) -> int:
        """Return the server's clock, milliseconds since 1970; warn where ours is off by more than 5 s."""
        before = self._clock.now_ms()
        server_ms: int = self._get("time", {}, _TIME_WEIGHT, _field_reader("serverTime", int))
        offset = server_ms - (before + self._clock.now_ms()) // 2
        self._connection.limiter.synchronise(offset)
        if abs(offset) > _CLOCK_TOLERANCE_MS and not self.synthetic:  # a simulated clock may stand anywhere
            logger.warning(
                "this machine's clock is %.1f s %s the exchange's; the exchange's decides which candles are closed",
                abs(offset) / 1000,
                "behind" if offset > 0 else "ahead of",
            )
        return server_ms

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return raw closed klines, ascending by open time; see `KlineSource.fetch`. Empty where there are none."""
        request = self._request(symbol, interval, end_ms, limit)
        with self._refusals(symbol):
            if limit is None:
                return _joined(self._span(request, start_ms or 0))
            return self._newest(request, limit, start_ms or 0)

    def fetch_parts(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Yield what `fetch` returns, page by page as the pages come, so that an interruption costs little.

        Every part is complete up to its last candle. With a limit, the newest `limit` candles of the grid are asked
        for: gaps among them are not made up for with older candles.
        """
        request = self._request(symbol, interval, end_ms, limit)
        first = start_ms or 0
        if limit is not None:
            first = max(first, request.interval.next(request.newest_ms, 1 - limit))
        with self._refusals(symbol):
            yield from self._span(request, first)

    def first_open_ms(self, symbol: str, interval: Interval, start_ms: int = 0) -> int | None:
        """Return the open time of the first candle from `start_ms` on; None where there is none."""
        request = self._request(symbol, interval, self._clock.now_ms(), None)
        with self._refusals(symbol):
            page = self._page_from(request, start_ms, 1)
        return None if page.is_empty() else first_open(page, start_ms)

    def _request(self, symbol: str, interval: Interval | str, end_ms: int | None, limit: int | None) -> KlineRequest:
        interval = Interval.parse(interval)
        check_symbol(symbol)
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        server_ms = self.server_time_ms()
        if end_ms is None:
            self._check_trading(symbol)
        end = server_ms if end_ms is None else min(end_ms, server_ms)
        return KlineRequest(symbol, interval, server_ms, end, limit or 0)

    @contextmanager
    def _refusals(self, symbol: str) -> Iterator[None]:
        """Name the symbol where the exchange refuses it."""
        try:
            yield
        except RefusedError as error:
            if refuses_symbol(error):
                raise self._unknown(symbol) from None
            raise

    # -- symbols ------------------------------------------------------------------------------------------------

    def _check_trading(self, symbol: str) -> None:
        if symbol in self._trading:
            return
        with self._refusals(symbol):
            found = self._get("exchangeInfo", {"symbol": symbol}, _INFO_WEIGHT, _field_reader("symbols", list))
        status = next((one.get("status") for one in found if one.get("symbol") == symbol), None)
        if status is None:
            raise self._unknown(symbol)
        if status != "TRADING":
            raise UnknownSymbolError(
                f"{symbol} is known to {self._connection.host} but not traded now (status {status}); "
                "its past candles can be had by giving an end"
            )
        self._trading.add(symbol)

    def _unknown(self, symbol: str) -> UnknownSymbolError:
        names: list[str] = []
        try:
            found = self._get("exchangeInfo", {}, _INFO_WEIGHT, _field_reader("symbols", list))
            names = [str(one["symbol"]) for one in found]
        except Exception as error:  # noqa: BLE001 - the hint is a courtesy: the error it goes with must be raised
            logger.debug("no list of symbols for a hint: %s", error)
        return UnknownSymbolError(
            f"{self._connection.host} does not know the symbol {symbol!r}. {symbol_hint(symbol, names)}"
        )

    # -- spans --------------------------------------------------------------------------------------------------

    def _newest(self, request: KlineRequest, limit: int, start_ms: int) -> pl.DataFrame:
        first = max(start_ms, request.interval.next(request.newest_ms, 1 - limit))
        frames = [_joined(self._span(request, first))]
        missing = limit - frames[0].height
        # Fewer than the grid holds: there were gaps, or the listing. Go back until they are made up for.
        before = first_open(frames[0], first)
        while missing > 0 and before > start_ms:
            asked = min(PAGE, missing)
            page = self._page_before(request, before, asked)
            page = page.filter(pl.col("open_time").dt.epoch("ms") >= start_ms)
            frames.insert(0, page)
            missing -= page.height
            if page.height < asked:
                break
            before = first_open(page, before)
        return pl.concat(frames).tail(limit)

    def _span(self, request: KlineRequest, start_ms: int) -> Iterator[pl.DataFrame]:
        """Yield every closed candle from `start_ms` on, a window at a time; the first page tells where they begin."""
        if start_ms > request.newest_ms:
            return
        page = self._page_from(request, start_ms, PAGE)
        if page.is_empty():
            return
        pages = windows(request, first_open(page, start_ms))
        total = max(request.expected, on_grid(request, pages[0][0], pages[-1][1]))
        known = known_rows(page, request, pages[0])
        pool = ThreadPoolExecutor(max_workers=min(self._connections, len(pages)), thread_name_prefix="klines")
        try:
            waiting = deque([pool.submit(self._window, request, pages[0], total, known)])
            for window in pages[1:]:
                waiting.append(pool.submit(self._window, request, window, total))
                if len(waiting) > _AHEAD * self._connections:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _window(
        self, request: KlineRequest, window: tuple[int, int], total: int, known: pl.DataFrame | None = None
    ) -> pl.DataFrame:
        start, end = window
        if any(first <= start and end <= last for first, last in request.gaps):
            frame = empty_klines()
        else:
            frame = self._whole_window(request, start, end) if known is None else known
            if is_doubtful(frame, request, start, end):
                frame = less_doubtful(frame, self._whole_window(request, start, end), request, start, end)
                logger.info("%s: %d candles from %s on, asked twice", request.symbol, frame.height, utc(start))
            if frame.is_empty():
                self._note_gap(request, start)
        with request.lock:
            request.done.append(frame.height)
            if self._on_progress is not None:
                self._on_progress(sum(request.done), total)
        return frame

    def _whole_window(self, request: KlineRequest, start: int, end: int) -> pl.DataFrame:
        """Return the candles of a window, which may be more than a page where irregular ones overlap."""
        frames = []
        last_on_grid = min(request.interval.floor(end), request.newest_ms)
        while True:
            page = self._page(request, {"startTime": start, "endTime": end, "limit": PAGE})
            frames.append(page)
            newest = 0 if page.is_empty() else int(open_times(page).max())
            if page.height < PAGE or newest >= last_on_grid or newest < start:
                return pl.concat(frames)
            start = newest + 1

    def _note_gap(self, request: KlineRequest, start_ms: int) -> None:
        """Find where an empty window's gap ends, so that the windows within it need not be asked for."""
        probe = self._page_from(request, start_ms, 1)
        last = request.end_ms if probe.is_empty() else first_open(probe, start_ms) - 1
        with request.lock:
            request.gaps.append((start_ms, last))

    # -- requests -----------------------------------------------------------------------------------------------

    def _page_from(self, request: KlineRequest, start_ms: int, limit: int) -> pl.DataFrame:
        """Return the first candles from a time on; one answer alone is not believed that there are none so early."""
        bounds = {"startTime": start_ms, "endTime": request.end_ms, "limit": limit}
        page = self._page(request, bounds)
        expected = request.interval.next(request.interval.floor(start_ms - 1))
        if expected > request.newest_ms or first_open(page, _NEVER) <= expected:
            return page
        again = self._page(request, bounds)
        return min(page, again, key=lambda one: (first_open(one, _NEVER), -one.height))

    def _page_before(self, request: KlineRequest, end_ms: int, limit: int) -> pl.DataFrame:
        """Return the last candles before a time; one answer alone is not believed that there are not so many."""
        bounds = {"endTime": end_ms - 1, "limit": limit}
        page = self._page(request, bounds)
        return page if page.height == limit else max(page, self._page(request, bounds), key=len)

    def _page(self, request: KlineRequest, bounds: dict[str, int]) -> pl.DataFrame:
        parameters = {"symbol": request.symbol, "interval": request.interval.value, **bounds}
        if "endTime" in parameters:
            parameters["endTime"] = min(int(parameters["endTime"]), request.end_ms)
        page: pl.DataFrame = self._get("klines", parameters, _KLINES_WEIGHT, klines_from_json)
        return page.filter(pl.col("close_time").dt.epoch("ms") < request.server_ms)

    def _get(self, name: str, parameters: dict[str, Any], weight: int, read: Callable[[bytes], Any]) -> Any:
        return self._connection.get(f"/api/v3/{name}", parameters, weight=weight, read=read)


def _joined(parts: Iterator[pl.DataFrame]) -> pl.DataFrame:
    frames = list(parts)
    return pl.concat(frames) if frames else empty_klines()


def _field_reader(name: str, kind: type) -> Callable[[bytes], Any]:
    """Return a reader of one field of a JSON object."""

    def read(body: bytes) -> Any:
        try:
            value = json.loads(body)[name]
        except (ValueError, KeyError, TypeError, RecursionError):
            value = None
        if not isinstance(value, kind):
            raise KlineFormatError(f"JSON with {name!r} expected, found {quoted(body)}")
        return value

    return read
