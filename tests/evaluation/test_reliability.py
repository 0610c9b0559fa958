import numpy as np
import pytest

from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.reliability import COVERAGES, accuracy_by_coverage, reliability_scores


def calibrated_rows(n=20_000, seed=0):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.3, 0.7, n)
    return (rng.random(n) < p).astype(np.int8), p


def test_brier_parts_add_up_to_the_brier_score():
    y, p = calibrated_rows()
    found = reliability_scores(y, p)
    total = found["reliability"] - found["resolution"] + found["uncertainty"] + found["within_bins"]
    assert total == pytest.approx(np.mean((p - y) ** 2), abs=1e-12)
    assert abs(found["within_bins"]) < 0.001


def test_calibrated_probabilities_have_a_smaller_error_than_overconfident_ones():
    y, p = calibrated_rows()
    wild = 0.5 + 2 * (p - 0.5)
    honest, boastful = reliability_scores(y, p), reliability_scores(y, wild)
    assert honest["ece"] < 0.015
    assert boastful["ece"] > 0.07
    assert boastful["resolution"] == pytest.approx(honest["resolution"])


def test_chance_alone_gives_the_error_and_the_resolution_that_are_said():
    found = [reliability_scores(*calibrated_rows(2_000, seed)) for seed in range(200)]
    mean = {name: np.mean([one[name] for one in found]) for name in found[0]}
    assert mean["ece"] == pytest.approx(mean["ece_by_chance"], rel=0.05)
    rng = np.random.default_rng(0)
    blind = [reliability_scores(rng.integers(0, 2, 2_000), rng.uniform(0.4, 0.6, 2_000)) for _ in range(200)]
    assert np.mean([one["resolution"] for one in blind]) == pytest.approx(blind[0]["resolution_by_chance"], rel=0.1)


def test_labels_that_overlap_leave_more_to_chance():
    horizon, blind = 5, []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        steps = rng.normal(size=2_004)
        y = (np.convolve(steps, np.ones(horizon), "valid") > 0).astype(np.int8)
        p = 0.5 + 0.02 * np.sin(np.arange(2_000) / 40)  # moves slowly, as features do
        blind.append(reliability_scores(y, p, horizon=horizon))
    assert 0.75 < np.mean([one["ece"] for one in blind]) / blind[0]["ece_by_chance"] < 1.05


def test_constant_probability_resolves_nothing():
    y, _ = calibrated_rows(1_000)
    found = reliability_scores(y, np.full(1_000, 0.5))
    assert found["resolution"] == pytest.approx(0)
    assert found["ece"] == pytest.approx(abs(y.mean() - 0.5))


def test_no_rows_give_nan():
    assert np.isnan(reliability_scores(np.empty(0, np.int8), np.empty(0))["ece"])


def test_accuracy_rises_as_coverage_falls_and_ties_are_left_out():
    y, p = calibrated_rows()
    tie = np.random.default_rng(1).random(len(y)) < 0.2
    rows = accuracy_by_coverage(y, tie, p, np.abs(p - 0.5), Resampling(len(y), 1.0, 200, 0))
    assert [row["share"] for row in rows] == list(COVERAGES)
    accuracies = [row["accuracy_without_ties"] for row in rows[:4]]
    assert accuracies == sorted(accuracies)
    assert rows[0]["coverage"] == 1
    assert rows[0]["n"] == int((~tie).sum())
    assert rows[3]["coverage"] == pytest.approx(0.1, abs=0.001)
    share, n = rows[0]["accuracy_without_ties"], rows[0]["n"]
    low, high = rows[0]["ci"]  # of independent rows here: the binomial one
    assert (high - low) / 2 == pytest.approx(1.96 * (share * (1 - share) / n) ** 0.5, rel=0.15)
    assert (low + high) / 2 == pytest.approx(share)


def test_thresholds_come_from_training_rows():
    y, p = calibrated_rows()
    rows = accuracy_by_coverage(y, np.zeros(len(y), bool), p, np.full(10, 0.4), Resampling(len(y), 1.0, 50, 0))
    assert [row["n"] for row in rows[1:]] == [0] * (len(COVERAGES) - 1)
    assert rows[1]["ci"] is None
