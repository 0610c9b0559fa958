"""Clocks of the simulated exchange: the wall's, or one that a test sets."""

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mlsignal.candles import utc
from mlsignal.errors import ConfigurationError


class Clock(Protocol):
    """What the exchange takes for now."""

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        ...


class RealClock:
    """The wall clock."""

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000


class VirtualClock:
    """A clock that stands still until it is told to move.

    Parameters
    ----------
    now
        The moment that it shows, time-zone aware.

    Raises
    ------
    ConfigurationError
        If `now` has no time zone.

    Examples
    --------
    >>> clock = VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(minutes=5))
    >>> clock.now.isoformat()
    '2024-01-01T00:05:00+00:00'
    """

    def __init__(self, now: datetime) -> None:
        self.now = now

    @property
    def now(self) -> datetime:
        """The moment shown (UTC); may be set, backwards too."""
        return utc(self._now_ms)

    @now.setter
    def now(self, moment: datetime) -> None:
        if moment.tzinfo is None:
            raise ConfigurationError(f"now: a time zone is expected, found {moment!r}; add tzinfo=UTC")
        self._now_ms = round((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))

    def advance(self, duration: timedelta) -> None:
        """Move on by a duration; a negative one moves back, as a stepped clock does."""
        self._now_ms += round(duration / timedelta(milliseconds=1))

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        return self._now_ms
