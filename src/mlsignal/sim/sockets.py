"""A websocket connection on the wire: frames, pings, limits and the end; what is said over it is another's."""

import asyncio
import contextlib
import json
import logging
import socket
import struct
from collections import deque
from typing import Any, Final, Protocol

from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from mlsignal.sim.clock import Clock
from mlsignal.sim.http import Wire

logger = logging.getLogger(__name__)

_SECOND_MS: Final = 1_000
_PING_MS: Final = 20_000
_PONG_MS: Final = 60_000
_LIFE_MS: Final = 24 * 3_600_000
_READ: Final = 1 << 16
_PONG_GRACE_SECONDS: Final = 1.0
_CLOSE_SECONDS: Final = 1.0
_FAREWELL_SECONDS: Final = 0.2
_SHORTEST_WAIT: Final = 0.005
_TICKS_AT_ONCE: Final = 64


class Conversation(Protocol):
    """What is said over a connection."""

    @property
    def inbound_limit(self) -> int | None:
        """Messages a second that a client may send; None for any number."""
        ...

    def shutdown_notice(self, now_ms: int) -> dict[str, Any]:
        """Return the event that announces a shutdown."""
        ...

    def tick(self, connection: "Connection", now_ms: int) -> None:
        """Say what is due at a whole second."""
        ...

    def receive(self, connection: "Connection", text: str, now_ms: int) -> None:
        """Answer a message."""
        ...

    def restart(self, now_ms: int) -> None:
        """Go on from a moment earlier than the last: the clock was set back."""
        ...


class Connection:
    """One websocket connection, driven second by second of the exchange's clock.

    Parameters
    ----------
    wire, clock, conversation
        What it is made of.
    start_ms
        When the clock showed that it began.

    Notes
    -----
    However far the clock is set, every second on the way is lived through, in order. At the moment when a pong is
    overdue the client is given a second of the wall's clock to have answered, for it cannot answer faster than it
    runs. Inbound messages, but for the pongs that answer our pings, are limited by whichever of the two clocks has
    gone further.
    """

    def __init__(self, wire: Wire, clock: Clock, conversation: Conversation, start_ms: int) -> None:
        self._wire = wire
        self._clock = clock
        self._conversation = conversation
        self._protocol = ServerProtocol(state=OPEN)
        self._woken = asyncio.Event()
        self._ponged = asyncio.Event()
        self._inbox: deque[str] = deque()
        self._inbound: deque[tuple[int, float]] = deque(maxlen=conversation.inbound_limit)
        self._fragments: list[bytes] = []
        self._unanswered: dict[bytes, int] = {}
        self._pings = True
        self._input_ended = False
        self._close_at_ms: int | None = None
        self._muted_until_ms = 0
        self._start_ms = self._lived_ms = self._floor(start_ms)
        self._next_ping_ms = self._start_ms + _PING_MS

    # -- what a conversation and a fault can do ---------------------------------------------------------------------

    def send(self, content: dict[str, Any]) -> None:
        """Send a message."""
        self.send_text(json.dumps(content, separators=(",", ":")))

    def send_text(self, text: str) -> None:
        """Send a message as it is."""
        if self.is_open():
            self._protocol.send_text(text.encode())

    def close(self, code: int, reason: str) -> None:
        """End it with a close code."""
        if self.is_open():
            self._protocol.send_close(code, reason)

    def abort(self) -> None:
        """End it without a word."""
        wire: socket.socket | None = self._wire.writer.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._wire.writer.transport.abort()
        self._end_input()

    def announce_shutdown(self, close_after_ms: int) -> None:
        """Send the serverShutdown event, and close so much later."""
        self.send(self._conversation.shutdown_notice(self._lived_ms))
        self._close_at_ms = self._lived_ms + close_after_ms

    def mute(self, until_ms: int | None) -> None:
        """Send no messages of streams until then, or ever again; pings go on."""
        self._muted_until_ms = 1 << 62 if until_ms is None else until_ms

    def stop_pings(self) -> None:
        """Send no pings any more."""
        self._pings = False

    def is_open(self) -> bool:
        """Whether neither side has ended it."""
        return self._protocol.state is OPEN

    @property
    def is_muted(self) -> bool:
        """Whether it is to send no messages of streams."""
        return self._lived_ms < self._muted_until_ms

    def wake(self) -> None:
        """Look at the clock; from the connection's own thread."""
        self._woken.set()

    # -- life -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until either side ends it."""
        reading = asyncio.create_task(self._read())
        try:
            while self.is_open():
                self._woken.clear()
                await self._live_until(self._clock.now_ms())
                while self._inbox and self.is_open():
                    self._conversation.receive(self, self._inbox.popleft(), self._lived_ms)
                await self._flush()
                if self.is_open() and not self._inbox:
                    await self._wait()
            await self._flush()
            with contextlib.suppress(TimeoutError):  # a client that does not close its side is left
                await asyncio.wait_for(asyncio.shield(reading), _CLOSE_SECONDS)
        except asyncio.CancelledError:
            self.close(1001, "the exchange ends")
            with contextlib.suppress(TimeoutError):  # a client that reads nothing never learns it
                await asyncio.wait_for(self._flush(), _FAREWELL_SECONDS)
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _wait(self) -> None:
        rate = self._clock.rate
        left_ms = self._lived_ms + _SECOND_MS - self._clock.now_ms()
        timeout = max(_SHORTEST_WAIT, left_ms / 1000 / rate) if rate > 0 else None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), timeout)

    async def _live_until(self, now_ms: int) -> None:
        if self._floor(now_ms) < self._lived_ms:
            self._set_back(self._floor(now_ms))
        ticks = 0
        while self._lived_ms + _SECOND_MS <= now_ms and self.is_open():
            self._lived_ms += _SECOND_MS
            await self._tick(self._lived_ms)
            ticks += 1
            if ticks % _TICKS_AT_ONCE == 0:
                await self._flush()
                await asyncio.sleep(0)

    async def _tick(self, now_ms: int) -> None:
        if self._close_at_ms is not None and now_ms >= self._close_at_ms:
            self.close(1001, "server shutdown")
        if now_ms >= self._start_ms + _LIFE_MS:
            self.close(1001, "24 hours are over")
        await self._enforce_pong(now_ms)
        if not self.is_open():
            return
        self._conversation.tick(self, now_ms)
        if self._pings and self.is_open() and now_ms >= self._next_ping_ms:
            payload = str(now_ms).encode()
            self._unanswered[payload] = now_ms
            self._protocol.send_ping(payload)
            self._next_ping_ms = now_ms + _PING_MS

    async def _enforce_pong(self, now_ms: int) -> None:
        if not self._is_overdue(now_ms):
            return
        await self._flush()
        deadline = asyncio.get_running_loop().time() + _PONG_GRACE_SECONDS
        while self._is_overdue(now_ms) and self.is_open():
            self._ponged.clear()
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                self.close(1008, "Pong timeout")
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ponged.wait(), left)

    def _is_overdue(self, now_ms: int) -> bool:
        return any(sent_ms + _PONG_MS <= now_ms for sent_ms in self._unanswered.values())

    def _set_back(self, now_ms: int) -> None:
        self._lived_ms = self._start_ms = now_ms
        self._next_ping_ms = now_ms + _PING_MS
        self._unanswered.clear()
        self._conversation.restart(now_ms)

    @staticmethod
    def _floor(time_ms: int) -> int:
        return time_ms // _SECOND_MS * _SECOND_MS

    # -- frames -----------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        data = self._wire.begun
        while True:
            if data:
                self._protocol.receive_data(data)
                for event in self._protocol.events_received():
                    if isinstance(event, Frame):
                        self._take(event)
                await self._flush()
                self.wake()
            try:
                data = await self._wire.reader.read(_READ)
            except ConnectionError:
                data = b""
            if not data:
                break
        self._end_input()
        self._ponged.set()
        self.wake()

    def _end_input(self) -> None:
        if not self._input_ended:
            self._input_ended = True
            self._protocol.receive_eof()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._ponged.set()
            return
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        if frame.opcode is Opcode.PONG and self._take_pong(bytes(frame.data)):
            return
        if not self._may_speak():
            self.close(1008, "Too many requests")
        elif frame.opcode not in (Opcode.PING, Opcode.PONG):
            self._inbox.append(b"".join(self._fragments).decode("utf-8", "replace"))
            self._fragments.clear()

    def _take_pong(self, payload: bytes) -> bool:
        """Note the ping that is answered, and those before it; tell whether there is one."""
        sent_ms = self._unanswered.get(payload)
        if sent_ms is None:
            return False
        self._unanswered = {key: sent for key, sent in self._unanswered.items() if sent > sent_ms}
        self._ponged.set()
        return True

    def _may_speak(self) -> bool:
        """Count an inbound message; too many lie within a second by both clocks."""
        if self._inbound.maxlen is None:
            return True
        now = (self._clock.now_ms(), asyncio.get_running_loop().time())
        is_full = len(self._inbound) == self._inbound.maxlen
        oldest_ms, oldest = self._inbound[0] if is_full else (0, 0.0)
        self._inbound.append(now)
        return not is_full or now[0] - oldest_ms >= _SECOND_MS or now[1] - oldest >= 1

    async def _flush(self) -> None:
        try:
            for data in self._protocol.data_to_send():
                if data:
                    self._wire.writer.write(data)
                elif self._wire.writer.can_write_eof():
                    self._wire.writer.write_eof()
            await self._wire.writer.drain()
        except (ConnectionError, OSError, InvalidState):
            logger.debug("websocket connection was gone")
            self._end_input()
