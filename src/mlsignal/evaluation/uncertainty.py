"""Confidence intervals of scores, by closed formulas that take rows as independent."""

from collections.abc import Mapping
from statistics import NormalDist

import numpy as np

from mlsignal.candles import Floats
from mlsignal.metrics import Labels01, row_brier, row_log_loss

Interval95 = list[float]

LEVEL = 0.95


def _quantile(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def auc_standard_error(auc: float, n_up: int, n_down: int) -> float:
    """Return the standard error of an area under the ROC curve.

    Parameters
    ----------
    auc
        0 to 1.
    n_up, n_down
        Rows of each class, at least 1.

    References
    ----------
    Hanley, McNeil (1982), The meaning and use of the area under a receiver operating characteristic (ROC) curve,
    Radiology 143(1).
    """
    q1 = auc / (2 - auc)
    q2 = 2 * auc * auc / (1 + auc)
    variance = auc * (1 - auc) + (n_up - 1) * (q1 - auc * auc) + (n_down - 1) * (q2 - auc * auc)
    return float(np.sqrt(max(variance, 0.0) / (n_up * n_down)))


def auc_interval(auc: float, n_up: int, n_down: int, level: float = LEVEL) -> Interval95:
    """Return [low, high] of an area under the ROC curve by Hanley and McNeil, within 0 and 1."""
    reach = _quantile(level) * auc_standard_error(auc, n_up, n_down)
    return [max(auc - reach, 0.0), min(auc + reach, 1.0)]


def share_interval(share: float, n: int, level: float = LEVEL) -> Interval95:
    """Return [low, high] of a binomial share of n rows.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA 22(158).

    Examples
    --------
    >>> [round(bound, 3) for bound in share_interval(0.5, 100)]
    [0.404, 0.596]
    """
    z = _quantile(level)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return [float(middle - reach), float(middle + reach)]


def mean_interval(values: Floats, level: float = LEVEL) -> Interval95:
    """Return [low, high] of the mean of values, shape (n,), by the normal law."""
    mean = float(values.mean())
    reach = _quantile(level) * float(values.std(ddof=1)) / len(values) ** 0.5 if len(values) > 1 else float("inf")
    return [mean - reach, mean + reach]


def score_intervals(y: Labels01, p_up: Floats, scores: Mapping[str, float]) -> dict[str, Interval95]:
    """Return the intervals of the scores of one set of rows.

    Parameters
    ----------
    y, p_up
        Labels and probabilities, shape (n,).
    scores
        Those of `mlsignal.metrics.classification_scores`, or some of them.

    Returns
    -------
    dict
        score -> [low, high] at 95 % for those of roc_auc, accuracy, log_loss and brier that are there and defined.
    """
    n_up = int(np.count_nonzero(y))
    n_down = len(y) - n_up
    found: dict[str, Interval95] = {}
    if "roc_auc" in scores and n_up and n_down:
        found["roc_auc"] = auc_interval(scores["roc_auc"], n_up, n_down)
    if "accuracy" in scores and len(y):
        found["accuracy"] = share_interval(scores["accuracy"], len(y))
    for name, rows in (("log_loss", row_log_loss), ("brier", row_brier)):
        if name in scores and len(y) > 1:
            found[name] = mean_interval(rows(y, p_up))
    return found
