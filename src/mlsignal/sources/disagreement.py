"""What the exchange has said about one candle in several places, where that differs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl

from mlsignal.sources.klines import FRAME_COLUMNS


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One value of one candle, told differently in two places."""

    open_time: datetime
    """Which candle (UTC)."""
    column: str
    """Which value."""
    dropped: tuple[str, float | datetime | None]
    """Place and value that were not kept."""
    kept: tuple[str, float | datetime | None]
    """Place and value that were kept."""

    def __str__(self) -> str:
        (first, other), (second, taken) = self.dropped, self.kept
        return (
            f"{self.open_time:%Y-%m-%d %H:%M} {self.column}: {first} says {other}, {second} says {taken}, which counts"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        plain = [value.isoformat() if isinstance(value, datetime) else value for _, value in (self.dropped, self.kept)]
        return {
            "open_time": self.open_time.isoformat(),
            "column": self.column,
            self.dropped[0]: plain[0],
            self.kept[0]: plain[1],
            "kept": self.kept[0],
        }


@dataclass(frozen=True)
class ArchiveReport:
    """What an archive source has read so far."""

    files: tuple[str, ...] = ()
    """Read and verified."""
    missing: tuple[str, ...] = ()
    """Answered 404."""
    rejected: tuple[tuple[str, str], ...] = ()
    """Name and reason: checksum wrong or absent, not one flat CSV, too large."""
    outside: int = 0
    """Rows dropped as they lie outside their file's month or day."""
    rest_candles: int = 0
    """Candles that REST gave, as the archive lacks them or could not be trusted."""
    disagreements: tuple[Disagreement, ...] = field(default=(), repr=False)
    """Where the places differ."""


def preferring(frames: Sequence[tuple[str, pl.DataFrame]]) -> tuple[pl.DataFrame, list[Disagreement]]:
    """Return the rows of several places as one frame, and where they differ.

    Parameters
    ----------
    frames
        Place and rows, by rising precedence: of one open time the last place's rows are kept.

    Returns
    -------
    frame : polars.DataFrame
        Ascending by open time; rows that one place repeats are left for cleaning to count.
    disagreements : list of Disagreement
        Of each open time and column in which two places differ.
    """
    kept_place, kept = frames[0]
    places = kept.with_columns(_place=pl.lit(kept_place))
    found: list[Disagreement] = []
    for place, frame in frames[1:]:
        if frame.is_empty():
            continue
        found += _differences(places, frame, place)
        others = places.join(frame.select("open_time"), on="open_time", how="anti", maintain_order="left")
        places = pl.concat([others, frame.with_columns(_place=pl.lit(place))], how="diagonal")
    return places.drop("_place").sort("open_time", maintain_order=True), found


def _differences(places: pl.DataFrame, frame: pl.DataFrame, place: str) -> list[Disagreement]:
    columns = [name for name in FRAME_COLUMNS[1:] if name in places.columns and name in frame.columns]
    latest = frame.unique("open_time", keep="last").select("open_time", *columns)
    pairs = places.join(latest, on="open_time", how="inner", suffix="_new", maintain_order="left")
    unequal = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in columns)
    return [
        Disagreement(row["open_time"], name, (row["_place"], row[name]), (place, row[f"{name}_new"]))
        for row in pairs.filter(unequal).iter_rows(named=True)
        for name in columns
        if row[name] != row[f"{name}_new"]
    ]
