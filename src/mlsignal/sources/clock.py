"""The clock that sources are given, so that tests neither wait nor depend on the time of day."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """What a source needs to know of time; the default is the machine's own."""

    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000
    """Wall clock, milliseconds since 1970, UTC."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that only increase, for deadlines."""
    sleep: Callable[[float], None] = time.sleep
    """Wait so many seconds."""


SYSTEM_CLOCK = Clock()
