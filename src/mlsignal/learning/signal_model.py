"""The trained model as it is handed out: takes features by name, gives the probability of Up."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats
from mlsignal.errors import FeatureMismatchError, ModelError


class SignalModel:
    """A fitted classifier with the names of its features; what `best_model.pkl` holds.

    Parameters
    ----------
    estimator
        A fitted scikit-learn classifier of the classes 0 and 1.
    feature_names
        Its columns, in order.
    description
        What it was trained on: symbol, interval, horizon, feature sets and the like. Plain values.

    Attributes
    ----------
    feature_names_in_ : array of str, shape (n_features,)
    n_features_in_ : int
    classes_ : array [0, 1]
        1 is Up.
    """

    def __init__(self, estimator: Any, feature_names: Sequence[str], description: dict[str, Any]) -> None:
        self.estimator = estimator
        self.feature_names_in_ = np.array(feature_names, dtype=object)
        self.n_features_in_ = len(feature_names)
        self.classes_ = np.array([0, 1])
        self.description = description

    def __repr__(self) -> str:
        told = ", ".join(f"{key}={value}" for key, value in self.description.items() if isinstance(value, str | int))
        return f"SignalModel({told}, {self.n_features_in_} features)"

    def predict_proba(self, X: Any) -> Floats:
        """Return the probabilities of Down and Up.

        Parameters
        ----------
        X
            A pandas or polars frame, whose columns are taken by name in any order (others are ignored), or an array of
            shape (n_rows, n_features) in the order of `feature_names_in_`.

        Returns
        -------
        array of float64, shape (n_rows, 2)
            NaN in rows where a feature is NaN, as in the warm-up.

        Raises
        ------
        FeatureMismatchError
            If a column is missing, or an array has another number of columns. Also a ValueError.
        """
        values = self._matrix(X)
        whole = np.isfinite(values).all(axis=1)
        probabilities = np.full((len(values), 2), np.nan)
        if whole.all():
            return np.asarray(self.estimator.predict_proba(values), dtype=np.float64) if len(values) else probabilities
        if whole.any():
            probabilities[whole] = self.estimator.predict_proba(values[whole])
        return probabilities

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """Return 1 where Up is likelier than not, else 0, shape (n_rows,).

        Raises
        ------
        FeatureMismatchError
            As `predict_proba`.
        ModelError
            If a row has a NaN: such a row has no direction.
        """
        p_up = self.predict_proba(X)[:, 1]
        absent = int(np.isnan(p_up).sum())
        if absent:
            raise ModelError(
                f"{absent} of {len(p_up)} rows have a NaN feature (the first is row "
                f"{int(np.argmax(np.isnan(p_up)))}), as in the warm-up, "
                "and have no direction; drop these rows, or use predict_proba, which gives NaN there"
            )
        return (p_up > 0.5).astype(np.int64)

    def _matrix(self, X: Any) -> Floats:
        names = [str(name) for name in self.feature_names_in_]
        if hasattr(X, "columns"):
            present = [str(column) for column in X.columns]
            missing = [name for name in names if name not in present]
            if missing:
                plural = "s" if len(missing) > 1 else ""
                raise FeatureMismatchError(
                    f"missing column{plural}: {', '.join(missing)}; the columns there are "
                    f"{', '.join(present) or 'none'}"
                )
            return np.column_stack([np.asarray(X[name], dtype=np.float64) for name in names])
        values = np.asarray(X, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(names):
            raise FeatureMismatchError(
                f"expected an array of shape (n_rows, {len(names)}) with the columns {', '.join(names)}; "
                f"found shape {values.shape}"
            )
        return values
