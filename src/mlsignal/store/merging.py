"""Rows that arrive, and rows that are stored, made into one; what contradicts is told."""

import math
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from mlsignal.candles import OHLCV_COLUMNS, VALUE_COLUMNS, impossible_values
from mlsignal.store.revisions import Revision

_TIME = "open_time"


@dataclass(frozen=True, slots=True)
class Arrival:
    """Rows as a source sent them, sorted and unique, and what was wrong with their order."""

    rows: pl.DataFrame
    """Ascending by open time, one row each."""
    duplicates: int = 0
    """Rows dropped as they repeated another."""
    conflicts: int = 0
    """Rows dropped as another of the same open time, that came later or is possible, differs."""
    out_of_order: int = 0
    """Rows that opened before one that came before them."""
    revisions: list[Revision] = field(default_factory=list)
    """Of the conflicts."""


def settle(rows: pl.DataFrame, *, seen_ms: int, source: str) -> Arrival:
    """Sort rows and keep one of each open time: the last possible one.

    Parameters
    ----------
    rows
        As a source sent them.
    seen_ms, source
        For the log of conflicts.
    """
    times = rows[_TIME].dt.epoch("ms").to_numpy()
    if bool((times[1:] > times[:-1]).all()):
        return Arrival(rows)
    disordered = int((times < np.maximum.accumulate(times)).sum())
    ranked = rows.with_columns(pl.Series("_possible", ~impossible(rows)), pl.Series("_order", np.arange(rows.height)))
    ranked = ranked.sort(_TIME, "_possible", "_order").drop("_possible", "_order")
    kept = ranked.unique(_TIME, keep="last", maintain_order=True)
    distinct = ranked.unique(maintain_order=True)
    conflicting = distinct.join(kept, on=kept.columns, how="anti", nulls_equal=True)
    return Arrival(
        kept,
        duplicates=ranked.height - distinct.height,
        conflicts=conflicting.height,
        out_of_order=disordered,
        revisions=differences(conflicting, kept, "conflict", seen_ms=seen_ms, source=source),
    )


def merge(
    stored: pl.DataFrame | None, rows: pl.DataFrame, *, seen_ms: int, source: str
) -> tuple[pl.DataFrame, list[Revision]]:
    """Return stored and new rows as one, the new ones replacing; an impossible row never replaces a possible one.

    Returns
    -------
    merged : polars.DataFrame
        Ascending by open time, one row each.
    revisions : list of Revision
        Every stored value that the new rows change, or would have changed.
    """
    if stored is None or stored.is_empty():
        return rows, []
    both = rows.join(stored.select(_TIME), on=_TIME, how="semi", maintain_order="left")
    revisions: list[Revision] = []
    if both.height:
        old = stored.join(both.select(_TIME), on=_TIME, how="semi", maintain_order="left")
        refused = both.filter(pl.Series(impossible(both) & ~impossible(old)))
        if refused.height:
            revisions += differences(stored, refused, "refused", seen_ms=seen_ms, source=source)
            rows = rows.join(refused.select(_TIME), on=_TIME, how="anti")
            both = both.join(refused.select(_TIME), on=_TIME, how="anti")
        revisions += differences(stored, both, "revised", seen_ms=seen_ms, source=source)
    merged = pl.concat([stored, rows], how="diagonal")
    return merged.unique(_TIME, keep="last", maintain_order=True).sort(_TIME), revisions


def differences(old: pl.DataFrame, new: pl.DataFrame, kind: str, *, seen_ms: int, source: str) -> list[Revision]:
    """Return every value in which rows of one open time differ, in both frames' columns."""
    columns = [name for name in old.columns if name in new.columns and name != _TIME]
    pairs = old.select(_TIME, *columns).join(new.select(_TIME, *columns), on=_TIME, how="inner", suffix="_new")
    unequal = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_new")) for name in columns)
    found = []
    for row in pairs.filter(unequal).iter_rows(named=True):
        for name in columns:
            before, after = _number(row[name]), _number(row[f"{name}_new"])
            if before != after:
                time_ms = round(row[_TIME].timestamp() * 1000)
                found.append(Revision(time_ms, name, before, after, kind, seen_ms, source))
    return found


def impossible(rows: pl.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the mask of rows that no market can have made, shape (n_rows,)."""
    wrong = np.zeros(rows.height, dtype=bool)
    if all(name in rows.columns for name in OHLCV_COLUMNS):
        values = {
            name: rows[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in VALUE_COLUMNS
            if name in rows.columns
        }
        with np.errstate(invalid="ignore"):
            for _, bad in impossible_values(values):
                wrong |= bad
    return wrong


def _number(value: object) -> float | None:
    """Return a value as JSON can hold it: times in milliseconds, what is not finite as None."""
    if value is None:
        return None
    timestamp = getattr(value, "timestamp", None)
    number = float(value) if timestamp is None else timestamp() * 1000  # type: ignore[arg-type]  # a number
    return number if math.isfinite(number) else None
