"""Test AUC over five windows of 50,000 real candles: ours against the reference, with each engine.

Usage: python benchmarks/windows.py

The windows start at rows 200000, 320000, 440000, 560000 and 695840 of BTCUSDT 1m; the last fifth of each is the test.
"""

import json
import sys
import tempfile
from importlib.util import find_spec

import polars as pl

from measuring import need_shared, print_rows, run_process
from mlsignal.candles import Candles
from mlsignal.cleaning import clean
from mlsignal.config import load_settings
from mlsignal.experiment import run_experiment
from mlsignal.gathering import GatheredCandles

STARTS = (200_000, 320_000, 440_000, 560_000, 695_840)
COUNT = 50_000
MODELS = ("logistic_regression", "random_forest")


def main() -> None:
    """Score every window and print the AUCs and their means."""
    shared = need_shared()
    path = shared / "data/spot/BTCUSDT-1m.parquet"
    frame = pl.read_parquet(path)
    engines = ["plain", *(["accel"] if find_spec("sklearnex") else [])]
    sums: dict[str, float] = {}
    rows = []
    for start in STARTS:
        told = json.loads(
            run_process([sys.executable, str(shared / "bench/reference_pipeline.py"), str(path), str(start)]).stdout
        )
        scores = {f"reference {name}": told["scores"][name]["auc"] for name in MODELS}
        candles, cleaning = clean(frame[start : start + COUNT], "BTCUSDT", "1m")
        for engine in engines:
            scores |= {f"{engine} {name}": auc for name, auc in ours(candles, cleaning, engine).items()}
        rows.append([str(start), *(f"{score:.4f}" for score in scores.values())])
        sums = {name: sums.get(name, 0.0) + score / len(STARTS) for name, score in scores.items()}
    rows.append(["mean", *(f"{score:.4f}" for score in sums.values())])
    print_rows(["first row", *sums], rows)


def ours(candles: Candles, cleaning: object, engine: str) -> dict[str, float]:
    """Test AUC of both models on one window."""
    gathered = GatheredCandles(candles, cleaning, "file")  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:  # a benchmark is no trial of the user's
        metrics = run_experiment(load_settings({"engine": engine, "trials": folder}), gathered).evaluation.metrics
    return {name: metrics["models"][name]["test"]["roc_auc"] for name in MODELS}


if __name__ == "__main__":
    main()
