"""Diebold and Mariano against a loop, and paired differences of scores."""

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from mlsignal.errors import ConfigurationError
from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.comparison import compare_forecasts, diebold_mariano, score_difference
from mlsignal.evaluation.resampled_scores import Forecast, resample_scores
from tests.reference import uncertainty as reference


@pytest.mark.parametrize("horizon", [1, 4, 40])
def test_diebold_mariano_equals_the_loop(horizon: int) -> None:
    rng = np.random.default_rng(horizon)
    loss, other = rng.exponential(size=150), rng.exponential(size=150)
    found = diebold_mariano(loss, other, horizon)
    assert found.bandwidth == max(16, 2 * horizon)
    expected = reference.diebold_mariano_statistic(loss, other, horizon, found.bandwidth)
    assert found.statistic == pytest.approx(expected, rel=1e-9)
    assert found.difference == pytest.approx(loss.mean() - other.mean())


def test_diebold_mariano_turned_round_turns_its_p() -> None:
    rng = np.random.default_rng(0)
    loss, other = rng.exponential(size=200), rng.exponential(size=200)
    one, two = diebold_mariano(loss, other), diebold_mariano(other, loss)
    assert one.p == pytest.approx(1 - two.p)
    assert one.p_two_sided == pytest.approx(two.p_two_sided) == pytest.approx(2 * min(one.p, two.p))


def test_diebold_mariano_finds_the_lower_loss() -> None:
    rng = np.random.default_rng(0)
    loss = rng.exponential(size=2_000)
    found = diebold_mariano(loss, loss + rng.normal(0.01, 0.05, 2_000))
    assert found.difference < 0
    assert found.p < 1e-6


@pytest.mark.parametrize("n", [0, 3, 100])
def test_diebold_mariano_of_what_does_not_tell_claims_nothing(n: int) -> None:
    loss = np.full(n, 0.7)
    assert diebold_mariano(loss, loss).p == 1
    assert diebold_mariano(loss, loss + 1).p == 1


def test_diebold_mariano_of_losses_of_different_rows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="same rows"):
        diebold_mariano(np.ones(5), np.ones(6))


@pytest.mark.parametrize("phi", [0.0, 0.8])
def test_diebold_mariano_of_equal_losses_keeps_its_level(phi: float) -> None:
    """Losses differ by a series that depends on itself; the share of p < .01 is what .01 (and a little) explains."""
    runs, rng = 2_000, np.random.default_rng(1)
    noise = lfilter([1], [1, -phi], rng.normal(size=(runs, 700)), axis=1)[:, 100:]
    zero = np.zeros(600)
    found = sum(diebold_mariano(one, zero).p < 0.01 for one in noise)
    assert binom.ppf(1e-4, runs, 0.007) <= found <= binom.isf(1e-4, runs, 0.015)


def sample(n: int = 1_500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    logit = rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    return y, (y == 0) & (rng.random(n) < 0.1), logit


def test_paired_difference_is_surer_than_its_parts() -> None:
    y, tie, logit = sample()
    good = Forecast(1 / (1 + np.exp(-logit)))
    noise = np.random.default_rng(3).normal(size=len(y))
    worse = Forecast(1 / (1 + np.exp(-(logit + 0.5 * noise))))
    resampling = Resampling(len(y), 1.0, 500, 0)
    found = resample_scores(y, tie, {"good": good, "worse": worse}, resampling)
    difference = score_difference(found["good"], found["worse"], "without_ties.roc_auc")
    assert difference.difference > 0
    assert difference.interval is not None
    low, high = difference.interval
    assert 0 < low < difference.difference < high
    assert difference.p < 0.05
    alone = found["good"].interval("without_ties.roc_auc")
    assert alone is not None
    assert high - low < 0.6 * (alone[1] - alone[0])


def test_difference_of_a_forecast_and_itself_claims_nothing() -> None:
    y, tie, logit = sample(300)
    one = Forecast(1 / (1 + np.exp(-logit)))
    found = compare_forecasts(y, tie, one, one, np.random.default_rng(0))
    assert {score.p for score in found.scores} == {1.0}
    assert {score.interval for score in found.scores} == {None}
    assert found.diebold_mariano.p == 1


def test_difference_of_two_resamplings_is_refused() -> None:
    y, tie, logit = sample(300)
    one = {"m": Forecast(1 / (1 + np.exp(-logit)))}
    a, b = (resample_scores(y, tie, one, Resampling(300, 1.0, 20, seed))["m"] for seed in (0, 1))
    with pytest.raises(ConfigurationError, match="resampled together"):
        score_difference(a, b, "roc_auc")


def test_comparison_of_equally_good_forecasts_keeps_its_level() -> None:
    """Two scorers see the truth with errors of the same size: 5 % of the p-values are below .05."""
    runs, n, rng, found = 300, 400, np.random.default_rng(4), 0
    none_tied = np.zeros(n, dtype=np.bool_)
    for _ in range(runs):
        logit = rng.normal(size=n)
        y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
        pair = {name: Forecast(1 / (1 + np.exp(-logit - rng.normal(size=n)))) for name in "ab"}
        scores = resample_scores(y, none_tied, pair, Resampling(n, 1.0, 200, int(rng.integers(2**32))))
        found += score_difference(scores["a"], scores["b"], "roc_auc").p < 0.05
    assert binom.ppf(1e-4, runs, 0.04) <= found <= binom.isf(1e-4, runs, 0.06)
