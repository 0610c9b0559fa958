"""`mlsignal compare`: two folders of runs in, differences out, and one line where they cannot be compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer

from mlsignal.apps.compare_cli import compare
from mlsignal.apps.compare_jobs import compare_job
from mlsignal.errors import ConfigurationError, DataError

MODELS = ("logistic_regression", "random_forest")


def write_run(
    folder: Path,
    skill: float = 0.0,
    first: int = 0,
    n: int = 800,
    seed: int = 0,
    drop: tuple[str, ...] = (),
    **facts: Any,
) -> Path:
    """Write the folder of a run whose second model knows the labels a little."""
    rng, n = np.random.default_rng(0), 800
    logit = rng.normal(size=5_000)[first : first + n]
    chance = 1 / (1 + np.exp(-logit))
    label = (np.random.default_rng(1).random(5_000)[first : first + n] < chance).astype(np.int8)
    tie = (label == 0) & (np.random.default_rng(2).random(5_000)[first : first + n] < 0.1)
    times = pl.Series(1_718_800_020_000 + 60_000 * np.arange(first, first + n)).cast(pl.Datetime("ms"))
    noise = np.random.default_rng(10 + seed)
    parts = []
    for model, known in zip(MODELS, (0.0, skill), strict=True):
        p_up = 1 / (1 + np.exp(-known * logit - 0.2 * noise.normal(size=n)))
        for fold in ("1", "test"):
            columns = {"open_time": times.dt.replace_time_zone("UTC"), "p_up": p_up, "label": label, "tie": tie}
            parts.append(
                pl.DataFrame(columns).with_columns(symbol=pl.lit("BTCUSDT"), fold=pl.lit(fold), model=pl.lit(model))
            )
    folder.mkdir()
    pl.concat(parts).sample(fraction=1, shuffle=True, seed=seed).drop(*drop).write_parquet(
        folder / "predictions.parquet"
    )
    settings = {"horizon": facts.get("horizon", 1), "ties": facts.get("ties", "down")}
    data = {"interval": facts.get("interval", "1m"), "sha256": facts.get("sha256", "a"), "synthetic": False}
    metrics = {"schema_version": 1, "selected": MODELS[1], "settings": settings, "data": data}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def compared(first: Path, second: Path, capsys: pytest.CaptureFixture[str], models: str | None = None) -> Any:
    compare_job(first, second, models, as_json=True)
    return json.loads(capsys.readouterr().out)


def test_better_run_is_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(write_run(tmp_path / "a", 0.8), write_run(tmp_path / "b", 0.1, seed=1), capsys)
    assert found["n"] == 800
    auc, loss = found["scores"]["without_ties.roc_auc"], found["scores"]["without_ties.log_loss"]
    assert auc["interval"][0] > 0
    assert loss["interval"][1] < 0
    assert max(auc["p"], loss["p"], found["diebold_mariano"]["p"]) < 0.001
    assert f"{tmp_path / 'a'} (random forest) has the better AUC without ties" in found["text"]
    assert found["warnings"] == []


def test_equal_runs_are_not_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(write_run(tmp_path / "a", 0.4), write_run(tmp_path / "b", 0.4, seed=1), capsys)
    assert "cannot be told apart" in found["text"]
    assert found["scores"]["without_ties.roc_auc"]["p"] > 0.05


def test_models_are_chosen_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "a", 0.8)
    found = compared(run, run, capsys, "random_forest, logistic_regression")
    assert (found["first"]["model"], found["second"]["model"]) == ("random_forest", "logistic_regression")
    assert found["scores"]["roc_auc"]["difference"] > 0.1
    same = compared(run, run, capsys, "logistic_regression")
    assert same["scores"]["roc_auc"]["difference"] == 0


def test_only_common_test_rows_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = write_run(tmp_path / "a", 0.5), write_run(tmp_path / "b", 0.5, first=300, ties="drop", sha256="b")
    found = compared(a, b, capsys)
    assert found["n"] == 500
    assert len(found["warnings"]) == 2
    assert "ties are treated as down and as drop" in found["warnings"][0]


def test_table_and_sentence_are_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compare_job(write_run(tmp_path / "a", 0.8), write_run(tmp_path / "b", 0.1, seed=1), None, as_json=False)
    shown = " ".join(capsys.readouterr().out.split())  # lines break where the folders' names are long
    for words in ("difference", "95 % interval", "AUC, ties left out", "<0.001", "has the better AUC"):
        assert words in shown


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"first": 2_000}, "too little in common: 0 test rows"),
        ({"horizon": 5}, "horizon of .* is 1, that of .* is 5"),
        ({"interval": "5m"}, "interval of .* is 1m, that of .* is 5m"),
        ({"drop": ("tie",)}, "predictions.parquet lacks tie"),
    ],
)
def test_runs_with_nothing_in_common_are_refused(tmp_path: Path, facts: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare_job(write_run(tmp_path / "a"), write_run(tmp_path / "b", **facts), None, as_json=False)


def test_folder_of_no_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    with pytest.raises(ConfigurationError, match="is no folder of a run"):
        compare_job(run, tmp_path, None, as_json=False)
    with pytest.raises(ConfigurationError, match="is no folder of a run"):
        compare_job(run / "metrics.json", run, None, as_json=False)


def test_broken_run_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    (run / "predictions.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match="cannot be read"):
        compare_job(run, run, None, as_json=False)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ("random_forrest", "Did you mean 'random_forest'"),
        ("a,b,c", "expected a name, or two"),
        (",", "expected a name"),
    ],
)
def test_unknown_models_are_refused(tmp_path: Path, models: str, message: str) -> None:
    run = write_run(tmp_path / "a")
    with pytest.raises(ConfigurationError, match=message):
        compare_job(run, run, models, as_json=False)


def test_command_takes_two_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = write_run(tmp_path / "a", 0.8)
    app = typer.Typer()
    app.command()(compare)
    app([str(a), str(a), "--models", ",".join(MODELS), "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["n"] == 800
