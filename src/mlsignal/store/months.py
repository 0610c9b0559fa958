"""The month files of a series: written once under a name taken from their content, verified when read."""

import hashlib
import io
import re
from typing import Literal

import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import DataError, OutputError
from mlsignal.store.folder import Folder, Mark
from mlsignal.store.manifest import MonthFile, absent_stretches

FILE_NAME = re.compile(r"^(?P<month>\d{4}-\d{2})(?:\.(?P<hash>[0-9a-f]{16}))?\.parquet$")
_COMPRESSION: Literal["lz4"] = "lz4"  # a third of zstd's time to write, for two fifths more bytes
Verified = dict[str, Mark]
"""By place: the mark of the files whose hash was found right in this process."""


class BrokenFileError(DataError):
    """A month's file is damaged or lost; `name` is its name in its folder."""

    def __init__(self, folder: Folder, name: str, reason: str) -> None:
        super().__init__(f"{folder.place(name)}: cannot be read ({reason})")
        self.name = name


def write_month(folder: Folder, month: str, frame: pl.DataFrame, interval: Interval, verified: Verified) -> MonthFile:
    """Write a month's rows, ascending by open time, and return what a manifest says of them.

    What was written is parsed and compared before the file gets its name.

    Raises
    ------
    OutputError
        If that is not possible; nothing is left behind.
    """
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression=_COMPRESSION)
    content = buffer.getvalue()
    entry = _described(month, content, frame, interval)

    def check(written: bytes) -> None:
        if not _parsed(written).equals(frame):
            raise OSError("what was written reads differently")

    mark = folder.write(entry.name, content, check)
    if mark is not None:
        verified[folder.place(entry.name)] = mark
    return entry


def read_month(folder: Folder, entry: MonthFile, verified: Verified) -> pl.DataFrame:
    """Return the rows of a month, from one reading of its file.

    Raises
    ------
    BrokenFileError
        If the file is lost, or its bytes are not those that were written.
    OutputError
        If an object store does not answer: that is no damage.
    """
    name, place = entry.name, folder.place(entry.name)
    try:
        content, mark = folder.read_marked(name)
    except FileNotFoundError:
        raise BrokenFileError(folder, name, "it is not there") from None
    except OutputError:
        raise
    except OSError as error:
        raise BrokenFileError(folder, name, str(error.strerror)) from None
    if mark is None or verified.get(place) != mark:
        if len(content) != entry.bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise BrokenFileError(folder, name, "its SHA-256 is not the manifest's")
        if mark is not None:
            verified[place] = mark
    return _parsed_file(folder, name, content)


def adopt_file(folder: Folder, name: str, interval: Interval) -> tuple[MonthFile, pl.DataFrame]:
    """Return what a manifest would say of a file found in the folder, and its rows.

    Raises
    ------
    BrokenFileError
        If it is no month's file, or its content does not fit the hash in its name.
    OutputError
        If an object store does not answer: that is no damage.
    """
    match = FILE_NAME.match(name)
    try:
        content = folder.read(name)
    except OutputError:
        raise
    except OSError as error:
        raise BrokenFileError(folder, name, str(error.strerror or "it is not there")) from None
    frame = _parsed_file(folder, name, content)
    if match is None or frame.is_empty() or "open_time" not in frame.columns:
        raise BrokenFileError(folder, name, "no candles in it")
    if not frame["open_time"].is_sorted() or frame["open_time"].null_count():
        raise BrokenFileError(folder, name, "its candles are not in order")
    entry = _described(match["month"], content, frame, interval)
    if match["hash"] and entry.name != name:
        raise BrokenFileError(folder, name, "its SHA-256 is not its name's")
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


def _parsed_file(folder: Folder, name: str, content: bytes) -> pl.DataFrame:
    try:
        return _parsed(content)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BrokenFileError(folder, name, (str(error).splitlines() or ["empty"])[0][:200]) from None


def _parsed(content: bytes) -> pl.DataFrame:
    return pl.read_parquet(io.BytesIO(content))
