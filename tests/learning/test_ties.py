import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlsignal.evaluation.three_classes import three_class_scores
from mlsignal.learning.outliers import IQRClipper
from mlsignal.learning.ties import ThreeClassClassifier, class_probabilities, three_class_labels


@pytest.fixture(scope="module")
def rows():
    """Ties where the second feature is low; of the others, ups where the first is high."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4_000, 2))
    tie = rng.random(4_000) < 1 / (1 + np.exp(3 * X[:, 1] + 1))
    y = ((X[:, 0] + rng.normal(size=4_000) > 0) & ~tie).astype(np.int8)
    return X, y, tie


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), RandomForestClassifier(20, min_samples_leaf=50, random_state=0)]
)
def test_three_classes_answer_up_given_that_the_candle_moves(rows, estimator):
    X, y, tie = rows
    model = ThreeClassClassifier(estimator.fit(X, three_class_labels(y, tie)))
    classes = model.predict_classes(X)
    np.testing.assert_allclose(classes.sum(axis=1), 1)
    p_up = model.predict_proba(X)[:, 1]
    np.testing.assert_allclose(p_up, classes[:, 1] / (classes[:, 0] + classes[:, 1]))
    assert model.classes_.tolist() == [0, 1]
    assert abs(p_up[~tie].mean() - y[~tie].mean()) < 0.02
    np.testing.assert_array_equal(model.predict(X), p_up > 0.5)


def test_three_classes_without_a_tie_to_learn_from_say_so(rows):
    X, y, _ = rows
    model = ThreeClassClassifier(LogisticRegression().fit(X, y))
    assert (model.predict_classes(X)[:, 2] == 0).all()


def test_three_classes_without_a_down_to_learn_from_say_so(rows):
    X, y, tie = rows
    kept = tie | (y == 1)
    model = ThreeClassClassifier(LogisticRegression().fit(X[kept], three_class_labels(y, tie)[kept]))
    classes = model.predict_classes(X)
    assert (classes[:, 0] == 0).all()
    assert classes[tie, 2].mean() > classes[~tie, 2].mean()


def test_class_probabilities_reach_through_a_pipeline(rows):
    X, y, tie = rows
    clipper = IQRClipper().fit(X)
    model = ThreeClassClassifier(LogisticRegression().fit(clipper.transform(X), three_class_labels(y, tie)))
    found = class_probabilities(make_pipeline(clipper, model), X)
    np.testing.assert_allclose(found, model.predict_classes(clipper.transform(X)))


def test_three_class_scores_tell_ties_from_directions(rows):
    X, y, tie = rows
    model = ThreeClassClassifier(LogisticRegression().fit(X, three_class_labels(y, tie)))
    scores = three_class_scores(y, tie, model.predict_classes(X))
    assert scores["tie_roc_auc"] > 0.85
    assert scores["log_loss"] < np.log(3)
    assert scores["shares"]["tie"] == pytest.approx(tie.mean())
    assert sum(sum(row.values()) for row in scores["confusion"].values()) == len(y)
    assert sum(scores["confusion"][name][name] for name in scores["confusion"]) / len(y) == pytest.approx(
        scores["accuracy"]
    )
