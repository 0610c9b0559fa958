"""Calibration: what a model's score means as a probability of up, given that the candle moves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from mlsignal.candles import Floats
from mlsignal.dataset import Dataset
from mlsignal.learning.training import FoldResult
from mlsignal.metrics import Labels01

SMALLEST_SCORE = 1e-6
"""Scores are kept this far from 0 and 1 before their logit is taken."""


@dataclass(frozen=True)
class Calibration:
    """A sigmoid that turns a score into P(up | the candle moves): the logit becomes slope * logit(score) + intercept.

    Attributes
    ----------
    slope
        At least 0: below 1 where the model is too sure of itself, 0 where its scores told nothing.
    intercept
        Logit of the probability at a score of one half.
    n
        Rows that it was fitted on.

    Notes
    -----
    A model that is trained with balanced classes, ties among the downs, gives scores that rank well and state no
    frequencies. The sigmoid keeps the ranking. It exports exactly, where isotonic regression drifts.

    References
    ----------
    Platt (1999), Probabilistic outputs for support vector machines. We differ in taking the logit of a probability and
    no smoothed targets, and in never turning the ranking over: a negative slope is noise, or a market that changed.
    """

    slope: float
    intercept: float
    n: int

    @classmethod
    def fit(cls, y: Labels01, score: Floats) -> Self:
        """Fit on rows that moved and that the scored models have not learnt from, shapes (n,).

        Notes
        -----
        Rows of one class only, or scores that are all equal, give the share of ups at every score.
        """
        share = (float(y.sum()) + 0.5) / (len(y) + 1)
        constant = cls(0.0, float(np.log(share / (1 - share))), len(y))
        if not len(y) or y.min() == y.max() or np.ptp(score) == 0:
            return constant
        fitted = LogisticRegression(C=np.inf).fit(_logit(score)[:, None], y)
        slope, intercept = float(fitted.coef_[0, 0]), float(fitted.intercept_[0])
        return cls(slope, intercept, len(y)) if slope > 0 else constant

    def __call__(self, score: Floats) -> Floats:
        """Return P(up | moves) of scores, shape as given; NaN stays NaN."""
        p_up: Floats = 1 / (1 + np.exp(-(self.slope * _logit(score) + self.intercept)))
        return p_up

    def to_dict(self) -> dict[str, Any]:
        """Return slope, intercept and n."""
        return {"slope": self.slope, "intercept": self.intercept, "n": self.n}


def calibrate_on_folds(dataset: Dataset, results: Sequence[FoldResult]) -> Calibration:
    """Fit a model's calibration on its out-of-fold scores of training rows that moved."""
    rows = np.concatenate([result.rows for result in results])
    score = np.concatenate([result.p_up for result in results])
    moved = ~dataset.tie[rows]
    return Calibration.fit(dataset.y[rows][moved], score[moved])


def _logit(score: Floats) -> Floats:
    kept = np.clip(score, SMALLEST_SCORE, 1 - SMALLEST_SCORE)
    return np.log(kept / (1 - kept))
