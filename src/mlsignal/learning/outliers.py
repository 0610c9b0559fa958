"""Interquartile fences, fitted on training rows only: an outlier never deletes a candle from the grid."""

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from mlsignal.candles import Floats

Outliers = Literal["remove", "winsorise", "none"]

FENCE_IQRS = 3.0
"""Distance of the fences from the quartiles, in interquartile ranges: Tukey's "far out"."""


@dataclass(frozen=True)
class Fence:
    """Bounds beyond which a value is an outlier."""

    lower: float
    upper: float

    @classmethod
    def fit(cls, values: Floats, iqrs: float = FENCE_IQRS) -> Self:
        """Put the fences `iqrs` interquartile ranges beyond the quartiles of `values`, shape (n,).

        References
        ----------
        Tukey (1977), Exploratory Data Analysis, chapter 2.
        """
        first, third = np.quantile(values, [0.25, 0.75])
        reach = iqrs * (third - first)
        return cls(float(first - reach), float(third + reach))

    def outside(self, values: Floats) -> npt.NDArray[np.bool_]:
        """Flag values beyond the fences, shape as given."""
        return (values < self.lower) | (values > self.upper)


class IQRClipper(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Move every feature's outliers to its interquartile fences, which are those of the rows it was fitted on.

    Attributes
    ----------
    lower_, upper_ : array of float64, shape (n_features,)
    """

    def __init__(self, iqrs: float = FENCE_IQRS) -> None:
        self.iqrs = iqrs

    def fit(self, X: Floats, y: object = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        """Learn the fences of each column of `X`, shape (n_rows, n_features)."""
        first, third = np.quantile(X, [0.25, 0.75], axis=0)
        self.lower_ = first - self.iqrs * (third - first)
        self.upper_ = third + self.iqrs * (third - first)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X: Floats) -> Floats:
        """Clip each column to its fences."""
        return np.clip(X, self.lower_, self.upper_)
