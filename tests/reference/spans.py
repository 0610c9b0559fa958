"""Which training rows leave a fold, row by row against test row by test row."""

import numpy as np


def overlaps(position: np.ndarray, span_end: np.ndarray, train: int, test: np.ndarray) -> bool:
    """Whether the label span of a row shares a candle with that of any test row."""
    return any(position[j] <= span_end[train] and span_end[j] >= position[train] for j in test)


def embargoed_behind(position: np.ndarray, span_end: np.ndarray, train: int, test: np.ndarray, embargo: int) -> bool:
    """Whether a row stands within `embargo` candles behind the label span of any test row before it."""
    return any(span_end[j] < position[train] <= span_end[j] + embargo for j in test)


def embargoed_ahead(position: np.ndarray, span_end: np.ndarray, train: int, test: np.ndarray, embargo: int) -> bool:
    """Whether a row's label ends with fewer than `embargo` free candles before the first test row."""
    first = position[test].min()
    return bool(span_end[train] < first <= span_end[train] + embargo)
