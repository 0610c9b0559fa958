"""Many symbols and intervals into the store: side by side, under one budget, and taken up again where they stopped."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from mlsignal.candles import Interval, KlineSource
from mlsignal.errors import ConfigurationError, ExchangeError, MlSignalError
from mlsignal.store.report import StoreReport
from mlsignal.store.store import Store, identify

logger = logging.getLogger(__name__)

OnSeries = Callable[["SeriesOutcome", int, int], None]
"""Called with a series that is done, how many are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class SeriesOutcome:
    """What became of one series."""

    symbol: str
    interval: Interval
    report: StoreReport | None
    """Where its rows came from; None where it failed."""
    error: MlSignalError | None = None
    """Why it failed; what had come before is kept."""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return {
            "symbol": self.symbol,
            "interval": self.interval.value,
            "report": None if self.report is None else asdict(self.report),
            "error": None if self.error is None else str(self.error),
        }


@dataclass(frozen=True)
class Collected:
    """What became of every series, in the order asked for."""

    outcomes: tuple[SeriesOutcome, ...]

    @property
    def failed(self) -> tuple[SeriesOutcome, ...]:
        """Those that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.error is not None)

    def raise_first(self) -> None:
        """Raise the first error, if there is any."""
        for outcome in self.failed:
            if outcome.error is not None:
                raise outcome.error


def fetch_many(
    symbols: Sequence[str],
    intervals: Sequence[str | Interval],
    source: KlineSource,
    store: Store,
    *,
    since_ms: int | None = None,
    until_ms: int | None = None,
    limit: int | None = None,
    max_age_minutes: float = 0.0,
    at_once: int = 2,
    on_series: OnSeries | None = None,
    now_ms: int | None = None,
) -> Collected:
    """Bring every symbol and interval into the store, whatever of it is absent.

    Parameters
    ----------
    symbols, intervals
        What to fetch: every symbol in every interval.
    source
        Asked for all of it: its limiter is the one budget that all share.
    store
        Where it goes, in pieces as it comes: memory does not grow with the history.
    since_ms, until_ms
        Bounds of the open time (ms), both included.
    limit
        Only the newest `limit` of each.
    max_age_minutes
        While a series' newest stored candle closed no longer ago, it is not asked for newer ones.
    at_once
        Series under way at one time.
    on_series
        Told of every series that is done.
    now_ms
        The moment that counts as now; the store's clock where not given.

    Returns
    -------
    Collected
        One outcome a series. One that fails does not stop the others.

    Raises
    ------
    ConfigurationError
        If there is nothing to fetch, or an interval is unknown; before any request.
    KeyboardInterrupt
        Passed on; every series under way stops after the page it waits for, and keeps what has come. The same call
        goes on from there.
    """
    parsed = list(dict.fromkeys(Interval.parse(interval) for interval in intervals))
    wanted = [(symbol, interval) for symbol in dict.fromkeys(symbols) for interval in parsed]
    if not wanted or at_once < 1:
        raise ConfigurationError(f"at least one symbol, interval and series at once expected, found {len(wanted)}")
    identify(source)
    stop = threading.Event()
    bounds: dict[str, Any] = {
        "start_ms": since_ms,
        "end_ms": until_ms,
        "limit": limit,
        "max_age_minutes": max_age_minutes,
        "now_ms": now_ms,
    }

    def collect(symbol: str, interval: Interval) -> SeriesOutcome:
        try:
            report = store.fill(symbol, interval, _Stoppable(source, stop), **bounds)
        except MlSignalError as error:
            logger.info("%s %s: %s", symbol, interval.value, error)
            return SeriesOutcome(symbol, interval, None, error)
        return SeriesOutcome(symbol, interval, report)

    pool = ThreadPoolExecutor(max_workers=min(at_once, len(wanted)), thread_name_prefix="series")
    try:
        futures = [pool.submit(collect, symbol, interval) for symbol, interval in wanted]
        _tell(futures, on_series)
        return Collected(tuple(future.result() for future in futures))
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _tell(futures: list[Future[SeriesOutcome]], on_series: OnSeries | None) -> None:
    waiting, done = set(futures), 0
    while waiting:
        finished, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in finished:
            done += 1
            if on_series is not None:
                on_series(future.result(), done, len(futures))


class _StoppedError(ExchangeError):
    """The user has interrupted the collection."""


class _Stoppable:
    """A source that yields no more once it was told to stop."""

    def __init__(self, source: KlineSource, stop: threading.Event) -> None:
        self._source = source
        self._stop = stop
        self.name = source.name
        self.origin = str(getattr(source, "origin", source.name))

    def fetch(self, symbol: str, interval: Interval, **bounds: Any) -> pl.DataFrame:
        self._refuse_if_stopped()
        return self._source.fetch(symbol, interval, **bounds)

    def fetch_parts(self, symbol: str, interval: Interval, **bounds: Any) -> Iterator[pl.DataFrame]:
        in_parts: Any = getattr(self._source, "fetch_parts", None)
        if in_parts is None:
            yield self._source.fetch(symbol, interval, **bounds)
            return
        for part in in_parts(symbol, interval, **bounds):
            yield part
            self._refuse_if_stopped()

    def _refuse_if_stopped(self) -> None:
        if self._stop.is_set():
            raise _StoppedError("stopped; what has come is kept, and the same command goes on from there")
