"""Schemes of validation by name: in time as scikit-learn cuts, walk-forward with refits, combinatorial."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from math import comb
from typing import Self

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Times
from mlsignal.config import Settings
from mlsignal.dataset import Dataset
from mlsignal.errors import ConfigurationError, TooFewCandlesError, did_you_mean
from mlsignal.learning.spans import LabelSpans, separate
from mlsignal.learning.splits import MIN_TEST_ROWS, Fold, cut_in_time, fold_after


@dataclass(frozen=True)
class FoldOptions:
    """How rows are cut into folds.

    Attributes
    ----------
    validation
        Name of a scheme in `FOLDS`.
    folds
        Folds in time; groups of the combinatorial scheme. Walk-forward without `refit_every` cuts as many pieces, and
        an expanding window begins with at least one part in `folds` + 1 of the time.
    refit_every
        Candles of the grid after which a walk-forward fold ends and the next, with a new fit, begins.
    train_candles
        Candles of the grid in a rolling training window; None lets it grow from the first row.
    embargo
        Candles of the grid. Combinatorial folds leave them free behind every block of test rows; the other schemes,
        which have no training rows there, between the last training label and the first test row.
    test_groups
        Groups that each combinatorial fold is tested on.
    """

    validation: str = "time_series"
    folds: int = 10
    refit_every: int | None = None
    train_candles: int | None = None
    embargo: int = 0
    test_groups: int = 2

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Take the fields of these names from the settings."""
        return cls(
            validation=settings.validation,
            folds=settings.folds,
            refit_every=settings.refit_every,
            train_candles=settings.train_candles,
            embargo=settings.embargo,
            test_groups=settings.test_groups,
        )


MOST_COMBINATIONS = 1_000
"""Combinatorial folds beyond which nobody means it: 12 groups taken 6 at a time make 924."""

Scheme = Callable[[LabelSpans, Times, FoldOptions], list[Fold]]
"""Cuts consecutive rows into folds."""
FOLDS: dict[str, Scheme] = {}


def scheme(name: str) -> Callable[[Scheme], Scheme]:
    """Register a function that cuts rows into folds."""

    def decorate(cut: Scheme) -> Scheme:
        FOLDS[name] = cut
        return cut

    return decorate


def make_folds(dataset: Dataset, rows: Times, options: FoldOptions) -> list[Fold]:
    """Cut consecutive rows of a dataset into folds by the scheme that the options name.

    Parameters
    ----------
    dataset
        Where label spans are read from.
    rows
        Consecutive row numbers to cut, ascending; the other rows are in no fold.
    options
        The scheme and its numbers.

    Raises
    ------
    ConfigurationError
        If there is no such scheme, or a number is out of its range.
    TooFewCandlesError
        If a fold would have too few rows to learn from or to be tested on.
    """
    return cut_folds(LabelSpans.of(dataset), rows, options)


def cut_folds(spans: LabelSpans, rows: Times, options: FoldOptions) -> list[Fold]:
    """Cut rows into folds; `make_folds` for spans."""
    if options.validation not in FOLDS:
        raise ConfigurationError(
            f"validation: there is no {options.validation!r}. {did_you_mean(options.validation, FOLDS)}"
        )
    for name, least in (("folds", 2), ("refit_every", 1), ("train_candles", 1), ("embargo", 0), ("test_groups", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ConfigurationError(f"{name.replace('_', ' ')}: expected at least {least}, found {value}")
    return FOLDS[options.validation](spans, rows, options)


@scheme("time_series")
def time_series(spans: LabelSpans, rows: Times, options: FoldOptions) -> list[Fold]:
    """Cut as scikit-learn's TimeSeriesSplit does, purged."""
    return cut_in_time(spans, rows, options.folds, options.embargo)


@scheme("walk_forward")
def walk_forward(spans: LabelSpans, rows: Times, options: FoldOptions) -> list[Fold]:
    """Cut the time behind a first training window into pieces of one length, each tested on by a new fit.

    The pieces are stretches of the grid, so that a gap takes time as it does live. The last ends at the last row: what
    does not fill a piece is learnt from. A piece without any row, as in a long outage, is no fold.
    """
    folds: list[Fold] = []
    for fold in refits(spans, rows, walk_forward_edges(spans, rows, options), options.train_candles, options.embargo):
        _refuse_small(spans, fold, len(folds) + 1, "a longer --refit-every, fewer --folds or more candles")
        folds.append(fold)
    return folds


def walk_forward_edges(spans: LabelSpans, rows: Times, options: FoldOptions) -> Times:
    """Return the grid numbers at which the pieces begin, and the end of the last.

    Raises
    ------
    TooFewCandlesError
        If no piece fits behind the first training window.
    """
    first, stop = (int(spans.position[rows[0]]), int(spans.position[rows[-1]]) + 1) if len(rows) else (0, 0)
    learning = options.train_candles or (stop - first) // (options.folds + 1)
    left = stop - first - learning
    size = options.refit_every or left // options.folds
    if left < max(size, 1) or not size:
        wanted = f"a fold of {options.refit_every}" if options.refit_every else f"{options.folds} folds"
        raise TooFewCandlesError(
            f"{spans.name}: {stop - first} candles with training rows are too few for a window of {learning} and "
            f"{wanted} behind it; give more candles (--lookback-candles), a shorter --train-candles or --refit-every"
        )
    return stop - size * np.arange(left // size if options.refit_every else options.folds, -1, -1)


def refits(spans: LabelSpans, rows: Times, edges: Times, train_candles: int | None, embargo: int) -> list[Fold]:
    """Return a fold for each piece of the grid between two edges that holds any of `rows`.

    Its training rows are all of `rows` before the piece, or those in the `train_candles` before it, whose labels were
    known by the piece's first row, less the embargo.
    """
    position = spans.position[rows]
    folds = []
    for first, stop in pairwise(edges.tolist()):
        low, high = np.searchsorted(position, (first, stop))
        since = 0 if train_candles is None else int(np.searchsorted(position, first - train_candles))
        if low < high:
            folds.append(fold_after(spans, rows[since:low], rows[low:high], embargo))
    return folds


def refit_folds(
    dataset: Dataset, split: Fold, refit_every: int, train_candles: int | None = None, embargo: int = 0
) -> list[Fold]:
    """Cut the test rows of a split into pieces, each served by a fit on the rows known before it.

    Parameters
    ----------
    dataset, split
        The rows, and which of them are the test: the newest.
    refit_every
        Candles of the grid that a fit serves, at least 1. The last piece may be shorter.
    train_candles
        Candles of the grid in a rolling training window, of the first fit too; None takes all rows before.
    embargo
        Candles that must lie free between the last training label and the first row of a piece.

    Returns
    -------
    list of Fold
        The test rows of all folds are those of the split. Without `train_candles`, and with the split's embargo, the
        first learns from the split's training rows.

    Raises
    ------
    ConfigurationError
        If `refit_every` is below 1.
    TooFewCandlesError
        If a window holds fewer than 20 rows.
    """
    if refit_every < 1:
        raise ConfigurationError(f"refit every: expected at least 1 candle, found {refit_every}")
    spans = LabelSpans.of(dataset)
    first, stop = int(spans.position[split.test[0]]), int(spans.position[split.test[-1]]) + 1
    edges = np.append(np.arange(first, stop, refit_every), stop)
    folds = refits(spans, np.arange(split.test[-1] + 1), edges, train_candles, embargo)
    for number, fold in enumerate(folds, start=1):
        _refuse_small(spans, fold, number, "a longer --train-candles or more candles", least_test=1)
    return folds


@scheme("combinatorial")
def combinatorial(spans: LabelSpans, rows: Times, options: FoldOptions) -> list[Fold]:
    """Cut into groups, and test on every choice of `test_groups` of them after learning from the others.

    Training rows on either side of a test block are purged by their label's span, and those that stand within the
    embargo behind it leave too. Order: the choices ascend, as those of `itertools.combinations`.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, section 12.3.
    """
    _refuse_groups(options.folds, options.test_groups)
    count = comb(options.folds, options.test_groups)
    if count > MOST_COMBINATIONS:
        raise ConfigurationError(
            f"test groups: {options.test_groups} of {options.folds} groups make {count} folds, at most "
            f"{MOST_COMBINATIONS} are fitted; give fewer groups (--folds) or fewer of them a test (--test-groups)"
        )
    groups = np.array_split(rows, options.folds)
    if len(groups[-1]) < MIN_TEST_ROWS:
        raise TooFewCandlesError(
            f"{spans.name}: {len(rows)} training rows are too few for {options.folds} groups, which need at least "
            f"{MIN_TEST_ROWS * options.folds}; give more candles (--lookback-candles) or fewer groups (--folds)"
        )
    folds: list[Fold] = []
    for chosen in combinations(range(options.folds), options.test_groups):
        test = np.concatenate([groups[k] for k in chosen])
        train = np.concatenate([group for k, group in enumerate(groups) if k not in chosen])
        kept, purged, embargoed = separate(spans, train, test, behind=options.embargo)
        fold = Fold(kept, test, purged, embargoed)
        _refuse_small(spans, fold, len(folds) + 1, "a shorter --embargo or more candles")
        folds.append(fold)
    return folds


def backtest_paths(n_groups: int, test_groups: int) -> npt.NDArray[np.int64]:
    """Return the fold that serves each group in each path through combinatorial folds.

    Every group is tested on in C(n_groups - 1, test_groups - 1) folds; the k-th of them serves it in path k. So every
    path covers all rows once, and every test block of every fold is used once.

    Parameters
    ----------
    n_groups, test_groups
        As the folds were made with.

    Returns
    -------
    array of int64, shape (n_paths, n_groups)
        Fold numbers from 0, in the order of the scheme "combinatorial".

    Raises
    ------
    ConfigurationError
        If `test_groups` is not between 1 and `n_groups` - 1.

    References
    ----------
    Lopez de Prado (2018), Advances in Financial Machine Learning, section 12.4 and figure 12.2.

    Examples
    --------
    >>> backtest_paths(4, 2)
    array([[0, 0, 1, 2],
           [1, 3, 3, 4],
           [2, 4, 5, 5]])
    """
    _refuse_groups(n_groups, test_groups)
    paths = np.empty((comb(n_groups - 1, test_groups - 1), n_groups), dtype=np.int64)
    served = [0] * n_groups
    for fold, chosen in enumerate(combinations(range(n_groups), test_groups)):
        for group in chosen:
            paths[served[group], group] = fold
            served[group] += 1
    return paths


def _refuse_groups(n_groups: int, test_groups: int) -> None:
    if not 1 <= test_groups < n_groups:
        raise ConfigurationError(
            f"test groups: expected between 1 and {n_groups - 1} of {n_groups} groups, found {test_groups}"
        )


def _refuse_small(spans: LabelSpans, fold: Fold, number: int, remedy: str, least_test: int = MIN_TEST_ROWS) -> None:
    if len(fold.train) < MIN_TEST_ROWS or len(fold.test) < least_test:
        raise TooFewCandlesError(
            f"{spans.name}: fold {number} has {len(fold.train)} rows to learn from ({fold.purged} purged, "
            f"{fold.embargoed} embargoed) and {len(fold.test)} to test; at least {MIN_TEST_ROWS} and {least_test} are "
            f"needed: give {remedy}"
        )
