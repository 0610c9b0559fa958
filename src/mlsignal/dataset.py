"""Features and labels joined: the rows that can be learnt from and scored."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Floats, Times
from mlsignal.errors import TooFewCandlesError
from mlsignal.features.feature import FeatureFrame
from mlsignal.labels import Labels, Ties


@dataclass(frozen=True)
class Dataset:
    """Rows whose features are all there and whose label is known, in the order of time.

    Attributes
    ----------
    candles
        The candles behind it.
    feature_names
        Columns of `X`.
    X
        float64, shape (n_rows, n_features), finite.
    y
        int8, shape (n_rows,): 1 up, 0 not up.
    tie
        bool, shape (n_rows,): the label's two closes are equal.
    position
        int64, shape (n_rows,): index of each row's candle in `candles`.
    span_end
        int64, shape (n_rows,): index of the last candle that the row's label looks at.
    last_return
        float64, shape (n_rows,): close[t] / close[t-1] - 1, 0 where a gap precedes; for outlier fences and baselines.
    trainable
        bool, shape (n_rows,): False for ties where these are dropped from training.
    horizon
        Candles ahead.
    forward_return
        float64, shape (n_rows,): close[t + horizon] / close[t] - 1.
    ties
        What becomes of ties: "down", "drop" or "third".
    unlabelled
        int64, shape (n_unlabelled,): indices of the candles whose features are all there and whose label is unknown, as
        before a gap. Nothing can be learnt from them, and they get a signal like any other: a gap cannot be foreseen.
    X_unlabelled
        Their features, float64, shape (n_unlabelled, n_features).
    incomplete_rows
        Candles past the warm-up with a known label that are no row, as a feature is NaN or infinite.
    incomplete_columns
        Feature -> on how many of these it is.
    """

    candles: Candles
    feature_names: tuple[str, ...]
    X: Floats
    y: npt.NDArray[np.int8]
    tie: npt.NDArray[np.bool_]
    position: Times
    span_end: Times
    last_return: Floats
    trainable: npt.NDArray[np.bool_]
    horizon: int
    forward_return: Floats
    ties: Ties
    unlabelled: Times
    X_unlabelled: Floats
    incomplete_rows: int = 0
    incomplete_columns: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.y)


def build_dataset(frame: FeatureFrame, labels: Labels) -> Dataset:
    """Join features and labels of the same candles, and keep the complete rows.

    Raises
    ------
    TooFewCandlesError
        If no row is complete.
    """
    candles = frame.candles
    finite = np.isfinite(frame.values)
    whole = finite.all(axis=1)
    position, unlabelled = np.flatnonzero(whole & labels.known), np.flatnonzero(whole & ~labels.known)
    if not len(position):
        raise TooFewCandlesError(
            f"{candles.symbol} {candles.interval.value}: none of the {len(candles)} candles has all "
            f"{len(frame.names)} features and a "
            "label; give more candles (features need their lookback within a stretch without gaps)"
        )
    tie = labels.tie[position]
    incomplete = np.flatnonzero(frame.past_warm_up & labels.known & ~whole)
    absent = zip(frame.names, (~finite[incomplete]).sum(axis=0).tolist(), strict=True)
    return Dataset(
        candles=candles,
        feature_names=frame.names,
        X=np.ascontiguousarray(frame.values[position]),
        y=labels.up[position],
        tie=tie,
        position=position,
        span_end=labels.span_end[position],
        last_return=last_returns(candles)[position],
        trainable=~tie if labels.ties == "drop" else np.ones(len(position), dtype=np.bool_),
        horizon=labels.horizon,
        forward_return=labels.forward_return[position],
        ties=labels.ties,
        unlabelled=unlabelled,
        X_unlabelled=np.ascontiguousarray(frame.values[unlabelled]),
        incomplete_rows=len(incomplete),
        incomplete_columns={name: count for name, count in absent if count},
    )


def last_returns(candles: Candles) -> Floats:
    """Return close[t] / close[t-1] - 1 of each candle, 0 where there is no candle before, shape (n_candles,)."""
    returns = np.zeros(len(candles))
    returns[1:] = candles.close[1:] / candles.close[:-1] - 1
    returns[candles.gap_starts] = 0
    return returns
