"""A folder of an object store, through fsspec: objects are put whole, nothing is renamed, and no lock is shared.

An object store replaces an object at one moment: a reader gets the old bytes or the new ones. Month files never
change and the manifest is one object, so that this is enough for readers. What it cannot do is keep a second
process from writing: only the threads that share one `Store` take turns.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mlsignal.errors import ConfigurationError, MissingExtraError, OutputError, did_you_mean

OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "memory")
"""Protocols whose files are objects, put whole or not at all: a file server's are not."""
_SEPARATOR = "://"


class RemoteFolder:
    """A `Folder` on an object store. Build with `RemoteFolder.at`.

    Parameters
    ----------
    filesystem
        Of fsspec.
    path, url
        Where the folder is: for the file system, and for people.
    locks
        Of the folders that were opened from one root, by path: their writers take turns.
    """

    grows = False

    def __init__(self, filesystem: Any, path: str, url: str, locks: "Locks") -> None:
        self._filesystem = filesystem
        self._path = path
        self._url = url
        self._locks = locks

    @classmethod
    def at(cls, url: str) -> "RemoteFolder":
        """Return the folder at `s3://BUCKET/FOLDER` and the like.

        Raises
        ------
        ConfigurationError
            If it is no URL of an object store, or its driver is not installed.
        MissingExtraError
            If the extra `cloud` is not installed.
        """
        protocol, _, inside = url.partition(_SEPARATOR)
        if protocol not in OBJECT_STORES:
            raise ConfigurationError(
                f"store {url}: a folder, or an object store as in s3://bucket/folder expected, "
                f"found {protocol!r}. {did_you_mean(protocol, OBJECT_STORES)}"
            )
        if not inside.strip("/"):
            raise ConfigurationError(f"store {url}: a bucket is missing, as in {protocol}://bucket/folder")
        try:
            core = import_module("fsspec.core")
        except ImportError:
            raise MissingExtraError.for_extra(f"store {url}", "cloud") from None
        try:
            filesystem, path = core.url_to_fs(url)
        except ImportError as error:  # its text names the driver
            raise ConfigurationError(f"store {url}: the driver of {protocol} is missing ({_line(error)})") from None
        except Exception as error:  # noqa: BLE001 - a driver raises what it likes where its settings are wrong
            raise ConfigurationError(f"store {url}: cannot be opened ({_line(error)})") from None
        return cls(filesystem, path.rstrip("/"), url.rstrip("/"), Locks())

    def __str__(self) -> str:
        return self._url

    def place(self, name: str) -> str:
        """Return the object's URL."""
        return f"{self._url}/{name}"

    def inside(self, *parts: str) -> "RemoteFolder":
        """Return a folder in this one; their writers share locks."""
        return RemoteFolder(
            self._filesystem, "/".join([self._path, *parts]), "/".join([self._url, *parts]), self._locks
        )

    def below(self, name: str) -> list[tuple[str, ...]]:
        """Return the folders below, as their parts, that hold an object of that name."""
        with _reading(self._url):
            self._filesystem.invalidate_cache()  # another process may have written since
            try:
                found = sorted(self._filesystem.find(self._path))
            except FileNotFoundError:
                return []
        start = f"{self._path}/"
        inside = [path.removeprefix(start).split("/") for path in found if path.startswith(start)]
        return [tuple(parts[:-1]) for parts in inside if parts[-1] == name]

    def names(self) -> list[str]:
        """Return the names of the objects in it, sorted."""
        with _reading(self._url):
            self._filesystem.invalidate_cache()
            try:
                found = self._filesystem.ls(self._path, detail=True)
            except FileNotFoundError:
                return []
        return sorted(entry["name"].rpartition("/")[2] for entry in found if entry["type"] == "file")

    def read(self, name: str) -> bytes:
        """Return an object's bytes."""
        with _reading(self.place(name)):
            return bytes(self._filesystem.cat_file(self._at(name)))

    def read_marked(self, name: str) -> tuple[bytes, None]:
        """Return an object's bytes, and no mark: they are verified whenever they are read."""
        return self.read(name), None

    def write(self, name: str, content: bytes, check: Callable[[bytes], None] | None = None) -> None:
        """Put an object whole, after its bytes were checked. It is not read again: its hash is, when it is used.

        Raises
        ------
        OutputError
            If that is not possible; the object that was there is there still.
        """
        with _writing(self.place(name)):
            if check is not None:
                check(content)
            self._filesystem.pipe_file(self._at(name), content)

    def append(self, name: str, lines: str) -> None:
        """Put an object again with lines added.

        Raises
        ------
        OutputError
            If that is not possible.
        """
        try:
            before = self.read(name)
        except FileNotFoundError:
            before = b""
        self.write(name, before + (b"\n" if before and not before.endswith(b"\n") else b"") + lines.encode())

    def rename(self, name: str, other: str) -> None:
        """Put an object again under another name, then remove it under its own."""
        self.write(other, self.read(name))
        self.remove(name)

    def second_name(self, name: str, other: str) -> None:
        """Put an object again under one more name."""
        if other not in self.names():
            self.write(other, self.read(name))

    def remove(self, name: str) -> None:
        """Remove an object."""
        with _writing(self.place(name)):
            self._filesystem.rm_file(self._at(name))

    def changed(self, name: str) -> float:
        """Return when an object was put, seconds since 1970."""
        with _reading(self.place(name)):
            return float(self._filesystem.modified(self._at(name)).timestamp())

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other threads out that write through the same `Store`; not another process, and not another `Store`."""
        with self._locks.of(self._path):
            yield

    def probe(self) -> None:
        """Put a small object and remove it.

        Raises
        ------
        OutputError
            If that is not possible.
        """
        name = f".probe-{threading.get_ident()}"
        self.write(name, b"")
        self.remove(name)

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"


class Locks:
    """One lock a folder, made when first asked for."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def of(self, path: str) -> threading.Lock:
        """Return the lock of a folder."""
        with self._guard:
            return self._locks.setdefault(path, threading.Lock())


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Say FileNotFoundError where there is nothing, OutputError where the store does not answer as it should."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has its own tree of errors
        raise OutputError(f"{place}: cannot be read ({_line(error)})") from None


@contextmanager
def _writing(place: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise OutputError(f"{place}: cannot be written (no such bucket or object: {_line(error)})") from None
    except Exception as error:  # noqa: BLE001 - each driver has its own tree of errors
        raise OutputError(f"{place}: cannot be written ({_line(error)})") from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
