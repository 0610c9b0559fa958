"""The pipeline's ways: every scheme of validation, refits, ties as a class, leaks that are named, trials that count."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import mlsignal
from mlsignal.errors import ConfigurationError
from mlsignal.experiment import RunResult

N = 6_000
LEAKY = """
import numpy as np
from mlsignal import feature

@feature(lookback=1)
def tomorrow(candles):
    return np.append(candles.close[1:], candles.close[-1]) / candles.close - 1
"""


def run(**settings: Any) -> RunResult:
    return mlsignal.run(
        **{"source": "sim:4", "lookback_candles": N, "engine": "plain", "folds": 3, "trees": 20, **settings}
    )


@pytest.mark.parametrize(
    ("settings", "n_folds"),
    [
        ({"validation": "walk_forward"}, 3),
        ({"validation": "walk_forward", "refit_every": 700, "train_candles": 1_500}, 4),
        ({"validation": "combinatorial", "folds": 4, "test_groups": 2, "embargo": 30}, 6),
    ],
)
def test_run_validates_by_every_scheme(settings: dict[str, Any], n_folds: int) -> None:
    metrics = run(horizon=3, **settings).evaluation.metrics
    assert metrics["validation"]["scheme"] == settings["validation"]
    assert metrics["validation"]["n_folds"] == n_folds
    assert metrics["validation"]["purged"] > 0
    assert len(metrics["models"]["random_forest"]["cv"]["f1_up"]["folds"]) == n_folds
    assert metrics["audit"]["findings"] == []


def test_refits_over_the_test_rows_differ_from_one_fit_and_are_what_is_exported(tmp_path: Path) -> None:
    once, anew = run(models="logistic_regression"), run(models="logistic_regression", refit_every=300)
    first, second = (
        result.evaluation.predictions.filter(pl.col("fold") == "test")["p_up"].to_numpy() for result in (once, anew)
    )
    np.testing.assert_array_equal(first[:299], second[:299])
    assert (first[310:] != second[310:]).any()
    data = anew.evaluation.metrics["data"]
    assert data["exported_rows"] > data["train_rows"]
    assert data["train_end"] < data["test_start"] < data["exported_end"]


def test_versions_name_the_libraries_that_trained_and_no_others() -> None:
    pytest.importorskip("lightgbm")
    boosted, plain = (run(models=models).evaluation.metrics for models in ("lightgbm", "logistic_regression"))
    assert boosted["versions"]["lightgbm"][0].isdigit()
    assert set(boosted["versions"]) - set(plain["versions"]) == {"lightgbm"}


def test_rolling_window_that_nothing_uses_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"train_candles: .*refit_every"):
        run(train_candles=1_000)


def test_ties_as_a_third_class_are_scored_and_exported(tmp_path: Path) -> None:
    result = mlsignal.run(
        tmp_path / "run", source="sim:4", symbol="NULLUSDT", lookback_candles=N, engine="plain", folds=3, ties="third"
    )
    scores = result.evaluation.metrics["models"][result.evaluation.metrics["selected"]]["test"]["three_class"]
    assert scores["tie_roc_auc"] > 0.6
    assert sum(scores["shares"].values()) == pytest.approx(1)
    bundle = mlsignal.load_bundle(tmp_path / "run")
    rows = result.golden[:50]
    np.testing.assert_allclose(bundle.model.predict_proba(rows), result.model.predict_proba(rows))


def test_leaky_feature_is_named_in_the_verdict_of_an_ordinary_run(tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY)
    metrics = run(feature_file=tmp_path / "leaky.py", models="random_forest").evaluation.metrics
    assert metrics["models"]["random_forest"]["test"]["without_ties"]["accuracy"] > 0.9
    assert metrics["verdict"]["text"].startswith("WARNING")
    assert "accuses tomorrow" in metrics["verdict"]["warning"]
    assert metrics["verdict"]["edge"] is None


def test_trials_are_counted_once_each(tmp_path: Path) -> None:
    one = {"models": "logistic_regression", "trials": tmp_path / "log"}
    assert run(**one).evaluation.metrics["trials"]["n_trials"] == 1
    assert run(**one).evaluation.metrics["trials"]["n_trials"] == 1
    assert run(**one, outliers="none").evaluation.metrics["trials"]["n_trials"] == 2
    assert run(**one, symbol="ETHUSDT").evaluation.metrics["trials"]["n_trials"] == 1


def test_decisions_trade_where_costs_allow_it_and_not_where_they_do_not() -> None:
    free, dear = run(costs="free"), run(costs="binance-spot")
    assert free.evaluation.metrics["decision"]["trades"] > 100
    assert free.evaluation.metrics["decision"]["p"] is not None
    assert dear.evaluation.metrics["decision"]["trades"] == 0
    assert dear.evaluation.metrics["verdict"]["economic"] == {"edge": False, "p": None, "level": 0.01}


def test_numbers_do_not_depend_on_jobs() -> None:
    one, two = run(jobs=1, refit_every=500), run(jobs=2, refit_every=500)
    kept = ("models", "baselines", "significance", "decision", "verdict")
    assert all(one.evaluation.metrics[key] == two.evaluation.metrics[key] for key in kept)
