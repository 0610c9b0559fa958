"""Whether stated probabilities come true, and what abstaining pays: calibration error, Brier's parts, coverage."""

from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.uncertainty import share_interval
from mlsignal.metrics import Bools, Labels01

BINS = 10
COVERAGES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Shares of the rows, the most confident first, at which accuracy is told."""


def reliability_scores(y: Labels01, p_up: Floats, bins: int = BINS) -> dict[str, float]:
    """Return the expected calibration error and the parts of the Brier score, over bins of about equal size.

    Parameters
    ----------
    y, p_up
        Labels and probabilities, shape (n,); rows of equal probability share a bin.
    bins
        At least 1.

    Returns
    -------
    dict
        ece (mean distance of stated and observed share), reliability (mean squared distance; 0 is best), resolution
        (variance of the observed shares; the more, the more is told), uncertainty (u (1 - u) of the share u of ups) and
        within_bins (what binning leaves over): brier = reliability - resolution + uncertainty + within_bins.

    References
    ----------
    Murphy (1973), A new vector partition of the probability score; Stephenson, Coelho, Jolliffe (2008), Two extra
    components in the Brier score decomposition, for what is left within bins.

    Examples
    --------
    >>> found = reliability_scores(np.array([0, 1, 1, 1], dtype=np.int8), np.array([0.25, 0.25, 0.75, 0.75]), bins=2)
    >>> found["reliability"], found["resolution"], found["uncertainty"]
    (0.0625, 0.0625, 0.1875)
    """
    if not len(y):
        return dict.fromkeys(("ece", "reliability", "resolution", "uncertainty", "within_bins"), float("nan"))
    edges = np.unique(np.quantile(p_up, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of_row = np.searchsorted(edges, p_up, side="right")
    n = np.bincount(bin_of_row)
    kept = n > 0
    weight = n[kept] / len(y)
    stated = np.bincount(bin_of_row, weights=p_up)[kept] / n[kept]
    observed = np.bincount(bin_of_row, weights=y)[kept] / n[kept]
    share = float(np.mean(y))
    parts = {
        "ece": float(weight @ np.abs(stated - observed)),
        "reliability": float(weight @ np.square(stated - observed)),
        "resolution": float(weight @ np.square(observed - share)),
        "uncertainty": share * (1 - share),
    }
    brier = float(np.mean(np.square(p_up - y)))
    return {**parts, "within_bins": brier - parts["reliability"] + parts["resolution"] - parts["uncertainty"]}


def accuracy_by_coverage(y: Labels01, tie: Bools, p_moved: Floats, training_confidence: Floats) -> list[dict[str, Any]]:
    """Return how often decisions are right when only the most confident are taken.

    Parameters
    ----------
    y, tie, p_moved
        Of the test rows: labels, ties and calibrated probabilities of up, shape (n,).
    training_confidence
        |p - .5| of out-of-fold probabilities on training rows, from whose quantiles the thresholds are taken: one
        that is chosen on the rows that it is judged on would flatter.

    Returns
    -------
    list of dict
        For each of `COVERAGES`: share wanted, threshold (least p of the likelier side), coverage (share of all test
        rows taken), n (rows taken that moved), accuracy_without_ties, ci (95 %, Wilson).
    """
    confidence = np.abs(p_moved - 0.5)
    right = (p_moved > 0.5) == (y == 1)
    rows = []
    for share in COVERAGES:
        threshold = float(np.quantile(training_confidence, 1 - share)) if share < 1 else 0.0
        taken = confidence >= threshold
        counted = taken & ~tie
        n = int(counted.sum())
        accuracy = float(right[counted].mean()) if n else float("nan")
        rows.append(
            {
                "share": share,
                "threshold": 0.5 + threshold,
                "coverage": float(taken.mean()),
                "n": n,
                "accuracy_without_ties": accuracy,
                "ci": share_interval(accuracy, n) if n else None,
            }
        )
    return rows
