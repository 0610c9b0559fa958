"""Walk-forward refits: 30 daily fits of LightGBM, and a year of daily fits of logistic regression.

Usage: python benchmarks/refits.py [RUNS]

30 fits of 100 trees with 31 leaves on the 20,000 candles before each day, 20 features, predicting 1,440 each: ours, and
beside it, in turn, plain LightGBM with its defaults (threads, 255 bins) in a loop. FreqAI, which is not installed, was
measured once at 20 s for the same on two cores. Then logistic regression fitted anew for every day of a year
(525,600 candles), on the 30 days before and on all before.

"Whole process" includes the start of Python, imports and the loading of rows; "job" is cutting the folds, fitting and
predicting. Half of the job's processor time is about what it takes on two cores without neighbours. Real BTCUSDT 1m
candles where MLSIGNAL_SHARED has them, else simulated ones.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from measuring import SHARED, alternate, median, print_rows

DAY = 1_440
WINDOW = 20_000
YEAR = 525_600
FREQAI_SECONDS = 20.0
WARM_UP = 400
JOBS = {
    "lightgbm": ("ours: lightgbm, 30 days on the 20,000 before", "lightgbm"),
    "peer": ("peer: LGBMClassifier, default threads, the same 30", "lightgbm"),
    "rolling": ("ours: logistic regression, a year on the 30 days before", "year"),
    "expanding": ("ours: logistic regression, a year on all before", "year"),
}


def write_rows(folder: Path) -> str:
    """Write the rows of both parts, with features and labels, and return where the candles came from."""
    import polars as pl

    from mlsignal.cleaning import clean
    from mlsignal.features.classic import CLASSIC
    from mlsignal.features.feature import compute_features, feature
    from mlsignal.labels import direction_labels
    from mlsignal.sim import Market

    @feature(lookback=31)
    def more(candles: "Candles") -> dict[str, np.ndarray]:  # noqa: F821
        """Three more columns, to make 20."""
        earlier = np.concatenate([np.full(30, np.nan), candles.close[:-30]])
        taker = candles.taker_buy_base / np.maximum(candles.volume, 1e-12)
        return {
            "return_30": candles.close / earlier - 1,
            "taker_share": np.where(np.arange(len(candles)) < 30, np.nan, taker),
            "range": np.where(np.arange(len(candles)) < 30, np.nan, candles.high / candles.low - 1),
        }

    path, count = SHARED / "data/spot/BTCUSDT-1m.parquet", YEAR + WARM_UP
    if path.is_file():
        candles, source = clean(pl.read_parquet(path).tail(count), "BTCUSDT", "1m")[0], "real BTCUSDT 1m"
    else:
        candles, source = Market(seed=7).candles("BTCUSDT", "1m", count), "SYNTHETIC BTCUSDT 1m"
    labels = direction_labels(candles)
    for name, features, last in (("lightgbm", (*CLASSIC, more), WINDOW + 30 * DAY), ("year", CLASSIC, YEAR)):
        frame = compute_features(candles, features)
        rows = np.flatnonzero(labels.known & np.isfinite(frame.values).all(axis=1))[-last:]
        np.savez(
            folder / f"{name}.npz", X=frame.values[rows], y=labels.up[rows], tie=labels.tie[rows], position=rows,
            span_end=labels.span_end[rows], open_time_ms=candles.open_time_ms, close=candles.close,
        )  # fmt: skip
    return source


def run_job(job: str, path: str) -> None:
    """Load rows, do one job, and print its seconds and a check of its numbers as JSON."""
    stored = {name: np.load(path)[name] for name in ("X", "y")} if job == "peer" else dict(np.load(path))
    told = {"peer": peer_refits}.get(job, our_refits)(job, stored)
    print(json.dumps(told))


def peer_refits(_: str, stored: dict[str, np.ndarray]) -> dict[str, float]:
    """Do the 30 fits with LightGBM's own classifier and default threads."""
    from lightgbm import LGBMClassifier

    X, y, total = stored["X"], stored["y"], 0.0
    started, used = time.perf_counter(), time.process_time()
    for day in range(30):
        first = WINDOW + day * DAY
        model = LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1)
        model.fit(X[first - WINDOW : first], y[first - WINDOW : first])
        total += float(model.booster_.predict(X[first : first + DAY]).sum())
    return {**spent(started, used), "fits": 30, "mean_p_up": total / (30 * DAY)}


def our_refits(job: str, stored: dict[str, np.ndarray]) -> dict[str, float]:
    """Do a job with the package."""
    from mlsignal.candles import Candles, Interval
    from mlsignal.dataset import Dataset
    from mlsignal.learning.boosting import load_lightgbm
    from mlsignal.learning.refitting import walk_forward_predict
    from mlsignal.learning.schemes import FoldOptions, make_folds
    from mlsignal.learning.training import TrainingOptions

    if job == "lightgbm":
        load_lightgbm()
    X, close, position = stored["X"], stored["close"], stored["position"]
    candles = Candles("BTCUSDT", Interval.M1, stored["open_time_ms"], {"close": close})
    data = Dataset(
        candles, tuple(map(str, range(X.shape[1]))), X, stored["y"], stored["tie"], position, stored["span_end"],
        close[position] / close[position - 1] - 1, np.ones(len(X), dtype=bool), 1,
        close[stored["span_end"]] / close[position] - 1, "down", position[:0], X[:0],
    )  # fmt: skip
    rows = np.arange(len(X))
    window = {"lightgbm": WINDOW, "rolling": 30 * DAY, "expanding": None}[job]
    name, outliers = ("lightgbm", "none") if job == "lightgbm" else ("logistic_regression", "remove")
    started, used = time.perf_counter(), time.process_time()
    folds = make_folds(data, rows, FoldOptions("walk_forward", 11, DAY, window))
    done = walk_forward_predict(name, data, folds, TrainingOptions(outliers, n_jobs=len(os.sched_getaffinity(0))))
    return {**spent(started, used), "fits": len(folds), "mean_p_up": float(done.p_up.mean())}


def spent(started: float, used: float) -> dict[str, float]:
    """Seconds on the clock and of the processor, all threads together."""
    return {"job": time.perf_counter() - started, "cpu": time.process_time() - used}


def main(runs: int = 3) -> None:
    """Run every job in turn and print the medians."""
    with tempfile.TemporaryDirectory() as place:
        source = write_rows(Path(place))
        commands = {
            job: [sys.executable, __file__, "--job", job, str(Path(place) / f"{rows}.npz")]
            for job, (_, rows) in JOBS.items()
        }
        measured = alternate(commands, runs)
    rows, told = [], {"source": source, "runs": runs, "freqai_stated_seconds": FREQAI_SECONDS}
    for job, (title, _) in JOBS.items():
        inside = [json.loads(run.stdout) for run in measured[job]]
        whole, within = median([run.seconds for run in measured[job]]), median([each["job"] for each in inside])
        cpu = median([each["cpu"] for each in inside])
        fits, peak = inside[0]["fits"], max(run.peak_mb for run in measured[job])
        told[job] = {"whole_process": round(whole, 2), "job": round(within, 2), "cpu": round(cpu, 2), "fits": fits}
        told[job]["peak_mb"] = round(peak)
        rows.append([title, str(fits), f"{within:.2f}", f"{cpu:.2f}", f"{whole:.2f}", f"{peak:.0f}"])
    rows.append(["FreqAI, 30 daily refits of LightGBM, as stated", "30", f"{FREQAI_SECONDS:.0f}", "", "", ""])
    print(f"{source}; medians of {runs}\n")
    print_rows(["", "fits", "job, s", "its CPU, s", "whole process, s", "peak MB"], rows)
    print(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--job"]:
        run_job(*sys.argv[2:4])
    else:
        main(*map(int, sys.argv[1:2]))
