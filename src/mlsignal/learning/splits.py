"""Splits in time that know the span of a label: no training label looks at a candle of the test rows."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Times
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.learning.spans import LabelSpans, separate

MIN_TEST_ROWS = 20
"""Fewer rows than this in a test fold say nothing."""


@dataclass(frozen=True)
class Fold:
    """Rows of a dataset to learn from, and those to be scored on.

    Attributes
    ----------
    train, test
        Row numbers, ascending. The test rows are later than the training rows, but in combinatorial folds.
    purged
        How many candidates for training were left out because their label's span overlaps that of a test row.
    embargoed
        How many more were left out by the embargo.
    """

    train: Times
    test: Times
    purged: int
    embargoed: int = 0


def holdout(dataset: Dataset, test_share: float = 0.2, embargo: int = 0) -> Fold:
    """Set the newest `test_share` of the rows apart for the test.

    Parameters
    ----------
    dataset
        Where label spans are read from.
    test_share
        Between 0 and 1.
    embargo
        Candles that must lie free between the last training label and the first test row.

    Raises
    ------
    ConfigurationError
        If the share is not between 0 and 1.
    TooFewCandlesError
        If either side would be too small.
    """
    return split_off(LabelSpans.of(dataset), test_share, embargo)


def time_series_folds(dataset: Dataset, rows: Times, n_folds: int = 10, embargo: int = 0) -> list[Fold]:
    """Cut rows into folds as scikit-learn's TimeSeriesSplit does: each is tested on after learning from all before it.

    Parameters
    ----------
    dataset
        Where label spans are read from.
    rows
        Consecutive row numbers to cut, ascending.
    n_folds
        At least 2.
    embargo
        Candles that must lie free between the last training label and the first test row.

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
        If a fold would have fewer than 20 rows, or none to learn from.
    """
    return cut_in_time(LabelSpans.of(dataset), rows, n_folds, embargo)


def split_off(spans: LabelSpans, test_share: float, embargo: int = 0) -> Fold:
    """Set the newest rows apart; `holdout` for spans."""
    if not 0 < test_share < 1:
        raise ConfigurationError(f"test share: expected a number between 0 and 1, found {test_share}")
    first_test = len(spans) - round(len(spans) * test_share)
    fold = fold_after(spans, np.arange(first_test), np.arange(first_test, len(spans)), embargo)
    if len(fold.test) < MIN_TEST_ROWS or len(fold.train) < MIN_TEST_ROWS:
        raise TooFewCandlesError(
            f"{spans.name}: {len(spans)} usable rows leave {len(fold.train)} to learn from and "
            f"{len(fold.test)} to test; "
            f"at least {MIN_TEST_ROWS} of each are needed: give more candles"
        )
    return fold


def cut_in_time(spans: LabelSpans, rows: Times, n_folds: int, embargo: int = 0) -> list[Fold]:
    """Cut rows as TimeSeriesSplit does; `time_series_folds` for spans."""
    if n_folds < 2:
        raise ConfigurationError(f"folds: expected at least 2, found {n_folds}")
    size = len(rows) // (n_folds + 1)
    if size < MIN_TEST_ROWS:
        needed = MIN_TEST_ROWS * (n_folds + 1)
        raise TooFewCandlesError(
            f"{spans.name}: {len(rows)} training rows are too few for {n_folds} folds, which need "
            f"at least {needed}; "
            "give more candles (--lookback-candles) or fewer folds (--folds)"
        )
    first_tests = len(rows) - size * np.arange(n_folds, 0, -1)
    folds = [fold_after(spans, rows[:first], rows[first : first + size], embargo) for first in first_tests]
    if not len(folds[0].train):
        raise TooFewCandlesError(
            f"{spans.name}: the first of {n_folds} folds has nothing to learn from ({folds[0].purged} rows purged, "
            f"{folds[0].embargoed} embargoed); give more candles (--lookback-candles) or fewer folds (--folds)"
        )
    return folds


def fold_after(spans: LabelSpans, train: Times, test: Times, embargo: int = 0) -> Fold:
    """Return a fold whose test rows follow all of its training rows, purged, the embargo lying between them."""
    kept, purged, embargoed = separate(spans, train, test, ahead=embargo)
    return Fold(kept, test, purged, embargoed)
