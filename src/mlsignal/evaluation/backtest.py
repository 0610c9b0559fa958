"""What following signals would have earned: filled at the next open, after all costs that are modelled."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mlsignal.candles import Candles, Floats, Times, times_utc
from mlsignal.evaluation.account import (
    Account,
    funding_sums,
    gross_values,
    mark_prices,
    net_values,
    open_account,
    ruined,
)
from mlsignal.evaluation.costs import Costs
from mlsignal.evaluation.performance import candle_returns, deepest_drawdown, drawdowns, ratios
from mlsignal.evaluation.positions import TARGET_VOLATILITY, Hold, Runs, Sizing, runs_of_signals, sized
from mlsignal.evaluation.trades import order_sizes, trade_facts, trade_table

CAPACITY_SHARE = 0.01
"""Share of a candle's quote volume that an order may take before the capacity counts as reached."""


@dataclass(frozen=True)
class BacktestResult:
    """Growth of one unit of money, and everything that was traded.

    Attributes
    ----------
    curve
        One row a candle, from the first that a signal could fill: time (close_time, UTC), position (exposure as set at
        the newest trade, a fraction of the equity), gross, net, buy_and_hold, drawdown (of net, at most 0).
    trades
        One row a round trip, see `trade_table`.
    returns
        Net return of each candle, shape (n_candles of the curve,).
    gross_returns
        The same before costs and funding.
    summary
        Figures by name, NaN where there is nothing to count. What was assumed: costs, liquidity, fee_bps,
        half_spread_bps, slippage, impact, funding_bps, latency_candles, hold, horizon, sizing, notional. What came of
        it: candles, gross_return, net_return, buy_and_hold_return, turnover (units of equity traded), costs_paid,
        funding_paid (sums of fractions of the equity), mean_cost_bps (of a unit traded), break_even_fee_bps (the cost
        of a side, all in all, at which the gross log return is used up; 0 where there was none), trades, hit_rate,
        average_win, average_loss, exposure_share (of the candles), max_drawdown, max_drawdown_candles, volatility,
        sharpe, sortino, sharpe_gross, sortino_gross (yearly), capacity_share, capacity_notional (size of the account,
        in the quote currency, at which half of its orders take more than that share of their candle's volume), ruined.
    """

    curve: pl.DataFrame
    trades: pl.DataFrame
    returns: Floats
    gross_returns: Floats
    summary: dict[str, Any]

    @property
    def timing_returns(self) -> Floats:
        """Net returns less those of the mean position, held all the time and free of charge, shape as `returns`.

        What the market did is no merit of a signal: of a position that is always the same nothing is left but its
        costs.
        """
        held = float(self.curve["position"].to_numpy().mean())
        return self.returns - held * candle_returns(self.curve["buy_and_hold"].to_numpy())


def run_backtest(
    candles: Candles,
    position: Times,
    target: Floats,
    costs: Costs,
    *,
    hold: Hold = "signal",
    horizon: int = 1,
    sizing: Sizing = "fixed",
    target_volatility: float = TARGET_VOLATILITY,
    largest_factor: float = 1.0,
    notional: float | None = None,
) -> BacktestResult:
    """Follow signals and keep the account.

    Parameters
    ----------
    candles
        All candles; the signals may be of some of them.
    position
        Indices of the candles at whose close a target is known, ascending, shape (n_signals,).
    target
        Wanted exposure in [-1, 1]: its sign is long or short, 0 and NaN want none; shape (n_signals,).
    costs
        What a side costs, and the latency.
    hold
        "signal": the exposure follows the newest candle's signal, flat where it has none. "flip": a position stays
        until an opposite signal. "horizon": each signal is held `horizon` candles; a newer one of its side renews it,
        an opposite one reverses it. Signals of 0 end a position under "signal" only.
    horizon
        Candles; for "horizon" only.
    sizing, target_volatility, largest_factor
        "fixed" takes the targets as they are; "volatility" scales them by target_volatility (yearly) / recent
        volatility, by at most largest_factor.
    notional
        Size of the account in the quote currency: then the impact of its orders on the price counts.

    Notes
    -----
    - A signal known at the close of candle t is filled at the open of candle t + 1 + latency_candles, never before.
    - No position goes through a gap: it is closed at the last close before it, which no one can foresee; a signal
      whose fill would lie behind the gap is dropped.
    - A position trades when its target changes, and drifts with the price in between (units stay). So nothing is
      rebalanced for free. Exposures are fractions of the equity just before a trade.
    - A position still open at the end is closed, and pays for it.
    - Nothing is left: the account is closed for good at the end of the candle at which it was worth 0 or less.
    - buy_and_hold buys at the first open of the curve, holds through gaps, and pays nothing.

    Raises
    ------
    ConfigurationError
        If positions, targets or options are not as described.
    MissingColumnError
        If `notional` is given and the candles have no quote_volume.
    TooFewCandlesError
        If no signal could be filled because the candles end.
    """
    runs = runs_of_signals(candles, position, target, hold=hold, horizon=horizon, latency_candles=costs.latency_candles)
    exposure = sized(runs, candles, sizing, target_volatility, largest_factor)
    marks = mark_prices(candles, runs.stop)
    paid = funding_sums(candles, marks, costs.funding_bps) if costs.funding_bps else None
    account = open_account(candles, runs, exposure, costs, marks, paid, notional)
    net = net_values(account, runs, marks, paid)
    gross, gross_turnover = gross_values(account, runs, marks)
    first, held = int(runs.start[0]), np.repeat(exposure, runs.length)
    lost = _first_loss(net)
    if lost is not None:
        account = ruined(account, first + lost, float(marks[first + lost]), paid)
        net[lost:], held[lost + 1 :] = 0.0, 0.0
    lost_gross = _first_loss(gross)
    if lost_gross is not None:
        gross[lost_gross:] = 0.0
    curve = _curve(candles, runs, marks, held, gross, net)
    trades = trade_table(candles, account)
    returns, gross_returns = candle_returns(net), candle_returns(gross)
    assumed = {"hold": hold, "horizon": horizon, "sizing": sizing, "notional": notional}
    summary = {
        **_describe(costs),
        **assumed,
        **_growth(curve, account, gross_turnover),
        **trade_facts(trades),
        **_risk(curve, returns, gross_returns, candles.interval.per_year),
        **_capacity(candles, account),
        "ruined": lost is not None,
    }
    return BacktestResult(curve, trades, returns, gross_returns, summary)


def _first_loss(values: Floats) -> int | None:
    """Return the first candle at whose end nothing is left."""
    if values.min() > 0:
        return None
    return int(np.argmax(values <= 0))


def _curve(candles: Candles, runs: Runs, marks: Floats, held: Floats, gross: Floats, net: Floats) -> pl.DataFrame:
    first, stop = int(runs.start[0]), runs.stop
    return pl.DataFrame(
        {
            "time": times_utc(candles.interval.next_array(candles.open_time_ms[first:stop]) - 1),
            "position": held,
            "gross": gross,
            "net": net,
            "buy_and_hold": marks[first:] / candles.open[first],
            "drawdown": drawdowns(net),
        }
    )


def _describe(costs: Costs) -> dict[str, Any]:
    return {
        "costs": costs.name,
        "liquidity": costs.liquidity,
        "fee_bps": costs.fee_bps,
        "half_spread_bps": costs.half_spread_bps,
        "slippage": costs.slippage,
        "impact": costs.impact,
        "funding_bps": costs.funding_bps,
        "latency_candles": costs.latency_candles,
    }


def _growth(curve: pl.DataFrame, account: Account, gross_turnover: float) -> dict[str, float]:
    gross, net, hold = (float(curve[name][-1]) for name in ("gross", "net", "buy_and_hold"))
    turnover, costs_paid = float(account.traded.sum()), float(account.cost.sum())
    earned = max(float(np.log(gross)), 0.0) if gross > 0 else 0.0
    return {
        "candles": curve.height,
        "gross_return": gross - 1,
        "net_return": net - 1,
        "buy_and_hold_return": hold - 1,
        "turnover": turnover,
        "costs_paid": costs_paid,
        "funding_paid": float(account.funding.sum()),
        "mean_cost_bps": costs_paid / turnover * 1e4 if turnover else float("nan"),
        "break_even_fee_bps": earned / gross_turnover * 1e4 if gross_turnover else 0.0,
    }


def _risk(curve: pl.DataFrame, returns: Floats, gross_returns: Floats, per_year: float) -> dict[str, float]:
    deepest, candles = deepest_drawdown(curve["drawdown"].to_numpy())
    sharpe, sortino, volatility = ratios(returns, per_year)
    sharpe_gross, sortino_gross, _ = ratios(gross_returns, per_year)
    return {
        "exposure_share": float(np.count_nonzero(curve["position"].to_numpy())) / len(returns),
        "max_drawdown": deepest,
        "max_drawdown_candles": candles,
        "volatility": volatility,
        "sharpe": sharpe,
        "sortino": sortino,
        "sharpe_gross": sharpe_gross,
        "sortino_gross": sortino_gross,
    }


def _capacity(candles: Candles, account: Account) -> dict[str, float]:
    candle, size = order_sizes(account)
    if not len(candle) or "quote_volume" not in candles.columns:
        return {"capacity_share": CAPACITY_SHARE, "capacity_notional": float("nan")}
    room = np.median(candles.quote_volume[candle] / size)
    return {"capacity_share": CAPACITY_SHARE, "capacity_notional": CAPACITY_SHARE * float(room)}
