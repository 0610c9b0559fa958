"""Splits: against scikit-learn's TimeSeriesSplit, and no label span reaches a test row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import TimeSeriesSplit

from mlsignal.candles import Candles
from mlsignal.dataset import Dataset, build_dataset
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.features.feature import compute_features, feature
from mlsignal.labels import direction_labels
from mlsignal.learning.splits import holdout, time_series_folds
from tests.strategies import make_candles


@feature(lookback=1)
def body(candles: Candles) -> np.ndarray:
    """Return of the candle."""
    return candles.close / candles.open - 1


def dataset(n: int = 1_000, horizon: int = 1, gaps: tuple[int, ...] = ()) -> Dataset:
    candles = make_candles(n, gaps=gaps)
    return build_dataset(compute_features(candles, [body]), direction_labels(candles, horizon))


@pytest.mark.parametrize("horizon", [1, 5])
@pytest.mark.parametrize("n_folds", [2, 10])
def test_folds_without_gaps_equal_time_series_split(horizon: int, n_folds: int) -> None:
    data = dataset(1_003, horizon)
    rows = np.arange(803)
    expected = TimeSeriesSplit(n_folds, gap=horizon).split(rows)
    for fold, (train, test) in zip(time_series_folds(data, rows, n_folds), expected, strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)
        assert fold.purged == horizon


@settings(deadline=None, max_examples=40)
@given(horizon=st.integers(1, 30), gaps=st.sets(st.integers(1, 799), max_size=5), n_folds=st.integers(2, 10))
def test_no_training_label_reaches_a_test_row(horizon: int, gaps: set[int], n_folds: int) -> None:
    data = dataset(800, horizon, tuple(sorted(gaps)))
    split = holdout(data, 0.2)
    for fold in [split, *time_series_folds(data, split.train, n_folds)]:
        assert data.span_end[fold.train].max() < data.position[fold.test[0]]
        assert fold.train[-1] < fold.test[0]
    assert set(fold.test) <= set(split.train)


def test_holdout_keeps_the_newest_rows_for_the_test() -> None:
    data = dataset(1_000)
    split = holdout(data, 0.2)
    assert len(split.test) == round(0.2 * len(data))
    assert split.test[-1] == len(data) - 1
    assert len(split.train) + split.purged + len(split.test) == len(data)


def test_too_few_rows_for_the_folds_are_refused() -> None:
    data = dataset(300)
    with pytest.raises(TooFewCandlesError, match="too few for 10 folds, which need at least 220"):
        time_series_folds(data, np.arange(200), 10)
    with pytest.raises(TooFewCandlesError, match="at least 20 of each"):
        holdout(dataset(40), 0.2)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5])
def test_bad_test_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        holdout(dataset(), share)
