"""What one has to know to earn the costs back: how far prices move against what a round trip costs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Candles, Floats
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.evaluation.costs import Costs, side_cost
from mlsignal.labels import direction_labels

LADDER = (1, 5, 15, 30, 60, 240, 1440)
"""Horizons in candles that are looked at where none are named."""
FEWEST_MOVES = 30
"""Independent moves below which a horizon of the ladder is left out: their mean would say little."""


@dataclass(frozen=True)
class BreakEven:
    """One horizon. Moves are returns from a close to the close `horizon` candles later; none spans a gap.

    Attributes
    ----------
    horizon
        Candles.
    moves
        How many there are, overlapping ones included.
    independent_moves
        How many do not overlap.
    tie_share
        Fraction of them that are 0: neither up nor down.
    mean_move
        Mean of |return| over all moves, a fraction; a tie counts as 0, for it costs and earns nothing.
    mean_move_without_ties
        The same over those that are no ties; NaN where there is none.
    round_trip_cost
        Mean cost of buying and selling, a fraction.
    accuracy_needed
        Share of the moves other than ties that one must call right to earn exactly the costs; infinite where nothing
        moves. Above 1 no accuracy is enough.
    reachable
        Whether it is at most 1.
    share_above_cost
        Fraction of all moves that are larger than the round trip.
    """

    horizon: int
    moves: int
    independent_moves: int
    tie_share: float
    mean_move: float
    mean_move_without_ties: float
    round_trip_cost: float
    accuracy_needed: float
    reachable: bool
    share_above_cost: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields ready for JSON; what is not finite is None."""
        return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in asdict(self).items()}


@dataclass(frozen=True)
class BreakEvenView:
    """Every horizon that was looked at, ascending, and the costs it was held against."""

    costs: Costs
    rows: tuple[BreakEven, ...]

    def to_dict(self) -> list[dict[str, Any]]:
        """Return the rows ready for JSON, as metrics.json has them under `breakeven`."""
        return [row.to_dict() for row in self.rows]


def break_even(candles: Candles, costs: Costs, horizons: Sequence[int] | None = None) -> BreakEvenView:
    """Hold the moves of each horizon against the costs of a round trip.

    Parameters
    ----------
    candles
        Any number.
    costs
        Fee, spread and slippage count; funding and the impact of one's own orders do not.
    horizons
        In candles; by default those of `LADDER` of which the candles hold at least 30 independent moves.

    Raises
    ------
    ConfigurationError
        If a horizon is below 1, or none is named.
    TooFewCandlesError
        If the candles hold no move of a horizon that was named, or of any.

    Notes
    -----
    One bet on each move, long or short, always of the same size, right with probability p whatever the size of the
    move: it earns (2 p - 1) E|r| less the cost c, so that p* = 1/2 + c / (2 E|r|). Whoever is right about large moves
    more often than about small ones needs less; the backtest shows what a model really earns.
    """
    if horizons is not None and not horizons:
        raise ConfigurationError("horizons: expected at least one number of candles, found none")
    named = sorted(set(LADDER if horizons is None else horizons))
    if named[0] < 1:
        raise ConfigurationError(f"horizons: expected at least 1 candle, found {named[0]}")
    fewest = FEWEST_MOVES if horizons is None else 1
    allowed = [horizon for horizon in named if _independent_moves(candles, horizon) >= fewest]
    lacking = sorted(set(named) - set(allowed))
    if not allowed or (horizons is not None and lacking):
        raise TooFewCandlesError(
            f"break-even: moves over {lacking[0]} candles expected, found fewer than {fewest} in {len(candles)} candles"
            "; give more candles"
        )
    sides = side_cost(candles, costs)
    return BreakEvenView(costs, tuple(_row(candles, sides, horizon) for horizon in allowed))


def _row(candles: Candles, sides: Floats, horizon: int) -> BreakEven:
    labels = direction_labels(candles, horizon)
    known = labels.known
    moves = np.abs(labels.forward_return[known])
    cost = 2 * float(np.nanmean(sides)) if len(sides) else float("nan")
    mean, ties = float(moves.mean()), labels.tie[known]
    needed = 0.5 + cost / (2 * mean) if mean > 0 else (float("inf") if cost > 0 else 0.5)
    return BreakEven(
        horizon=horizon,
        moves=len(moves),
        independent_moves=_independent_moves(candles, horizon),
        tie_share=float(ties.mean()),
        mean_move=mean,
        mean_move_without_ties=float(moves[~ties].mean()) if not ties.all() else float("nan"),
        round_trip_cost=cost,
        accuracy_needed=needed,
        reachable=needed <= 1,
        share_above_cost=float((moves > cost).mean()),
    )


def _independent_moves(candles: Candles, horizon: int) -> int:
    return sum((stop - start - 1) // horizon for start, stop in candles.segment_bounds)
