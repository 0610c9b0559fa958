"""Rule 1, for every registered feature: compute(c)[t] == compute(c[t-lookback+1 : t+1])[-1]."""

import numpy as np
import pytest
from hypothesis import given, settings

from mlsignal.candles import Candles
from mlsignal.features.feature import Feature, compute_features
from mlsignal.features.sets import FEATURE_SETS
from tests.strategies import awkward_markets, candles_strategy, make_candles, with_values

FEATURES = sorted({item for features in FEATURE_SETS.values() for item in features}, key=lambda item: item.name)
MARKETS = awkward_markets()
RELATIVE = 1e-9
every_feature = pytest.mark.parametrize("item", FEATURES, ids=lambda item: item.name)


def tolerance(item: Feature, candles: Candles, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    floor = 1e-12 * candles.close[:, None] if item.scale == "price" else 1e-9
    return RELATIVE * np.maximum(np.abs(a), np.abs(b)) + floor


def assert_same(item: Feature, candles: Candles, a: np.ndarray, b: np.ndarray) -> None:
    np.testing.assert_array_equal(np.isnan(a), np.isnan(b), err_msg=f"{item.name}: NaN in other places")
    excess = np.abs(a - b) - tolerance(item, candles, a, b)
    assert not (excess > 0).any(), f"{item.name}: differs by {np.nanmax(np.abs(a - b))}"


def assert_finite_memory(item: Feature, candles: Candles, positions: np.ndarray) -> None:
    whole = compute_features(candles, [item]).values
    windows = [candles[max(0, t - item.lookback + 1) : t + 1] for t in positions]
    alone = np.array([compute_features(window, [item]).values[-1] for window in windows])
    assert_same(item, _at(candles, positions), whole[positions], alone)


def _at(candles: Candles, positions: np.ndarray) -> Candles:
    values = {name: candles.column(name)[positions] for name in candles.columns}
    return Candles(candles.symbol, candles.interval, candles.open_time_ms[positions], values)


@every_feature
@pytest.mark.parametrize("market", MARKETS)
def test_feature_of_a_window_alone_equals_that_of_the_whole(item: Feature, market: str) -> None:
    candles = MARKETS[market]
    n = len(candles)
    positions = np.unique(np.clip(np.concatenate([np.arange(0, n, 17), np.arange(320, 380)]), 0, n - 1))
    assert_finite_memory(item, candles, positions)


@every_feature
@settings(max_examples=12, deadline=None)
@given(candles=candles_strategy())
def test_feature_of_any_candles_keeps_the_contract(item: Feature, candles: Candles) -> None:
    positions = np.unique(np.linspace(0, len(candles) - 1, 23).astype(int))
    assert_finite_memory(item, candles, positions)


@every_feature
def test_feature_when_the_future_changes_stays(item: Feature) -> None:
    candles = MARKETS["random"]
    other = make_candles(len(candles), seed=99)
    known = 600
    changed = with_values(
        candles,
        **{name: np.append(candles.column(name)[:known], other.column(name)[known:]) for name in candles.columns},
    )
    before, after = (compute_features(c, [item]).values[:known] for c in (candles, changed))
    np.testing.assert_array_equal(before, after)


@every_feature
def test_feature_warm_up_is_what_it_declares(item: Feature) -> None:
    values = compute_features(MARKETS["random"], [item])
    for name, lookback in item.lookbacks.items():
        column = values.column(name)
        assert np.isnan(column[: lookback - 1]).all()
        assert np.isfinite(column[lookback - 1 :]).all()


@every_feature
@pytest.mark.parametrize("market", ["constant", "zero_volume", "flat_stretch", "spike_up", "spike_down"])
def test_feature_after_the_warm_up_is_finite(item: Feature, market: str) -> None:
    values = compute_features(MARKETS[market], [item]).values[item.lookback - 1 :]
    assert np.isfinite(values).all()


@every_feature
@pytest.mark.parametrize("block_rows", [1, 7, 333, 10_000])
def test_feature_in_blocks_of_any_size_is_the_same(item: Feature, block_rows: int) -> None:
    candles = MARKETS["gapped"][:700]
    whole = compute_features(candles, [item]).values
    assert_same(item, candles, whole, compute_features(candles, [item], block_rows=block_rows).values)


@every_feature
def test_feature_leaves_its_input_alone(item: Feature) -> None:
    candles = make_candles(600)
    before = {name: candles.column(name).copy() for name in candles.columns}
    compute_features(candles, [item])
    for name, column in before.items():
        np.testing.assert_array_equal(candles.column(name), column)


@pytest.mark.parametrize("item", FEATURES, ids=lambda item: item.name)
def test_feature_says_what_it_is(item: Feature) -> None:
    assert item.compute.__doc__
    assert item.outputs
    assert all(isinstance(lookback, int) and lookback >= 1 for lookback in item.lookbacks.values())


def test_contract_catches_features_that_look_ahead_or_remember_too_long() -> None:
    def look_ahead(candles: Candles) -> np.ndarray:
        return np.append(candles.close[1:], candles.close[-1:])

    def endless_memory(candles: Candles) -> np.ndarray:
        return np.cumsum(candles.volume)

    for compute in (look_ahead, endless_memory):
        item = Feature(compute.__name__, compute, 5)
        with pytest.raises(AssertionError):
            assert_finite_memory(item, MARKETS["random"], np.arange(0, 900, 17))
