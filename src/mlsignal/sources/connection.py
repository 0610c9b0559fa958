"""GET requests to an exchange: bounded in time and number, retried where that helps, with errors for people."""

import json
import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from mlsignal.errors import ExchangeError, RateLimitError, UnreachableError
from mlsignal.sources.clock import SYSTEM_CLOCK, Clock
from mlsignal.sources.klines import KlineFormatError, quoted
from mlsignal.sources.limiter import WeightLimiter

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_ATTEMPTS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 8.0
_LARGEST_BODY = 64 * 2**20
_OK, _BANNED, _TOO_MANY, _FORBIDDEN, _LEGAL, _NOT_FOUND = 200, 418, 429, 403, 451, 404
_SERVER_ERRORS = 500
# Internal error, disconnected, timeout, overloaded, shutting down: the request itself was right.
_TRANSIENT_CODES = frozenset({-1000, -1001, -1007, -1008, -1016})
_TOO_MANY_CODE = -1003


class RefusedError(ExchangeError):
    """The exchange answered `{"code": …, "msg": …}`; `code` is its number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"the exchange refused the request: {message} (code {code})")
        self.code = code


class NotFoundError(UnreachableError):
    """The host answered 404: what was asked for is not there."""


class _TransientError(Exception):
    """One attempt failed in a way that another may not."""


class _TooManyError(_TransientError):
    """One attempt was answered 429."""


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: httpx2.Headers
    body: bytes


class Connection:
    """A host, its client and its limiter. Safe to use from several threads; close it, or use it in `with`.

    Parameters
    ----------
    base_url
        Host, as configured.
    api_key
        Sent as `X-MBX-APIKEY`, and nowhere else.
    timeout_seconds
        Deadline of one `get`, its retries and the last byte of its body included; pauses that the exchange
        asks for are not counted.
    connections
        How many are kept open.
    transport, clock, seed
        For tests: what sends the requests, what tells the time, what seeds the jitter.
    ban_file
        See `WeightLimiter`.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_seconds: float = 20.0,
        connections: int = 4,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        ban_file: Path | None = None,
        seed: int | None = None,
    ) -> None:
        self.host = httpx2.URL(base_url).host
        self.synthetic: str | None = None
        self.limiter = WeightLimiter(clock, ban_file=ban_file, seed=seed)
        self._clock = clock
        self._timeout = timeout_seconds
        self._random = random.Random(seed)
        self._fatal: ExchangeError | None = None
        self._lock = threading.Lock()
        self._client = httpx2.Client(
            base_url=base_url.rstrip("/"),
            headers={"X-MBX-APIKEY": api_key} if api_key else None,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(
        self,
        path: str,
        parameters: Mapping[str, str | int],
        *,
        weight: int,
        read: Callable[[bytes], Answer],
        timeout_seconds: float | None = None,
        largest_body: int = _LARGEST_BODY,
    ) -> Answer:
        """Return `read(body)` of a GET.

        Parameters
        ----------
        path, parameters
            What to ask for.
        weight
            What the exchange counts for it.
        read
            Turns a body into the answer; its `KlineFormatError` (truncated, HTML) counts as a failed attempt.
        timeout_seconds
            Another deadline than the connection's, for large files.
        largest_body
            Bytes beyond which an answer is given up.

        Raises
        ------
        RateLimitError
            Banned, or told to wait for longer than is sensible.
        RefusedError
            The exchange says what is wrong with the request.
        NotFoundError
            Answered 404.
        UnreachableError
            No usable answer before the deadline.
        ExchangeError
            Refused by the firewall (403) or for the location (451).
        """
        timeout = timeout_seconds or self._timeout
        deadline = self._clock.monotonic() + timeout
        failure = _TransientError("no answer")
        for attempt in range(_ATTEMPTS):
            if self._fatal is not None:
                raise self._fatal
            before = self._clock.monotonic()
            self.limiter.acquire(weight)
            deadline += self._clock.monotonic() - before
            try:
                return self._attempt(path, parameters, deadline, read, largest_body)
            except _TransientError as error:
                failure = error
            logger.info("%s%s: %s (attempt %d of %d)", self.host, path, failure, attempt + 1, _ATTEMPTS)
            pause = self._pause(attempt)
            if attempt + 1 == _ATTEMPTS or self._clock.monotonic() + pause >= deadline:
                break
            self._clock.sleep(pause)
        raise self._given_up(attempt + 1, failure, timeout)

    def _given_up(self, attempts: int, failure: _TransientError, timeout: float) -> ExchangeError:
        if isinstance(failure, _TooManyError):
            return RateLimitError(f"{self.host} keeps answering {failure} ({attempts} attempts); try again later")
        return UnreachableError(
            f"{self.host} gave no usable answer (attempts: {attempts}, deadline {timeout:g} s): {failure}; "
            "check the network, a proxy (HTTPS_PROXY), or set another host in binance_base_url"
        )

    def _pause(self, attempt: int) -> float:
        with self._lock:
            longest: float = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
            return self._random.uniform(0.5, 1.0) * longest

    def _attempt(
        self,
        path: str,
        parameters: Mapping[str, str | int],
        deadline: float,
        read: Callable[[bytes], Answer],
        largest_body: int,
    ) -> Answer:
        response = self._send(path, parameters, deadline, largest_body)
        used = response.headers.get("x-mbx-used-weight-1m", "")
        self.limiter.record(int(used) if used.isdigit() else None)
        self.synthetic = response.headers.get("x-mlsignal-synthetic") or self.synthetic
        if response.status != _OK:
            raise self._error_of(response)
        try:
            return read(response.body)
        except KlineFormatError as error:
            raise _TransientError(str(error)) from None

    def _send(self, path: str, parameters: Mapping[str, str | int], deadline: float, largest_body: int) -> _Response:
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise _TransientError("the deadline has passed")
        # Half of what is left: an attempt that hangs leaves time for another.
        timeout = httpx2.Timeout(max(0.05, left / 2), connect=max(0.05, min(10.0, left / 2)))
        until = self._clock.monotonic() + max(0.05, left / 2)
        try:
            with self._client.stream("GET", path, params=dict(parameters), timeout=timeout) as response:
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if self._clock.monotonic() > until:
                        raise _TransientError(f"the answer was not complete after {left / 2:.1f} s")
                    if len(body) > largest_body:
                        raise _TransientError(f"an answer of more than {largest_body >> 20} MB")
                return _Response(response.status_code, response.headers, bytes(body))
        except httpx2.TimeoutException as error:
            raise _TransientError(f"no answer in time ({type(error).__name__})") from None
        except (httpx2.RequestError, httpx2.StreamError) as error:
            detail = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise _TransientError(f"{detail[:200]}") from None

    def _error_of(self, response: _Response) -> Exception:
        code, message = _code_and_message(response.body)
        retry_after = _seconds(response.headers.get("retry-after"))
        if response.status == _BANNED:
            return self.limiter.ban(retry_after)
        if response.status == _TOO_MANY or code == _TOO_MANY_CODE:
            self.limiter.pause(retry_after)
            return _TooManyError(f"too many requests ({response.status})")
        if code is not None and code not in _TRANSIENT_CODES and response.status < _SERVER_ERRORS:
            return RefusedError(code, message)
        if response.status in (_FORBIDDEN, _LEGAL):
            self._fatal = ExchangeError(f"{self.host} answered {response.status}, {_hint(response.status)}")
            return self._fatal
        if response.status >= _SERVER_ERRORS or code is not None:
            return _TransientError(f"{response.status} {message or quoted(response.body)}")
        kind = NotFoundError if response.status == _NOT_FOUND else UnreachableError
        return kind(
            f"{self.host} answered {response.status} where data was expected: {quoted(response.body)}; "
            "is binance_base_url right?"
        )


def _hint(status: int) -> str:
    reason = {
        _FORBIDDEN: "its firewall refuses this client",
        _LEGAL: "it does not serve this location",
    }[status]
    return (
        f"{reason}: nothing was asked again. Market data without keys may be served by "
        "https://data-api.binance.vision (binance_base_url), or by the exchange's archive files"
    )


def _code_and_message(body: bytes) -> tuple[int | None, str]:
    try:
        answer: Any = json.loads(body)
        return int(answer["code"]), str(answer.get("msg", ""))[:200]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None, ""


def _seconds(header: str | None) -> float | None:
    try:
        return max(0.0, float(header)) if header else None
    except ValueError:
        return None
