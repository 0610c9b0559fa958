"""Labels: what a model is asked to foresee, with the span of candles that each label looks at."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Floats, Times
from mlsignal.errors import ConfigurationError

Ties = Literal["down", "drop", "third"]


@dataclass(frozen=True)
class Labels:
    """The direction of each candle's future, aligned with the candles: every array has the shape (n_candles,).

    Attributes
    ----------
    horizon
        Candles ahead.
    ties
        What becomes of a close that equals the one `horizon` candles before: "down" counts it as not up, as the
        original did; "drop" leaves it out of training; "third" makes it a class of its own. In every way such rows are
        scored, and scores without them stand apart.
    up
        1 where close[t + horizon] > close[t], else 0. Meaningless where not `known`.
    tie
        True where the two closes are equal.
    known
        True where the whole span is there: no gap within it, and it does not reach past the last candle.
    span_end
        Position of the last candle that the label looks at, t + horizon.
    forward_return
        close[t + horizon] / close[t] - 1, a fraction; NaN where not `known`.
    """

    horizon: int
    ties: Ties
    up: npt.NDArray[np.int8]
    tie: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]
    span_end: Times
    forward_return: Floats


def direction_labels(candles: Candles, horizon: int = 1, ties: Ties = "down") -> Labels:
    """Label each candle by the direction of the close `horizon` candles later.

    Parameters
    ----------
    candles
        Any number; a label never spans a gap.
    horizon
        At least 1.
    ties
        "down", "drop" or "third".

    Raises
    ------
    ConfigurationError
        If `horizon` is below 1 or `ties` is none of these.

    Examples
    --------
    >>> close = np.array([1.0, 2.0, 2.0, 1.5])
    >>> from mlsignal.candles import Interval
    >>> candles = Candles("X", Interval.M1, np.arange(4) * 60_000, {"close": close})
    >>> labels = direction_labels(candles)
    >>> labels.up, labels.tie, labels.known
    (array([1, 0, 0, 0], dtype=int8), array([False,  True, False, False]), array([ True,  True,  True, False]))
    """
    if horizon < 1:
        raise ConfigurationError(f"horizon: expected at least 1 candle, found {horizon}")
    if ties not in get_args(Ties):
        raise ConfigurationError(f"ties: expected {' or '.join(get_args(Ties))}, found {ties!r}")
    n = len(candles)
    close, segment = candles.close, candles.segment_ids
    future = np.full(n, np.nan)
    known = np.zeros(n, dtype=np.bool_)
    if n > horizon:
        known[:-horizon] = segment[horizon:] == segment[:-horizon]
        future[:-horizon] = np.where(known[:-horizon], close[horizon:], np.nan)
    return Labels(
        horizon=horizon,
        ties=ties,
        up=(future > close).astype(np.int8),
        tie=future == close,
        known=known,
        span_end=np.arange(n, dtype=np.int64) + horizon,
        forward_return=future / close - 1,
    )
