"""Labels of chance, and the count of edges found where there is none."""

import numpy as np
import pytest
from scipy import stats

from mlsignal.labels import direction_labels
from mlsignal.leakage.nulls import binomial_tail, judge_nulls, shuffle_labels
from tests.strategies import make_candles


def test_shuffled_labels_are_the_same_ones_elsewhere() -> None:
    labels = direction_labels(make_candles(2_000, gaps=(500,)), 3)
    dealt = shuffle_labels(labels, np.random.default_rng(0))
    known = labels.known
    np.testing.assert_array_equal(dealt.known, known)
    np.testing.assert_array_equal(dealt.span_end, labels.span_end)
    np.testing.assert_array_equal(np.sort(dealt.forward_return[known]), np.sort(labels.forward_return[known]))
    np.testing.assert_array_equal(dealt.up[known] == 1, dealt.forward_return[known] > 0)
    np.testing.assert_array_equal(dealt.tie[known], dealt.forward_return[known] == 0)
    assert abs(np.corrcoef(dealt.forward_return[known], labels.forward_return[known])[0, 1]) < 0.1


def test_shuffled_labels_keep_their_dependence() -> None:
    labels = direction_labels(make_candles(5_000), 10)
    dealt = shuffle_labels(labels, np.random.default_rng(0))

    def neighbours(values: np.ndarray) -> float:
        return float(np.corrcoef(values[:-1], values[1:])[0, 1])

    assert neighbours(dealt.up[labels.known]) == pytest.approx(neighbours(labels.up[labels.known]), abs=0.05)


@pytest.mark.parametrize(
    ("successes", "trials", "share"), [(0, 10, 0.05), (3, 10, 0.05), (11, 40, 0.05), (200, 200, 0.5)]
)
def test_binomial_tail_is_that_of_the_library(successes: int, trials: int, share: float) -> None:
    assert binomial_tail(successes, trials, share) == pytest.approx(stats.binom.sf(successes - 1, trials, share))


def test_nulls_fail_only_where_chance_is_no_excuse() -> None:
    trials = 100
    most = max(k for k in range(trials) if stats.binom.sf(k - 1, trials, 0.05) >= 0.001)
    assert judge_nulls("null markets", "null markets", most, trials).findings == ()
    findings = judge_nulls("null markets", "null markets", most + 1, trials).findings
    assert f"{most + 1} of 100 runs" in findings[0].explanation
    assert judge_nulls("null markets", "null markets", 0, 0).result == "nothing to check"
