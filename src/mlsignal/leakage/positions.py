"""At which candles an audit looks: where cheating shows, and where chance falls."""

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Times
from mlsignal.dataset import last_returns

SPECIAL_SEGMENTS = 8
"""Gap-free stretches whose ends are always among the positions."""


def choose_positions(
    candles: Candles, lookback: int, count: int, random: np.random.Generator, extremes: Times | None = None
) -> Times:
    """Choose candles that have their whole lookback, ascending.

    Parameters
    ----------
    candles
        Any.
    lookback
        Candles that must be there without a gap, the position's own included.
    count
        How many are wanted; fewer where there are not so many.
    random
        Where chance comes from.
    extremes
        `extreme_candles` of the candles, where they are known already.

    Returns
    -------
    array of int64
        The first and the last candles of segments, candles of extreme and of no move or volume (where rules for
        exceptions hide), and random ones; at least half of them random.
    """
    eligible = has_lookback(candles, lookback)
    rows = np.flatnonzero(eligible)
    if len(rows) <= count:
        return rows
    special = [*_ends(candles, lookback), *(extreme_candles(candles) if extremes is None else extremes).tolist()]
    chosen = np.array([row for row in dict.fromkeys(special) if eligible[row]][: count // 2], dtype=np.int64)
    eligible[chosen] = False
    others = np.flatnonzero(eligible)
    # Numbers are cheaper to draw without repetition than rows.
    drawn = random.choice(len(others), count - len(chosen), replace=False, shuffle=False)
    return np.sort(np.concatenate([chosen, others[drawn]]))


def has_lookback(candles: Candles, lookback: int) -> npt.NDArray[np.bool_]:
    """Tell which candles have `lookback` candles without a gap, their own included; shape (n_candles,)."""
    eligible = np.zeros(len(candles), dtype=np.bool_)
    for start, stop in candles.segment_bounds:
        eligible[start + lookback - 1 : stop] = True
    return eligible


def extreme_candles(candles: Candles) -> Times:
    """Return candles of the largest and smallest move, range and volume, each with the one before it."""
    move = np.abs(last_returns(candles))
    spread = (candles.high - candles.low) / candles.close
    rows: list[int] = []
    for extreme in (move, -move, spread, candles.volume, -candles.volume):
        for place in np.argpartition(-extreme, min(2, len(extreme) - 1))[:3].tolist():
            rows += [place, max(0, place - 1)]
    return np.array(list(dict.fromkeys(rows)), dtype=np.int64)


def _ends(candles: Candles, lookback: int) -> list[int]:
    """Return the first candles with their lookback and the last ones of some gap-free stretches."""
    bounds = candles.segment_bounds
    some = (
        bounds
        if len(bounds) <= SPECIAL_SEGMENTS
        else bounds[: SPECIAL_SEGMENTS // 2] + bounds[-SPECIAL_SEGMENTS // 2 :]
    )
    return [
        row
        for start, stop in some
        for row in (start + lookback - 1, start + lookback, stop - 1, stop - 2)
        if start <= row < stop
    ]
