"""The schemes of validation as scikit-learn splitters: usable as `cv` wherever scikit-learn takes one."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from mlsignal.candles import Times
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError
from mlsignal.learning.schemes import FoldOptions, cut_folds
from mlsignal.learning.spans import LabelSpans
from mlsignal.learning.splits import Fold, split_off


class SpanSplitter(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn has no types
    """A splitter that knows the span of every row's label; the base of those below.

    Parameters
    ----------
    position
        Number of each row's candle on the grid, ascending, shape (n_rows,). Count the candles absent in gaps.
    span_end
        Number of the last candle that the row's label looks at, shape (n_rows,).
    """

    def __init__(self, position: npt.ArrayLike, span_end: npt.ArrayLike) -> None:
        self.position = position
        self.span_end = span_end

    @classmethod
    def from_dataset(cls, dataset: Dataset, **options: Any) -> Self:
        """Make a splitter for all rows of a dataset; `options` are the other parameters."""
        spans = LabelSpans.of(dataset)
        return cls(spans.position, spans.span_end, **options)

    def folds(self) -> list[Fold]:
        """Return the folds with the counts of what was purged and embargoed; errors as of `make_folds`."""
        return self._cut(LabelSpans.checked(self.position, self.span_end))

    def split(self, X: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[Times, Times]]:
        """Yield the training and the test rows of each fold.

        Parameters
        ----------
        X, y, groups
            scikit-learn's signature; only the number of rows of `X` is looked at.

        Raises
        ------
        ConfigurationError
            If `X` has another number of rows than there are label spans, or an option is out of its range.
        TooFewCandlesError
            If a fold would have too few rows.
        """
        del y, groups
        expected = len(np.asarray(self.position))
        found = expected if X is None else X.shape[0] if hasattr(X, "shape") else len(X)
        if found != expected:
            raise ConfigurationError(
                f"{type(self).__name__}: expected the {expected} rows that the label spans are of, found {found}; "
                "make the splitter from the spans of the rows that it is to split"
            )
        for fold in self.folds():
            yield fold.train, fold.test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of folds; the arguments are not looked at."""
        del X, y, groups
        return len(self.folds())

    @abstractmethod
    def _cut(self, spans: LabelSpans) -> list[Fold]: ...


class HoldoutSplit(SpanSplitter):
    """One fold: the newest `test_share` of the rows for the test, the others, purged, to learn from.

    Parameters
    ----------
    position, span_end
        See `SpanSplitter`.
    test_share
        Between 0 and 1.
    embargo
        Candles that must lie free between the last training label and the first test row.
    """

    def __init__(
        self, position: npt.ArrayLike, span_end: npt.ArrayLike, *, test_share: float = 0.2, embargo: int = 0
    ) -> None:
        super().__init__(position, span_end)
        self.test_share = test_share
        self.embargo = embargo

    def _cut(self, spans: LabelSpans) -> list[Fold]:
        return [split_off(spans, self.test_share, self.embargo)]


class PurgedTimeSeriesSplit(SpanSplitter):
    """scikit-learn's TimeSeriesSplit, purged by the spans of the labels.

    Parameters
    ----------
    position, span_end
        See `SpanSplitter`.
    n_splits
        Folds, at least 2.
    embargo
        Candles that must lie free between the last training label and the first test row.
    """

    def __init__(
        self, position: npt.ArrayLike, span_end: npt.ArrayLike, *, n_splits: int = 10, embargo: int = 0
    ) -> None:
        super().__init__(position, span_end)
        self.n_splits = n_splits
        self.embargo = embargo

    def _cut(self, spans: LabelSpans) -> list[Fold]:
        return _cut_all(spans, FoldOptions("time_series", self.n_splits, embargo=self.embargo))


class WalkForwardSplit(SpanSplitter):
    """Folds that follow each other in time, each learning from what was known before it.

    Parameters
    ----------
    position, span_end
        See `SpanSplitter`.
    n_splits, refit_every, train_candles, embargo
        `folds` and the rest of `FoldOptions`.
    """

    def __init__(
        self,
        position: npt.ArrayLike,
        span_end: npt.ArrayLike,
        *,
        n_splits: int = 10,
        refit_every: int | None = None,
        train_candles: int | None = None,
        embargo: int = 0,
    ) -> None:
        super().__init__(position, span_end)
        self.n_splits = n_splits
        self.refit_every = refit_every
        self.train_candles = train_candles
        self.embargo = embargo

    def _cut(self, spans: LabelSpans) -> list[Fold]:
        return _cut_all(
            spans, FoldOptions("walk_forward", self.n_splits, self.refit_every, self.train_candles, self.embargo)
        )


class CombinatorialPurgedSplit(SpanSplitter):
    """Every choice of `test_groups` out of `n_groups` blocks is a test once; `backtest_paths` joins them to paths.

    Parameters
    ----------
    position, span_end
        See `SpanSplitter`.
    n_groups
        Blocks of rows, at least 2.
    test_groups
        Blocks of each test, fewer than `n_groups`.
    embargo
        Candles behind every test block that are not learnt from.

    Notes
    -----
    Rows are tested on more than once: cross_val_predict refuses such folds, cross_val_score and GridSearchCV take them.
    """

    def __init__(
        self,
        position: npt.ArrayLike,
        span_end: npt.ArrayLike,
        *,
        n_groups: int = 10,
        test_groups: int = 2,
        embargo: int = 0,
    ) -> None:
        super().__init__(position, span_end)
        self.n_groups = n_groups
        self.test_groups = test_groups
        self.embargo = embargo

    def _cut(self, spans: LabelSpans) -> list[Fold]:
        options = FoldOptions("combinatorial", self.n_groups, embargo=self.embargo, test_groups=self.test_groups)
        return _cut_all(spans, options)


def _cut_all(spans: LabelSpans, options: FoldOptions) -> list[Fold]:
    return cut_folds(spans, np.arange(len(spans)), options)
