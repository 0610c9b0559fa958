"""Splits in time that know the span of a label: no training label looks at a candle of the test rows."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Times
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError, TooFewCandlesError

MIN_TEST_ROWS = 20
"""Fewer rows than this in a test fold say nothing."""


@dataclass(frozen=True)
class Fold:
    """Rows of a dataset to learn from, and the later rows to be scored on.

    Attributes
    ----------
    train, test
        Row numbers, ascending.
    purged
        How many rows between them were left out because their label reaches into the test rows.
    """

    train: Times
    test: Times
    purged: int


def holdout(dataset: Dataset, test_share: float = 0.2) -> Fold:
    """Set the newest `test_share` of the rows apart for the test.

    Raises
    ------
    ConfigurationError
        If the share is not between 0 and 1.
    TooFewCandlesError
        If either side would be too small.
    """
    if not 0 < test_share < 1:
        raise ConfigurationError(f"test share: expected a number between 0 and 1, found {test_share}")
    first_test = len(dataset) - round(len(dataset) * test_share)
    fold = _purged(dataset, np.arange(first_test), np.arange(first_test, len(dataset)))
    if len(fold.test) < MIN_TEST_ROWS or len(fold.train) < MIN_TEST_ROWS:
        raise TooFewCandlesError(
            f"{dataset.candles.symbol}: {len(dataset)} usable rows leave {len(fold.train)} to learn from and "
            f"{len(fold.test)} to test; "
            f"at least {MIN_TEST_ROWS} of each are needed: give more candles"
        )
    return fold


def time_series_folds(dataset: Dataset, rows: Times, n_folds: int = 10) -> list[Fold]:
    """Cut rows into folds as scikit-learn's TimeSeriesSplit does: each is tested on after learning from all before it.

    Parameters
    ----------
    dataset
        Where label spans are read from.
    rows
        Consecutive row numbers to cut, ascending.
    n_folds
        At least 2.

    Returns
    -------
    list of Fold
        Training rows whose label reaches the first test row's candle are purged, which for whole stretches equals
        TimeSeriesSplit's `gap` of one horizon.

    Raises
    ------
    ConfigurationError
        If `n_folds` is below 2.
    TooFewCandlesError
        If a fold would have fewer than 20 rows.
    """
    if n_folds < 2:
        raise ConfigurationError(f"folds: expected at least 2, found {n_folds}")
    size = len(rows) // (n_folds + 1)
    if size < MIN_TEST_ROWS:
        needed = MIN_TEST_ROWS * (n_folds + 1)
        raise TooFewCandlesError(
            f"{dataset.candles.symbol}: {len(rows)} training rows are too few for {n_folds} folds, which need "
            f"at least {needed}; "
            "give more candles (--lookback-candles) or fewer folds (--folds)"
        )
    first_tests = len(rows) - size * np.arange(n_folds, 0, -1)
    return [_purged(dataset, rows[:first], rows[first : first + size]) for first in first_tests]


def _purged(dataset: Dataset, train: Times, test: Times) -> Fold:
    if not len(test):
        return Fold(train, test, 0)
    kept = train[dataset.span_end[train] < dataset.position[test[0]]]
    return Fold(kept, test, len(train) - len(kept))
