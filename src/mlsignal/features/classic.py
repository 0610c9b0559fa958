"""The feature set `classic`: the 17 columns of the original notebook, each with a memory that ends."""

import numpy as np

from mlsignal.candles import Candles, Floats
from mlsignal.features.feature import feature
from mlsignal.features.rolling import finite_ema, rolling_mean_std, rolling_sums

MEMORY = 250
"""Candles that the recursive indicators remember: RSI, 0 to 100, is then typically within 1e-7 of the textbook's."""
SIGNAL_MEMORY = 80
"""Candles, beyond `MEMORY`, that the MACD's signal line remembers."""
WILDER_14 = 27
"""Wilder's average of 14 is an EMA of 27."""
FLAT = 1e-12
"""Price moves below this share of the price count as none: there RSI is 50 and %B one half."""


@feature(lookback=2, scale="price")
def prev_close(candles: Candles) -> Floats:
    """Close of the candle before."""
    return _shifted(candles.close, 1)


@feature(lookback={"return_1": 2, "return_5": 6, "return_15": 16}, params={"short": 1, "middle": 5, "long": 15})
def returns(candles: Candles) -> dict[str, Floats]:
    """Return over 1, 5 and 15 candles, a fraction: close[t] / close[t-k] - 1."""
    return {f"return_{k}": _return_over(candles.close, k) for k in (1, 5, 15)}


@feature(lookback=1, scale="price")
def high_low(candles: Candles) -> Floats:
    """Range of the candle: high - low."""
    return candles.high - candles.low


@feature(lookback=1, scale="price")
def open_close(candles: Candles) -> Floats:
    """Body of the candle, falling positive: open - close."""
    return candles.open - candles.close


@feature(lookback={"ma10": 10, "ma50": 50}, scale="price", params={"short": 10, "long": 50})
def moving_averages(candles: Candles) -> dict[str, Floats]:
    """Simple mean of the last 10 and 50 closes."""
    ma10, ma50 = rolling_sums(candles.close, (10, 50))
    ma10 *= 1 / 10
    ma50 *= 1 / 50
    return {"ma10": ma10, "ma50": ma50}


@feature(lookback=MEMORY, params={"period": 14, "memory": MEMORY})
def rsi14(candles: Candles) -> Floats:
    """Wilder's relative strength index of 14 candles, 0 to 100; 50 where the price stood still."""
    change = np.diff(candles.close)
    rise = np.maximum(change, 0)
    gain = finite_ema(rise, WILDER_14, MEMORY - 1)
    loss = finite_ema(np.subtract(rise, change, out=change), WILDER_14, MEMORY - 1)
    loss += gain  # what moved in all
    flat = loss < FLAT * candles.close[1:]
    loss[flat] = 1
    gain /= loss
    gain *= 100
    gain[flat] = 50
    return _after_first(gain)


@feature(lookback=MEMORY, scale="price", params={"period": 14, "memory": MEMORY})
def atr14(candles: Candles) -> Floats:
    """Wilder's average true range of 14 candles, in price units."""
    before, high, low = candles.close[:-1], candles.high[1:], candles.low[1:]
    true_range = np.maximum(high, before)
    true_range -= np.minimum(low, before)
    return _after_first(finite_ema(true_range, WILDER_14, MEMORY - 1))


@feature(lookback=20, params={"period": 20, "deviations": 2})
def bollinger(candles: Candles) -> dict[str, Floats]:
    """Bollinger bands of 20 candles, 2 standard deviations (ddof 0): width over middle, and the close's place between.

    The width is a fraction of the middle; %B is 0 at the lower band, 1 at the upper, one half where the price stood
    still.
    """
    close = candles.close
    middle, deviation = rolling_mean_std(close, 20)
    width = 4 * deviation
    flat = width < FLAT * close
    place = close - middle
    bands = width / middle
    width[flat] = 1
    place /= width
    place += 0.5
    place[flat] = 0.5
    return {"bollinger_width": bands, "bollinger_percent_b": place}


@feature(
    lookback={"macd": MEMORY, "macd_signal": MEMORY + SIGNAL_MEMORY, "macd_histogram": MEMORY + SIGNAL_MEMORY},
    scale="price",
    params={"fast": 12, "slow": 26, "signal": 9, "memory": MEMORY, "signal_memory": SIGNAL_MEMORY},
)
def macd(candles: Candles) -> dict[str, Floats]:
    """Moving average convergence/divergence 12/26/9, in price units: line, signal line and their difference."""
    line = finite_ema(candles.close, 12, MEMORY)
    line -= finite_ema(candles.close, 26, MEMORY)
    signal = np.full(len(line), np.nan)
    signal[MEMORY - 1 :] = finite_ema(line[MEMORY - 1 :], 9, SIGNAL_MEMORY + 1)
    return {"macd": line, "macd_signal": signal, "macd_histogram": line - signal}


@feature(lookback=1, scale="volume")
def volume(candles: Candles) -> Floats:
    """Volume in the base asset."""
    return candles.volume


@feature(lookback=1)
def log_volume(candles: Candles) -> Floats:
    """Logarithm of 1 + volume."""
    return np.log1p(candles.volume)


CLASSIC = (
    prev_close,
    returns,
    high_low,
    open_close,
    moving_averages,
    rsi14,
    atr14,
    bollinger,
    macd,
    volume,
    log_volume,
)


def _shifted(values: Floats, by: int) -> Floats:
    before = np.empty(len(values))
    before[:by] = np.nan
    before[by:] = values[:-by]
    return before


def _return_over(close: Floats, candles: int) -> Floats:
    change = np.empty(len(close))
    change[:candles] = np.nan
    np.divide(close[candles:], close[:-candles], out=change[candles:])
    change -= 1
    return change


def _after_first(values: Floats) -> Floats:
    """Put a NaN before values that begin at the second candle."""
    return np.concatenate([[np.nan], values])
