"""Whether fitting depends on what it must not see: rows outside of the training rows, altered, change nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlsignal.dataset import Dataset
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.learning.splits import Fold
from mlsignal.learning.training import TrainingOptions, fit_model

FITTING = "fitting on training rows"
PROBED = 256
"""Rows whose probabilities are compared."""


def check_fitting(
    dataset: Dataset, folds: Mapping[str, Fold], models: Sequence[str], options: TrainingOptions, seed: int
) -> CheckResult:
    """Fit each model twice, the second time with features, labels and returns of all other rows made up.

    Parameters
    ----------
    dataset
        The rows.
    folds
        On whose training rows to fit.
    models
        Names.
    options
        How to fit; the plain engine repeats itself exactly.
    seed
        Of what is made up.

    Returns
    -------
    CheckResult
        A finding for each model whose probabilities on fixed rows change.

    Raises
    ------
    DataError
        If the training rows of a fold are of one class.
    """
    findings: list[Finding] = []
    for name, fold in folds.items():
        altered = alter_other_rows(dataset, fold, np.random.default_rng([seed, 5]))
        probes = dataset.X[np.linspace(0, len(dataset) - 1, min(PROBED, len(dataset))).astype(np.int64)]
        for model in models:
            first, second = (
                fit_model(model, rows, fold.train, options).predict_proba(probes)[:, 1] for rows in (dataset, altered)
            )
            apart = float(np.abs(first - second).max())
            if not apart <= 1e-12:
                told = (
                    f"fitted on the training rows of {name}, it gives probabilities up to {apart:.3g} apart when the "
                    "other rows are others: something learns from them"
                )
                findings.append(Finding(FITTING, model, told))
    told = f"{len(models)} models on {len(folds)} folds, other rows altered"
    return CheckResult(FITTING, told, len(models) * len(folds), tuple(findings))


def alter_other_rows(dataset: Dataset, fold: Fold, random: np.random.Generator) -> Dataset:
    """Make up the rows that are no training rows: a thousandfold noise, turned labels."""
    others = np.setdiff1d(np.arange(len(dataset)), fold.train)
    X, y, last_return, tie = dataset.X.copy(), dataset.y.copy(), dataset.last_return.copy(), dataset.tie.copy()
    X[others] = 1_000 * random.normal(0, 1 + np.abs(X).max(), (len(others), X.shape[1]))
    y[others] = 1 - y[others]
    last_return[others] = random.normal(0, 1, len(others))
    tie[others] = ~tie[others]
    return replace(dataset, X=X, y=y, last_return=last_return, tie=tie)
