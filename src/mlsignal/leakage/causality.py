"""Whether a value at a candle moves with what comes after it: cut off, or replaced by other candles."""

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.leakage.alteration import ALTERATIONS, alter_rows
from mlsignal.leakage.computation import Audited, Wholes, told_difference, told_time
from mlsignal.leakage.finding import CheckResult, Finding

PREFIXES = "prefixes"
FUTURE = "future as noise"
BEFORE = 2
"""Gap-free stretches that a prefix keeps before that of its last candle."""


def check_prefixes(candles: Candles, audited: Audited, wholes: Wholes, positions: Times) -> CheckResult:
    """Compare each feature on the candles up to t with the same on all candles, at every row up to t.

    Parameters
    ----------
    candles
        The whole series.
    audited, wholes
        The features, and their values on the whole series.
    positions
        The last candles t of the prefixes.

    Returns
    -------
    CheckResult
        A finding for each column that has another value where the candles after t are missing.
    """
    found: dict[str, Finding] = {}
    for t, segment in zip(positions.tolist(), candles.segment_ids[positions].tolist(), strict=True):
        bounds = candles.segment_bounds
        first, start = bounds[max(0, segment - BEFORE)][0], bounds[segment][0]
        pairs = (
            (first, wholes.engine, audited.through_engine(candles[first : t + 1])),
            (start, wholes.direct, audited.directly(candles[start : t + 1])),
        )
        for begin, whole, prefix in pairs:
            _collect(
                found, PREFIXES, candles, audited, (begin, t), whole[begin : t + 1], prefix,
                "where the candles after {t} are cut off",
            )  # fmt: skip
    return CheckResult(PREFIXES, _told(audited, len(positions), "candle"), len(positions), tuple(found.values()))


def check_future(candles: Candles, audited: Audited, wholes: Wholes, positions: Times, seed: int) -> CheckResult:
    """Replace the candles after t, and all beyond the gaps around, by others: no value up to t may move.

    Parameters
    ----------
    candles
        The whole series.
    audited, wholes
        The features, and their values on the whole series.
    positions
        The candles t. By turns the future is shuffled, noisy and a thousandfold; every fourth time what is left of
        the gap-free stretch is cut off instead.
    seed
        Of the noise.

    Returns
    -------
    CheckResult
        A finding for each column that moves.
    """
    random = np.random.default_rng([seed, 1])
    found: dict[str, Finding] = {}
    bounds = candles.segment_bounds
    segments = candles.segment_ids[positions].tolist()
    for number, (t, segment) in enumerate(zip(positions.tolist(), segments, strict=True)):
        first, last = bounds[max(0, segment - 1)][0], bounds[min(len(bounds) - 1, segment + 1)][1]
        start, stop = bounds[segment]
        part = candles[first:last]
        rows = np.arange(first, last)
        alteration = ALTERATIONS[number % len(ALTERATIONS)]
        altered = alter_rows(part, np.flatnonzero((rows < start) | (rows > t)), alteration, random)
        if number % 4 == 3:
            altered = _without(altered, t + 1 - first, stop - first)
            told = "where the rest of the stretch after {t} is cut off and its neighbours are other candles"
        else:
            told = f"where the candles after {{t}} are others ({alteration})"
        inside = slice(start - first, t + 1 - first)
        engine = audited.through_engine(altered)[inside]
        direct = audited.directly(_stretch(altered, start - first))[: t + 1 - start]
        for whole, now in ((wholes.engine, engine), (wholes.direct, direct)):
            _collect(found, FUTURE, candles, audited, (start, t), whole[start : t + 1], now, told)
    return CheckResult(FUTURE, _told(audited, len(positions), "altered future"), len(positions), tuple(found.values()))


def _without(candles: Candles, start: int, stop: int) -> Candles:
    kept = np.r_[0:start, stop : len(candles)]
    values = {name: candles.column(name)[kept] for name in candles.columns}
    return Candles(candles.symbol, candles.interval, candles.open_time_ms[kept], values)


def _stretch(candles: Candles, start: int) -> Candles:
    """Return the gap-free stretch that begins at a position."""
    return next(candles[first:stop] for first, stop in candles.segment_bounds if first == start)


def _collect(
    found: dict[str, Finding], check: str, candles: Candles, audited: Audited, rows: tuple[int, int], whole: Floats,
    other: Floats, told: str,
) -> None:  # fmt: skip
    """Add a finding for each column that differs and has none yet."""
    begin, t = rows
    apart = audited.different(candles.close[begin : t + 1], whole, other)
    for k in np.flatnonzero(apart.any(axis=0)).tolist():
        if audited.names[k] in found:
            continue
        row = int(np.argmax(apart[:, k]))
        moment = told_time(candles, t)
        explanation = (
            f"the value of {told_time(candles, begin + row)} changes {told.format(t=moment)}: "
            f"{told_difference(float(whole[row, k]), float(other[row, k]))}"
        )
        found[audited.names[k]] = Finding(check, audited.names[k], explanation)


def _told(audited: Audited, count: int, what: str) -> str:
    return f"{len(audited.names)} columns at {count} {what}{'' if count == 1 else 's'}"
