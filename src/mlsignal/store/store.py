"""Klines from the store, topped up and back-filled from their source where they are not there."""

import logging
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import polars as pl

from mlsignal.candles import Gap, Interval, KlineSource, utc
from mlsignal.errors import ConfigurationError, DataError
from mlsignal.store.folder import open_folder
from mlsignal.store.loading import Loading
from mlsignal.store.manifest import Manifest
from mlsignal.store.months import BrokenFileError, Verified
from mlsignal.store.report import StoreReport
from mlsignal.store.request import Wanted
from mlsignal.store.revisions import Revision, read_revisions
from mlsignal.store.series import Series

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

MAIN_ORIGIN = "binance"
_MOST_DAMAGED = 100
MONTHLY_FOLDER = "1mo"  # as in the exchange's archive: 1M and 1m are one folder where case does not count
_PATH_PART = re.compile(r"^[\w-][\w.-]{0,63}$")


class Store:
    """Raw closed klines on disk, `ROOT/SYMBOL/INTERVAL/YYYY-MM.HASH.parquet` and a manifest.

    Candles of another origin than the exchange itself (a simulated exchange, a test network) lie in
    `ROOT/ORIGIN/SYMBOL/INTERVAL`, so that they never mix. Readers take no lock and never see half a write;
    writers of a series take turns. Every file is verified against its SHA-256 when it is first read in a process,
    and when it has changed since; one that is damaged is put aside and fetched again.

    Parameters
    ----------
    root
        Folder, made when first written to; or the URL of one on an object store, as `s3://BUCKET/FOLDER`, where
        writers take turns only if they share this very object.
    now_ms
        Wall clock, milliseconds since 1970.

    Raises
    ------
    ConfigurationError
        If the URL is none of an object store, or its driver is not installed.
    MissingExtraError
        If it is a URL, and the extra `cloud` is not installed.
    """

    def __init__(self, root: Path | str, *, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.root = root if isinstance(root, str) and "://" in root else Path(root)
        self._folder = open_folder(root)
        self._now_ms = now_ms
        self._verified: Verified = {}

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
            While the newest stored candle closed no longer ago, the source is not asked for newer ones. Older
            candles never age: only what was never asked for is.
        allow_stale
            Return what is stored where the source cannot be reached; the report says so, and how old it is.
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
        series = self._series(symbol, interval, source_origin(source))
        wanted = self._wanted(series.interval, limit, start_ms, end_ms, max_age_minutes, now_ms)

        def load() -> tuple[pl.DataFrame, StoreReport]:
            loading = Loading(series, source, wanted, allow_stale=allow_stale)
            manifest, stale = loading.complete()
            return loading.answer(manifest), loading.report(manifest, stale=stale)

        (frame, report), damaged = self._healing(series, load)
        return frame, replace(report, damaged=damaged)

    def fill(
        self,
        symbol: str,
        interval: Interval | str,
        source: KlineSource,
        *,
        limit: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        max_age_minutes: float = 0.0,
        now_ms: int | None = None,
    ) -> StoreReport:
        """Fetch into the store what is absent, without reading it: memory does not grow with the history.

        Parameters and errors are those of `load`.
        """
        series = self._series(symbol, interval, source_origin(source))
        wanted = self._wanted(series.interval, limit, start_ms, end_ms, max_age_minutes, now_ms)

        def fill() -> StoreReport:
            loading = Loading(series, source, wanted, allow_stale=False)
            return loading.report(loading.complete()[0], stale=False)

        report, damaged = self._healing(series, fill)
        return replace(report, damaged=damaged)

    def read(
        self,
        symbol: str,
        interval: Interval | str,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        origin: str = MAIN_ORIGIN,
    ) -> pl.DataFrame:
        """Return what is stored between two open times (both included), and ask nobody.

        Raises
        ------
        DataError
            If a file is damaged (`load` would fetch it again), or a newer version wrote the store.
        ConfigurationError
            If the symbol cannot be right.
        """
        series = self._series(symbol, interval, origin)
        span = (start_ms or 0, 2**62 if end_ms is None else end_ms)

        def read() -> pl.DataFrame:
            frame = series.read(series.manifest(), span)
            return pl.DataFrame(schema={"open_time": pl.Datetime("ms", "UTC")}) if frame is None else frame

        while True:
            try:
                return read()
            except BrokenFileError as error:
                if any(entry.name == error.name for entry in series.manifest().months.values()):
                    raise

    def manifest(self, symbol: str, interval: Interval | str, *, origin: str = MAIN_ORIGIN) -> Manifest:
        """Return what is known of a series beside its rows: files, hashes, what was asked for and of whom."""
        return self._series(symbol, interval, origin).manifest()

    def gaps(self, symbol: str, interval: Interval | str, *, origin: str = MAIN_ORIGIN) -> tuple[Gap, ...]:
        """Return the gap record: candles that were asked for, and that the source does not have."""
        series = self._series(symbol, interval, origin)
        found = series.manifest().gaps(series.interval)
        return tuple(Gap(utc(first), utc(last), series.interval.grid_size(first, last)) for first, last in found)

    def revisions(self, symbol: str, interval: Interval | str, *, origin: str = MAIN_ORIGIN) -> list[Revision]:
        """Return the log of values that the source has changed since they were stored, oldest first."""
        return read_revisions(self._series(symbol, interval, origin).folder)

    # -- the inside -------------------------------------------------------------------------------------------------

    def _wanted(
        self,
        interval: Interval,
        limit: int | None,
        start_ms: int | None,
        end_ms: int | None,
        max_age_minutes: float,
        now_ms: int | None,
    ) -> Wanted:
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        now = self._now_ms() if now_ms is None else now_ms
        return Wanted(interval, limit, start_ms or 0, end_ms, max_age_minutes * 60_000, now)

    def _healing(self, series: Series, work: Callable[[], Result]) -> tuple[Result, int]:
        """Return what `work` does, tried again after each damaged file was put aside, and how many there were."""
        damaged = 0
        for _ in range(_MOST_DAMAGED):
            try:
                return work(), damaged
            except BrokenFileError as error:
                damaged += int(series.quarantine(error))
        raise DataError(f"{series.folder}: too many damaged files; remove the folder")

    def _series(self, symbol: str, interval: Interval | str, origin: str) -> Series:
        interval = Interval.parse(interval)
        parts = [symbol, MONTHLY_FOLDER if interval is Interval.MONTH1 else interval.value]
        if origin != MAIN_ORIGIN:
            parts.insert(0, re.sub(r"[^\w.-]", "-", origin).lstrip(".")[-64:] or "unnamed")
        for part in parts:
            if not _PATH_PART.match(part):
                raise ConfigurationError(f"symbol: letters and digits expected, as in BTCUSDT, found {part!r}")
        return Series(self._folder.inside(*parts), symbol, interval, self._verified)


def identify(source: KlineSource) -> None:
    """Have a source find out whose candles it has, where it can: that decides where they are stored."""
    find_out = getattr(source, "identify", None)
    if find_out is not None:
        find_out()


def source_origin(source: KlineSource) -> str:
    """Return whose candles a source has: its `origin` where it says so, else its name."""
    return str(getattr(source, "origin", source.name))
