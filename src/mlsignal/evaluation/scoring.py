"""Scores of the test rows with their intervals, and the tests of foresight: `models`, `baselines`, `significance`."""

from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.baselines import score_baseline
from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.forecasts import Forecasts
from mlsignal.evaluation.reliability import accuracy_by_coverage, reliability_scores, share_intervals
from mlsignal.evaluation.resampled_scores import Forecast, plan_for_forecasts, resample_scores
from mlsignal.evaluation.significance import predictive_tests
from mlsignal.evaluation.three_classes import three_class_scores
from mlsignal.learning.learned import Learned
from mlsignal.learning.training import CrossValidation, score_names
from mlsignal.metrics import Bools, Labels01, score_model, top_decile_rows

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
    resampling = plan_for_forecasts(said.y, spoken, generator, horizon=horizon)
    resampled = resample_scores(said.y, said.tie, spoken, resampling)
    intervals = {name: scores.intervals() for name, scores in resampled.items()}
    tests = predictive_tests(
        said.y,
        said.tie,
        said.p_moved,
        {name: rule.p_moved for name, rule in said.baselines.items()},
        generator=np.random.default_rng([seed, _TESTS]),
        horizon=horizon,
    )
    return {
        "models": {name: _model_scores(learned, said, name, intervals[name], resampling) for name in said.p_up},
        "baselines": {
            name: _with_intervals(score_baseline(rule, said.y, said.tie), intervals[name])
            for name, rule in said.baselines.items()
        },
        "significance": tests.to_dict(),
    }


def _model_scores(
    learned: Learned, said: Forecasts, name: str, intervals: dict[str, Any], resampling: Resampling
) -> dict[str, Any]:
    y, tie, p_up, p_moved = said.y, said.tie, said.p_up[name], said.p_moved[name]
    horizon = learned.dataset.horizon
    test = _with_intervals(score_model(y, tie, p_up), intervals)
    test["top_decile"]["ci"] = {"accuracy_without_ties": _top_decile_interval(y, tie, p_up, resampling)}
    if name in learned.test_classes:
        test["three_class"] = three_class_scores(y, tie, learned.test_classes[name])
    return {
        "cv": _cross_validation_scores(learned.validation, name),
        "test": test,
        "calibration": said.calibrations[name].to_dict(),
        "reliability": {
            "stated": reliability_scores(y, p_up, horizon=horizon),
            "calibrated": reliability_scores(y[~tie], p_moved[~tie], horizon=horizon),
        },
        "coverage": accuracy_by_coverage(y, tie, p_moved, said.training_confidence[name], resampling),
    }


def _top_decile_interval(y: Labels01, tie: Bools, p_up: Floats, resampling: Resampling) -> list[float] | None:
    moved = np.flatnonzero(~tie)
    counted = np.zeros(len(y), dtype=np.bool_)
    counted[moved[top_decile_rows(p_up[moved])]] = True
    return share_intervals((counted & ((p_up > 0.5) == (y == 1)))[None], counted[None], resampling)[0]


def _with_intervals(scores: dict[str, Any], intervals: dict[str, Any]) -> dict[str, Any]:
    without = {**scores["without_ties"], "ci": intervals["without_ties"]}
    return {**scores, "without_ties": without, "ci": {k: v for k, v in intervals.items() if k != "without_ties"}}


def _cross_validation_scores(validation: CrossValidation, name: str) -> dict[str, Any]:
    scores = score_names(validation.results[name][0].scores)
    return {score: _spread(validation.values(name, score)) for score in scores}


def _spread(values: Floats) -> dict[str, Any]:
    return {"mean": float(values.mean()), "std": float(values.std(ddof=1)), "folds": values.tolist()}
