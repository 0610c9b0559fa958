"""What could keep a job from working, looked at one by one: clock, reachability, versions, store."""

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import websockets

from mlsignal.bundle import library_versions
from mlsignal.config import Settings
from mlsignal.errors import MlSignalError
from mlsignal.sources.binance import BinanceSource
from mlsignal.sources.clock import SYSTEM_CLOCK, Clock
from mlsignal.store.listing import list_series
from mlsignal.store.remote import RemoteFolder
from mlsignal.store.store import Store

Status = Literal["good", "warning", "bad"]
CLOCK_TOLERANCE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    subject
        What was looked at.
    status
        "good", "warning" (works, but not as it should) or "bad".
    detail
        What was found, and what to do.
    kind
        Whether a bad finding is of the "network", the "data" or the "output".
    """

    subject: str
    status: Status
    detail: str
    kind: Literal["network", "data", "output", "none"] = "none"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def examine(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Iterator[Finding]:
    """Yield the findings, each as soon as it is known; nothing is changed, nothing is raised."""
    yield _versions()
    yield from _exchange(settings, clock)
    archive = f"{settings.archive_base_url}: {{}}; check the network, or give another --archive-base-url"
    yield _guarded("archive", "network", archive, lambda: _archive(settings))
    stream = f"{settings.binance_stream_url}: {{}}; check the network, or give another --binance-stream-url"
    yield _guarded("websocket", "network", stream, lambda: asyncio.run(_websocket(settings)))
    folder = f"{settings.store} cannot be written ({{}}); give another --store"
    yield _guarded("store folder", "output", folder, lambda: _folder(settings.store))
    yield from _series(settings.store)


def _versions() -> Finding:
    told = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    return Finding("versions", "good", f"{told}, {sys.platform}")


def _guarded(
    subject: str, kind: Literal["network", "data", "output"], wording: str, look: Callable[[], str]
) -> Finding:
    """Return what `look` finds; what it raises stands in `wording`, unless it says itself what to do."""
    try:
        return Finding(subject, "good", look())
    except MlSignalError as error:
        return Finding(subject, "bad", str(error), kind)
    except (OSError, httpx2.HTTPError, websockets.WebSocketException) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__
        reason = re.sub(r"^\[Errno -?\d+\] ", "", reason)
        return Finding(subject, "bad", wording.format(reason), kind)


def _exchange(settings: Settings, clock: Clock) -> Iterator[Finding]:
    with BinanceSource(settings.binance_base_url, timeout_seconds=min(10.0, settings.timeout_seconds)) as source:
        before = clock.now_ms()
        try:
            server_ms = source.server_time_ms()
        except MlSignalError as error:
            yield Finding("REST", "bad", str(error), "network")
            return
        after = clock.now_ms()
        told = " (SYNTHETIC)" if source.synthetic else ""
        yield Finding("REST", "good", f"{settings.binance_base_url}{told} answers in {after - before} ms")
        offset = server_ms - (before + after) // 2
        if abs(offset) <= CLOCK_TOLERANCE_MS or source.synthetic:
            yield Finding("clock", "good", f"{offset:+d} ms from the exchange's to this machine's")
        else:
            hint = "the exchange's decides what is closed; set this one (NTP)"
            yield Finding("clock", "warning", f"this machine's is {-offset / 1000:+.1f} s off the exchange's; {hint}")


def _archive(settings: Settings) -> str:
    path = "/data/spot/monthly/klines/BTCUSDT/1d/BTCUSDT-1d-2024-01.zip.CHECKSUM"
    answer = httpx2.get(settings.archive_base_url + path, timeout=min(10.0, settings.timeout_seconds))
    if answer.status_code == httpx2.codes.OK:
        return f"{settings.archive_base_url} serves files"
    if answer.status_code == httpx2.codes.NOT_FOUND:  # a simulated archive begins with its market
        return f"{settings.archive_base_url} answers; it has no file of 2024-01, which the exchange's own has"
    raise OSError(f"answers {answer.status_code}, files may be refused to this address")


async def _websocket(settings: Settings) -> str:
    url = f"{settings.binance_stream_url}/ws/btcusdt@kline_1m"
    async with asyncio.timeout(min(10.0, settings.timeout_seconds)):
        async with websockets.connect(url) as connection:
            await connection.recv()
    return f"{settings.binance_stream_url} sends candles"


def _folder(store: Path | str) -> str:
    if isinstance(store, str):
        RemoteFolder.at(store).probe()
        return f"{store} can be written; only one writer of a series at a time: it has no locks"
    nearest = store
    while not nearest.exists():
        nearest = nearest.parent
    with tempfile.NamedTemporaryFile(dir=nearest):
        pass
    free = os.statvfs(nearest) if hasattr(os, "statvfs") else None
    space = f", {free.f_bavail * free.f_frsize / 1e9:.0f} GB free" if free else ""
    return f"{store} can be written{space}"


def _series(root: Path | str) -> Iterator[Finding]:
    try:
        found = list_series(root)
    except MlSignalError as error:
        yield Finding("store", "bad", str(error), "data")
        return
    store, damaged = Store(root), 0
    for entry in found:
        try:
            store.read(entry.symbol, entry.interval, origin=entry.origin)
        except MlSignalError as error:
            damaged += 1
            repair = f"mlsignal candles repair {entry.symbol} fetches it again"
            yield Finding(f"{entry.symbol} {entry.interval}", "bad", f"{error}; {repair}", "data")
    told = f"{len(found) - damaged} of {len(found)} series are whole"
    yield Finding("store", "bad" if damaged else "good", told, "data" if damaged else "none")
