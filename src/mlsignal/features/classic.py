"""The feature set `classic`: the 17 columns of the original notebook, each with a memory that ends."""

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.features.feature import feature
from mlsignal.features.rolling import ema_difference, finite_ema, rolling_mean_std, rolling_sums

MEMORY = 250
"""Candles that the recursive indicators remember: RSI, 0 to 100, is then typically within 1e-7 of the textbook's."""
SIGNAL_MEMORY = 80
"""Candles, beyond `MEMORY`, that the MACD's signal line remembers."""
WILDER_14 = 27
"""Wilder's average of 14 is an EMA of 27."""
FLAT = 1e-12
"""Price moves below this share of the price count as none: there RSI is 50, %B one half, ATR and MACD 0. The smallest
tick is thousands of times larger; what is left of it this far back is no information, and its last digits depend on
where the series begins."""
ROUNDING = 1e-16
"""A mean rise or fall below this share of the price is none. Where all moves are older than the memory, rounding leaves
less than 1e-20, even of a price 1,000 times too high; what counts in a ratio is above 1e-12, see `FLAT`."""


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
    """Wilder's relative strength index of 14 candles, 0 to 100; 50 where the price stood still.

    A rise or fall that is nothing but rounding counts as none: 0 and 100 are exact, whatever came before the memory.
    """
    close = candles.close
    change = np.empty(len(close))
    change[:1] = 0
    np.subtract(close[1:], close[:-1], out=change[1:])
    rise = np.maximum(change, 0)
    gain = _mean_of_moves(rise)
    loss = _mean_of_moves(np.subtract(rise, change, out=change))
    for mean in (gain, loss):
        mean[_below(ROUNDING, close, mean, MEMORY)] = 0
    loss += gain  # what moved in all
    flat = _below(FLAT, close, loss, MEMORY)
    loss[flat] = 1
    gain /= loss
    gain *= 100
    gain[flat] = 50
    return gain


@feature(lookback=MEMORY, scale="price", params={"period": 14, "memory": MEMORY})
def atr14(candles: Candles) -> Floats:
    """Wilder's average true range of 14 candles, in price units; 0 below `FLAT`."""
    close, true_range = candles.close, np.empty(len(candles))
    true_range[:1] = 0
    np.maximum(candles.high[1:], close[:-1], out=true_range[1:])
    true_range[1:] -= np.minimum(candles.low[1:], close[:-1])
    average = _mean_of_moves(true_range)
    average[_below(FLAT, close, average, MEMORY)] = 0
    return average


@feature(lookback=20, params={"period": 20, "deviations": 2})
def bollinger(candles: Candles) -> dict[str, Floats]:
    """Bollinger bands of 20 candles, 2 standard deviations (ddof 0): width over middle, and the close's place between.

    The width is a fraction of the middle; %B is 0 at the lower band, 1 at the upper, one half where the price stood
    still.
    """
    close = candles.close
    middle, deviation = rolling_mean_std(close, 20)
    width = 4 * deviation
    flat = _below(FLAT, close, width, 20)
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
    """Moving average convergence/divergence 12/26/9, in price units: line, signal line and their difference.

    Both lines are 0 below `FLAT`. The first, EMA 12 - EMA 26, is computed from the changes of the close, so that it is
    as exact as these are.
    """
    close = candles.close
    line = ema_difference(close, 12, 26, MEMORY)
    line[_below(FLAT, close, line, MEMORY)] = 0
    line[: MEMORY - 1] = 0  # nothing, to an average
    signal = finite_ema(line, 9, SIGNAL_MEMORY + 1)
    signal[: MEMORY + SIGNAL_MEMORY - 1] = line[: MEMORY - 1] = np.nan
    signal[_below(FLAT, close, signal, MEMORY + SIGNAL_MEMORY)] = 0
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


def _below(share: float, close: Floats, values: Floats, lookback: int) -> Times:
    """Return where values past the warm-up are in size below a share of the close: seldom anywhere."""
    values, close = values[lookback - 1 :], close[lookback - 1 :]
    least = share * close.max(initial=0)
    if values.min(initial=np.inf) >= least or np.abs(values).min(initial=np.inf) >= least:  # faster than a mask
        return np.arange(0)
    return np.flatnonzero(np.abs(values) < share * close) + lookback - 1


def _mean_of_moves(moves: Floats) -> Floats:
    """Return Wilder's average of 14 moves from candle to candle; the first candle has none, and 0 in its place."""
    mean = finite_ema(moves, WILDER_14, MEMORY - 1)
    mean[: MEMORY - 1] = np.nan
    return mean
