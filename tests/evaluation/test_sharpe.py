"""Sharpe ratios against simulation, published formulas and an independent judge."""

import numpy as np
import purgedcv
import pytest

from mlsignal.errors import ConfigurationError, DataError
from mlsignal.evaluation.sharpe import (
    SharpeMoments,
    annualised_sharpe,
    deflated_sharpe,
    expected_maximum_sharpe,
    probabilistic_sharpe,
    sharpe_moments,
)


def test_moments_are_those_of_the_returns() -> None:
    found = sharpe_moments(np.array([0.01, -0.02, 0.03, 0.0]))
    assert found.ratio == pytest.approx(0.005 / np.std([0.01, -0.02, 0.03, 0.0], ddof=1))
    assert found.n_periods == 4
    normal = sharpe_moments(np.random.default_rng(0).normal(size=200_000))
    assert (normal.skewness, normal.kurtosis) == pytest.approx((0, 3), abs=0.05)


def test_standard_error_of_normal_returns_is_that_of_lo() -> None:
    assert SharpeMoments(0.5, 0.0, 3.0, 101).standard_error == pytest.approx(((1 + 0.5**2 / 2) / 100) ** 0.5)


def test_standard_error_is_the_spread_over_samples_of_skewed_returns() -> None:
    samples = 0.6 - np.random.default_rng(1).exponential(0.5, (4_000, 500))
    found = [sharpe_moments(sample) for sample in samples]
    spread = np.std([one.ratio for one in found])
    assert np.mean([one.standard_error for one in found]) == pytest.approx(spread, rel=0.05)


@pytest.mark.parametrize(("trials", "variance"), [(1, 0.01), (2, 0.01), (50, 1e-4), (1_000, 0.0)])
def test_expected_maximum_is_that_of_the_independent_judge(trials: int, variance: float) -> None:
    returns = np.random.default_rng(2).normal(0.05, 1, 500)
    judge = purgedcv.deflated_sharpe_ratio_full(returns, trials, variance)
    assert expected_maximum_sharpe(trials, variance**0.5) == pytest.approx(judge.sr_star, rel=1e-12)


def test_expected_maximum_is_that_of_simulated_trials() -> None:
    best = np.random.default_rng(3).normal(0, 0.2, (20_000, 40)).max(axis=1)
    assert expected_maximum_sharpe(40, 0.2) == pytest.approx(best.mean(), rel=0.02)


@pytest.mark.parametrize("trials", [1, 10, 200])
def test_deflated_sharpe_is_that_of_the_independent_judge(trials: int) -> None:
    """The judge divides by n where we divide by n - 1, and corrects the moments for their bias: 1 / n apart."""
    returns = np.random.default_rng(4).standard_t(6, 4_000) + 0.06
    ours = deflated_sharpe(sharpe_moments(returns), trials, 0.02)
    assert ours == pytest.approx(purgedcv.deflated_sharpe_ratio(returns, trials, 0.02**2), abs=2e-3)


def test_deflated_sharpe_falls_with_the_trials() -> None:
    moments = SharpeMoments(0.05, 0.0, 3.0, 2_000)
    found = [deflated_sharpe(moments, trials, 0.02) for trials in (1, 10, 100, 1_000)]
    assert found == sorted(found, reverse=True)
    assert found[0] == probabilistic_sharpe(moments) > 0.98 > 0.5 > found[-1]


def test_best_of_null_trials_is_not_taken_for_skill() -> None:
    """Of 50 strategies without skill the best: deflated above .95 in few of 300 searches, bare in most."""
    rng, bare, deflated = np.random.default_rng(5), 0, 0
    for _ in range(300):
        found = [sharpe_moments(returns) for returns in rng.normal(size=(50, 250))]
        best = max(found, key=lambda one: one.ratio)
        spread = float(np.std([one.ratio for one in found], ddof=1))
        bare += probabilistic_sharpe(best) > 0.95
        deflated += deflated_sharpe(best, 50, spread) > 0.95
    assert bare > 250
    assert deflated < 15


def test_annualised_sharpe_grows_with_the_root_of_the_periods() -> None:
    assert annualised_sharpe(0.01, 365) == pytest.approx(0.01 * 365**0.5)
    with pytest.raises(ConfigurationError, match="more than 0"):
        annualised_sharpe(0.01, 0)


def test_returns_that_do_not_vary_have_no_ratio() -> None:
    found = sharpe_moments(np.full(20, 0.1))
    assert np.isnan(found.ratio)
    assert np.isnan(probabilistic_sharpe(found))


@pytest.mark.parametrize("returns", [np.array([0.1]), np.array([0.1, np.nan, 0.2])])
def test_returns_too_few_or_not_finite_are_refused(returns: np.ndarray) -> None:
    with pytest.raises(DataError, match="at least 2 finite returns"):
        sharpe_moments(returns)


@pytest.mark.parametrize(("trials", "spread"), [(0, 0.1), (5, -0.1), (5, float("nan"))])
def test_expected_maximum_of_what_cannot_be_is_refused(trials: float, spread: float) -> None:
    with pytest.raises(ConfigurationError, match="expected maximum"):
        expected_maximum_sharpe(trials, spread)
