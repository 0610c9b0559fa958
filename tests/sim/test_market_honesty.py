"""The simulated market's promises in numbers: nothing in the null symbol, the oracle in the planted one."""

import math

import numpy as np
import pytest
import talib
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlsignal.candles import Candles
from mlsignal.sim import Market

N = 100_000


def _z(ups: int, n: int) -> float:
    return (ups - n / 2) / math.sqrt(max(n, 1) / 4)


def _conditions(candles: Candles) -> dict[str, np.ndarray]:
    """What a trader might condition on, known when each candle closes."""
    change = np.sign(candles.close - candles.open)
    share = np.divide(candles.taker_buy_base, candles.volume, out=np.full(len(candles), 0.5), where=candles.volume > 0)
    spread = candles.high - candles.low
    place = (candles.close - candles.low) - (candles.high - candles.close)
    return {
        "always": np.full(len(candles), True),
        "rose": change > 0,
        "fell": change < 0,
        "tied": change == 0,
        "rose twice": (change > 0) & (np.roll(change, 1) > 0),
        "busy": candles.volume > np.median(candles.volume),
        "takers bought": share > 0.55,
        "takers sold": share < 0.45,
        "wide": spread > np.median(spread),
        "closed high": place > 0,
    }


def _null_counts(market: Market, interval: str, n: int) -> dict[str, tuple[int, int]]:
    candles = market.candles("NULLUSDT", interval, n)
    change = np.sign(np.diff(candles.close))
    found = {}
    for name, holds in _conditions(candles).items():
        chosen = change[holds[:-1]]
        found[name] = (int((chosen > 0).sum()), int((chosen != 0).sum()))
    return found


@pytest.mark.parametrize(("interval", "n", "seeds"), [("1m", 20_000, 30), ("15m", 1_300, 30), ("1s", 60_000, 4)])
def test_null_symbol_goes_up_half_of_the_time_whatever_was_seen(interval, n, seeds):
    totals: dict[str, list[int]] = {}
    deviations = []
    for seed in range(seeds):
        for name, (ups, moves) in _null_counts(Market(seed), interval, n).items():
            total = totals.setdefault(name, [0, 0])
            total[0], total[1] = total[0] + ups, total[1] + moves
            if moves > 1000:
                deviations.append(_z(ups, moves))
    for name, (ups, moves) in totals.items():
        assert abs(_z(ups, moves)) < 3.5, name
    assert max(map(abs, deviations)) < 4.5
    assert 0.7 < np.std(deviations) < 1.3


def _up_and_moved(market: Market, symbol: str) -> tuple[np.ndarray, np.ndarray]:
    change = np.diff(market.candles(symbol, "1m", N).close, prepend=np.nan)
    return change > 0, np.abs(change) > 0


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "SOLUSDT"])
def test_oracle_is_calibrated(market, symbol):
    up, moved = _up_and_moved(market, symbol)
    p_up = market.oracle(symbol, "1m", N)[moved]
    up = up[moved]
    edges = np.quantile(p_up, np.linspace(0, 1, 11))
    owner = np.clip(np.searchsorted(edges, p_up, side="right") - 1, 0, 9)
    for number in range(10):
        mine = owner == number
        variance = float((p_up[mine] * (1 - p_up[mine])).sum())
        assert abs((up[mine] - p_up[mine]).sum()) / math.sqrt(variance) < 4, number
    surprise = (up - p_up) ** 2 - p_up * (1 - p_up)
    assert abs(surprise.mean()) < 4 * surprise.std() / math.sqrt(len(surprise))


def test_oracle_leaves_nothing_for_other_knowledge(market):
    up, moved = _up_and_moved(market, "BTCUSDT")
    p_up = market.oracle("BTCUSDT", "1m", N)
    for symbol in market.symbols:
        for name, holds in _conditions(market.candles(symbol, "1m", N)).items():
            chosen = moved & np.concatenate([[False], holds[:-1]])
            p = p_up[chosen]
            assert abs((up[chosen] - p).sum()) / math.sqrt((p * (1 - p)).sum()) < 4, (symbol, name)


def test_planted_symbol_rewards_the_oracle_and_little_else(market):
    up, moved = _up_and_moved(market, "BTCUSDT")
    p_up = market.oracle("BTCUSDT", "1m", N)
    last = np.roll(np.sign(np.diff(market.candles("BTCUSDT", "1m", N).close, prepend=0)), 1)
    moved[:2] = False
    best = roc_auc_score(up[moved], p_up[moved])
    persistence = roc_auc_score(up[moved], last[moved])
    assert 0.548 < best < 0.564
    assert abs(persistence - 0.5) < 0.4 * (best - 0.5)
    assert np.abs(p_up - 0.5).mean() == pytest.approx(0.039, abs=0.004)
    assert np.log(p_up / (1 - p_up)).std() == pytest.approx(0.2, abs=0.02)
    assert up[moved].mean() == pytest.approx(0.5, abs=0.01)


def test_planted_symbol_probability_follows_the_documented_features(market):
    close = market.candles("BTCUSDT", "1m", N).close
    upper, _, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=0)
    features = (talib.RSI(close, 14), (close - lower) / np.where(upper > lower, upper - lower, np.nan))
    terms = zip(market.plant.coefficients, features, market.plant.centre, strict=True)
    logit = sum(coefficient * (feature - centre) for coefficient, feature, centre in terms)
    p_up = market.oracle("BTCUSDT", "1m", N)
    known = np.isfinite(logit[:-1])
    known[:600] = False  # the library's RSI still remembers its seed
    assert p_up[1:][known] == pytest.approx(1 / (1 + np.exp(-logit[:-1][known])), abs=1e-6)
    assert np.all(p_up[:50] == 0.5)


@pytest.mark.parametrize(
    ("symbol", "lowest", "highest"),
    [("BTCUSDT", 0.02, 0.05), ("ETHUSDT", 0.02, 0.05), ("SOLUSDT", 0.02, 0.06), ("NULLUSDT", 0.15, 0.25)],
)
def test_market_looks_like_one(market, symbol, lowest, highest):
    candles = market.candles(symbol, "1m", N)
    returns = np.diff(np.log(candles.close))
    size = np.abs(returns)
    assert lowest < (returns == 0).mean() < highest
    assert (returns**4).mean() / (returns**2).mean() ** 2 > 7
    for lag, least in ((1, 0.15), (10, 0.1), (60, 0.07)):
        assert np.corrcoef(size[lag:], size[:-lag])[0, 1] > least
    share = np.divide(candles.taker_buy_base, candles.volume, out=np.full(N, 0.5), where=candles.volume > 0)
    assert np.corrcoef(share[1:], returns)[0, 1] > 0.4
    assert np.corrcoef(candles.volume[1:], size)[0, 1] > 0.3
    assert np.corrcoef(candles.trades[1:], size)[0, 1] > 0.3
    hour = candles.open_time_ms[1:] // 3_600_000 % 24
    assert size[hour == 15].mean() > 1.3 * size[hour == 4].mean()
    assert candles.volume[1:][hour == 15].mean() > 1.3 * candles.volume[1:][hour == 4].mean()


def test_symbols_move_together_but_for_the_null(market):
    returns = [np.diff(np.log(market.candles(symbol, "1m", N).close)) for symbol in market.symbols]
    correlation = np.corrcoef(returns)
    assert 0.6 < correlation[0, 1] < 0.8
    assert 0.5 < correlation[0, 2] < 0.8
    assert np.all(np.abs(correlation[3, :3]) < 0.02)


def _classic(candles: Candles) -> np.ndarray:
    close, high, low, volume = candles.close, candles.high, candles.low, candles.volume
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=0)
    change = [talib.ROCP(close, k) for k in (1, 5, 15)]
    columns = [
        *(np.roll(close, 1), high - low, candles.open - close, talib.SMA(close, 10), talib.SMA(close, 50)),
        *(*talib.MACD(close, 12, 26, 9), volume, np.log1p(volume), *change, talib.RSI(close, 14)),
        *(talib.ATR(high, low, close, 14), (upper - lower) / middle, (close - lower) / (upper - lower)),
    ]
    return np.column_stack(columns)


@pytest.mark.long
def test_logistic_regression_on_classic_features_finds_what_the_oracle_knows():
    market = Market(seed=11)
    train, test = 160_000, 40_000
    n = train + test + 300
    candles = market.candles("BTCUSDT", "1m", n)
    X = _classic(candles)[298 : n - 1]
    change = np.diff(candles.close)[298:]
    p_up = market.oracle("BTCUSDT", "1m", n)[299:]
    usable = np.isfinite(X).all(axis=1)
    learn = usable & (np.arange(len(X)) < train)
    judge = usable & (np.arange(len(X)) >= train) & (change != 0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1, max_iter=2000))
    model.fit(X[learn], change[learn] > 0)
    found = roc_auc_score(change[judge] > 0, model.predict_proba(X[judge])[:, 1])
    best = roc_auc_score(change[judge] > 0, p_up[judge])
    print(f"logistic regression {found:.4f}, oracle {best:.4f}")
    assert found > best - 0.005
