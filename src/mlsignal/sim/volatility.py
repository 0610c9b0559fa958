"""Volatility that clusters at several time scales and follows the hours of the day."""

import math
from typing import Final

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.sim.randomness import Purpose, stream

BLOCK: Final = 4096
"""Minutes that are drawn together."""

_SCALES: Final = ((2.0, 0.20), (40.0, 0.30), (480.0, 0.28), (5_000.0, 0.25))  # (minutes, standard deviation)
_JUMP_PROBABILITY: Final = 0.004
_JUMP: Final = math.log(3.5)
_DAY_MINUTES: Final = 1440


class LogVolatility:
    """Log volatility by minute: a sum of autoregressions of a few minutes to a few days, and rare jumps.

    Parameters
    ----------
    seed
        Seed of the market.
    name
        Symbol, or "MARKET" for the part that all symbols share.
    """

    def __init__(self, seed: int, name: str) -> None:
        self.seed = seed
        self.name = name
        start = stream(seed, name, 0, Purpose.START).standard_normal(len(_SCALES))
        self._state = [sd * float(z) for (_, sd), z in zip(_SCALES, start, strict=True)]
        self._blocks: list[Floats] = []

    def block(self, index: int) -> Floats:
        """Return the log volatility of the minutes of a block, mean about 0, shape (BLOCK,)."""
        while len(self._blocks) <= index:
            self._blocks.append(self._extend(len(self._blocks)))
        return self._blocks[index]

    def _extend(self, index: int) -> Floats:
        generator = stream(self.seed, self.name, index, Purpose.VOLATILITY)
        total = np.where(generator.random(BLOCK) < _JUMP_PROBABILITY, _JUMP, 0.0)
        for number, (minutes, sd) in enumerate(_SCALES):
            weight = math.exp(-1 / minutes)
            shocks = generator.standard_normal(BLOCK) * (sd * math.sqrt(1 - weight**2))
            part = autoregression(shocks, weight, self._state[number])
            self._state[number] = float(part[-1])
            total += part
        return total


def autoregression(shocks: Floats, weight: float, before: float) -> Floats:
    """Return x[t] = weight x[t-1] + shocks[t], where x[-1] is `before`, shape as `shocks`.

    Notes
    -----
    By doubling: after k rounds every element has summed its last 2^k shocks. Ends when the weight of what is
    older falls below the last bit of a float.

    Examples
    --------
    >>> autoregression(np.array([1.0, 0.0, 0.0]), 0.5, 2.0).tolist()
    [2.0, 1.0, 0.5]
    """
    series = shocks.copy()
    series[0] += weight * before
    reach, power = 1, weight
    while reach < len(series) and power > 1e-18:
        series[reach:] += power * series[:-reach]  # the right-hand side is evaluated before it is added
        reach, power = 2 * reach, power**2
    return series


def season(minute_of_day: Times) -> Floats:
    """Return the log of volatility's factor by UTC minute of the day: high near 15:00, low near 4:00."""
    angle = 2 * math.pi * (np.arange(_DAY_MINUTES) / _DAY_MINUTES - 15 / 24)
    table = 0.28 * np.cos(angle) + 0.10 * np.cos(2 * angle)
    return np.asarray(table[minute_of_day], dtype=np.float64)
