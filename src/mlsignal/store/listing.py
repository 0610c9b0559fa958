"""What a store holds, series by series."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlsignal.candles import Interval, utc
from mlsignal.errors import DataError, OutputError
from mlsignal.store.folder import Folder, open_folder
from mlsignal.store.series import MANIFEST, Series
from mlsignal.store.store import MAIN_ORIGIN


@dataclass(frozen=True, slots=True)
class StoredSeries:
    """One series of a store.

    Attributes
    ----------
    origin
        Whose candles they are: the exchange's, or another host's.
    symbol, interval
        What they are of.
    candles, gaps, missing
        Candles stored, stretches of absent ones between them, and how many are absent.
    start, end
        Open time of the first, close time of the last (UTC).
    bytes
        On disk.
    """

    origin: str
    symbol: str
    interval: str
    candles: int
    gaps: int
    missing: int
    start: datetime
    end: datetime
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, times as ISO 8601."""
        return {**asdict(self), "start": self.start.isoformat(), "end": self.end.isoformat()}


def list_series(root: Path | str) -> list[StoredSeries]:
    """Return the series of a store, ordered by origin, symbol and length of candle; none where there is no store.

    Raises
    ------
    OutputError
        If the folder cannot be read.
    ConfigurationError, MissingExtraError
        If it is a URL, and what reads it is not installed.
    DataError
        If a manifest is damaged.
    """
    store = open_folder(root)
    try:
        inside = store.below(MANIFEST)
    except OSError as error:
        raise OutputError(f"store {root}: cannot be read ({error.strerror or error})") from None
    found = [entry for parts in inside if (entry := _describe(store.inside(*parts), parts)) is not None]
    return sorted(found, key=lambda entry: (entry.origin, entry.symbol, Interval.parse(entry.interval).milliseconds))


def _describe(folder: Folder, inside: tuple[str, ...]) -> StoredSeries | None:
    try:
        content = json.loads(folder.read(MANIFEST).decode("utf-8"))
        symbol, interval = str(content["symbol"]), Interval.parse(content["interval"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"store {folder}: cannot be read ({error}); fetch it again") from None
    manifest = Series(folder, symbol, interval).manifest()
    if not manifest.months:
        return None
    entries = list(manifest.months.values())
    gaps = manifest.gaps(interval)
    return StoredSeries(
        origin=inside[0] if len(inside) > len(("symbol", "interval")) else MAIN_ORIGIN,
        symbol=symbol,
        interval=interval.value,
        candles=manifest.rows,
        gaps=len(gaps),
        missing=sum(interval.grid_size(*gap) for gap in gaps),
        start=utc(interval.floor(entries[0].first_ms)),
        end=utc(interval.next(interval.floor(entries[-1].last_ms)) - 1),
        bytes=manifest.bytes,
    )
