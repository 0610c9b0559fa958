"""Candles that are not what happened: an altered future, altered neighbours, a market never met before."""

from typing import Literal, get_args

import numpy as np

from mlsignal.candles import Candles, Floats, Times

Alteration = Literal["shuffled", "noisy", "scaled"]
ALTERATIONS: tuple[Alteration, ...] = get_args(Alteration)

PRICES = frozenset({"open", "high", "low", "close"})
NOISE = 0.02
"""Standard deviation of the logarithm of the factor that noise puts on the prices of a candle."""
SCALE = 1_000.0


def alter_rows(candles: Candles, rows: Times, alteration: Alteration, random: np.random.Generator) -> Candles:
    """Replace rows of candles by others that are valid candles too; times stay.

    Parameters
    ----------
    candles
        Any.
    rows
        Positions to replace.
    alteration
        "shuffled" puts candles of other moments there, "noisy" multiplies all prices of a candle by one random factor
        and its amounts by another, "scaled" by 1,000.
    random
        Where chance comes from.
    """
    if not len(rows):
        return candles
    values = {}
    prices = _factors(len(rows), alteration, random)
    amounts = _factors(len(rows), alteration, random)
    from_rows = random.integers(0, len(candles), len(rows)) if alteration == "shuffled" else rows
    for name in candles.columns:
        column = candles.column(name).copy()
        column[rows] = column[from_rows] * (prices if name in PRICES else amounts)
        values[name] = column
    return Candles(candles.symbol, candles.interval, candles.open_time_ms, values)


def _factors(n: int, alteration: Alteration, random: np.random.Generator) -> Floats:
    if alteration == "scaled":
        return np.full(n, SCALE)
    spread = NOISE if alteration == "noisy" else NOISE / 10
    return np.asarray(np.exp(random.normal(0, spread, n)))


def unseen(candles: Candles, number: int, random: np.random.Generator) -> Candles:
    """Move candles to other times and another level of prices and amounts: nothing remembered of them can help.

    Parameters
    ----------
    candles
        Any.
    number
        Of the copy: copies of different numbers have different times.
    random
        Where chance comes from.
    """
    later = (number + 1) * (len(candles) + int(random.integers(1, 100)))
    prices, amounts = np.exp(random.normal(0, 0.3, 2))
    values = {name: candles.column(name) * (prices if name in PRICES else amounts) for name in candles.columns}
    times = candles.interval.next_array(candles.open_time_ms, later)
    return Candles(candles.symbol, candles.interval, times, values)


def writable_copy(candles: Candles) -> Candles:
    """Copy candles into arrays of their own that can be written, so that who writes into them is found out."""
    values = {name: candles.column(name).copy() for name in candles.columns}
    return Candles(candles.symbol, candles.interval, candles.open_time_ms.copy(), values)
