"""The month files of a series: written once under a name taken from their content, verified when read."""

import hashlib
import io
import os
import re
from pathlib import Path
from typing import Literal

import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import DataError
from mlsignal.store.atomic import replace_file
from mlsignal.store.manifest import MonthFile, absent_stretches

FILE_NAME = re.compile(r"^(?P<month>\d{4}-\d{2})(?:\.(?P<hash>[0-9a-f]{16}))?\.parquet$")
_COMPRESSION: Literal["lz4"] = "lz4"  # a third of zstd's time to write, for two fifths more bytes
Verified = dict[Path, tuple[int, int, int]]
"""Size, time of change (ns) and inode of the files whose hash was found right in this process."""


class BrokenFileError(DataError):
    """A month's file is damaged or lost; `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be read ({reason})")
        self.path = path


def write_month(folder: Path, month: str, frame: pl.DataFrame, interval: Interval, verified: Verified) -> MonthFile:
    """Write a month's rows, ascending by open time, and return what a manifest says of them.

    The file is written beside, read again and compared, flushed to the disk, and only then given its name.

    Raises
    ------
    OutputError
        If that is not possible; nothing is left behind.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression=_COMPRESSION)
    content = buffer.getvalue()
    entry = _described(month, content, frame, interval)

    def validate(written: Path) -> None:
        again = written.read_bytes()
        if again != content or not _parsed(again).equals(frame):
            raise OSError("what was written reads differently")

    path = folder / entry.name
    replace_file(path, lambda temporary: _write_bytes(temporary, content), validate)
    stat = path.stat()
    verified[path] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return entry


def read_month(folder: Path, entry: MonthFile, verified: Verified) -> pl.DataFrame:
    """Return the rows of a month, from one reading of its file.

    Raises
    ------
    BrokenFileError
        If the file is lost, or its bytes are not those that were written.
    """
    path = folder / entry.name
    try:
        with path.open("rb") as file:
            stat = os.fstat(file.fileno())
            content = file.read()
    except FileNotFoundError:
        raise BrokenFileError(path, "it is not there") from None
    except OSError as error:
        raise BrokenFileError(path, str(error.strerror)) from None
    mark = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    if verified.get(path) != mark:
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise BrokenFileError(path, "its SHA-256 is not the manifest's")
        verified[path] = mark
    return _parsed_file(path, content)


def adopt_file(path: Path, interval: Interval) -> tuple[MonthFile, pl.DataFrame]:
    """Return what a manifest would say of a file found in the folder, and its rows.

    Raises
    ------
    BrokenFileError
        If it is no month's file, or its content does not fit the hash in its name.
    """
    match = FILE_NAME.match(path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BrokenFileError(path, str(error.strerror)) from None
    frame = _parsed_file(path, content)
    if match is None or frame.is_empty() or "open_time" not in frame.columns:
        raise BrokenFileError(path, "no candles in it")
    if not frame["open_time"].is_sorted() or frame["open_time"].null_count():
        raise BrokenFileError(path, "its candles are not in order")
    entry = _described(match["month"], content, frame, interval)
    if match["hash"] and entry.name != path.name:
        raise BrokenFileError(path, "its SHA-256 is not its name's")
    return entry, frame


def _described(month: str, content: bytes, frame: pl.DataFrame, interval: Interval) -> MonthFile:
    opens = frame["open_time"].dt.epoch("ms").to_numpy()
    return MonthFile(
        month,
        hashlib.sha256(content).hexdigest(),
        len(content),
        frame.height,
        int(opens[0]),
        int(opens[-1]),
        absent_stretches(opens, interval),
    )


def _parsed_file(path: Path, content: bytes) -> pl.DataFrame:
    try:
        return _parsed(content)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BrokenFileError(path, (str(error).splitlines() or ["empty"])[0][:200]) from None


def _parsed(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content))


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)
