"""Scores of a classifier that says whether a candle closes up, with ties and without them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats

Bools = npt.NDArray[np.bool_]
Labels01 = npt.NDArray[np.int8]

SMALLEST_PROBABILITY = 1e-15
"""Probabilities are kept this far from 0 and 1 in the log loss, as in scikit-learn 1.2 and earlier."""

_WITHOUT_TIES = ("accuracy", "roc_auc", "log_loss", "brier")
LOWER_IS_BETTER = frozenset({"log_loss", "brier"})


def roc_auc(y: Labels01, score: Floats) -> float:
    """Return the area under the ROC curve, ties in the score counted half; NaN where only one class is there.

    Parameters
    ----------
    y
        0 or 1, shape (n,).
    score
        The higher, the likelier 1; shape (n,).

    Examples
    --------
    >>> roc_auc(np.array([0, 1, 1], dtype=np.int8), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    positives = int(np.count_nonzero(y))
    negatives = len(y) - positives
    if not positives or not negatives:
        return float("nan")
    values, group = np.unique(score, return_inverse=True)
    ups = np.bincount(group, weights=y, minlength=len(values))
    downs = np.bincount(group, minlength=len(values)) - ups
    below = np.cumsum(downs) - downs
    return float(np.dot(ups, below + downs / 2) / (positives * negatives))


def row_log_loss(y: Labels01, p_up: Floats) -> Floats:
    """Return each row's log loss in nats, shape (n,)."""
    p = np.clip(p_up, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return -np.log(np.where(y == 1, p, 1 - p))


def row_brier(y: Labels01, p_up: Floats) -> Floats:
    """Return each row's squared error of the probability, shape (n,)."""
    return np.square(p_up - y)


def confusion(y: Labels01, up: Bools) -> tuple[int, int, int, int]:
    """Count true downs, false ups, false downs and true ups."""
    counts = np.bincount(2 * y.astype(np.int64) + up, minlength=4)
    return int(counts[0]), int(counts[1]), int(counts[2]), int(counts[3])


def classification_scores(
    y: Labels01, p_up: Floats, up: Bools | None = None, rank: Floats | None = None
) -> dict[str, float]:
    """Score probabilities of up, and the decisions made from them.

    Parameters
    ----------
    y
        0 or 1, shape (n,), n at least 1.
    p_up
        Probability of 1, shape (n,).
    up
        Decisions; `p_up` > .5 where not given.
    rank
        What the AUC is taken of; `p_up` where not given.

    Returns
    -------
    dict
        n, accuracy, balanced_accuracy, f1_up, roc_auc, log_loss (nats), brier, mcc. balanced_accuracy and roc_auc
        are NaN where only one class is there; f1_up and mcc are 0 where they are not defined.
    """
    decisions = p_up > 0.5 if up is None else up
    true_down, false_up, false_down, true_up = confusion(y, decisions)
    downs, ups = true_down + false_up, true_up + false_down
    said_down, said_up = true_down + false_down, true_up + false_up
    spread = float(downs) * ups * said_down * said_up
    both = bool(downs and ups)
    return {
        "n": len(y),
        "accuracy": (true_up + true_down) / len(y),
        "balanced_accuracy": (true_up / ups + true_down / downs) / 2 if both else float("nan"),
        "f1_up": 2 * true_up / (said_up + ups) if said_up + ups else 0.0,
        "roc_auc": roc_auc(y, p_up if rank is None else rank),
        "log_loss": float(row_log_loss(y, p_up).mean()),
        "brier": float(row_brier(y, p_up).mean()),
        "mcc": (true_up * true_down - false_up * false_down) / spread**0.5 if spread else 0.0,
    }


def score_model(
    y: Labels01, tie: Bools, p_up: Floats, up: Bools | None = None, rank: Floats | None = None
) -> dict[str, Any]:
    """Score with ties (as the original did), without them, and on the tenth of the rows that are most confident.

    Parameters
    ----------
    y, p_up, up, rank
        As for `classification_scores`.
    tie
        True where the closes compared are equal.

    Returns
    -------
    dict
        The scores of all rows; under "without_ties" n, accuracy, roc_auc, log_loss and brier of the rows that moved;
        under "top_decile" n and accuracy_without_ties of the tenth with |rank - .5| largest.
    """
    decisions = p_up > 0.5 if up is None else up
    ranking = p_up if rank is None else rank
    moved = ~tie
    scores: dict[str, Any] = dict(classification_scores(y, p_up, decisions, ranking))
    scores["without_ties"] = _scores_without_ties(y[moved], p_up[moved], decisions[moved], ranking[moved])
    scores["top_decile"] = _top_decile(y[moved], decisions[moved], ranking[moved])
    return scores


def _scores_without_ties(y: Labels01, p_up: Floats, up: Bools, rank: Floats) -> dict[str, float]:
    if not len(y):
        return {"n": 0, **dict.fromkeys(_WITHOUT_TIES, float("nan"))}
    scores = classification_scores(y, p_up, up, rank)
    return {key: scores[key] for key in ("n", *_WITHOUT_TIES)}


def _top_decile(y: Labels01, up: Bools, rank: Floats) -> dict[str, float]:
    confident = top_decile_rows(rank)
    if not len(confident):
        return {"n": 0, "accuracy_without_ties": float("nan")}
    return {"n": len(confident), "accuracy_without_ties": float((up[confident] == (y[confident] == 1)).mean())}


def top_decile_rows(rank: Floats) -> npt.NDArray[np.intp]:
    """Return which tenth of the rows has |rank - .5| largest, in no order; none of fewer than 10 rows."""
    n = len(rank) // 10
    return np.argpartition(-np.abs(rank - 0.5), n - 1)[:n] if n else np.empty(0, np.intp)


def read_score(scores: Mapping[str, Any], name: str) -> float:
    """Read a score by its name; a dot goes into a group, as in `without_ties.roc_auc`.

    Raises
    ------
    KeyError
        If there is no such score.
    """
    value: Any = scores
    for part in name.split("."):
        value = value[part]
    return float(value)


def is_better(name: str, a: float, b: float) -> bool:
    """Tell whether score `a` is strictly better than `b`; NaN is never better."""
    return a < b if name.rsplit(".", 1)[-1] in LOWER_IS_BETTER else a > b
