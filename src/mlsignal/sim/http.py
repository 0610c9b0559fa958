"""A small HTTP/1.1 server for the loopback interface, on asyncio streams and h11."""

import asyncio
import json
import logging
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

logger = logging.getLogger(__name__)

HOST: Final = "127.0.0.1"
_SERVER: Final = "mlsignal-synthetic"
_IDLE_SECONDS: Final = 75.0
_LARGEST_BODY: Final = 1 << 20
_READ: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: dict[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How the body of an answer goes over the wire; pauses are the wall clock's."""

    delay_seconds: float = 0.0
    """Before anything is sent."""
    chunk: int = 0
    """Bytes sent at a time; 0 sends all at once."""
    pause_seconds: float = 0.0
    """Between chunks."""
    cut_at: int | None = None
    """Bytes of the body after which the connection ends."""
    reset: bool = False
    """Whether it then ends with a reset."""


@dataclass(frozen=True, slots=True)
class Wire:
    """A connection that has left HTTP behind."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    begun: bytes
    """What has been read of it already."""


Takeover = Callable[[Wire], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: status, body, and headers beside those that every answer has."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json;charset=UTF-8"
    delivery: Delivery = Delivery()
    takeover: Takeover | None = None
    """With status 101: who has the connection from then on."""

    @classmethod
    def of_json(cls, content: Any, status: int = 200) -> "Response":
        """Answer with JSON."""
        return cls(status, json.dumps(content, separators=(",", ":")).encode())

    def with_headers(self, *headers: tuple[str, str]) -> "Response":
        """Return the same answer with more headers."""
        return replace(self, headers=self.headers + headers)


Handler = Callable[[Request], Response]


class HttpServer:
    """Connections on the loopback interface, each kept alive, all answered by one handler.

    Parameters
    ----------
    handler
        Called for every request, one at a time. An exception is logged and answered with status 500.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> int:
        """Listen, and return the port (a free one for 0).

        Raises
        ------
        OSError
            If the port cannot be had.
        """
        self._server = await asyncio.start_server(self._connect, HOST, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening, and close every connection."""
        if self._server is not None:
            self._server.close()
            for task in list(self._connections):
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None:  # pragma: no cover - asyncio runs this as a task
            return
        self._connections.add(task)
        try:
            await _Connection(reader, writer, self._handler).run()
        except (ConnectionError, TimeoutError):
            logger.debug("connection lost or idle")
        except asyncio.CancelledError:
            logger.debug("connection closed by the exchange")
            if writer.transport.get_write_buffer_size():  # of a client that does not read
                writer.transport.abort()
        finally:
            self._connections.discard(task)
            writer.close()
            try:
                await writer.wait_closed()
            except (ConnectionError, asyncio.CancelledError):
                logger.debug("connection was gone already")


class _Connection:
    """One connection: requests in turn until either side is done."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._http = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        while True:
            try:
                request = await self._receive()
            except h11.RemoteProtocolError as error:
                if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._send(_refusal(error))
                return
            if request is None:
                return
            response = self._answer(request)
            if response.takeover is not None:
                await self._switch(response, response.takeover)
                return
            await self._send(response, with_body=request.method != "HEAD")
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _receive(self) -> Request | None:
        """Return the next request, or None where the client is done."""
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
                self._http.receive_data(await asyncio.wait_for(self._reader.read(_READ), _IDLE_SECONDS))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > _LARGEST_BODY:
                    raise h11.RemoteProtocolError("body too large", error_status_hint=413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body))
            else:
                return None

    def _answer(self, request: Request) -> Response:
        try:
            return self._handler(request)
        except Exception:  # whatever a handler raises, the connection and the server go on
            logger.exception("no answer to %s %s", request.method, request.path)
            return Response.of_json({"code": -1000, "msg": "An unknown error occurred."}, 500)

    async def _send(self, response: Response, *, with_body: bool = True) -> None:
        headers = [
            ("Server", _SERVER),
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            *response.headers,
        ]
        delivery = response.delivery
        await asyncio.sleep(delivery.delay_seconds)
        head = self._http.send(h11.Response(status_code=response.status, headers=headers))
        body = self._http.send(h11.Data(data=response.body)) if with_body else b""
        if with_body and delivery.cut_at is not None:
            await self._write((head or b"") + (body or b"")[: delivery.cut_at])
            self._end(reset=delivery.reset)
            return
        size = delivery.chunk or max(1, len(body or b""))
        chunks = [(body or b"")[place : place + size] for place in range(0, len(body or b""), size)]
        await self._write((head or b"") + b"".join(chunks[:1]))
        for chunk in chunks[1:]:
            await asyncio.sleep(delivery.pause_seconds)
            await self._write(chunk)
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _switch(self, response: Response, takeover: Takeover) -> None:
        """Leave HTTP, as a 101 announces, and hand over the connection."""
        await self._write(self._http.send(h11.InformationalResponse(status_code=101, headers=list(response.headers))))
        await takeover(Wire(self._reader, self._writer, self._http.trailing_data[0]))

    def _end(self, *, reset: bool) -> None:
        """End the connection before its answer is whole."""
        self._http.send_failed()
        wire: socket.socket | None = self._writer.get_extra_info("socket")
        if reset and wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()


def _request(head: h11.Request, body: bytes) -> Request:
    target = urlsplit(head.target.decode("ascii", "replace"))
    query = tuple(parse_qsl(target.query, keep_blank_values=True))
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), unquote(target.path), query, headers, body)


def _refusal(error: h11.RemoteProtocolError) -> Response:
    refused = Response.of_json({"code": -1000, "msg": "Malformed request."}, error.error_status_hint)
    return refused.with_headers(("Connection", "close"))
