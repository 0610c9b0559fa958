"""How a minute moves inside, before anything decides which way: ten steps of random size and direction."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats, Times
from mlsignal.sim.randomness import Purpose, stream
from mlsignal.sim.symbols import SYMBOL_MODELS, SymbolModel
from mlsignal.sim.volatility import BLOCK

Flags = npt.NDArray[np.bool_]

SLOTS: Final = 10
"""Steps of a minute; each falls into its own six seconds."""

_STEP_SHARE: Final = (2 * SLOTS) ** -0.5  # of the minute's volatility: the variance of an exponential step is 2
_LARGEST_STEP: Final = 0.015  # of the price: the tails are heavy, but end
_QUIET_SLOPE: Final = 1.2
_QUIET_SIZE: Final = 0.3


@dataclass(frozen=True, slots=True)
class Moves:
    """The steps of a block's minutes; their direction is still open, for each is as likely turned over.

    Sizes depend on nothing that knows a sign, so whoever flips a whole minute decides its direction and
    nothing else.
    """

    units: Floats
    """Steps in units of the volatility, shape (SLOTS, BLOCK)."""
    ticks: Times
    """Steps in ticks, shape (SLOTS, BLOCK)."""
    net: Times
    """Sum of each minute's steps, shape (BLOCK,)."""
    reach: Times
    """Farthest that each minute strays from its open, in ticks, shape (BLOCK,)."""


def unit_moves(seed: int, model: SymbolModel, block: int) -> Floats:
    """Return steps of exponential size, each directed by a fair coin of its own, shape (SLOTS, BLOCK)."""
    name = model.info.name
    coins = np.frombuffer(stream(seed, name, block, Purpose.COIN).bytes(SLOTS * BLOCK // 8), dtype=np.uint8)
    directions = np.unpackbits(coins).reshape(SLOTS, BLOCK).astype(np.float32) * 2 - 1
    sizes = stream(seed, name, block, Purpose.SIZE).standard_exponential((SLOTS, BLOCK), dtype=np.float32)
    units = directions * sizes
    if model.leader is not None:
        own = np.float32((1 - model.copied_size**2) ** 0.5)
        lead = unit_moves(seed, SYMBOL_MODELS[model.leader], block)
        units = np.float32(model.copied_size) * lead + own * units
    return units.astype(np.float64)


def draw_moves(seed: int, model: SymbolModel, block: int, log_volatility: Floats, price_ticks: int) -> Moves:
    """Draw the steps of a block.

    Parameters
    ----------
    seed, model, block
        What to draw for.
    log_volatility
        Of each minute, the hours of the day included, shape (BLOCK,).
    price_ticks
        Price that the steps are in proportion to.
    """
    units = unit_moves(seed, model, block)
    scale = model.volatility * _STEP_SHARE * price_ticks * np.exp(log_volatility)
    largest = _LARGEST_STEP * price_ticks
    ticks = np.rint(np.clip(units * scale, -largest, largest))
    if model.quiet_share:
        quiet = _quiet_minutes(seed, model, block, log_volatility)
        half = np.rint(_QUIET_SIZE * ticks[: SLOTS // 2, quiet])
        ticks[:, quiet] = np.concatenate([half, -half])
    whole = ticks.astype(np.int64)
    path = np.cumsum(whole, axis=0)
    return Moves(units, whole, path[-1], np.abs(path).max(axis=0))


def _quiet_minutes(seed: int, model: SymbolModel, block: int, log_volatility: Floats) -> Flags:
    probability = np.minimum(0.25, model.quiet_share * np.exp(-_QUIET_SLOPE * log_volatility - 0.2))
    return np.asarray(stream(seed, model.info.name, block, Purpose.QUIET).random(BLOCK) < probability)


def survivors(first_close: int, net: Times, reach: Times, floor: int) -> Flags:
    """Tell which minutes may move: not one that could, either way it went, bring the price below `floor`.

    Parameters
    ----------
    first_close
        Price in ticks before the first minute.
    net, reach
        Signed move of each minute and farthest distance from its open, in ticks, shape (n,).
    floor
        Lowest price allowed, in ticks.
    """
    alive = np.ones(len(net), dtype=bool)
    while True:
        moved = np.where(alive, net, 0)
        opens = first_close + np.cumsum(moved) - moved
        sunk = alive & (opens - reach < floor)
        if not sunk.any():
            return alive
        alive[np.argmax(sunk)] = False
