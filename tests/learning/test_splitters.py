"""Splitters: the folds of the schemes, in scikit-learn's hands."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict, cross_val_score

from mlsignal.errors import ConfigurationError
from mlsignal.learning.schemes import FoldOptions, make_folds
from mlsignal.learning.splits import holdout
from mlsignal.learning.splitters import (
    CombinatorialPurgedSplit,
    HoldoutSplit,
    PurgedTimeSeriesSplit,
    SpanSplitter,
    WalkForwardSplit,
)
from tests.learning.test_schemes import dataset

DATA = dataset(900, 4, gaps=(300,))
ROWS = np.arange(len(DATA))
SPLITTERS: dict[str, tuple[SpanSplitter, list]] = {
    "holdout": (HoldoutSplit.from_dataset(DATA, embargo=3), [holdout(DATA, 0.2, 3)]),
    "time_series": (
        PurgedTimeSeriesSplit.from_dataset(DATA, n_splits=4),
        make_folds(DATA, ROWS, FoldOptions("time_series", 4)),
    ),
    "walk_forward": (
        WalkForwardSplit.from_dataset(DATA, n_splits=4, refit_every=100, train_candles=300, embargo=2),
        make_folds(DATA, ROWS, FoldOptions("walk_forward", 4, 100, 300, 2)),
    ),
    "combinatorial": (
        CombinatorialPurgedSplit.from_dataset(DATA, n_groups=5, test_groups=2, embargo=6),
        make_folds(DATA, ROWS, FoldOptions("combinatorial", 5, embargo=6, test_groups=2)),
    ),
}


@pytest.mark.parametrize("name", SPLITTERS)
def test_splitter_yields_the_folds_of_its_scheme(name: str) -> None:
    splitter, folds = SPLITTERS[name]
    assert splitter.get_n_splits(DATA.X, DATA.y) == len(folds)
    for (train, test), fold in zip(splitter.split(DATA.X, DATA.y), folds, strict=True):
        np.testing.assert_array_equal(train, fold.train)
        np.testing.assert_array_equal(test, fold.test)


@pytest.mark.parametrize("name", SPLITTERS)
def test_splitter_serves_scikit_learn_and_can_be_cloned(name: str) -> None:
    splitter, folds = SPLITTERS[name]
    X = np.column_stack([DATA.X, np.random.default_rng(0).normal(size=len(DATA))])
    scores = cross_val_score(LogisticRegression(), X, DATA.y, cv=clone(splitter))
    assert scores.shape == (len(folds),)
    search = clone(GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=splitter)).fit(X, DATA.y)
    assert search.n_splits_ == len(folds)
    np.testing.assert_allclose(search.cv_results_["split0_test_score"][1], scores[0])


def test_splitter_without_spans_beyond_the_row_equals_time_series_split() -> None:
    rows = np.arange(503)
    ours = PurgedTimeSeriesSplit(rows, rows, n_splits=5)
    for (train, test), (their_train, their_test) in zip(ours.split(rows), TimeSeriesSplit(5).split(rows), strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


def test_splitter_parameters_are_read_and_set_as_scikit_learn_does() -> None:
    splitter = WalkForwardSplit(ROWS, ROWS, n_splits=3)
    assert splitter.set_params(refit_every=200).get_params()["refit_every"] == 200
    assert "position" in splitter.get_params()


def test_combinatorial_splitter_is_refused_where_rows_must_be_tested_once() -> None:
    splitter, _ = SPLITTERS["combinatorial"]
    with pytest.raises(ValueError, match="partition"):
        cross_val_predict(LogisticRegression(), DATA.X, DATA.y, cv=splitter)


@pytest.mark.parametrize(
    ("position", "span_end", "told"),
    [
        ([1, 2, 3], [1, 2], "of shape"),
        ([1.0, 2.0], [1.0, 2.0], "whole numbers"),
        ([[1], [2]], [[1], [2]], "of shape"),
        ([2, 1], [3, 3], "ascending order"),
        ([1, 2], [1, 1], "row 1 ends before it begins"),
    ],
)
def test_spans_that_make_no_sense_are_refused(position: list, span_end: list, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        PurgedTimeSeriesSplit(position, span_end).folds()


def test_rows_of_another_number_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"expected the .* rows that the label spans are of, found 5"):
        next(SPLITTERS["holdout"][0].split(DATA.X[:5]))
