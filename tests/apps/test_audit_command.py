"""`mlsignal audit` as its users meet it."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from mlsignal.apps.audit_cli import audit
from mlsignal.errors import LeakageError
from tests.leakage.planted import CHEATING, write_feature_file
from tests.markets import write_market


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), 1_500)


def run_audit(*arguments: str | Path) -> Result:
    app = typer.Typer()
    app.command()(audit)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_audit_of_what_ships_ends_well_and_the_same_way_twice(market: Path) -> None:
    first, second = (run_audit("--source", market) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    assert "prefixes" in first.output
    assert "No leak found." in first.output


def test_audit_of_a_leak_names_it_and_ends_with_six(market: Path, tmp_path: Path) -> None:
    file = write_feature_file(tmp_path, CHEATING["resampled_close"])
    done = run_audit("--source", market, "--feature-file", file)
    assert isinstance(done.exception, LeakageError)
    assert done.exception.exit_code == 6
    assert "resampled_close" in str(done.exception)
    assert "\n" not in str(done.exception)
    assert "leak  resampled_close  prefixes: the value of 2024-01-01" in done.output


def test_audit_prints_json_although_it_fails(market: Path, tmp_path: Path) -> None:
    file = write_feature_file(tmp_path, CHEATING["label_itself"])
    done = run_audit("--source", market, "--feature-file", file, "--json")
    assert isinstance(done.exception, LeakageError)
    report = json.loads(done.stdout)
    assert report["passed"] is False
    assert {finding["culprit"] for finding in report["findings"]} == {"label_itself"}
    assert {finding["check"] for finding in report["findings"]} >= {"prefixes", "future as noise", "target in features"}
    assert all(set(check) == {"check", "looked_at", "count", "result"} for check in report["checks"])
