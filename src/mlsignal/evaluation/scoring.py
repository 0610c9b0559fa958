"""Scores of the test rows with their intervals, and the tests of foresight: `models`, `baselines`, `significance`."""

from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.baselines import score_baseline
from mlsignal.evaluation.forecasts import Forecasts
from mlsignal.evaluation.reliability import accuracy_by_coverage, reliability_scores
from mlsignal.evaluation.resampled_scores import Forecast, score_intervals
from mlsignal.evaluation.significance import predictive_tests
from mlsignal.evaluation.three_classes import three_class_scores
from mlsignal.learning.learned import Learned
from mlsignal.learning.ties import class_probabilities
from mlsignal.learning.training import CrossValidation, score_names
from mlsignal.metrics import score_model

_INTERVALS, _TESTS = 1, 2  # streams of random numbers


def score_forecasts(learned: Learned, said: Forecasts, seed: int) -> dict[str, Any]:
    """Return the keys `models`, `baselines` and `significance` of metrics.json.

    Parameters
    ----------
    learned, said
        The models, and what was said of the test rows.
    seed
        Of the bootstrap.
    """
    horizon = learned.dataset.horizon
    spoken = {name: Forecast(p_up) for name, p_up in said.p_up.items()}
    spoken |= {name: Forecast(rule.p_up, rule.up, rule.decision) for name, rule in said.baselines.items()}
    generator = np.random.default_rng([seed, _INTERVALS])
    intervals = score_intervals(said.y, said.tie, spoken, generator, horizon=horizon)
    tests = predictive_tests(
        said.y,
        said.tie,
        said.p_moved,
        {name: rule.p_moved for name, rule in said.baselines.items()},
        generator=np.random.default_rng([seed, _TESTS]),
        horizon=horizon,
    )
    return {
        "models": {name: _model_scores(learned, said, name, intervals[name]) for name in said.p_up},
        "baselines": {
            name: _with_intervals(score_baseline(rule, said.y, said.tie), intervals[name])
            for name, rule in said.baselines.items()
        },
        "significance": tests.to_dict(),
    }


def _model_scores(learned: Learned, said: Forecasts, name: str, intervals: dict[str, Any]) -> dict[str, Any]:
    y, tie, p_up, p_moved = said.y, said.tie, said.p_up[name], said.p_moved[name]
    test = _with_intervals(score_model(y, tie, p_up), intervals)
    if learned.dataset.ties == "third":
        X = learned.dataset.X[learned.split.test]
        test["three_class"] = three_class_scores(y, tie, class_probabilities(learned.estimators[name], X))
    return {
        "cv": _cross_validation_scores(learned.validation, name),
        "test": test,
        "calibration": said.calibrations[name].to_dict(),
        "reliability": {
            "stated": reliability_scores(y, p_up),
            "calibrated": reliability_scores(y[~tie], p_moved[~tie]),
        },
        "coverage": accuracy_by_coverage(y, tie, p_moved, said.training_confidence[name]),
    }


def _with_intervals(scores: dict[str, Any], intervals: dict[str, Any]) -> dict[str, Any]:
    without = {**scores["without_ties"], "ci": intervals["without_ties"]}
    return {**scores, "without_ties": without, "ci": {k: v for k, v in intervals.items() if k != "without_ties"}}


def _cross_validation_scores(validation: CrossValidation, name: str) -> dict[str, Any]:
    scores = score_names(validation.results[name][0].scores)
    return {score: _spread(validation.values(name, score)) for score in scores}


def _spread(values: Floats) -> dict[str, Any]:
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)), "folds": values.tolist()}
