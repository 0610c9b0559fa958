"""What a store holds, series by series."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlsignal.candles import Interval, utc
from mlsignal.errors import DataError, OutputError


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


def list_series(root: Path) -> list[StoredSeries]:
    """Return the series of a store, ordered by origin, symbol and length of candle; none where there is no store.

    Raises
    ------
    OutputError
        If the folder cannot be read.
    DataError
        If a month's file is damaged.
    """
    try:
        manifests = sorted(root.glob("**/manifest.json"))
    except OSError as error:
        raise OutputError(f"store {root}: cannot be read ({error.strerror or error})") from None
    found = [entry for path in manifests if (entry := _describe(root, path)) is not None]
    return sorted(found, key=lambda entry: (entry.origin, entry.symbol, Interval.parse(entry.interval).milliseconds))


def _describe(root: Path, manifest: Path) -> StoredSeries | None:
    folder = manifest.parent
    months = sorted(folder.glob("[0-9]*.parquet"))
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        symbol, interval = str(content["symbol"]), Interval.parse(content["interval"])
        times = pl.scan_parquet(months).select("open_time").collect() if months else pl.DataFrame()
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"store {folder}: cannot be read ({error}); fetch it again") from None
    if not times.height:
        return None
    opens = np.unique(interval.floor_array(times["open_time"].dt.epoch("ms").to_numpy()))
    absent = opens[1:] != interval.next_array(opens[:-1])
    inside = folder.relative_to(root).parts
    return StoredSeries(
        origin=inside[0] if len(inside) > 2 else "binance",
        symbol=symbol,
        interval=interval.value,
        candles=times.height,
        gaps=int(absent.sum()),
        missing=interval.grid_size(int(opens[0]), int(opens[-1])) - len(opens),
        start=utc(int(opens[0])),
        end=utc(interval.next(int(opens[-1])) - 1),
        bytes=sum(path.stat().st_size for path in months),
    )
