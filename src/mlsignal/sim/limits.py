"""The exchange's patience: request weight by clock minute, then 429, then a ban (418)."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from mlsignal.sim.http import Response

WEIGHT_LIMIT: Final = 6_000
_MINUTE_MS: Final = 60_000
_PATIENCE: Final = 3
_FIRST_BAN_MS: Final = 120_000
_LONGEST_BAN_MS: Final = 3 * 24 * 3_600_000


@dataclass(slots=True)
class WeightLimiter:
    """Counts the weight of requests in the clock minute, for the one address that there is on the loopback.

    Beyond the limit every request is refused with 429 until the minute ends. Whoever sends more than three
    requests into that is banned (418) for two minutes, and twice as long each further time, up to three days.
    """

    limit: int = WEIGHT_LIMIT
    used: int = 0
    """Weight used in this clock minute."""
    _minute: int = -1
    _ignored: int = 0
    _banned_until_ms: int = 0
    _next_ban_ms: int = _FIRST_BAN_MS

    def refuse(self, now_ms: int, weight: int) -> Response | None:
        """Count a request, and return the refusal where it is one too many."""
        minute = now_ms // _MINUTE_MS
        if minute != self._minute:
            self._minute, self.used, self._ignored = minute, 0, 0
        if now_ms < self._banned_until_ms:
            return self._ban_answer(now_ms)
        self.used += weight
        if self.used <= self.limit:
            return None
        self._ignored += 1
        if self._ignored > 1 + _PATIENCE:
            self._banned_until_ms = now_ms + self._next_ban_ms
            self._next_ban_ms = min(2 * self._next_ban_ms, _LONGEST_BAN_MS)
            return self._ban_answer(now_ms)
        message = (
            f"Too much request weight used; current limit is {self.limit} request weight per 1 MINUTE. "
            "Please use WebSocket Streams for live updates to avoid polling the API."
        )
        return _refusal(429, message, (minute + 1) * _MINUTE_MS - now_ms)

    def ban(self, until_ms: int) -> None:
        """Refuse every request with 418 until a moment."""
        self._banned_until_ms = max(self._banned_until_ms, until_ms)

    def _ban_answer(self, now_ms: int) -> Response:
        message = (
            f"Way too much request weight used; IP banned until {self._banned_until_ms}. "
            "Please use WebSocket Streams for live updates to avoid bans."
        )
        return _refusal(418, message, self._banned_until_ms - now_ms)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """The headers that tell the weight used."""
        return (("x-mbx-used-weight", str(self.used)), ("x-mbx-used-weight-1m", str(self.used)))


def _refusal(status: int, message: str, wait_ms: int) -> Response:
    answer = Response.of_json({"code": -1003, "msg": message}, status)
    return answer.with_headers(("Retry-After", str(-(-wait_ms // 1000))))


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request as the exchange saw it."""

    time_ms: int
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int
    weight: int


def request_log(longest: int = 100_000) -> deque[RequestRecord]:
    """Return an empty log that keeps the newest `longest` requests."""
    return deque(maxlen=longest)
