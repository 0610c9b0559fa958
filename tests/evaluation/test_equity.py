"""Equity: against a plain loop over candles, with gaps and fees."""

import numpy as np
import pytest

from mlsignal.candles import Candles
from mlsignal.errors import ConfigurationError
from mlsignal.evaluation.equity import signal_equity
from tests.strategies import make_candles


def loop(
    candles: Candles, position: np.ndarray, p_up: np.ndarray, fee: float
) -> tuple[list[float], list[float], float]:
    """Hold what the last candle's signal says from this open to the next; sell before a gap and at the end."""
    signal = {int(t) + 1: float(np.sign(p - 0.5)) for t, p in zip(position, p_up, strict=True)}
    gaps = set(candles.gap_starts.tolist())
    first, last = int(position[0]) + 1, min(int(position[-1]) + 1, len(candles) - 1)
    gross, net, held, traded = [1.0], [1.0], 0.0, 0.0
    for t in range(first, last + 1):
        if t in gaps:
            held = 0.0
        wanted = 0.0 if t in gaps else signal.get(t, 0.0)
        volume = abs(wanted - held)
        ends = t == last or t + 1 in gaps
        until = candles.close[t] if t + 1 in gaps or t + 1 == len(candles) else candles.open[t + 1]
        if ends:
            volume += abs(wanted)
        earned = wanted * (until / candles.open[t] - 1)
        gross.append(gross[-1] * (1 + earned))
        net.append(net[-1] * (1 + earned - volume * fee / 1e4))
        traded += volume
        held = wanted
    return gross[1:], net[1:], traded


@pytest.mark.parametrize("gaps", [(), (120, 121, 180)])
@pytest.mark.parametrize("fee", [0.0, 10.0])
def test_equity_equals_a_plain_loop(gaps: tuple[int, ...], fee: float) -> None:
    candles = make_candles(300, gaps=gaps)
    rng = np.random.default_rng(0)
    position = np.array([t for t in range(100, 299) if t + 1 not in candles.gap_starts])
    p_up = np.where(rng.random(len(position)) < 0.1, 0.5, rng.random(len(position)))
    equity = signal_equity(candles, position, p_up, fee)
    gross, net, traded = loop(candles, position, p_up, fee)
    np.testing.assert_allclose(equity.curve["gross"], gross, rtol=1e-12)
    np.testing.assert_allclose(equity.curve["net"], net, rtol=1e-12)
    assert equity.summary["turnover"] == pytest.approx(traded)
    hold = candles.close[299] / candles.open[101]
    if not gaps:
        assert equity.summary["buy_and_hold_return"] == pytest.approx(hold - 1)


def test_equity_at_the_break_even_fee_is_about_one() -> None:
    candles = make_candles(3_000, volatility=1e-4)
    position = np.arange(500, 2_999)
    foresight = np.where(candles.close[501:3_000] > candles.open[501:3_000], 0.9, 0.1)
    free = signal_equity(candles, position, foresight, 0.0)
    assert free.summary["net_return"] > 0.05
    fee = free.summary["break_even_fee_bps"]
    assert signal_equity(candles, position, foresight, fee).summary["net_return"] == pytest.approx(0, abs=0.002)


def test_equity_of_a_negative_fee_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least 0"):
        signal_equity(make_candles(10), np.arange(3, 5), np.array([0.6, 0.4]), -1.0)
