"""Zips as the archive holds them: the same bytes for the same candles, whenever they are asked for."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can tell
_LEVEL: Final = 6
_MEGABYTE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A further file in a zip: some bytes, and then so many zeros."""

    name: str
    content: bytes = b""
    zeros: int = 0


@dataclass(frozen=True, slots=True)
class Package:
    """What is put into a zip of the archive, and how."""

    name: str
    """Name of the CSV."""
    ticks_per_ms: int = 1
    """Unit of its times: 1 for milliseconds, 1000 for microseconds."""
    header: str = ""
    """First line of the CSV, where there is one."""
    with_csv: bool = True
    members: tuple[Member, ...] = ()
    """Further files."""


def zipped(package: Package, csv: Iterable[bytes]) -> bytes:
    """Return the zip of a package whose CSV comes in pieces.

    Examples
    --------
    >>> content = zipped(Package("a.csv"), [b"1,2"])
    >>> zipfile.ZipFile(io.BytesIO(content)).read("a.csv")
    b'1,2'
    """
    pieces = io.BytesIO()
    with zipfile.ZipFile(pieces, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        if package.with_csv:
            with archive.open(_entry(package.name), "w") as file:
                if package.header:
                    file.write(f"{package.header}\n".encode())
                for piece in csv:
                    file.write(piece)
        for member in package.members:
            with archive.open(_entry(member.name), "w") as file:
                file.write(member.content)
                for written in range(0, member.zeros, _MEGABYTE):
                    file.write(bytes(min(_MEGABYTE, member.zeros - written)))
    return pieces.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
