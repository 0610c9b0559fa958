"""What a store holds, series by series."""

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mlsignal.candles import Interval, utc
from mlsignal.errors import OutputError
from mlsignal.store.folder import Folder, open_folder
from mlsignal.store.series import MANIFEST, Series
from mlsignal.store.store import MAIN_ORIGIN, MONTHLY_FOLDER


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
        Candles stored, stretches of them that were asked for and that the source does not have, and how many.
    not_fetched
        Candles between the first and the last that were never asked for.
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
    not_fetched: int
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
        If the folder cannot be read, or is a file.
    ConfigurationError, MissingExtraError
        If it is a URL, and what reads it is not installed.
    DataError
        If a newer version of the package wrote a manifest.
    """
    if isinstance(root, Path) and root.exists() and not root.is_dir():
        raise OutputError(f"store {root}: a folder expected, found a file; give another --store")
    store = open_folder(root)
    try:
        inside = store.below(MANIFEST)
    except OSError as error:
        raise OutputError(f"store {root}: cannot be read ({error.strerror or error})") from None
    found = [entry for parts in inside if (entry := _describe(store.inside(*parts), parts)) is not None]
    return sorted(found, key=lambda entry: (entry.origin, entry.symbol, Interval.parse(entry.interval).milliseconds))


def _describe(folder: Folder, inside: tuple[str, ...]) -> StoredSeries | None:
    # Where it lies tells what it is of, even where the manifest is damaged and has to be built again.
    symbol, interval = inside[-2:] if len(inside) > 1 else ("", "")
    interval = Interval.MONTH1.value if interval == MONTHLY_FOLDER else interval
    if interval not in {member.value for member in Interval}:
        return None
    return _described(folder, symbol, Interval.parse(interval), inside[0] if len(inside) > 2 else MAIN_ORIGIN)


def _described(folder: Folder, symbol: str, interval: Interval, origin: str) -> StoredSeries | None:
    manifest = Series(folder, symbol, interval).manifest()
    if not manifest.months:
        return None
    entries = list(manifest.months.values())
    gaps = manifest.gaps(interval)
    missing = sum(interval.grid_size(*gap) for gap in gaps)
    first, last = interval.floor(entries[0].first_ms), interval.floor(entries[-1].last_ms)
    return StoredSeries(
        origin=origin,
        symbol=symbol,
        interval=interval.value,
        candles=manifest.rows,
        gaps=len(gaps),
        missing=missing,
        not_fetched=max(0, interval.grid_size(first, last) - manifest.rows - missing),
        start=utc(first),
        end=utc(interval.next(last) - 1),
        bytes=manifest.bytes,
    )
