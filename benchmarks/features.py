"""The 17 features of `classic` over 1,000,000 candles: ours against pandas-ta-classic (its TA-Lib shortcut off).

Usage: python benchmarks/features.py [RUNS]

Both in one process, in turn, after one warm-up each; the candles are a seeded random walk, for time does not depend on
prices.
"""

import statistics
import sys
import time
import warnings

import numpy as np

from measuring import print_rows
from mlsignal.candles import Candles, Interval
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import compute_features

N = 1_000_000


def candles(n: int = N) -> Candles:
    """A random walk of `n` minutes."""
    rng = np.random.default_rng(0)
    close = 30_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, n)))
    open_ = np.append(30_000.0, close[:-1])
    reach = np.abs(rng.normal(0, 3e-4, (2, n))) * close
    values = {
        "open": open_,
        "high": np.maximum(open_, close) + reach[0],
        "low": np.minimum(open_, close) - reach[1],
        "close": close,
        "volume": rng.lognormal(2, 1, n),
    }
    return Candles("WALK", Interval.M1, np.arange(n, dtype=np.int64) * 60_000, values)


def pandas_ta_features(frame: "pd.DataFrame") -> "pd.DataFrame":
    """The same columns as the original computes them."""
    open_, high, low, close, volume = (frame[name] for name in ("open", "high", "low", "close", "volume"))
    macd, bands = ta.macd(close, talib=False), ta.bbands(close, 20, talib=False)
    columns = {
        "prev_close": close.shift(1),
        "high_low": high - low,
        "open_close": open_ - close,
        "ma10": ta.sma(close, 10, talib=False),
        "ma50": ta.sma(close, 50, talib=False),
        "macd": macd.iloc[:, 0],
        "macd_histogram": macd.iloc[:, 1],
        "macd_signal": macd.iloc[:, 2],
        "rsi14": ta.rsi(close, 14, talib=False),
        "atr14": ta.atr(high, low, close, 14, talib=False),
        "bollinger_width": bands.iloc[:, 3],
        "bollinger_percent_b": bands.iloc[:, 4],
        "volume": volume,
        "log_volume": np.log1p(volume),
    }
    return pd.DataFrame(columns | {f"return_{k}": close.pct_change(k) for k in (1, 5, 15)})


def main(runs: int = 7) -> None:
    """Time both and print the medians."""
    walk = candles()
    frame = walk.to_pandas()
    jobs = {"pandas-ta-classic": lambda: pandas_ta_features(frame), "mlsignal": lambda: compute_features(walk, CLASSIC)}
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(runs + 1):
        for name, job in jobs.items():
            started = time.perf_counter()
            job()
            if number:
                seconds[name].append(time.perf_counter() - started)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    base = middle["pandas-ta-classic"]
    rows = [[name, f"{value * 1e3:.0f}", f"{base / value:.1f}"] for name, value in middle.items()]
    print_rows(["", "ms (median)", "times faster"], rows)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    import pandas as pd
    import pandas_ta_classic as ta

    main(*map(int, sys.argv[1:2]))
