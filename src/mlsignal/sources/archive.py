"""Candles from the exchange's archive of monthly and daily files, and from REST what the archive lacks."""

import logging
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

import httpx2
import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, DataError
from mlsignal.sources.archive_files import (
    ArchiveFile,
    Piece,
    Span,
    absent_spans,
    has_days,
    is_overdue,
    near_joined,
    plan,
    plan_days,
    whole_days,
)
from mlsignal.sources.binance import BinanceSource, Progress
from mlsignal.sources.clock import SYSTEM_CLOCK, Clock
from mlsignal.sources.connection import Connection, NotFoundError
from mlsignal.sources.disagreement import ArchiveReport, Disagreement, preferring
from mlsignal.sources.files import verified_member
from mlsignal.sources.klines import empty_klines, klines_from_csv
from mlsignal.sources.symbols import check_symbol

logger = logging.getLogger(__name__)

ARCHIVE_URL = "https://data.binance.vision"
_EXCHANGE_HOST = "data.binance.vision"
_LARGEST_FILE = 2**30
_DOWNLOAD_TIMES = 6  # a file's deadline, in those of a request
_ATTEMPTS = 2
_AHEAD = 2  # files read before they are taken, times the connections: memory stays bounded


class ArchiveSource:
    """Closed klines from the archive's files; a `KlineSource`.

    Parameters
    ----------
    base_url
        Host of the archive.
    rest
        Asked for what the archive lacks: the newest days, absent files, files whose checksum is wrong or absent, and
        candles absent from a file. Without it these candles stay absent, and `start_ms` or `limit` must be given.
    timeout_seconds
        Deadline of a request; a file has six times as long.
    connections
        Files under way at one time.
    on_progress
        Called with (candles done, candles expected).
    cross_check
        Read everything from every place, and compare; costs what it sounds like.
    transport, clock, seed
        For tests.

    Attributes
    ----------
    name : str
        "archive".

    Notes
    -----
    Precedence: REST before a day's file before a month's file, wherever more than one was read. REST is what live
    trading sees and what the exchange corrects; a day's file is only read where the month's is short, absent or
    wrong. Where they differ is kept in `disagreements`. A file is taken only if its `.CHECKSUM` fits; it is
    downloaded once more before it is given up.
    A year of 1m candles costs twelve files with twelve checksums, and REST for the outages in it.

    Raises
    ------
    ConfigurationError
        If archive and REST are not of one exchange; from `fetch`, if symbol, interval or limit cannot be right.
    DataError
        From `fetch`, if a file is wrong and there is no REST to ask instead.
    UnreachableError, RateLimitError, ExchangeError
        From `fetch`; see `mlsignal.errors`.
    """

    name = "archive"

    def __init__(
        self,
        base_url: str = ARCHIVE_URL,
        *,
        rest: BinanceSource | None = None,
        timeout_seconds: float = 20.0,
        connections: int = 4,
        on_progress: Progress | None = None,
        cross_check: bool = False,
        transport: httpx2.BaseTransport | None = None,
        clock: Clock = SYSTEM_CLOCK,
        seed: int | None = None,
    ) -> None:
        self.base_url = base_url
        self._rest = rest
        self._timeout = timeout_seconds
        self._connections = connections
        self._on_progress = on_progress
        self._cross_check = cross_check
        self._clock = clock
        self._lock = threading.Lock()
        self._report = ArchiveReport()
        self._done = 0
        if rest is not None and rest.is_exchange != self.is_exchange:
            raise ConfigurationError(
                f"archive_base_url ({base_url}) and binance_base_url ({rest.base_url}) must be of one exchange: "
                "candles of two would be mixed; set both"
            )
        self._connection = Connection(
            base_url,
            timeout_seconds=timeout_seconds,
            connections=connections,
            transport=transport,
            clock=clock,
            seed=seed,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections, those of REST too."""
        self._connection.close()
        if self._rest is not None:
            self._rest.close()

    # -- who answers ------------------------------------------------------------------------------------------------

    @property
    def is_exchange(self) -> bool:
        """Whether the host is the exchange's own."""
        return httpx2.URL(self.base_url).host == _EXCHANGE_HOST

    @property
    def origin(self) -> str:
        """Whose candles these are; see `BinanceSource.origin`."""
        if self.is_exchange:
            return BinanceSource.name
        if self._rest is not None:
            return self._rest.origin
        if self._connection.synthetic is not None:
            return f"synthetic-{self._connection.synthetic}"
        url = httpx2.URL(self.base_url)
        return url.host if url.port is None else f"{url.host}-{url.port}"

    @property
    def synthetic(self) -> bool:
        """Whether a simulated exchange answered."""
        return self._connection.synthetic is not None or (self._rest is not None and self._rest.synthetic)

    def identify(self) -> None:
        """Ask who answers, where the host is not the exchange's own."""
        if self._rest is not None:
            self._rest.identify()
        elif not self.is_exchange:
            try:
                self._connection.get("/data/spot/", {}, weight=0, read=bytes)
            except NotFoundError:
                return

    @property
    def report(self) -> ArchiveReport:
        """What has been read so far."""
        return self._report

    @property
    def disagreements(self) -> tuple[Disagreement, ...]:
        """Where monthly file, daily file and REST differ, of what has been read so far."""
        return self._report.disagreements

    # -- fetching ---------------------------------------------------------------------------------------------------

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return raw closed klines, ascending by open time; see `KlineSource.fetch`. Empty where there are none."""
        frames = list(self.fetch_parts(symbol, interval, start_ms=start_ms, end_ms=end_ms, limit=limit))
        frame = pl.concat(frames, how="diagonal") if frames else empty_klines()
        if limit is None:
            return frame
        if frame.height < limit and self._rest is not None:  # gaps, or the listing: what is older makes up for them
            times = frame["open_time"].dt.epoch("ms")
            before = end_ms if frame.is_empty() else int(times.to_numpy().min()) - 1
            older = self._rest.fetch(symbol, interval, start_ms=start_ms, end_ms=before, limit=limit - frame.height)
            frame = pl.concat([older, frame], how="diagonal")
        return frame.tail(limit)

    def fetch_parts(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> Iterator[pl.DataFrame]:
        """Yield klines file by file, ascending; with a limit, the newest `limit` candles of the grid."""
        interval = Interval.parse(interval)
        check_symbol(symbol)
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        now = self._clock.now_ms() if self._rest is None else self._rest.server_time_ms()
        newest = interval.next(interval.floor(now), -1)
        newest = newest if end_ms is None else min(newest, interval.floor(end_ms))
        start = start_ms or 0
        if limit is not None:
            start = max(start, interval.next(newest, 1 - limit))
        first = self._first_open(symbol, interval, start)
        if first is None or first > newest:
            return
        pieces = plan(symbol, interval, (first, newest), now, with_rest=self._rest is not None)
        yield from self._read_pieces(symbol, interval, pieces, now)

    def _first_open(self, symbol: str, interval: Interval, start_ms: int) -> int | None:
        if self._rest is not None:
            return self._rest.first_open_ms(symbol, interval, start_ms)
        if start_ms <= 0:
            raise ConfigurationError("archive without REST: a start or a limit is needed, as nobody tells the listing")
        floor = interval.floor(start_ms)
        return floor if floor == start_ms else interval.next(floor)

    def _read_pieces(self, symbol: str, interval: Interval, pieces: list[Piece], now: int) -> Iterator[pl.DataFrame]:
        total = interval.grid_size(interval.floor(pieces[0].span[0]), pieces[-1].span[1])
        self._done = 0
        pool = ThreadPoolExecutor(max_workers=min(self._connections, len(pieces)), thread_name_prefix="archive")
        try:
            futures = deque(
                pool.submit(self._piece, symbol, interval, piece, now) for piece in pieces[: _AHEAD * self._connections]
            )
            following = iter(pieces[_AHEAD * self._connections :])
            while futures:
                frame = futures.popleft().result()
                for piece in following:
                    futures.append(pool.submit(self._piece, symbol, interval, piece, now))
                    break
                self._done += frame.height
                if self._on_progress is not None:
                    self._on_progress(self._done, max(total, self._done))
                yield frame
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _piece(self, symbol: str, interval: Interval, piece: Piece, now: int) -> pl.DataFrame:
        """Return the candles of a piece, from all the places that are needed."""
        places = [("monthly", empty_klines()), ("daily", empty_klines()), ("rest", empty_klines())]
        holes = [piece.span]
        if piece.file is not None and piece.file.period == "monthly":
            month = self._file(piece.file, piece.span)
            if month is not None:
                places[0] = ("monthly", month)
                holes = [piece.span] if self._cross_check else absent_spans(month, interval, piece.span)
            if has_days(interval) and not (month is None and self._rest is not None and is_overdue(piece.file, now)):
                places[1] = ("daily", self._days(symbol, interval, holes, piece.span, now))
        elif piece.file is not None:
            day = self._file(piece.file, piece.span)
            places[1] = ("daily", empty_klines() if day is None else day)
        frame, found = preferring(places)
        holes = [piece.span] if self._cross_check else absent_spans(frame, interval, piece.span)
        if self._rest is None or not holes:
            self._note(disagreements=found)
            return frame
        places[2] = ("rest", self._from_rest(symbol, interval, holes, piece.span))
        frame, found = preferring(places)
        self._note(disagreements=found)
        return frame

    def _days(self, symbol: str, interval: Interval, holes: list[Span], span: Span, now: int) -> pl.DataFrame:
        """Return what the daily files in which holes of a month lie have of a span, all their candles."""
        with_rest = self._rest is not None and not self._cross_check
        days = {
            piece.file.first_ms: piece.file
            for hole in holes
            for piece in plan_days(symbol, interval, whole_days(hole), now, with_rest=with_rest)
            if piece.file is not None
        }
        frames = [self._file(file, span) for _, file in sorted(days.items())]
        found = [frame for frame in frames if frame is not None]
        return pl.concat(found, how="diagonal") if found else empty_klines()

    def _from_rest(self, symbol: str, interval: Interval, holes: list[Span], span: Span) -> pl.DataFrame:
        assert self._rest is not None  # noqa: S101 - told to the type checker; the caller has asked
        frames = []
        for first, last in near_joined(holes, interval):
            # A candle more on both sides: whether the places agree is seen for nothing.
            bounds = max(span[0], interval.next(first, -1)), min(span[1], interval.next(last))
            frames.append(self._rest.fetch(symbol, interval, start_ms=bounds[0], end_ms=bounds[1]))
        frame = pl.concat(frames)
        self._note(rest_candles=frame.height)
        return frame

    # -- one file ---------------------------------------------------------------------------------------------------

    def _file(self, file: ArchiveFile, span: Span) -> pl.DataFrame | None:
        """Return the candles of a file that lie in a span; None where the file is not there, or is rejected.

        Raises
        ------
        DataError
            If it is rejected, and there is no REST to ask instead.
        """
        reason = ""
        for _ in range(_ATTEMPTS):
            try:
                rows = klines_from_csv(verified_member(*self._downloaded(file)))
            except NotFoundError:
                self._note(missing=file.name)
                return None
            except DataError as error:
                reason = str(error)
                logger.warning("%s: %s", file.name, reason)
                continue
            times = rows["open_time"].dt.epoch("ms")
            own = times.is_between(file.first_ms, file.last_ms)
            self._note(file=file.name, outside=rows.height - int(own.sum()))
            return rows.filter(own & times.is_between(*span))
        self._note(rejected=(file.name, reason))
        if self._rest is None:
            raise DataError(f"archive {file.name}: {reason}; there is no REST to ask instead")
        return None

    def _downloaded(self, file: ArchiveFile) -> tuple[bytes, str]:
        """Return a file and the SHA-256 that its CHECKSUM tells."""
        content = self._connection.get(
            file.path,
            {},
            weight=0,
            read=bytes,
            timeout_seconds=_DOWNLOAD_TIMES * self._timeout,
            largest_body=_LARGEST_FILE,
        )
        try:
            text = self._connection.get(f"{file.path}.CHECKSUM", {}, weight=0, read=bytes)
        except NotFoundError:
            raise DataError("its CHECKSUM is not there") from None
        words = text.decode("ascii", errors="replace").split()
        expected = words[0].lower() if words else ""
        if len(words) > 1 and words[1].lstrip("*") != file.name:
            raise DataError(f"its CHECKSUM is of {words[1][:100]!r}")
        return content, expected

    def _note(
        self,
        *,
        file: str | None = None,
        missing: str | None = None,
        rejected: tuple[str, str] | None = None,
        outside: int = 0,
        rest_candles: int = 0,
        disagreements: list[Disagreement] | None = None,
    ) -> None:
        with self._lock:
            report = self._report
            self._report = replace(
                report,
                files=report.files + ((file,) if file else ()),
                missing=report.missing + ((missing,) if missing else ()),
                rejected=report.rejected + ((rejected,) if rejected else ()),
                outside=report.outside + outside,
                rest_candles=report.rest_candles + rest_candles,
                disagreements=report.disagreements + tuple(disagreements or ()),
            )
        if disagreements:
            logger.warning("the exchange's archive and REST disagree on %d values", len(disagreements))
