"""The parts of an evaluation beyond scores and money: tests, folds, break-even, trials, audit, calibration."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from mlsignal.candles import Candles
from mlsignal.dataset import build_dataset
from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.breakeven import break_even
from mlsignal.evaluation.costs import choose_costs
from mlsignal.evaluation.folds import describe_folds
from mlsignal.evaluation.reliability import accuracy_by_coverage, reliability_scores
from mlsignal.evaluation.significance import predictive_tests
from mlsignal.features.feature import compute_features, feature
from mlsignal.labels import Labels
from mlsignal.learning.schemes import FoldOptions, make_folds
from mlsignal.learning.splits import holdout


@feature(lookback=1)
def body(candles: Candles) -> np.ndarray:
    """Return of the candle."""
    return candles.close / candles.open - 1


def judgement_of(
    candles: Candles, labels: Labels, train: np.ndarray, test: np.ndarray, said: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """Return those keys of the metrics; `said` is model -> probability of up of every candle."""
    y, tie = labels.up[test], labels.tie[test]
    moved = {name: p_up[test] for name, p_up in said.items()}
    constant = {"majority": np.full(len(test), 0.48), "always_up": np.full(len(test), 0.48)}
    tests = predictive_tests(y, tie, moved, constant, generator=np.random.default_rng(0), replicates=100)
    dataset = build_dataset(compute_features(candles, [body]), labels)
    split = holdout(dataset)
    folds = make_folds(dataset, split.train, FoldOptions(folds=3))
    return {
        "significance": tests.to_dict(),
        "validation": describe_folds(dataset, folds, "time_series", test=split),
        "breakeven": break_even(candles, choose_costs("binance-spot"), [1, 5]).to_dict(),
        "audit": {
            "checks": [{"check": "prefixes", "looked_at": "17 columns", "count": 900, "result": "passed"}],
            "findings": [],
        },
        "trials": {
            "n_trials": 3, "n_configurations": 2, "n_independent": 2.2, "sharpe": -0.01, "sharpe_error": 0.03,
            "spread": 0.02, "expected_maximum": 0.015, "probabilistic_sharpe": 0.3, "deflated_sharpe": 0.1,
            "pbo": {"pbo": 0.4, "n_trials": 3}, "pbo_reason": None, "best": {}, "is_best": False, "recorded": True,
            "unreadable": 0, "place": "trials/NULLUSDT-1m.jsonl",
        },
    }  # fmt: skip


def told_of(labels: Labels, train: np.ndarray, test: np.ndarray, p_up: np.ndarray) -> dict[str, Any]:
    """Return what a model's entry holds beside its scores."""
    y, tie = labels.up[test], labels.tie[test]
    resampling = Resampling(len(test), 3.0, 60, 0)
    return {
        "calibration": {"slope": 0.8, "intercept": 0.01, "n": len(train)},
        "reliability": {
            "stated": reliability_scores(y, p_up[test]),
            "calibrated": reliability_scores(y[~tie], p_up[test][~tie]),
        },
        "coverage": accuracy_by_coverage(y, tie, p_up[test], np.abs(p_up[train] - 0.5), resampling),
    }
