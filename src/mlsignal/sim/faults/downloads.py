"""Faults of archive files: other formats than expected, and zips that should not be unpacked."""

from dataclasses import replace
from typing import Final

from mlsignal.errors import ConfigurationError
from mlsignal.sim.faults.book import Call
from mlsignal.sim.faults.registry import Stage, action
from mlsignal.sim.faults.rows import COLUMNS
from mlsignal.sim.packing import Member, Package

_UNITS: Final = {"ms": 1, "us": 1000}
_HEADER: Final = (
    *COLUMNS[:7],
    "quote_volume",
    "count",
    "taker_buy_volume",
    "taker_buy_quote_volume",
    "ignore",
)


@action(Stage.DOWNLOAD)
def header_line(package: Package, *, call: Call) -> Package:
    """Begin the CSV with the names of its columns, as futures' files do."""
    del call
    return replace(package, header=",".join(_HEADER))


@action(Stage.DOWNLOAD)
def time_unit(package: Package, *, call: Call, unit: str) -> Package:
    """Write times in "ms" or "us", whatever the year."""
    del call
    if unit not in _UNITS:
        raise ConfigurationError(f"unit: 'ms' or 'us' expected, found {unit!r}")
    return replace(package, ticks_per_ms=_UNITS[unit])


@action(Stage.DOWNLOAD)
def zip_bomb(package: Package, *, call: Call, megabytes: int = 256) -> Package:
    """Hold a member that unpacks to so many megabytes of nothing."""
    del call
    return replace(package, with_csv=False, members=(Member(package.name, zeros=megabytes << 20),))


@action(Stage.DOWNLOAD)
def member_path(package: Package, *, call: Call, path: str = "../../../../mlsignal-escaped.csv") -> Package:
    """Name the member so that careless unpacking writes elsewhere."""
    del call
    return replace(package, name=path)


@action(Stage.DOWNLOAD)
def further_member(package: Package, *, call: Call, name: str = "README.txt", text: str = "SYNTHETIC\n") -> Package:
    """Hold a second member."""
    del call
    return replace(package, members=(*package.members, Member(name, text.encode())))


@action(Stage.DOWNLOAD)
def no_member(package: Package, *, call: Call) -> Package:
    """Hold nothing at all."""
    del call
    return replace(package, with_csv=False, members=())
