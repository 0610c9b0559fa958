"""The break-even view: against a loop, by hand, and against a bettor who is right that often."""

import json

import numpy as np
import pytest

from mlsignal.candles import Candles
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.evaluation.backtest import run_backtest
from mlsignal.evaluation.breakeven import LADDER, break_even
from mlsignal.evaluation.costs import choose_costs, side_cost
from tests.strategies import awkward_markets, make_candles, with_values

COSTS = choose_costs("binance-futures", slippage=0.0)


def loop(candles: Candles, horizon: int) -> tuple[list[float], int]:
    """All moves that cross no gap, and how many of them do not overlap."""
    gaps, moves, independent, free_from = set(candles.gap_starts.tolist()), [], 0, 0
    for t in range(len(candles) - horizon):
        if any(u in gaps for u in range(t + 1, t + horizon + 1)):
            continue
        moves.append(abs(candles.close[t + horizon] / candles.close[t] - 1))
        if t >= free_from:
            independent, free_from = independent + 1, t + horizon
    return moves, independent


@pytest.mark.parametrize("name", ["random", "gapped", "flat_stretch", "coarse_ticks", "spike_up"])
@pytest.mark.parametrize("horizon", [1, 7])
def test_break_even_of_any_market_equals_a_loop(name: str, horizon: int) -> None:
    candles = awkward_markets(400)[name]
    row = break_even(candles, COSTS, [horizon]).rows[0]
    moves, independent = loop(candles, horizon)
    cost = 2 * 5.5e-4
    assert row.round_trip_cost == pytest.approx(cost)
    assert (row.moves, row.independent_moves) == (len(moves), independent)
    assert row.mean_move == pytest.approx(np.mean(moves), rel=1e-12)
    assert row.tie_share == pytest.approx(np.mean([move == 0 for move in moves]))
    assert row.mean_move_without_ties == pytest.approx(np.mean([move for move in moves if move]), rel=1e-12)
    assert row.share_above_cost == pytest.approx(np.mean([move > cost for move in moves]))
    assert row.accuracy_needed == pytest.approx(0.5 + cost / 2 / np.mean(moves))
    assert row.reachable == (row.accuracy_needed <= 1)


def test_break_even_counts_slippage() -> None:
    candles = make_candles(500)
    costs = choose_costs("binance-spot", slippage=0.5)
    assert break_even(candles, costs, [1]).rows[0].round_trip_cost == pytest.approx(
        2 * side_cost(candles, costs)[1:].mean()
    )


def test_break_even_accuracy_is_what_a_bettor_needs() -> None:
    candles = make_candles(60_000, volatility=2e-3, seed=4)
    row = break_even(candles, COSTS, [1]).rows[0]
    assert 0.6 < row.accuracy_needed < 0.9
    random = np.random.default_rng(0)
    position = np.arange(59_998)
    truth = np.sign(candles.close[position + 1] - candles.close[position])
    earned = {}
    for shift in (-0.02, 0.0, 0.02):
        right = random.random(len(position)) < row.accuracy_needed + shift
        # Every bet stands alone: a position that goes on in the next candle would save its costs.
        found = [
            run_backtest(candles, position[k::2], np.where(right, truth, -truth)[k::2], COSTS).returns.sum()
            for k in (0, 1)
        ]
        earned[shift] = sum(found) / len(position)
    cost = row.round_trip_cost
    assert earned[-0.02] < -0.02 * cost < 0.02 * cost < earned[0.02]
    assert earned[0.0] == pytest.approx(0, abs=0.02 * cost)


def test_break_even_by_default_takes_the_horizons_that_the_data_allow() -> None:
    assert [row.horizon for row in break_even(make_candles(2_000), COSTS).rows] == [1, 5, 15, 30, 60]
    assert [row.horizon for row in break_even(make_candles(50_000), COSTS).rows] == list(LADDER)
    broken = make_candles(2_000, gaps=tuple(range(20, 2_000, 20)))
    assert [row.horizon for row in break_even(broken, COSTS).rows] == [1, 5, 15]


def test_break_even_of_a_market_that_stands_still_is_out_of_reach() -> None:
    candles = make_candles(100)
    price = np.full(100, 5.0)
    view = break_even(with_values(candles, open=price, high=price, low=price, close=price), COSTS, [1])
    row = view.rows[0]
    assert (row.accuracy_needed, row.reachable, row.tie_share) == (float("inf"), False, 1.0)
    assert np.isnan(row.mean_move_without_ties)
    assert json.loads(json.dumps(view.to_dict(), allow_nan=False))[0]["accuracy_needed"] is None


@pytest.mark.parametrize(
    ("horizons", "kind", "told"),
    [
        ([], ConfigurationError, "found none"),
        ([0, 5], ConfigurationError, "at least 1 candle"),
        ([5, 200], TooFewCandlesError, "moves over 200 candles expected"),
    ],
)
def test_break_even_of_bad_horizons_is_refused(horizons: list[int], kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        break_even(make_candles(200), COSTS, horizons)


def test_break_even_of_too_few_candles_is_refused() -> None:
    with pytest.raises(TooFewCandlesError, match="fewer than 30"):
        break_even(make_candles(20), COSTS)
