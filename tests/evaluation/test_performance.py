"""Returns, drawdowns and ratios: against plain arithmetic."""

import numpy as np
import pytest

from mlsignal.evaluation.performance import candle_returns, deepest_drawdown, drawdowns, ratios
from tests.reference import backtest as reference


@pytest.mark.parametrize("drift", [-1e-5, 0.0, 1e-4])
def test_drawdowns_of_a_long_curve_equal_the_running_maximum(drift: float) -> None:
    steps = np.random.default_rng(1).normal(drift, 1e-3, 50_000)
    values = np.exp(np.cumsum(steps))
    expected = values / np.maximum.accumulate(np.maximum(values, 1.0)) - 1
    np.testing.assert_array_equal(drawdowns(values), expected)
    depth, length = reference.deepest_drawdown(values.tolist())
    assert deepest_drawdown(drawdowns(values)) == (pytest.approx(depth, rel=1e-12), length)


@pytest.mark.parametrize("size", [16_383, 16_384, 16_385])
def test_drawdowns_remember_a_peak_across_blocks(size: int) -> None:
    values = np.full(40_000, 1.0)
    values[size - 1] = 2.0
    found = drawdowns(values)
    assert (found[: size - 1] == 0).all()
    assert found[size - 1] == 0
    assert (found[size:] == -0.5).all()


def test_candle_returns_after_a_ruin_are_nothing() -> None:
    assert candle_returns(np.array([1.1, 0.55, 0.0, 0.0])).tolist() == pytest.approx([0.1, -0.5, -1.0, 0.0])


def test_ratios_are_those_of_the_book() -> None:
    returns = np.random.default_rng(2).normal(1e-4, 1e-3, 500)
    expected = reference.performance(returns.tolist(), 8_766.0)
    assert ratios(returns, 8_766.0) == pytest.approx((expected["sharpe"], expected["sortino"], expected["volatility"]))


def test_ratios_without_risk_are_not_numbers() -> None:
    sharpe, sortino, volatility = ratios(np.zeros(10), 365.25)
    assert (np.isnan(sharpe), np.isnan(sortino), volatility) == (True, True, 0.0)
    assert np.isnan(ratios(np.array([0.1]), 365.25)).all()
    sharpe, sortino, _ = ratios(np.array([0.1, 0.2]), 365.25)
    assert sharpe > 0
    assert np.isnan(sortino)
