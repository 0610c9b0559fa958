"""What a load wants, what is absent from the store, and so what the source is asked for next."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlsignal.candles import Interval
from mlsignal.store.manifest import Manifest
from mlsignal.store.spans import Span, holes

CHUNK = 20_000  # candles asked for at one time of a source that does not send them in parts


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for; bounds are of open time (ms)."""

    interval: Interval
    limit: int | None
    start_ms: int
    end_ms: int | None
    max_age_ms: float
    now_ms: int

    def bound(self, covered: Sequence[Span]) -> int:
        """Newest open time that the answer may hold."""
        newest = max(self.now_ms, covered[-1][1]) if covered else self.now_ms
        return newest if self.end_ms is None else min(self.end_ms, newest)

    def is_fresh(self, newest_ms: int) -> bool:
        """Whether a store that ends with this candle needs no top-up."""
        if self.interval.next(newest_ms, 2) > self.now_ms:
            return True  # the candle after it has not closed yet
        if self.end_ms is not None and self.end_ms < self.now_ms:
            return newest_ms >= self.interval.floor(self.end_ms)
        return self.now_ms - (self.interval.next(newest_ms) - 1) <= self.max_age_ms

    def spans(self, covered: Sequence[Span]) -> list[Span]:
        """Return the spans of open time that the answer is read from."""
        bound = self.bound(covered)
        spans = [(max(first, self.start_ms), min(last, bound)) for first, last in covered]
        spans = [span for span in spans if span[0] <= span[1]]
        return spans if self.limit is None else spans[-1:]


@dataclass(frozen=True, slots=True)
class Request:
    """What the source is asked for; bounds are of open time (ms)."""

    start_ms: int
    end_ms: int | None
    limit: int | None
    reaches_top: bool
    """Whether its newest candle is asked for."""


class Planner:
    """Decides what to ask for next, from what is stored and what has come of the requests so far.

    Parameters
    ----------
    wanted
        What the load is for.
    in_parts
        Whether the source sends what it is asked for part by part, so that nothing need be asked for in chunks.
    """

    def __init__(self, wanted: Wanted, *, in_parts: bool) -> None:
        self._wanted = wanted
        self._in_parts = in_parts
        self._at_top = False  # the source has been asked for its newest
        self._nothing_came = False  # of a bounded request: ask without that bound

    def note(self, request: Request, last_ms: int) -> None:
        """Learn that a request was answered, and the newest open time of it (-1 if there is none)."""
        self._at_top = self._at_top or request.reaches_top
        self._nothing_came = not request.reaches_top and last_ms <= request.start_ms

    def next_request(self, manifest: Manifest, stored: int) -> Request | None:
        """Return what to ask for next; None where nothing is absent.

        Parameters
        ----------
        manifest
            As it stands.
        stored
            Rows stored in the newest span that the answer is read from; only used where a limit is wanted.
        """
        wanted, covered = self._wanted, list(manifest.covered)
        bound = wanted.bound(covered)
        below = [span for span in covered if wanted.start_ms <= span[1] and span[0] <= bound]
        if not below:
            return None if self._at_top else self._first(wanted.start_ms, bound)
        span = below[-1]
        if span[1] < bound and not self._at_top and not wanted.is_fresh(span[1]):
            return self._top_up(span, bound)
        if wanted.limit is None:
            return self._fill(covered, span)
        return self._backfill(covered, span, wanted.limit - stored)

    def _first(self, start_ms: int, bound: int) -> Request:
        limit = self._wanted.limit
        if limit is None:
            return self._forward(start_ms, bound)
        return Request(start_ms, self._wanted.end_ms, limit if self._in_parts else min(limit, CHUNK), reaches_top=True)

    def _top_up(self, span: Span, bound: int) -> Request:
        interval, limit = self._wanted.interval, self._wanted.limit
        if limit is not None and interval.next(interval.floor(bound), 1 - limit) > span[1]:
            return self._first(span[1] + 1, bound)  # what lies between is not wanted
        return self._forward(span[1], bound)  # from the newest stored candle on, that one included

    def _forward(self, start_ms: int, bound: int) -> Request:
        stop = self._wanted.interval.next(start_ms, CHUNK)
        if self._in_parts or start_ms == 0 or self._nothing_came or stop >= bound:
            return Request(start_ms, self._wanted.end_ms, None, reaches_top=True)
        return Request(start_ms, stop, None, reaches_top=False)

    def _fill(self, covered: list[Span], span: Span) -> Request | None:
        absent = holes(covered, (self._wanted.start_ms, span[1]))
        if not absent:
            return None
        first, last = absent[-1]
        return Request(first, last, None if first == 0 or self._in_parts else CHUNK, reaches_top=False)

    def _backfill(self, covered: list[Span], span: Span, missing: int) -> Request | None:
        wanted = self._wanted
        if span[0] <= wanted.start_ms or missing <= 0:
            return None
        older = [other[1] + 1 for other in covered if other[1] < span[0]]
        start, end = max([wanted.start_ms, *older]), span[0] - 1
        if self._in_parts and not self._nothing_came:
            near = wanted.interval.next(wanted.interval.floor(end), 1 - missing)
            return Request(max(start, near), end, None, reaches_top=False)
        return Request(start, end, min(missing, CHUNK), reaches_top=False)
