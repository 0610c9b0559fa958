"""When to trade: only if what a position is expected to gain exceeds what it costs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mlsignal.candles import Floats
from mlsignal.learning.calibration import Calibration


@dataclass(frozen=True)
class DecisionRule:
    """Long or short where (2 p - 1) E|r| exceeds the round trip's cost, flat elsewhere; fitted on training rows.

    Attributes
    ----------
    calibration
        Turns a score into p = P(up | the candle moves).
    move_per_volatility
        Mean |return over the horizon| of the training rows, ties counted as no move, per unit of recent volatility
        (`mlsignal.evaluation.costs.recent_volatility`).

    Notes
    -----
    The gain of a bet that is right with probability p and moves r is (2 p - 1) |r|: the break-even condition
    p > 1/2 + cost / (2 E|r|), solved for each candle, as E|r| follows volatility.
    """

    calibration: Calibration
    move_per_volatility: float

    @classmethod
    def fit(cls, calibration: Calibration, forward_return: Floats, volatility: Floats) -> Self:
        """Learn how far prices move per unit of recent volatility, from training rows; both shapes (n,)."""
        total = float(volatility.sum())
        return cls(calibration, float(np.abs(forward_return).sum()) / total if total > 0 else 0.0)

    def expected_gain(self, score: Floats, volatility: Floats) -> Floats:
        """Return what a unit long is expected to earn before costs, a signed fraction, shape (n,)."""
        return (2 * self.calibration(score) - 1) * self.move_per_volatility * volatility

    def targets(self, score: Floats, volatility: Floats, round_trip: Floats) -> Floats:
        """Return 1 long, -1 short or 0 flat for each score, shape (n,); NaN scores give NaN.

        Parameters
        ----------
        score, volatility
            Of the model, and recent volatility, at the same candles.
        round_trip
            Cost of going in and out, a fraction.
        """
        gain = self.expected_gain(score, volatility)
        return np.where(np.isnan(gain), np.nan, np.sign(gain) * (np.abs(gain) > round_trip))

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers that make the rule, for a manifest."""
        return {"calibration": self.calibration.to_dict(), "move_per_volatility": self.move_per_volatility}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Return the rule that `to_dict` told."""
        return cls(Calibration(**told["calibration"]), float(told["move_per_volatility"]))
