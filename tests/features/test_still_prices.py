"""Where the price stands still for long, rounding is all that is left of old moves: no tree may split on it."""

import numpy as np
import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.dataset import build_dataset
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import compute_features, longest_lookback
from mlsignal.features.rolling import ema_difference, finite_ema
from mlsignal.labels import direction_labels
from mlsignal.learning.training import TrainingOptions, fit_model
from tests.strategies import constant, make_candles, spiked

LOOKBACK = longest_lookback(CLASSIC)


def sleepy_market(price: float, tick: float, n: int = 5_000, seed: int = 0) -> Candles:
    """Closes of which 98 % are those before, and flat stretches of hundreds of candles."""
    random = np.random.default_rng(seed)
    steps = np.where(random.random(n) < 0.02, random.choice([-1, 1], n) * random.integers(1, 4, n), 0)
    for start in range(500, n, 1_500):
        steps[start : start + int(random.integers(200, 500))] = 0
    close = np.round(price / tick + np.cumsum(steps)) * tick
    open_ = np.append(close[0], close[:-1])
    columns = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    volume = np.where(steps != 0, random.lognormal(1, 1, n), 0.0)
    return Candles("SLEEPY", Interval.M1, np.arange(n) * 60_000, columns | {"volume": volume})


@pytest.mark.parametrize(("price", "tick"), [(100.0, 0.01), (0.02, 1e-4), (30_000.0, 0.01)])
def test_forest_says_the_same_of_a_batch_and_of_the_last_candles(price: float, tick: float) -> None:
    candles = sleepy_market(price, tick)
    assert (np.diff(candles.close) == 0).mean() > 0.98
    frame = compute_features(candles, CLASSIC)
    dataset = build_dataset(frame, direction_labels(candles))
    forest = fit_model("random_forest", dataset, np.arange(3_200), TrainingOptions(n_trees=30))
    positions = np.arange(len(candles) - 1_200, len(candles), 2)
    windows = [compute_features(candles[t - LOOKBACK + 1 : t + 1], CLASSIC).values[-1] for t in positions]
    batch = forest.predict_proba(frame.values[positions])
    np.testing.assert_array_equal(forest.predict_proba(np.array(windows)), batch)
    assert len(np.unique(batch[:, 1])) > 20
    in_blocks = compute_features(candles, CLASSIC, block_rows=700).values[positions]
    np.testing.assert_array_equal(forest.predict_proba(in_blocks), batch)


def test_indicators_of_a_still_price_are_exact() -> None:
    candles = constant(make_candles(1_500), slice(700, 1_500))
    frame = compute_features(candles, CLASSIC)
    long_after = slice(700 + LOOKBACK, None)
    for name, value in {"rsi14": 50, "atr14": 0, "macd": 0, "macd_signal": 0, "macd_histogram": 0}.items():
        assert (frame.column(name)[long_after] == value).all(), name


def test_rsi_of_falls_alone_is_zero_and_never_below() -> None:
    rising, falling = (np.arange(400) * step for step in (0.01, -0.01))
    close = np.concatenate([100 + rising, 100 + rising[-1] + falling, 100 + rising])
    same = dict.fromkeys(("open", "high", "low", "close"), close)
    candles = Candles("X", Interval.M1, np.arange(len(close)) * 60_000, same | {"volume": close})
    rsi = compute_features(candles, CLASSIC).column("rsi14")
    assert (rsi[660:800] == 0).all()
    assert (rsi[1_060:] == 100).all()
    for market in (candles, spiked(make_candles(2_000), 500), sleepy_market(1.0, 1e-4)):
        values = compute_features(market, CLASSIC).column("rsi14")[LOOKBACK:]
        assert values.min() >= 0
        assert values.max() <= 100


@pytest.mark.parametrize("n", [0, 1, 2, 249, 250, 251, 900])
def test_ema_difference_equals_that_of_two_averages(n: int) -> None:
    values = make_candles(max(n, 1)).close[:n]
    found = ema_difference(values, 12, 26, 250)
    expected = finite_ema(values, 12, 250) - finite_ema(values, 26, 250)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14 * 30_000)
