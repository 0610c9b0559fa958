"""What anyone could do without a model: the scores that a model must beat."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.dataset import Dataset
from mlsignal.learning.splits import Fold
from mlsignal.learning.training import TrainingOptions, fit_model
from mlsignal.metrics import Bools, Labels01, score_model

Decide = Callable[[Dataset, Fold], Floats]


@dataclass(frozen=True)
class Baseline:
    """A rule and its probabilities on test rows.

    Attributes
    ----------
    decision
        1 up, 0 not up, .5 undecided (counted as not up), shape (n_test,).
    p_up
        Share of Up among the training rows on which the rule said the same, shape (n_test,).
    p_moved
        The same share among those that moved: P(up | the candle moves).
    """

    decision: Floats
    p_up: Floats
    p_moved: Floats

    @property
    def up(self) -> Bools:
        """Whether the rule says up, shape (n_test,)."""
        return self.decision > 0.5


def _always_up(dataset: Dataset, fold: Fold) -> Floats:
    del fold
    return np.ones(len(dataset))


def _majority(dataset: Dataset, fold: Fold) -> Floats:
    return np.full(len(dataset), float(dataset.y[fold.train].mean() > 0.5))


def _persistence(dataset: Dataset, fold: Fold) -> Floats:
    del fold
    return 0.5 + 0.5 * np.sign(dataset.last_return)


def _reversal(dataset: Dataset, fold: Fold) -> Floats:
    del fold
    return 0.5 - 0.5 * np.sign(dataset.last_return)


def _logistic_regression(dataset: Dataset, fold: Fold) -> Floats:
    estimator = fit_model("logistic_regression", dataset, fold.train, TrainingOptions(outliers="none"))
    up = np.asarray(estimator.predict_proba(dataset.X)[:, 1] > 0.5)
    return up.astype(np.float64)


@dataclass(frozen=True)
class Rule:
    """How a baseline decides on every row of a dataset; `shuffled` gives it training labels in random order."""

    decide: Decide
    shuffled: bool = False


BASELINES: dict[str, Rule] = {
    "always_up": Rule(_always_up),
    "majority": Rule(_majority),
    "persistence": Rule(_persistence),
    "reversal": Rule(_reversal),
    "shuffled_labels": Rule(_logistic_regression, shuffled=True),
}
"""Always up; the training rows' more frequent class; as the last candle went; against the last candle; a logistic
regression that learnt from labels in random order, which is what learning nothing looks like."""


def fit_baseline(name: str, dataset: Dataset, fold: Fold) -> Baseline:
    """Apply a rule to the test rows of a fold; its probabilities are frequencies of the fold's training rows."""
    rule = BASELINES[name]
    learnt = shuffle_labels(dataset, fold.train, np.random.default_rng(0)) if rule.shuffled else dataset
    decision = rule.decide(learnt, fold)
    moved = fold.train[~learnt.tie[fold.train]]
    return Baseline(
        decision[fold.test],
        _frequencies(learnt, decision, fold.train, fold.test),
        _frequencies(learnt, decision, moved, fold.test),
    )


def shuffle_labels(dataset: Dataset, rows: Times, generator: np.random.Generator) -> Dataset:
    """Return the dataset with the labels of `rows`, ties with them, in random order."""
    shuffled = generator.permutation(rows)
    y, tie = dataset.y.copy(), dataset.tie.copy()
    y[rows], tie[rows] = dataset.y[shuffled], dataset.tie[shuffled]
    return replace(dataset, y=y, tie=tie)


def _frequencies(dataset: Dataset, decision: Floats, train: Times, test: Times) -> Floats:
    """Return, for each test row, the share of Up among the training rows on which the rule said the same."""
    p_up = np.empty(len(test))
    said = decision[test]
    overall = _share_up(dataset.y[train])
    for value in np.unique(said):
        alike = train[decision[train] == value]
        p_up[said == value] = _share_up(dataset.y[alike]) if len(alike) else overall
    return p_up


def _share_up(y: Labels01) -> float:
    """Return the share of Up, drawn a row's weight towards one half so that it is never 0 or 1."""
    return (float(y.sum()) + 0.5) / (len(y) + 1)


def fit_baselines(dataset: Dataset, fold: Fold) -> dict[str, Baseline]:
    """Apply every rule to the test rows of a fold."""
    return {name: fit_baseline(name, dataset, fold) for name in BASELINES}


def score_baseline(baseline: Baseline, y: Labels01, tie: Bools) -> dict[str, Any]:
    """Score a rule on the rows that it was applied to; the AUC is that of the decisions."""
    return score_model(y, tie, baseline.p_up, baseline.up, baseline.decision)
