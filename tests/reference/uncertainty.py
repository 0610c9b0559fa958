"""Slow and obvious: resampled rows, block lengths, autocovariances and the Diebold-Mariano statistic."""

import math

import numpy as np


def autocovariance(values: np.ndarray, lag: int) -> float:
    mean = sum(values) / len(values)
    return sum((values[t] - mean) * (values[t + lag] - mean) for t in range(len(values) - lag)) / len(values)


def variance_of_stationary_bootstrap_mean(values: np.ndarray, block_length: float) -> float:
    """Politis and Romano (1994): the exact variance of the mean over infinitely many replicates."""
    n, p = len(values), 1 / block_length
    centred = values - values.mean()
    total = 0.0
    for k in range(n):
        circular = sum(centred[t] * centred[(t + k) % n] for t in range(n)) / n
        total += circular * (1 - p) ** k * (1 - k / n if k else 1.0) * (2 if k else 1)
    return total / n


def block_length(values: np.ndarray) -> float:
    """Politis and White (2004) with the correction of 2009, step by step."""
    n = len(values)
    run = max(5, math.ceil(math.sqrt(math.log10(n))))
    most = math.ceil(math.sqrt(n)) + run
    r = [autocovariance(values, k) for k in range(most + 1)]
    threshold = 2 * math.sqrt(math.log10(n) / n)
    found = None
    for m in range(most - run + 1):
        if all(abs(r[m + k] / r[0]) < threshold for k in range(1, run + 1)):
            found = m
            break
    if found is None:
        found = max((k for k in range(1, most + 1) if abs(r[k] / r[0]) >= threshold), default=0)
    bandwidth = min(2 * found, most)

    def window(t: float) -> float:
        return 1.0 if abs(t) <= 0.5 else 2 * (1 - abs(t)) if abs(t) <= 1 else 0.0

    if not bandwidth:
        return 1.0
    lags = range(-bandwidth, bandwidth + 1)
    g = sum(window(k / bandwidth) * r[abs(k)] for k in lags)
    slope = sum(window(k / bandwidth) * abs(k) * r[abs(k)] for k in lags)
    best = (2 * slope**2 / (2 * g**2)) ** (1 / 3) * n ** (1 / 3)
    return min(max(best, 1.0), 3 * math.sqrt(n), n / 3)


def diebold_mariano_statistic(loss: np.ndarray, other: np.ndarray, horizon: int, bandwidth: int) -> float:
    """Mean difference over the Newey-West error, times the factor of Harvey, Leybourne and Newbold."""
    d = [a - b for a, b in zip(loss, other, strict=True)]
    n = len(d)
    variance = autocovariance(np.array(d), 0)
    for k in range(1, bandwidth + 1):
        variance += 2 * (1 - k / (bandwidth + 1)) * autocovariance(np.array(d), k)
    factor = (n + 1 - 2 * horizon + horizon * (horizon - 1) / n) / n
    return sum(d) / n / math.sqrt(variance / n) * math.sqrt(factor)
