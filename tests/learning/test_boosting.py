"""Boosted trees: what is handed out says exactly what LightGBM's booster says, and needs no LightGBM."""

import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMClassifier
from sklearn.pipeline import make_pipeline

from mlsignal.bundle import FeatureSelection, load_bundle, write_bundle
from mlsignal.errors import MissingExtraError, ModelError
from mlsignal.learning.boosting import BoostedTrees
from mlsignal.learning.models import ModelContext, build_model
from mlsignal.learning.outliers import IQRClipper
from mlsignal.learning.signal_model import SignalModel


def rows(n: int = 3_000, n_features: int = 17, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    X = random.standard_t(3, (n, n_features)) * 10.0 ** random.integers(-6, 6, n_features)
    signs = np.sign(X[:, 0]) + X[:, 1] / np.abs(X[:, 1]).max()
    return X, (signs + random.normal(size=n) * 2 > 0.3).astype(np.int8)


def test_trees_say_exactly_what_the_booster_says() -> None:
    X, y = rows()
    trees = BoostedTrees()
    booster, model = trees.fit_booster(X, y), trees.fit(X, y)
    unseen = rows(5_000, seed=1)[0]
    single = unseen.astype(np.float32)
    np.testing.assert_array_equal(model.decision_function(unseen), booster.predict(single, raw_score=True))
    np.testing.assert_allclose(model.predict_proba(unseen)[:, 1], booster.predict(single), rtol=0, atol=1e-15)
    assert len(model.estimators_) == 100
    assert max(member[0].tree_.n_leaves for member in model.estimators_) == 31


@settings(deadline=None, max_examples=15)
@given(st.integers(40, 300), st.integers(2, 5), st.integers(0, 99))
def test_trees_of_few_and_repeated_values_say_what_the_booster_says(n: int, n_features: int, seed: int) -> None:
    X, y = rows(n, n_features, seed)
    X = np.round(X / np.abs(X).max(axis=0), 1)  # equal values, zeros of both signs
    y[:2] = 0, 1
    trees = BoostedTrees(n_trees=10)
    raw = trees.fit_booster(X, y).predict(X.astype(np.float32), raw_score=True)
    np.testing.assert_array_equal(trees.fit(X, y).decision_function(X), raw)


def test_values_on_a_threshold_fall_on_the_same_side() -> None:
    X, y = rows(2_000, 3)
    trees = BoostedTrees(n_trees=5)
    booster, model = trees.fit_booster(X, y), trees.fit(X, y)
    bounds = np.concatenate([m[0].tree_.threshold[m[0].tree_.feature >= 0] for m in model.estimators_])
    near = np.concatenate([bounds, np.nextafter(bounds, np.inf), np.nextafter(bounds, -np.inf)])
    grid = np.repeat(near[:, None], 3, axis=1)
    raw = booster.predict(grid.astype(np.float32), raw_score=True)
    np.testing.assert_array_equal(model.decision_function(grid), raw)


def test_both_classes_weigh_the_same_as_in_lightgbm_itself() -> None:
    X, y = rows()
    y[np.random.default_rng(2).random(len(y)) < 0.6] = 0
    X = X.astype(np.float32)
    judge = LGBMClassifier(
        n_estimators=100, learning_rate=0.05, class_weight="balanced", max_bin=63, n_jobs=1, verbose=-1,
        min_child_samples=20, force_row_wise=True, random_state=0, bin_construct_sample_cnt=10_000,
    ).fit(X, y)  # fmt: skip
    expected = judge.booster_.predict(X)
    np.testing.assert_allclose(BoostedTrees().fit(X, y).predict_proba(X)[:, 1], expected, rtol=1e-6)
    assert expected.mean() > y.mean() + 0.1


def test_rows_without_a_possible_split_give_the_same_probability_everywhere() -> None:
    X, y = np.ones((60, 3)), np.tile([0, 1, 1], 20).astype(np.int8)
    p_up = BoostedTrees().fit(X, y).predict_proba(X)[:, 1]
    np.testing.assert_allclose(p_up, 0.5)


def test_model_is_equal_for_equal_seeds_and_registered() -> None:
    X, y = rows()
    first, second = (build_model("lightgbm", ModelContext(len(X), 4)).fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert build_model("lightgbm", ModelContext(40_000)).min_leaf_rows == 100


def test_exported_model_is_loaded_and_predicts_the_same(tmp_path: Path) -> None:
    X, y = rows()
    selection = FeatureSelection.choose(["classic"])
    fitted = build_model("lightgbm", ModelContext(len(X))).fit(X, y)
    columns = selection.describe()["columns"]
    model = SignalModel(fitted, columns, {"name": "lightgbm"})
    write_bundle(tmp_path / "model.mlsignal", model, selection, {"symbol": "X", "interval": "1m"}, X)
    loaded = load_bundle(tmp_path / "model.mlsignal").model
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_exported_model_with_a_broken_tree_is_refused(tmp_path: Path) -> None:
    X, y = rows()
    fitted = BoostedTrees(n_trees=3).fit(X, y)
    tree = fitted.estimators_[1, 0].tree_
    state = tree.__getstate__()
    state["nodes"]["left_child"][0] = 10**6
    tree.__setstate__(state)
    selection = FeatureSelection.choose(["classic"])
    model = SignalModel(fitted, selection.describe()["columns"], {"name": "lightgbm"})
    none = X[:0]
    write_bundle(tmp_path / "model.mlsignal", model, selection, {"symbol": "X", "interval": "1m"}, none)
    with pytest.raises(ModelError, match="broken tree; nothing was run"):
        load_bundle(tmp_path / "model.mlsignal")


def test_pickled_model_predicts_where_lightgbm_is_not_installed(tmp_path: Path) -> None:
    X, y = rows()
    model = SignalModel(BoostedTrees().fit(X, y), [f"f{k}" for k in range(17)], {"name": "lightgbm"})
    joblib.dump(model, tmp_path / "best_model.pkl")
    np.save(tmp_path / "X.npy", X)
    script = (
        "import sys, joblib, numpy; sys.modules['lightgbm'] = None; folder = sys.argv[1]\n"
        "model = joblib.load(folder + '/best_model.pkl')\n"
        "numpy.save(folder + '/p.npy', model.predict_proba(numpy.load(folder + '/X.npy')))"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script, str(tmp_path)], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "p.npy"), model.predict_proba(X))


def test_absent_lightgbm_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    with pytest.raises(MissingExtraError, match=r"the model lightgbm needs the extra 'boost': pip install"):
        build_model("lightgbm", ModelContext(100)).fit(*rows(100))


def test_model_that_is_not_kept_says_the_same_to_the_last_bit() -> None:
    X, y = rows()
    unseen = rows(2_000, seed=1)[0]
    kept, passing = (BoostedTrees(kept=kept).fit(X, y) for kept in (True, False))
    np.testing.assert_array_equal(kept.predict_proba(unseen), passing.predict_proba(unseen))
    clipped = make_pipeline(IQRClipper().fit(X), passing)
    assert clipped.predict_proba(unseen).shape == (2_000, 2)


def three_classes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    X, y = rows(n, 5, seed)
    tie = np.random.default_rng(seed).random(n) < np.where(X[:, 2] > 0, 0.3, 0.05)
    return X, np.where(tie, 2, y).astype(np.int8)


def test_trees_of_three_classes_say_exactly_what_the_booster_says() -> None:
    X, y = three_classes(3_000, 0)
    trees = BoostedTrees(n_trees=30)
    booster, model = trees.fit_booster(X, y), trees.fit(X, y)
    unseen = three_classes(5_000, 1)[0]
    single = unseen.astype(np.float32)
    np.testing.assert_array_equal(model.decision_function(unseen), booster.predict(single, raw_score=True))
    np.testing.assert_allclose(model.predict_proba(unseen), booster.predict(single), rtol=0, atol=1e-15)
    passing = BoostedTrees(n_trees=30, kept=False).fit(X, y)
    np.testing.assert_array_equal(passing.predict_proba(unseen), model.predict_proba(unseen))
    assert model.estimators_.shape == (30, 3)
    assert model.classes_.tolist() == passing.classes_.tolist() == [0, 1, 2]


def test_three_classes_weigh_the_same_as_in_lightgbm_itself() -> None:
    X, y = three_classes(3_000, 0)
    X = X.astype(np.float32)
    judge = LGBMClassifier(
        n_estimators=100, learning_rate=0.05, class_weight="balanced", max_bin=63, n_jobs=1, verbose=-1,
        min_child_samples=20, force_row_wise=True, random_state=0, bin_construct_sample_cnt=10_000,
    ).fit(X, y)  # fmt: skip
    np.testing.assert_allclose(BoostedTrees().fit(X, y).predict_proba(X), judge.predict_proba(X), rtol=1e-5, atol=1e-9)


def test_three_classes_without_a_possible_split_are_the_same_everywhere() -> None:
    model = BoostedTrees().fit(np.ones((60, 3)), np.tile([0, 1, 2, 2], 15).astype(np.int8))
    np.testing.assert_allclose(model.predict_proba(np.ones((4, 3))), 1 / 3)
