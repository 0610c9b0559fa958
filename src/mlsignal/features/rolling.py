"""Rolling windows with a memory that ends: no running sums, so that nothing before the window can leak into it.

A running sum carries the rounding of every value it has ever met: after a candle 1,000 times too high, a standard
deviation computed that way stays wrong for good. Here a window of 2n is made of two windows of n, a few vector
additions in all, and exponential averages are cut off after a stated number of candles.
"""

from collections.abc import Sequence

import numpy as np
import talib

from mlsignal.candles import Floats


def rolling_sums(values: Floats, windows: Sequence[int]) -> tuple[Floats, ...]:
    """Sum the last so many values, for several windows at once.

    Parameters
    ----------
    values
        Shape (n,).
    windows
        Each at least 1.

    Returns
    -------
    tuple of arrays of float64, shape (n,)
        NaN in the first `window - 1` places.

    Examples
    --------
    >>> rolling_sums(np.array([1.0, 2.0, 3.0, 4.0]), [2, 3])
    (array([nan,  3.,  5.,  7.]), array([nan, nan,  6.,  9.]))
    """
    n = len(values)
    sums = tuple(_warming(n, window) for window in windows)
    power, size, taken = values, 1, [0] * len(windows)  # power[i] sums values[i : i + size]
    while True:
        for k, window in enumerate(windows):
            if window & size and n >= window:
                part, total = power[taken[k] : taken[k] + n - window + 1], sums[k][window - 1 :]
                np.add(total, part, out=total) if taken[k] else np.copyto(total, part)
                taken[k] += size
        if 2 * size > min(max(windows), n):
            return sums
        power = power[:-size] + power[size:]
        size *= 2


def rolling_mean_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Average and standard deviation (ddof 0) of the last `window` values, at least 1.

    Notes
    -----
    Means and squared deviations of two windows are merged by Chan's formula, which never subtracts large squares.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
    """
    mean, deviation = _warming(len(values), window), _warming(len(values), window)
    count = len(values) - window + 1
    if count < 1:
        return mean, deviation
    means, squares, size, taken = values, np.zeros(len(values)), 1, 0
    merged = means[:count], squares[:count]
    while True:
        if window & size:
            part = means[taken : taken + count], squares[taken : taken + count]
            merged = _merge(*merged, taken, *part, size) if taken else part
            taken += size
        if taken == window:
            break
        means, squares = _merge(means[:-size], squares[:-size], size, means[size:], squares[size:], size)
        size *= 2
    mean[window - 1 :] = merged[0]
    spread = deviation[window - 1 :]
    np.multiply(merged[1], 1 / window, out=spread)
    np.sqrt(spread, out=spread)
    return mean, deviation


def _merge(
    mean_a: Floats, squares_a: Floats, n_a: int, mean_b: Floats, squares_b: Floats, n_b: int
) -> tuple[Floats, Floats]:
    """Merge means and summed squared deviations of two windows of n_a and n_b values."""
    n = n_a + n_b
    delta = mean_b - mean_a
    mean = delta * (n_b / n)
    mean += mean_a
    delta *= delta
    delta *= n_a * n_b / n
    if n > 2:  # a single value has no deviation
        delta += squares_a
        delta += squares_b
    return mean, delta


def _warming(n: int, window: int) -> Floats:
    """Return room for n values, of which the first `window - 1` are NaN and the others unset."""
    room = np.empty(n)
    room[: window - 1] = np.nan
    return room


def finite_ema(values: Floats, period: int, memory: int, factor: float = 1.0) -> Floats:
    """Exponential average of the last `memory` values with the weight 1 - 2 / (period + 1).

    Parameters
    ----------
    values
        Shape (n,), finite.
    period
        The average's usual name: an EMA of 12 has the weight 11/13; Wilder's average of 14 is an EMA of 27.
    memory
        Values it remembers. What is older has no influence at all.
    factor
        What it is multiplied by.

    Returns
    -------
    array of float64, shape (n,)
        NaN in the first `memory - 1` places.

    Notes
    -----
    (E[t] - w^L E[t-L]) / (1 - w^L), over the recursion E that starts from nothing, is the weighted mean of the last L
    values exactly. Leading zeros make TA-Lib start its recursion from nothing.
    """
    n = len(values)
    averaged = _warming(n, memory)
    if n < memory:
        return averaged
    forgotten = (1 - 2 / (period + 1)) ** memory
    padded = np.empty(n + period)
    padded[:period] = 0
    np.multiply(values, factor / (1 - forgotten), out=padded[period:])
    recursion = talib.EMA(padded, period)[period - 1 :]  # recursion[i] is E after values[:i]; recursion[0] is 0
    tail = averaged[memory - 1 :]
    np.multiply(recursion[: n - memory + 1], -forgotten, out=tail)
    tail += recursion[memory:]
    return averaged


def ema_difference(values: Floats, fast: int, slow: int, memory: int) -> Floats:
    """`finite_ema` of a fast period less that of a slow one, from the changes: 0 where nothing changed within memory.

    Parameters
    ----------
    values
        Shape (n,), finite.
    fast, slow, memory
        As `period` and `memory` of `finite_ema`; `memory` at least 2.

    Returns
    -------
    array of float64, shape (n,)
        NaN in the first `memory - 1` places.

    Notes
    -----
    With d the changes and w the weight, summation by parts of the weighted mean of the last L values x gives
    x[t] - mean = (w (d[t] + w d[t-1] + ... + w^(L-2) d[t-L+2]) - w^L (x[t] - x[t-L+1])) / (1 - w^L). Its rounding is in
    proportion to the changes; that of a difference of means is in proportion to x.

    Examples
    --------
    >>> ema_difference(np.array([1.0, 1.0, 3.0, 3.0, 3.0]), 1, 3, 3)
    array([       nan,        nan, 0.85714286, 0.28571429, 0.        ])
    """
    difference = _warming(len(values), memory)
    if len(values) < memory:
        return difference
    change = np.diff(values)
    sums, shares = [], []
    for period in (slow, fast):
        weight = 1 - 2 / (period + 1)
        left = 1 - weight**memory
        factor = weight * (1 - weight ** (memory - 1)) / (1 - weight) / left
        sums.append(finite_ema(change, period, memory - 1, factor)[memory - 2 :])
        shares.append(weight**memory / left)
    moved = values[memory - 1 :] - values[: len(values) - memory + 1]
    moved *= shares[0] - shares[1]
    tail = difference[memory - 1 :]
    np.subtract(sums[0], sums[1], out=tail)
    tail -= moved
    return difference
