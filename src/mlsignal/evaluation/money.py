"""What the signals of the test span would have earned: following all of them, and deciding by the cost."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Candles, Floats
from mlsignal.config import Settings
from mlsignal.evaluation.backtest import BacktestResult, run_backtest
from mlsignal.evaluation.bootstrap import automatic_block_length, plan_resampling
from mlsignal.evaluation.costs import Costs, costs_of, recent_volatility
from mlsignal.evaluation.decision import DecisionRule
from mlsignal.evaluation.forecasts import Forecasts
from mlsignal.evaluation.positions import sign_targets
from mlsignal.evaluation.resampled_scores import COVERAGE_FACTOR, resample_sharpe
from mlsignal.evaluation.significance import p_above
from mlsignal.learning.learned import Learned

FEWEST_TRADES = 20
"""Round trips below which a mean return says nothing about the next ones."""
_STREAM = 3


@dataclass(frozen=True)
class Money:
    """Backtests of the test span.

    Attributes
    ----------
    costs
        What a side was taken to cost.
    rules
        Model -> when it is worth trading, learnt on training rows.
    followed
        Of the selected model: long and short after every signal.
    decided
        Model -> only where the expected gain exceeds the round trip's cost.
    p_return, p_timing
        One-sided, of "the selected model's decisions earn more than nothing after costs", and "more than their mean
        position, held all the time and free of charge"; None where fewer than 20 round trips were made.
    round_trip
        Mean cost of going in and out over the candles with a signal, a fraction.
    """

    costs: Costs
    rules: dict[str, DecisionRule]
    followed: BacktestResult
    decided: dict[str, BacktestResult]
    p_return: float | None
    p_timing: float | None
    round_trip: float

    @property
    def p(self) -> float | None:
        """The larger of the two: an edge has to pass both."""
        return None if self.p_return is None or self.p_timing is None else max(self.p_return, self.p_timing)

    def decision(self, selected: str) -> dict[str, Any]:
        """Return the key `decision` of metrics.json."""
        result = self.decided[selected]
        return {
            **result.summary,
            "timing_return": float(result.timing_returns.sum()),
            "p": self.p,
            "p_return": self.p_return,
            "p_timing": self.p_timing,
            "round_trip_bps": self.round_trip * 1e4,
            "rule": self.rules[selected].to_dict(),
        }


def backtest_forecasts(settings: Settings, learned: Learned, said: Forecasts) -> Money:
    """Learn on training rows when trading is worth its cost, and trade the test span both ways.

    Notes
    -----
    Candles whose label is unknown get a signal too: to leave out the last ones before a gap would be to know that it
    comes.

    Raises
    ------
    ConfigurationError
        If the costs are unknown or impossible.
    """
    costs = costs_of(settings)
    dataset, split, position = learned.dataset, learned.split, learned.test_position
    volatility = recent_volatility(dataset.candles)
    row = position + dataset.candles.segment_ids[position]  # a gap is a step of more than one
    round_trip = expected_round_trip(dataset.candles, costs, volatility)[position]
    rules = {
        name: DecisionRule.fit(
            calibration, dataset.forward_return[split.train], volatility[dataset.position[split.train]]
        )
        for name, calibration in said.calibrations.items()
    }

    def trade(target: Floats) -> BacktestResult:
        return run_backtest(
            dataset.candles,
            position,
            target,
            costs,
            hold=settings.hold,
            horizon=settings.horizon,
            sizing=settings.sizing,
            notional=settings.notional,
        )

    decided = {
        name: trade(rule.targets(learned.test_signals[name], volatility[position], round_trip, row))
        for name, rule in rules.items()
    }
    selected = decided[learned.selected]
    return Money(
        costs,
        rules,
        trade(sign_targets(learned.test_signals[learned.selected])),
        decided,
        p_return=_p_of_earning(selected, selected.returns, settings.seed),
        p_timing=_p_of_earning(selected, selected.timing_returns, settings.seed),
        round_trip=float(round_trip.mean()),
    )


def expected_round_trip(candles: Candles, costs: Costs, volatility: Floats | None = None) -> Floats:
    """Return what going in and out is expected to cost as known at each close, a fraction, shape (n_candles,).

    Parameters
    ----------
    candles, costs
        Whose and which.
    volatility
        `recent_volatility` of the candles, where it is at hand.
    """
    recent = recent_volatility(candles) if volatility is None else volatility
    return 2 * (costs.fixed + costs.slippage * recent)


def _p_of_earning(result: BacktestResult, returns: Floats, seed: int) -> float | None:
    """Return the p of a Sharpe ratio of returns above 0, candles taken as dependent."""
    if result.summary["trades"] < FEWEST_TRADES:
        return None
    length = max(COVERAGE_FACTOR * automatic_block_length(returns), 1.0)
    generator = np.random.default_rng([seed, _STREAM])
    resampling = plan_resampling(len(returns), min(length, len(returns) / 3), generator)
    return p_above(resample_sharpe(returns, resampling), "sharpe", 0.0)
