"""Whether it is the future that decides where a column has no value: such rows leave the scores without a trace."""

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.features.feature import FeatureFrame
from mlsignal.labels import Labels
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.leakage.target import past_functions
from mlsignal.metrics import Bools

MISSING = "missing values"
SUSPICIOUS_Z = 4.0
"""Standard errors between the shares of ups with and without a value."""
SUSPICIOUS_DIFFERENCE = 0.1
BEYOND_PAST = 2.0
"""How many times larger than by the best function of the past a difference must be. On real and simulated candles
honest rules, as "missing after a rise", reach 1.3 times."""
FEWEST_ROWS = 30
BLOCK = 20
"""Candles that count as one draw, or twice the horizon: labels overlap, and values are missing in stretches."""


def check_missing(frame: FeatureFrame, labels: Labels) -> CheckResult:
    """Compare the candles on which a column is not finite with the others: did the price rise as often afterwards?

    Parameters
    ----------
    frame
        Features of all candles.
    labels
        Labels of the same candles.

    Returns
    -------
    CheckResult
        A finding for each column without a value, past the warm-up, on candles whose share of ups (ties left out) is
        far from that of the others, beyond what chance and a rule about past closes would give.
    """
    rows = np.flatnonzero(frame.past_warm_up & labels.known & ~labels.tie)
    if len(rows) < 2 * FEWEST_ROWS:
        return CheckResult(MISSING, "too few rows that moved", 0)
    absent = ~np.isfinite(frame.values[rows])
    counts = absent.sum(axis=0)
    columns = np.flatnonzero((counts >= FEWEST_ROWS) & (counts <= len(rows) - FEWEST_ROWS)).tolist()
    up = labels.up[rows].astype(np.float64)
    findings = []
    for k in columns:
        with_value, without = float(up[~absent[:, k]].mean()), float(up[absent[:, k]].mean())
        difference = abs(without - with_value)
        limit = SUSPICIOUS_Z * _standard_error(absent[:, k], up, rows, labels.horizon)
        if difference > max(limit, SUSPICIOUS_DIFFERENCE):
            honest = _difference_by_past(int(counts[k]), up, past_functions(frame.candles)[rows])
            if difference > BEYOND_PAST * honest:
                told = (
                    f"it has no value on {counts[k]:,} of {len(rows):,} candles that moved: {without:.1%} of "
                    f"them rose, of the others {with_value:.1%}; a rule on past closes alone tells {honest:.1%} apart"
                )
                findings.append(Finding(MISSING, frame.names[k], told))
    told = f"{len(frame.names)} columns on {len(rows):,} rows that moved, {len(columns)} of them with values missing"
    return CheckResult(MISSING, told, len(frame.names), tuple(findings))


def _standard_error(absent: Bools, up: Floats, rows: Times, horizon: int) -> float:
    """Return that of the difference of shares if there is none: of independent candles, or of blocks if larger."""
    missing = int(absent.sum())
    weight = np.where(absent, 1 / missing, -1 / (len(up) - missing))
    independent = up.var() * (weight**2).sum()
    by_block = np.bincount(rows // max(BLOCK, 2 * horizon), weights=weight * (up - up.mean()))
    return float(np.sqrt(max((by_block**2).sum(), independent)))


def _difference_by_past(count: int, up: Floats, past: Floats) -> float:
    """Return the largest difference of shares if the lowest or highest values of a past function were missing."""
    found = 0.0
    for column in past.T:
        ordered = up[np.argsort(column, kind="stable")]
        for end in (ordered, ordered[::-1]):
            found = max(found, abs(float(end[:count].mean() - end[count:].mean())))
    return found
