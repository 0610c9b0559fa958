"""Feature files that cheat, each in a way of its own, and honest ones that look suspicious."""

from pathlib import Path

HEAD = """import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from mlsignal import feature

"""

CHEATING = {
    "next_close": """
@feature(lookback=1, scale="price")
def next_close(candles):
    return np.append(candles.close[1:], candles.close[-1:])
""",
    "next_return_masked": """
@feature(lookback=5)
def next_return_masked(candles):
    future = np.append(candles.close[1:] / candles.close[:-1] - 1, 0.0)
    return np.where(candles.volume > np.median(candles.volume), future, 0.0)
""",
    "centred_mean": """
@feature(lookback=5, scale="price")
def centred_mean(candles):
    padded = np.pad(candles.close, 2, mode="edge")
    return sliding_window_view(padded, 5).mean(axis=1)
""",
    "scaled_close": """
@feature(lookback=1)
def scaled_close(candles):
    return (candles.close - candles.close.mean()) / (candles.close.std() + 1e-9)
""",
    "place_in_range": """
@feature(lookback=1)
def place_in_range(candles):
    low, high = candles.close.min(), candles.close.max()
    return (candles.close - low) / (high - low + 1e-9)
""",
    "interpolated": """
@feature(lookback=1, scale="price")
def interpolated(candles):
    close, rows = candles.close, np.arange(len(candles))
    move = np.abs(np.diff(np.log(close), prepend=np.log(close[0])))
    known = move < 0.003
    known[0] = True
    return np.interp(rows, rows[known], close[known])
""",
    "resampled_close": """
@feature(lookback=5, scale="price")
def resampled_close(candles):
    bucket = candles.open_time_ms // (5 * candles.interval.milliseconds)
    last = np.append(np.flatnonzero(np.diff(bucket)), len(bucket) - 1)
    return candles.close[last[np.searchsorted(last, np.arange(len(bucket)))]]
""",
    "resampled_direction": """
@feature(lookback=20)
def resampled_direction(candles):
    bucket = candles.open_time_ms // (15 * candles.interval.milliseconds)
    starts = np.flatnonzero(np.diff(bucket, prepend=bucket[0] - 1))
    ends = np.append(starts[1:], len(bucket)) - 1
    own = np.searchsorted(starts, np.arange(len(bucket)), side="right") - 1
    return np.sign(candles.close[ends] - candles.open[starts])[own]
""",
    "label_itself": """
@feature(lookback=1)
def label_itself(candles):
    return np.append(candles.close[1:] > candles.close[:-1], False).astype(float)
""",
    "one_percent_of_next": """
@feature(lookback=1, scale="price")
def one_percent_of_next(candles):
    return 0.99 * candles.close + 0.01 * np.append(candles.close[1:], candles.close[-1:])
""",
    "far_ahead": """
@feature(lookback=1, scale="price")
def far_ahead(candles):
    ahead = np.minimum(np.arange(len(candles)) + 700, len(candles) - 1)
    return candles.close[ahead]
""",
    "only_long_series": """
@feature(lookback=2)
def only_long_series(candles):
    change = np.append(np.nan, np.diff(candles.close))
    return np.append(change[1:], 0.0) if len(candles) > 2000 else change
""",
    "last_only_right": """
@feature(lookback=1)
def last_only_right(candles):
    future = np.append(np.diff(candles.close), 0.0)
    return np.where(np.abs(future) > 3 * np.abs(candles.close - candles.open) + 0.001 * candles.close, future, 0.0)
""",
    "longer_memory": """
@feature(lookback=10, scale="price")
def longer_memory(candles):
    mean = np.full(len(candles), np.nan)
    mean[19:] = sliding_window_view(candles.close, 20).mean(axis=1) if len(candles) >= 20 else []
    mean[9:19] = candles.close[9:19]
    return mean
""",
    "endless_memory": """
@feature(lookback=50)
def endless_memory(candles):
    return np.cumsum(candles.volume)
""",
    "counts_calls": """
calls = []
@feature(lookback=1)
def counts_calls(candles):
    calls.append(1)
    return candles.close * 0 + len(calls)
""",
    "keeps_running": """
state = {"mean": 0.0}
@feature(lookback=1, scale="price")
def keeps_running(candles):
    values = np.empty(len(candles))
    for row, close in enumerate(candles.close):
        state["mean"] += 0.1 * (close - state["mean"])
        values[row] = state["mean"]
    return values
""",
    "remembers_first": """
seen = {}
@feature(lookback=1)
def remembers_first(candles):
    for time, close in zip(candles.open_time_ms.tolist(), candles.close.tolist()):
        seen.setdefault(time, close)
    step = candles.interval.milliseconds
    future = np.array([seen.get(time + step, np.nan) for time in candles.open_time_ms.tolist()])
    return np.where(np.isnan(future), 0.0, future / candles.close - 1)
""",
    "largest_ever": """
most = [0.0]
@feature(lookback=1)
def largest_ever(candles):
    most[0] = max(most[0], candles.high.max())
    return candles.close / most[0]
""",
    "cached_by_length": """
cache = {}
@feature(lookback=3)
def cached_by_length(candles):
    return cache.setdefault(len(candles), candles.close - candles.open)
""",
    "random_numbers": """
@feature(lookback=1)
def random_numbers(candles):
    return np.random.default_rng().normal(size=len(candles))
""",
    "writes_into_input": """
@feature(lookback=1, scale="price")
def writes_into_input(candles):
    candles.close.setflags(write=True)
    candles.close[:-1] = candles.close[1:]
    return candles.close.copy()
""",
    "reads_ahead_in_pandas": """
import pandas as pd
@feature(lookback=20, scale="price")
def reads_ahead_in_pandas(candles):
    return pd.Series(candles.close).rolling(20, min_periods=1).mean().shift(-1).ffill().to_numpy()
""",
    "filled_backwards": """
import pandas as pd
@feature(lookback=1, scale="price")
def filled_backwards(candles):
    quiet = candles.volume <= np.sort(candles.volume)[len(candles) // 50]
    return pd.Series(np.where(quiet, np.nan, candles.close)).bfill().ffill().to_numpy()
""",
    "quantile_of_all": """
@feature(lookback=1)
def quantile_of_all(candles):
    return np.searchsorted(np.sort(candles.volume), candles.volume) / len(candles)
""",
    "one_of_two": """
@feature(lookback={"honest": 2, "dishonest": 2}, scale="price")
def one_of_two(candles):
    before = np.append(np.nan, candles.close[:-1])
    return {"honest": before, "dishonest": np.append(candles.close[1:], candles.close[-1:])}
""",
}
"""Name -> code; the columns accused are named like it, but for those in `COLUMNS`."""

COLUMNS = {"one_of_two": "dishonest"}

HONEST = {
    "hour": """
@feature(lookback=1)
def hour(candles):
    return (candles.open_time_ms // 3_600_000 % 24).astype(float)
""",
    "session": """
@feature(lookback=1)
def session(candles):
    return np.zeros(len(candles))
""",
    "rolling_in_pandas": """
import pandas as pd
@feature(lookback=30, scale="price")
def rolling_in_pandas(candles):
    return pd.Series(candles.close).rolling(30).mean().to_numpy()
""",
    "masked_early": """
@feature(lookback=3)
def masked_early(candles):
    return np.concatenate([[0.0, 0.0], candles.close[2:] / candles.close[:-2] - 1])[: len(candles)]
""",
    "flow": """
@feature(lookback=1, columns=["taker_buy_base"])
def flow(candles):
    return np.divide(candles.taker_buy_base, candles.volume, out=np.full(len(candles), 0.5), where=candles.volume > 0)
""",
    "closed_buckets": """
@feature(lookback=10, scale="price")
def closed_buckets(candles):
    n = 5
    bucket = (candles.open_time_ms // candles.interval.milliseconds + 1) // n
    last = np.searchsorted(bucket, bucket, side="left") - 1
    return np.where(last >= 0, candles.close[np.maximum(last, 0)], np.nan)
""",
    "highest": """
@feature(lookback=40, scale="price")
def highest(candles):
    found = np.full(len(candles), np.nan)
    if len(candles) >= 40:
        found[39:] = sliding_window_view(candles.high, 40).max(axis=1)
    return found
""",
}


def write_feature_file(folder: Path, code: str, name: str = "own.py") -> Path:
    """Write a feature file."""
    path = folder / name
    path.write_text(HEAD + code)
    return path
