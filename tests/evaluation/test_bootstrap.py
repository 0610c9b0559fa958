"""The stationary bootstrap: its counts, its exact variance, and the block length against closed forms and a loop."""

import numpy as np
import pytest
from scipy.signal import lfilter

from mlsignal.errors import ConfigurationError
from mlsignal.evaluation.bootstrap import Resampling, autocovariances, automatic_block_length, plan_resampling
from tests.reference import uncertainty as reference


def autoregressive(phi: float, n: int, seed: int) -> np.ndarray:
    return lfilter([1], [1, -phi], np.random.default_rng(seed).normal(size=n + 500))[500:]


@pytest.mark.parametrize("block_length", [1.0, 1.7, 12.0, 300.0, 5_000.0])
def test_counts_sum_to_the_rows_in_every_replicate(block_length: float) -> None:
    chunks = list(Resampling(300, block_length, 50, 4).counts())
    counts = np.concatenate(chunks, axis=1)
    assert counts.shape == (300, 50)
    assert (counts.sum(axis=0) == 300).all()
    assert counts.min() >= 0


def test_counts_are_the_same_whenever_asked_and_bounded_in_memory() -> None:
    resampling = Resampling(60_000, 5.0, 20, 9)
    first, again = list(resampling.counts()), list(resampling.counts())
    assert len(first) == 3
    assert all(chunk.nbytes <= 4e6 for chunk in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], first[1])


@pytest.mark.parametrize("block_length", [1.0, 3.0, 20.0])
def test_variance_of_the_mean_is_the_exact_one(block_length: float) -> None:
    values = autoregressive(0.7, 60, 1)
    means = np.concatenate([values @ counts / 60 for counts in Resampling(60, block_length, 60_000, 2).counts()])
    expected = reference.variance_of_stationary_bootstrap_mean(values, block_length)
    assert means.mean() == pytest.approx(values.mean(), abs=5 * (expected / 60_000) ** 0.5)
    assert means.var() == pytest.approx(expected, rel=0.03)


def test_every_row_occurs_equally_often() -> None:
    mean = np.concatenate(list(Resampling(40, 8.0, 40_000, 3).counts()), axis=1).mean(axis=1)
    np.testing.assert_allclose(mean, 1, atol=0.06)


@pytest.mark.parametrize("phi", [0.5, 0.9, -0.5])
def test_block_length_of_an_autoregression_is_the_closed_form(phi: float) -> None:
    """G = 2 R0 phi / (1 - phi)², g = R0 (1 + phi) / (1 - phi): b = (2 |phi| / (1 - phi²))^(2/3) n^(1/3)."""
    n = 200_000
    expected = (2 * abs(phi) / (1 - phi**2)) ** (2 / 3) * n ** (1 / 3)
    assert automatic_block_length(autoregressive(phi, n, 0)) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("seed", range(6))
def test_block_length_equals_the_loop(seed: int) -> None:
    values = autoregressive((0.0, 0.3, 0.6, 0.9, 0.97, -0.8)[seed], 300, seed)
    assert automatic_block_length(values) == pytest.approx(reference.block_length(values), rel=1e-9)


def test_block_length_of_several_series_is_the_longest() -> None:
    slow, fast = autoregressive(0.95, 2_000, 0), autoregressive(0.2, 2_000, 1)
    assert automatic_block_length([fast, slow]) == automatic_block_length(slow) > automatic_block_length(fast)


@pytest.mark.parametrize("values", [np.ones(50), np.zeros(1), np.array([1.0, 2.0, 3.0])])
def test_block_length_of_what_does_not_tell_is_one(values: np.ndarray) -> None:
    assert automatic_block_length(values) == 1


@pytest.mark.parametrize("n", [7, 30, 100])
def test_block_length_of_a_random_walk_stays_within_its_bounds(n: int) -> None:
    found = [automatic_block_length(np.cumsum(np.random.default_rng(seed).normal(size=n))) for seed in range(50)]
    assert min(found) >= 1
    assert max(found) <= min(3 * n**0.5, n / 3)
    assert max(found) > 1 or n == 7


def test_autocovariances_equal_the_loop() -> None:
    values = autoregressive(0.6, 80, 5)
    expected = [reference.autocovariance(values, lag) for lag in range(12)]
    np.testing.assert_allclose(autocovariances(values, 11), expected, atol=1e-12)


def test_standard_error_of_a_mean_makes_the_loss_of_blocks_good() -> None:
    """The mean error over samples is that of the mean itself, where the bare one is a tenth too small."""
    rng = np.random.default_rng(0)
    resampling = Resampling(200, 20.0, 300, 1)
    counts = np.concatenate(list(resampling.counts()), axis=1)
    errors = [resampling.standard_error(rng.normal(size=200) @ counts / 200) for _ in range(300)]
    assert np.mean(np.square(errors)) * 200 == pytest.approx(1, abs=0.06)


@pytest.mark.parametrize(
    ("rows", "length", "replicates"), [(0, 1, 10), (10, 0.5, 10), (10, 1, 1), (5, float("nan"), 9)]
)
def test_plan_of_what_cannot_be_is_refused(rows: int, length: float, replicates: int) -> None:
    with pytest.raises(ConfigurationError, match="bootstrap: expected"):
        plan_resampling(rows, length, np.random.default_rng(0), replicates)


def test_plan_takes_its_seed_from_the_generator() -> None:
    plans = [plan_resampling(10, 2, np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert plans[0] == plans[1] != plans[2]
