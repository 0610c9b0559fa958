"""Intervals: against published numbers, and by their coverage of a known truth."""

import numpy as np
import pytest

from mlsignal.evaluation.uncertainty import (
    auc_interval,
    auc_standard_error,
    mean_interval,
    score_intervals,
    share_interval,
)
from mlsignal.metrics import classification_scores, roc_auc

SIMULATIONS = 400


def test_auc_error_equals_the_formula_by_hand() -> None:
    """A = .8, 10 ups, 20 downs: Q1 = .8/1.2, Q2 = 1.28/1.8, (.16 + 9 (Q1 - .64) + 19 (Q2 - .64)) / 200 = .0087556."""
    assert auc_standard_error(0.8, 10, 20) == pytest.approx(0.0087555556**0.5, rel=1e-6)


def test_auc_interval_covers_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(0)
    truth, covered = 0.5, 0
    for _ in range(SIMULATIONS):
        y = (rng.random(600) < 0.5).astype(np.int8)
        low, high = auc_interval(roc_auc(y, rng.random(600)), int(y.sum()), int(600 - y.sum()))
        covered += low <= truth <= high
    assert 0.92 < covered / SIMULATIONS < 0.98


def test_share_interval_covers_the_truth_19_times_of_20() -> None:
    rng = np.random.default_rng(1)
    hits = rng.binomial(300, 0.53, SIMULATIONS) / 300
    covered = sum(low <= 0.53 <= high for low, high in (share_interval(share, 300) for share in hits))
    assert 0.92 < covered / SIMULATIONS < 0.98


def test_mean_interval_is_the_normal_one() -> None:
    values = np.random.default_rng(2).normal(size=1_000)
    low, high = mean_interval(values)
    assert (high - low) / 2 == pytest.approx(1.95996 * values.std(ddof=1) / 1_000**0.5, rel=1e-5)
    assert (low + high) / 2 == pytest.approx(values.mean())


def test_score_intervals_hold_their_scores() -> None:
    rng = np.random.default_rng(3)
    y, p_up = (rng.random(500) < 0.5).astype(np.int8), rng.random(500)
    scores = classification_scores(y, p_up)
    intervals = score_intervals(y, p_up, scores)
    assert set(intervals) == {"roc_auc", "accuracy", "log_loss", "brier"}
    assert all(low < scores[name] < high for name, (low, high) in intervals.items())


def test_score_intervals_of_one_class_leave_the_auc_out() -> None:
    y, p_up = np.ones(50, dtype=np.int8), np.full(50, 0.6)
    assert "roc_auc" not in score_intervals(y, p_up, classification_scores(y, p_up))
