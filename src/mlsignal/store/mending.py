"""A series whose manifest is old, broken or lost, made whole from its files; call with the lock held."""

import logging
import os
import shutil
from pathlib import Path

from mlsignal.candles import Interval
from mlsignal.errors import OutputError
from mlsignal.store.atomic import flush_file, flush_folder
from mlsignal.store.manifest import Manifest, MonthFile
from mlsignal.store.months import FILE_NAME, BrokenFileError, adopt_file
from mlsignal.store.spans import Span, add_span, remove_span

logger = logging.getLogger(__name__)

DAMAGED = ".damaged"
_OLD_SOURCE = "unknown"


def migrated(folder: Path, covered: list[Span], interval: Interval) -> Manifest:
    """Return the manifest for a series of the first version, whose months were `YYYY-MM.parquet`.

    The files get their new names as second names; the old ones are removed by the commit that follows. A month that
    cannot be read is put aside, to be fetched again.

    Raises
    ------
    OutputError
        If the folder is not writable.
    """
    manifest = Manifest(tuple(covered), {}, tuple((*span, _OLD_SOURCE) for span in covered))
    for path in sorted(folder.glob("*.parquet")):
        match = FILE_NAME.match(path.name)
        if match is None or match["hash"]:
            continue  # of a migration that was killed: made again
        try:
            entry, _ = adopt_file(path, interval)
        except BrokenFileError as error:
            put_aside(path, str(error))
            manifest = manifest.without_month(match["month"])
            continue
        _second_name(path, folder / entry.name)
        manifest = manifest.with_month(entry)
    logger.info("%s: schema version 1 migrated, %d months", folder, len(manifest.months))
    return manifest


def rebuilt(folder: Path, interval: Interval) -> Manifest:
    """Return a manifest for the month files that are there and fit their names.

    Only stretches without an absent candle count as covered: the source is asked again for all else.
    """
    newest: dict[str, tuple[float, MonthFile]] = {}
    covered: list[Span] = []
    for path in sorted(folder.glob("*.parquet")):
        match = FILE_NAME.match(path.name)
        if match is None:
            continue
        try:
            entry, _ = adopt_file(path, interval)
        except BrokenFileError as error:
            put_aside(path, str(error))
            continue
        if not match["hash"]:
            _second_name(path, folder / entry.name)
        changed = path.stat().st_mtime
        if entry.month not in newest or changed > newest[entry.month][0]:
            newest[entry.month] = (changed, entry)
    manifest = Manifest()
    for _, entry in newest.values():
        manifest = manifest.with_month(entry)
        covered = add_span(covered, (entry.first_ms, interval.next(interval.floor(entry.last_ms)) - 1))
        for absent in entry.absent:
            covered = remove_span(covered, (absent[0], interval.next(absent[1]) - 1))
    # A span ends with its newest candle's open time, as if it had just been fetched.
    covered = [(first, interval.floor(last)) for first, last in covered]
    logger.warning("%s: manifest built again from %d month files", folder, len(manifest.months))
    return Manifest(tuple(covered), manifest.months, tuple((*span, _OLD_SOURCE) for span in covered))


def put_aside(path: Path, reason: str) -> None:
    """Give a damaged file another name, so that it is neither read nor lost.

    Raises
    ------
    OutputError
        If the folder is not writable.
    """
    logger.warning("%s; put aside as %s%s, its candles are fetched again", reason, path.name, DAMAGED)
    try:
        path.replace(path.with_name(path.name + DAMAGED))
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{path}: cannot be put aside ({error.strerror or error})") from None


def _second_name(path: Path, name: Path) -> None:
    try:
        if not name.exists():
            os.link(path, name)
    except OSError:
        try:
            shutil.copyfile(path, name)
        except OSError as error:
            raise _not_written(name, error) from None
    try:
        flush_file(name)
        flush_folder(name.parent)  # the manifest that names it must not be there before it
    except OSError as error:
        raise _not_written(name, error) from None


def _not_written(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written ({error.strerror or error})")
