"""When to trade: only if what a position is expected to gain exceeds what it costs."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from mlsignal.candles import Floats, Times
from mlsignal.learning.calibration import Calibration


@dataclass(frozen=True)
class DecisionRule:
    """In where (2 p - 1) E|r| exceeds the round trip's cost, out where no gain is expected; fitted on training rows.

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

    def targets(self, score: Floats, volatility: Floats, round_trip: Floats, position: Times) -> Floats:
        """Return 1 long, -1 short or 0 flat for each score, shape (n,); NaN scores give NaN.

        Parameters
        ----------
        score, volatility
            Of the model, and recent volatility, at the same candles.
        round_trip
            Cost of going in and out, a fraction.
        position
            Of the candles, ascending.

        Notes
        -----
        A position is taken where the expected gain exceeds the round trip, and kept as long as any gain on its side is
        expected, for staying costs nothing. It ends with the stretch of candles without a gap.
        """
        gain = self.expected_gain(score, volatility)
        side = np.sign(np.nan_to_num(gain))
        enters = np.abs(np.nan_to_num(gain)) > round_trip
        begins = np.ones(len(side), dtype=np.bool_)
        begins[1:] = (side[1:] != side[:-1]) | (np.diff(position) != 1)
        entered = np.cumsum(enters)
        before = np.where(begins, entered - enters, 0)
        held = entered > np.maximum.accumulate(before)
        return np.where(np.isnan(gain), np.nan, side * held)

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers that make the rule, for a manifest."""
        return {"calibration": self.calibration.to_dict(), "move_per_volatility": self.move_per_volatility}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """Return the rule that `to_dict` told."""
        return cls(Calibration(**told["calibration"]), float(told["move_per_volatility"]))
