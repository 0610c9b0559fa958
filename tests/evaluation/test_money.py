"""What a run says its signals earn is what its exported model earns on the same candles."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import mlsignal
from mlsignal.candles import Candles
from mlsignal.experiment import RunResult
from mlsignal.sim.market import Market
from tests.apps.test_backtest_commands import command
from tests.markets import write_candles

GAP = slice(2_700, 2_710)
"""Candles that are absent, amid the test span."""


def run_on(candles: Candles, folder: Path, horizon: int) -> RunResult:
    write_candles(folder, candles)
    settings = {"trees": 5, "folds": 3, "models": "logistic_regression", "costs": "free", "horizon": horizon}
    return mlsignal.run(folder / "run", source=str(folder), **settings)


def market_with_a_gap() -> Candles:
    candles = Market(7).candles("BTCUSDT", "1m", 3_200)
    kept = np.delete(np.arange(len(candles)), GAP)
    values = {name: candles.column(name)[kept] for name in candles.columns}
    return Candles(candles.symbol, candles.interval, candles.open_time_ms[kept], values)


@pytest.mark.parametrize("trade", ["every", "worth"])
@pytest.mark.parametrize("horizon", [1, 60])
def test_run_with_a_gap_earns_what_the_backtest_of_its_bundle_earns(
    horizon: int, trade: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candles = market_with_a_gap()
    result = run_on(candles, tmp_path, horizon)
    told = ("--source", tmp_path, "--costs", "free", "--trade", trade, "--curve", tmp_path / "curve.parquet", "--json")
    command("backtest", tmp_path / "run", *told)
    found = json.loads(capsys.readouterr().out)["economics"]
    evaluation = result.evaluation
    curve, summary = {
        "every": (evaluation.equity, evaluation.metrics["economics"]),
        "worth": (evaluation.decided, evaluation.metrics["decision"]),
    }[trade]
    assert_frame_equal(curve, pl.read_parquet(tmp_path / "curve.parquet"))
    assert summary["net_return"] == pytest.approx(found["net_return"], rel=1e-12)
    assert curve["time"][-1] == candles.end
    first, last = candles.to_polars()["close_time"].gather([GAP.start - 60, GAP.start - 2])
    before = curve.filter(pl.col("time").is_between(first, last))
    assert (before["position"] != 0).all()


def test_scores_and_predictions_are_of_labelled_rows_alone(tmp_path: Path) -> None:
    evaluation = run_on(market_with_a_gap(), tmp_path, 60).evaluation
    rows = evaluation.predictions.filter(pl.col("fold") == "test").height
    assert rows == evaluation.metrics["models"]["logistic_regression"]["test"]["n"]
    assert rows == evaluation.metrics["data"]["test_rows"] < evaluation.metrics["economics"]["candles"]
