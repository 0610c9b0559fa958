"""The folds of a validation as metrics.json records them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlsignal.candles import Times, utc
from mlsignal.dataset import Dataset
from mlsignal.learning.splits import Fold

MOST_FOLDS = 40
"""Folds that are listed one by one; of more, as many evenly spread ones are."""
MOST_SPANS = 24
"""Stretches of rows that are listed of one side of a fold."""


def describe_folds(
    dataset: Dataset, folds: Sequence[Fold], scheme: str, *, embargo: int = 0, test: Fold | None = None
) -> dict[str, Any]:
    """Return which stretches of time every fold learnt from and was tested on.

    Parameters
    ----------
    dataset
        The rows.
    folds
        Of the validation, at least one.
    scheme
        Its name.
    embargo
        In candles.
    test
        The split that set the test span apart.

    Returns
    -------
    dict
        scheme, embargo, n_folds, purged and embargoed (rows, over all folds), `folds`: for each fold, or for 40 evenly
        spread ones where there are more, its number from 1 (`fold`), train and test as lists of [first, last] (close
        times, ISO 8601, of consecutive rows), train_rows, test_rows, purged and embargoed; and the same of `test`,
        where given, without a number.
    """
    count = len(folds)
    listed = np.unique(np.linspace(0, count - 1, min(count, MOST_FOLDS)).round().astype(int)).tolist()
    described: dict[str, Any] = {
        "scheme": scheme,
        "embargo": embargo,
        "n_folds": count,
        "purged": sum(fold.purged for fold in folds),
        "embargoed": sum(fold.embargoed for fold in folds),
        "folds": [{"fold": number + 1, **_describe(dataset, folds[number])} for number in listed],
    }
    if test is not None:
        described["test"] = _describe(dataset, test)
    return described


def _describe(dataset: Dataset, fold: Fold) -> dict[str, Any]:
    return {
        "train": _spans(dataset, fold.train),
        "test": _spans(dataset, fold.test),
        "train_rows": len(fold.train),
        "test_rows": len(fold.test),
        "purged": fold.purged,
        "embargoed": fold.embargoed,
    }


def _spans(dataset: Dataset, rows: Times) -> list[list[str]]:
    """Return the first and the last close time of each run of consecutive rows; of too many runs, the widest."""
    if not len(rows):
        return []
    breaks = np.flatnonzero(np.diff(rows) != 1) + 1
    first, last = rows[np.append(0, breaks)], rows[np.append(breaks, len(rows)) - 1]
    if len(first) > MOST_SPANS:
        widest = np.sort(np.argsort(first - last, kind="stable")[:MOST_SPANS])
        first, last = first[widest], last[widest]
    closed = dataset.candles.close_time_ms[dataset.position[np.column_stack([first, last])]]
    return [[utc(moment).isoformat(timespec="milliseconds") for moment in pair] for pair in closed.tolist()]
