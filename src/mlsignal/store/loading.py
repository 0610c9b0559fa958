"""One load of a series: asks for what is absent until nothing is, keeping what comes as it comes, then reads."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from mlsignal.candles import KlineSource
from mlsignal.errors import ExchangeError
from mlsignal.store.arrivals import Arrival
from mlsignal.store.manifest import Manifest
from mlsignal.store.report import PAGE, StoreReport
from mlsignal.store.request import Planner, Request, Wanted
from mlsignal.store.series import Merged, Series

logger = logging.getLogger(__name__)

_MERGED_AT_ONCE = 20_000  # candles; to merge a page is to write its month again


class Loading:
    """One `Store.load` or `Store.fill`; use it once.

    Parameters
    ----------
    series, source, wanted
        What is loaded, from where, and how much of it.
    allow_stale
        Make do with what is stored where the source cannot be reached.
    """

    def __init__(self, series: Series, source: KlineSource, wanted: Wanted, *, allow_stale: bool) -> None:
        self._series = series
        self._source = source
        self._wanted = wanted
        self._allow_stale = allow_stale
        self._parts: Callable[..., Iterator[pl.DataFrame]] | None = getattr(source, "fetch_parts", None)
        self._plan = Planner(wanted, in_parts=self._parts is not None)
        self._counts = dict.fromkeys(("added", "revisions", "duplicates", "conflicts", "out_of_order"), 0)
        self._fetched = self._fetches = 0
        self._by_parts = False  # how the last request was answered

    def complete(self) -> tuple[Manifest, bool]:
        """Fetch what is absent; return the manifest, and whether stale candles must do.

        Raises
        ------
        ExchangeError
            From the source; what came before the failure is kept.
        OutputError
            If the store cannot be written.
        BrokenFileError
            If a file of the store is damaged.
        """
        manifest = self._series.manifest()
        if self._next_request(manifest) is None:
            return manifest, False
        try:
            return self._fetch_all(), False
        except ExchangeError as error:
            manifest = self._series.manifest()
            if not self._allow_stale or not manifest.covered:
                raise
            logger.warning("stored candles are used, which are older than asked for: %s", error)
            return manifest, True

    def answer(self, manifest: Manifest) -> pl.DataFrame:
        """Read what is wanted."""
        spans = self._wanted.spans(manifest.covered)
        parts = [part for span in spans if (part := self._series.read(manifest, span)) is not None]
        if not parts:
            return pl.DataFrame(schema={"open_time": pl.Datetime("ms", "UTC")})
        frame = parts[0] if len(parts) == 1 else pl.concat(parts, how="diagonal")
        return frame if self._wanted.limit is None else frame.tail(self._wanted.limit)

    def report(self, manifest: Manifest, *, stale: bool) -> StoreReport:
        """Tell where the rows that are wanted came from."""
        spans = self._wanted.spans(manifest.covered)
        rows = sum(self._series.count(manifest, span) for span in spans)
        rows = rows if self._wanted.limit is None else min(rows, self._wanted.limit)
        newest = self._newest(manifest, spans)
        age = None if newest is None else (self._wanted.now_ms - self._wanted.interval.next(newest) + 1) / 60_000
        from_store = max(0, rows - self._counts["added"])
        return StoreReport(
            rows=rows,
            rows_from_store=from_store,
            rows_fetched=self._fetched,
            fetches=self._fetches,
            requests_saved=-(-from_store // PAGE),
            revisions=self._counts["revisions"],
            age_minutes=age,
            stale=stale,
            duplicates=self._counts["duplicates"],
            conflicts=self._counts["conflicts"],
            out_of_order=self._counts["out_of_order"],
        )

    # -- fetching -----------------------------------------------------------------------------------------------

    def _fetch_all(self) -> Manifest:
        with self._series.writing():
            self._series.adopt()
            while True:
                manifest = self._series.manifest()
                request = self._next_request(manifest)
                if request is None:
                    return manifest
                self._fetch(manifest, request)

    def _next_request(self, manifest: Manifest) -> Request | None:
        spans = self._wanted.spans(manifest.covered)
        stored = self._series.count(manifest, spans[-1]) if spans and self._wanted.limit is not None else 0
        return self._plan.next_request(manifest, stored)

    def _fetch(self, manifest: Manifest, request: Request) -> None:
        keeping = _Keeping(self._series, manifest, request, self._source.name, self._wanted.now_ms, self._count)
        self._fetches += 1
        try:
            for part in self._asked(request):
                self._fetched += part.height
                keeping.add(_within(part, request), is_page=self._by_parts)
        except BaseException:  # an interruption too: what came is kept
            keeping.flush()
            raise
        self._plan.note(request, keeping.last_ms)
        keeping.finish(all_older=request.limit is None or not self._by_parts)

    def _asked(self, request: Request) -> Iterator[pl.DataFrame]:
        self._by_parts = False
        bounds: dict[str, Any] = {
            "start_ms": request.start_ms or None,
            "end_ms": request.end_ms,
            "limit": request.limit,
        }
        if self._parts is not None and (request.limit is None or request.reaches_top):
            came, self._by_parts = 0, True
            for part in self._parts(self._series.symbol, self._series.interval, **bounds):
                came += part.height
                yield part
            if came or request.limit is None:
                return
            self._by_parts = False  # nothing in the newest stretch, so the source must look further back
        yield self._source.fetch(self._series.symbol, self._series.interval, **bounds)

    def _count(self, merged: Merged) -> None:
        for name in self._counts:
            self._counts[name] += getattr(merged, name)

    def _newest(self, manifest: Manifest, spans: list[tuple[int, int]]) -> int | None:
        for first, last in reversed(spans):
            for entry in reversed(list(manifest.months.values())):
                if entry.first_ms <= last and entry.last_ms >= first:
                    if entry.last_ms <= last:
                        return entry.last_ms
                    rows = self._series.read(manifest, (max(first, entry.first_ms), last))
                    if rows is not None and rows.height:
                        return int(rows["open_time"].dt.epoch("ms").to_numpy()[-1])
        return None


class _Keeping:
    """The rows of one request, committed in pieces as they come."""

    def __init__(
        self,
        series: Series,
        manifest: Manifest,
        request: Request,
        source: str,
        now_ms: int,
        count: Callable[[Merged], None],
    ) -> None:
        self._series = series
        self._manifest = manifest
        self._request = request
        self._source = source
        self._now_ms = now_ms
        self._count = count
        self._waiting: list[pl.DataFrame] = []
        self._rows = self._total = 0
        self._first_ms: int | None = None
        self.last_ms = -1

    def add(self, part: pl.DataFrame, *, is_page: bool) -> None:
        """Take rows; merge them when there are many, and note them until then where more pages may follow."""
        if part.is_empty():
            return
        times = part["open_time"].dt.epoch("ms").to_numpy()
        first_ms, last_ms = int(times.min()), int(times.max())
        start = first_ms if self._request.limit is not None else self._request.start_ms
        covered = (start if self._first_ms is None else self.last_ms + 1, last_ms)
        self._first_ms = first_ms if self._first_ms is None else min(self._first_ms, first_ms)
        self.last_ms = max(self.last_ms, last_ms)
        self._waiting.append(part)
        self._rows += part.height
        self._total += part.height
        if self._rows >= _MERGED_AT_ONCE:
            self.flush()
        elif is_page:
            self._series.note(Arrival(part, covered, self._source, self._now_ms))

    def flush(self) -> None:
        """Commit what waits; of the time after its newest candle nothing is known."""
        if self._waiting and self._first_ms is not None:
            start = self._first_ms if self._request.limit is not None else self._request.start_ms
            self._commit((start, self.last_ms))

    def finish(self, *, all_older: bool) -> None:
        """Commit the rest, and what is known now that the request is answered.

        `all_older` tells whether an answer with fewer rows than its limit means that there are no older ones.
        """
        request = self._request
        # Nothing is known of the time after the newest candle seen anywhere: the source may only be late.
        newest = max([self.last_ms, *(span[1] for span in self._manifest.covered)])
        end = self.last_ms if request.end_ms is None or request.end_ms > newest else request.end_ms
        cut = request.limit is not None and (self._total >= request.limit or not all_older)
        start = request.start_ms if not cut or self._first_ms is None else self._first_ms
        self._commit((start, end))

    def _commit(self, covered: tuple[int, int]) -> None:
        if not self._waiting and covered[1] < covered[0]:
            return
        rows = pl.concat(self._waiting, how="diagonal") if self._waiting else _no_rows()
        merged = self._series.commit(self._manifest, rows, covered, source=self._source, seen_ms=self._now_ms)
        self._manifest = merged.manifest
        self._series.forget()
        self._waiting, self._rows = [], 0
        self._count(merged)


def _within(part: pl.DataFrame, request: Request) -> pl.DataFrame:
    """Return the rows that were asked for: a source that sends others must not make the store ask for ever."""
    if part.is_empty():
        return part
    times = part["open_time"].dt.epoch("ms")
    end = times.max() if request.end_ms is None else request.end_ms
    inside = times.is_between(request.start_ms, end)
    return part if inside.all() else part.filter(inside)


def _no_rows() -> pl.DataFrame:
    return pl.DataFrame(schema={"open_time": pl.Datetime("ms", "UTC")})
