"""Whether a column is the label in disguise: it equals the future return, moves with it, or classifies it too well.

Where the price bounces between two ticks the past alone foretells the next move almost surely. So what a column does
is held against what plain functions of past closes do on the same candles.
"""

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.dataset import last_returns
from mlsignal.features.feature import FeatureFrame
from mlsignal.labels import Labels
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.metrics import Labels01, roc_auc

TARGET = "target in features"
SUSPICIOUS_AUC = 0.9
"""AUC of a single column, ties left out, that honest columns do not reach unless the past itself gives it away."""
SUSPICIOUS_CORRELATION = 0.5
"""Rank correlation with a later return, likewise."""
BETTER_THAN_PAST = 3.0
"""How many times smaller than that of the best function of the past an error must be to be suspicious."""
LEADS = 5
"""Candles after t, the horizon's and these, with whose returns a column is compared."""
FEWEST_ROWS = 100
_DEVIATIONS = (2, 5, 20, 100)
"""Lengths of the averages from which plain functions of the past are taken."""


def check_target(frame: FeatureFrame, labels: Labels, most_rows: int | None = None) -> CheckResult:
    """Compare every column with the label and with the returns of the candles to come.

    Parameters
    ----------
    frame
        Features of all candles.
    labels
        Labels of the same candles.
    most_rows
        Evenly spaced rows to look at; all where it is None.

    Returns
    -------
    CheckResult
        A finding for each column with an AUC above .9 for the label, ties left out, or a rank correlation above .5
        with a later return, that is far beyond what the past of the closes gives.
    """
    candles = frame.candles
    returns = _later_returns(candles, labels.horizon + LEADS)
    usable = labels.known & ~labels.tie & np.isfinite(frame.values).all(axis=1) & np.isfinite(returns).all(axis=1)
    rows = np.flatnonzero(usable)
    if most_rows is not None and len(rows) > most_rows:
        rows = rows[np.linspace(0, len(rows) - 1, most_rows).astype(np.int64)]
    y = labels.up[rows]
    if len(rows) < FEWEST_ROWS or min(int(y.sum()), len(y) - int(y.sum())) < FEWEST_ROWS // 4:
        return CheckResult(TARGET, "too few rows that moved", 0)
    past = past_functions(candles)[rows]
    futures = np.column_stack([labels.forward_return[rows], returns[rows]])
    findings = _auc_findings(frame, rows, y, past) + _correlation_findings(frame, rows, futures, past)
    named: dict[str, Finding] = {}
    for finding in findings:
        named.setdefault(finding.culprit, finding)
    told = f"{len(frame.names)} columns on {len(rows):,} rows that moved"
    return CheckResult(TARGET, told, len(frame.names), tuple(named.values()))


def _auc_findings(frame: FeatureFrame, rows: Times, y: Labels01, past: Floats) -> list[Finding]:
    honest = max(_strength(roc_auc(y, column)) for column in past.T)
    findings = []
    for k, name in enumerate(frame.names):
        auc = _strength(roc_auc(y, frame.values[rows, k]))
        if auc > SUSPICIOUS_AUC and _far_better(auc, honest):
            told = "is the label" if auc == 1 else "knows the label"
            findings.append(
                Finding(TARGET, name, f"{told}: AUC {auc:.4f} without ties, where past closes alone reach {honest:.4f}")
            )
    return findings


def _correlation_findings(frame: FeatureFrame, rows: Times, futures: Floats, past: Floats) -> list[Finding]:
    ranked = _standard_ranks(futures)
    found = np.abs(_standard_ranks(frame.values[rows]).T @ ranked) / len(rows)
    honest = (np.abs(_standard_ranks(past).T @ ranked) / len(rows)).max(axis=0)
    findings = []
    for k, name in enumerate(frame.names):
        best = int(np.argmax(found[k]))
        value, limit = float(found[k, best]), float(honest[best])
        if value > SUSPICIOUS_CORRELATION and _far_better(value, limit):
            future = "return of the label" if best == 0 else f"return of the candle {best} after"
            told = f"moves with the {future}: rank correlation {value:.4f}, where past closes alone reach {limit:.4f}"
            findings.append(Finding(TARGET, name, told))
    return findings


def _strength(auc: float) -> float:
    return max(auc, 1 - auc)


def _far_better(value: float, honest: float) -> bool:
    return (1 - value) * BETTER_THAN_PAST < 1 - honest


def _later_returns(candles: Candles, leads: int) -> Floats:
    """Return of the candle k after each, k from 1 to `leads`; NaN beyond a gap or the end; shape (n_candles, leads)."""
    n, segment = len(candles), candles.segment_ids
    own = last_returns(candles)
    later = np.full((n, leads), np.nan)
    for lead in range(1, min(leads, n - 1) + 1):
        same = segment[lead:] == segment[:-lead]
        later[:-lead, lead - 1] = np.where(same, own[lead:], np.nan)
    return later


def past_functions(candles: Candles) -> Floats:
    """Return plain functions of the past, shape (n_candles, n_functions).

    Deviations of the close from averages of the last closes, gaps ignored, and the move of the candle.
    """
    close, n = candles.close, len(candles)
    summed = np.concatenate([[0.0], np.cumsum(close)])
    functions = []
    for length in _DEVIATIONS:
        first = np.maximum(0, np.arange(1, n + 1) - length)
        functions.append(close / ((summed[1:] - summed[first]) / (np.arange(1, n + 1) - first)) - 1)
    return np.column_stack([*functions, candles.close - candles.open])


def _standard_ranks(columns: Floats) -> Floats:
    """Rank each column, equal values alike, and scale to mean 0 and variance 1 (all 0 where nothing varies)."""
    ranks = np.empty(columns.shape)
    for k in range(columns.shape[1]):
        _, place, counts = np.unique(columns[:, k], return_inverse=True, return_counts=True)
        ranks[:, k] = (np.cumsum(counts) - (counts - 1) / 2)[place]
    ranks -= ranks.mean(axis=0)
    spread = ranks.std(axis=0)
    return np.asarray(ranks / np.where(spread > 0, spread, 1))
