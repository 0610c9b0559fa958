"""The audit of a whole run: what it looks at, whom it names, and the markets of chance."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlsignal import audit as audit_module
from mlsignal.audit import audit_run
from mlsignal.config import Settings, load_settings
from mlsignal.errors import LeakageError, TooFewCandlesError
from mlsignal.experiment import run_experiment
from mlsignal.features.sets import FEATURE_SETS
from mlsignal.gathering import GatheredCandles, gather_candles
from mlsignal.labels import direction_labels
from tests.leakage.planted import CHEATING, write_feature_file

CHECKS = [
    "determinism", "prefixes", "future as noise", "lookback", "unseen candles", "target in features", "missing values",
    "labels", "candles on both sides", "label spans across folds", "duplicated rows", "fitting on training rows",
]  # fmt: skip


def settings_for(**changes: Any) -> Settings:
    given = {"source": "sim:7", "symbol": "BTCUSDT", "lookback_candles": 1_500, "folds": 3, "trees": 5, "jobs": 1}
    return load_settings({**given, **changes})


@pytest.mark.parametrize("features", FEATURE_SETS)
def test_audit_of_what_ships_passes(features: str) -> None:
    report = audit_run(settings_for(features=features, lookback_candles=3_000))
    assert [check.check for check in report.checks] == CHECKS
    assert all(check.result == "passed" for check in report.checks)
    assert report.passed
    report.raise_for_leaks()


def test_audit_of_a_cheating_file_names_the_culprit_every_time(tmp_path: Path) -> None:
    file = write_feature_file(tmp_path, CHEATING["centred_mean"] + CHEATING["longer_memory"])
    first, second = (audit_run(settings_for(feature_file=file)) for _ in range(2))
    assert first.to_dict() == second.to_dict()
    assert set(first.leakage.culprits) == {"centred_mean", "longer_memory"}
    assert not first.passed
    with pytest.raises(LeakageError, match=r"leak found: centred_mean, longer_memory\. centred_mean \(prefixes\)"):
        first.raise_for_leaks()


def test_audit_of_too_few_candles_is_refused_unless_a_leak_showed(tmp_path: Path) -> None:
    with pytest.raises(TooFewCandlesError):
        audit_run(settings_for(lookback_candles=200))
    file = write_feature_file(tmp_path, CHEATING["centred_mean"])
    report = audit_run(settings_for(lookback_candles=200, feature_file=file))
    assert report.leakage.culprits == ("centred_mean",)


def judged(edge: Callable[[int], bool | None]) -> Callable[..., Any]:
    """A pipeline whose n-th run ends with the given verdict."""
    runs: list[GatheredCandles] = []

    def run(settings: Settings, gathered: GatheredCandles, *, labels: Any = None) -> Any:
        runs.append(gathered)
        assert "mlsignal-audit-" in str(settings.trials)
        assert (labels is None) == (gathered.candles.symbol == "NULLUSDT")
        assert len(gathered.candles) == 1_500
        metrics = {"verdict": {"predictive": {"edge": edge(len(runs)), "p": None}}}
        return SimpleNamespace(evaluation=SimpleNamespace(metrics=metrics))

    return run


@pytest.mark.parametrize(
    ("edge", "culprits"),
    [
        (lambda run: None, ()),
        (lambda run: run == 1, ()),
        (lambda run: run % 2 == 1, ("shuffled labels",)),
        (lambda run: run % 2 == 0, ("null markets",)),
    ],
)
def test_audit_of_chance_fails_where_edges_are_too_many(
    edge: Callable[[int], bool | None], culprits: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_module, "run_experiment", judged(edge))
    report = audit_run(settings_for(), null_seeds=4)
    assert report.leakage.culprits == culprits
    assert [check.count for check in report.checks[-2:]] == [4, 4]


def test_audit_of_chance_runs_the_whole_pipeline() -> None:
    report = audit_run(settings_for(models="logistic_regression"), null_seeds=1)
    assert report.passed
    assert [check.check for check in report.checks[-2:]] == ["shuffled labels", "null markets"]


def test_run_on_given_labels_uses_them() -> None:
    settings = settings_for(models="logistic_regression")
    gathered = gather_candles(settings)
    labels = direction_labels(gathered.candles)
    turned = labels.__class__(**{**vars(labels), "up": (1 - labels.up).astype(np.int8)})
    up_share = [
        run_experiment(settings, gathered, labels=given).evaluation.metrics["data"]["up_share"]
        for given in (None, labels, turned)
    ]
    assert up_share[0] == up_share[1] == pytest.approx(1 - up_share[2])
