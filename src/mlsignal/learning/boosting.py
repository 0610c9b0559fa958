"""Gradient-boosted trees trained by LightGBM, and handed out as scikit-learn's own."""

from copy import copy
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.tree._tree import Tree
from sklearn.utils.extmath import softmax

from mlsignal.candles import Floats
from mlsignal.errors import MissingExtraError
from mlsignal.metrics import Labels01

N_BINS = 63
"""Bins of a feature; LightGBM's own 255 take half as long again and rank alike."""
N_ROWS_FOR_BINS = 10_000
"""Rows, drawn with the seed, whose quantiles bound the bins: more of them cost time and move the bounds little."""


class BoostedTrees:
    """Fits boosted trees, all classes weighing the same, on one thread; equal for equal rows and seed.

    Parameters
    ----------
    n_trees, n_leaves
        Trees, and the most leaves of each.
    learning_rate
        Share of each tree that is kept.
    min_leaf_rows
        Least rows of a leaf.
    seed
        Of the random numbers.
    kept
        Whether to hand out scikit-learn's trees; else LightGBM predicts, which spares a tenth of the time.

    Notes
    -----
    What is handed out knows nothing of LightGBM: a model file then holds plain numbers that can be checked, where a
    booster's text would be read by compiled code, and whoever predicts needs no extra. Training takes the features as
    float32, as all of scikit-learn's trees do when they predict: so both decide every row alike.
    """

    def __init__(
        self,
        *,
        n_trees: int = 100,
        n_leaves: int = 31,
        learning_rate: float = 0.05,
        min_leaf_rows: int = 20,
        seed: int = 0,
        kept: bool = True,
    ) -> None:
        self.n_trees = n_trees
        self.n_leaves = n_leaves
        self.learning_rate = learning_rate
        self.min_leaf_rows = min_leaf_rows
        self.seed = seed
        self.kept = kept

    def fit(self, X: Floats, y: Labels01) -> Any:
        """Fit and return a classifier that takes the features as they are; errors as of `fit_booster`."""
        booster = self.fit_booster(X, y)
        return as_scikit_learn(booster, X.shape[1], self.n_leaves) if self.kept else PassingBooster(booster)

    def fit_booster(self, X: Floats, y: Labels01) -> Any:
        """Fit and return a `lightgbm.Booster` of float32 features.

        Raises
        ------
        MissingExtraError
            If LightGBM is not installed.
        """
        lightgbm = load_lightgbm()
        found, position, counts = np.unique(y, return_inverse=True, return_counts=True)
        weight = (len(y) / (len(found) * counts))[position]
        n_classes = max(2, int(found[-1]) + 1)
        parameters = {
            "objective": "binary" if n_classes == 2 else "multiclass",
            "num_class": 1 if n_classes == 2 else n_classes,
            "num_leaves": self.n_leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_leaf_rows,
            "max_bin": N_BINS,
            "bin_construct_sample_cnt": N_ROWS_FOR_BINS,
            "force_row_wise": True,  # which of two ways is faster would be tried out anew in every fit
            "deterministic": True,
            "num_threads": 1,  # threads that wait for each other cost more than they give
            "use_missing": False,
            "seed": self.seed,
            "verbose": -1,
        }
        rows = lightgbm.Dataset(np.ascontiguousarray(X, dtype=np.float32), y, weight=weight, params=parameters)
        # Kept as it is: it would be written out and read again otherwise.
        return lightgbm.train(parameters, rows, num_boost_round=self.n_trees, keep_training_booster=True)


class PassingBooster(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted booster that lasts for a few predictions: the numbers of the trees that `as_scikit_learn` makes of it.

    Attributes
    ----------
    classes_ : array of int64
        0 and 1, or 0, 1 and 2.
    """

    def __init__(self, booster: Any) -> None:
        self.booster = booster

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Floats, y: Labels01) -> Self:
        """Return itself: it is fitted already."""
        del X, y
        return self

    @property
    def classes_(self) -> npt.NDArray[np.int64]:
        """Return its classes; 1 is Up."""
        return np.arange(max(2, self.booster.num_model_per_iteration()))

    def predict_proba(self, X: Floats) -> Floats:
        """Return the probabilities of the classes, shape (n_rows, n_classes)."""
        raw = self.booster.predict(np.ascontiguousarray(X, dtype=np.float32), raw_score=True)
        if raw.ndim > 1:
            return softmax(raw)  # type: ignore[no-any-return]  # scikit-learn has no types
        p_up = expit(raw)
        return np.column_stack([1 - p_up, p_up])


def load_lightgbm() -> Any:
    """Import LightGBM, which takes a second or more: early, where a job will need it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import lightgbm  # noqa: PLC0415  # optional extra
    except ImportError:
        raise MissingExtraError.for_extra("the model lightgbm", "boost") from None
    return lightgbm


def as_scikit_learn(booster: Any, n_features: int, n_leaves: int) -> GradientBoostingClassifier:
    """Return scikit-learn's classifier that consists of a booster's trees.

    Parameters
    ----------
    booster
        A `lightgbm.Booster` of the objective binary or multiclass, of numbers without missing values.
    n_features
        Columns it was fitted on.
    n_leaves
        The most leaves of a tree, for the record.

    Notes
    -----
    Both add up the values of one leaf a tree, in order, and take the logistic function of the sum; of three classes
    each has its own trees and sum, and the softmax is taken. LightGBM's values include the learning rate and, in the
    first trees, the mean: so the rate is 1 here, and the start 0.
    """
    per_round = booster.num_model_per_iteration()
    classes = np.arange(max(2, per_round))
    model = GradientBoostingClassifier(n_estimators=1, max_depth=1, init="zero", learning_rate=1.0)
    model.fit(np.zeros((len(classes), n_features), dtype=np.float32), classes)
    pattern = model.estimators_[0, 0]
    members = []
    for block in booster.model_to_string(importance_type="split").split("\nTree=")[1:]:
        lines = dict(line.split("=", 1) for line in block.partition("\n\n")[0].splitlines()[1:])
        member = copy(pattern)
        member.tree_ = _tree(lines, pattern.tree_)
        members.append(member)
    model.estimators_ = np.array(members, dtype=object).reshape(-1, per_round)
    model.n_estimators_ = len(model.estimators_)
    model.set_params(n_estimators=model.n_estimators_, max_depth=None, max_leaf_nodes=n_leaves)
    del model.train_score_  # of the rows above
    return model


def _tree(lines: dict[str, str], pattern: Tree) -> Tree:
    """Build a tree from the lines of LightGBM's text, inner nodes first, through the protocol that pickles trees."""
    inner = int(lines["num_leaves"]) - 1
    nodes = np.zeros(2 * inner + 1, dtype=pattern.__getstate__()["nodes"].dtype)
    nodes["left_child"][inner:] = nodes["right_child"][inner:] = -1
    nodes["feature"][inner:] = nodes["threshold"][inner:] = -2
    values = np.zeros((len(nodes), 1, 1))
    values[inner:, 0, 0] = _numbers(lines["leaf_value"])
    if inner:
        nodes["feature"][:inner] = _numbers(lines["split_feature"])
        nodes["threshold"][:inner] = _numbers(lines["threshold"])
        for side in ("left_child", "right_child"):
            children = _numbers(lines[side]).astype(np.int64)
            nodes[side][:inner] = np.where(children < 0, inner + ~children, children)
        samples = np.concatenate([_numbers(lines["internal_count"]), _numbers(lines["leaf_count"])])
        nodes["n_node_samples"] = nodes["weighted_n_node_samples"] = samples
    build, arguments, state = pattern.__reduce__()
    tree = build(*arguments)
    tree.__setstate__({**state, "max_depth": inner, "node_count": len(nodes), "nodes": nodes, "values": values})
    return tree


def _numbers(text: str) -> Floats:
    return np.array(text.split(" "), dtype=np.float64)
