"""A folder of this machine: files replaced by renaming and flushed to the disk, and a lock among processes."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mlsignal.errors import OutputError
from mlsignal.store.atomic import flush_file, flush_folder, locked, make_folder, remove_temporaries, replace_file

Mark = tuple[int, int, int]
"""Size, time of change (ns) and inode of a file."""
_LOCK = ".lock"


class LocalFolder:
    """A `Folder` on a disk.

    Parameters
    ----------
    path
        Where it is; made when first written to.
    """

    grows = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def place(self, name: str) -> str:
        """Return the file's path."""
        return str(self._path / name)

    def inside(self, *parts: str) -> "LocalFolder":
        """Return a folder in this one."""
        return LocalFolder(self._path.joinpath(*parts))

    def below(self, name: str) -> list[tuple[str, ...]]:
        """Return the folders below, as their parts, that hold a file of that name."""
        return [path.parent.relative_to(self._path).parts for path in sorted(self._path.glob(f"**/{name}"))]

    def names(self) -> list[str]:
        """Return the names in it, sorted."""
        try:
            return sorted(os.listdir(self._path))
        except FileNotFoundError:
            return []

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self._path / name).read_bytes()

    def read_marked(self, name: str) -> tuple[bytes, Mark | None]:
        """Return a file's bytes and its mark, both of one opened file."""
        with (self._path / name).open("rb") as file:
            stat = os.fstat(file.fileno())
            return file.read(), (stat.st_size, stat.st_mtime_ns, stat.st_ino)

    def write(self, name: str, content: bytes, check: Callable[[bytes], None] | None = None) -> Mark | None:
        """Write a file beside, read it again and compare, flush it to the disk, and only then give it its name.

        Raises
        ------
        OutputError
            If that is not possible; nothing is left behind.
        """

        def write(temporary: Path) -> None:
            temporary.write_bytes(content)

        def validate(temporary: Path) -> None:
            again = temporary.read_bytes()
            if again != content:
                raise OSError("what was written reads differently")
            if check is not None:
                check(again)

        path = self._path / name
        replace_file(path, write, validate)
        stat = path.stat()
        return stat.st_size, stat.st_mtime_ns, stat.st_ino

    def append(self, name: str, lines: str) -> None:
        """Add lines to a file and flush it to the disk.

        Raises
        ------
        OutputError
            If that is not possible; the file is then as before.
        """
        path = self._path / name
        size = path.stat().st_size if path.exists() else None
        try:
            with path.open("ab+") as file:
                if size:
                    file.seek(size - 1)
                    lines = lines if file.read(1) == b"\n" else "\n" + lines  # a killed writer's half line
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
            if size is None:
                flush_folder(self._path)
        except OSError as error:
            with suppress(OSError):
                path.unlink(missing_ok=True) if size is None else os.truncate(path, size)
            raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from None

    def rename(self, name: str, other: str) -> None:
        """Give a file another name."""
        (self._path / name).replace(self._path / other)

    def second_name(self, name: str, other: str) -> None:
        """Link a file under one more name, or copy it where links are unknown."""
        path, second = self._path / name, self._path / other
        try:
            if not second.exists():
                os.link(path, second)
        except OSError:
            shutil.copyfile(path, second)
        flush_file(second)
        flush_folder(self._path)  # the manifest that names it must not be there before it

    def remove(self, name: str) -> None:
        """Remove a file, for good."""
        (self._path / name).unlink()
        flush_folder(self._path)

    def changed(self, name: str) -> float:
        """Return when a file was last written, seconds since 1970."""
        return (self._path / name).stat().st_mtime

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Make the folder and hold its lock, which its holder's death releases; clear what a killed writer left.

        Raises
        ------
        OutputError
            If the folder cannot be made or written to.
        """
        make_folder(self._path)
        with locked(self._path / _LOCK):
            remove_temporaries(self._path)
            yield
