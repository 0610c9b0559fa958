"""Raw klines to candles: what cannot be right is set apart and counted; no price is ever filled or changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlsignal.candles import (
    OHLCV_COLUMNS,
    VALUE_COLUMNS,
    Candles,
    Floats,
    Gap,
    Interval,
    Times,
    impossible_values,
)
from mlsignal.errors import CandleError, MissingColumnError

_Mask = npt.NDArray[np.bool_]

OFF_GRID = "open_time is off the grid"
NO_TIME = "open_time is missing"
CONFLICT = "another row of the same open_time came later"


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """What cleaning found, by kind; every count is of rows unless it says otherwise."""

    symbol: str
    interval: Interval
    rows: int
    """Rows that came in."""
    kept: int
    """Candles that went out."""
    identical_duplicates: int
    """Dropped: equal to a row that was kept."""
    conflicting_duplicates: int
    """Set apart: another row of the same open time, seen later, was kept."""
    out_of_order: int
    """Rows that opened before one that stood above them; sorted in."""
    impossible: Mapping[str, int]
    """Set apart: rule that was broken -> rows; a row counts under its first rule."""
    off_grid: int
    """Set apart: opened at no multiple of the interval."""
    missing_times: int
    """Set apart: no open time."""
    irregular_close_times: int
    """Kept: closed at another moment than the interval's end, as on days of an outage."""
    zero_volume: int
    """Kept: nothing was traded."""
    zero_volume_runs: int
    """Stretches of candles without a trade."""
    longest_zero_volume_run: int
    """Candles in the longest such stretch."""
    gaps: tuple[Gap, ...]
    """Stretches of absent candles, in order; never filled."""
    rejected: pl.DataFrame = field(repr=False, compare=False)
    """The rows set apart, as they came, with a `reason`."""

    @property
    def missing_candles(self) -> int:
        """Candles absent from the grid between the first and the last."""
        return sum(gap.missing for gap in self.gaps)

    def summary(self) -> str:
        """Return one line for people; it names only what was found."""
        counts = [
            (len(self.gaps), f"{_plural(len(self.gaps), 'gap')} ({self.missing_candles} candles absent)"),
            (self.rejected.height, f"{self.rejected.height} set apart ({_reasons(self.rejected)})"),
            (self.identical_duplicates, f"{self.identical_duplicates} repeated"),
            (self.out_of_order, f"{self.out_of_order} out of order"),
            (self.irregular_close_times, f"{self.irregular_close_times} with an irregular close time"),
            (self.zero_volume, f"{self.zero_volume} without trades"),
        ]
        found = [text for count, text in counts if count]
        return f"{self.kept} of {_plural(self.rows, 'row')} kept: {', '.join(found) or 'nothing to complain of'}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows set apart, ready for JSON."""
        plain = ("rows", "kept", "identical_duplicates", "conflicting_duplicates", "out_of_order", "off_grid")
        kept = (
            "missing_times",
            "irregular_close_times",
            "zero_volume",
            "zero_volume_runs",
            "longest_zero_volume_run",
        )
        return {
            "symbol": self.symbol,
            "interval": self.interval.value,
            **{name: getattr(self, name) for name in plain + kept},
            "impossible": dict(self.impossible),
            "rejected": self.rejected.height,
            "missing_candles": self.missing_candles,
            "gaps": [
                {
                    "first_missing": gap.first_missing.isoformat(),
                    "last_missing": gap.last_missing.isoformat(),
                    "missing": gap.missing,
                }
                for gap in self.gaps
            ],
        }


def clean(frame: pl.DataFrame, symbol: str, interval: str | Interval) -> tuple[Candles, CleaningReport]:
    """Turn raw klines into candles, and report all that was wrong with them.

    Parameters
    ----------
    frame
        As a `KlineSource` returns it: `open_time` (Datetime), value columns, optionally `close_time`.
    symbol, interval
        What the rows are of.

    Returns
    -------
    candles : Candles
        Sorted, unique, on the grid, possible; gaps stay gaps.
    report : CleaningReport
        Counts, gaps, and the rows set apart.

    Raises
    ------
    MissingColumnError
        If open_time or one of OHLCV is absent.
    CandleError
        If open_time is no Datetime, or a value column no number.

    Notes
    -----
    Of rows with one open time the last seen is kept, as it is the exchange's latest word; rows that are equal to it
    are dropped, those that differ are set apart. Impossible rows are set apart before that, so that they never
    replace a possible one.
    """
    interval = Interval.parse(interval)
    times, values = _arrays(frame, symbol)
    reasons: dict[str, _Mask] = {}
    wrong = _wrong_rows(frame, times, values, interval, reasons)
    rows = np.flatnonzero(~wrong) if wrong.any() else None
    ours = times if rows is None else times[rows]
    out_of_order = _out_of_order(ours)
    if out_of_order:
        rows = (np.arange(len(times)) if rows is None else rows)[np.argsort(ours, kind="stable")]
        ours = times[rows]
    rows, identical = _unique(rows, ours, values, reasons, len(times))
    if rows is not None:
        times = times[rows]
        values = {name: column[rows] for name, column in values.items()}
    candles = Candles(symbol, interval, _read_only(times), {name: _read_only(v) for name, v in values.items()})
    irregular = _irregular_close_times(frame, rows, candles)
    return candles, _report(frame, candles, reasons, identical, out_of_order, irregular)


def _arrays(frame: pl.DataFrame, symbol: str) -> tuple[Times, dict[str, Floats]]:
    absent = [name for name in ("open_time", *OHLCV_COLUMNS) if name not in frame.columns]
    if absent:
        raise MissingColumnError(
            f"candles of {symbol}: column {', '.join(absent)} expected, found {', '.join(frame.columns) or 'none'}"
        )
    kind = frame.schema["open_time"]
    if not isinstance(kind, pl.Datetime):
        raise CandleError(f"candles of {symbol}: open_time must be a Datetime column, found {kind}")
    times = frame["open_time"].dt.epoch("ms").fill_null(np.iinfo(np.int64).min).to_numpy()
    try:
        values = {
            name: frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            for name in VALUE_COLUMNS
            if name in frame.columns
        }
    except pl.exceptions.PolarsError as error:
        raise CandleError(f"candles of {symbol}: a value is not a number ({str(error).splitlines()[0]})") from None
    return times.astype(np.int64, copy=False), values


def _wrong_rows(
    frame: pl.DataFrame,
    times: Times,
    values: dict[str, Floats],
    interval: Interval,
    reasons: dict[str, _Mask],
) -> _Mask:
    """Return the mask of rows to set apart, and note each under its first reason."""
    wrong = np.zeros(len(times), dtype=bool)
    checks = [(NO_TIME, frame["open_time"].is_null().to_numpy())] if frame["open_time"].null_count() else []
    with np.errstate(invalid="ignore"):
        checks += [*impossible_values(values), (OFF_GRID, interval.floor_array(times) != times)]
    for reason, bad in checks:
        first = bad & ~wrong
        if first.any():
            reasons[reason] = first
            wrong |= first
    return wrong


def _out_of_order(times: Times) -> int:
    if len(times) < 2 or bool((times[1:] >= times[:-1]).all()):
        return 0
    return int((times < np.maximum.accumulate(times)).sum())


def _unique(
    rows: Times | None, times: Times, values: dict[str, Floats], reasons: dict[str, _Mask], n_rows: int
) -> tuple[Times | None, int]:
    """Keep the last row of each (sorted) open time; return the rows kept and how many were dropped as equal."""
    repeated = times[1:] == times[:-1]
    if not repeated.any():
        return rows, 0
    rows = np.arange(n_rows) if rows is None else rows
    last = np.append(~repeated, True)
    kept = rows[last]
    winner = kept[np.searchsorted(times[last], times)]
    equal = np.logical_and.reduce([column[rows] == column[winner] for column in values.values()])
    conflicting = np.zeros(n_rows, dtype=bool)
    conflicting[rows[~last & ~equal]] = True
    if conflicting.any():
        reasons[CONFLICT] = conflicting
    return kept, int((~last & equal).sum())


def _irregular_close_times(frame: pl.DataFrame, rows: Times | None, candles: Candles) -> int:
    if "close_time" not in frame.columns or not isinstance(frame.schema["close_time"], pl.Datetime):
        return 0
    closes = frame["close_time"].dt.epoch("ms").fill_null(-1).to_numpy()
    closes = closes if rows is None else closes[rows]
    return int((closes != candles.close_time_ms).sum())


def _report(
    frame: pl.DataFrame,
    candles: Candles,
    reasons: Mapping[str, _Mask],
    identical: int,
    out_of_order: int,
    irregular: int,
) -> CleaningReport:
    counts = {reason: int(mask.sum()) for reason, mask in reasons.items()}
    own = {reason: counts.pop(reason, 0) for reason in (CONFLICT, OFF_GRID, NO_TIME)}
    silent = candles.volume == 0
    runs = _run_lengths(silent)
    return CleaningReport(
        symbol=candles.symbol,
        interval=candles.interval,
        rows=frame.height,
        kept=len(candles),
        identical_duplicates=identical,
        conflicting_duplicates=own[CONFLICT],
        out_of_order=out_of_order,
        impossible=counts,
        off_grid=own[OFF_GRID],
        missing_times=own[NO_TIME],
        irregular_close_times=irregular,
        zero_volume=int(silent.sum()),
        zero_volume_runs=len(runs),
        longest_zero_volume_run=int(runs.max(initial=0)),
        gaps=candles.gaps,
        rejected=_rejected(frame, reasons),
    )


def _run_lengths(mask: _Mask) -> Times:
    edges = np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8))
    return np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)


def _rejected(frame: pl.DataFrame, reasons: Mapping[str, _Mask]) -> pl.DataFrame:
    parts = [
        frame.filter(pl.Series(mask)).with_columns(reason=pl.lit(reason, dtype=pl.String))
        for reason, mask in reasons.items()
    ]
    if not parts:
        return frame.clear().with_columns(reason=pl.lit(None, dtype=pl.String))
    return pl.concat(parts).sort("open_time", maintain_order=True)


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _reasons(rejected: pl.DataFrame) -> str:
    counts = rejected["reason"].value_counts(sort=True)
    return "; ".join(f"{count} × {reason}" for reason, count in counts.iter_rows())
