"""Walk-forward prediction: against a loop of fits, equal whatever runs it, blind to what comes later."""

from dataclasses import replace

import numpy as np
import pytest
from joblib import parallel_config
from threadpoolctl import threadpool_info

from mlsignal.errors import DataError
from mlsignal.learning.boosting import load_lightgbm
from mlsignal.learning.refitting import walk_forward_predict
from mlsignal.learning.schemes import FoldOptions, make_folds, refit_folds
from mlsignal.learning.splits import Fold, holdout
from mlsignal.learning.training import TrainingOptions, fit_model
from tests.learning.test_schemes import dataset

MODELS = ("logistic_regression", "random_forest", "lightgbm")
DATA = dataset(1_500, 3, gaps=(700,))
FOLDS = make_folds(DATA, np.arange(1_300), FoldOptions("walk_forward", 5, 130, 400, 2))


def options(n_jobs: int = 1) -> TrainingOptions:
    return TrainingOptions(n_trees=10, n_jobs=n_jobs)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_equal_those_of_a_loop_of_fits(name: str) -> None:
    done = walk_forward_predict(name, DATA, FOLDS, options(2))
    for number, fold in enumerate(FOLDS):
        model = fit_model(name, DATA, fold.train, options())
        np.testing.assert_array_equal(done.rows[done.fold == number], fold.test)
        expected = model.predict_proba(DATA.X[fold.test])[:, 1]
        np.testing.assert_array_equal(done.p_up[done.fold == number], expected)
    np.testing.assert_array_equal(done.estimator.predict_proba(DATA.X), model.predict_proba(DATA.X))


@pytest.mark.parametrize(("backend", "n_jobs"), [("threading", 2), ("threading", 3), ("loky", 2)])
def test_predictions_do_not_depend_on_what_runs_them(backend: str, n_jobs: int) -> None:
    serial = walk_forward_predict("lightgbm", DATA, FOLDS, options())
    with parallel_config(backend):
        parallel = walk_forward_predict("lightgbm", DATA, FOLDS, options(n_jobs))
    np.testing.assert_array_equal(parallel.p_up, serial.p_up)
    np.testing.assert_array_equal(parallel.rows, serial.rows)
    np.testing.assert_array_equal(parallel.estimator.predict_proba(DATA.X), serial.estimator.predict_proba(DATA.X))


def test_predictions_of_a_fold_do_not_know_what_follows_its_first_row() -> None:
    """Every value that becomes known at or after a fold's first row is spoilt: its first prediction stands."""
    folds = refit_folds(DATA, holdout(DATA), 60)
    before = walk_forward_predict("logistic_regression", DATA, folds, options())
    for number in (0, 2, 4):
        first = folds[number].test[0]
        X, y, last_return = DATA.X.copy(), DATA.y.copy(), DATA.last_return.copy()
        X[first + 1 :] = 1e6
        last_return[first:] = 9.0
        y[DATA.span_end >= DATA.position[first]] ^= 1
        spoilt = replace(DATA, X=X, y=y, last_return=last_return)
        after = walk_forward_predict("logistic_regression", spoilt, folds, options())
        np.testing.assert_array_equal(after.p_up[after.rows <= first], before.p_up[before.rows <= first])
        assert not np.array_equal(after.p_up, before.p_up)


def test_candles_without_a_label_are_served_by_the_newest_fit_before_them() -> None:
    data = dataset(1_500, 40, gaps=(1_330, 1_400))
    folds = refit_folds(data, holdout(data), 60)
    done = walk_forward_predict("logistic_regression", data, folds, options())
    since = data.position[folds[0].test[0]]
    later = data.unlabelled[data.unlabelled >= since]
    assert len(later) == 3 * 40
    np.testing.assert_array_equal(done.position, np.union1d(data.position[done.rows], later))
    np.testing.assert_array_equal(done.signal[np.isin(done.position, data.position)], done.p_up)
    first = np.array([data.position[fold.test[0]] for fold in folds])
    for candle in later:
        fold = folds[int(np.searchsorted(first, candle, side="right")) - 1]
        assert data.span_end[fold.train].max() < candle
        model = fit_model("logistic_regression", data, fold.train, options())
        expected = model.predict_proba(data.X_unlabelled[data.unlabelled == candle])[0, 1]
        assert done.signal[done.position == candle] == pytest.approx(expected, rel=1e-12)


def test_rows_that_are_not_consecutive_are_served_too() -> None:
    fold = Fold(np.arange(0, 600, 2), np.arange(601, 700, 3), 0)
    done = walk_forward_predict("logistic_regression", DATA, [fold], options())
    expected = fit_model("logistic_regression", DATA, fold.train, options()).predict_proba(DATA.X[fold.test])[:, 1]
    np.testing.assert_array_equal(done.p_up, expected)


def test_threads_of_the_libraries_are_as_before_and_progress_is_told() -> None:
    load_lightgbm()
    told: list[tuple[int, int]] = []
    before = [pool["num_threads"] for pool in threadpool_info()]
    walk_forward_predict("lightgbm", DATA, FOLDS, options(2), lambda done, total: told.append((done, total)))
    assert [pool["num_threads"] for pool in threadpool_info()] == before
    assert told[-1] == (len(FOLDS), len(FOLDS))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_fold_of_one_class_is_refused() -> None:
    one = replace(DATA, y=np.zeros_like(DATA.y))
    with pytest.raises(DataError, match="of one class"):
        walk_forward_predict("lightgbm", one, FOLDS, options())
