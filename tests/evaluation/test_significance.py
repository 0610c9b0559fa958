"""The tests of foresight: their level under the null, their power, and what they say of what cannot be tested."""

import json
import os

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom

from mlsignal.evaluation.record import without_nan
from mlsignal.evaluation.significance import PredictiveTests, holm, predictive_tests

FULL = os.environ.get("MLSIGNAL_LONG") == "full"


def autoregressive(phi: float, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(size=(shape[0], shape[1] + 200)) * (1 - phi**2) ** 0.5
    return lfilter([1], [1, -phi], noise, axis=1)[:, 200:]


def null_rejections(runs: int, n: int, horizon: int, seed: int) -> dict[str, int]:
    """Count p < .01 of scores unrelated to labels; both depend on time, as does volatility; a lattice makes ties."""
    rng = np.random.default_rng(seed)
    scores = autoregressive(0.95, (runs, n), rng)
    volatility = np.exp(0.7 * autoregressive(0.98, (runs, n + horizon), rng))
    returns = np.round(volatility * rng.normal(size=volatility.shape) * 4) / 4
    price = np.cumsum(returns, axis=1)
    future = price[:, horizon:] - price[:, :-horizon]
    counts = {"auc": 0, "model": 0}
    for score, change, last in zip(scores, future, returns, strict=True):
        y, tie = (change > 0).astype(np.int8), change == 0
        said = 0.5 + 0.01 * np.sign(last[:n])
        baselines = {"always_up": np.full(n, 0.5), "persistence": said, "reversal": 1 - said}
        p_moved = {"m": 1 / (1 + np.exp(-0.1 * score))}
        found = predictive_tests(y, tie, p_moved, baselines, generator=rng, horizon=horizon, replicates=200).models["m"]
        counts["auc"] += found.p_auc < 0.01
        counts["model"] += found.p < 0.01
    return counts


@pytest.mark.parametrize("horizon", [1, 5])
def test_null_scores_pass_rarely_in_a_reduced_simulation(horizon: int) -> None:
    runs = 250
    found = null_rejections(runs, 800, horizon, seed=horizon)
    assert found["auc"] <= binom.isf(1e-4, runs, 0.015)
    assert found["model"] <= binom.isf(1e-4, runs, 0.01)


@pytest.mark.long
@pytest.mark.parametrize("horizon", [1, 5])
def test_null_scores_pass_one_in_a_hundred(horizon: int) -> None:
    runs = 2_500 if FULL else 600
    found = null_rejections(runs, 1_500, horizon, seed=horizon)
    print(horizon, {name: count / runs for name, count in found.items()})
    assert binom.ppf(1e-4, runs, 0.007) <= found["auc"] <= binom.isf(1e-4, runs, 0.013)
    assert found["model"] <= binom.isf(1e-4, runs, 0.01)


def planted(n: int = 8_000, strength: float = 0.25) -> PredictiveTests:
    rng = np.random.default_rng(0)
    logit = strength * autoregressive(0.5, (1, n), rng)[0]
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    tie = (y == 0) & (rng.random(n) < 0.2)
    knows, noise = 1 / (1 + np.exp(-logit)), 0.5 + 0.05 * autoregressive(0.9, (1, n), rng)[0]
    share = float(y[~tie].mean())
    knows = 1 / (1 + np.exp(-logit - np.log(share / (1 - share))))
    baselines = {"always_up": np.full(n, share), "persistence": np.full(n, share) + 1e-3 * np.sign(rng.normal(size=n))}
    return predictive_tests(y, tie, {"knows": knows, "noise": noise}, baselines, generator=rng)


def test_planted_signal_passes_and_noise_does_not() -> None:
    found = planted()
    knows, noise = found.models["knows"], found.models["noise"]
    assert knows.p_adjusted == 2 * knows.p < 1e-4
    assert knows.p == max(knows.p_auc, *(test.p for test in knows.against.values()))
    assert noise.p_adjusted > 0.1
    assert knows.auc_interval is not None
    assert 0.5 < knows.auc_interval[0] < knows.auc < knows.auc_interval[1]


def test_ranking_well_with_bad_probabilities_is_not_enough() -> None:
    """An AUC above .5 with probabilities that overshoot: the log loss test refuses it."""
    rng = np.random.default_rng(1)
    n = 4_000
    logit = 0.3 * rng.normal(size=n)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(np.int8)
    none_tied = np.zeros(n, dtype=np.bool_)
    found = predictive_tests(
        y, none_tied, {"loud": 1 / (1 + np.exp(-8 * logit))}, {"always_up": np.full(n, 0.5)}, generator=rng
    ).models["loud"]
    assert found.p_auc < 1e-6
    assert found.p > 0.99


@pytest.mark.parametrize("case", ["all tie", "one class", "two rows", "constant"])
def test_what_cannot_be_tested_has_a_p_of_one(case: str) -> None:
    n = 2 if case == "two rows" else 100
    y = np.arange(n).astype(np.int8) % 2 if case in ("two rows", "constant") else np.zeros(n, dtype=np.int8)
    tie = np.full(n, case == "all tie")
    p = np.full(n, 0.5) if case == "constant" else np.linspace(0.4, 0.6, n)
    found = predictive_tests(y, tie, {"m": p}, {"b": np.full(n, 0.5)}, generator=np.random.default_rng(0))
    assert found.models["m"].p_adjusted == 1
    assert json.loads(json.dumps(without_nan(found.to_dict()), allow_nan=False))["models"]["m"]["p"] == 1


def test_holm_steps_down_and_keeps_the_order() -> None:
    assert holm({"c": 0.04, "a": 0.01, "b": 0.03}) == pytest.approx({"c": 0.06, "a": 0.03, "b": 0.06})
    assert holm({"a": 0.6, "b": 0.9}) == {"a": 1.0, "b": 1.0}
    assert holm({"a": 0.02}) == {"a": 0.02}
    assert list(holm({"b": 0.5, "a": 0.1})) == ["b", "a"]
    assert holm({}) == {}
