"""The audit: features, labels, folds and fits of a run held to account, and the whole of it on markets of chance."""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlsignal.bundle import FeatureSelection
from mlsignal.candles import Candles
from mlsignal.config import Settings
from mlsignal.dataset import build_dataset
from mlsignal.errors import DataError, LeakageError
from mlsignal.experiment import OnProgress, run_experiment, tell_nobody
from mlsignal.features.feature import compute_features, feature_names
from mlsignal.gathering import GatheredCandles, gather_candles
from mlsignal.labels import Labels, direction_labels
from mlsignal.leakage.finding import CheckResult, Finding, LeakageReport, merge_checks
from mlsignal.leakage.fitting import check_fitting
from mlsignal.leakage.nulls import LEVEL, judge_nulls, shuffle_labels
from mlsignal.leakage.suite import check_features, check_rows
from mlsignal.learning.schemes import FoldOptions, make_folds, refit_folds
from mlsignal.learning.splits import Fold, holdout
from mlsignal.learning.training import TrainingOptions
from mlsignal.sim.symbols import NULL

SHUFFLED = "shuffled labels"
NULL_MARKETS = "null markets"
NULL_INTERVAL = "1m"
"""Of the markets without a signal, whatever that of the candles: they are made of minutes."""
AUDIT_TREES = 10
"""Trees of the forests that are only fitted to see whether they change."""
NAMED_CULPRITS = 5
"""How many culprits the error line names."""


@dataclass(frozen=True)
class AuditReport:
    """What an audit looked at, and what it found.

    Attributes
    ----------
    symbol, interval
        Of the candles.
    candles
        How many there were.
    synthetic
        Whether they are simulated.
    feature_names
        Columns that were audited.
    seed, null_seeds
        What the audit's chance follows from, and how many markets of chance of each kind were run.
    leakage
        The checks and their findings.
    seconds
        What it took.
    """

    symbol: str
    interval: str
    candles: int
    synthetic: bool
    feature_names: tuple[str, ...]
    seed: int
    null_seeds: int
    leakage: LeakageReport
    seconds: float

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """Every check with its count and result."""
        return self.leakage.checks

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Leaks and warnings, in the order of the checks."""
        return self.leakage.findings

    @property
    def passed(self) -> bool:
        """Whether no leak was found; warnings do not count."""
        return not self.leakage.leaks

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, without the seconds: equal audits are equal."""
        return {
            "symbol": self.symbol,
            "interval": self.interval,
            "candles": self.candles,
            "synthetic": self.synthetic,
            "feature_names": list(self.feature_names),
            "seed": self.seed,
            "null_seeds": self.null_seeds,
            "passed": self.passed,
            **self.leakage.to_dict(),
        }

    def raise_for_leaks(self) -> None:
        """Do nothing if the audit passed.

        Raises
        ------
        LeakageError
            If it found a leak; names the culprits.
        """
        leaks = self.leakage.leaks
        if not leaks:
            return
        culprits = self.leakage.culprits
        more = f" and {len(culprits) - NAMED_CULPRITS} more" if len(culprits) > NAMED_CULPRITS else ""
        first = f"{leaks[0].culprit} ({leaks[0].check}): {leaks[0].explanation}"
        raise LeakageError(f"leak found: {', '.join(culprits[:NAMED_CULPRITS])}{more}. {first}")


def audit_run(
    settings: Settings,
    gathered: GatheredCandles | None = None,
    *,
    null_seeds: int = 0,
    level: float = LEVEL,
    on_progress: OnProgress | None = None,
) -> AuditReport:
    """Audit the features, labels, folds and models that a run with the same settings would use.

    Parameters
    ----------
    settings
        As of a run; the seed is also that of the audit.
    gathered
        Candles; fetched as the settings say where not given.
    null_seeds
        How many times to run the whole pipeline on shuffled labels of the candles, and how many on markets without a
        signal (simulated, as many candles of 1m).
    level
        Share of these runs that may find an edge.
    on_progress
        Told of each stage.

    Raises
    ------
    ConfigurationError
        If the settings name what does not exist, or a feature fails.
    DataError
        If there are too few candles to train on, and no leak was found before that showed.
    ExchangeError, OutputError
        From fetching.
    """
    tell: OnProgress = on_progress or tell_nobody
    started = time.perf_counter()
    selection = FeatureSelection.choose(settings.features, settings.feature_file)
    if gathered is None:
        gathered = gather_candles(settings, on_progress=lambda done, total: tell("fetch candles", done, total))
    candles = gathered.candles.last(settings.lookback_candles)
    with threadpool_limits(1):
        tell("features", 0, 1)
        checks = list(check_features(candles, selection.features, seed=settings.seed))
        tell("features", 1, 1)
        try:
            checks += _check_training(settings, candles, selection)
            checks += _check_nulls(settings, gathered, null_seeds, level, tell)
        except DataError:
            if not LeakageReport(tuple(checks)).leaks:
                raise
    return AuditReport(
        candles.symbol,
        candles.interval.value,
        len(candles),
        gathered.synthetic,
        feature_names(selection.features),
        settings.seed,
        null_seeds,
        LeakageReport(merge_checks(checks)),
        time.perf_counter() - started,
    )


def _check_training(settings: Settings, candles: Candles, selection: FeatureSelection) -> list[CheckResult]:
    frame = compute_features(candles, selection.features)
    labels = _label(settings, candles)
    dataset = build_dataset(frame, labels)
    split = holdout(dataset, settings.test_share, settings.embargo)
    validated = make_folds(dataset, split.train, FoldOptions.of(settings))
    folds = {"holdout": [split], settings.validation.replace("_", " "): validated}
    if settings.refit_every is not None:
        folds["refits"] = refit_folds(dataset, split, settings.refit_every, settings.train_candles, settings.embargo)
    checks = list(check_rows(frame, labels, dataset, folds))
    options = TrainingOptions(settings.outliers, settings.seed, min(settings.trees, AUDIT_TREES))
    fitted: dict[str, Fold] = {"holdout": split, "the last fold": validated[-1]}
    return [*checks, check_fitting(dataset, fitted, settings.models, options, settings.seed)]


def _label(settings: Settings, candles: Candles) -> Labels:
    return direction_labels(candles, settings.horizon, settings.ties)


def _check_nulls(
    settings: Settings, gathered: GatheredCandles, null_seeds: int, level: float, tell: OnProgress
) -> list[CheckResult]:
    """Run the pipeline where there is nothing to foresee, and count what it calls an edge."""
    if not null_seeds:
        return []
    with tempfile.TemporaryDirectory(prefix="mlsignal-audit-") as folder:
        # These are no trials of the user's: they must not weigh on what the user's own are worth.
        candles = gathered.candles.last(settings.lookback_candles)
        apart = settings.model_copy(update={"trials": Path(folder), "lookback_candles": len(candles)})
        edges = {SHUFFLED: 0, NULL_MARKETS: 0}
        for number in range(null_seeds):
            random = np.random.default_rng([settings.seed, 9, number])
            labels = shuffle_labels(_label(settings, candles), random)
            edges[SHUFFLED] += _finds_edge(apart, replace(gathered, candles=candles), labels)
            tell("markets of chance", 2 * number + 1, 2 * null_seeds)
            seed = int(random.integers(2**31))
            null = apart.model_copy(update={"source": f"sim:{seed}", "symbol": NULL, "interval": NULL_INTERVAL})
            edges[NULL_MARKETS] += _finds_edge(null, gather_candles(null), None)
            tell("markets of chance", 2 * number + 2, 2 * null_seeds)
    return [judge_nulls(check, check, found, null_seeds, level) for check, found in edges.items()]


def _finds_edge(settings: Settings, gathered: GatheredCandles, labels: Labels | None) -> bool:
    verdict = run_experiment(settings, gathered, labels=labels).evaluation.metrics["verdict"]
    return verdict["predictive"]["edge"] is True
