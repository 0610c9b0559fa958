"""Slow, obvious indicators that the fast ones must match: plain loops over the last `memory` candles."""

import math
from collections.abc import Sequence
from itertools import pairwise


def finite_ema(values: Sequence[float], period: int, memory: int) -> float:
    """Weighted mean of the last `memory` values with weights w^0, w^1, ... from the newest back."""
    weight = 1 - 2 / (period + 1)
    total, weights = 0.0, 0.0
    for age in range(memory):
        total += weight**age * values[-1 - age]
        weights += weight**age
    return total / weights


def rsi(close: Sequence[float], memory: int) -> float:
    changes = [b - a for a, b in pairwise(close)]
    gain = finite_ema([max(change, 0.0) for change in changes], 27, memory - 1)
    loss = finite_ema([max(-change, 0.0) for change in changes], 27, memory - 1)
    return 50.0 if gain + loss < 1e-12 * close[-1] else 100 * gain / (gain + loss)


def atr(high: Sequence[float], low: Sequence[float], close: Sequence[float], memory: int) -> float:
    ranges = [
        max(high[t] - low[t], abs(high[t] - close[t - 1]), abs(low[t] - close[t - 1])) for t in range(1, len(close))
    ]
    return finite_ema(ranges, 27, memory - 1)


def bollinger(close: Sequence[float]) -> tuple[float, float]:
    window = list(close[-20:])
    middle = math.fsum(window) / 20
    deviation = math.sqrt(math.fsum((value - middle) ** 2 for value in window) / 20)
    width = 4 * deviation
    return width / middle, (0.5 if width < 1e-12 * close[-1] else (close[-1] - middle) / width + 0.5)


def macd(close: Sequence[float], memory: int, signal_memory: int) -> tuple[float, float]:
    def line(end: int) -> float:
        return finite_ema(close[:end], 12, memory) - finite_ema(close[:end], 26, memory)

    n = len(close)
    lines = [line(n - age) for age in range(signal_memory, -1, -1)]
    return lines[-1], finite_ema(lines, 9, signal_memory + 1)
