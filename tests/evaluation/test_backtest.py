"""The backtest: against an event loop over candles, against small cases by hand, and its promises."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlsignal.candles import Candles, Interval
from mlsignal.errors import ConfigurationError, MissingColumnError, TooFewCandlesError
from mlsignal.evaluation.backtest import BacktestResult, run_backtest
from mlsignal.evaluation.costs import Costs, choose_costs
from tests.reference import backtest as reference
from tests.strategies import awkward_markets, candles_strategy, make_candles

FREE = choose_costs("free")


def market(prices: list[float], *, last: float | None = None, interval: Interval = Interval.M1) -> Candles:
    """Candles that open at the given prices and close where the next one opens."""
    open_ = np.array(prices, dtype=np.float64)
    close = np.append(open_[1:], prices[-1] if last is None else last)
    values = {"open": open_, "high": np.maximum(open_, close), "low": np.minimum(open_, close), "close": close}
    values |= {"volume": np.ones(len(open_)), "quote_volume": 1_000 * np.ones(len(open_))}
    start = interval.floor(1_672_531_200_000)
    times = start + np.arange(len(open_), dtype=np.int64) * interval.milliseconds
    return Candles("TESTUSDT", interval, times, values)


def assert_equal(found: BacktestResult, expected: reference.Outcome) -> None:
    """Equal to 1e-12, relative to the larger of the value and what it was taken from."""
    summary = found.summary
    for name in ("net", "gross"):
        values = np.array(getattr(expected, name))
        scale = np.maximum.accumulate(np.maximum(np.abs(values), 1.0)) * 1e-2
        np.testing.assert_array_less(np.abs(found.curve[name].to_numpy() - values), 1e-12 * (np.abs(values) + scale))
    np.testing.assert_allclose(found.curve["buy_and_hold"], expected.buy_and_hold, rtol=1e-12)
    np.testing.assert_allclose(found.curve["position"], expected.position, rtol=1e-12)
    for name in ("turnover", "costs_paid", "funding_paid"):
        assert summary[name] == pytest.approx(getattr(expected, name), rel=1e-11, abs=1e-13)
    assert summary["ruined"] == expected.ruined
    assert found.trades.height == len(expected.trades)
    for row, trade in zip(found.trades.iter_rows(named=True), expected.trades, strict=True):
        assert row["side"] == {1: "long", -1: "short"}[trade.side]
        assert (row["entry_price"], row["exit_price"]) == (trade.entry_price, trade.exit_price)
        assert row["candles"] == trade.candles
        assert row["size"] == pytest.approx(trade.size, rel=1e-12)
        assert row["gross_return"] == pytest.approx(trade.gross - 1, rel=1e-12, abs=1e-12)
        assert row["net_return"] == pytest.approx(trade.net_return, rel=1e-11, abs=1e-12)
        assert row["costs"] == pytest.approx(trade.costs / trade.equity, rel=1e-11, abs=1e-13)
        assert row["funding"] == pytest.approx(trade.funding / trade.equity, rel=1e-11, abs=1e-13)


COSTS = st.builds(
    Costs,
    name=st.just("drawn"),
    fee_bps=st.sampled_from([0.0, 1.0, 10.0, 300.0]),
    half_spread_bps=st.sampled_from([0.0, 0.5]),
    slippage=st.sampled_from([0.0, 0.05, 1.0]),
    impact=st.sampled_from([0.0, 1.0]),
    latency_candles=st.sampled_from([0, 0, 1, 5]),
    funding_bps=st.sampled_from([0.0, 0.0, 1.0, -20.0]),
)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Candles, np.ndarray, np.ndarray, Costs, dict[str, object]]:
    """A market, signals on some of its candles, costs and options."""
    candles = draw(candles_strategy(120))
    if draw(st.booleans()):
        interval = draw(st.sampled_from([Interval.H1, Interval.H4, Interval.D1]))
        steps = (candles.open_time_ms - candles.open_time_ms[0]) // 60_000
        times = interval.floor(int(candles.open_time_ms[0])) + steps * interval.milliseconds
        values = {name: candles.column(name) for name in candles.columns}
        candles = Candles(candles.symbol, interval, times, values)
    random = np.random.default_rng(draw(st.integers(0, 2**20)))
    position = np.flatnonzero(random.random(len(candles)) < draw(st.sampled_from([0.1, 0.5, 1.0])))
    kinds = draw(st.sampled_from([[-1.0, 1.0], [-1.0, 0.0, 1.0, np.nan], [-1.0, -0.4, 0.0, 0.3, 1.0], [0.0], [1.0]]))
    change = random.random(len(position)) < draw(st.sampled_from([0.1, 0.5, 1.0]))
    target = random.choice(kinds, len(position))
    for i in range(1, len(target)):
        if not change[i]:
            target[i] = target[i - 1]
    options = {
        "hold": draw(st.sampled_from(["signal", "flip", "horizon"])),
        "horizon": draw(st.sampled_from([1, 2, 7])),
        "sizing": draw(st.sampled_from(["fixed", "volatility"])),
        "largest_factor": draw(st.sampled_from([1.0, 1.0, 3.0])),
        "notional": draw(st.sampled_from([None, 1e3, 1e6])),
    }
    return candles, position, target, draw(COSTS), options


@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_backtest_of_any_market_equals_the_event_loop(case) -> None:
    candles, position, target, costs, options = case
    if not len(position) or position[0] + 1 + costs.latency_candles >= len(candles):
        with pytest.raises(TooFewCandlesError, match="fill"):
            run_backtest(candles, position, target, costs, **options)
        return
    expected = reference.backtest(candles, position, target, costs, **options)
    assert_equal(run_backtest(candles, position, target, costs, **options), expected)


def test_backtest_of_one_long_candle_is_as_by_hand() -> None:
    candles = market([100.0, 110.0, 121.0, 50.0])
    found = run_backtest(candles, np.array([0, 1]), np.array([1.0, 0.0]), choose_costs("free", fee_bps=10))
    # Bought for 1 at 110, worth 1.1 at 121: fees of .001 and .0011; then flat for a candle.
    assert found.curve["net"].to_list() == pytest.approx([1 - 0.001 + 0.1, 1.1 - 0.001 - 0.0011], rel=1e-15)
    assert found.curve["gross"].to_list() == pytest.approx([1.1, 1.1], rel=1e-15)
    assert found.curve["position"].to_list() == [1.0, 0.0]
    assert found.curve["buy_and_hold"].to_list() == pytest.approx([1.1, 50 / 110], rel=1e-15)
    trade = found.trades.row(0, named=True)
    assert (trade["side"], trade["entry_price"], trade["exit_price"], trade["candles"]) == ("long", 110.0, 121.0, 1)
    assert trade["entry_time"] == candles.to_polars()["open_time"][1]
    assert trade["net_return"] == pytest.approx(0.0979)
    assert trade["costs"] == pytest.approx(0.0021)
    assert found.summary["turnover"] == pytest.approx(1 + 1.1 / 1.099)


def test_backtest_of_a_reversal_trades_both_sides_at_once() -> None:
    candles = market([100.0, 100.0, 110.0, 99.0])
    found = run_backtest(candles, np.array([0, 1, 2]), np.array([1.0, -1.0, np.nan]), FREE)
    assert found.curve["net"].to_list() == pytest.approx([1.1, 1.1 * 1.1, 1.1 * 1.1])
    assert found.trades["side"].to_list() == ["long", "short"]
    assert found.summary["turnover"] == pytest.approx(1 + 2 + 0.99 / 1.21)


def test_backtest_between_trades_lets_the_exposure_drift() -> None:
    candles = market([100.0, 100.0, 150.0, 100.0])
    short = run_backtest(candles, np.array([0, 1]), np.array([-0.5, -0.5]), FREE)
    # .005 units sold short at 100: rebalanced to half the equity at 150, they would end elsewhere than at 1.
    assert short.curve["net"].to_list() == pytest.approx([0.75, 1.0])
    assert short.summary["turnover"] == pytest.approx(1.0)


def test_backtest_latency_fills_later_and_prices_the_delay() -> None:
    candles = market([100.0, 100.0, 200.0, 400.0, 400.0])
    signals = (np.array([0, 1]), np.array([1.0, 0.0]))
    prompt = run_backtest(candles, *signals, FREE)
    late = run_backtest(candles, *signals, choose_costs("free", latency_candles=1))
    assert prompt.trades["entry_price"].to_list() == [100.0]
    assert late.trades["entry_price"].to_list() == [200.0]
    assert late.curve["time"][0] == candles.to_polars()["close_time"][2]


def test_backtest_before_a_gap_closes_at_the_close_and_drops_the_signal_beyond() -> None:
    candles = make_candles(20, gaps=(10,))
    found = run_backtest(candles, np.array([7, 9, 12]), np.array([1.0, -1.0, 1.0]), FREE, hold="flip")
    assert found.trades["side"].to_list() == ["long", "long"]
    assert found.trades["exit_price"][0] == candles.close[9]
    assert found.trades["exit_time"][0] == candles.to_polars()["close_time"][9]
    assert found.trades["entry_price"][1] == candles.open[13]
    assert found.curve["position"].to_list() == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def test_backtest_of_a_short_that_doubles_is_ruined_for_good() -> None:
    candles = market([100.0, 100.0, 180.0, 210.0, 50.0, 50.0, 50.0])
    found = run_backtest(candles, np.arange(6), -np.ones(6), FREE, hold="flip")
    assert found.curve["net"].to_list() == pytest.approx([0.2, 0, 0, 0, 0, 0], abs=1e-15)
    assert found.curve["position"].to_list() == [-1.0, -1.0, 0.0, 0.0, 0.0, 0.0]
    assert found.summary["ruined"]
    assert found.summary["net_return"] == -1
    assert found.summary["max_drawdown"] == -1
    assert found.trades["net_return"].to_list() == [-1.0]
    assert np.isfinite(found.returns).all()


def test_backtest_funding_is_paid_by_longs_and_received_by_shorts() -> None:
    candles = market([100.0] * 5, interval=Interval.H8)
    costs = choose_costs("free", funding_bps=1)
    long, short = (run_backtest(candles, np.array([0]), np.array([side]), costs) for side in (1.0, -1.0))
    assert long.summary["net_return"] == pytest.approx(-1e-4)
    assert short.summary["net_return"] == pytest.approx(1e-4)
    assert long.summary["funding_paid"] == pytest.approx(1e-4)
    assert short.trades["funding"].to_list() == pytest.approx([-1e-4])


@pytest.mark.parametrize("name", ["random", "gapped", "constant", "spike_down", "coarse_ticks"])
def test_backtest_held_for_one_candle_follows_the_signal(name: str) -> None:
    candles = awkward_markets(300)[name]
    position, target = signals_of(candles)
    costs = choose_costs("binance-spot")
    followed = run_backtest(candles, position, target, costs, hold="signal")
    held = run_backtest(candles, position, target, costs, hold="horizon", horizon=1)
    assert followed.curve.equals(held.curve)


def test_backtest_trades_multiply_to_the_account() -> None:
    candles = make_candles(2_000, gaps=(500, 900))
    position, target = signals_of(candles)
    found = run_backtest(candles, position, target, choose_costs("binance-futures", funding_bps=1), hold="flip")
    assert np.prod(1 + found.trades["net_return"].to_numpy()) - 1 == pytest.approx(found.summary["net_return"])
    assert np.prod(1 + found.trades["gross_return"].to_numpy()) - 1 == pytest.approx(found.summary["gross_return"])
    assert np.prod(1 + found.returns) - 1 == pytest.approx(found.summary["net_return"])


@pytest.mark.parametrize("cut", [300, 451, 777])
def test_backtest_up_to_a_candle_knows_nothing_of_later_ones(cut: int) -> None:
    candles, other = make_candles(1_000, gaps=(450,)), make_candles(1_000, gaps=(450,), seed=5, volatility=0.02)
    mixed = {name: np.append(candles.column(name)[:cut], other.column(name)[cut:]) for name in candles.columns}
    changed = Candles(candles.symbol, candles.interval, candles.open_time_ms, mixed)
    position, target = signals_of(candles)
    options = {"sizing": "volatility", "notional": 1e5, "hold": "flip"}
    first, second = (
        run_backtest(c, position, target, choose_costs("binance-spot"), **options) for c in (candles, changed)
    )
    known = int(cut - position[0] - 2)  # the candle before the cut is left at the open behind it
    assert first.curve["net"][:known].equals(second.curve["net"][:known])
    assert not first.curve["net"].equals(second.curve["net"])


def test_backtest_at_the_break_even_fee_is_about_one() -> None:
    candles = make_candles(3_000, volatility=1e-4)
    position = np.arange(500, 2_999)
    foresight = np.where(candles.close[501:3_000] > candles.open[501:3_000], 1.0, -1.0)
    free = run_backtest(candles, position, foresight, FREE)
    assert free.summary["net_return"] > 0.05
    at_fee = run_backtest(candles, position, foresight, choose_costs("free", free.summary["break_even_fee_bps"]))
    assert at_fee.summary["net_return"] == pytest.approx(0, abs=0.002)


def test_backtest_volatility_sizing_scales_by_what_was_known_when_decided() -> None:
    candles = make_candles(400, volatility=2e-3)
    found = run_backtest(
        candles, np.array([200, 201, 202]), np.ones(3), FREE, sizing="volatility", target_volatility=0.5
    )
    moves = np.log(candles.close / candles.open)[141:201]
    yearly = np.sqrt(np.mean(moves**2) * 365.25 * 1_440)
    assert yearly > 0.5
    assert found.trades["size"].to_list() == pytest.approx([0.5 / yearly])
    assert found.curve["position"].to_list() == pytest.approx([0.5 / yearly] * 3)


def test_backtest_performance_is_that_of_the_book() -> None:
    candles = make_candles(1_500, interval=Interval.H1, gaps=(700,))
    position, target = signals_of(candles)
    found = run_backtest(candles, position, target, choose_costs("binance-spot"), hold="horizon", horizon=5)
    expected = reference.performance(found.returns.tolist(), 365.25 * 24)
    for name, value in expected.items():
        assert found.summary[name] == pytest.approx(value, rel=1e-10)
    depth, length = reference.deepest_drawdown(found.curve["net"].to_list())
    assert found.summary["max_drawdown"] == pytest.approx(depth, rel=1e-12)
    assert found.summary["max_drawdown_candles"] == length
    gross = reference.performance(found.gross_returns.tolist(), 365.25 * 24)
    assert found.summary["sharpe_gross"] == pytest.approx(gross["sharpe"], rel=1e-10)
    won = found.trades["net_return"] > 0
    assert found.summary["hit_rate"] == pytest.approx(won.mean())
    assert found.summary["average_loss"] == pytest.approx(found.trades.filter(~won)["net_return"].mean())
    assert found.summary["exposure_share"] == pytest.approx((found.curve["position"] != 0).mean())


def test_backtest_capacity_is_the_account_whose_orders_take_the_stated_share() -> None:
    candles = market([100.0] * 6)
    found = run_backtest(candles, np.arange(5), np.array([0.5, 0.5, 0.0, 0.5, 0.5]), FREE)
    # Orders of half the account, in candles of 1,000: 1 % of them is 10, which an account of 20 trades.
    assert found.summary["capacity_notional"] == pytest.approx(20.0)


def test_backtest_without_a_trade_has_no_numbers_to_count() -> None:
    found = run_backtest(make_candles(50), np.arange(49), np.full(49, np.nan), choose_costs("binance-spot"))
    assert found.trades.is_empty()
    assert found.summary["net_return"] == found.summary["turnover"] == found.summary["break_even_fee_bps"] == 0
    assert found.curve["net"].to_list() == [1.0] * 49
    for name in ("hit_rate", "average_win", "sharpe", "sortino", "capacity_notional", "mean_cost_bps"):
        assert np.isnan(found.summary[name]), name


def test_backtest_impact_without_volume_is_refused() -> None:
    candles = make_candles(50)
    bare = Candles(
        "X", Interval.M1, candles.open_time_ms, {n: candles.column(n) for n in ("open", "high", "low", "close")}
    )
    with pytest.raises(MissingColumnError, match="quote_volume"):
        run_backtest(bare, np.arange(49), np.ones(49), choose_costs("binance-spot"), notional=1e6)
    assert np.isnan(run_backtest(bare, np.arange(49), np.ones(49), FREE).summary["capacity_notional"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"target": np.full(5, 1.5)}, "within -1 and 1"),
        ({"target": np.ones(4)}, "as many targets"),
        ({"position": np.array([1, 2, 2, 3, 4])}, "ascend"),
        ({"position": np.array([-1, 2, 3, 4, 5])}, "ascend"),
        ({"position": np.array([1, 2, 3, 4, 50])}, "ascend"),
        ({"hold": "forever"}, "hold: expected signal, flip, horizon"),
        ({"horizon": 0}, "at least 1 candle"),
        ({"sizing": "kelly"}, "sizing: expected fixed or volatility"),
        ({"target_volatility": 0.0}, "positive target volatility"),
        ({"notional": -1.0}, "notional: expected a positive amount"),
    ],
)
def test_backtest_of_bad_arguments_is_refused(change: dict[str, object], told: str) -> None:
    arguments = {"position": np.arange(5), "target": np.ones(5)} | change
    with pytest.raises(ConfigurationError, match=told):
        run_backtest(make_candles(50), costs=FREE, **arguments)


@pytest.mark.parametrize("position", [[], [49]])
def test_backtest_without_a_candle_to_fill_is_refused(position: list[int]) -> None:
    with pytest.raises(TooFewCandlesError, match="found none; give more candles"):
        run_backtest(make_candles(50), np.array(position, dtype=np.int64), np.ones(len(position)), FREE)


def signals_of(candles: Candles) -> tuple[np.ndarray, np.ndarray]:
    """Signals of all kinds at most candles."""
    random = np.random.default_rng(3)
    position = np.flatnonzero(random.random(len(candles) - 1) < 0.8)
    return position, random.choice([-1.0, -0.5, 0.0, 1.0, np.nan], len(position))


def test_timing_is_what_is_left_of_the_market_at_the_mean_position() -> None:
    """Of holding nothing is left but the costs; of shorts and longs at the right time all but the mean position."""
    random = np.random.default_rng(0)
    candles = market(list(100 * np.exp(np.cumsum(0.001 + 0.01 * random.normal(size=2_001)))))
    position = np.arange(len(candles) - 1)
    held = run_backtest(candles, position, np.ones(len(position)), FREE)
    assert held.returns.mean() > 0.0005
    np.testing.assert_allclose(held.timing_returns, 0, atol=1e-12)
    blind = run_backtest(candles, position, np.sign(random.normal(size=len(position)) + 1), FREE)
    assert blind.returns.sum() > 0.5
    assert abs(blind.timing_returns.mean()) < 3 * blind.timing_returns.std() / np.sqrt(len(position))
    step = np.log(candles.close / candles.open)
    seen = run_backtest(candles, position, np.sign(step[position + 1]), FREE)
    assert seen.timing_returns.mean() > 0.9 * np.abs(step).mean()
