"""A backtest of 1,000,000 candles with 66,680 changes of position, trade records included: ours beside two peers.

Usage: MLSIGNAL_VECTORBT_PYTHON=/path/to/python python benchmarks/backtest.py [RUNS]

The interpreter is that of an environment of its own with vectorbt and backtesting (python3 -m venv, pip install
vectorbt backtesting), since their licences keep them out of ours; without it only ours is timed. Candles are a seeded
random walk and the position is 1, 0 or -1 by turns, 15 candles each, times .5: the same for all, filled at the next
open. All times are of the work alone, after the import; "first run" holds the peer's compilation. Ours gives the equity
curve with its drawdown, a table of trades with times, and all figures. vectorbt is timed for its orders with the raw
trade records, and once more for what ours gives: value, drawdown, returns, readable trades and the main figures.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from measuring import print_rows

N, CHANGES = 1_000_000, 66_680
FEE = 1e-5
"""Of a side: small, for an account that is used up trades no more, which saves time."""
EXPOSURE = 0.5
"""Of each position: a peer that holds no more than its cash must be able to pay its fee."""


def arrays() -> dict[str, np.ndarray]:
    """Return open, high, low and close, and the exposure to take at each open (NaN: no order)."""
    rng = np.random.default_rng(0)
    close = 30_000 * np.exp(np.cumsum(rng.normal(0, 5e-4, N)))
    open_ = np.append(30_000.0, close[:-1])
    turn = np.minimum(np.arange(N) * CHANGES // N, CHANGES - 1)
    wanted = np.array([EXPOSURE, 0.0, -EXPOSURE])[turn % 3]
    changes = np.append([False, True], wanted[2:] != wanted[1:-1])  # nothing can be filled at the first open
    prices = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    return {**prices, "wanted": wanted, "order": np.where(changes, wanted, np.nan)}


def timed(job: Callable[[], object], runs: int) -> tuple[list[float], object]:
    """Return seconds (the first run, the median of the next ones, the same of processor time) and the last result."""
    started = time.perf_counter()
    result = job()
    first = time.perf_counter() - started
    seconds, busy = [], []
    for _ in range(runs):
        started, worked = time.perf_counter(), time.process_time()
        result = job()
        seconds.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    return [first, statistics.median(seconds), statistics.median(busy)], result


def ours(runs: int) -> dict[str, object]:
    """Time ours; candles are new each time, so that nothing of them is remembered."""
    from mlsignal.candles import Candles, Interval
    from mlsignal.evaluation.backtest import run_backtest
    from mlsignal.evaluation.costs import choose_costs

    data = arrays()
    prices = {name: data[name] for name in ("open", "high", "low", "close")}
    values = {**prices, "volume": np.ones(N), "quote_volume": data["close"]}
    times = np.arange(N, dtype=np.int64) * 60_000
    position, target = np.arange(N - 1), data["wanted"][1:]
    found: dict[str, object] = {}
    for name, costs in {
        "mlsignal": choose_costs("free", 1e4 * FEE),
        "mlsignal, with spread and slippage": choose_costs("binance-spot"),
    }.items():
        seconds, result = timed(
            lambda costs=costs: run_backtest(Candles("WALK", Interval.M1, times, values), position, target, costs), runs
        )
        found[name] = [*seconds, result.trades.height, result.summary["net_return"]]
    return found


def vectorbt_job(path: str, runs: int) -> dict[str, object]:
    """Time vectorbt in its own environment; it fills at the given price of the same row, here the open."""
    import pandas as pd
    import vectorbt as vbt

    data = np.load(path)
    index = pd.date_range("1970-01-01", periods=N - 1, freq="min")
    open_, order = (pd.Series(data[name][1:], index) for name in ("open", "order"))

    def trade() -> object:
        portfolio = vbt.Portfolio.from_orders(
            open_, size=order, size_type="targetpercent", val_price=open_, fees=FEE, init_cash=1e6, freq="1min"
        )
        return portfolio, portfolio.trades.records

    def report() -> object:
        portfolio, records = trade()
        tables = portfolio.value(), portfolio.drawdown(), portfolio.returns(), portfolio.trades.records_readable
        figures = portfolio.sharpe_ratio(), portfolio.sortino_ratio(), portfolio.max_drawdown()
        return portfolio, records, tables, figures, portfolio.trades.win_rate()

    found = {}
    for told, job, times in (("orders and raw records", trade, runs), ("all that ours gives", report, 2)):
        seconds, result = timed(job, times)
        outcome = [len(result[1]), float(result[0].total_return())]
        found[f"vectorbt {vbt.__version__}: {told}"] = [*seconds, *outcome]
    return found


def backtesting_job(path: str) -> dict[str, object]:
    """Time backtesting.py once: it goes through the candles one by one in Python."""
    import backtesting
    import pandas as pd

    warnings.filterwarnings("ignore")  # of prices above the cash, of trades still open at the end
    data = np.load(path)
    columns = {name.capitalize(): data[name] for name in ("open", "high", "low", "close")}
    frame = pd.DataFrame(columns, index=pd.date_range("1970-01-01", periods=N, freq="min"))
    order = np.append(data["order"][1:], np.nan)

    class Follow(backtesting.Strategy):
        def init(self) -> None:
            self.row = -1

        def next(self) -> None:
            wanted = order[len(self.data) - 1]
            if wanted == wanted:
                self.position.close()
                if wanted:
                    (self.buy if wanted > 0 else self.sell)(size=EXPOSURE)

    test = backtesting.Backtest(frame, Follow, cash=1e9, commission=FEE)
    seconds, result = timed(test.run, 1)
    return {f"backtesting.py {backtesting.__version__}": [*seconds, len(result["_trades"]), result["Return [%]"] / 100]}


def row(
    name: str, first: float, median: float, busy: float, trades: int, earned: float, base: float, base_busy: float
) -> list[str]:
    """Return a row of the table."""
    wall = [f"{first:.3f}", f"{median:.3f}", f"{median / base:.1f}"]
    return [name, *wall, f"{busy:.3f}", f"{busy / base_busy:.1f}", f"{trades:,}", f"{earned:.6f}"]


def main(runs: int = 9) -> None:
    """Time all in one run and print the medians."""
    found = ours(runs)
    interpreter = os.environ.get("MLSIGNAL_VECTORBT_PYTHON")
    if interpreter:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "arrays.npz"
            np.savez(path, **arrays())
            for peer in ("vectorbt", "backtesting"):
                command = [interpreter, __file__, "--child", peer, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(f"{peer} failed:\n{done.stderr}")
                found |= json.loads(done.stdout.splitlines()[-1])
    else:
        print("MLSIGNAL_VECTORBT_PYTHON names no interpreter with the peers: ours alone", file=sys.stderr)
    base, base_busy = found["mlsignal"][1:3]
    headings = ("first run, s", "median, s", "times ours", "processor, s", "times ours", "trades", "net return")
    print_rows(
        ["1,000,000 candles, 66,680 changes", *headings], [row(name, *found[name], base, base_busy) for name in found]
    )
    print(json.dumps({"candles": N, "changes": CHANGES, "runs": runs, "seconds": found}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work = {"vectorbt": lambda path: vectorbt_job(path, 3), "backtesting": backtesting_job}[sys.argv[2]]
        print(json.dumps(work(sys.argv[3])))
    else:
        main(*map(int, sys.argv[1:2]))
