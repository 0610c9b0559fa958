"""The verdict: its two answers follow from the tests, and its words from the answers."""

import copy
from typing import Any

import pytest

from mlsignal.evaluation.verdict import verdict

METRICS: dict[str, Any] = {
    "selected": "random_forest",
    "models": {
        "logistic_regression": {"test": {}},
        "random_forest": {
            "test": {"without_ties": {"n": 9_000, "accuracy": 0.53, "roc_auc": 0.54, "ci": {"roc_auc": [0.52, 0.56]}}}
        },
    },
    "settings": {"horizon": 1, "feature_names": ["prev_close", "rsi14"]},
    "baselines": {"always_up": {"without_ties": {"accuracy": 0.5}}},
    "significance": {
        "degrees": 90.0,
        "models": {
            "random_forest": {
                "p": 0.001,
                "p_adjusted": 0.002,
                "p_auc": 0.0001,
                "standard_error": 0.006,
                "against": {
                    "majority": {"p": 0.0001, "difference": -0.003},
                    "persistence": {"p": 0.001, "difference": -0.002},
                },
            }
        },
    },
    "economics": {"gross_return": 0.1, "net_return": -0.9, "break_even_fee_bps": 0.4},
    "decision": {"trades": 0, "p": None, "round_trip_bps": 21.5, "net_return": 0.0, "buy_and_hold_return": 0.02},
    "trials": {"n_trials": 2, "deflated_sharpe": None, "pbo": None},
    "audit": {"findings": []},
}


def changed(**paths: Any) -> dict[str, Any]:
    metrics = copy.deepcopy(METRICS)
    for path, value in paths.items():
        *parents, leaf = path.split("__")
        place = metrics
        for name in parents:
            place = place[name]
        place[leaf] = value
    return metrics


def test_verdict_of_a_significant_model_is_a_predictive_edge_only() -> None:
    found = verdict(METRICS)
    assert found["edge"] is True
    assert found["predictive"] == {"edge": True, "p": 0.002, "p_run": 0.002, "n_trials": 2, "level": 0.01}
    assert found["economic"]["edge"] is False
    assert found["text"].startswith("There is a predictive edge.")
    assert "2.00 thousandths of a nat better than the hardest baseline (persistence)" in found["text"]
    assert "After costs: no edge. No expected gain" in found["text"]
    assert "would often go unseen" not in found["text"]


@pytest.mark.parametrize("p", [0.01, 0.2])
def test_verdict_at_or_above_the_level_shows_no_edge_and_what_would_go_unseen(p: float) -> None:
    found = verdict(
        changed(significance__models__random_forest__p_adjusted=p, significance__models__random_forest__p_auc=p)
    )
    assert found["edge"] is False
    assert found["text"].startswith("No predictive edge is shown.")
    # .5 + .006 (t of .99 + t of .8, 90 degrees): 2.368 + .846
    assert "an AUC below about 0.519 would often go unseen" in found["text"]


def test_verdict_of_hardly_any_rows_names_no_impossible_auc() -> None:
    few = {"significance__models__random_forest__p_auc": 0.3, "significance__models__random_forest__p_adjusted": 0.3}
    told = verdict(changed(**few, significance__models__random_forest__standard_error=0.2, significance__degrees=5.0))
    assert "no AUC whatever could be shown" in told["text"]
    student = verdict(changed(**few, significance__degrees=5.0))["text"]
    assert "an AUC below about 0.526 would" in student, "3.37 + .92 errors"


def test_verdict_of_a_model_that_ranked_nothing_says_so() -> None:
    flat = {"significance__models__random_forest__p_auc": 1.0, "significance__models__random_forest__p_adjusted": 1.0}
    told = verdict(changed(**flat, significance__models__random_forest__standard_error=0.0))["text"]
    assert "ranked nothing" in told
    assert "go unseen" not in told


@pytest.mark.parametrize(
    ("horizon", "names", "told"), [(60, ["ma50"], True), (60, ["rsi14"], False), (5, ["ma50"], False)]
)
def test_verdict_far_ahead_warns_of_features_at_the_level_of_prices(horizon: int, names: list[str], told: bool) -> None:
    text = verdict(changed(settings={"horizon": horizon, "feature_names": names}))["text"]
    assert ("leans above .5" in text) is told
    assert ("150 moves that do not overlap" in text) is told


def test_verdict_without_tests_is_not_decided() -> None:
    found = verdict(changed(significance=None))
    assert found["edge"] is None
    assert "cannot be judged" in found["text"]


def test_verdict_of_one_class_is_not_decided() -> None:
    found = verdict(changed(models__random_forest__test__without_ties__roc_auc=None))
    assert (found["predictive"]["edge"], found["predictive"]["p"]) == (None, None)
    assert "cannot be judged" in found["text"]


def test_verdict_where_only_the_log_loss_fails_does_not_speak_of_unseen_rankings() -> None:
    found = verdict(changed(significance__models__random_forest__p_adjusted=0.2))
    assert found["edge"] is False
    assert "would often go unseen" not in found["text"]


def test_verdict_with_a_leak_claims_nothing() -> None:
    found = verdict(changed(audit__findings=[{"culprit": "tomorrow", "severity": "leak"}]))
    assert found["edge"] is None
    assert found["text"].startswith("WARNING: the audit of this run accuses tomorrow")
    assert "There is a predictive edge" not in found["text"]


@pytest.mark.parametrize(
    ("p", "deflated", "edge"), [(0.001, 0.99, True), (0.001, 0.9, False), (0.02, 0.99, False), (0.001, None, False)]
)
def test_verdict_after_costs_needs_significance_and_more_than_luck(
    p: float, deflated: float | None, edge: bool
) -> None:
    found = verdict(
        changed(decision__trades=120, decision__p=p, decision__net_return=0.3, trials__deflated_sharpe=deflated)
    )
    assert found["economic"]["edge"] is edge
    assert ("After costs: an edge" in found["text"]) is edge


def test_verdict_after_costs_does_not_call_the_drift_of_the_market_an_edge() -> None:
    money = {"decision__trades": 745, "decision__p": 0.4, "decision__net_return": 4.2, "trials__deflated_sharpe": 0.99}
    found = verdict(changed(**money, decision__p_return=0.0001, decision__p_timing=0.4))
    assert found["economic"]["edge"] is False
    assert "the market gave to its mean position, and not the timing" in found["text"]
    assert "mean position" not in verdict(changed(**money, decision__p_return=0.4, decision__p_timing=0.4))["text"]


def test_verdict_after_few_trades_is_not_decided() -> None:
    found = verdict(changed(decision__trades=3))
    assert found["economic"]["edge"] is None
    assert "After costs: not decided" in found["text"]


def test_verdict_counts_every_trial() -> None:
    assert verdict(changed(trials__n_trials=9))["edge"] is True
    found = verdict(changed(trials__n_trials=40))
    assert found["edge"] is False
    assert found["predictive"]["p"] == pytest.approx(0.04)
    assert found["text"].startswith("No predictive edge is shown.")
    assert "p = 0.040, corrected for 40 trials" in found["text"]
    assert "In this run alone: p = 0.002; who tries often finds something." in found["text"]


def test_verdict_where_one_side_is_common_does_not_suspect_a_leak() -> None:
    accuracy = {"models__random_forest__test__without_ties__accuracy": 0.63}
    assert verdict(changed(**accuracy))["warning"]
    assert verdict(changed(**accuracy, baselines__always_up__without_ties__accuracy=0.39))["warning"] is None


def test_verdict_above_60_percent_warns_and_names_what_the_audit_found() -> None:
    accuracy = {"models__random_forest__test__without_ties__accuracy": 0.61}
    found = verdict(changed(**accuracy))
    assert found["text"].startswith("WARNING: an accuracy of 61.00%")
    assert "found nothing" in found["warning"]
    leak = {"culprit": "tomorrow", "severity": "leak"}
    found = verdict(changed(**accuracy, audit__findings=[leak, leak, {"culprit": "slow", "severity": "warning"}]))
    assert "the audit of this run accuses tomorrow: no score" in found["warning"]
    assert verdict(METRICS)["warning"] is None
