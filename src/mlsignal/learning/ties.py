"""Ties as a class of their own: a classifier of down, up and unchanged that still answers up or not."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin

from mlsignal.candles import Floats
from mlsignal.metrics import Bools, Labels01

TIE = 2
"""The third class, beside 0 down and 1 up."""


class ThreeClassClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted classifier of the classes 0 down, 1 up and 2 tie, which speaks of up given that the candle moves.

    Parameters
    ----------
    estimator
        Fitted; its classes are 0, 1 and 2, or those of them that were there to learn from.

    Attributes
    ----------
    classes_ : array [0, 1]
        1 is Up.
    n_features_in_ : int
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Floats, y: Labels01) -> Self:
        """Fit the estimator within anew on labels 0, 1 and 2; shapes (n_rows, n_features) and (n_rows,)."""
        self.estimator.fit(X, y)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self.estimator, "classes_")

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        """Return 0 and 1; 1 is Up."""
        return np.array([0, 1])

    @property
    def n_features_in_(self) -> int:
        """Return how many features it takes."""
        return int(self.estimator.n_features_in_)

    def predict_classes(self, X: Floats) -> Floats:
        """Return the probabilities of down, up and tie, shape (n_rows, 3)."""
        found = np.zeros((len(X), TIE + 1))
        found[:, self.estimator.classes_] = self.estimator.predict_proba(X)
        return found

    def predict_proba(self, X: Floats) -> Floats:
        """Return the probabilities of down and up given that the candle moves, shape (n_rows, 2)."""
        moves = self.predict_classes(X)[:, :TIE]
        total = moves.sum(axis=1, keepdims=True)
        return np.where(total > 0, moves / np.where(total > 0, total, 1), 0.5)

    def predict(self, X: Floats) -> npt.NDArray[np.int64]:
        """Return 1 where up is likelier than down, else 0, shape (n_rows,)."""
        return (self.predict_proba(X)[:, 1] > 0.5).astype(np.int64)


def three_class_labels(y: Labels01, tie: Bools) -> Labels01:
    """Return 0 down, 1 up, 2 tie, shape (n_rows,).

    Examples
    --------
    >>> three_class_labels(np.array([0, 1, 0], dtype=np.int8), np.array([False, False, True]))
    array([0, 1, 2], dtype=int8)
    """
    return np.where(tie, TIE, y).astype(np.int8)


def class_probabilities(estimator: Any, X: Floats) -> Floats:
    """Return the probabilities of down, up and tie of a fitted model whose ties are a third class, shape (n_rows, 3).

    Parameters
    ----------
    estimator
        A `ThreeClassClassifier`, or a pipeline that ends in one.
    X
        Features, shape (n_rows, n_features).
    """
    if hasattr(estimator, "steps"):
        return class_probabilities(estimator[-1], estimator[:-1].transform(X))
    return estimator.predict_classes(X)  # type: ignore[no-any-return]  # whatever the pipeline ends in
