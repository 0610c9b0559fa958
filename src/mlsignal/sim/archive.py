"""The archive: daily and monthly zips of closed klines with their checksums, as data.binance.vision serves them."""

import hashlib
import re
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from mlsignal.candles import Interval
from mlsignal.sim.faults.book import FaultBook, Fired
from mlsignal.sim.faults.registry import Stage
from mlsignal.sim.faults.rules import Subject
from mlsignal.sim.http import Response
from mlsignal.sim.klines import kline_csv, kline_rows
from mlsignal.sim.packing import Package, zipped
from mlsignal.sim.view import MarketView

ROOT: Final = "/data/spot/"
_PATH: Final = re.compile(
    r"/data/spot/(?P<period>daily|monthly)/klines/(?P<symbol>[^/]+)/(?P<interval>[^/]+)/"
    r"(?P=symbol)-(?P=interval)-(?P<date>[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?)\.zip(?P<checksum>\.CHECKSUM)?"
)
_DAY_MS: Final = 86_400_000
_MONTH_NAME: Final = "1mo"
_NEVER_DAILY: Final = (Interval.D3, Interval.W1, Interval.MONTH1)
_MICROSECONDS_FROM: Final = date(2025, 1, 1)
_EDITIONS: Final = 16

Faults = tuple[list[Fired], list[Fired]]
"""What goes wrong with an edition: with its package, and with its rows."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file of the archive, as its path names it."""

    symbol: str
    interval: Interval
    name: str
    """Without its ending."""
    begin: date
    """First day."""
    end: date
    """Day after the last."""
    is_checksum: bool

    @property
    def published(self) -> date:
        """Day on whose first moment it appears: the one after its last, for a month the first Monday from then on."""
        days = 0 if self.end - self.begin == timedelta(days=1) else -self.end.weekday() % 7
        return self.end + timedelta(days=days)

    @classmethod
    def of(cls, path: str) -> "ArchiveFile | None":
        """Read a path; None where there is no such file, ever.

        Examples
        --------
        >>> ArchiveFile.of("/data/spot/monthly/klines/BTCUSDT/1mo/BTCUSDT-1mo-2024-02.zip").end.isoformat()
        '2024-03-01'
        """
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        is_daily, text = found["period"] == "daily", found["date"]
        names = {one.value: one for one in Interval if one is not Interval.MONTH1} | {_MONTH_NAME: Interval.MONTH1}
        interval = names.get(found["interval"])
        if interval is None or is_daily != (len(text) == len("YYYY-MM-DD")) or (is_daily and interval in _NEVER_DAILY):
            return None
        try:
            begin = date.fromisoformat(text if is_daily else f"{text}-01")
            end = begin + timedelta(days=1) if is_daily else (begin.replace(day=28) + timedelta(days=4)).replace(day=1)
        except (ValueError, OverflowError):
            return None
        name = f"{found['symbol']}-{found['interval']}-{text}"
        return cls(found["symbol"], interval, name, begin, end, found["checksum"] is not None)


class Archive:
    """Zips of closed klines, each packed when it is first asked for.

    Parameters
    ----------
    faults
        Rules for rows and downloads, matched against the path of the zip.
    lag_days
        Days that a file is late: with 0 yesterday's is there, with 1 it is not yet. A month's appears on a Monday.

    Notes
    -----
    A zip and its checksum are of one edition. There is another once a revision is known, or other rules are about
    it: a rule with a window of time makes a file that is published anew with other content.
    """

    def __init__(self, faults: FaultBook, lag_days: int = 0) -> None:
        self._faults = faults
        self._lag_days = lag_days
        self._chosen: dict[tuple[object, ...], Faults] = {}
        self._editions: OrderedDict[tuple[object, ...], bytes] = OrderedDict()

    def answer(self, path: str, view: MarketView, now_ms: int) -> Response:
        """Answer with a zip, its checksum, or 404."""
        file = ArchiveFile.of(path)
        if file is None or not self._is_published(file, view, now_ms):
            return _absent(path)
        zip_path = path.removesuffix(".CHECKSUM")
        content = self._edition(file, Subject(zip_path, file.symbol, file.interval.value), view, now_ms)
        if not content:
            return _absent(path)
        digest = hashlib.sha256(content).hexdigest()
        if file.is_checksum:
            line = f"{digest}  {file.name}.zip\n".encode()
            return Response(200, line, content_type="binary/octet-stream")
        return Response(200, content, (("ETag", f'"{digest[:32]}"'),), content_type="application/zip")

    def _is_published(self, file: ArchiveFile, view: MarketView, now_ms: int) -> bool:
        if file.symbol not in view.market.symbols or not 1970 < file.begin.year < 9000:
            return False
        last_open = file.interval.floor(_milliseconds(file.end) - 1)
        published_ms = max(file.interval.next(last_open), _milliseconds(file.published))
        return now_ms >= published_ms + self._lag_days * _DAY_MS

    def _edition(self, file: ArchiveFile, subject: Subject, view: MarketView, now_ms: int) -> bytes:
        rules = [self._faults.applicable(stage, subject, now_ms) for stage in (Stage.DOWNLOAD, Stage.ROWS)]
        key = (subject.path, view, view.version(now_ms), *rules)
        if key not in self._editions:
            if key not in self._chosen:
                download, rows = (self._faults.fire(stage, subject, now_ms) for stage in (Stage.DOWNLOAD, Stage.ROWS))
                self._chosen[key] = (download, rows)
            self._editions[key] = self._packed(file, self._chosen[key], view, now_ms)
            if len(self._editions) > _EDITIONS:
                self._editions.popitem(last=False)
        self._editions.move_to_end(key)
        return self._editions[key]

    def _packed(self, file: ArchiveFile, faults: Faults, view: MarketView, now_ms: int) -> bytes:
        ticks_per_ms = 1000 if file.begin >= _MICROSECONDS_FROM else 1
        package = Package(f"{file.name}.csv", ticks_per_ms)
        for alter in faults[0]:
            package = alter(package)
        alterations = faults[1]
        days = _days(file, view, now_ms)
        info = view.market.symbol_info(file.symbol)
        if alterations:
            rows: list[list[Any]] = []
            for first, stop in days:
                table = view.candles(file.symbol, file.interval, first, stop, now_ms)
                rows += kline_rows(table, info, file.interval)
            for alter in alterations:
                rows = alter(rows)
            pieces: Sequence[bytes] | Iterator[bytes] = [_csv(rows, package.ticks_per_ms)]
        else:
            pieces = (
                kline_csv(
                    view.candles(file.symbol, file.interval, first, stop, now_ms),
                    info,
                    file.interval,
                    package.ticks_per_ms,
                )
                for first, stop in days
            )
        return zipped(package, pieces) if days else b""


def _days(file: ArchiveFile, view: MarketView, now_ms: int) -> list[tuple[int, int]]:
    """Return the positions of a file's candles, day by day, so that a month of seconds is never held whole."""
    schedule = view.schedule(file.symbol, file.interval)
    newest = schedule.position_from(now_ms)
    days = []
    day = file.begin
    while day < file.end:
        following = day + timedelta(days=1)
        first, stop = (min(newest, schedule.position_from(_milliseconds(one))) for one in (day, following))
        if first < stop:
            days.append((first, stop))
        day = following
    return days


def _csv(rows: list[list[Any]], ticks_per_ms: int) -> bytes:
    lines = []
    for row in rows:
        row = list(row)
        for place, extra in ((0, 0), (6, ticks_per_ms - 1)):
            if place < len(row) and isinstance(row[place], int):
                row[place] = row[place] * ticks_per_ms + extra
        lines.append(",".join(map(str, row)) + "\n")
    return "".join(lines).encode()


def _absent(path: str) -> Response:
    told = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not '
        f"exist.</Message><Key>{_escaped(path.lstrip('/'))}</Key></Error>"
    )
    return Response(404, told.encode(), content_type="application/xml")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _milliseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
