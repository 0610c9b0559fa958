"""Baselines: what they say, and that their probabilities come from training rows only."""

import numpy as np
import pytest

from mlsignal.dataset import Dataset, build_dataset
from mlsignal.evaluation.baselines import BASELINES, fit_baseline, fit_baselines, score_baseline, shuffle_labels
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import compute_features
from mlsignal.labels import direction_labels
from mlsignal.learning.splits import Fold, holdout
from tests.strategies import make_candles


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Fold]:
    candles = make_candles(3_000, tick=20.0)
    dataset = build_dataset(compute_features(candles, CLASSIC), direction_labels(candles))
    return dataset, holdout(dataset)


def test_baselines_decide_as_they_are_called(data: tuple[Dataset, Fold]) -> None:
    dataset, fold = data
    last = np.sign(dataset.last_return[fold.test])
    assert fit_baseline("always_up", *data).up.all()
    np.testing.assert_array_equal(fit_baseline("persistence", *data).up, last > 0)
    np.testing.assert_array_equal(fit_baseline("reversal", *data).up, last < 0)
    majority = dataset.y[fold.train].mean() > 0.5
    assert (fit_baseline("majority", *data).up == majority).all()


@pytest.mark.parametrize("name", [name for name, rule in BASELINES.items() if not rule.shuffled])
def test_baseline_probabilities_are_frequencies_of_the_training_rows(name: str, data: tuple[Dataset, Fold]) -> None:
    dataset, fold = data
    baseline = fit_baseline(name, dataset, fold)
    on_train = fit_baseline(name, dataset, Fold(fold.train, fold.train, 0)).decision
    for decision in np.unique(baseline.decision):
        rows = dataset.y[fold.train][on_train == decision]
        expected = (rows.sum() + 0.5) / (len(rows) + 1)
        assert baseline.p_up[baseline.decision == decision] == pytest.approx(expected)
        moved = dataset.y[fold.train][(on_train == decision) & ~dataset.tie[fold.train]]
        expected = (moved.sum() + 0.5) / (len(moved) + 1)
        assert baseline.p_moved[baseline.decision == decision] == pytest.approx(expected)


def test_shuffled_labels_teach_nothing(data: tuple[Dataset, Fold]) -> None:
    dataset, fold = data
    baseline = fit_baseline("shuffled_labels", *data)
    assert np.abs(baseline.p_moved - dataset.y[fold.train][~dataset.tie[fold.train]].mean()).max() < 0.05
    shuffled = shuffle_labels(dataset, fold.train, np.random.default_rng(0))
    np.testing.assert_array_equal(shuffled.y[fold.test], dataset.y[fold.test])
    assert shuffled.y[fold.train].sum() == dataset.y[fold.train].sum()
    assert (shuffled.y[fold.train] != dataset.y[fold.train]).mean() > 0.4
    assert not (shuffled.y[shuffled.tie] == 1).any()


def test_baseline_auc_of_reversal_mirrors_persistence(data: tuple[Dataset, Fold]) -> None:
    dataset, fold = data
    y, tie = dataset.y[fold.test], dataset.tie[fold.test]
    scores = {name: score_baseline(baseline, y, tie) for name, baseline in fit_baselines(*data).items()}
    assert scores["persistence"]["roc_auc"] + scores["reversal"]["roc_auc"] == pytest.approx(1)
    assert scores["always_up"]["roc_auc"] == 0.5
    up = data[0].y[data[1].test].mean()
    assert scores["always_up"]["f1_up"] == pytest.approx(2 * up / (1 + up))
