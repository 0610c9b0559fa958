"""The whole job on 50,000 real candles: `mlsignal run` against the original's pipeline written plainly.

Usage: python benchmarks/pipeline.py [RUNS]

Whole processes, start to exit, in turn: the reference (pandas, pandas-ta-classic, scikit-learn), `mlsignal run` with
the plain engine, and, if installed, with the accelerated one. Both train logistic regression and a forest of 100
trees with a 10-fold TimeSeriesSplit on the same last 50,000 candles of BTCUSDT 1m; ours also writes report and bundle.
"""

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from measuring import alternate, median, need_shared, print_rows


def main(runs: int = 3) -> None:
    """Run the comparison and print it."""
    shared = need_shared()
    candles = shared / "data/spot/BTCUSDT-1m.parquet"
    with tempfile.TemporaryDirectory() as folder:
        ours = [str(Path(sys.executable).with_name("mlsignal")), "run", "--source", str(candles.parent)]
        ours += ["--symbol", "BTCUSDT", "--interval", "1m", "--output", f"{folder}/run"]
        ours += ["--trials", f"{folder}/trials", "--json", "--engine"]
        commands = {
            "reference": [sys.executable, str(shared / "bench/reference_pipeline.py"), str(candles), "695840"],
            "mlsignal, plain": [*ours, "plain"],
        }
        if find_spec("sklearnex"):
            commands["mlsignal, accel"] = [*ours, "accel"]
        found = alternate(commands, runs)
    base = median([m.seconds for m in found["reference"]])
    rows = []
    for name, measured in found.items():
        seconds = median([m.seconds for m in measured])
        rows.append(
            [name, f"{seconds:.1f}", f"{base / seconds:.1f}", f"{median([m.peak_mb for m in measured]):.0f}"]
            + [f"{auc:.4f}" for auc in _aucs(name, json.loads(measured[-1].stdout))]
        )
    print_rows(["", "seconds (median)", "times faster", "peak MB", "AUC logistic", "AUC forest"], rows)


def _aucs(name: str, told: dict) -> tuple[float, float]:
    if name == "reference":
        return told["scores"]["logistic_regression"]["auc"], told["scores"]["random_forest"]["auc"]
    tests = [told["models"][model]["test"]["roc_auc"] for model in ("logistic_regression", "random_forest")]
    return tests[0], tests[1]


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
