"""Costs: presets, and a side's cost against a loop that knows the past only."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsignal.errors import ConfigurationError
from mlsignal.evaluation.costs import PRESETS, Costs, choose_costs, side_cost
from tests.reference import backtest as reference
from tests.strategies import candles_strategy, make_candles


@settings(max_examples=60, deadline=None, derandomize=True)
@given(candles_strategy(150), st.sampled_from([None, 1e3, 1e7]), st.sampled_from([0.0, 0.05, 2.0]))
def test_side_cost_equals_a_loop_over_the_past(candles, notional, slippage) -> None:
    costs = choose_costs("binance-spot", slippage=slippage)
    found = side_cost(candles, costs, notional)
    expected = [reference.side_cost(candles, costs, t, notional) for t in range(1, len(candles))]
    np.testing.assert_allclose(found[1:], expected, rtol=1e-12)
    assert np.isnan(found[0]) == bool(slippage or notional)


def test_side_cost_of_a_long_market_is_that_of_its_last_hour() -> None:
    candles = make_candles(40_000)
    costs = choose_costs("binance-spot", slippage=1.0)
    found = side_cost(candles, costs, 1e5)
    for t in (16_383, 16_384, 16_385, 32_768, 39_999):
        assert found[t] == pytest.approx(reference.side_cost(candles, costs, t, 1e5), rel=1e-12)


def test_presets_are_the_fees_of_the_exchange() -> None:
    fees = {name: costs.fee_bps for name, costs in PRESETS.items()}
    assert fees == {
        "free": 0.0,
        "binance-spot": 10.0,
        "binance-spot-maker": 10.0,
        "binance-spot-bnb": 7.5,
        "binance-spot-bnb-maker": 7.5,
        "binance-futures": 5.0,
        "binance-futures-maker": 2.0,
        "binance-futures-bnb": 4.5,
        "binance-futures-bnb-maker": 1.8,
    }
    for name, costs in PRESETS.items():
        assert costs.name == name
        assert (costs.liquidity == "maker") == name.endswith("-maker")
        assert (costs.half_spread_bps == 0) == (costs.liquidity == "maker" or name == "free")


def test_choose_costs_puts_what_is_given_in_the_place_of_the_preset() -> None:
    costs = choose_costs("binance-spot", fee_bps=0.0, half_spread_bps=2.0, slippage=0.0, latency_candles=3)
    assert (costs.fee_bps, costs.half_spread_bps, costs.slippage, costs.latency_candles) == (0.0, 2.0, 0.0, 3)
    assert costs.impact == PRESETS["binance-spot"].impact


def test_choose_costs_of_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'binance-spot'"):
        choose_costs("binance-spott")


@pytest.mark.parametrize("name", ["fee_bps", "half_spread_bps", "slippage", "latency_candles", "impact"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_costs_below_zero_or_without_bound_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} expected to be a finite number of at least 0"):
        Costs(**{"name": "bad", "fee_bps": 1.0} | {name: value})
