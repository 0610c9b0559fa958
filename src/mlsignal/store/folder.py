"""The folder that a series lives in: on this machine's disk, or on an object store."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from mlsignal.store.local import LocalFolder, Mark
from mlsignal.store.remote import RemoteFolder

__all__ = ["Folder", "LocalFolder", "Mark", "RemoteFolder", "open_folder"]


class Folder(Protocol):
    """Named files that are written whole or not at all; `str` of it is its place, for people.

    A file that is not there is a FileNotFoundError. What else keeps a file from being read is an OSError: a plain
    one where the file itself may be damaged, an OutputError where only the way to it is broken.
    """

    grows: bool
    """Whether to append costs no more than what is added."""

    def place(self, name: str) -> str:
        """Return where a file is, for people."""
        ...

    def inside(self, *parts: str) -> "Folder":
        """Return a folder in this one."""
        ...

    def below(self, name: str) -> list[tuple[str, ...]]:
        """Return the folders below, as their parts, that hold a file of that name."""
        ...

    def names(self) -> list[str]:
        """Return the names of the files in it, sorted; none where it is not there."""
        ...

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        ...

    def read_marked(self, name: str) -> tuple[bytes, Mark | None]:
        """Return a file's bytes, and a mark that another file cannot have; None where there is no such mark."""
        ...

    def write(self, name: str, content: bytes, check: Callable[[bytes], None] | None = None) -> Mark | None:
        """Put a file in place, whole or not at all, and return its mark.

        Raises
        ------
        OutputError
            If that is not possible, or `check` raises an OSError for the bytes; what was there is there still.
        """
        ...

    def append(self, name: str, lines: str) -> None:
        """Add whole lines to a file, after a line break where a killed writer left half a line.

        Raises
        ------
        OutputError
            If that is not possible; the file is then as before.
        """
        ...

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        ...

    def second_name(self, name: str, other: str) -> None:
        """Give a file one more name, or copy it, unless that name is taken."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file."""
        ...

    def changed(self, name: str) -> float:
        """Return when a file was last written, seconds since 1970."""
        ...

    def writing(self) -> AbstractContextManager[None]:
        """Make the folder and keep other writers out of it, as far as it can.

        Raises
        ------
        OutputError
            If the folder cannot be made or written to.
        """
        ...


def open_folder(root: Path | str) -> Folder:
    """Return the folder at a path, or at the URL of an object store, without touching it.

    Parameters
    ----------
    root
        A path, or a text with `://` in it.

    Raises
    ------
    ConfigurationError
        If the URL is none of an object store, or its driver is not installed.
    MissingExtraError
        If the extra `cloud` is not installed.
    """
    return RemoteFolder.at(root) if isinstance(root, str) and "://" in root else LocalFolder(Path(root))
