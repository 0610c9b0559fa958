"""From cleaned candles to a judged model: features, labels, training, the choice, the scores."""

import time
from collections.abc import Callable, Iterator, Mapping
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
from mlsignal.evaluation.breakeven import break_even
from mlsignal.evaluation.decision import DecisionRule
from mlsignal.evaluation.folds import describe_folds
from mlsignal.evaluation.forecasts import make_forecasts
from mlsignal.evaluation.importance import permutation_importance
from mlsignal.evaluation.money import backtest_forecasts
from mlsignal.evaluation.record import describe_candles, describe_rows, prediction_table, without_nan
from mlsignal.evaluation.results import SCHEMA_VERSION, EvaluationReport, Importance
from mlsignal.evaluation.scoring import score_forecasts
from mlsignal.evaluation.trial_record import record_trials
from mlsignal.evaluation.verdict import verdict
from mlsignal.features.feature import compute_features
from mlsignal.gathering import GatheredCandles
from mlsignal.labels import Labels, direction_labels
from mlsignal.leakage.finding import LeakageReport
from mlsignal.leakage.suite import quick_audit
from mlsignal.learning.learned import Learned
from mlsignal.learning.models import choose_engine
from mlsignal.learning.refitting import WalkForward, walk_forward_predict
from mlsignal.learning.schemes import FoldOptions, make_folds, refit_folds
from mlsignal.learning.signal_model import SignalModel
from mlsignal.learning.splits import Fold, holdout
from mlsignal.learning.training import TrainingOptions, cross_validate, select_model
from mlsignal.version import __version__

_DECISIVE = (
    *("horizon", "ties", "outliers", "validation", "folds", "test_groups", "refit_every", "train_candles", "embargo"),
    *("test_share", "select_by", "seed", "trees"),
    *("costs", "fee_bps", "half_spread_bps", "slippage", "latency_candles", "funding_bps", "notional"),
    *("sizing", "hold"),
)
"""Settings that decide the numbers."""

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
class RunResult:
    """A finished run: the chosen model, its features, and all that is known about it.

    Attributes
    ----------
    evaluation
        Metrics, predictions, equity: what the report shows.
    model
        The chosen model, fitted on the training rows, or on those of the last refit over the test rows.
    selection
        Its features.
    golden
        Test rows of features, shape (n_test, n_features); the bundle keeps a few.
    rule
        When its signals are worth trading.
    """

    evaluation: EvaluationReport
    model: SignalModel
    selection: FeatureSelection
    golden: Floats
    rule: DecisionRule


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
            known = labels or direction_labels(candles, settings.horizon, settings.ties)
            dataset = build_dataset(frame, known)
        learned = learn(settings, dataset, tell, watch)
        with watch.stage("audit"):
            folds = {"holdout": learned.test_folds, settings.validation: learned.folds}
            # Labels that were given are nobody's prices: the audit would accuse them, and rightly.
            audit = (
                None if labels else quick_audit(frame, selection.features, known, dataset, folds, seed=settings.seed)
            )
        with watch.stage("evaluate"):
            tell("evaluation", 0, 1)
            described = {**_describe_run(settings, selection, learned), "command": command}
            evaluation, rule = judge(settings, gathered, learned, audit, described)
            tell("evaluation", 1, 1)
    evaluation.metrics["seconds"] = watch.seconds
    model = SignalModel(
        learned.estimators[learned.selected],
        dataset.feature_names,
        _describe_model(settings, candles, learned.selected),
    )
    return RunResult(evaluation, model, selection, dataset.X[learned.split.test], rule)


def learn(settings: Settings, dataset: Dataset, tell: OnProgress, watch: Stopwatch) -> Learned:
    """Cross-validate, choose by the folds, and fit every model for the test rows and those to come."""
    engine = choose_engine(settings.engine)
    options = TrainingOptions(settings.outliers, settings.seed, settings.trees, engine, settings.jobs)
    split = holdout(dataset, settings.test_share, settings.embargo)
    folds = make_folds(dataset, split.train, FoldOptions.of(settings))
    with watch.stage("cv"):
        validation = cross_validate(
            settings.models, dataset, folds, options, lambda done, total: tell("cross-validation", done, total)
        )
        selected = select_model(validation, settings.select_by)
    with watch.stage("fit"):
        test_folds = _test_folds(settings, dataset, split)
        fitted = _fit(settings, dataset, test_folds, tell)
    return Learned(
        dataset=dataset,
        split=split,
        folds=tuple(folds),
        validation=validation,
        estimators={name: walk.estimator for name, walk in fitted.items()},
        test_p_up={name: walk.p_up for name, walk in fitted.items()},
        test_classes={name: walk.classes for name, walk in fitted.items() if walk.classes is not None},
        test_position=fitted[selected].position,
        test_signals={name: walk.signal for name, walk in fitted.items()},
        selected=selected,
        engine=engine,
        test_folds=tuple(test_folds),
    )


def _test_folds(settings: Settings, dataset: Dataset, split: Fold) -> list[Fold]:
    if settings.refit_every is None:
        return [split]
    return refit_folds(dataset, split, settings.refit_every, settings.train_candles, settings.embargo)


def _fit(settings: Settings, dataset: Dataset, test_folds: list[Fold], tell: OnProgress) -> dict[str, WalkForward]:
    """Fit every model for the test rows: models side by side where each is fitted once, else fits side by side."""
    once = len(test_folds) == 1
    options = TrainingOptions(settings.outliers, settings.seed, settings.trees, "plain", 1 if once else settings.jobs)
    fitted: dict[str, WalkForward] = {}
    with parallel_config("threading", n_jobs=settings.jobs):
        for done, name in enumerate(settings.models, start=1):
            fitted[name] = walk_forward_predict(name, dataset, test_folds, options)
            tell("final fits", done, len(settings.models))
    return fitted


def judge(
    settings: Settings,
    gathered: GatheredCandles,
    learned: Learned,
    audit: LeakageReport | None,
    described: dict[str, Any],
) -> tuple[EvaluationReport, DecisionRule]:
    """Score what was learned on the test rows, beside the baselines, before and after costs; and how it would trade."""
    dataset, split, selected = learned.dataset, learned.split, learned.selected
    said = make_forecasts(learned)
    money = backtest_forecasts(settings, learned, said)
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
        "data": {
            **describe_candles(dataset.candles),
            **origin,
            **describe_rows(dataset, split, learned.test_folds[-1]),
        },
        "settings": described,
        "versions": library_versions(*_trainers(described)),
        "selected": selected,
        "validation": describe_folds(dataset, learned.folds, settings.validation, embargo=settings.embargo, test=split),
        **score_forecasts(learned, said, settings.seed),
        "economics": money.followed.summary,
        "decision": money.decision(selected),
        "breakeven": break_even(dataset.candles[: int(dataset.span_end[split.train[-1]]) + 1], money.costs).to_dict(),
        "audit": None if audit is None else audit.to_dict(),
    }
    trials = record_trials(settings, learned, money, metrics)
    metrics["trials"] = None if trials is None else trials.to_dict()
    metrics["verdict"] = verdict(without_nan(metrics))
    return (
        EvaluationReport(
            without_nan(metrics),
            prediction_table(dataset, learned.validation, split, said.p_up, said.p_moved),
            dataset.candles,
            _importances(settings, learned),
            money.followed.curve,
            money.decided[selected].curve,
        ),
        money.rules[selected],
    )


def _trainers(described: Mapping[str, Any]) -> list[str]:
    """Return the libraries that train beside those of every run."""
    used = {"lightgbm": "lightgbm" in described["models"], "scikit-learn-intelex": described["engine"] == "accel"}
    return [name for name, is_used in used.items() if is_used]


def _importances(settings: Settings, learned: Learned) -> tuple[Importance, ...]:
    # Only rows that the exported fit has not learnt from: with refits those that the last one served.
    dataset, test = learned.dataset, learned.test_folds[-1].test
    moved = test[~dataset.tie[test]]
    return permutation_importance(
        learned.estimators[learned.selected],
        dataset.X[moved],
        dataset.y[moved],
        dataset.feature_names,
        seed=settings.seed,
        n_jobs=settings.jobs,
    )


def _describe_run(settings: Settings, selection: FeatureSelection, learned: Learned) -> dict[str, Any]:
    """Return the settings that decide the numbers."""
    described = selection.describe()
    return {
        **{name: getattr(settings, name) for name in _DECISIVE},
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
