"""Features that cheat are caught and named; features that ship, and honest ones of users, are not accused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mlsignal.candles import Candles
from mlsignal.features.feature import Feature, compute_features
from mlsignal.features.sets import FEATURE_SETS, load_feature_file
from mlsignal.labels import direction_labels
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.leakage.suite import Thoroughness, check_features
from mlsignal.leakage.target import check_target
from mlsignal.sim.market import Market
from tests.leakage.planted import CHEATING, COLUMNS, HONEST, write_feature_file
from tests.strategies import awkward_markets, constant, make_candles, spiked, with_values

SMALL = Thoroughness(prefixes=8, futures=6, windows=24, halves=16, unseen=2)
MARKETS = 50


@pytest.fixture(scope="module")
def market() -> Candles:
    return Market(7).candles("BTCUSDT", "1m", 3_000)


def findings_of(results: tuple[CheckResult, ...]) -> list[Finding]:
    return [finding for result in results for finding in result.findings]


def load(folder: Path, code: str) -> tuple[Feature, ...]:
    return load_feature_file(write_feature_file(folder, code))


@pytest.mark.parametrize("name", CHEATING)
def test_cheating_feature_is_caught_and_named(name: str, tmp_path: Path, market: Candles) -> None:
    leaks = findings_of(check_features(market, load(tmp_path, CHEATING[name])))
    accused = {found.culprit for found in leaks if found.severity == "leak"}
    assert accused == {COLUMNS.get(name, name)}
    assert all(found.explanation and "\n" not in found.explanation for found in leaks)


@pytest.mark.parametrize("name", HONEST)
def test_honest_feature_is_not_accused(name: str, tmp_path: Path, market: Candles) -> None:
    gapped = make_candles(2_000, gaps=(700, 1_300))
    for candles in (market, gapped):
        assert findings_of(check_features(candles, load(tmp_path, HONEST[name]))) == []


def test_gap_hides_no_look_ahead(tmp_path: Path) -> None:
    candles = make_candles(2_000, gaps=tuple(range(60, 2_000, 60)))
    for name in ("next_close", "interpolated", "centred_mean", "scaled_close"):
        accused = {found.culprit for found in findings_of(check_features(candles, load(tmp_path, CHEATING[name])))}
        assert accused == {name}


def random_market(seed: int) -> Candles:
    """One of fifty markets of every kind: simulated ones, gaps, halts, no volume, coarse ticks, spikes."""
    random = np.random.default_rng(seed)
    n = int(random.integers(500, 900))
    if seed % 5 == 0:
        symbol = ("BTCUSDT", "ETHUSDT", "NULLUSDT")[seed // 5 % 3]
        return Market(seed).candles(symbol, "1m", n)
    gaps = tuple(sorted(set(random.integers(1, n - 1, int(random.integers(0, 4))).tolist())))
    tick = float(random.choice([1e-2, 1.0, 40.0]))
    candles = make_candles(n, seed=seed, volatility=float(random.choice([1e-5, 1e-3, 1e-2])), tick=tick, gaps=gaps)
    first = int(random.integers(0, n - 100))
    if seed % 5 == 1:
        candles = constant(candles, slice(first, first + int(random.integers(20, 300))))
    if seed % 5 == 2:
        volume = np.where(random.random(n) < 0.5, 0.0, candles.volume)
        candles = with_values(candles, volume=volume, taker_buy_base=volume / 2)
    if seed % 5 == 3:
        candles = spiked(candles, first, float(random.choice([1_000.0, 1e-3])))
    return candles


@pytest.mark.parametrize("seed", range(MARKETS))
def test_shipped_features_are_not_accused_on_any_market(seed: int) -> None:
    candles = random_market(seed)
    for features in FEATURE_SETS.values():
        results = check_features(candles, features, seed=seed, thoroughness=SMALL)
        target = check_target(compute_features(candles, features), direction_labels(candles))
        assert findings_of((*results, target)) == []
        assert any(result.count for result in results)


@pytest.mark.parametrize("name", awkward_markets())
@pytest.mark.parametrize("features", FEATURE_SETS)
def test_every_registered_set_passes_on_awkward_markets(features: str, name: str) -> None:
    candles = awkward_markets(1_200, seed=3)[name]
    results = check_features(candles, FEATURE_SETS[features], thoroughness=SMALL)
    target = check_target(compute_features(candles, FEATURE_SETS[features]), direction_labels(candles))
    assert findings_of((*results, target)) == []


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_every_registered_set_passes_the_whole_of_the_checks(features: str, market: Candles) -> None:
    results = check_features(market, FEATURE_SETS[features])
    assert findings_of(results) == []
    assert all(result.count for result in results)


def test_lookback_declared_far_too_long_is_a_warning(tmp_path: Path, market: Candles) -> None:
    code = "@feature(lookback=200)\ndef change(candles):\n    return np.append(np.nan, np.diff(candles.close))\n"
    found = findings_of(check_features(market, load(tmp_path, code)))
    assert [(item.check, item.culprit, item.severity) for item in found] == [("lookback", "change", "warning")]
    assert "declares 200 candles and gives the same from 100" in found[0].explanation


@pytest.mark.parametrize(("spike", "severity"), [(1e10, "warning"), (1e14, "leak")])
def test_rounding_remembered_is_a_warning_until_it_can_be_learnt_from(
    spike: float, severity: str, tmp_path: Path
) -> None:
    plain = make_candles(3_000)
    candles = with_values(plain, volume=np.append(spike, plain.volume[1:]))
    code = """
@feature(lookback=10)
def summed(candles):
    total = np.cumsum(np.append(0.0, candles.volume))
    sums = np.full(len(candles), np.nan)
    sums[9:] = total[10:] - total[:-10]
    return sums
"""
    found = findings_of(check_features(candles, load(tmp_path, code)))
    assert [(item.check, item.culprit, item.severity) for item in found] == [("lookback", "summed", severity)]
    assert ("no more than rounding" in found[0].explanation) == (severity == "warning")


def test_endless_memory_is_a_leak(tmp_path: Path, market: Candles) -> None:
    memory = findings_of(check_features(market, load(tmp_path, CHEATING["endless_memory"])))
    assert {(item.check, item.severity) for item in memory} == {("lookback", "leak")}


def test_checks_are_the_same_when_made_twice(tmp_path: Path, market: Candles) -> None:
    for name in ("one_percent_of_next", "longer_memory"):
        first, second = (check_features(market, load(tmp_path, CHEATING[name]), seed=5) for _ in range(2))
        assert first == second


def test_checks_leave_the_candles_alone(tmp_path: Path) -> None:
    candles = make_candles(700)
    before = {name: candles.column(name).copy() for name in candles.columns}
    check_features(candles, load(tmp_path, CHEATING["writes_into_input"]), thoroughness=SMALL)
    for name, column in before.items():
        np.testing.assert_array_equal(candles.column(name), column)


def test_label_from_elsewhere_is_found_by_its_foresight() -> None:
    candles = Market(7).candles("BTCUSDT", "1m", 3_000)
    labels = direction_labels(candles)

    def leaking(values: np.ndarray) -> Callable[[Candles], np.ndarray]:
        by_time = dict(zip(candles.open_time_ms.tolist(), values.tolist(), strict=True))
        return lambda given: np.array([by_time.get(time, 0.0) for time in given.open_time_ms.tolist()])

    future = np.nan_to_num(labels.forward_return)
    noise = np.random.default_rng(0).normal(0, future.std(), len(future))
    for name, values in (
        ("label", labels.up.astype(float)),
        ("future_return", future),
        ("falling_function", -np.arctan(1_000 * future)),
        ("noisy_future", future + 0.5 * noise),
        ("two_ahead", np.append(future[1:], 0.0)),
    ):
        item = Feature(name, leaking(values), 1)
        found = check_target(compute_features(candles, [item]), labels).findings
        assert [finding.culprit for finding in found] == [name]


def test_target_check_on_a_bouncing_price_accuses_nobody() -> None:
    random = np.random.default_rng(1)
    close = 100.0 + 0.1 * random.integers(0, 2, 2_000)
    plain = make_candles(2_000)
    flat = dict.fromkeys(("open", "high", "low", "close"), close)
    candles = with_values(plain, **flat)
    result = check_target(compute_features(candles, FEATURE_SETS["classic"]), direction_labels(candles))
    assert result.count
    assert result.findings == ()
