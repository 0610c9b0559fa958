"""The whole story on one page: candles, features, labels, training, the choice, the scores, the exports."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from mlsignal.bundle import FeatureSelection, library_versions
from mlsignal.candles import Candles, Floats, utc
from mlsignal.cleaning import CleaningReport
from mlsignal.config import Settings
from mlsignal.dataset import Dataset, build_dataset
from mlsignal.evaluation.baselines import score_baselines
from mlsignal.evaluation.equity import Equity, signal_equity
from mlsignal.evaluation.importance import permutation_importance
from mlsignal.evaluation.results import SCHEMA_VERSION, EvaluationReport
from mlsignal.evaluation.uncertainty import score_intervals
from mlsignal.evaluation.verdict import verdict
from mlsignal.features.feature import compute_features
from mlsignal.labels import direction_labels
from mlsignal.learning.models import choose_engine
from mlsignal.learning.signal_model import SignalModel
from mlsignal.learning.splits import Fold, holdout, time_series_folds
from mlsignal.learning.training import (
    CrossValidation,
    TrainingOptions,
    cross_validate,
    fit_model,
    flag_outliers,
    score_names,
    select_model,
)
from mlsignal.metrics import score_model
from mlsignal.version import __version__

OnProgress = Callable[[str, int, int], None]


@dataclass
class Stopwatch:
    """Seconds of each stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started


@dataclass(frozen=True)
class GatheredCandles:
    """Cleaned candles and where they came from."""

    candles: Candles
    cleaning: CleaningReport
    source: str
    synthetic: bool = False


@dataclass(frozen=True)
class RunResult:
    """A finished run: the chosen model, its features, and all that is known about it.

    Attributes
    ----------
    evaluation
        Metrics, predictions, equity: what the report shows.
    model
        The chosen model, fitted on the training rows.
    selection
        Its features.
    golden
        Some rows of features, from the test, for the bundle.
    """

    evaluation: EvaluationReport
    model: SignalModel
    selection: FeatureSelection
    golden: Floats


@dataclass(frozen=True)
class _Fitted:
    """One model fitted on all training rows, with its test probabilities."""

    estimator: Any
    p_up: Floats


def run_pipeline(
    settings: Settings,
    gathered: GatheredCandles,
    *,
    on_progress: OnProgress | None = None,
    stopwatch: Stopwatch | None = None,
    command: str = "",
) -> RunResult:
    """Train, validate, choose and score, from cleaned candles on.

    Parameters
    ----------
    settings
        What was asked for.
    gathered
        Candles.
    on_progress
        Called with a stage's name, the steps done and their total.
    stopwatch
        Where the seconds of each stage are kept.
    command
        The command line, for the record.

    Raises
    ------
    ConfigurationError, DataError
        If the settings do not fit together, or the candles are too few or of one class.
    """
    tell: OnProgress = on_progress or (lambda stage, done, total: None)
    watch = stopwatch or Stopwatch()
    selection = FeatureSelection.choose(settings.features, settings.feature_file)
    engine = choose_engine(settings.engine)
    options = TrainingOptions(settings.outliers, settings.seed, settings.trees, engine, settings.jobs)
    candles = gathered.candles.last(settings.lookback_candles)
    with watch.stage("features"):
        frame = compute_features(candles, selection.features)
        dataset = build_dataset(frame, direction_labels(candles, settings.horizon, settings.ties))
    split = holdout(dataset, settings.test_share)
    folds = time_series_folds(dataset, split.train, settings.folds)
    with watch.stage("cv"):
        validation = cross_validate(
            settings.models, dataset, folds, options, lambda done, total: tell("cross-validation", done, total)
        )
        selected = select_model(validation, settings.select_by)
    with watch.stage("fit"):
        fitted = _final_fits(settings, dataset, split, options)
    with watch.stage("evaluate"):
        tell("evaluation", 0, 1)
        moved = ~dataset.tie[split.test]
        importances = permutation_importance(
            fitted[selected].estimator,
            dataset.X[split.test][moved],
            dataset.y[split.test][moved],
            dataset.feature_names,
            seed=settings.seed,
            n_jobs=settings.jobs,
        )
        equity = signal_equity(candles, dataset.position[split.test], fitted[selected].p_up, settings.fee_bps)
        predictions = _predictions(dataset, split, validation, fitted)
        metrics = {
            "schema_version": SCHEMA_VERSION,
            "mlsignal_version": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "data": _describe_data(gathered, candles, dataset, split),
            "settings": _describe_settings(settings, selection, engine, command),
            "versions": library_versions(),
            "selected": selected,
            "models": {name: _model_scores(validation, name, dataset, split, fitted[name].p_up) for name in settings.models},
            "baselines": score_baselines(dataset, split),
            "economics": equity.summary,
        }
        metrics["verdict"] = verdict(metrics)
        tell("evaluation", 1, 1)
    metrics["seconds"] = watch.seconds
    description = _describe_model(selected, settings, candles)
    return RunResult(
        evaluation=EvaluationReport(metrics, predictions, candles, importances, equity.curve),
        model=SignalModel(fitted[selected].estimator, dataset.feature_names, description),
        selection=selection,
        golden=dataset.X[split.test],
    )
