"""Training: everything that learns, learns on training rows; the choice is made by the folds."""

import math

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from mlsignal.dataset import Dataset, build_dataset
from mlsignal.errors import ConfigurationError, DataError, MissingExtraError
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import compute_features
from mlsignal.labels import direction_labels
from mlsignal.learning import models
from mlsignal.learning.models import choose_engine
from mlsignal.learning.outliers import Fence, IQRClipper
from mlsignal.learning.splits import holdout, time_series_folds
from mlsignal.learning.training import (
    CrossValidation,
    FoldResult,
    TrainingOptions,
    cross_validate,
    fit_model,
    select_model,
    training_rows,
)
from tests.strategies import constant, make_candles, spiked


def build(candles, ties: str = "down") -> Dataset:  # type: ignore[no-untyped-def]
    return build_dataset(compute_features(candles, CLASSIC), direction_labels(candles, ties=ties))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return build(make_candles(2_500))


def test_fences_are_those_of_tukey() -> None:
    fence = Fence.fit(np.arange(101.0))
    assert (fence.lower, fence.upper) == (25 - 150, 75 + 150)
    assert fence.outside(np.array([-126.0, 0.0, 226.0])).tolist() == [True, False, True]


def test_outliers_leave_the_training_rows_only() -> None:
    data = build(spiked(make_candles(2_500), 1_000))
    rows = np.arange(len(data))
    kept = training_rows(data, rows, "remove")
    gone = data.position[np.setdiff1d(rows, kept)]
    assert {1_000, 1_001} <= set(gone.tolist())
    assert len(training_rows(data, rows, "none")) == len(training_rows(data, rows, "winsorise")) == len(rows)


def test_fences_do_not_know_the_test_rows(dataset: Dataset) -> None:
    """The same training rows are kept whatever comes after them."""
    split = holdout(dataset)
    other = build(spiked(make_candles(2_500), 2_400))
    np.testing.assert_array_equal(
        training_rows(dataset, split.train, "remove"), training_rows(other, split.train, "remove")
    )


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest"])
@pytest.mark.parametrize("outliers", ["remove", "winsorise", "none"])
def test_models_do_not_know_the_test_rows(name: str, outliers: str, dataset: Dataset) -> None:
    split = holdout(dataset)
    changed = build(make_candles(2_500))
    changed.X[split.test] *= 7
    changed.y[split.test] ^= 1
    options = TrainingOptions(outliers=outliers, n_trees=10)  # type: ignore[arg-type]
    X = dataset.X[split.test]
    one, other = (fit_model(name, data, split.train, options).predict_proba(X) for data in (dataset, changed))
    np.testing.assert_array_equal(one, other)


def test_winsorising_clips_what_is_scored_too() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, 2))
    clipper = IQRClipper().fit(X)
    far = clipper.transform(np.array([[1e9, -1e9]]))
    assert far[0, 0] == clipper.upper_[0]
    assert far[0, 1] == clipper.lower_[1]


def test_ties_dropped_are_not_trained_on() -> None:
    data = build(make_candles(2_500, tick=25.0), ties="drop")
    rows = training_rows(data, np.arange(len(data)), "none")
    assert data.tie.any()
    assert not data.tie[rows].any()


def test_training_on_one_class_is_refused() -> None:
    data = build(constant(make_candles(1_500), slice(0, 1_500)))
    with pytest.raises(DataError, match="one class"):
        fit_model("logistic_regression", data, np.arange(500), TrainingOptions())


@pytest.mark.parametrize("jobs", [1, 2])
def test_cross_validation_does_not_depend_on_the_jobs(jobs: int, dataset: Dataset) -> None:
    folds = time_series_folds(dataset, holdout(dataset).train, 3)
    options = TrainingOptions(n_trees=10, n_jobs=jobs)
    done: list[tuple[int, int]] = []
    found = cross_validate(
        ["logistic_regression", "random_forest"], dataset, folds, options, lambda *step: done.append(step)
    )
    alone = fit_model("random_forest", dataset, folds[1].train, options)
    expected = alone.predict_proba(dataset.X[folds[1].test])[:, 1]
    np.testing.assert_array_equal(found.results["random_forest"][1].p_up, expected)
    assert done == [(k, 6) for k in range(1, 7)]


def results(*scores: float) -> tuple[FoldResult, ...]:
    return tuple(FoldResult(np.empty(0, np.int64), np.empty(0), {"roc_auc": score}) for score in scores)


def test_selection_compares_models_over_the_folds_that_define_the_score() -> None:
    worse, better = results(0.55, math.nan, 0.54), results(0.60, 0.20, 0.62)
    for order in (("a", "b"), ("b", "a")):
        models = {"a": worse, "b": better}
        assert select_model(CrossValidation({name: models[name] for name in order}), "roc_auc") == "b"
    with pytest.raises(DataError, match="no fold defines roc_auc for every model"):
        select_model(CrossValidation({"a": results(math.nan, 0.6), "b": results(0.5, math.nan)}), "roc_auc")


def test_selection_takes_the_best_mean_of_any_score(dataset: Dataset) -> None:
    folds = time_series_folds(dataset, holdout(dataset).train, 3)
    names = ["logistic_regression", "random_forest"]
    found = cross_validate(names, dataset, folds, TrainingOptions(n_trees=10))
    for score, best in (("f1_up", max), ("without_ties.roc_auc", max), ("log_loss", min), ("brier", min)):
        means = {name: found.values(name, score).mean() for name in names}
        assert select_model(found, score) == best(means, key=means.__getitem__)
    with pytest.raises(ConfigurationError, match=r"no score 'roc'\. Did you mean 'roc_auc'"):
        select_model(found, "roc")


def test_a_model_of_ones_own_is_one_decorated_function(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MODELS", dict(models.MODELS))
    models.model("own")(lambda context: DummyClassifier(strategy="prior", random_state=context.seed))
    fitted = fit_model("own", dataset, np.arange(500), TrainingOptions(outliers="none"))
    assert fitted.class_prior_[1] == pytest.approx(dataset.y[:500].mean())


def test_engine_that_is_not_installed_is_refused_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "find_spec", lambda name: None)
    assert choose_engine("auto") == "plain"
    with pytest.raises(MissingExtraError, match=r"pip install 'ml-signal-generator\[accel\]'"):
        choose_engine("accel")
    with pytest.raises(ConfigurationError, match="expected auto, plain or accel"):
        choose_engine("gpu")


def test_engines_rank_alike_on_the_folds(dataset: Dataset) -> None:
    pytest.importorskip("sklearnex", reason="the extra accel is not installed")
    folds = time_series_folds(dataset, holdout(dataset).train, 3)
    auc = {
        engine: cross_validate(["random_forest"], dataset, folds, TrainingOptions(engine=engine))  # type: ignore[arg-type]
        .values("random_forest", "roc_auc")
        .mean()
        for engine in ("plain", "accel")
    }
    assert abs(auc["plain"] - auc["accel"]) < 0.03
