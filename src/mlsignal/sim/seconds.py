"""The seconds of minutes: a split of each minute's slots that adds up to the minute exactly."""

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Times
from mlsignal.sim.flow import Slots
from mlsignal.sim.moves import SLOTS
from mlsignal.sim.table import CandleTable
from mlsignal.sim.volatility import BLOCK

_SECONDS = 60
_SPAN = _SECONDS // SLOTS


def step_seconds(generator: np.random.Generator) -> Times:
    """Return the second of its minute in which each slot's step happens, shape (BLOCK, SLOTS), increasing."""
    return _SPAN * np.arange(SLOTS) + generator.integers(0, _SPAN, size=(BLOCK, SLOTS))


def split_minutes(slots: Slots, starts: Times, rows: slice, open_time_ms: Times) -> CandleTable:
    """Return the 1s candles of some minutes of a block.

    Parameters
    ----------
    slots
        Inside of the block's minutes.
    starts
        Second of each slot's step, shape (BLOCK, SLOTS).
    rows
        Which minutes of the block.
    open_time_ms
        Open time of those minutes, shape (n_minutes,).

    Returns
    -------
    CandleTable
        Sixty candles a minute. A second without trades repeats the price before it, with zero volume.

    Notes
    -----
    Half of a slot's trades fall into the second of its step, which therefore has at least the two that a move
    takes; the rest follow until the next step.
    """
    first = starts[rows]
    length = np.diff(first, axis=1, append=_SECONDS)  # seconds from each step to the next
    marks = np.zeros((len(first), _SECONDS), dtype=np.int64)
    np.put_along_axis(marks, first, 1, axis=1)
    slot = np.cumsum(marks, axis=1) - 1  # -1 before the first step
    known = np.maximum(slot, 0)
    since = np.arange(_SECONDS) - np.take_along_axis(first, known, axis=1)  # negative before the first step

    def spread(column: Times) -> Times:
        return np.take_along_axis(column[:, rows].T, known, axis=1)

    opens = slots.open[rows][:, None]
    price = np.where(slot < 0, opens, spread(slots.price))
    before = np.concatenate([opens, price[:, :-1]], axis=1)
    totals = spread(slots.trades), spread(slots.lots), spread(slots.taker_lots)
    until = _accumulate(totals, since, np.take_along_axis(length, known, axis=1))
    earlier = _accumulate(totals, since - 1, np.take_along_axis(length, known, axis=1))
    trades, lots, taker = (now - then for now, then in zip(until, earlier, strict=True))
    times = open_time_ms[:, None] + 1000 * np.arange(_SECONDS)
    columns = (times, before, np.maximum(before, price), np.minimum(before, price), price)
    amounts = (lots, lots * price, trades, taker, taker * price)
    return CandleTable(*(column.ravel() for column in (*columns, *amounts)))


def _accumulate(totals: tuple[Times, Times, Times], since: Times, length: Times) -> tuple[Times, Times, Times]:
    """Return trades, lots and takers' lots of a slot up to `since` seconds after its step, as whole numbers.

    Every trade has at least one lot, and takers never buy more lots than there are, for floor(a + b) -
    floor(a) is at most ceil(b).
    """
    trades, lots, taker = totals
    begun: npt.NDArray[np.bool_] = since >= 0
    at_step = np.minimum(trades, 2 + np.maximum(trades - 2, 0) // 2)
    rest = (trades - at_step) * np.maximum(since, 0) // np.maximum(length - 1, 1)
    done = np.where(length == 1, trades, at_step + rest)
    done = np.where(begun, done, 0)
    done_lots = done + (lots - trades) * done // np.maximum(trades, 1)
    return done, done_lots, taker * done_lots // np.maximum(lots, 1)
