"""The backtest against vectorbt, where an environment with it is named.

vectorbt is not a dependency (its licence forbids that). Make an environment of its own and name its interpreter::

    python3 -m venv peers && peers/bin/pip install vectorbt backtesting
    MLSIGNAL_VECTORBT_PYTHON=peers/bin/python python -m pytest tests/evaluation/test_vectorbt.py
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from mlsignal.evaluation.backtest import run_backtest
from mlsignal.evaluation.costs import choose_costs
from tests.strategies import make_candles

SCRIPT = Path(__file__).parents[1] / "reference" / "vectorbt_backtest.py"


@pytest.fixture(scope="module")
def interpreter() -> str:
    named = os.environ.get("MLSIGNAL_VECTORBT_PYTHON")
    if not named:
        pytest.skip("MLSIGNAL_VECTORBT_PYTHON names no interpreter with vectorbt; see this file's first lines")
    return named


@pytest.mark.parametrize("fee_bps", [0.0, 10.0])
@pytest.mark.parametrize("kinds", [[-0.5, 0.5], [-0.6, -0.2, 0.0, 0.3, 0.6]])
def test_backtest_equals_vectorbt(interpreter: str, tmp_path: Path, fee_bps: float, kinds: list[float]) -> None:
    candles = make_candles(2_001)
    random = np.random.default_rng(1)
    target = np.repeat(random.choice(kinds, 200), 10)
    ours = run_backtest(candles, np.arange(2_000), target, choose_costs("free", fee_bps))
    # vectorbt is told of the changes only, and of the sale at the end; its row t is valued at the open of candle t.
    exposure = np.where(np.append(True, target[1:] != target[:-1]), target, np.nan)
    price = np.append(candles.open[1:], candles.close[-1])
    np.savez(tmp_path / "orders.npz", price=price, exposure=np.append(exposure, 0.0), fee=fee_bps / 1e4)
    done = subprocess.run([interpreter, str(SCRIPT), str(tmp_path / "orders.npz")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert ours.summary["net_return"] == pytest.approx(found["value"][-1] - 1, rel=1e-10)
    # Between orders the values at the opens are the same too; an order's fee falls on the candle that it begins.
    quiet = np.isnan(exposure[1:])
    np.testing.assert_allclose(
        ours.curve["net"].to_numpy()[:-1][quiet], np.array(found["value"])[1:-1][quiet], rtol=1e-10
    )
