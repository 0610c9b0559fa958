"""Walk-forward prediction: a model fitted anew for every fold, and the rows that each fit serves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from joblib import Parallel, delayed, parallel_config
from threadpoolctl import threadpool_limits

from mlsignal.candles import Floats, Times
from mlsignal.dataset import Dataset
from mlsignal.learning.splits import Fold
from mlsignal.learning.ties import class_probabilities
from mlsignal.learning.training import TrainingOptions, fit_model

Progress = Callable[[int, int], None]
Rows = slice | Times
Piece = tuple[Rows, Rows, slice]
"""Rows to learn from, rows to predict, and candles without a known label to predict besides."""

TASKS_A_JOB = 16
"""Tasks that each worker gets: more would cost their sending, fewer leave a worker idle at the end."""


@dataclass(frozen=True)
class WalkForward:
    """What the fits of a walk-forward said about the rows that they served.

    Attributes
    ----------
    rows
        Row numbers of the dataset, ascending, shape (n_rows,): the test rows of all folds.
    p_up
        Probability of up, each by the fit of its fold, shape (n_rows,).
    fold
        Number of each row's fold from 0, shape (n_rows,).
    estimator
        Of the last fold: the one that would serve the rows to come.
    position
        Indices of the candles that the fits served, ascending, shape (n_served,): those of `rows`, and those without a
        known label, each served by the newest fit whose first row is not later.
    signal
        Probability of up at each of them, shape (n_served,).
    classes
        Probabilities of down, up and tie, shape (n_rows, 3), where ties are a class of their own; else None.
    """

    rows: Times
    p_up: Floats
    fold: Times
    estimator: Any
    position: Times
    signal: Floats
    classes: Floats | None = None


def walk_forward_predict(
    name: str,
    dataset: Dataset,
    folds: Sequence[Fold],
    options: TrainingOptions,
    on_progress: Progress | None = None,
) -> WalkForward:
    """Fit a model on the training rows of each fold, and predict the fold's test rows with it.

    Parameters
    ----------
    name
        Of the model.
    dataset
        The rows.
    folds
        In the order of time, each row tested once, as from the scheme "walk_forward" or `refit_folds`.
    options
        How models are fitted. `n_jobs` fits run at a time, each on one thread. The numbers do not depend on it.
    on_progress
        Called with the fits done and their total.

    Raises
    ------
    DataError
        If the training rows of a fold are of one class only.
    ConfigurationError
        If there is no model of that name.

    Notes
    -----
    Fits run in threads of this process, unless joblib's context names another backend: LightGBM and linear algebra
    leave the interpreter's lock, so that processes gain little, and they take two seconds to start. With processes the
    rows are mapped into memory once, not sent with every fit.
    """
    served = _unlabelled_of(dataset, folds)
    pieces = [(_compact(fold.train), _compact(fold.test), more) for fold, more in zip(folds, served, strict=True)]
    tasks = _chunks(pieces, options.n_jobs)
    parallel = Parallel(n_jobs=options.n_jobs, prefer="threads", return_as="generator", max_nbytes="100K")
    found: list[Floats] = []
    beside: list[Floats] = []
    last: Any = None
    with threadpool_limits(1):  # threads that wait for each other cost more than they give
        for done in parallel(delayed(_fit_pieces)(name, dataset, task, options) for task in tasks):
            found.extend(done[0])
            beside.extend(done[1])
            last = done[2]
            if on_progress is not None:
                on_progress(len(found), len(folds))
    sizes = [len(fold.test) for fold in folds]
    rows = np.concatenate([fold.test for fold in folds])
    said = np.concatenate(found)
    p_up = said[:, 0].copy()
    position = np.concatenate([dataset.position[rows], *(dataset.unlabelled[more] for more in served)])
    order = np.argsort(position, kind="stable")
    return WalkForward(
        rows=rows,
        p_up=p_up,
        fold=np.repeat(np.arange(len(folds)), sizes),
        estimator=last,
        position=position[order],
        signal=np.concatenate([p_up, *beside])[order],
        classes=said[:, 1:] if dataset.ties == "third" else None,
    )


def _unlabelled_of(dataset: Dataset, folds: Sequence[Fold]) -> list[slice]:
    """Return which candles without a known label each fold serves: those from its first row to the next fold's."""
    first = [dataset.position[fold.test[0]] for fold in folds]
    edges = [*np.searchsorted(dataset.unlabelled, first).tolist(), len(dataset.unlabelled)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def _fit_pieces(
    name: str, dataset: Dataset, pieces: Sequence[Piece], options: TrainingOptions
) -> tuple[list[Floats], list[Floats], Any]:
    """Return what is said of each piece and of its unlabelled candles, where it has any, and the last estimator.

    Of a piece (n_rows, 1), or with the classes (n_rows, 4).
    """
    threadpool_limits(1)  # for a process of its own, to its end; in this one the caller has set it, and undoes it
    found: list[Floats] = []
    beside: list[Floats] = []
    estimator: Any = None
    for number, (train, test, unlabelled) in enumerate(pieces, start=1):
        rows = np.arange(train.start, train.stop) if isinstance(train, slice) else train
        estimator = fit_model(name, dataset, rows, replace(options, kept=number == len(pieces)))
        X = dataset.X[test]
        with parallel_config("threading", n_jobs=1):  # threads would add up the trees in any order
            p_up = np.asarray(estimator.predict_proba(X)[:, 1:], dtype=np.float64)
            found.append(np.hstack([p_up, class_probabilities(estimator, X)]) if dataset.ties == "third" else p_up)
            if unlabelled.start < unlabelled.stop:
                beside.append(np.asarray(estimator.predict_proba(dataset.X_unlabelled[unlabelled])[:, 1]))
    return found, beside, estimator


def _compact(rows: Times) -> Rows:
    """Return consecutive rows as a slice, which is sent to a worker for nothing."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == len(rows) else rows


def _chunks(pieces: list[Piece], n_jobs: int) -> list[list[Piece]]:
    """Cut the pieces into tasks, in order."""
    if n_jobs == 1:
        return [[piece] for piece in pieces]
    edges = np.linspace(0, len(pieces), min(TASKS_A_JOB * n_jobs, len(pieces)) + 1).round().astype(int)
    return [pieces[first:stop] for first, stop in pairwise(edges.tolist())]
