"""The demonstration: the whole pipeline against a simulated exchange, whose truth is known, over HTTP."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlsignal.apps.jobs import run_job, show_run
from mlsignal.apps.messages import SYNTHETIC_NOTE, print_note
from mlsignal.apps.terminal import output
from mlsignal.candles import Interval
from mlsignal.config import Settings
from mlsignal.experiment import RunResult
from mlsignal.metrics import roc_auc
from mlsignal.sim.clock import VirtualClock
from mlsignal.sim.exchange import SimulatedExchange
from mlsignal.sim.market import Market

MARKET_START = datetime(2024, 1, 1, tzinfo=UTC)


def demo_job(settings_with: Callable[[dict[str, Any]], Settings], target: Path, command: str, *, as_json: bool) -> None:
    """Serve a market, run the pipeline against it, and compare the outcome with the best that was possible."""
    first = settings_with({})
    market = Market(first.seed, start=MARKET_START)
    now = MARKET_START + timedelta(minutes=first.lookback_candles, seconds=20)
    exchange = SimulatedExchange(market, VirtualClock(now))
    print_note(f"{SYNTHETIC_NOTE}. It is simulated on this machine (seed {first.seed}); nothing leaves it.")
    with exchange.running() as base_url, tempfile.TemporaryDirectory(prefix="mlsignal-demo-") as folder:
        settings = settings_with({"binance_base_url": base_url, "store": Path(folder), "max_age_minutes": 0})
        result, target = run_job(settings, target, command=command, quiet=as_json)
    show_run(result, target, as_json=as_json)
    if as_json:
        return
    console = output()
    console.print()
    reached, possible = compare_with_oracle(market, result, settings)
    console.print(
        f"The planted signal's own probabilities rank the same test candles with an AUC* of {possible:.4f}: "
        "no model can do better "
        f"but by luck. The selected model reached {reached:.4f}.",
        highlight=False,
    )
    console.print("\nOn real candles: mlsignal run --symbol BTCUSDT --interval 1m", highlight=False)
    console.print(f"Now open the report: {target / 'report.html'}", soft_wrap=True, highlight=False)


def compare_with_oracle(market: Market, result: RunResult, settings: Settings) -> tuple[float, float]:
    """Return the test AUC without ties of the selected model, and of the market's own probabilities."""
    selected = result.evaluation.metrics["selected"]
    rows = result.evaluation.predictions.filter(
        (pl.col("fold") == "test") & (pl.col("model") == selected) & ~pl.col("tie")
    )
    interval = Interval.parse(settings.interval)
    next_open_ms = interval.next_array(rows["open_time"].dt.epoch("ms").to_numpy())
    known = market.candles(settings.symbol, interval, settings.lookback_candles).open_time_ms
    oracle = market.oracle(settings.symbol, interval, settings.lookback_candles)
    truth = oracle[np.searchsorted(known, next_open_ms)]
    y = rows["label"].to_numpy()
    return roc_auc(y, rows["p_up"].to_numpy()), roc_auc(y, truth)
