"""Candles from files: Parquet, CSV, the exchange's archive zips, or a folder of them."""

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, DataError, did_you_mean
from mlsignal.sources.klines import canonical_names, klines_from_csv, normalise, time_expression

fast_zlib: Any
try:
    from isal import isal_zlib as fast_zlib
except ImportError:  # a platform without its wheel
    fast_zlib = zlib

# SYMBOL-INTERVAL, and the day or month of an archive file.
_NAME = re.compile(
    r"^(?P<symbol>[^-\s]+)-(?P<interval>\d{1,2}(?:mo|[smhdwM]))(?:-(?P<period>\d{4}-\d{2}(?:-\d{2})?))?$"
)
_ARCHIVE_MONTH = "1mo"
_LARGEST_MEMBER = 2 * 2**30
_LOCAL_HEADER = 30  # bytes before a member's name
_LARGEST_RATIO = 100  # deflated klines reach 8; only a bomb reaches this


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    symbol: str | None
    interval: str | None
    period: str

    @classmethod
    def of(cls, path: Path) -> "_File":
        match = _NAME.match(path.stem)
        if match is None:
            return cls(path, None, None, "")
        interval = "1M" if match["interval"] == _ARCHIVE_MONTH else match["interval"]
        return cls(path, match["symbol"], interval, match["period"] or "")


class FileSource:
    """Klines of a file, or of a folder of files; a `KlineSource`.

    Parameters
    ----------
    path
        A `.parquet`, `.csv` or `.zip` (one CSV inside), or a folder of `SYMBOL-INTERVAL.parquet|csv|zip` and
        archive files `SYMBOL-INTERVAL-YYYY-MM[-DD].zip|csv`, which are read in order of time.

    Notes
    -----
    A single file's name is checked against symbol and interval where it tells them. Times may be Datetime of any
    unit and zone, or integers since 1970; columns may be the exchange's twelve, or open_time and OHLCV.
    Every row of a file counts as closed. Rows come in the file's order: `mlsignal.clean` sorts and reports.

    Raises
    ------
    DataError
        From `fetch`, if file or symbol is not there, or a file is empty, broken, or no candles.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        """The path, as given."""
        return str(self.path)

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return the klines between the bounds; see `KlineSource.fetch`."""
        interval = Interval.parse(interval)
        if limit is not None and limit < 1:
            raise ConfigurationError(f"limit: at least 1 candle expected, found {limit}")
        frames: list[pl.DataFrame] = []
        missing = limit
        for file in reversed(self._files(symbol, interval)):  # the newest first: a limit may not need the rest
            frame = _read(file.path, start_ms, end_ms, missing)
            frames.insert(0, frame)
            if missing is not None:
                missing -= frame.height
                if missing <= 0:
                    break
        common = [name for name in frames[0].columns if all(name in frame.columns for frame in frames)]
        return pl.concat([frame.select(common) for frame in frames])

    def available(self) -> list[tuple[str, str]]:
        """Return symbol and interval of what is there, where names tell them, sorted."""
        paths = self._listing() if self.path.is_dir() else [self.path]
        files = [_File.of(path) for path in paths]
        return sorted({(file.symbol, file.interval) for file in files if file.symbol and file.interval})

    def _files(self, symbol: str, interval: Interval) -> list[_File]:
        if not self.path.exists():
            raise DataError(f"{self.path}: no such file or folder{_beside(self.path)}")
        if self.path.is_dir():
            return self._files_of_folder(symbol, interval)
        file = _File.of(self.path)
        if file.symbol is not None and (file.symbol, file.interval) != (symbol, interval.value):
            raise DataError(
                f"{self.path}: its name says {file.symbol} {file.interval}, asked for were {symbol} {interval.value}; "
                f"give --symbol {file.symbol} --interval {file.interval}, or another file"
            )
        if self.path.suffix.lower() not in _READERS:
            raise DataError(f"{self.path}: {', '.join(_READERS)} expected, found {self.path.suffix or 'no ending'}")
        return [file]

    def _files_of_folder(self, symbol: str, interval: Interval) -> list[_File]:
        files = [_File.of(path) for path in self._listing()]
        found = [file for file in files if (file.symbol, file.interval) == (symbol, interval.value)]
        if not found:
            names = {f"{file.symbol}-{file.interval}" for file in files if file.symbol}
            hint = did_you_mean(f"{symbol}-{interval.value}", names) if names else _no_candle_files(files)
            raise DataError(f"{self.path}: no candles of {symbol}-{interval.value} there. {hint}")
        whole = [file for file in found if not file.period]
        if whole:
            return whole[:1]
        months = {file.period for file in found if len(file.period) == len("2024-01")}
        days = [file for file in found if file.period in months or file.period[: len("2024-01")] not in months]
        unique = {file.period: file for file in reversed(days)}
        return [unique[period] for period in sorted(unique)]

    def _listing(self) -> list[Path]:
        order = list(_READERS)
        paths = [path for path in self.path.iterdir() if path.suffix.lower() in order and path.is_file()]
        return sorted(paths, key=lambda path: (path.stem, order.index(path.suffix.lower())))


# -- one file -------------------------------------------------------------------------------------------------------


def _read(path: Path, start_ms: int | None, end_ms: int | None, limit: int | None) -> pl.DataFrame:
    try:
        return _READERS[path.suffix.lower()](path, start_ms, end_ms, limit)
    except DataError as error:
        raise type(error)(f"{path}: {error}") from None
    except (OSError, pl.exceptions.PolarsError, zipfile.BadZipFile) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise DataError(f"{path}: cannot be read as candles ({type(error).__name__}: {reason})") from None


def _read_parquet(path: Path, start_ms: int | None, end_ms: int | None, limit: int | None) -> pl.DataFrame:
    """Read the opening times first, and then only the rows that are wanted."""
    lazy = pl.scan_parquet(path)
    names = canonical_names(lazy.collect_schema().names())
    column = next(column for column, name in names.items() if name == "open_time")
    if start_ms is None and end_ms is None and limit is None:
        return _some(normalise(lazy).collect())
    times = _some(lazy.select(time_expression(column, lazy.collect_schema()[column]).alias("open_time")).collect())
    wanted = _wanted(times["open_time"].dt.epoch("ms"), start_ms, end_ms, limit)
    if wanted is None:
        return normalise(lazy).head(0).collect()
    offset, length, mask = wanted
    rows = normalise(lazy.slice(offset, length)).collect()
    return rows if mask is None else rows.filter(mask)


def _wanted(
    times: pl.Series, start_ms: int | None, end_ms: int | None, limit: int | None
) -> tuple[int, int, pl.Series | None] | None:
    """Return the slice of rows between the bounds, and the mask within it where they do not lie together."""
    mask = pl.Series([True]).new_from_index(0, times.len())
    if start_ms is not None:
        mask &= times >= start_ms
    if end_ms is not None:
        mask &= times <= end_ms
    inside = times.filter(mask)
    if limit is not None and inside.len() > limit:
        mask &= times >= inside.top_k(limit).min()
    positions = mask.arg_true()
    if positions.is_empty():
        return None
    offset = int(positions[0])
    length = int(positions[-1]) - offset + 1
    return offset, length, None if positions.len() == length else mask.slice(offset, length)


def _read_csv(path: Path, start_ms: int | None, end_ms: int | None, limit: int | None) -> pl.DataFrame:
    return _part(_some(klines_from_csv(path)), start_ms, end_ms, limit)


def _read_zip(path: Path, start_ms: int | None, end_ms: int | None, limit: int | None) -> pl.DataFrame:
    return _part(_some(klines_from_csv(archive_member(path))), start_ms, end_ms, limit)


def _part(frame: pl.DataFrame, start_ms: int | None, end_ms: int | None, limit: int | None) -> pl.DataFrame:
    wanted = _wanted(frame["open_time"].dt.epoch("ms"), start_ms, end_ms, limit)
    if wanted is None:
        return frame.clear()
    offset, length, mask = wanted
    rows = frame.slice(offset, length)
    return rows if mask is None else rows.filter(mask)


def archive_member(archive: Path | bytes) -> bytes:
    """Return the one CSV of an archive zip.

    Raises
    ------
    DataError
        If it is no zip, holds anything but one flat CSV, or grows beyond the caps on size (2 GB) and ratio (100).
    """
    try:
        content = archive if isinstance(archive, bytes) else archive.read_bytes()
        with zipfile.ZipFile(io.BytesIO(content)) as opened:
            members = opened.infolist()
            if len(members) != 1:
                raise DataError(f"a zip with one CSV expected, found {len(members)} members")
            _check_member(members[0])
            return _inflated(content, members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"not a whole zip archive ({error})") from None


def verified_member(archive: bytes, sha256: str) -> bytes:
    """Return the one CSV of an archive zip whose SHA-256 is known; hashed beside the inflating.

    Raises
    ------
    DataError
        If the SHA-256 is another, or as `archive_member`.
    """
    with ThreadPoolExecutor(1) as beside:
        hashing = beside.submit(hashlib.sha256, archive)
        try:
            return archive_member(archive)
        finally:
            if hashing.result().hexdigest() != sha256:
                raise DataError("its SHA-256 is not the CHECKSUM's")


def _inflated(content: bytes, member: zipfile.ZipInfo) -> bytes:
    """Return a member in one piece, its length and CRC verified: faster than the library's pieces."""
    encrypted, method = member.flag_bits & 1, member.compress_type
    if encrypted or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError("a plainly deflated CSV expected, found another method or encryption")
    lengths = content[member.header_offset + 26 : member.header_offset + _LOCAL_HEADER]
    start = member.header_offset + _LOCAL_HEADER + sum(struct.unpack("<HH", lengths.ljust(4, b"\0")))
    body = memoryview(content)[start : start + member.compress_size]
    if method == zipfile.ZIP_DEFLATED:
        try:
            plain: bytes = fast_zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, member.file_size + 1)
        except fast_zlib.error as error:
            raise DataError(f"not a whole zip archive ({error})") from None
    else:
        plain = bytes(body)
    if len(plain) != member.file_size or fast_zlib.crc32(plain) != member.CRC:
        raise DataError("its member is not whole: length or CRC differ")
    return plain


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if "/" in name or "\\" in name or ".." in name or not name.lower().endswith(".csv"):
        raise DataError(f"a zip with one flat CSV expected, found {name[:100]!r}")
    ratio = member.file_size / max(1, member.compress_size)
    if member.file_size > _LARGEST_MEMBER or ratio > _LARGEST_RATIO:
        raise DataError(
            f"member {name} would grow to {member.file_size} bytes, {ratio:.0f} times its size; "
            f"refused beyond {_LARGEST_MEMBER} bytes or {_LARGEST_RATIO} times"
        )


def _some(frame: pl.DataFrame) -> pl.DataFrame:
    if frame.is_empty():
        raise DataError("the file holds no candles")
    if frame["open_time"].null_count():
        raise DataError(f"open_time is missing in {frame['open_time'].null_count()} rows")
    return frame


def _beside(path: Path) -> str:
    try:
        names = [other.name for other in path.parent.iterdir()]
    except OSError:
        return f" (nor is {path.parent})"
    near = did_you_mean(path.name, names)
    return f". {near}" if len(names) < 30 or near.startswith("Did") else ""


def _no_candle_files(files: Iterable[_File]) -> str:
    names = ", ".join(sorted(file.path.name for file in files)[:10])
    return f"Files named SYMBOL-INTERVAL.parquet, .csv or .zip expected, found {names or 'none'}."


_Reader = Callable[[Path, int | None, int | None, int | None], pl.DataFrame]
_READERS: dict[str, _Reader] = {".parquet": _read_parquet, ".csv": _read_csv, ".zip": _read_zip}
