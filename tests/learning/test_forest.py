"""The binned forest: the same decisions on features as on bins."""

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier

from mlsignal.learning.forest import BinnedForest, FeatureBins
from mlsignal.metrics import roc_auc


def rows(n: int = 4_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1, 1e-6, 1e6, 1, 1]
    X[:, 3] = np.round(X[:, 3])  # few distinct values
    X[:, 4] = 7.0  # one only
    y = (X[:, 0] + X[:, 1] * 1e6 + rng.normal(size=n) > 0).astype(np.int8)
    return X, y


def forest() -> RandomForestClassifier:
    return RandomForestClassifier(20, min_samples_leaf=20, random_state=0, max_samples=0.5)


def test_forest_on_features_decides_as_the_forest_on_bins() -> None:
    X, y = rows()
    bins = FeatureBins(64).fit(X)
    on_bins = clone(forest()).fit(bins.transform(X), y)
    on_features = BinnedForest(forest(), FeatureBins(64)).fit(X, y)
    unseen = rows(seed=1)[0]
    for part in (X, unseen):
        np.testing.assert_array_equal(on_features.predict_proba(part), on_bins.predict_proba(bins.transform(part)))


def test_forest_on_bins_ranks_as_well_as_a_plain_one() -> None:
    """Column 1 is of the size 1e-6: a plain forest does not see differences below 1e-7, so that is scaled up."""
    (X, y), (unseen, truth) = rows(), rows(seed=1)
    X, unseen = X * [1, 1e6, 1, 1, 1], unseen * [1, 1e6, 1, 1, 1]
    binned = BinnedForest(forest(), FeatureBins(64)).fit(X, y).predict_proba(unseen)[:, 1]
    plain = forest().fit(X, y).predict_proba(unseen)[:, 1]
    assert abs(roc_auc(truth, binned) - roc_auc(truth, plain)) < 0.01


def test_bins_hold_about_equally_many_rows() -> None:
    X, _ = rows()
    binned = FeatureBins(64).fit(X).transform(X)
    counts = np.bincount(binned[:, 0].astype(int))
    assert len(counts) == 64
    assert counts.min() > 0.9 * len(X) / 64
    assert np.unique(binned[:, 4]).tolist() == [0.0]
    values, counts = np.unique(X[:, 3], return_counts=True)
    assert len(np.unique(binned[:, 3])) >= (counts > len(X) / 64).sum()
    assert len(np.unique(binned[:, 3])) <= len(values)


def test_forest_on_bins_sees_features_of_any_size() -> None:
    X, y = rows()
    unseen = rows(seed=1)[0]
    small = BinnedForest(forest(), FeatureBins(64)).fit(X, y).predict_proba(unseen)
    scale = np.array([1e-9, 1e9, 1, 1, 1])
    large = BinnedForest(forest(), FeatureBins(64)).fit(X * scale, y).predict_proba(unseen * scale)
    np.testing.assert_allclose(small, large, atol=0.02)


def test_bins_do_not_change_with_rows_that_come_later() -> None:
    X, _ = rows()
    bins = FeatureBins(64).fit(X[:2_000])
    before = bins.transform(X[:10])
    bins.transform(X[2_000:])
    np.testing.assert_array_equal(bins.transform(X[:10]), before)
