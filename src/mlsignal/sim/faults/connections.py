"""Faults of websocket connections: cuts, announcements of one, and silence."""

from typing import Protocol

from mlsignal.sim.faults.book import Call
from mlsignal.sim.faults.registry import Stage, action


class FaultyConnection(Protocol):
    """What a fault can do to a connection."""

    def close(self, code: int, reason: str) -> None:
        """End it with a close code."""
        ...

    def abort(self) -> None:
        """End it without a word."""
        ...

    def announce_shutdown(self, close_after_ms: int) -> None:
        """Send the serverShutdown event, and close so much later."""
        ...

    def mute(self, until_ms: int | None) -> None:
        """Send no messages of streams until then, or ever again; pings go on."""
        ...

    def stop_pings(self) -> None:
        """Send no pings any more."""
        ...


@action(Stage.CONNECTION)
def close(connection: FaultyConnection, *, call: Call, code: int = 1001, reason: str = "") -> None:
    """Close with a code: 1000, 1001, 1008, ..."""
    del call
    connection.close(code, reason)


@action(Stage.CONNECTION)
def abort(connection: FaultyConnection, *, call: Call) -> None:
    """Cut the connection without a close frame, which a client sees as 1006."""
    del call
    connection.abort()


@action(Stage.CONNECTION)
def shutdown(connection: FaultyConnection, *, call: Call, close_after_ms: int = 10_000) -> None:
    """Announce a shutdown of the server, and close some time later."""
    del call
    connection.announce_shutdown(close_after_ms)


@action(Stage.CONNECTION)
def stall(connection: FaultyConnection, *, call: Call, seconds: int | float | None = None) -> None:
    """Fall silent, for some time or for good, while TCP and pings stay alive."""
    connection.mute(None if seconds is None else call.now_ms + int(seconds * 1000))


@action(Stage.CONNECTION)
def no_pings(connection: FaultyConnection, *, call: Call) -> None:
    """Stop the pings."""
    del call
    connection.stop_pings()
