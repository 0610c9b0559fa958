"""What the selected model leans on: permutation importance on test rows."""

from typing import Any

import numpy as np
from joblib import Parallel, delayed

from mlsignal.candles import Floats
from mlsignal.evaluation.results import Importance
from mlsignal.metrics import Labels01, roc_auc

MAX_ROWS = 2_000
REPEATS = 3


def permutation_importance(
    estimator: Any,
    X: Floats,
    y: Labels01,
    names: tuple[str, ...],
    *,
    seed: int = 0,
    n_jobs: int = 1,
) -> tuple[Importance, ...]:
    """Measure how much the AUC falls when one feature at a time is shuffled between rows.

    Parameters
    ----------
    estimator
        A fitted classifier.
    X, y
        Rows without ties to measure on, shapes (n_rows, n_features) and (n_rows,); at most 2,000 of them, evenly
        spread, are used.
    names
        Of the columns of `X`.
    seed
        Of the shuffles.
    n_jobs
        Threads.

    Returns
    -------
    tuple of Importance
        The most important first. Features that tell the same story share their importance: none of them may seem to
        matter alone.

    References
    ----------
    Breiman (2001), Random forests, Machine Learning 45(1).
    """
    rows = np.linspace(0, len(y) - 1, min(len(y), MAX_ROWS)).astype(np.int64) if len(y) else np.empty(0, np.int64)
    X, y = X[rows], y[rows]
    if len(np.unique(y)) < 2:
        return ()
    whole = roc_auc(y, estimator.predict_proba(X)[:, 1])
    seeds = np.random.SeedSequence(seed).spawn(len(names))

    def fall(column: int) -> Importance:
        generator = np.random.default_rng(seeds[column])
        stacked = np.concatenate([X] * REPEATS)
        stacked[:, column] = np.concatenate([generator.permutation(X[:, column]) for _ in range(REPEATS)])
        scores = estimator.predict_proba(stacked)[:, 1].reshape(REPEATS, len(y))
        falls = [whole - roc_auc(y, p_up) for p_up in scores]
        return Importance(names[column], float(np.mean(falls)), float(np.std(falls, ddof=1)))

    found = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(fall)(column) for column in range(len(names)))
    return tuple(sorted(found, key=lambda item: -item.mean))
