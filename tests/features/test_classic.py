"""The set `classic` against its formulas, against slow loops, and against an independent library."""

import numpy as np
import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.errors import ConfigurationError, MissingColumnError
from mlsignal.features.classic import CLASSIC, MEMORY, SIGNAL_MEMORY
from mlsignal.features.feature import FeatureFrame, compute_features, feature, longest_lookback
from tests.reference import indicators
from tests.strategies import make_candles

NAMES = [
    "prev_close",
    "return_1",
    "return_5",
    "return_15",
    "high_low",
    "open_close",
    "ma10",
    "ma50",
    "rsi14",
    "atr14",
    "bollinger_width",
    "bollinger_percent_b",
    "macd",
    "macd_signal",
    "macd_histogram",
    "volume",
    "log_volume",
]


@pytest.fixture(scope="module")
def frame() -> FeatureFrame:
    return compute_features(make_candles(1_500, seed=3), CLASSIC)


def test_classic_has_the_seventeen_columns(frame: FeatureFrame) -> None:
    assert sorted(frame.names) == sorted(NAMES)
    assert longest_lookback(CLASSIC) == 330


def test_classic_simple_columns_equal_their_formulas(frame: FeatureFrame) -> None:
    c = frame.candles
    t = np.arange(100, 1_500)
    expected = {
        "prev_close": c.close[t - 1],
        "return_1": c.close[t] / c.close[t - 1] - 1,
        "return_5": c.close[t] / c.close[t - 5] - 1,
        "return_15": c.close[t] / c.close[t - 15] - 1,
        "high_low": c.high[t] - c.low[t],
        "open_close": c.open[t] - c.close[t],
        "ma10": [c.close[i - 9 : i + 1].mean() for i in t],
        "ma50": [c.close[i - 49 : i + 1].mean() for i in t],
        "volume": c.volume[t],
        "log_volume": np.log(1 + c.volume[t]),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(frame.column(name)[t], values, rtol=1e-12, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("t", [329, 330, 777, 1_499])
def test_classic_indicators_equal_slow_loops(frame: FeatureFrame, t: int) -> None:
    c = frame.candles
    start = t - MEMORY + 1
    high, low, close = (values[start : t + 1].tolist() for values in (c.high, c.low, c.close))
    longer = c.close[t - MEMORY - SIGNAL_MEMORY + 1 : t + 1].tolist()
    width, place = indicators.bollinger(close)
    line, signal = indicators.macd(longer, MEMORY, SIGNAL_MEMORY)
    expected = {
        "rsi14": indicators.rsi(close, MEMORY),
        "atr14": indicators.atr(high, low, close, MEMORY),
        "bollinger_width": width,
        "bollinger_percent_b": place,
        "macd": line,
        "macd_signal": signal,
        "macd_histogram": line - signal,
    }
    for name, value in expected.items():
        assert frame.column(name)[t] == pytest.approx(value, rel=1e-9, abs=1e-12 * close[-1]), name


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_classic_indicators_agree_with_an_independent_library(frame: FeatureFrame) -> None:
    """A memory of 250 against none: RSI within 1e-6 points, prices within 1e-8 of the price, after 700 candles."""
    ta = pytest.importorskip("pandas_ta_classic", reason="the extra dev brings the independent library")
    table = frame.candles.to_pandas()
    high, low, close = (table[name] for name in ("high", "low", "close"))
    macd, bands = ta.macd(close, talib=False), ta.bbands(close, 20, talib=False, ddof=0)
    price = float(close.mean())
    expected = {
        "ma10": (ta.sma(close, 10, talib=False), 1e-8 * price),
        "ma50": (ta.sma(close, 50, talib=False), 1e-8 * price),
        "rsi14": (ta.rsi(close, 14, talib=False), 1e-6),
        "atr14": (ta.atr(high, low, close, 14, talib=False), 1e-8 * price),
        "macd": (macd.iloc[:, 0], 1e-8 * price),
        "macd_histogram": (macd.iloc[:, 1], 1e-8 * price),
        "macd_signal": (macd.iloc[:, 2], 1e-8 * price),
        "bollinger_width": (bands.iloc[:, 3] / 100, 1e-8),
        "bollinger_percent_b": (bands.iloc[:, 4], 1e-8),
    }
    for name, (values, tolerance) in expected.items():
        np.testing.assert_allclose(
            frame.column(name)[700:], values.to_numpy()[700:], rtol=0, atol=tolerance, err_msg=name
        )


def test_classic_of_a_flat_market_is_neutral() -> None:
    n = 400
    flat = {name: np.full(n, 5.0) for name in ("open", "high", "low", "close")} | {"volume": np.zeros(n)}
    frame = compute_features(Candles("X", Interval.M1, np.arange(n) * 60_000, flat), CLASSIC)
    last = dict(zip(frame.names, frame.values[-1], strict=True))
    assert (last["rsi14"], last["bollinger_percent_b"], last["bollinger_width"]) == (50.0, 0.5, 0.0)


def test_features_across_a_gap_start_again() -> None:
    candles = make_candles(800, gaps=(400,))
    frame = compute_features(candles, CLASSIC)
    assert np.isnan(frame.column("return_1")[[0, 400]]).all()
    assert np.isnan(frame.column("macd_signal")[400 : 400 + 329]).all()
    alone = compute_features(candles[400:], CLASSIC)
    np.testing.assert_array_equal(frame.values[400:], alone.values)


def test_feature_without_lookback_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="declare the memory"):
        feature(lambda candles: candles.close)  # type: ignore[call-overload]
    with pytest.raises(ConfigurationError, match="at least 1"):
        feature(lookback=0)


def test_feature_that_needs_an_absent_column_says_so() -> None:
    @feature(lookback=1, columns=["taker_buy_base"])
    def taker_share(candles: Candles) -> np.ndarray:
        return candles.taker_buy_base / candles.volume

    plain = make_candles(10)
    reduced = Candles("X", Interval.M1, plain.open_time_ms, {n: plain.column(n) for n in plain.columns[:5]})
    with pytest.raises(MissingColumnError, match=r"taker_share needs the column taker_buy_base"):
        compute_features(reduced, [taker_share])


@pytest.mark.parametrize(
    ("returned", "message"),
    [(np.ones(3), "one value a candle"), ({"other": np.ones(10)}, "expected the columns"), (1 / np.ones(10), None)],
)
def test_feature_of_a_wrong_shape_is_refused(returned: object, message: str | None) -> None:
    named = {"wrong": returned} if isinstance(returned, np.ndarray) else returned
    item = feature(lookback=1, outputs=["wrong"])(lambda candles: named)  # type: ignore[arg-type,return-value]
    if message is None:
        compute_features(make_candles(10), [item])
    else:
        with pytest.raises(ConfigurationError, match=message):
            compute_features(make_candles(10), [item])


def test_feature_of_two_outputs_is_found_by_trial() -> None:
    @feature(lookback=3)
    def pair(candles: Candles) -> dict[str, np.ndarray]:
        return {"a": candles.close, "b": candles.open}

    assert pair.outputs == ("a", "b")
