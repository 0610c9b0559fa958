"""What anyone could do without a model: the scores that a model must beat."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.dataset import Dataset
from mlsignal.learning.splits import Fold
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
    """

    decision: Floats
    p_up: Floats

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


BASELINES: dict[str, Decide] = {
    "always_up": _always_up,
    "majority": _majority,
    "persistence": _persistence,
    "reversal": _reversal,
}
"""Always up; the training rows' more frequent class; as the last candle went; against the last candle."""


def fit_baseline(name: str, dataset: Dataset, fold: Fold) -> Baseline:
    """Apply a rule to the test rows of a fold; its probabilities are frequencies of the fold's training rows."""
    decision = BASELINES[name](dataset, fold)
    p_up = np.empty(len(fold.test))
    said = decision[fold.test]
    overall = _share_up(dataset.y[fold.train])
    for value in np.unique(said):
        alike = fold.train[decision[fold.train] == value]
        p_up[said == value] = _share_up(dataset.y[alike]) if len(alike) else overall
    return Baseline(said, p_up)


def _share_up(y: Labels01) -> float:
    """Return the share of Up, drawn a row's weight towards one half so that it is never 0 or 1."""
    return (float(y.sum()) + 0.5) / (len(y) + 1)


def score_baselines(dataset: Dataset, fold: Fold) -> dict[str, dict[str, Any]]:
    """Score every baseline on the test rows of a fold; the AUC is that of the decisions."""
    y, tie = dataset.y[fold.test], dataset.tie[fold.test]
    scores = {}
    for name in BASELINES:
        baseline = fit_baseline(name, dataset, fold)
        scores[name] = score_model(y, tie, baseline.p_up, baseline.up, baseline.decision)
    return scores
