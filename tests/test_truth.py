"""End to end against a known truth: a planted signal is found, and where there is none, none is claimed."""

import os

import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.experiment import RunResult
from mlsignal.metrics import roc_auc
from mlsignal.sim.market import Market
from mlsignal.workflow import run

FULL = os.environ.get("MLSIGNAL_LONG") == "full"
MODELS = ("logistic_regression", "random_forest")


def best_possible_auc(seed: int, n: int, result: RunResult) -> float:
    """AUC of the market's own probabilities on the run's test rows, ties left out."""
    rows = result.evaluation.predictions.filter(
        (pl.col("fold") == "test") & (pl.col("model") == MODELS[0]) & ~pl.col("tie")
    )
    market = Market(seed)
    opens = market.candles("BTCUSDT", "1m", n).open_time_ms
    following = Interval.M1.next_array(rows["open_time"].dt.epoch("ms").to_numpy())
    truth = market.oracle("BTCUSDT", "1m", n)[np.searchsorted(opens, following)]
    return roc_auc(rows["label"].to_numpy(), truth)


def assert_signal_is_found(seed: int, n: int, within: float) -> None:
    result = run(source=f"sim:{seed}", lookback_candles=n, engine="plain")
    metrics = result.evaluation.metrics
    oracle = best_possible_auc(seed, n, result)
    found = max(metrics["models"][name]["test"]["without_ties"]["roc_auc"] for name in MODELS)
    baselines = [scores["without_ties"]["roc_auc"] for scores in metrics["baselines"].values()]
    assert oracle > 0.54
    assert found > oracle - within
    assert max(baselines) - 0.5 < (oracle - 0.5) / 2


def test_planted_signal_in_40_000_candles_is_found() -> None:
    assert_signal_is_found(seed=11, n=40_000, within=0.015)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(3 if FULL else 1))
def test_planted_signal_in_200_000_candles_is_found_within_a_hundredth(seed: int) -> None:
    assert_signal_is_found(seed, n=200_000, within=0.01)


def null_scores(seeds: range, n: int) -> tuple[np.ndarray, int]:
    """AUC without ties of each seed and model, and how many 95 % intervals leave .5 out."""
    found, outside = [], 0
    for seed in seeds:
        metrics = run(
            source=f"sim:{seed}", symbol="NULLUSDT", lookback_candles=n, engine="plain", seed=seed, folds=3, trees=60
        ).evaluation.metrics
        scores = [metrics["models"][name]["test"]["without_ties"] for name in MODELS]
        found.append([score["roc_auc"] for score in scores])
        outside += sum(not low <= 0.5 <= high for low, high in (score["ci"]["roc_auc"] for score in scores))
    return np.array(found), outside


def assert_nothing_is_claimed(seeds: range, n: int, most_outside: int) -> None:
    found, outside = null_scores(seeds, n)
    error = found.std(axis=0, ddof=1) / len(found) ** 0.5
    assert (np.abs(found.mean(axis=0) - 0.5) < 3 * error).all(), found.mean(axis=0)
    assert outside <= most_outside


def test_null_market_over_8_seeds_gives_nothing() -> None:
    assert_nothing_is_claimed(range(8), 6_000, most_outside=4)  # P(5 or more of 16) = .0008


@pytest.mark.long
def test_null_market_over_20_seeds_gives_nothing() -> None:
    assert_nothing_is_claimed(range(20), 20_000, most_outside=6)
