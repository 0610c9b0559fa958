"""Whether a fold keeps its sides apart: no shared candle, no overlapping label spans, no repeated rows."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Times
from mlsignal.dataset import Dataset
from mlsignal.leakage.computation import told_time
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.learning.splits import Fold

SHARED = "candles on both sides"
OVERLAP = "label spans across folds"
DUPLICATES = "duplicated rows"
CHANCE_TWINS = 5
"""Equal rows on both sides that are no finding yet."""
TWINS_OF_CHANCE = 3
"""How many times as frequent as within the training rows equal rows must be to be a finding."""

Prints = npt.NDArray[np.uint64]


def name_folds(folds: Mapping[str, Sequence[Fold]]) -> dict[str, Fold]:
    """Name each fold after its split, with its number where the split has several.

    Examples
    --------
    >>> one = Fold(np.arange(3), np.arange(4, 5), 1)
    >>> list(name_folds({"holdout": [one], "time series": [one, one]}))
    ['holdout', 'time series 1', 'time series 2']
    """
    return {
        name if len(found) == 1 else f"{name} {number}": fold
        for name, found in folds.items()
        for number, fold in enumerate(found, start=1)
    }


def check_shared(dataset: Dataset, folds: Mapping[str, Fold]) -> CheckResult:
    """Look for candles that are trained on and tested on in one fold."""
    findings = []
    for name, fold in folds.items():
        trained = np.zeros(len(dataset.candles), dtype=np.bool_)
        trained[dataset.position[fold.train]] = True
        shared = dataset.position[fold.test][trained[dataset.position[fold.test]]]
        if len(shared):
            first = told_time(dataset.candles, int(shared[0]))
            told = f"{len(shared):,} candles are trained on and tested on; the first is that of {first}"
            findings.append(Finding(SHARED, name, told))
    return CheckResult(SHARED, _told(folds), len(folds), tuple(findings))


def check_overlap(dataset: Dataset, folds: Mapping[str, Fold]) -> CheckResult:
    """Look for training rows whose span [position, span_end] overlaps that of a test row, in every fold."""
    findings = []
    for name, fold in folds.items():
        overlapping = _overlapping(dataset, fold)
        if len(overlapping):
            first = told_time(dataset.candles, int(dataset.position[overlapping[0]]))
            told = (
                f"the labels of {len(overlapping):,} training rows look at candles of the test rows' labels; the first "
                f"is that of {first}"
            )
            findings.append(Finding(OVERLAP, name, told))
    return CheckResult(OVERLAP, _told(folds), len(folds), tuple(findings))


def _overlapping(dataset: Dataset, fold: Fold) -> Times:
    """Return the training rows whose span overlaps that of any test row."""
    if not len(fold.train) or not len(fold.test):
        return fold.train[:0]
    order = np.argsort(dataset.position[fold.test], kind="stable")
    starts = dataset.position[fold.test][order]
    reach = np.maximum.accumulate(dataset.span_end[fold.test][order])
    begun = np.searchsorted(starts, dataset.span_end[fold.train], side="right")
    reached = np.where(begun > 0, reach[np.maximum(begun - 1, 0)], -1)
    return fold.train[reached >= dataset.position[fold.train]]


def check_duplicates(dataset: Dataset, folds: Mapping[str, Fold]) -> CheckResult:
    """Look for test rows that a training row repeats: the same candle and the same features at another time.

    Candles that did not move (open, high, low and close equal) repeat honestly and do not count. Others may by chance,
    where prices and amounts are coarse: as often as rows repeat within the training rows.

    Returns
    -------
    CheckResult
        A finding for each fold with more of them.
    """
    kinds, moved = np.unique(row_prints(dataset), return_inverse=True)[1], _moved(dataset)
    findings = []
    for name, fold in folds.items():
        train, test = fold.train[moved[fold.train]], fold.test[moved[fold.test]]
        if not len(train) or not len(test):
            continue
        known = np.zeros(len(dataset), dtype=np.bool_)
        known[kinds[train]] = True
        by_chance = (len(train) - int(known.sum())) / len(train) * len(test)
        twins = test[known[kinds[test]]]
        if len(twins) > TWINS_OF_CHANCE * by_chance + CHANCE_TWINS:
            first = told_time(dataset.candles, int(dataset.position[twins[0]]))
            told = (
                f"{len(twins):,} test rows repeat training rows, candle and features, at another time; the first is "
                f"that of {first}"
            )
            findings.append(Finding(DUPLICATES, name, told))
    return CheckResult(DUPLICATES, _told(folds), len(folds), tuple(findings))


def row_prints(dataset: Dataset) -> Prints:
    """Return a number for each row that is equal for equal candles and features, shape (n_rows,).

    Features are taken in single precision: recursions round differently after another past.
    """
    candles = dataset.candles
    own = np.column_stack([candles.column(name)[dataset.position] for name in candles.columns])
    with np.errstate(over="ignore"):
        features = dataset.X.astype(np.float32)
    values = np.column_stack([features, own]) + 0.0  # so that -0 and 0 are one
    bits = np.ascontiguousarray(values).view(np.uint64)
    # The finalizer of MurmurHash3 (Appleby 2011) mixes the bits of each value before they are added up.
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    bits = (bits ^ (bits >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    bits ^= bits >> np.uint64(33)
    places = np.arange(bits.shape[1], dtype=np.uint64) * np.uint64(2) + np.uint64(0x9E3779B97F4A7C15)
    return np.asarray((bits * places).sum(axis=1, dtype=np.uint64))


def _moved(dataset: Dataset) -> npt.NDArray[np.bool_]:
    candles = dataset.candles
    return np.asarray((candles.high > candles.low)[dataset.position])


def _told(folds: Mapping[str, Fold]) -> str:
    return f"{len(folds)} fold{'' if len(folds) == 1 else 's'}"
