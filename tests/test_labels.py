"""Labels: direction, ties, spans, gaps; and their join with features."""

import numpy as np
import pytest

from mlsignal.dataset import build_dataset, last_returns
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import compute_features
from mlsignal.labels import direction_labels
from tests.strategies import make_candles


@pytest.mark.parametrize("horizon", [1, 3, 15])
def test_labels_equal_a_plain_loop(horizon: int) -> None:
    candles = make_candles(200, gaps=(50, 60), tick=10.0)
    labels = direction_labels(candles, horizon)
    segments = candles.segment_ids
    for t in range(200):
        future = t + horizon
        known = future < 200 and segments[future] == segments[t]
        assert labels.known[t] == known
        assert labels.span_end[t] == future
        if known:
            assert labels.up[t] == (candles.close[future] > candles.close[t])
            assert labels.tie[t] == (candles.close[future] == candles.close[t])
            assert labels.forward_return[t] == pytest.approx(candles.close[future] / candles.close[t] - 1)
        else:
            assert not labels.up[t]
            assert np.isnan(labels.forward_return[t])
    assert labels.tie.any()


@pytest.mark.parametrize(("horizon", "ties"), [(0, "down"), (1, "up")])
def test_labels_of_bad_options_are_refused(horizon: int, ties: str) -> None:
    with pytest.raises(ConfigurationError):
        direction_labels(make_candles(5), horizon, ties)  # type: ignore[arg-type]


def test_dataset_keeps_complete_rows_only() -> None:
    candles = make_candles(1_500, gaps=(700,))
    frame, labels = compute_features(candles, CLASSIC), direction_labels(candles)
    dataset = build_dataset(frame, labels)
    expected = [t for t in range(1_500) if np.isfinite(frame.values[t]).all() and labels.known[t]]
    assert dataset.position.tolist() == expected
    assert dataset.position.tolist() == [*range(329, 699), *range(700 + 329, 1_499)]
    np.testing.assert_array_equal(dataset.X, frame.values[expected])
    np.testing.assert_array_equal(dataset.y, labels.up[expected])


def test_dataset_with_dropped_ties_does_not_train_on_them() -> None:
    candles = make_candles(600, tick=30.0)
    frame = compute_features(candles, CLASSIC)
    kept = build_dataset(frame, direction_labels(candles))
    dropped = build_dataset(frame, direction_labels(candles, ties="drop"))
    assert kept.trainable.all()
    np.testing.assert_array_equal(dropped.trainable, ~dropped.tie)
    assert len(dropped) == len(kept)


def test_dataset_without_a_complete_row_is_refused() -> None:
    candles = make_candles(300)
    with pytest.raises(TooFewCandlesError, match="none of the 300 candles"):
        build_dataset(compute_features(candles, CLASSIC), direction_labels(candles))


def test_last_return_after_a_gap_is_zero() -> None:
    candles = make_candles(10, gaps=(4,))
    returns = last_returns(candles)
    assert returns[[0, 4]].tolist() == [0.0, 0.0]
    assert returns[5] == candles.close[5] / candles.close[4] - 1
