"""The command line as its users meet it."""

import io
import json
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlsignal.apps.cli import main
from mlsignal.candles import Interval
from mlsignal.notes import NOTE
from tests.markets import write_candles, write_market
from tests.strategies import constant, make_candles

FAST = ("--lookback-candles", "1500", "--trees", "5", "--folds", "3")

ENDED = {143: "terminated", 130: "interrupted"}


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def mlsignal(*arguments: str | Path, cwd: Path) -> Done:
    """Run the command line in this process, which has the heavy libraries already."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        patch.setenv("MLSIGNAL_STORE", str(cwd / "store"))
        patch.setattr(sys, "argv", ["mlsignal", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def assert_one_line(done: Done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: "), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    for word in words:
        assert word in done.stderr


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), 2_000)


@pytest.fixture(scope="module")
def finished(market: Path) -> Path:
    done = mlsignal("run", "--source", market, *FAST, "--output", market / "run", cwd=market)
    assert done.returncode == 0, done.stderr
    assert "selected on the training rows" in done.stdout
    return market / "run"


def test_run_leaves_what_it_promises(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "best_model.pkl",
        "model.mlsignal",
        "metrics.json",
        "report.html",
        "figures",
        "predictions.parquet",
    }
    assert not [path for path in finished.parent.iterdir() if path.name.startswith(".")]
    table = pl.read_parquet(finished / "predictions.parquet")
    assert table.columns == ["symbol", "open_time", "close_time", "fold", "model", "p_up", "label", "tie", "p_moved"]
    assert set(table["fold"]) == {"1", "2", "3", "test"}


def test_run_metrics_have_the_documented_shape(finished: Path) -> None:
    metrics = json.loads((finished / "metrics.json").read_text())
    assert metrics["schema_version"] == 1
    verdict = metrics["verdict"]
    assert (
        verdict["edge"]
        is verdict["predictive"]["edge"]
        is (verdict["predictive"]["p"] < verdict["predictive"]["level"])
    )
    assert verdict["economic"]["edge"] is False
    assert "predictive edge" in verdict["text"]
    assert "After costs: no edge" in verdict["text"]
    assert set(metrics["baselines"]) == {"always_up", "majority", "persistence", "reversal", "shuffled_labels"}
    assert set(metrics["significance"]["models"]) == set(metrics["models"])
    assert metrics["trials"]["n_trials"] == 2
    assert metrics["trials"]["recorded"] is True
    assert metrics["audit"]["findings"] == []
    assert metrics["validation"]["n_folds"] == metrics["settings"]["folds"]
    assert [row["horizon"] for row in metrics["breakeven"]][:2] == [1, 5]
    assert set(metrics["models"]) == {"logistic_regression", "random_forest"}
    for model in metrics["models"].values():
        assert {"mean", "std", "folds"} == set(model["cv"]["f1_up"])
        test = model["test"]
        for score, (low, high) in test["ci"].items():
            assert low <= test[score] <= high
        assert test["without_ties"]["n"] < test["n"] == metrics["data"]["test_rows"]
    assert {"fetch", "features", "cv", "fit", "evaluate", "export", "total"} <= set(metrics["seconds"])


def test_run_json_prints_metrics_alone(market: Path) -> None:
    done = mlsignal("run", "--source", market, *FAST, "--output", "out", "--json", cwd=market)
    assert done.returncode == 0
    assert json.loads(done.stdout)["schema_version"] == 1


def test_run_twice_replaces_a_run_but_nothing_else(finished: Path, market: Path, tmp_path: Path) -> None:
    before = (finished / "metrics.json").stat().st_ino
    again = mlsignal("run", "--source", market, *FAST, "--output", finished, cwd=market)
    assert again.returncode == 0
    assert (finished / "metrics.json").stat().st_ino != before
    (tmp_path / "precious.txt").write_text("mine")
    refused = mlsignal("run", "--source", market, *FAST, "--output", tmp_path, cwd=market)
    assert_one_line(refused, 7, "not a run's")
    assert (tmp_path / "precious.txt").read_text() == "mine"


def test_run_gives_the_same_numbers_twice_whatever_the_jobs(market: Path) -> None:
    def numbers(jobs: str) -> dict:  # type: ignore[type-arg]
        options = ("--source", market, *FAST, "--output", f"jobs{jobs}", "--json", "--engine", "plain", "--jobs", jobs)
        metrics = json.loads(mlsignal("run", *options, cwd=market).stdout)
        return {key: metrics[key] for key in ("models", "baselines", "economics", "selected")}

    assert numbers("1") == numbers("2")


def test_predict_scores_with_the_bundle(finished: Path, market: Path) -> None:
    done = mlsignal("predict", finished, "--source", market, "--output", "p.parquet", cwd=market)
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(market / "p.parquet")
    assert table.columns == ["symbol", "open_time", "close_time", "p_up", "signal"]
    assert table.height == 2_000
    told = json.loads(mlsignal("predict", finished, "--source", market, "--json", cwd=market).stdout)
    assert told["newest"][-1]["p_up"] == table["p_up"][-1]


def test_predict_of_too_few_candles_says_how_many_it_needs(finished: Path, market: Path) -> None:
    options = ("--source", market, "--lookback-candles", "100", "--output", "few.parquet")
    done = mlsignal("predict", finished, *options, cwd=market)
    assert_one_line(done, 3, "330 candles without a gap", "among 100")
    assert not (market / "few.parquet").exists()


def test_fewer_candles_than_asked_for_are_noted(market: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(NOTE):
        for asked in ("2000", "20000"):
            options = ("--source", market, "--lookback-candles", asked, "--output", "f.parquet")
            assert mlsignal("features", *options, cwd=market).returncode == 0
    (note,) = (record.getMessage() for record in caplog.records if record.levelno == NOTE)
    assert note.startswith("20,000 candles were asked for")
    assert "2,000, from 20" in note


def test_features_are_written_with_nan_in_the_warm_up(market: Path) -> None:
    done = mlsignal("features", "--source", market, "--output", "f.parquet", cwd=market)
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(market / "f.parquet")
    assert table.columns[:3] == ["symbol", "open_time", "close_time"]
    assert table["macd_signal"].is_nan().sum() == 329


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("run", "--interval", "7m"), 2, ("'7m'", "15m")),
        (("run", "--sauce", "x"), 2, ("--sauce",)),
        (("runn",), 2, ("runn",)),
        (("run", "--lookback-candles", "many"), 2, ("--lookback-candles", "valid integer")),
        (("run", "--ties", "up"), 2, ("'down', 'drop' or 'third'",)),
        (("run", "--source", "nowhere.parquet"), 3, ("nowhere.parquet",)),
        (("run", "--source", "binanse"), 2, ("Did you mean 'binance'",)),
        (("run", "--source", "{market}", "--symbol", "ETHUSDT"), 3, ("ETHUSDT", "BTCUSDT")),
        (("run", "--source", "{market}", "--lookback-candles", "300"), 3, ("none of the 300 candles",)),
        (("run", "--source", "{market}", "--lookback-candles", "500"), 3, ("too few for 10 folds",)),
        (("run", "--source", "{market}", "--features", "clasic"), 2, ("Did you mean 'classic'",)),
        (("run", "--source", "{market}", "--models", "forest"), 2, ("random_forest",)),
        (("run", "--source", "{market}", "--select-by", "f1", *FAST), 2, ("'f1'",)),
        (("run", "--source", "{market}", "--feature-file", "nothing.py"), 2, ("nothing.py",)),
        (("run", "--binance-base-url", "http://127.0.0.1:1"), 4, ("127.0.0.1", "check the network")),
        (("predict", "nothing", "--source", "{market}"), 5, ("no such folder",)),
        (("predict", "{market}", "--source", "{market}"), 5, ("manifest.json",)),
        (("features", "--source", "{market}"), 2, ("--output",)),
        (("candles", "fetch", "btcusdt"), 2, ("btcusdt",)),
    ],
)
def test_bad_input_ends_with_one_line(
    market: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    filled = [argument.format(market=market) for argument in arguments]
    before = set(market.rglob("*"))
    extra = ("--output", "bad") if arguments[0] == "run" else ()
    assert_one_line(mlsignal(*filled, *extra, cwd=market), code, *words)
    left = {path for path in set(market.rglob("*")) - before if "store" not in path.parts}
    assert not left


def test_run_on_one_class_is_refused(tmp_path: Path) -> None:
    flat = constant(make_candles(1_500), slice(0, 1_500))
    write_candles(tmp_path, flat)
    done = mlsignal("run", "--source", tmp_path, "--symbol", "TESTUSDT", *FAST, "--output", "out", cwd=tmp_path)
    assert_one_line(done, 3, "one class")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing", b"a,b\n1,2\n"])
def test_run_on_a_broken_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("BTCUSDT-1m.csv" if content.startswith(b"a,b") else "BTCUSDT-1m.parquet")
    path.write_bytes(content)
    done = mlsignal("run", "--source", path, "--output", "out", cwd=tmp_path)
    assert_one_line(done, 3, path.name)
    assert not (tmp_path / "out").exists()


def test_run_without_a_needed_column_names_it(tmp_path: Path) -> None:
    candles = make_candles(1_500, interval=Interval.M1)
    frame = candles.to_polars().select("open_time", "open", "high", "low", "close")
    frame.write_parquet(tmp_path / "TESTUSDT-1m.parquet")
    options = ("--source", tmp_path, "--symbol", "TESTUSDT", "--output", "out")
    assert_one_line(mlsignal("run", *options, cwd=tmp_path), 3, "volume")


def test_run_of_a_feature_that_lacks_its_column_names_both(tmp_path: Path) -> None:
    candles = make_candles(1_500)
    frame = candles.to_polars().select("open_time", "open", "high", "low", "close", "volume")
    frame.write_parquet(tmp_path / "TESTUSDT-1m.parquet")
    file = tmp_path / "own.py"
    file.write_text("from mlsignal import feature\n@feature(lookback=1)\ndef share(c):\n    return c.taker_buy_base\n")
    options = ("--source", tmp_path, "--symbol", "TESTUSDT", "--feature-file", file, "--output", "out")
    assert_one_line(mlsignal("run", *options, cwd=tmp_path), 3, "share", "taker_buy_base")


def test_run_into_an_unwritable_place_fails_before_the_work(market: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = mlsignal("run", "--source", market, "--output", tmp_path / "file" / "out", cwd=market)
    assert_one_line(done, 7, "cannot be written")


def test_help_has_an_example_for_every_command(tmp_path: Path) -> None:
    for command in ("run", "features", "predict", "exchange", "demo", ("candles", "fetch"), ("candles", "list")):
        words = (command,) if isinstance(command, str) else command
        done = mlsignal(*words, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert "Example: mlsignal " + " ".join(words) in " ".join(done.stdout.split())
    assert "Exit codes: 0 done" in mlsignal("--help", cwd=tmp_path).stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom mlsignal.apps.cli import app\n"
        "try:\n    app(['--help'], standalone_mode=False)\nexcept SystemExit:\n    pass\n"
        "heavy = "
        "{'numpy', 'polars', 'sklearn', 'scipy', 'talib', 'pydantic', 'matplotlib', 'skops', 'httpx2', 'pandas'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip().endswith("loaded: []")


def test_shell_completion_is_there(tmp_path: Path) -> None:
    done = mlsignal("--show-completion", "bash", cwd=tmp_path)
    assert done.returncode == 0
    assert "complete" in done.stdout


def test_a_user_feature_reaches_the_features_file(market: Path, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "import numpy as np\nfrom mlsignal import feature\n"
        "@feature(lookback=2)\ndef step(candles):\n    return np.append(np.nan, np.diff(candles.close))\n"
    )
    done = mlsignal("features", "--source", market, "--feature-file", file, "--output", "own.parquet", cwd=market)
    assert done.returncode == 0, done.stderr
    table = pl.read_parquet(market / "own.parquet")
    close = pl.read_parquet(market / "BTCUSDT-1m.parquet")["close"].to_numpy()
    np.testing.assert_array_equal(table["step"].to_numpy()[1:], np.diff(close))


def test_a_whole_process_ends_with_the_code_and_one_line(tmp_path: Path) -> None:
    code = "from mlsignal.apps.cli import main; main()"
    command = [sys.executable, "-c", code, "run", "--source", "nowhere.parquet"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert_one_line(Done(done.returncode, done.stdout, done.stderr), 3, "nowhere.parquet")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_run_ended_by_a_signal_leaves_nothing(tmp_path: Path, number: int, code: int) -> None:
    command = [sys.executable, "-c", "from mlsignal.apps.cli import main; main()", "run", "--source", "sim:7"]
    command += ["--lookback-candles", "20000", "--trees", "2000", "--output", "runs/btc"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        try:
            while not list(tmp_path.glob("runs/.btc-*")):
                assert program.poll() is None
                time.sleep(0.05)
            program.send_signal(number)
            _, told = program.communicate(timeout=60)
        finally:
            program.kill()
    assert (program.returncode, told.splitlines()[-1:]) == (code, [f"error: {ENDED[code]}"])
    assert not list((tmp_path / "runs").iterdir())


def test_scenarios_of_the_help_are_those_of_the_exchange() -> None:
    from mlsignal.apps.cli import SCENARIOS
    from mlsignal.sim.scenarios import SCENARIOS as KNOWN

    assert set(SCENARIOS) == set(KNOWN)


def test_exchange_with_an_unknown_scenario_is_refused(tmp_path: Path) -> None:
    done = mlsignal("exchange", "--port", "0", "--scenario", "clam", cwd=tmp_path)
    assert_one_line(done, 2, "'clam'", "calm")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--lookback-candles", "abc"), "'--lookback-candles': Input should be a valid integer"),
        (("--lookback-candles", "abc"), "found 'abc'"),
        (("--config", "x.toml"), "No such option: --config; give it before the command"),
        (("--interval", "1min"), "interval: '1min' is not one of the exchange's intervals. Did you mean '1m'?"),
    ],
)
def test_run_with_an_option_that_cannot_be_says_what_was_found_and_what_to_do(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    assert_one_line(mlsignal("run", *words, cwd=tmp_path), 2, told)
