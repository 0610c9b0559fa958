"""From cleaned candles to a judged model: features, labels, training, the choice, the scores."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from joblib import parallel_config
from threadpoolctl import threadpool_limits

from mlsignal.bundle import FeatureSelection, library_versions
from mlsignal.candles import Candles, Floats
from mlsignal.config import Settings
from mlsignal.dataset import Dataset, build_dataset
from mlsignal.evaluation.baselines import score_baselines
from mlsignal.evaluation.equity import signal_equity
from mlsignal.evaluation.importance import permutation_importance
from mlsignal.evaluation.record import describe_candles, describe_rows, model_scores, prediction_table, without_nan
from mlsignal.evaluation.results import SCHEMA_VERSION, EvaluationReport
from mlsignal.evaluation.verdict import verdict
from mlsignal.features.feature import compute_features
from mlsignal.gathering import GatheredCandles
from mlsignal.labels import Labels, direction_labels
from mlsignal.learning.models import Engine, choose_engine
from mlsignal.learning.signal_model import SignalModel
from mlsignal.learning.splits import Fold, holdout, time_series_folds
from mlsignal.learning.training import CrossValidation, TrainingOptions, cross_validate, fit_model, select_model
from mlsignal.version import __version__

OnProgress = Callable[[str, int, int], None]
"""Called with a stage's name, the steps done and their total."""


def tell_nobody(stage: str, done: int, total: int) -> None:
    """Report progress to nobody."""
    del stage, done, total


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
class Learned:
    """What training left behind; nothing of it has seen the test rows.

    Attributes
    ----------
    dataset, split, validation
        The rows, the 80/20 split in time, and the cross-validation inside its training side.
    estimators
        Each model fitted on the whole training side.
    selected
        The model with the best score over the folds.
    engine
        What the folds were fitted with; `estimators` are always plain scikit-learn.
    """

    dataset: Dataset
    split: Fold
    validation: CrossValidation
    estimators: dict[str, Any]
    selected: str
    engine: Engine


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
        Test rows of features, shape (n_test, n_features); the bundle keeps a few.
    """

    evaluation: EvaluationReport
    model: SignalModel
    selection: FeatureSelection
    golden: Floats


def run_experiment(
    settings: Settings,
    gathered: GatheredCandles,
    *,
    labels: Labels | None = None,
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
        Cleaned candles; the newest `settings.lookback_candles` of them are used.
    labels
        Of these candles, instead of their direction: with labels that nothing can foresee an audit tests the whole of
        the pipeline.
    on_progress
        Told of each stage.
    stopwatch
        Where the seconds of each stage are kept.
    command
        The command line, for the record.

    Raises
    ------
    ConfigurationError
        If the settings name what does not exist.
    DataError
        If the candles are too few, lack a column that a feature needs, or are of one class.
    """
    tell: OnProgress = on_progress or tell_nobody
    watch = stopwatch or Stopwatch()
    selection = FeatureSelection.choose(settings.features, settings.feature_file)
    candles = gathered.candles.last(settings.lookback_candles)
    with threadpool_limits(1):  # threads that wait for each other cost more than they give
        with watch.stage("features"):
            frame = compute_features(candles, selection.features)
            dataset = build_dataset(frame, labels or direction_labels(candles, settings.horizon, settings.ties))
        learned = learn(settings, dataset, tell, watch)
        with watch.stage("evaluate"):
            tell("evaluation", 0, 1)
            evaluation = judge(
                settings, gathered, learned, {**_describe_run(settings, selection, learned), "command": command}
            )
            tell("evaluation", 1, 1)
    evaluation.metrics["seconds"] = watch.seconds
    model = SignalModel(
        learned.estimators[learned.selected],
        dataset.feature_names,
        _describe_model(settings, candles, learned.selected),
    )
    return RunResult(evaluation, model, selection, dataset.X[learned.split.test])


def learn(settings: Settings, dataset: Dataset, tell: OnProgress, watch: Stopwatch) -> Learned:
    """Cross-validate, choose by the folds, and fit every model on the whole training side."""
    engine = choose_engine(settings.engine)
    options = TrainingOptions(settings.outliers, settings.seed, settings.trees, engine, settings.jobs)
    split = holdout(dataset, settings.test_share)
    folds = time_series_folds(dataset, split.train, settings.folds)
    with watch.stage("cv"):
        validation = cross_validate(
            settings.models, dataset, folds, options, lambda done, total: tell("cross-validation", done, total)
        )
        selected = select_model(validation, settings.select_by)
    plain = TrainingOptions(settings.outliers, settings.seed, settings.trees, "plain")
    estimators = {}
    with watch.stage("fit"), parallel_config("threading", n_jobs=settings.jobs):
        for done, name in enumerate(settings.models, start=1):
            estimators[name] = fit_model(name, dataset, split.train, plain)
            tell("final fits", done, len(settings.models))
    return Learned(dataset, split, validation, estimators, selected, engine)


def judge(
    settings: Settings, gathered: GatheredCandles, learned: Learned, described: dict[str, Any]
) -> EvaluationReport:
    """Score what was learned on the test rows, beside the baselines, before and after the fee."""
    dataset, split, selected = learned.dataset, learned.split, learned.selected
    test_X = dataset.X[split.test]
    p_up = {name: estimator.predict_proba(test_X)[:, 1] for name, estimator in learned.estimators.items()}
    equity = signal_equity(
        dataset.candles,
        dataset.position[split.test],
        p_up[selected],
        10.0 if settings.fee_bps is None else settings.fee_bps,
    )
    moved = ~dataset.tie[split.test]
    importances = permutation_importance(
        learned.estimators[selected],
        test_X[moved],
        dataset.y[split.test][moved],
        dataset.feature_names,
        seed=settings.seed,
        n_jobs=settings.jobs,
    )
    origin = {
        "source": gathered.source,
        "synthetic": gathered.synthetic,
        "stale_minutes": gathered.stale_minutes,
        "cleaning": gathered.cleaning.to_dict(),
    }
    metrics: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "mlsignal_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {**describe_candles(dataset.candles), **origin, **describe_rows(dataset, split)},
        "settings": described,
        "versions": library_versions(),
        "selected": selected,
        "models": {name: model_scores(learned.validation, name, dataset, split, p_up[name]) for name in p_up},
        "baselines": score_baselines(dataset, split),
        "economics": equity.summary,
    }
    metrics["verdict"] = verdict(metrics)
    predictions = prediction_table(dataset, learned.validation, split, p_up)
    return EvaluationReport(without_nan(metrics), predictions, dataset.candles, importances, equity.curve)


def _describe_run(settings: Settings, selection: FeatureSelection, learned: Learned) -> dict[str, Any]:
    """Return the settings that decide the numbers."""
    described = selection.describe()
    names = ("horizon", "ties", "outliers", "folds", "test_share", "select_by", "seed", "trees", "fee_bps")
    return {
        **{name: getattr(settings, name) for name in names},
        "lookback_candles": settings.lookback_candles,
        "models": list(settings.models),
        "features": list(settings.features),
        "feature_names": described["columns"],
        "feature_file": described["feature_file"],
        "engine": learned.engine,
    }


def _describe_model(settings: Settings, candles: Candles, selected: str) -> dict[str, Any]:
    return {
        "name": selected,
        "symbol": candles.symbol,
        "interval": candles.interval.value,
        "horizon": settings.horizon,
    }
