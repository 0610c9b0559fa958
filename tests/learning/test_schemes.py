"""Schemes of validation: no label span reaches a test row, the embargo holds, purgedcv finds the same folds."""

from itertools import pairwise
from math import comb
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from purgedcv import CombinatorialPurgedCV, reconstruct_paths
from purgedcv import WalkForwardSplit as PurgedWalkForward

from mlsignal.candles import Candles
from mlsignal.config import Settings, load_settings
from mlsignal.dataset import Dataset, build_dataset
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.features.feature import compute_features, feature
from mlsignal.labels import direction_labels
from mlsignal.learning.schemes import FOLDS, FoldOptions, backtest_paths, cut_folds, make_folds, refit_folds
from mlsignal.learning.spans import LabelSpans, grid_numbers
from mlsignal.learning.splits import MIN_TEST_ROWS, Fold, holdout, time_series_folds
from tests.reference.spans import embargoed_ahead, embargoed_behind, overlaps
from tests.strategies import make_candles


@feature(lookback=3)
def body(candles: Candles) -> np.ndarray:
    """Return of the candle, known from the third of a stretch on."""
    return np.where(np.arange(len(candles)) < 2, np.nan, candles.close / candles.open - 1)


def dataset(n: int = 1_000, horizon: int = 1, gaps: tuple[int, ...] = ()) -> Dataset:
    candles = make_candles(n, gaps=gaps)
    return build_dataset(compute_features(candles, [body]), direction_labels(candles, horizon))


def assert_apart(spans: LabelSpans, fold: Fold, candidates: np.ndarray, embargo: int, behind: bool) -> None:
    """Compare the training rows with those that the slow rule keeps."""
    too_near = embargoed_behind if behind else embargoed_ahead
    purged = [overlaps(spans.position, spans.span_end, i, fold.test) for i in candidates]
    near = [too_near(spans.position, spans.span_end, i, fold.test, embargo) for i in candidates]
    np.testing.assert_array_equal(fold.train, candidates[~np.array(purged) & ~np.array(near)])
    assert fold.purged == sum(purged)
    assert fold.embargoed == sum(n and not p for n, p in zip(near, purged, strict=True))


@st.composite
def any_options(draw: st.DrawFn) -> FoldOptions:
    """Options of any scheme that 500 candles can bear."""
    scheme = draw(st.sampled_from(sorted(FOLDS)))
    folds = draw(st.integers(3, 6))
    return FoldOptions(
        scheme,
        folds,
        refit_every=draw(st.none() | st.integers(45, 120)),
        train_candles=draw(st.none() | st.integers(80, 200)),
        embargo=draw(st.integers(0, 12)),
        test_groups=draw(st.integers(1, folds - 1)),
    )


@settings(deadline=None, max_examples=40)
@given(any_options(), st.integers(1, 25), st.sets(st.integers(1, 499), max_size=3))
def test_folds_of_any_scheme_keep_training_spans_and_embargo_apart(
    options: FoldOptions, horizon: int, gaps: set[int]
) -> None:
    data = dataset(500, horizon, tuple(sorted(gaps)))
    spans, rows = LabelSpans.of(data), np.arange(len(data) - 17)
    try:
        folds = make_folds(data, rows, options)
    except TooFewCandlesError:
        return
    for fold in folds[:4]:
        if options.validation == "combinatorial":
            candidates = np.setdiff1d(rows, fold.test)
        else:
            assert fold.train[-1] < fold.test[0]
            candidates = np.arange(fold.test[0])
            if options.validation == "walk_forward" and options.train_candles:
                candidates = candidates[len(candidates) - len(fold.train) - fold.purged - fold.embargoed :]
        assert_apart(spans, fold, candidates, options.embargo, options.validation == "combinatorial")
        assert set(fold.test) <= set(rows)


def test_the_property_above_meets_folds_of_every_scheme() -> None:
    data = dataset(500, 10, (200,))
    for scheme in FOLDS:
        assert len(make_folds(data, np.arange(450), FoldOptions(scheme, 4, embargo=5))) >= 4


def test_spans_of_uneven_labels_are_purged_one_by_one() -> None:
    random = np.random.default_rng(5)
    position = np.cumsum(random.integers(1, 4, 300))
    spans = LabelSpans(position, position + random.integers(0, 40, 300))
    for fold in cut_folds(spans, np.arange(300), FoldOptions("combinatorial", 5, test_groups=2, embargo=7)):
        assert_apart(spans, fold, np.setdiff1d(np.arange(300), fold.test), 7, behind=True)


def test_grid_numbers_count_the_candles_absent_in_gaps() -> None:
    candles = make_candles(50, gaps=(20, 30))
    expected = (candles.open_time_ms - candles.open_time_ms[0]) // 60_000
    np.testing.assert_array_equal(grid_numbers(candles), expected)
    assert expected[-1] > 49


# -- walk-forward -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("train_candles", [None, 300])
def test_walk_forward_pieces_are_stretches_of_the_grid_gaps_included(train_candles: int | None) -> None:
    data = dataset(2_000, 5, gaps=(900, 1_400))
    spans, rows = LabelSpans.of(data), np.arange(1_700)
    folds = make_folds(data, rows, FoldOptions("walk_forward", 5, 100, train_candles))
    starts = [spans.position[1_699] + 1 - 100 * k for k in range(len(folds), -1, -1)]
    for fold, (start, stop) in zip(folds, pairwise(starts), strict=True):
        assert start <= spans.position[fold.test[0]] <= spans.position[fold.test[-1]] < stop
        since = start - (train_candles or start)
        known = (spans.position[rows] >= since) & (spans.span_end[rows] < spans.position[fold.test[0]])
        np.testing.assert_array_equal(fold.train, rows[known])
    np.testing.assert_array_equal(np.concatenate([fold.test for fold in folds]), np.arange(folds[0].test[0], 1_700))
    assert starts[0] - spans.position[0] >= (train_candles or (spans.position[1_699] + 1) // 6)


def test_walk_forward_without_refits_cuts_as_many_equal_pieces_as_folds() -> None:
    folds = make_folds(dataset(1_203), np.arange(1_100), FoldOptions("walk_forward", 10))
    assert [len(fold.test) for fold in folds] == [100] * 10
    assert folds[-1].test[-1] == 1_099
    assert [fold.purged for fold in folds] == [1] * 10


def test_walk_forward_piece_within_an_outage_is_no_fold() -> None:
    candles = make_candles(900)
    times = candles.open_time_ms + np.where(np.arange(900) >= 650, 300 * 60_000, 0)
    values = {name: candles.column(name) for name in candles.columns}
    broken = Candles(candles.symbol, candles.interval, times, values)
    data = build_dataset(compute_features(broken, [body]), direction_labels(broken))
    folds = make_folds(data, np.arange(len(data)), FoldOptions("walk_forward", 5, 100))
    assert len(folds) == 9 - 2  # nine pieces fit behind a sixth of 1,197 candles; two lie within the outage
    assert min(len(fold.test) for fold in folds) >= MIN_TEST_ROWS


@pytest.mark.parametrize("window", ["expanding", "sliding"])
@pytest.mark.parametrize("horizon", [1, 7])
def test_walk_forward_folds_equal_those_of_purgedcv(window: str, horizon: int) -> None:
    """The same convention where there is no gap; purgedcv's spans are half-open, so theirs end one candle later.

    They differ in the rolling window: purgedcv counts the rows that are kept after purging, we the candles of time
    before it. So ours has as many fewer as were purged. Their embargo does nothing here, ours lies before the test.
    """
    data = dataset(1_000, horizon)
    position = pd.Series(pd.to_datetime(data.position, unit="s"))
    ends = pd.Series(pd.to_datetime(data.span_end + 1, unit="s"))
    length = {"train_size": 300} if window == "sliding" else {}
    judge = PurgedWalkForward(5, 100, window=window, prediction_times=position, evaluation_times=ends, **length)
    options = FoldOptions("walk_forward", 5, 100, None if window == "expanding" else 300)
    folds = make_folds(data, np.arange(len(data)), options)[-5:]
    for fold, (train, test) in zip(folds, judge.split(data.X), strict=True):
        np.testing.assert_array_equal(fold.test, test)
        assert fold.purged == horizon
        np.testing.assert_array_equal(fold.train, train if window == "expanding" else train[horizon:])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (FoldOptions("walk_forward", 10, 10), "fold 1 has .* 10 to test.*--refit-every"),
        (FoldOptions("walk_forward", 10, 5_000), "too few for a window of .* and a fold of 5000"),
        (FoldOptions("walk_forward", 10, None, 5_000), "window of 5000 and 10 folds"),
        (FoldOptions("walk_forward", 10, None, 15), "fold 1 has 14 rows to learn from"),
        (FoldOptions("combinatorial", 40), "too few for 40 groups, which need at least 800"),
        (FoldOptions("combinatorial", 3, embargo=500, test_groups=2), "fold 1 has 0 rows to learn from"),
        (FoldOptions("time_series", 5, embargo=5_000), "nothing to learn from"),
    ],
)
def test_folds_that_would_be_too_small_are_refused(options: FoldOptions, told: str) -> None:
    with pytest.raises(TooFewCandlesError, match=told):
        make_folds(dataset(700), np.arange(600), options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (FoldOptions("walkforward"), "Did you mean 'walk_forward'"),
        (FoldOptions("combinatorial", 5, test_groups=5), "between 1 and 4 of 5 groups, found 5"),
        (FoldOptions("combinatorial", 30, test_groups=15), "15 of 30 groups make 155117520 folds, at most 1000"),
        (FoldOptions(folds=1), "folds: expected at least 2, found 1"),
        (FoldOptions("walk_forward", refit_every=0), "refit every: expected at least 1"),
        (FoldOptions("walk_forward", embargo=-1), "embargo: expected at least 0"),
    ],
)
def test_bad_options_are_refused(options: FoldOptions, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        make_folds(dataset(700), np.arange(600), options)


def test_options_are_the_fields_of_the_settings() -> None:
    told = {"validation": "walk_forward", "folds": 7, "refit_every": 60, "train_candles": 900, "embargo": 3}
    assert FoldOptions.of(load_settings({**told, "test_groups": 4})) == FoldOptions(**told, test_groups=4)


def test_every_scheme_can_be_asked_for_in_the_settings() -> None:
    assert set(get_args(Settings.model_fields["validation"].annotation)) == set(FOLDS)


def test_time_series_scheme_is_that_of_the_original() -> None:
    data, rows = dataset(1_000, 3), np.arange(800)
    for fold, expected in zip(make_folds(data, rows, FoldOptions()), time_series_folds(data, rows), strict=True):
        np.testing.assert_array_equal(fold.train, expected.train)
        np.testing.assert_array_equal(fold.test, expected.test)


def test_embargo_of_the_holdout_lies_before_the_test() -> None:
    data = dataset(1_000, 4)
    split = holdout(data, 0.2, embargo=10)
    assert data.position[split.test[0]] - data.span_end[split.train[-1]] == 11
    assert (split.purged, split.embargoed) == (4, 10)


# -- refits over the test rows ------------------------------------------------------------------------------------


def test_refit_folds_serve_every_test_row_and_begin_with_the_training_rows() -> None:
    data = dataset(1_000, 6, gaps=(850,))
    split = holdout(data)
    folds = refit_folds(data, split, 37)
    np.testing.assert_array_equal(np.concatenate([fold.test for fold in folds]), split.test)
    np.testing.assert_array_equal(folds[0].train, split.train)
    spans = LabelSpans.of(data)
    for fold in folds:
        known = np.flatnonzero(spans.span_end < spans.position[fold.test[0]])
        np.testing.assert_array_equal(fold.train, known)
    assert folds[-1].train[-1] > split.test[0]


def test_refit_folds_with_a_window_forget_what_is_older() -> None:
    data = dataset(1_000, 2)
    for fold in refit_folds(data, holdout(data), 50, train_candles=200, embargo=5):
        assert len(fold.train) == 200 - 2 - 5
        assert fold.train[-1] == fold.test[0] - 1 - 2 - 5


def test_refit_folds_of_a_window_without_rows_are_refused() -> None:
    data = dataset(1_000)
    with pytest.raises(TooFewCandlesError, match="longer --train-candles"):
        refit_folds(data, holdout(data), 50, train_candles=10)
    with pytest.raises(ConfigurationError, match="at least 1 candle"):
        refit_folds(data, holdout(data), 0)


# -- combinatorial ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("groups", "chosen"), [(6, 2), (5, 1), (5, 3)])
@pytest.mark.parametrize(("horizon", "embargo"), [(1, 0), (8, 0), (8, 20)])
def test_combinatorial_folds_equal_those_of_purgedcv(groups: int, chosen: int, horizon: int, embargo: int) -> None:
    """Gaps in time do not matter. purgedcv embargoes a closed stretch of time that begins at the half-open end of the
    label, so half a candle less than ours covers the same candles; with an embargo of 0 both leave it out."""
    data = dataset(700, horizon, gaps=(211, 480))
    spans = LabelSpans.of(data)
    judge = CombinatorialPurgedCV(
        groups,
        chosen,
        prediction_times=pd.Series(pd.to_datetime(spans.position, unit="s")),
        evaluation_times=pd.Series(pd.to_datetime(spans.span_end + 1, unit="s")),
        embargo=pd.Timedelta(seconds=embargo) - pd.Timedelta(milliseconds=500) if embargo else None,
    )
    options = FoldOptions("combinatorial", groups, embargo=embargo, test_groups=chosen)
    folds = make_folds(data, np.arange(len(data)), options)
    assert len(folds) == comb(groups, chosen)
    for fold, (train, test) in zip(folds, judge.split(data.X), strict=True):
        np.testing.assert_array_equal(fold.train, train)
        np.testing.assert_array_equal(fold.test, test)
        assert fold.purged >= horizon


@pytest.mark.parametrize(("groups", "chosen"), [(6, 2), (5, 1), (7, 4)])
def test_backtest_paths_equal_those_of_purgedcv(groups: int, chosen: int) -> None:
    spans = LabelSpans(np.arange(700), np.arange(700))
    folds = cut_folds(spans, np.arange(700), FoldOptions("combinatorial", groups, test_groups=chosen))
    number_of_fold = [np.full(len(fold.test), float(k)) for k, fold in enumerate(folds)]
    expected = reconstruct_paths(number_of_fold, [fold.test for fold in folds], groups, chosen, 700)
    sizes = [len(group) for group in np.array_split(np.arange(700), groups)]
    np.testing.assert_array_equal(np.repeat(backtest_paths(groups, chosen), sizes, axis=1), expected)


@given(st.integers(2, 8), st.data())
def test_backtest_paths_use_every_test_block_of_every_fold_once(groups: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(1, groups - 1))
    paths = backtest_paths(groups, chosen)
    assert paths.shape == (comb(groups - 1, chosen - 1), groups)
    blocks = {(int(fold), group) for path in paths for group, fold in enumerate(path)}
    assert len(blocks) == comb(groups, chosen) * chosen
