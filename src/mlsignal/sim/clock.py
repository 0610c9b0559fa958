"""Clocks of the simulated exchange: the wall's, or one that a test sets, speeds up and skews."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from mlsignal.candles import utc
from mlsignal.errors import ConfigurationError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """What the exchange takes for now."""

    @property
    def rate(self) -> float:
        """Seconds that it shows in a second of the wall's; 0 where it stands still."""
        ...

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        ...

    def watch(self, on_step: Callable[[], None]) -> Callable[[], None]:
        """Have `on_step` called whenever the clock is set; returns what ends that."""
        ...


class RealClock:
    """The wall clock."""

    rate = 1.0

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def watch(self, on_step: Callable[[], None]) -> Callable[[], None]:
        """Do nothing: nobody sets the wall clock."""
        del on_step
        return lambda: None


class VirtualClock:
    """A clock that is set: it stands still, or runs at a rate of its own, and may be wrong on purpose.

    Parameters
    ----------
    now
        The moment that it is set to, time-zone aware.
    rate
        Seconds that it shows in a second of the wall's: 0 stands still, 60 makes a minute of every second.
    skew
        What it shows beyond the time that it is set to.
    wall_ns
        Nanoseconds that a wall clock has counted; only a rate above 0 reads it.

    Raises
    ------
    ConfigurationError
        If `now` has no time zone, or the rate is negative.

    Notes
    -----
    A skewed exchange is consistent with itself: its time, its candles and its streams are all ahead by as much.

    Examples
    --------
    >>> clock = VirtualClock(datetime(2024, 1, 1, tzinfo=UTC))
    >>> clock.advance(timedelta(minutes=5))
    >>> clock.now.isoformat()
    '2024-01-01T00:05:00+00:00'
    >>> clock.skew = timedelta(seconds=90)
    >>> clock.now.isoformat()
    '2024-01-01T00:06:30+00:00'
    """

    def __init__(
        self,
        now: datetime,
        *,
        rate: float = 0.0,
        skew: timedelta = timedelta(0),
        wall_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._lock = threading.RLock()
        self._wall_ns = wall_ns
        self._watchers: list[Callable[[], None]] = []
        self._rate = _checked_rate(rate)
        self._skew_ms = round(skew / _MILLISECOND)
        self._set_ms(_milliseconds(now))

    @property
    def now(self) -> datetime:
        """The moment shown (UTC), skew included; may be set, backwards too."""
        return utc(self.now_ms())

    @now.setter
    def now(self, moment: datetime) -> None:
        self._step(lambda: self._set_ms(_milliseconds(moment) - self._skew_ms))

    @property
    def rate(self) -> float:
        """Seconds that it shows in a second of the wall's; may be set."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        checked = _checked_rate(rate)

        def change() -> None:
            shown_ms = self._unskewed_ms()
            self._rate = checked
            self._set_ms(shown_ms)

        self._step(change)

    @property
    def skew(self) -> timedelta:
        """How far it is ahead of the time that it is set to; may be set."""
        return self._skew_ms * _MILLISECOND

    @skew.setter
    def skew(self, skew: timedelta) -> None:
        def change() -> None:
            self._skew_ms = round(skew / _MILLISECOND)

        self._step(change)

    def advance(self, duration: timedelta) -> None:
        """Move on by a duration; a negative one moves back, as a stepped clock does."""
        self._step(lambda: self._set_ms(self._unskewed_ms() + round(duration / _MILLISECOND)))

    def now_ms(self) -> int:
        """Return the moment, in milliseconds since the epoch."""
        with self._lock:
            return self._unskewed_ms() + self._skew_ms

    def watch(self, on_step: Callable[[], None]) -> Callable[[], None]:
        """Have `on_step` called, from the thread that sets it, whenever the clock is set; returns what ends that."""
        self._watchers.append(on_step)
        return lambda: self._watchers.remove(on_step)

    def _unskewed_ms(self) -> int:
        if self._rate == 0:
            return self._base_ms
        return self._base_ms + int((self._wall_ns() - self._base_wall_ns) * self._rate / 1e6)

    def _set_ms(self, moment_ms: int) -> None:
        self._base_ms = moment_ms
        self._base_wall_ns = self._wall_ns() if self._rate else 0

    def _step(self, change: Callable[[], None]) -> None:
        with self._lock:
            change()
        for on_step in tuple(self._watchers):
            on_step()


def _milliseconds(moment: datetime) -> int:
    if moment.tzinfo is None:
        raise ConfigurationError(f"now: a time zone is expected, found {moment!r}; add tzinfo=UTC")
    return round((moment - _EPOCH) / _MILLISECOND)


def _checked_rate(rate: float) -> float:
    if not 0 <= rate <= 1e6:
        raise ConfigurationError(f"rate: 0 (stands still) to 1,000,000 expected, found {rate!r}")
    return float(rate)
