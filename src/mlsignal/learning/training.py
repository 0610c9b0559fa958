"""Training: cross-validation in time, the choice of a model, and the final fits; all of it on training rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline

from mlsignal.candles import Floats, Times
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError, DataError, did_you_mean
from mlsignal.learning.models import Engine, ModelContext, build_model
from mlsignal.learning.outliers import Fence, IQRClipper, Outliers
from mlsignal.learning.splits import Fold
from mlsignal.learning.ties import ThreeClassClassifier, three_class_labels
from mlsignal.metrics import Bools, is_better, read_score, score_model

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class TrainingOptions:
    """How models are fitted.

    Attributes
    ----------
    outliers
        "remove": training rows whose last return lies beyond 3 interquartile ranges leave the training rows;
        "winsorise": every feature is clipped to fences learnt on the training rows; "none".
    seed, n_trees, engine
        See `ModelContext`.
    n_jobs
        Fits at a time, each on one thread, or threads of the accelerated engine, one fit at a time; the numbers do not
        depend on it.
    kept
        See `ModelContext`.
    """

    outliers: Outliers = "remove"
    seed: int = 0
    n_trees: int = 100
    engine: Engine = "plain"
    n_jobs: int = 1
    kept: bool = True


@dataclass(frozen=True)
class FoldResult:
    """A model's probabilities and scores on the test rows of one fold."""

    rows: Times
    p_up: Floats
    scores: dict[str, Any]


@dataclass(frozen=True)
class CrossValidation:
    """Fold results of each model: name -> one result a fold."""

    results: dict[str, tuple[FoldResult, ...]]

    def values(self, model: str, score: str) -> Floats:
        """Return one score of each fold, shape (n_folds,)."""
        return np.array([read_score(result.scores, score) for result in self.results[model]])


def training_rows(dataset: Dataset, rows: Times, outliers: Outliers) -> Times:
    """Return those of `rows` that a model learns from: trainable ones, without outliers where these are removed."""
    kept = rows[dataset.trainable[rows]]
    if outliers == "remove" and len(kept):
        kept = kept[~flag_outliers(dataset, kept, kept)]
    return kept


def flag_outliers(dataset: Dataset, fitted_on: Times, rows: Times) -> Bools:
    """Flag `rows` whose last return lies beyond the fences of the rows `fitted_on`, shape (n_rows,)."""
    return Fence.fit(dataset.last_return[fitted_on]).outside(dataset.last_return[rows])


def fit_model(name: str, dataset: Dataset, rows: Times, options: TrainingOptions) -> Any:
    """Fit a model on the given rows.

    Raises
    ------
    DataError
        If the rows are of one class only.
    ConfigurationError
        If there is no model of that name.
    """
    kept = training_rows(dataset, rows, options.outliers)
    y = dataset.y[kept]
    if not len(y) or y.min() == y.max():
        only = "there is none" if not len(y) else f"all of them close {'up' if y[0] else 'down or unchanged'}"
        raise DataError(
            f"{dataset.candles.symbol}: cannot learn from {len(y)} training rows of one class ({only}); "
            "give more candles, or candles whose price moves"
        )
    context = ModelContext(len(kept), options.seed, options.n_trees, options.engine, options.n_jobs, options.kept)
    X = dataset.X[kept]
    clipper = IQRClipper().fit(X) if options.outliers == "winsorise" else None
    classes = three_class_labels(y, dataset.tie[kept]) if dataset.ties == "third" else y
    fitted = build_model(name, context).fit(X if clipper is None else clipper.transform(X), classes)
    if dataset.ties == "third":
        fitted = ThreeClassClassifier(fitted)
    return fitted if clipper is None else make_pipeline(clipper, fitted)


def cross_validate(
    models: Sequence[str],
    dataset: Dataset,
    folds: Sequence[Fold],
    options: TrainingOptions,
    on_progress: Progress | None = None,
) -> CrossValidation:
    """Fit every model on every fold and score it on the fold's test rows.

    Parameters
    ----------
    models
        Names.
    folds
        Row numbers of the dataset.
    on_progress
        Called with the fits done and their total.

    Raises
    ------
    DataError
        If the training rows of a fold are of one class only.
    """
    # The longest fits first: two threads then end at about the same time.
    tasks = [(name, number) for number in reversed(range(len(folds))) for name in reversed(models)]

    def fit_and_score(name: str, number: int) -> FoldResult:
        fold = folds[number]
        estimator = fit_model(name, dataset, fold.train, replace(options, kept=False))
        p_up = estimator.predict_proba(dataset.X[fold.test])[:, 1]
        return FoldResult(fold.test, p_up, score_model(dataset.y[fold.test], dataset.tie[fold.test], p_up))

    at_a_time = 1 if options.engine == "accel" else options.n_jobs
    parallel = Parallel(n_jobs=at_a_time, prefer="threads", return_as="generator")
    found: dict[tuple[str, int], FoldResult] = {}
    for task, result in zip(tasks, parallel(delayed(fit_and_score)(*task) for task in tasks), strict=True):
        found[task] = result
        if on_progress is not None:
            on_progress(len(found), len(tasks))
    return CrossValidation({name: tuple(found[name, k] for k in range(len(folds))) for name in models})


def select_model(validation: CrossValidation, score: str) -> str:
    """Return the model with the best mean of a score over the folds that define it for all; of equals, the first.

    Raises
    ------
    ConfigurationError
        If there is no such score.
    DataError
        If no fold defines it.
    """
    known = score_names(next(iter(validation.results.values()))[0].scores)
    if score not in known:
        raise ConfigurationError(f"select by: there is no score {score!r}. {did_you_mean(score, known)}")
    values = {name: validation.values(name, score) for name in validation.results}
    defined = np.isfinite(np.array(list(values.values()))).all(axis=0)
    if not defined.any():
        raise DataError(
            f"select by: no fold defines {score} for every model, as its test rows are of one class; give fewer "
            "--folds, more candles, or another --select-by"
        )
    means = {name: float(found[defined].mean()) for name, found in values.items()}
    best = next(iter(means))
    for name, mean in means.items():
        best = name if is_better(score, mean, means[best]) else best
    return best


def score_names(scores: dict[str, Any]) -> list[str]:
    """Return the names of all scores but the counts, groups joined by a dot."""
    names: list[str] = []
    for key, value in scores.items():
        if isinstance(value, dict):
            names.extend(f"{key}.{inner}" for inner in value if inner != "n")
        elif key != "n":
            names.append(key)
    return names
