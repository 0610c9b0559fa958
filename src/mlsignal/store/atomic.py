"""Files that are replaced whole or not at all, and a lock that its holder's death releases."""

import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from mlsignal.errors import OutputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

logger = logging.getLogger(__name__)

TEMPORARY = ".tmp"


def replace_file(target: Path, write: Callable[[Path], None], validate: Callable[[Path], None] | None = None) -> None:
    """Write a file beside `target`, validate it, flush it to the disk, and put it in the target's place.

    Parameters
    ----------
    target
        The file to replace.
    write
        Writes the file whose path it is given.
    validate
        Reads what was written, and raises an OSError where it is not what it should be.

    Raises
    ------
    OutputError
        If the folder is not writable or full; the target is as before, and nothing is left beside it.
    """
    temporary = target.with_name(f".{target.name}.{uuid.uuid4().hex}{TEMPORARY}")
    try:
        write(temporary)
        if validate is not None:
            validate(temporary)
        flush_file(temporary)
        os.replace(temporary, target)
        flush_folder(target.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise OutputError(f"{target}: cannot be written ({_reason(error)})") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed writer left; call with the folder's lock held."""
    for path in folder.glob(f".*{TEMPORARY}"):
        with suppress(OSError):
            path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and its parents, and flush their names: what is flushed in a folder must not go with its name.

    Raises
    ------
    OutputError
        If that is not possible.
    """
    new = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in reversed(new):
            flush_folder(one.parent)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be made ({_reason(error)}); give another folder with --store") from None


def flush_file(path: Path) -> None:
    """Flush a file's content to the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder's names to the disk."""
    if sys.platform == "win32":
        return  # a folder cannot be flushed there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file; others wait. The operating system releases it when its holder dies.

    Raises
    ------
    OutputError
        If the lock's file cannot be made.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise OutputError(f"{path.parent}: not writable ({_reason(error)}); give another folder with --store") from None
    try:
        _lock(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    if sys.platform == "win32":
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)  # gives up after ten tries, a second apart
                return
            except OSError:
                logger.info("waiting for another writer of %s", path.parent)
    else:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("waiting for another writer of %s", path.parent)
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return str(text).splitlines()[0][:200] if str(text) else type(error).__name__
