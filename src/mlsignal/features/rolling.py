"""Rolling windows with a memory that ends: no running sums, so that nothing before the window can leak into it.

A running sum carries the rounding of every value it has ever met: after a candle 1,000 times too high, a standard
deviation computed that way stays wrong for good. Here a window of 2n is made of two windows of n, a few vector
additions in all, and exponential averages are cut off after a stated number of candles.
"""

import numpy as np
import talib

from mlsignal.candles import Floats


def rolling_sum(values: Floats, window: int) -> Floats:
    """Sum the last `window` values.

    Parameters
    ----------
    values
        Shape (n,).
    window
        At least 1.

    Returns
    -------
    array of float64, shape (n,)
        NaN in the first `window - 1` places.

    Examples
    --------
    >>> rolling_sum(np.array([1.0, 2.0, 3.0, 4.0]), 3)
    array([nan, nan,  6.,  9.])
    """
    total = np.full(len(values), np.nan)
    if len(values) < window:
        return total
    power, size, taken = values, 1, 0  # power[i] sums values[i : i + size]
    count = len(values) - window + 1
    result = total[window - 1 :]
    result[:] = 0
    while True:
        if window & size:
            result += power[taken : taken + count]
            taken += size
        if taken == window:
            break
        power = power[:-size] + power[size:]
        size *= 2
    return total


def rolling_mean(values: Floats, window: int) -> Floats:
    """Average the last `window` values; NaN in the first `window - 1` places."""
    total = rolling_sum(values, window)
    total /= window
    return total


def rolling_mean_std(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Average and standard deviation (ddof 0) of the last `window` values.

    Notes
    -----
    Means and squared deviations of two windows are merged by Chan's formula, which never subtracts large squares.

    References
    ----------
    Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3).
    """
    mean, deviation = (np.full(len(values), np.nan) for _ in range(2))
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
    np.sqrt(merged[1] / window, out=deviation[window - 1 :])
    return mean, deviation


def _merge(
    mean_a: Floats, squares_a: Floats, n_a: int, mean_b: Floats, squares_b: Floats, n_b: int
) -> tuple[Floats, Floats]:
    """Merge means and summed squared deviations of two windows of n_a and n_b values."""
    delta = mean_b - mean_a
    squares = squares_a + squares_b
    mean = mean_a + delta * (n_b / (n_a + n_b))
    delta *= delta
    delta *= n_a * n_b / (n_a + n_b)
    squares += delta
    return mean, squares


def finite_ema(values: Floats, period: int, memory: int) -> Floats:
    """Exponential average of the last `memory` values with the weight 1 - 2 / (period + 1).

    Parameters
    ----------
    values
        Shape (n,), finite.
    period
        The average's usual name: an EMA of 12 has the weight 11/13; Wilder's average of 14 is an EMA of 27.
    memory
        Values it remembers. What is older has no influence at all.

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
    averaged = np.full(n, np.nan)
    if n < memory:
        return averaged
    padded = np.zeros(n + period)
    padded[period:] = values
    recursion = talib.EMA(padded, period)[period - 1 :]  # recursion[i] is E after values[:i]; recursion[0] is 0
    forgotten = (1 - 2 / (period + 1)) ** memory
    tail = averaged[memory - 1 :]
    np.multiply(recursion[: n - memory + 1], -forgotten, out=tail)
    tail += recursion[memory:]
    tail /= 1 - forgotten
    return averaged
