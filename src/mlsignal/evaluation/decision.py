"""When to trade: only if what a position is expected to gain exceeds what it costs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.learning.calibration import Calibration

VOLATILITY_CANDLES = 60
"""Candles over which the size of recent moves is averaged."""


@dataclass(frozen=True)
class DecisionRule:
    """Long or short where (2 p - 1) E|r| exceeds the round trip's cost, flat elsewhere; fitted on training rows.

    Attributes
    ----------
    calibration
        Turns a score into p = P(up | the candle moves).
    move_per_volatility
        Mean |return over the horizon| of the training rows, ties counted as no move, per unit of recent volatility.
    usual_volatility
        Mean recent volatility of the training rows, where a candle's own is not known.

    Notes
    -----
    The gain of a bet that is right with probability p and moves r is (2 p - 1) |r|: the break-even condition
    p > 1/2 + cost / (2 E|r|), solved for each candle, as E|r| follows volatility.
    """

    calibration: Calibration
    move_per_volatility: float
    usual_volatility: float

    @classmethod
    def fit(cls, calibration: Calibration, forward_return: Floats, volatility: Floats) -> Self:
        """Learn how far prices move per unit of recent volatility, from training rows; both shapes (n,)."""
        known = np.isfinite(volatility)
        recent = volatility[known]
        total = float(recent.sum())
        ratio = float(np.abs(forward_return[known]).sum()) / total if total > 0 else 0.0
        return cls(calibration, ratio, float(recent.mean()) if len(recent) else 0.0)

    def expected_gain(self, score: Floats, volatility: Floats) -> Floats:
        """Return what a unit long is expected to earn before costs, a signed fraction, shape (n,)."""
        recent = np.where(np.isfinite(volatility), volatility, self.usual_volatility)
        return (2 * self.calibration(score) - 1) * self.move_per_volatility * recent

    def targets(self, score: Floats, volatility: Floats, round_trip: Floats) -> Floats:
        """Return 1 long, -1 short or 0 flat for each score, shape (n,); NaN scores give NaN.

        Parameters
        ----------
        score, volatility
            Of the model, and of `recent_volatility`, at the same candles.
        round_trip
            Cost of going in and out, a fraction.
        """
        gain = self.expected_gain(score, volatility)
        return np.where(np.isnan(gain), np.nan, np.sign(gain) * (np.abs(gain) > round_trip))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers that make the rule, for a manifest."""
        return {
            "calibration": self.calibration.to_dict(),
            "move_per_volatility": self.move_per_volatility,
            "usual_volatility": self.usual_volatility,
            "volatility_candles": VOLATILITY_CANDLES,
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Return the rule that `to_dict` told."""
        calibration = Calibration(**told["calibration"])
        return cls(calibration, float(told["move_per_volatility"]), float(told["usual_volatility"]))


def follow(score: Floats) -> Floats:
    """Return the target that follows every score: 1 above one half, -1 below, 0 at it; NaN where there is none."""
    return np.sign(score - 0.5)


def recent_volatility(candles: Candles, position: Times | None = None) -> Floats:
    """Return the mean |return| of the last 60 candles of each gap-free stretch, known at a candle's close.

    Parameters
    ----------
    candles
        Any number.
    position
        Of the candles wanted; all where not given.

    Returns
    -------
    array of float64, shape (n_candles,) or that of `position`
        NaN where fewer than 60 returns without a gap are there.
    """
    moves = np.zeros(len(candles))
    moves[1:] = np.abs(candles.close[1:] / candles.close[:-1] - 1)
    moves[candles.gap_starts] = 0
    total = np.cumsum(moves)
    mean = np.full(len(candles), np.nan)
    for start, stop in candles.segment_bounds:
        first = start + VOLATILITY_CANDLES
        if stop > first:
            mean[first:stop] = (total[first:stop] - total[start : stop - VOLATILITY_CANDLES]) / VOLATILITY_CANDLES
    return mean if position is None else mean[position]
