"""Scores of a classifier that takes ties as a class of their own."""

from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.learning.ties import TIE, three_class_labels
from mlsignal.metrics import SMALLEST_PROBABILITY, Bools, Labels01, roc_auc

CLASSES = ("down", "up", "tie")


def three_class_scores(y: Labels01, tie: Bools, probabilities: Floats) -> dict[str, Any]:
    """Score probabilities of down, up and tie.

    Parameters
    ----------
    y, tie
        Labels (1 up, 0 not up) and ties, shape (n,).
    probabilities
        Of down, up and tie, shape (n, 3).

    Returns
    -------
    dict
        n; log_loss (nats); accuracy of the likeliest class; tie_roc_auc, how well ties are foretold: volatility alone
        does that, so it is no edge; shares of the classes; confusion: class -> how often each was the likeliest.
    """
    actual = three_class_labels(y, tie)
    given = np.clip(probabilities[np.arange(len(actual)), actual], SMALLEST_PROBABILITY, 1)
    said = probabilities.argmax(axis=1)
    counts = np.bincount(3 * actual.astype(np.int64) + said, minlength=9).reshape(3, 3)
    return {
        "n": len(actual),
        "log_loss": float(-np.log(given).mean()),
        "accuracy": float((said == actual).mean()),
        "tie_roc_auc": roc_auc(tie.astype(np.int8), probabilities[:, TIE]),
        "shares": dict(zip(CLASSES, (counts.sum(axis=1) / len(actual)).tolist(), strict=True)),
        "confusion": {
            name: dict(zip(CLASSES, row, strict=True)) for name, row in zip(CLASSES, counts.tolist(), strict=True)
        },
    }
