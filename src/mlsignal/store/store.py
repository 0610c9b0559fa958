"""Klines from the store, topped up and back-filled from their source where they are not there."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from mlsignal.candles import Interval, KlineSource
from mlsignal.errors import ConfigurationError, DataError, ExchangeError
from mlsignal.store.series import BrokenFileError, Manifest, Series, covering
from mlsignal.store.spans import Span, holes

logger = logging.getLogger(__name__)

_CHUNK = 100_000  # candles asked for at one time: what came before a failure is kept
_PAGE = 1_000  # candles in a request of an exchange, for the count of those saved
_MOST_DAMAGED = 100
_MAIN_ORIGIN = "binance"
_MONTHLY_FOLDER = "1mo"  # as in the exchange's archive: 1M and 1m are one folder where case does not count
_PATH_PART = re.compile(r"^[\w-][\w.-]{0,63}$")


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Where the rows of one `Store.load` came from."""

    rows: int
    """Rows returned."""
    rows_from_store: int
    """Of these, rows that were stored before."""
    rows_fetched: int
    """Rows that the source sent, an overlap included."""
    fetches: int
    """Calls of the source; 0 means that no request was sent."""
    requests_saved: int
    """Pages of 1000 candles that need not be asked for."""
    revisions: int
    """Stored candles that the source has changed since; its new values are kept, each change is logged."""
    age_minutes: float | None
    """Age of the newest candle returned, since its close; None where there is none."""
    stale: bool
    """The source could not be reached: the rows are older than was asked for."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for; bounds are of open time (ms)."""

    interval: Interval
    limit: int | None
    start_ms: int
    end_ms: int | None
    max_age_ms: float
    now_ms: int

    def bound(self, covered: list[Span]) -> int:
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


@dataclass(frozen=True, slots=True)
class _Request:
    start_ms: int
    end_ms: int | None
    limit: int | None
    reaches_top: bool


class Store:
    """Raw closed klines on disk, `ROOT/SYMBOL/INTERVAL/YYYY-MM.parquet`.

    Candles of another origin than the exchange itself (a simulated exchange, a test network) lie in
    `ROOT/ORIGIN/SYMBOL/INTERVAL`, so that they never mix. Readers take no lock and never see half a write;
    writers of a series take turns.

    Parameters
    ----------
    root
        Folder; made when first written to.
    now_ms
        Wall clock, milliseconds since 1970.
    """

    def __init__(self, root: Path | str, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.root = Path(root)
        self._now_ms = now_ms

    def load(
        self,
        symbol: str,
        interval: Interval | str,
        source: KlineSource,
        *,
        limit: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        max_age_minutes: float = 30.0,
        allow_stale: bool = False,
        now_ms: int | None = None,
    ) -> tuple[pl.DataFrame, StoreReport]:
        """Return raw closed klines, from the store as far as possible.

        Parameters
        ----------
        symbol, interval, source
            What to load, and who is asked for what is not stored.
        limit, start_ms, end_ms
            As in `KlineSource.fetch`.
        max_age_minutes
            While the newest stored candle closed no longer ago, the source is not asked for newer ones.
        allow_stale
            Return what is stored where the source cannot be reached; the report says so.
        now_ms
            The moment that counts as now; the store's clock where not given.

        Returns
        -------
        frame : polars.DataFrame
            Ascending by open time, one row each.
        report : StoreReport
            What was stored and what was fetched.

        Raises
        ------
        ConfigurationError
            If limit or symbol cannot be right.
        OutputError
            If the store cannot be written.
        DataError
            If a newer version of the package wrote the store.
        ExchangeError
            From the source; what came before the failure is kept.
        """
        interval = Interval.parse(interval)
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        series = self._series(symbol, interval, source)
        now = self._now_ms() if now_ms is None else now_ms
        wanted = _Wanted(interval, limit, start_ms or 0, end_ms, max_age_minutes * 60_000, now)
        for _ in range(_MOST_DAMAGED):
            try:
                return _Loading(series, source, wanted, allow_stale).run()
            except BrokenFileError as error:
                with series.writing():
                    series.quarantine(error.path)
        raise DataError(f"{series.folder}: too many damaged files; remove the folder")

    def _series(self, symbol: str, interval: Interval, source: KlineSource) -> Series:
        origin = str(getattr(source, "origin", source.name))
        parts = [symbol, _MONTHLY_FOLDER if interval is Interval.MONTH1 else interval.value]
        if origin != _MAIN_ORIGIN:
            parts.insert(0, re.sub(r"[^\w.-]", "-", origin).lstrip(".")[-64:] or "unnamed")
        for part in parts:
            if not _PATH_PART.match(part):
                raise ConfigurationError(f"symbol: letters and digits expected, as in BTCUSDT, found {part!r}")
        return Series(self.root.joinpath(*parts), symbol, interval)


class _Loading:
    """One `Store.load`: asks for what is absent until nothing is, then reads."""

    def __init__(self, series: Series, source: KlineSource, wanted: _Wanted, allow_stale: bool) -> None:
        self._series = series
        self._source = source
        self._wanted = wanted
        self._allow_stale = allow_stale
        self._at_top = False  # the source has been asked for its newest
        self._unbounded = False  # a chunk brought nothing: ask for all that follows
        self._fetched = self._fetches = self._added = self._revisions = 0

    def run(self) -> tuple[pl.DataFrame, StoreReport]:
        manifest = self._series.manifest()
        stale = False
        if self._next_request(manifest) is not None:
            try:
                manifest = self._complete()
            except ExchangeError as error:
                manifest = self._series.manifest()
                if not self._allow_stale or not manifest.covered:
                    raise
                logger.warning("stored candles are used, which are older than asked for: %s", error)
                stale = True
        frame = self._answer(manifest)
        return frame, self._report(frame, stale)

    def _complete(self) -> Manifest:
        with self._series.writing():
            while True:
                manifest = self._series.manifest()
                request = self._next_request(manifest)
                if request is None:
                    return manifest
                self._fetch(manifest, request)

    # -- what is absent -----------------------------------------------------------------------------------------

    def _next_request(self, manifest: Manifest) -> _Request | None:
        wanted, covered = self._wanted, manifest.covered
        bound = wanted.bound(covered)
        below = [span for span in covered if wanted.start_ms <= span[1] and span[0] <= bound]
        if not below:
            return None if self._at_top else self._first_request(wanted.start_ms, bound)
        span = below[-1]
        if span[1] < bound and not self._at_top and not wanted.is_fresh(span[1]):
            return self._top_up(span, bound)
        if wanted.limit is None:
            return self._fill(covered, span)
        return self._backfill(covered, span, bound, wanted.limit)

    def _first_request(self, start_ms: int, bound: int) -> _Request:
        if self._wanted.limit is None:
            return self._forward(start_ms, bound)
        return _Request(start_ms, self._wanted.end_ms, min(self._wanted.limit, _CHUNK), reaches_top=True)

    def _top_up(self, span: Span, bound: int) -> _Request:
        interval, limit = self._wanted.interval, self._wanted.limit
        if limit is not None and interval.next(interval.floor(bound), 1 - limit) > span[1]:
            return self._first_request(span[1] + 1, bound)  # what lies between is not wanted
        return self._forward(span[1], bound)  # from the newest stored candle on, that one included

    def _forward(self, start_ms: int, bound: int) -> _Request:
        stop = self._wanted.interval.next(start_ms, _CHUNK)
        if start_ms == 0 or self._unbounded or stop >= bound:
            return _Request(start_ms, self._wanted.end_ms, None, reaches_top=True)
        return _Request(start_ms, stop, None, reaches_top=False)

    def _fill(self, covered: list[Span], span: Span) -> _Request | None:
        absent = holes(covered, (self._wanted.start_ms, span[1]))
        if not absent:
            return None
        first, last = absent[-1]
        return _Request(first, last, None if first == 0 else _CHUNK, reaches_top=False)

    def _backfill(self, covered: list[Span], span: Span, bound: int, limit: int) -> _Request | None:
        start_ms = self._wanted.start_ms
        if span[0] <= start_ms:
            return None
        stored = self._series.read((span[0], min(span[1], bound)))
        missing = limit - (0 if stored is None else stored.height)
        if missing <= 0:
            return None
        older = [other[1] + 1 for other in covered if other[1] < span[0]]
        return _Request(max([start_ms, *older]), span[0] - 1, min(missing, _CHUNK), reaches_top=False)

    # -- fetching and reading -----------------------------------------------------------------------------------

    def _fetch(self, manifest: Manifest, request: _Request) -> None:
        rows = self._source.fetch(
            self._series.symbol,
            self._series.interval,
            start_ms=request.start_ms or None,
            end_ms=request.end_ms,
            limit=request.limit,
        )
        times = rows["open_time"].dt.epoch("ms")
        first, last = (int(times.to_numpy().min()), int(times.to_numpy().max())) if rows.height else (0, -1)
        self._fetches += 1
        self._fetched += rows.height
        self._at_top = self._at_top or request.reaches_top
        self._unbounded = not request.reaches_top and last <= request.start_ms
        if rows.height:
            added, revised = self._series.write(rows)
            self._added += added
            self._revisions += revised
        # Nothing is known of the time after the newest candle seen anywhere: the source may only be late.
        newest = max([last, *(span[1] for span in manifest.covered)])
        end = last if request.end_ms is None or request.end_ms > newest else request.end_ms
        cut_by_limit = request.limit is not None and rows.height >= request.limit
        known = covering(manifest, (first if cut_by_limit else request.start_ms, end))
        if known != manifest:
            self._series.write_manifest(known)

    def _answer(self, manifest: Manifest) -> pl.DataFrame:
        wanted, covered = self._wanted, manifest.covered
        bound = wanted.bound(covered)
        spans = [(max(first, wanted.start_ms), min(last, bound)) for first, last in covered]
        spans = [span for span in spans if span[0] <= span[1]]
        if wanted.limit is not None:
            spans = spans[-1:]
        parts = [part for span in spans if (part := self._series.read(span)) is not None]
        if not parts:
            return pl.DataFrame(schema={"open_time": pl.Datetime("ms", "UTC")})
        frame = pl.concat(parts, how="diagonal")
        return frame if wanted.limit is None else frame.tail(wanted.limit)

    def _report(self, frame: pl.DataFrame, stale: bool) -> StoreReport:
        from_store = max(0, frame.height - self._added)
        newest = int(frame["open_time"].dt.epoch("ms")[-1]) if frame.height else None
        age = None if newest is None else (self._wanted.now_ms - self._wanted.interval.next(newest) + 1) / 60_000
        return StoreReport(
            rows=frame.height,
            rows_from_store=from_store,
            rows_fetched=self._fetched,
            fetches=self._fetches,
            requests_saved=-(-from_store // _PAGE),
            revisions=self._revisions,
            age_minutes=age,
            stale=stale,
        )
