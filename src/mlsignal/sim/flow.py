"""Who traded how much: trades, volume and the takers' share, slot by slot of a minute."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.sim.moves import SLOTS, Flags, Moves
from mlsignal.sim.randomness import Purpose, stream
from mlsignal.sim.symbols import SymbolModel
from mlsignal.sim.table import CandleTable
from mlsignal.sim.volatility import BLOCK

_TAKER_LEAN = 0.3  # how far takers lean towards the step that they make
_DEAD_SHARE = 0.15  # of the minutes without any step, where the tick is coarse


@dataclass(frozen=True, slots=True)
class Slots:
    """A block's minutes slot by slot: price after the step (ticks), trades, lots, lots bought by takers.

    Shape of each column is (SLOTS, BLOCK); of `open`, the price before the first step, (BLOCK,).
    """

    open: Times
    price: Times
    trades: Times
    lots: Times
    taker_lots: Times

    def minutes(self, open_time_ms: Times) -> CandleTable:
        """Return the 1m candles that the slots add up to."""
        return CandleTable(
            open_time_ms,
            self.open,
            np.maximum(self.open, self.price.max(axis=0)),
            np.minimum(self.open, self.price.min(axis=0)),
            self.price[-1],
            self.lots.sum(axis=0),
            np.einsum("ij,ij->j", self.lots, self.price),
            self.trades.sum(axis=0),
            self.taker_lots.sum(axis=0),
            np.einsum("ij,ij->j", self.taker_lots, self.price),
        )


def fill_slots(
    seed: int,
    model: SymbolModel,
    block: int,
    moves: Moves,
    flip: Times,
    alive: Flags,
    opens: Times,
    activity: Floats,
) -> Slots:
    """Draw the order flow of a block whose directions are known.

    Parameters
    ----------
    seed, model, block
        What to draw for.
    moves, flip, alive
        Steps of each minute; whether it is turned over (-1) or not (+1); whether it may move at all.
    opens
        Price before each minute, in ticks, shape (BLOCK,).
    activity
        Log of the expected volume relative to the symbol's typical, shape (BLOCK,).

    Notes
    -----
    Amounts depend on the sizes of steps, never on directions. The takers' share of a slot leans towards the
    direction of that very slot. So nothing traded until any second tells which way later seconds go.
    """
    generator = stream(seed, model.info.name, block, Purpose.FLOW)
    noise = generator.standard_normal((3, BLOCK))
    steps = np.where(alive, moves.ticks * flip, 0)
    sizes = np.abs(moves.units) + 0.5
    total = sizes.sum(axis=0)
    share = sizes / total
    log_volume = activity + 0.9 * np.log(total / (1.5 * SLOTS)) + 0.4 * noise[0]
    wanted = model.volume * 10**model.info.lot_decimals * np.exp(log_volume - 0.3)
    count = model.trades * np.exp(0.85 * log_volume + 0.15 * noise[1] - 0.3)
    trades = 2 + (share * count).astype(np.int64)
    lots = trades + (share * wanted).astype(np.int64)
    lean = _TAKER_LEAN * (moves.units * flip) / sizes
    taker_lots = (lots * (0.5 + lean + np.clip(0.05 * noise[2], -0.15, 0.15))).astype(np.int64)
    dead = ~moves.ticks.any(axis=0) & (generator.random(BLOCK) < _DEAD_SHARE)
    trades[:, dead] = lots[:, dead] = taker_lots[:, dead] = 0
    return Slots(opens, opens + np.cumsum(steps, axis=0), trades, lots, taker_lots)
