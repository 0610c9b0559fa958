"""The exchange's websocket side: who may connect, and what the streams say to whom."""

import asyncio
import heapq
import itertools
import json
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from websockets.datastructures import Headers
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

from mlsignal.sim.clock import Clock
from mlsignal.sim.faults.book import FaultBook
from mlsignal.sim.faults.registry import Stage
from mlsignal.sim.faults.rules import Subject
from mlsignal.sim.http import Request, Response, Wire
from mlsignal.sim.limits import RequestRecord
from mlsignal.sim.sockets import Connection, Conversation
from mlsignal.sim.streams import KlineStream, LiveCandles, StreamEvent, stream_topic
from mlsignal.sim.subscriptions import LARGEST, Subscriptions, TooManyStreamsError
from mlsignal.sim.view import MarketView

logger = logging.getLogger(__name__)

_ATTEMPTS: Final = 300
_ATTEMPTS_MS: Final = 300_000

Log = Callable[[RequestRecord], None]


class StreamHub:
    """The connections of the streams, and what they share.

    Parameters
    ----------
    clock, faults, log
        The exchange's.
    view
        Tells what is served now.
    """

    def __init__(self, clock: Clock, view: Callable[[], MarketView], faults: FaultBook, log: Log) -> None:
        self.clock = clock
        self.faults = faults
        self.log = log
        self._view = view
        self._live = LiveCandles(view())
        self._connections: set[Connection] = set()
        self._attempts: deque[int] = deque(maxlen=_ATTEMPTS)

    @property
    def live(self) -> LiveCandles:
        """Candles in the making, of what is served now."""
        view = self._view()
        if self._live.view is not view:
            self._live = LiveCandles(view)
        return self._live

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    def handles(self, request: Request) -> bool:
        """Tell whether a request is for the streams."""
        return request.path in ("/ws", "/stream") or request.path.startswith("/ws/")

    def answer(self, request: Request, now_ms: int) -> Response:
        """Answer an upgrade to a stream: 101 and the streams that its URL names, or a refusal."""
        combined = request.path == "/stream"
        named = dict(request.query).get("streams", "") if combined else request.path.removeprefix("/ws")
        names = [name for name in named.split("/") if name]
        if len(names) > LARGEST:
            return Response.of_json({"code": -1000, "msg": "Too many streams."}, 400)
        subscriptions = Subscriptions(names, combined=combined)
        return self.upgraded(request, now_ms, lambda: StreamConversation(self, request.path, subscriptions, now_ms))

    def upgraded(self, request: Request, now_ms: int, conversation: Callable[[], Conversation]) -> Response:
        """Answer an upgrade with 101 and a conversation, or with why not."""
        headers = Headers()
        for name, value in request.headers.items():
            headers[name] = value
        answered = ServerProtocol().accept(Handshake(request.path, headers))
        content_headers = tuple(
            (name, value) for name, value in answered.headers.raw_items() if name.lower() not in ("content-length",)
        )
        if answered.status_code != 101:
            body = bytes(answered.body or b"")
            kept = tuple(pair for pair in content_headers if pair[0].lower() in ("upgrade", "allow"))
            return Response(answered.status_code, body, kept, content_type="text/plain")
        if len(self._attempts) == _ATTEMPTS and now_ms - self._attempts[0] < _ATTEMPTS_MS:
            refused = Response.of_json({"code": -1003, "msg": "Too many connection attempts."}, 429)
            return refused.with_headers(("Retry-After", str(-(-(_ATTEMPTS_MS - now_ms + self._attempts[0]) // 1000))))
        self._attempts.append(now_ms)

        async def takeover(wire: Wire) -> None:
            await self._serve(Connection(wire, self.clock, conversation(), now_ms))

        return Response(101, b"", content_headers, takeover=takeover)

    async def _serve(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        self._connections.add(connection)

        def on_step() -> None:
            loop.call_soon_threadsafe(connection.wake)

        unwatch = self.clock.watch(on_step)
        try:
            await connection.run()
        finally:
            unwatch()
            self._connections.discard(connection)


class StreamConversation:
    """What the streams say over one connection.

    Parameters
    ----------
    hub, path, subscriptions
        Whose streams, at which URL, and which of them.
    now_ms
        When it begins.
    """

    inbound_limit = 5

    def __init__(self, hub: StreamHub, path: str, subscriptions: Subscriptions, now_ms: int) -> None:
        self._hub = hub
        self._path = path
        self._subscriptions = subscriptions
        self._streams: dict[str, KlineStream] = {}
        self._waiting: list[tuple[int, int, StreamEvent]] = []
        self._order = itertools.count()
        self._follow(now_ms)

    def tick(self, connection: Connection, now_ms: int) -> None:
        """Send the messages that are due at a whole second."""
        self._renew(now_ms)
        for fired in self._hub.faults.fire(Stage.CONNECTION, Subject(self._path), now_ms):
            fired(connection)
        for stream in tuple(self._streams.values()):
            for event in stream.tick(now_ms):
                for altered in self._altered(event, stream, now_ms):
                    heapq.heappush(self._waiting, (altered.due_ms, next(self._order), altered))
        while self._waiting and self._waiting[0][0] <= now_ms:
            event = heapq.heappop(self._waiting)[2]
            if not connection.is_muted and event.stream in self._subscriptions.names:
                connection.send_text(self._written(event))

    def receive(self, connection: Connection, text: str, now_ms: int) -> None:
        """Answer a request about subscriptions."""
        try:
            answer = self._subscriptions.answer(text)
        except TooManyStreamsError:
            self._log(text, 1008, now_ms)
            connection.close(1008, "Too many streams")
            return
        self._log(text, 400 if "error" in answer else 200, now_ms)
        self._follow(now_ms)
        connection.send(answer)

    def restart(self, now_ms: int) -> None:
        """Begin the streams anew."""
        self._streams.clear()
        self._waiting.clear()
        self._follow(now_ms)

    def shutdown_notice(self, now_ms: int) -> dict[str, Any]:
        """Return the event that announces a shutdown."""
        return {"e": "serverShutdown", "E": now_ms}

    def _follow(self, now_ms: int) -> None:
        """Have a stream of every subscription to something that there is; others stay silent."""
        live, now_ms = self._hub.live, now_ms // 1000 * 1000
        names = self._subscriptions.names
        self._streams = {name: stream for name, stream in self._streams.items() if name in names}
        for name in names:
            topic = stream_topic(name, live.view.market)
            if topic is not None and name not in self._streams:
                self._streams[name] = KlineStream(name, *topic, live, now_ms)

    def _renew(self, now_ms: int) -> None:
        """Begin the streams anew where another market is served than before: a scenario was switched."""
        live = self._hub.live
        if any(stream.live is not live for stream in self._streams.values()):
            self._streams.clear()
            self._follow(now_ms - 1000)

    def _altered(self, event: StreamEvent, stream: KlineStream, now_ms: int) -> list[StreamEvent]:
        parameters = {"stream": event.stream, "x": json.dumps(event.payload["k"]["x"])}
        subject = Subject(self._path, stream.symbol, stream.interval.value, parameters)
        events = [event]
        for fired in self._hub.faults.fire(Stage.EVENT, subject, now_ms):
            events = [altered for one in events for altered in fired(one)]
        return events

    def _written(self, event: StreamEvent) -> str:
        content: dict[str, Any] = event.payload
        if self._subscriptions.combined:
            content = {"stream": event.stream, "data": event.payload}
        text = json.dumps(content, separators=(",", ":"))
        return text[: len(text) // 2] if event.broken else text

    def _log(self, text: str, status: int, now_ms: int) -> None:
        try:
            request = json.loads(text)
        except ValueError:
            request = {}
        known = request if isinstance(request, dict) else {}
        params = known.get("params") if isinstance(known.get("params"), list) else []
        query = tuple(("stream", str(name)) for name in params or ())
        self._hub.log(RequestRecord(now_ms, str(known.get("method", ""))[:40], self._path, query, status, 0))
