"""The simulated exchange: a market served on the loopback the way Binance serves its own. SYNTHETIC."""

import asyncio
import contextlib
import errno
import functools
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, ExchangeError
from mlsignal.sim.archive import ROOT as ARCHIVE_ROOT
from mlsignal.sim.archive import Archive, ArchiveFile
from mlsignal.sim.clock import Clock, VirtualClock
from mlsignal.sim.control import Control
from mlsignal.sim.defects import Defect
from mlsignal.sim.faults import FaultBook, Rule, Stage
from mlsignal.sim.faults.rules import Subject
from mlsignal.sim.http import HOST, Handler, HttpServer, Request, Response
from mlsignal.sim.hub import StreamHub
from mlsignal.sim.limits import WEIGHT_LIMIT, RequestRecord, WeightLimiter, request_log
from mlsignal.sim.market import Market
from mlsignal.sim.rest import ENDPOINTS, Moment, Parameters, RestError
from mlsignal.sim.scenarios import Scenario, build_scenario
from mlsignal.sim.view import MarketView
from mlsignal.sim.ws_api import PATH as WS_API_PATH
from mlsignal.sim.ws_api import ApiConversation

logger = logging.getLogger(__name__)

_START_SECONDS = 30.0
_LISTED = ("BTCUSDT", "ETHUSDT", "NULLUSDT")


SYNTHETIC_HEADER = "X-MLSIGNAL-SYNTHETIC"
"""Header of every answer: which simulated market it is of, so that no store mixes it with another."""


class SimulatedExchange:
    """A market behind the endpoints of an exchange, as far as a clock has come: REST, streams and archive.

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
    rules
        Faults to begin with.
    defects
        What is wrong with the market's data as they are served.
    archive_lag_days
        Days, beyond its last, that a file of the archive takes to appear; today's is never there.
    control_port, control_token
        Where to listen for control, 0 for any free port, and the token that it asks for; none, no control.

    Attributes
    ----------
    requests : deque of RequestRecord
        The newest requests, as they came; those made over websockets too.
    faults : FaultBook
        The rules in force.
    control_url : str
        Base URL of the control, while serving.

    Raises
    ------
    ConfigurationError
        If an argument is out of its range.

    Examples
    --------
    >>> from mlsignal.sim import VirtualClock
    >>> exchange = SimulatedExchange(Market(7), VirtualClock(datetime(2024, 1, 2, tzinfo=UTC)))
    >>> exchange.answer(Request("GET", "/api/v3/time")).body
    b'{"serverTime":1704153600000}'
    """

    def __init__(
        self,
        market: Market,
        clock: Clock,
        *,
        port: int = 0,
        weight_limit: int = WEIGHT_LIMIT,
        rules: Iterable[Rule] = (),
        defects: Iterable[Defect] = (),
        archive_lag_days: int = 0,
        control_port: int | None = None,
        control_token: str = "",
    ) -> None:
        for name, number in (("port", port), ("control_port", control_port or 0)):
            if not 0 <= number <= 65_535:
                raise ConfigurationError(f"{name}: 0 to 65535 expected, found {number}")
        self.market = market
        self.clock = clock
        self.port = port
        self.requests = request_log()
        self.faults = FaultBook(rules)
        self.control_url = ""
        self._control_port = control_port
        self._control = None if control_port is None else Control(self, control_token)
        self._view = MarketView(market, defects)
        self._limiter = WeightLimiter(weight_limit)
        self._archive = Archive(self.faults, archive_lag_days)
        self._hub = StreamHub(clock, lambda: self._view, self.faults, self.requests.append)

    @property
    def view(self) -> MarketView:
        """The market as it is served."""
        return self._view

    @property
    def connections(self) -> int:
        """Websocket connections that there are."""
        return self._hub.connections

    def apply(self, scenario: Scenario) -> None:
        """Replace rules and defects by a scenario's."""
        self.faults.clear()
        self._view = MarketView(self.market, scenario.defects)
        for rule in scenario.rules:
            self.faults.add(rule)

    def answer(self, request: Request) -> Response:
        """Answer a request as of now, with the faults that are due, and log it."""
        now_ms = self.clock.now_ms()
        subject = _subject(request)
        serve: Callable[[], Response] = functools.partial(self._serve, request, subject, now_ms)
        for fired in reversed(self.faults.fire(Stage.ANSWER, subject, now_ms)):
            serve = functools.partial(fired, serve)
        response = serve()
        if request.path in ENDPOINTS and not any(name.startswith("x-mbx-") for name, _ in response.headers):
            response = response.with_headers(*self._limiter.headers)
        if response.status == 418:  # whoever is told of a ban is banned
            self._limiter.ban(now_ms + 1000 * int(dict(response.headers).get("Retry-After", 0)))
        weight = ENDPOINTS[request.path].weight if request.path in ENDPOINTS else 0
        self.requests.append(
            RequestRecord(now_ms, request.method, request.path, request.query, response.status, weight)
        )
        return response.with_headers((SYNTHETIC_HEADER, self.market.fingerprint))

    def _serve(self, request: Request, subject: Subject, now_ms: int) -> Response:
        endpoint = ENDPOINTS.get(request.path)
        if self._hub.handles(request):
            return self._hub.answer(request, now_ms)
        if request.path == WS_API_PATH:
            return self._hub.upgraded(request, now_ms, lambda: ApiConversation(self.answer, self.faults))
        if request.path.startswith(ARCHIVE_ROOT) and request.method in _READING:
            return self._archive.answer(request.path, self._view, now_ms)
        if endpoint is None:
            return Response(404, _NOT_FOUND, content_type="text/html")
        if request.method not in _READING:
            return _wrong_method(request)
        refusal = self._limiter.refuse(now_ms, endpoint.weight)
        if refusal is None:
            alterations = self.faults.fire(Stage.ROWS, subject, now_ms) if "lines" in request.path else []
            refusal = _answer(request, Moment(self._view, now_ms, alterations))
        return refusal.with_headers(*self._limiter.headers)

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
        async with contextlib.AsyncExitStack() as servers:
            base_url = await _listen(servers, self.answer, self.port)
            if self._control is not None and self._control_port is not None:
                self.control_url = await _listen(servers, self._control.answer, self._control_port)
                logger.info("control of the SYNTHETIC exchange at %s", self.control_url)
            logger.info("SYNTHETIC exchange (seed %s) at %s", self.market.seed, base_url)
            on_ready(base_url)
            await stop.wait()


def run_exchange(
    port: int,
    seed: int,
    *,
    scenario: str = "calm",
    history: int = 50_000,
    control_port: int | None = None,
    control_token: str = "",
    on_ready: Callable[[str, datetime], None] | None = None,
    on_control: Callable[[str], None] | None = None,
) -> None:
    """Serve a simulated market in real time until SIGTERM or SIGINT; for the main thread.

    Parameters
    ----------
    port
        Where to listen on 127.0.0.1; 0 for any free port.
    seed
        Seed of the market.
    scenario
        What goes wrong, one of `SCENARIOS`.
    history
        Closed 1m candles that are there at the start, at least.
    control_port, control_token
        Where to listen for control, and the token that it asks for; none, no control.
    on_ready
        Told the base URL, and when the market began: `Market(seed, start=that)` is the same market.
    on_control
        Told the base URL of the control, before that, where there is one.

    Raises
    ------
    ConfigurationError
        If the port is taken, or an argument is out of its range.
    """
    if history < 0:
        raise ConfigurationError(f"history: a whole number of at least 0 expected, found {history}")
    clock = VirtualClock(datetime.now(UTC), rate=1.0, wall_ns=time.time_ns)  # the wall's, unless control sets it
    market = Market(seed, start=market_start(clock.now, history))
    chosen = build_scenario(scenario, market, clock.now)
    minutes = (clock.now_ms() - market.start_ms) // 60_000 + 1
    for symbol in _LISTED:  # so that the first answers are fast
        market.table(symbol, Interval.M1, minutes - 1, minutes)
    exchange = SimulatedExchange(market, clock, port=port, control_port=control_port, control_token=control_token)
    exchange.apply(chosen)

    def announce(base_url: str) -> None:
        if on_control is not None and exchange.control_url:
            on_control(exchange.control_url)
        if on_ready is not None:
            on_ready(base_url, market.start)

    asyncio.run(_until_signalled(exchange, announce))


def market_start(now: datetime, history: int) -> datetime:
    """Return the last UTC midnight that lies at least `history` minutes before `now`.

    Examples
    --------
    >>> market_start(datetime(2024, 3, 1, 12, tzinfo=UTC), 2880).isoformat()
    '2024-02-28T00:00:00+00:00'
    """
    earliest = now.astimezone(UTC) - timedelta(minutes=history)
    return earliest.replace(hour=0, minute=0, second=0, microsecond=0)


async def _until_signalled(exchange: SimulatedExchange, on_ready: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await exchange.serve(on_ready, stop)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


_READING = ("GET", "HEAD")
_NOT_FOUND = b"<html><body><h2>404 Not found</h2><p>SYNTHETIC exchange: nothing here.</p></body></html>"


def _answer(request: Request, moment: Moment) -> Response:
    try:
        return ENDPOINTS[request.path].answer(moment, Parameters.of(request))
    except RestError as error:
        return error.response


def _wrong_method(request: Request) -> Response:
    content = {"code": -1000, "msg": f"Request method '{request.method}' is not supported."}
    return Response.of_json(content, 405).with_headers(("Allow", "GET"))


async def _listen(servers: contextlib.AsyncExitStack, handler: Handler, port: int) -> str:
    """Serve a handler for as long as the stack stands; returns its base URL."""
    server = HttpServer(handler)
    try:
        port = await server.start(port)
    except OSError as error:
        raise _port_error(port, error) from None
    servers.push_async_callback(server.close)
    return f"http://{HOST}:{port}"


def _subject(request: Request) -> Subject:
    """Return what rules are held against; symbol and interval of an archive file or stream are in its path."""
    parameters = dict(request.query)
    file = ArchiveFile.of(request.path)
    if file is not None:
        return Subject(request.path, file.symbol, file.interval.value, parameters)
    return Subject(request.path, parameters.get("symbol", ""), parameters.get("interval", ""), parameters)


def _port_error(port: int, error: OSError) -> ConfigurationError | ExchangeError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(f"port: {port} is taken on {HOST}; choose another, or 0 for any that is free")
    if error.errno == errno.EACCES:
        return ConfigurationError(f"port: {port} is not allowed for this user; choose one above 1023, or 0")
    return ExchangeError(f"the simulated exchange cannot listen on {HOST}:{port}: {error.strerror}")
