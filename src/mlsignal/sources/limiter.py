"""The exchange's budget of request weight, kept by all requests of a source together."""

import json
import logging
import random
import threading
from pathlib import Path

from mlsignal.candles import utc
from mlsignal.errors import RateLimitError
from mlsignal.notes import NOTE
from mlsignal.sources.clock import Clock

logger = logging.getLogger(__name__)

WEIGHT_PER_MINUTE = 6000
_MINUTE_MS = 60_000
_JITTER_SECONDS = 2.0
_DEFAULT_BAN_SECONDS = 120.0
_LONG_SECONDS = 5.0


class WeightLimiter:
    """Lets a request pass when the minute's budget has room, and none while the exchange says to wait.

    Parameters
    ----------
    clock
        Where time comes from.
    share
        Part of the 6000 weight a clock minute that this source may use: the limit is shared by every
        program on the same address.
    max_wait_seconds
        Longest wait; beyond it a `RateLimitError` says until when.
    ban_file
        Where a ban (418) is remembered, so that it holds after a restart too; None forgets it.
    seed
        Of the jitter.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        share: float = 0.8,
        max_wait_seconds: float = 90.0,
        ban_file: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self._clock = clock
        self._budget = int(share * WEIGHT_PER_MINUTE)
        self._max_wait = max_wait_seconds
        self._ban_file = ban_file
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._minute = -1
        self._used = 0
        self._blocked_until_ms = 0
        self._banned_until_ms = _read_ban(ban_file)
        self._offset_ms = 0
        self._told = False

    def synchronise(self, offset_ms: int) -> None:
        """Learn how far the server's clock, whose minutes count, is ahead of ours."""
        with self._lock:
            self._offset_ms = offset_ms

    def acquire(self, weight: int) -> None:
        """Wait until a request of this weight may be sent, and book it.

        Raises
        ------
        RateLimitError
            If the address is banned, or the wait would be longer than `max_wait_seconds`.
        """
        while True:
            with self._lock:
                self._refuse_if_banned()
                seconds = self._wait_for(weight)
                if seconds <= 0:
                    self._used += weight
                    return
            if seconds > self._max_wait:
                until = utc(self._clock.now_ms() + int(seconds * 1000))
                raise RateLimitError(
                    f"the exchange asks for a pause until {until:%H:%M:%S} UTC (too many requests); try again then"
                )
            logger.log(self._level_of(seconds), "waiting %.0f s: the exchange asks for it (rate limit)", seconds)
            self._clock.sleep(seconds)

    def record(self, used: int | None) -> None:
        """Learn the weight that the exchange has counted this minute (`X-MBX-USED-WEIGHT-1M`)."""
        if used is None:
            return
        with self._lock:
            self._turn_minute()
            self._used = max(self._used, used)

    def pause(self, retry_after: float | None) -> None:
        """Obey a 429: nothing is sent for `retry_after` seconds, or until the next clock minute."""
        with self._lock:
            jitter = self._random.uniform(0.05, _JITTER_SECONDS)
            seconds = retry_after if retry_after is not None else self._to_next_minute() + jitter
            until = self._clock.now_ms() + int(seconds * 1000) + 1
            self._blocked_until_ms = max(self._blocked_until_ms, until)

    def ban(self, retry_after: float | None) -> RateLimitError:
        """Obey a 418: nothing is sent until the ban ends. Returns the error to raise."""
        seconds = _DEFAULT_BAN_SECONDS if retry_after is None else retry_after
        with self._lock:
            until = self._clock.now_ms() + int(seconds * 1000) + 1
            self._banned_until_ms = max(self._banned_until_ms, until)
            _write_ban(self._ban_file, self._banned_until_ms)
            return self._ban_error()

    def _refuse_if_banned(self) -> None:
        if self._clock.now_ms() < self._banned_until_ms:
            raise self._ban_error()

    def _ban_error(self) -> RateLimitError:
        return RateLimitError(
            f"the exchange has banned this address until {utc(self._banned_until_ms):%Y-%m-%d %H:%M:%S} UTC "
            "(418, too many requests); nothing is sent before that"
        )

    def _wait_for(self, weight: int) -> float:
        blocked = (self._blocked_until_ms - self._clock.now_ms()) / 1000
        if blocked > 0:
            return blocked
        self._turn_minute()
        if self._used + weight <= self._budget:
            return 0.0
        return self._to_next_minute() + self._random.uniform(0.05, _JITTER_SECONDS)

    def _level_of(self, seconds: float) -> int:
        """Return how loudly to speak of a wait: the first long one is for people."""
        with self._lock:
            first = seconds >= _LONG_SECONDS and not self._told
            self._told = self._told or first
        return NOTE if first else logging.INFO

    def _turn_minute(self) -> None:
        minute = (self._clock.now_ms() + self._offset_ms) // _MINUTE_MS
        if minute != self._minute:
            self._minute, self._used = minute, 0

    def _to_next_minute(self) -> float:
        return (_MINUTE_MS - (self._clock.now_ms() + self._offset_ms) % _MINUTE_MS) / 1000


def _read_ban(file: Path | None) -> int:
    if file is None:
        return 0
    try:
        return int(json.loads(file.read_text())["banned_until_ms"])
    except (FileNotFoundError, NotADirectoryError):
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        logger.warning("%s: not a record of a ban, ignored", file)
        return 0


def _write_ban(file: Path | None, until_ms: int) -> None:
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"banned_until_ms": until_ms}))
    except OSError as error:
        logger.warning("%s: the ban cannot be remembered (%s)", file, error)
