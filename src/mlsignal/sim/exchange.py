"""The simulated exchange: a market served on the loopback the way Binance serves its own. SYNTHETIC."""

import asyncio
import errno
import logging
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from mlsignal.candles import Interval, utc
from mlsignal.errors import ConfigurationError, ExchangeError
from mlsignal.sim.clock import Clock, RealClock
from mlsignal.sim.http import HOST, HttpServer, Request, Response
from mlsignal.sim.limits import WEIGHT_LIMIT, RequestRecord, WeightLimiter, request_log
from mlsignal.sim.market import Market
from mlsignal.sim.rest import ENDPOINTS, Moment, Parameters, RestError

logger = logging.getLogger(__name__)

_START_SECONDS = 30.0
_LISTED = ("BTCUSDT", "ETHUSDT", "NULLUSDT")


SYNTHETIC_HEADER = "X-MLSIGNAL-SYNTHETIC"
"""Header of every answer: which simulated market it is of, so that no store mixes it with another."""


class SimulatedExchange:
    """A market behind the REST endpoints of an exchange, as far as a clock has come.

    Parameters
    ----------
    market
        What is served; never its oracle.
    clock
        What the exchange takes for now. Nothing after it is served, and the candle that it stands in is open.
    port
        Where to listen on 127.0.0.1; 0 for any free port.
    weight_limit
        Request weight allowed in a clock minute.

    Attributes
    ----------
    requests : deque of RequestRecord
        The newest requests, as they came.

    Examples
    --------
    >>> from mlsignal.sim import VirtualClock
    >>> exchange = SimulatedExchange(Market(7), VirtualClock(datetime(2024, 1, 2, tzinfo=UTC)))
    >>> exchange.answer(Request("GET", "/api/v3/time")).body
    b'{"serverTime":1704153600000}'
    """

    def __init__(self, market: Market, clock: Clock, *, port: int = 0, weight_limit: int = WEIGHT_LIMIT) -> None:
        if not 0 <= port <= 65_535:
            raise ConfigurationError(f"port: 0 to 65535 expected, found {port}")
        self.market = market
        self.clock = clock
        self.port = port
        self.requests = request_log()
        self._limiter = WeightLimiter(weight_limit)

    def answer(self, request: Request) -> Response:
        """Answer a request as of now, and log it."""
        now_ms = self.clock.now_ms()
        endpoint = ENDPOINTS.get(request.path)
        weight = 0 if endpoint is None else endpoint.weight
        if endpoint is None:
            response = Response(404, _NOT_FOUND, content_type="text/html")
        elif request.method not in ("GET", "HEAD"):
            response = _wrong_method(request)
        else:
            refusal = self._limiter.refuse(now_ms, weight)
            response = refusal or _answer(request, Moment(self.market, now_ms))
            response = response.with_headers(*self._limiter.headers)
        response = response.with_headers((SYNTHETIC_HEADER, self.market.fingerprint))
        self.requests.append(
            RequestRecord(now_ms, request.method, request.path, request.query, response.status, weight)
        )
        return response

    @contextmanager
    def running(self) -> Iterator[str]:
        """Serve on a thread of its own for the length of a `with` block, and give the base URL.

        Raises
        ------
        ConfigurationError
            If the port is taken.
        """
        ready: queue.SimpleQueue[str | Exception] = queue.SimpleQueue()
        loop = asyncio.new_event_loop()
        stop = asyncio.Event()

        def serve() -> None:
            try:
                loop.run_until_complete(self.serve(ready.put, stop))
            except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
                ready.put(error)
            finally:
                loop.close()

        thread = threading.Thread(target=serve, name="simulated-exchange", daemon=True)
        thread.start()
        try:
            outcome = ready.get(timeout=_START_SECONDS)
            if isinstance(outcome, Exception):
                raise outcome
            yield outcome
        finally:
            if not loop.is_closed():
                loop.call_soon_threadsafe(stop.set)
            thread.join()

    async def serve(self, on_ready: Callable[[str], None], stop: asyncio.Event) -> None:
        """Serve until `stop` is set; `on_ready` is told the base URL.

        Raises
        ------
        ConfigurationError
            If the port is taken or not allowed.
        """
        server = HttpServer(self.answer)
        try:
            port = await server.start(self.port)
        except OSError as error:
            raise _port_error(self.port, error) from None
        base_url = f"http://{HOST}:{port}"
        logger.info("SYNTHETIC exchange (seed %s) at %s", self.market.seed, base_url)
        try:
            on_ready(base_url)
            await stop.wait()
        finally:
            await server.close()


def run_exchange(
    port: int,
    seed: int,
    *,
    history: int = 50_000,
    on_ready: Callable[[str, datetime], None] | None = None,
) -> None:
    """Serve a simulated market in real time until SIGTERM or SIGINT; for the main thread.

    Parameters
    ----------
    port
        Where to listen on 127.0.0.1; 0 for any free port.
    seed
        Seed of the market.
    history
        Closed 1m candles that are there at the start, at least.
    on_ready
        Told the base URL, and when the market began: `Market(seed, start=that)` is the same market.

    Raises
    ------
    ConfigurationError
        If the port is taken, or an argument is out of its range.
    """
    if history < 0:
        raise ConfigurationError(f"history: a whole number of at least 0 expected, found {history}")
    clock = RealClock()
    market = Market(seed, start=market_start(utc(clock.now_ms()), history))
    minutes = (clock.now_ms() - market.start_ms) // 60_000 + 1
    for symbol in _LISTED:  # so that the first answers are fast
        market.table(symbol, Interval.M1, minutes - 1, minutes)
    asyncio.run(_until_signalled(SimulatedExchange(market, clock, port=port), on_ready))


def market_start(now: datetime, history: int) -> datetime:
    """Return the last UTC midnight that lies at least `history` minutes before `now`.

    Examples
    --------
    >>> market_start(datetime(2024, 3, 1, 12, tzinfo=UTC), 2880).isoformat()
    '2024-02-28T00:00:00+00:00'
    """
    earliest = now.astimezone(UTC) - timedelta(minutes=history)
    return earliest.replace(hour=0, minute=0, second=0, microsecond=0)


async def _until_signalled(exchange: SimulatedExchange, on_ready: Callable[[str, datetime], None] | None) -> None:
    def announce(base_url: str) -> None:
        if on_ready is not None:
            on_ready(base_url, exchange.market.start)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await exchange.serve(announce, stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


_NOT_FOUND = b"<html><body><h2>404 Not found</h2><p>SYNTHETIC exchange: nothing here.</p></body></html>"


def _answer(request: Request, moment: Moment) -> Response:
    try:
        return ENDPOINTS[request.path].answer(moment, Parameters.of(request))
    except RestError as error:
        return error.response


def _wrong_method(request: Request) -> Response:
    content = {"code": -1000, "msg": f"Request method '{request.method}' is not supported."}
    return Response.of_json(content, 405).with_headers(("Allow", "GET"))


def _port_error(port: int, error: OSError) -> ConfigurationError | ExchangeError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(f"port: {port} is taken on {HOST}; choose another, or 0 for any that is free")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"port: {port} is not allowed for this user; choose one above 1023, or 0")
    return ExchangeError(f"the simulated exchange cannot listen on {HOST}:{port}: {error.strerror}")
