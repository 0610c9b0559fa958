"""Label spans on the grid of candles, and the one rule by which training rows keep away from test rows."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Times
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError


@dataclass(frozen=True)
class LabelSpans:
    """Where each row stands on the grid of candles, and how far its label looks.

    Attributes
    ----------
    position
        int64, shape (n_rows,), ascending: number of each row's candle on the grid. Candles absent in a gap are counted,
        so that differences are time.
    span_end
        int64, shape (n_rows,): number of the last candle that the row's label looks at, at least `position`.
    name
        Whose rows they are, for messages.
    """

    position: Times
    span_end: Times
    name: str = "rows"

    def __len__(self) -> int:
        return len(self.position)

    @classmethod
    def of(cls, dataset: Dataset) -> Self:
        """Read the spans of a dataset, whose own positions do not count the candles absent in gaps."""
        grid = grid_numbers(dataset.candles)
        return cls(grid[dataset.position], grid[dataset.span_end], dataset.candles.symbol)

    @classmethod
    def checked(cls, position: npt.ArrayLike, span_end: npt.ArrayLike) -> Self:
        """Build spans from a user's arrays.

        Raises
        ------
        ConfigurationError
            If the arrays are not one-dimensional whole numbers of one length, `position` descends somewhere, or a span
            ends before it begins.
        """
        start, end = np.asarray(position), np.asarray(span_end)
        if start.ndim != 1 or start.shape != end.shape or start.dtype.kind not in "iu" or end.dtype.kind not in "iu":
            raise ConfigurationError(
                "label spans: expected two arrays of whole numbers of shape (n_rows,), found "
                f"position {start.dtype}{list(start.shape)} and span_end {end.dtype}{list(end.shape)}"
            )
        if (np.diff(start) < 0).any():
            raise ConfigurationError("label spans: expected positions in ascending order; sort the rows by time")
        if (end < start).any():
            raise ConfigurationError(
                f"label spans: row {int(np.argmax(end < start))} ends before it begins; expected span_end >= position"
            )
        return cls(start.astype(np.int64), end.astype(np.int64))


def grid_numbers(candles: Candles) -> Times:
    """Number candles from 0 along their grid, the absent ones of gaps counted too; shape (n_candles,)."""
    steps = np.ones(len(candles), dtype=np.int64)
    steps[:1] = 0
    steps[candles.gap_starts] += np.array([gap.missing for gap in candles.gaps], dtype=np.int64)
    return np.cumsum(steps)


def separate(
    spans: LabelSpans, train: Times, test: Times, *, ahead: int = 0, behind: int = 0
) -> tuple[Times, int, int]:
    """Drop the training rows whose span overlaps that of a test row, or comes too near to it.

    Parameters
    ----------
    spans
        Of all rows.
    train, test
        Row numbers, ascending.
    ahead
        Candles between the end of a training span and the position of a later test row that must lie free (embargo
        of walk-forward folds, which have no training row behind their test rows).
    behind
        Candles after the span of a test row in which no training row may stand (embargo of folds that have one).

    Returns
    -------
    kept, purged, embargoed
        The training rows that stay, how many overlapped, and how many more were too near.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, sections 7.4.1 and 7.4.2. There the embargo is a
    share of all rows; here it is in candles of the grid.
    """
    if not len(test):
        return train, 0, 0
    overlapping = _touches(spans, train, test, 0, 0)
    near = _touches(spans, train, test, ahead, behind) if ahead or behind else overlapping
    count = len(train) - int(near.sum())
    at_the_end = bool(near[count:].all())  # a slice then, not a copy: a year of daily folds would be a gigabyte
    purged = int(overlapping.sum())
    return train[:count] if at_the_end else train[~near], purged, len(train) - count - purged


def _touches(spans: LabelSpans, train: Times, test: Times, ahead: int, behind: int) -> npt.NDArray[np.bool_]:
    """Flag training rows [a, b] for which some test row [c, d] has c - ahead <= b and d + behind >= a."""
    first = spans.position[test[0]]
    if not len(train) or spans.position[train[-1]] <= first:  # then d >= a for every pair, and the least c decides
        return np.asarray(spans.span_end[train] >= first - ahead, dtype=np.bool_)
    furthest = np.maximum.accumulate(spans.span_end[test])
    count = np.searchsorted(spans.position[test], spans.span_end[train] + ahead, side="right")
    reached = furthest[np.maximum(count - 1, 0)] + behind >= spans.position[train]
    return np.asarray((count > 0) & reached, dtype=np.bool_)
