"""Faults of stream messages: closing messages that are late, absent or doubled, and updates after them."""

from dataclasses import replace

from mlsignal.sim.faults.book import Call
from mlsignal.sim.faults.registry import Stage, action
from mlsignal.sim.streams import StreamEvent


@action(Stage.EVENT)
def drop_event(event: StreamEvent, *, call: Call) -> list[StreamEvent]:
    """Send nothing: of closing messages (match parameters {"x": "true"}), or of a whole stream, a silent stall."""
    del event, call
    return []


@action(Stage.EVENT)
def late_event(event: StreamEvent, *, call: Call, ms: int = 30_000) -> list[StreamEvent]:
    """Send it so much later."""
    del call
    return [replace(event, due_ms=event.due_ms + ms)]


@action(Stage.EVENT)
def duplicate_event(event: StreamEvent, *, call: Call, copies: int = 1, after_ms: int = 0) -> list[StreamEvent]:
    """Send it again, at once or some time later."""
    del call
    return [event, *[replace(event, due_ms=event.due_ms + after_ms)] * copies]


@action(Stage.EVENT)
def update_after_close(event: StreamEvent, *, call: Call, after_ms: int = 1_000) -> list[StreamEvent]:
    """Send, some time after it, the same candle as if it were still open."""
    del call
    still_open = {**event.payload, "k": {**event.payload["k"], "x": False}}
    return [event, replace(event, payload=still_open, due_ms=event.due_ms + after_ms)]


@action(Stage.EVENT)
def garbled_event(event: StreamEvent, *, call: Call) -> list[StreamEvent]:
    """Send half of its JSON."""
    del call
    return [replace(event, broken=True)]
