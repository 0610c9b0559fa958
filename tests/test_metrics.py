"""Scores against scikit-learn's, and the scores without ties."""

import numpy as np
import pytest
from sklearn import metrics as sk

from mlsignal.metrics import classification_scores, is_better, read_score, roc_auc, score_model


def sample(n: int = 500, seed: int = 0, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n).astype(np.int8)
    return y, np.clip(np.round(0.5 + 0.1 * rng.normal(size=n) + 0.03 * y, digits), 0.01, 0.99)


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_scores_equal_those_of_scikit_learn(digits: int) -> None:
    y, p_up = sample(digits=digits)
    scores = classification_scores(y, p_up)
    said = p_up > 0.5
    expected = {
        "n": len(y),
        "accuracy": sk.accuracy_score(y, said),
        "balanced_accuracy": sk.balanced_accuracy_score(y, said),
        "f1_up": sk.f1_score(y, said),
        "roc_auc": sk.roc_auc_score(y, p_up),
        "log_loss": sk.log_loss(y, p_up),
        "brier": sk.brier_score_loss(y, p_up),
        "mcc": sk.matthews_corrcoef(y, said),
    }
    assert scores == pytest.approx(expected, rel=1e-12)


def test_auc_of_one_class_is_nan() -> None:
    assert np.isnan(roc_auc(np.ones(3, dtype=np.int8), np.array([0.1, 0.2, 0.3])))


def test_scores_without_ties_leave_tied_rows_out() -> None:
    y, p_up = sample()
    tie = np.zeros(len(y), dtype=bool)
    tie[::5] = True
    scores = score_model(np.where(tie, 0, y).astype(np.int8), tie, p_up)
    moved = classification_scores(y[~tie], p_up[~tie])
    assert scores["without_ties"] == {key: moved[key] for key in ("n", "accuracy", "roc_auc", "log_loss", "brier")}
    assert scores["n"] == len(y)


def test_scores_of_ties_that_volatility_predicts_differ_from_those_without() -> None:
    """A null walk in which only ties can be foreseen: the AUC with ties is far from .5, without them it is not."""
    rng = np.random.default_rng(1)
    n = 20_000
    quiet = rng.random(n)
    tie = rng.random(n) < 0.4 * quiet
    y = np.where(tie, 0, rng.integers(0, 2, n)).astype(np.int8)
    scores = score_model(y, tie, 1 - quiet)
    assert scores["roc_auc"] > 0.55
    assert abs(scores["without_ties"]["roc_auc"] - 0.5) < 0.015


def test_top_decile_is_of_the_most_confident_rows() -> None:
    y = np.array([1] * 10 + [0] * 90, dtype=np.int8)
    p_up = np.where(np.arange(100) < 10, 0.9, 0.45)
    scores = score_model(y, np.zeros(100, dtype=bool), p_up)
    assert scores["top_decile"] == {"n": 10, "accuracy_without_ties": 1.0}


def test_read_score_goes_into_groups() -> None:
    assert read_score({"a": 1, "g": {"b": 2.5}}, "g.b") == 2.5
    with pytest.raises(KeyError):
        read_score({"a": 1}, "b")


def test_lower_losses_are_better() -> None:
    assert is_better("log_loss", 0.6, 0.7)
    assert is_better("without_ties.log_loss", 0.6, 0.7)
    assert is_better("f1_up", 0.7, 0.6)
    assert not is_better("f1_up", float("nan"), 0.6)
