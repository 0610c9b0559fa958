"""The probability of backtest overfitting, against an independent judge and where the truth is known."""

import numpy as np
import purgedcv
import pytest

from mlsignal.errors import DataError
from mlsignal.evaluation.overfitting import probability_of_overfitting


@pytest.mark.parametrize("blocks", [4, 8])
def test_overfitting_is_that_of_the_independent_judge(blocks: int) -> None:
    returns = np.random.default_rng(0).normal(0.01, 1, (160, 6)) + 0.05 * np.arange(6)
    ours = probability_of_overfitting(returns, blocks)
    judge = purgedcv.probability_of_backtest_overfitting(returns.T, n_splits=blocks)
    assert ours.pbo == pytest.approx(judge.pbo)
    np.testing.assert_allclose(ours.logits, np.sort(judge.logits), atol=1e-12)
    assert ours.slope == pytest.approx(judge.slope)
    assert (ours.mean_chosen, ours.mean_after) == pytest.approx(tuple(judge.is_oos_performance.mean(axis=0)))
    assert ours.loss_share == pytest.approx((judge.is_oos_performance[:, 1] < 0).mean())


def test_strategies_without_skill_overfit_half_of_the_time() -> None:
    rng = np.random.default_rng(1)
    found = [probability_of_overfitting(rng.normal(size=(160, 20)), 8).pbo for _ in range(150)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.07)


def test_one_strategy_with_skill_does_not_overfit() -> None:
    returns = np.random.default_rng(2).normal(size=(320, 20))
    returns[:, 7] += 0.5
    found = probability_of_overfitting(returns)
    assert found.pbo < 0.01
    assert len(found.logits) == 12_870
    assert found.loss_share == 0


def test_short_spans_take_fewer_blocks_and_whole_ones() -> None:
    assert probability_of_overfitting(np.random.default_rng(3).normal(size=(13, 3))).n_blocks == 6


def test_a_strategy_that_never_trades_has_a_ratio_of_zero() -> None:
    returns = np.random.default_rng(4).normal(-1, 0.1, (64, 3))
    returns[:, 1] = 0
    found = probability_of_overfitting(returns, 8)
    assert (found.pbo, found.mean_chosen, found.mean_after) == (0, 0, 0)
    assert np.isnan(found.slope)


def test_to_dict_keeps_quartiles_of_the_logits() -> None:
    found = probability_of_overfitting(np.random.default_rng(5).normal(size=(64, 5)), 8).to_dict()
    assert len(found["logits"]) == 3
    assert found["n_trials"] == 5


@pytest.mark.parametrize("returns", [np.zeros((100, 1)), np.zeros((7, 3)), np.zeros(50), np.full((20, 3), np.nan)])
def test_what_cannot_be_compared_is_refused(returns: np.ndarray) -> None:
    with pytest.raises(DataError, match="overfitting: expected"):
        probability_of_overfitting(returns)
