from datetime import UTC, datetime, timedelta

import pytest

from mlsignal.errors import ConfigurationError
from mlsignal.sim import RealClock, VirtualClock

NOW = datetime(2024, 1, 1, tzinfo=UTC)


class Wall:
    def __init__(self):
        self.seconds = 5.0

    def __call__(self):
        return int(self.seconds * 1e9)


def test_clock_runs_at_its_rate_from_where_it_is_set():
    wall = Wall()
    clock = VirtualClock(NOW, rate=60, wall_ns=wall)
    assert clock.now == NOW
    wall.seconds += 2
    assert clock.now == NOW + timedelta(minutes=2)
    clock.rate = 0
    wall.seconds += 100
    assert clock.now == NOW + timedelta(minutes=2)
    clock.rate = 1
    wall.seconds += 3
    assert clock.now == NOW + timedelta(minutes=2, seconds=3)
    clock.advance(timedelta(hours=1))
    wall.seconds += 1
    assert clock.now == NOW + timedelta(hours=1, minutes=2, seconds=4)
    clock.now = NOW
    assert clock.now == NOW


def test_clock_skew_is_shown_and_can_be_taken_back():
    clock = VirtualClock(NOW, skew=timedelta(seconds=90))
    assert clock.now == NOW + timedelta(seconds=90)
    clock.skew = timedelta(seconds=-5)
    assert clock.now_ms() == round(NOW.timestamp() * 1000) - 5000
    clock.now = NOW
    assert (clock.now, clock.skew) == (NOW, timedelta(seconds=-5))


def test_clock_tells_who_watches_of_every_step():
    clock, steps = VirtualClock(NOW), []
    unwatch = clock.watch(lambda: steps.append(clock.now_ms()))
    clock.advance(timedelta(seconds=1))
    clock.now = NOW
    clock.rate = 2
    clock.skew = timedelta(seconds=1)
    assert len(steps) == 4
    unwatch()
    clock.advance(timedelta(seconds=1))
    assert len(steps) == 4


def test_clock_bad_arguments_are_refused():
    with pytest.raises(ConfigurationError, match="time zone"):
        VirtualClock(datetime(2024, 1, 1))  # noqa: DTZ001 - the naive time is what is refused
    with pytest.raises(ConfigurationError, match="rate"):
        VirtualClock(NOW, rate=-1)


def test_real_clock_is_the_walls():
    clock = RealClock()
    assert abs(clock.now_ms() / 1000 - datetime.now(UTC).timestamp()) < 5
    clock.watch(lambda: None)()
