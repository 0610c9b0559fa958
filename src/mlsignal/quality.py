"""How far a series can be trusted: everything odd about it, found, counted and named; nothing is changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mlsignal.candles import Candles, Gap, Interval, Times, utc
from mlsignal.cleaning import CleaningReport, clean
from mlsignal.outages import outage_of

_STALE_CANDLES = 10  # a price that stands still for so many candles although there were trades
_SILENT_CANDLES = 5  # shorter stretches without a trade are counted, not listed
_SPIKE_TIMES = 30.0  # a candle's range or step, in medians of its neighbourhood
_SPIKE_LEAST = 0.01  # and at least this fraction
_NEIGHBOURHOOD = 1_001  # candles
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class NamedGap:
    """A gap, and what is known of it."""

    gap: Gap
    cause: str
    """`exchange outage of …`, `never fetched`, `the rest of the day is absent: …`, or `unknown`."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of candles, in order, that are odd in the same way."""

    first: datetime
    """Open time of its first candle (UTC)."""
    last: datetime
    """Open time of its last candle (UTC)."""
    candles: int
    """How many."""


@dataclass(frozen=True, slots=True)
class Spike:
    """A candle far out of its neighbourhood."""

    open_time: datetime
    """Which (UTC)."""
    size: float
    """Largest of log(high / low) and the step from the close before, as a fraction."""
    times: float
    """The same in medians of its neighbourhood."""


@dataclass(frozen=True)
class QualityReport:
    """What was found in a series. Counts are of candles unless they say otherwise."""

    symbol: str
    interval: Interval
    start: datetime | None
    """Open time of the first candle (UTC)."""
    end: datetime | None
    """Close time of the last candle (UTC)."""
    cleaning: CleaningReport = field(repr=False)
    """Rows set apart, conflicts, duplicates, order."""
    gaps: tuple[NamedGap, ...]
    """Every stretch of absent candles, in order."""
    zero_volume_runs: tuple[Run, ...]
    """Stretches of at least 5 candles without a trade."""
    stale_runs: tuple[Run, ...]
    """Stretches of at least 10 candles of one unmoving price in spite of trades."""
    spikes: tuple[Spike, ...]
    """Candles far out of their neighbourhood."""
    irregular_close_times: tuple[datetime, ...]
    """Open times of candles that closed at another moment than the interval's end."""
    ties: int
    """Candles that closed where the one before them closed."""
    tie_share: float
    """Of the candles that follow another without a gap, the fraction that are ties."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the rows set apart, ready for JSON."""
        return {
            "symbol": self.symbol,
            "interval": self.interval.value,
            "start": None if self.start is None else self.start.isoformat(),
            "end": None if self.end is None else self.end.isoformat(),
            "cleaning": self.cleaning.to_dict(),
            "gaps": [
                {
                    "first_missing": named.gap.first_missing.isoformat(),
                    "last_missing": named.gap.last_missing.isoformat(),
                    "missing": named.gap.missing,
                    "cause": named.cause,
                }
                for named in self.gaps
            ],
            "zero_volume_runs": [_run_dict(run) for run in self.zero_volume_runs],
            "stale_runs": [_run_dict(run) for run in self.stale_runs],
            "spikes": [
                {"open_time": spike.open_time.isoformat(), "size": spike.size, "times": spike.times}
                for spike in self.spikes
            ],
            "irregular_close_times": [time.isoformat() for time in self.irregular_close_times],
            "ties": self.ties,
            "tie_share": self.tie_share,
        }

    def lines(self) -> list[str]:
        """Return the report as lines of text; at most five examples of each kind, the longest or largest first."""
        head = f"{self.symbol} {self.interval.value}: {self.cleaning.summary()}"
        found = [head if self.start is None else f"{head}; {self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"]
        by_size = sorted(self.gaps, key=lambda named: -named.gap.missing)
        found += _listed("gap", [f"{_gap_text(named.gap)} ({named.cause})" for named in by_size])
        for kind, runs in (("without trades", self.zero_volume_runs), ("stale price", self.stale_runs)):
            longest = sorted(runs, key=lambda run: -run.candles)
            found += _listed(
                kind, [f"{run.first:%Y-%m-%d %H:%M} to {run.last:%H:%M}, {run.candles} candles" for run in longest]
            )
        largest = sorted(self.spikes, key=lambda spike: -spike.times)
        found += _listed(
            "spike", [f"{s.open_time:%Y-%m-%d %H:%M}, {s.size:.1%}, {s.times:.0f} medians" for s in largest]
        )
        found += _listed("irregular close", [f"{time:%Y-%m-%d %H:%M}" for time in self.irregular_close_times])
        return [*found, f"ties: {self.ties} ({self.tie_share:.1%}); neither up nor down"]


def assess_quality(
    frame: pl.DataFrame, symbol: str, interval: str | Interval, covered: Sequence[tuple[int, int]] | None = None
) -> QualityReport:
    """Look at raw klines as a whole.

    Parameters
    ----------
    frame
        As a `KlineSource` returns it; `close_time` is looked at where it is there.
    symbol, interval
        What the rows are of.
    covered
        Spans of open time (ms) that the source was asked for, where that is known.

    Raises
    ------
    MissingColumnError, CandleError
        As of `mlsignal.clean`.

    Notes
    -----
    A spike is a candle whose log(high / low), or whose step from the close before it, is at least 1 % and 30 times
    the median of log(high / low) among the 1,001 candles around it.
    """
    interval = Interval.parse(interval)
    candles, cleaning = clean(frame, symbol, interval)
    ties, following = _ties(candles)
    return QualityReport(
        symbol=symbol,
        interval=interval,
        start=candles.start if len(candles) else None,
        end=candles.end if len(candles) else None,
        cleaning=cleaning,
        gaps=tuple(NamedGap(gap, _cause(gap, interval, covered)) for gap in cleaning.gaps),
        zero_volume_runs=tuple(_runs(candles, candles.volume == 0, _SILENT_CANDLES)),
        stale_runs=tuple(_runs(candles, _unmoving(candles), _STALE_CANDLES)),
        spikes=tuple(_spikes(candles)),
        irregular_close_times=_irregular(frame, interval),
        ties=ties,
        tie_share=ties / following if following else 0.0,
    )


def _cause(gap: Gap, interval: Interval, covered: Sequence[tuple[int, int]] | None) -> str:
    first, last = (int(moment.timestamp() * 1000) for moment in (gap.first_missing, gap.last_missing))
    if covered is not None and not any(start <= last and first <= end for start, end in covered):
        return "never fetched"
    outage = outage_of(gap)
    if outage is not None:
        reach = timedelta(milliseconds=interval.milliseconds)
        within = outage.start - reach <= gap.first_missing and gap.last_missing <= outage.end + reach
        return outage.name if within else f"unknown; the {outage.name} is a part of it"
    is_first_of_day = gap.first_missing.time() == time.min
    after = utc(last + interval.milliseconds)
    if after.time() == time.min and gap.first_missing.date() == gap.last_missing.date() and not is_first_of_day:
        return "the rest of the day is absent: a truncated file"
    return "unknown"


def _ties(candles: Candles) -> tuple[int, int]:
    """Return the ties, and how many candles follow another without a gap."""
    if len(candles) < 2:
        return 0, 0
    adjacent = np.ones(len(candles) - 1, dtype=bool)
    adjacent[candles.gap_starts - 1] = False
    same = candles.close[1:] == candles.close[:-1]
    return int((same & adjacent).sum()), int(adjacent.sum())


def _unmoving(candles: Candles) -> npt.NDArray[np.bool_]:
    flat = (candles.high == candles.low) & (candles.volume > 0)
    same = np.concatenate([[False], candles.close[1:] == candles.close[:-1]]) if len(candles) else flat
    joined: npt.NDArray[np.bool_] = flat & same
    return joined


def _runs(candles: Candles, mask: npt.NDArray[np.bool_], least: int) -> Iterator[Run]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        cuts = [start, *[at for at in candles.gap_starts.tolist() if start < at < stop], stop]
        for first, end in pairwise(cuts):
            if end - first >= least:
                times = candles.open_time_ms
                yield Run(utc(int(times[first])), utc(int(times[end - 1])), end - first)


def _spikes(candles: Candles) -> Iterator[Spike]:
    if not len(candles):
        return
    reach = np.log(candles.high / candles.low)
    step = np.abs(np.diff(np.log(candles.close), prepend=np.log(candles.open[0])))
    step[candles.gap_starts] = 0.0
    size = np.maximum(reach, step)
    window = pl.Series(reach).rolling_median(_NEIGHBOURHOOD, min_samples=1, center=True).to_numpy()
    times = size / np.maximum(window, 1e-6)
    for position in np.flatnonzero((size >= _SPIKE_LEAST) & (times >= _SPIKE_TIMES)).tolist():
        yield Spike(utc(int(candles.open_time_ms[position])), float(size[position]), float(times[position]))


def _irregular(frame: pl.DataFrame, interval: Interval) -> tuple[datetime, ...]:
    if "close_time" not in frame.columns or not isinstance(frame.schema["close_time"], pl.Datetime):
        return ()
    both = frame.select("open_time", "close_time").drop_nulls()
    opens: Times = both["open_time"].dt.epoch("ms").to_numpy()
    closes: Times = both["close_time"].dt.epoch("ms").to_numpy()
    odd = opens[closes != interval.next_array(interval.floor_array(opens)) - 1]
    return tuple(utc(int(time)) for time in np.unique(odd))


def _run_dict(run: Run) -> dict[str, Any]:
    return {"first": run.first.isoformat(), "last": run.last.isoformat(), "candles": run.candles}


def _gap_text(gap: Gap) -> str:
    return f"{gap.first_missing:%Y-%m-%d %H:%M} to {gap.last_missing:%Y-%m-%d %H:%M}, {gap.missing} candles absent"


def _listed(kind: str, texts: list[str]) -> list[str]:
    more = [f"{kind}: and {len(texts) - _SHOWN} more"] if len(texts) > _SHOWN else []
    return [f"{kind}: {text}" for text in texts[:_SHOWN]] + more
