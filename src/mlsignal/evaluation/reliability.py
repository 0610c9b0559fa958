"""Whether stated probabilities come true, and what abstaining pays: calibration error, Brier's parts, coverage."""

import math
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.resampled_scores import LEVEL
from mlsignal.evaluation.student import student_reach
from mlsignal.metrics import Bools, Labels01

BINS = 10
_SCORES = (
    *("ece", "ece_by_chance", "reliability", "resolution", "resolution_by_chance"),
    *("uncertainty", "within_bins"),
)
FEWEST_ROWS = 30
"""Rows below which an accuracy gets no interval."""
COVERAGES = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Shares of the rows, the most confident first, at which accuracy is told."""


def reliability_scores(y: Labels01, p_up: Floats, bins: int = BINS, *, horizon: int = 1) -> dict[str, float]:
    """Return the expected calibration error and the parts of the Brier score, over bins of about equal size.

    Parameters
    ----------
    y, p_up
        Labels and probabilities, shape (n,); rows of equal probability share a bin.
    bins
        At least 1.
    horizon
        Candles that a label looks ahead: labels that overlap tell as much as one in `horizon` of them.

    Returns
    -------
    dict
        ece (mean distance of stated and observed share), reliability (mean squared distance; 0 is best), resolution
        (variance of the observed shares; the more, the more is told), uncertainty (u (1 - u) of the share u of ups) and
        within_bins (what binning leaves over): brier = reliability - resolution + uncertainty + within_bins.
        None of the first three is 0 by luck: ece_by_chance is the mean of ece where every stated probability is true,
        resolution_by_chance that of resolution where nothing is told apart.

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
        return dict.fromkeys(_SCORES, float("nan"))
    edges = np.unique(np.quantile(p_up, np.linspace(0, 1, bins + 1)[1:-1]))
    bin_of_row = np.searchsorted(edges, p_up, side="right")
    n = np.bincount(bin_of_row)
    kept = n > 0
    weight = n[kept] / len(y)
    stated = np.bincount(bin_of_row, weights=p_up)[kept] / n[kept]
    observed = np.bincount(bin_of_row, weights=y)[kept] / n[kept]
    share = float(np.mean(y))
    spread = np.sqrt(horizon * np.bincount(bin_of_row, weights=p_up * (1 - p_up))[kept]) / n[kept]
    parts = {
        "ece": float(weight @ np.abs(stated - observed)),
        "ece_by_chance": float(weight @ spread) * math.sqrt(2 / math.pi),  # the mean of |normal|
        "reliability": float(weight @ np.square(stated - observed)),
        "resolution": float(weight @ np.square(observed - share)),
        "resolution_by_chance": horizon * (len(weight) - 1) * share * (1 - share) / len(y),
        "uncertainty": share * (1 - share),
    }
    brier = float(np.mean(np.square(p_up - y)))
    return {**parts, "within_bins": brier - parts["reliability"] + parts["resolution"] - parts["uncertainty"]}


def accuracy_by_coverage(
    y: Labels01, tie: Bools, p_moved: Floats, training_confidence: Floats, resampling: Resampling
) -> list[dict[str, Any]]:
    """Return how often decisions are right when only the most confident are taken.

    Parameters
    ----------
    y, tie, p_moved
        Of the test rows: labels, ties and calibrated probabilities of up, shape (n,).
    training_confidence
        |p - .5| of out-of-fold probabilities on training rows, from whose quantiles the thresholds are taken: one
        that is chosen on the rows that it is judged on would flatter.
    resampling
        Of n rows, for the intervals.

    Returns
    -------
    list of dict
        For each of `COVERAGES`: share wanted, threshold (least p of the likelier side), coverage (share of all test
        rows taken), n (rows taken that moved), accuracy_without_ties, ci (95 %, block bootstrap;
        None for fewer than 30 rows).
    """
    confidence = np.abs(p_moved - 0.5)
    thresholds = [float(np.quantile(training_confidence, 1 - share)) if share < 1 else 0.0 for share in COVERAGES]
    taken = confidence >= np.array(thresholds)[:, None]
    counted = taken & ~tie
    right = counted & ((p_moved > 0.5) == (y == 1))
    intervals = share_intervals(right, counted, resampling)
    return [
        {
            "share": share,
            "threshold": 0.5 + threshold,
            "coverage": float(taken[place].mean()),
            "n": int(counted[place].sum()),
            "accuracy_without_ties": float(right[place].sum() / n) if (n := counted[place].sum()) else float("nan"),
            "ci": intervals[place],
        }
        for place, (share, threshold) in enumerate(zip(COVERAGES, thresholds, strict=True))
    ]


def share_intervals(part: Bools, whole: Bools, resampling: Resampling) -> list[list[float] | None]:
    """Return the 95 % interval of the share of `part` in `whole`, for each row of these, shape (n_shares, n).

    Parameters
    ----------
    part, whole
        Test rows that count as right, and that count at all; `part` is within `whole`.
    resampling
        Of n rows.

    Returns
    -------
    list
        [low, high], or None where fewer than 30 rows count.
    """
    table = np.concatenate([part, whole]).astype(np.float64)
    sums = np.concatenate([table @ counts for counts in resampling.counts()], axis=1)
    reach = student_reach(LEVEL, resampling.degrees)
    found: list[list[float] | None] = []
    for place, (mine, all_) in enumerate(zip(*np.split(sums, 2), strict=True)):
        n = int(whole[place].sum())
        if n < FEWEST_ROWS:
            found.append(None)
            continue
        share = float(part[place].sum()) / n
        draws = np.divide(mine, all_, out=np.full(len(mine), np.nan), where=all_ > 0)
        error = reach * resampling.standard_error(draws)
        found.append([max(share - error, 0.0), min(share + error, 1.0)])
    return found
