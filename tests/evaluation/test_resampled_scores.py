"""Scores by counts: equal to scoring the rows that a replicate repeats, ties and one-class samples included."""

import numpy as np
import pytest

from mlsignal.evaluation.bootstrap import Resampling
from mlsignal.evaluation.resampled_scores import (
    OF_ALL_ROWS,
    OF_MOVED_ROWS,
    Forecast,
    plan_for_forecasts,
    resample_scores,
    resample_sharpe,
)
from mlsignal.metrics import read_score, score_model


def rows(n: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray, dict[str, Forecast]]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.45).astype(np.int8)
    tie = (y == 0) & (rng.random(n) < 0.15)
    smooth = np.clip(0.5 + 0.1 * (y - 0.5) + 0.1 * rng.normal(size=n), 0.01, 0.99)
    said = rng.choice([0, 0.5, 1], n)
    return (
        y,
        tie,
        {
            "smooth": Forecast(smooth),
            "coarse": Forecast(np.round(smooth, 1)),
            "constant": Forecast(np.full(n, 0.6)),
            "rule": Forecast(np.where(said > 0.5, 0.48, 0.44), said > 0.5, said),
        },
    )


@pytest.mark.parametrize("seed", range(3))
def test_draws_equal_scores_of_repeated_rows(seed: int) -> None:
    y, tie, forecasts = rows(seed=seed)
    resampling = Resampling(len(y), 6.0, 8, seed)
    found = resample_scores(y, tie, forecasts, resampling)
    counts = np.concatenate(list(resampling.counts()), axis=1).astype(int)
    for name, forecast in forecasts.items():
        for replicate in range(8):
            kept = np.repeat(np.arange(len(y)), counts[:, replicate])
            part = (forecast.p_up[kept], forecast.decisions[kept], forecast.ranking[kept])
            expected = score_model(y[kept], tie[kept], *part)
            for score, draws in found[name].draws.items():
                if score != "without_ties.brier":
                    assert draws[replicate] == pytest.approx(read_score(expected, score), abs=1e-12), (name, score)


def intervals_of(y, tie, forecast):
    resampling = plan_for_forecasts(y, {"m": forecast}, np.random.default_rng(0))
    return resample_scores(y, tie, {"m": forecast}, resampling)["m"].intervals()


def test_estimates_equal_the_scores_of_the_rows() -> None:
    y, tie, forecasts = rows()
    found = resample_scores(y, tie, forecasts, Resampling(len(y), 1.0, 2, 0))
    for name, forecast in forecasts.items():
        expected = score_model(y, tie, forecast.p_up, forecast.decisions, forecast.ranking)
        for score in (*OF_ALL_ROWS, *("without_ties." + one for one in OF_MOVED_ROWS if one != "brier")):
            assert found[name].estimate[score] == pytest.approx(read_score(expected, score), abs=1e-12), (name, score)
        brier = np.mean(np.square(forecast.p_up - y)[~tie])
        assert found[name].estimate["without_ties.brier"] == pytest.approx(brier)


def test_some_rows_of_a_resampling_are_scored_as_those_that_moved() -> None:
    y, tie, forecasts = rows()
    resampling = Resampling(len(y), 4.0, 30, 0)
    moved = np.flatnonzero(~tie)
    parts = {
        name: Forecast(one.p_up[moved], one.decisions[moved], one.ranking[moved]) for name, one in forecasts.items()
    }
    some = resample_scores(y[moved], tie[moved], parts, resampling, moved)
    every = resample_scores(y, tie, forecasts, resampling)
    for name in forecasts:
        for score in OF_MOVED_ROWS:
            np.testing.assert_allclose(some[name].draws[score], every[name].draws["without_ties." + score], atol=1e-12)


def test_one_class_leaves_auc_and_balanced_accuracy_without_interval() -> None:
    y = np.ones(60, dtype=np.int8)
    forecast = {"m": Forecast(np.linspace(0.3, 0.9, 60))}
    found = intervals_of(y, np.zeros(60, dtype=np.bool_), forecast["m"])
    assert {"roc_auc", "balanced_accuracy"}.isdisjoint(found)
    assert {"accuracy", "log_loss", "brier"} <= set(found)
    assert "roc_auc" not in found["without_ties"]


def test_all_ties_have_no_interval_without_ties() -> None:
    y, tie = np.zeros(60, dtype=np.int8), np.ones(60, dtype=np.bool_)
    found = intervals_of(y, tie, Forecast(np.linspace(0.3, 0.9, 60)))
    assert found["without_ties"] == {}


def test_intervals_are_paired_and_hold_their_scores() -> None:
    y, tie, forecasts = rows(2_000)
    resampling = plan_for_forecasts(y, forecasts, np.random.default_rng(0), replicates=400)
    found = resample_scores(y, tie, {**forecasts, "again": forecasts["smooth"]}, resampling)
    np.testing.assert_array_equal(found["smooth"].draws["roc_auc"], found["again"].draws["roc_auc"])
    intervals = found["smooth"].intervals()
    assert set(intervals) == {*OF_ALL_ROWS, "without_ties"}
    assert set(intervals["without_ties"]) == set(OF_MOVED_ROWS)
    for name in OF_ALL_ROWS:
        low, high = intervals[name]
        assert low < found["smooth"].estimate[name] < high
    assert intervals["roc_auc"][1] - intervals["roc_auc"][0] == pytest.approx(2 * 1.96 * 0.0127, rel=0.2)


def test_blocks_are_no_shorter_than_the_horizon() -> None:
    y, _, forecasts = rows(1_000)
    assert plan_for_forecasts(y, forecasts, np.random.default_rng(0), horizon=30).block_length >= 30


def test_blocks_follow_a_dependence_that_only_the_probabilities_show() -> None:
    rng = np.random.default_rng(0)
    drift = np.convolve(rng.normal(size=3_100), np.ones(100) / 10, "valid")[:3_000]
    p_up = 1 / (1 + np.exp(-0.05 * drift))
    y = (rng.random(3_000) < 0.5).astype(np.int8)
    assert plan_for_forecasts(y, {"m": Forecast(p_up)}, rng).block_length > 50


def test_sharpe_draws_equal_those_of_repeated_returns() -> None:
    returns = np.random.default_rng(0).normal(0.1, 1, 200)
    resampling = Resampling(200, 5.0, 6, 1)
    found = resample_sharpe(returns, resampling)
    counts = np.concatenate(list(resampling.counts()), axis=1).astype(int)
    expected = [(again := np.repeat(returns, column)).mean() / again.std(ddof=1) for column in counts.T]
    np.testing.assert_allclose(found.draws["sharpe"], expected, rtol=1e-10)
    assert found.estimate["sharpe"] == pytest.approx(returns.mean() / returns.std(ddof=1))
    low, high = found.interval("sharpe") or (1, 0)
    assert low < found.estimate["sharpe"] < high


def test_sharpe_of_returns_that_do_not_vary_has_no_interval() -> None:
    assert resample_sharpe(np.zeros(50), Resampling(50, 1.0, 10, 0)).interval("sharpe") is None


def test_intervals_stay_within_the_range_of_their_scores() -> None:
    random = np.random.default_rng(0)
    y = np.array([0, 1] * 10, dtype=np.int8)
    forecasts = {"sharp": Forecast(np.clip(y + 0.6 * random.normal(size=20), 0.01, 0.99))}
    found = resample_scores(y, np.zeros(20, dtype=np.bool_), forecasts, Resampling(20, 5.0, 400, 0))["sharp"]
    assert found.estimate["roc_auc"] + 2 * found.standard_error("roc_auc") > 1
    for name, bounds in found.intervals().items():
        if name != "without_ties":
            assert bounds[0] >= (-1 if name == "mcc" else 0), name
            assert bounds[1] <= 1 or name == "log_loss", name
