"""Whether labels are what they say: recomputed from times and closes alone, and no span across a gap."""

import numpy as np

from mlsignal.candles import Candles
from mlsignal.dataset import Dataset
from mlsignal.labels import Labels
from mlsignal.leakage.computation import Mask, told_time
from mlsignal.leakage.finding import CheckResult, Finding

LABELS = "labels"


def check_labels(candles: Candles, labels: Labels) -> CheckResult:
    """Look every label up again by the open time of the candle `horizon` later.

    Parameters
    ----------
    candles
        What was labelled.
    labels
        Of these candles.

    Returns
    -------
    CheckResult
        A finding for each part of the labels that differs from close[t + horizon] against close[t].
    """
    n, horizon, times = len(candles), labels.horizon, candles.open_time_ms
    later = np.searchsorted(times, candles.interval.next_array(times, horizon))
    # On a regular grid the candle `horizon` later lies `horizon` rows on only where no candle between is missing.
    known = (later == np.arange(n) + horizon) & (later < n)
    known[known] = times[later[known]] == candles.interval.next_array(times, horizon)[known]
    future = np.where(known, candles.close[np.minimum(later, n - 1)], np.nan)
    close = candles.close
    wrong: tuple[tuple[str, Mask], ...] = (
        ("known", labels.known != known),
        ("up", known & ((labels.up == 1) != (future > close))),
        ("tie", known & (labels.tie != (future == close))),
        ("span_end", known & (labels.span_end != np.arange(n) + horizon)),
        ("forward_return", known & ~(np.abs(labels.forward_return - (future / close - 1)) <= 1e-12)),
    )
    findings = tuple(
        Finding(
            LABELS,
            name,
            f"{int(bad.sum()):,} labels are not those of the close {horizon} candles later; the first is that of "
            f"{told_time(candles, int(np.argmax(bad)))}",
        )
        for name, bad in wrong
        if bad.any()
    )
    return CheckResult(LABELS, f"{int(known.sum()):,} labels", int(known.sum()), findings)


def check_label_spans(dataset: Dataset) -> CheckResult:
    """Measure every row's label span on the clock: as many intervals as it has candles.

    Returns
    -------
    CheckResult
        A finding where a span holds a gap.
    """
    candles = dataset.candles
    start, end = dataset.position, np.minimum(dataset.span_end, len(candles) - 1)
    missing = np.searchsorted(candles.gap_starts, end, side="right") > np.searchsorted(
        candles.gap_starts, start, side="right"
    )
    bad = missing | (dataset.span_end >= len(candles)) | (dataset.span_end < start)
    findings: tuple[Finding, ...] = ()
    if bad.any():
        first = told_time(candles, int(start[np.argmax(bad)]))
        told = f"{int(bad.sum()):,} label spans cross a gap or the end of the candles; the first is that of {first}"
        findings = (Finding(LABELS, "span_end", told),)
    return CheckResult(LABELS, f"{len(dataset):,} spans", len(dataset), findings)
