import numpy as np
import pytest

from mlsignal.learning.calibration import Calibration
from mlsignal.metrics import roc_auc


def scored(n=50_000, slope=0.5, intercept=0.2, seed=0):
    """Scores whose true probability of up has the logit slope * logit(score) + intercept."""
    rng = np.random.default_rng(seed)
    score = rng.uniform(0.1, 0.9, n)
    logit = slope * np.log(score / (1 - score)) + intercept
    return (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8), score


def test_calibration_finds_the_sigmoid_that_made_the_labels():
    y, score = scored()
    found = Calibration.fit(y, score)
    assert found.slope == pytest.approx(0.5, abs=0.03)
    assert found.intercept == pytest.approx(0.2, abs=0.03)
    assert found.n == len(y)


def test_calibration_keeps_the_ranking_and_the_share_of_ups():
    y, score = scored()
    p = Calibration.fit(y, score)(score)
    assert roc_auc(y, p) == pytest.approx(roc_auc(y, score), abs=1e-12)
    assert p.mean() == pytest.approx(y.mean(), abs=1e-4)


def test_calibration_never_turns_a_ranking_over():
    y, score = scored()
    found = Calibration.fit(y, 1 - score)
    assert found.slope == 0
    np.testing.assert_allclose(found(score), y.mean(), atol=1e-4)


@pytest.mark.parametrize(("y", "score"), [([1, 1, 1], [0.1, 0.5, 0.9]), ([0, 1, 1], [0.4, 0.4, 0.4]), ([], [])])
def test_calibration_of_rows_that_tell_nothing_is_the_share_of_ups(y, score):
    found = Calibration.fit(np.array(y, dtype=np.int8), np.array(score, dtype=float))
    expected = (sum(y) + 0.5) / (len(y) + 1)
    np.testing.assert_allclose(found(np.array([0.0, 0.5, 1.0])), expected)


def test_calibration_leaves_nan_alone():
    assert np.isnan(Calibration(1.0, 0.0, 1)(np.array([np.nan]))[0])
