"""Baselines: what they say, and that their probabilities come from training rows only."""

import numpy as np
import pytest

from mlsignal.dataset import Dataset, build_dataset
from mlsignal.evaluation.baselines import BASELINES, fit_baseline, score_baselines
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


@pytest.mark.parametrize("name", BASELINES)
def test_baseline_probabilities_are_frequencies_of_the_training_rows(name: str, data: tuple[Dataset, Fold]) -> None:
    dataset, fold = data
    baseline = fit_baseline(name, dataset, fold)
    on_train = fit_baseline(name, dataset, Fold(fold.train, fold.train, 0)).decision
    for decision in np.unique(baseline.decision):
        rows = dataset.y[fold.train][on_train == decision]
        expected = (rows.sum() + 0.5) / (len(rows) + 1)
        assert baseline.p_up[baseline.decision == decision] == pytest.approx(expected)


def test_baseline_auc_of_reversal_mirrors_persistence(data: tuple[Dataset, Fold]) -> None:
    scores = score_baselines(*data)
    assert scores["persistence"]["roc_auc"] + scores["reversal"]["roc_auc"] == pytest.approx(1)
    assert scores["always_up"]["roc_auc"] == 0.5
    up = data[0].y[data[1].test].mean()
    assert scores["always_up"]["f1_up"] == pytest.approx(2 * up / (1 + up))
