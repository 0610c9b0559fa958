"""The commands on stored candles and the doctor, against a simulated exchange over HTTP."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlsignal.sim.clock import VirtualClock
from mlsignal.sim.exchange import SimulatedExchange
from mlsignal.sim.faults import Match, Rule
from mlsignal.sim.market import Market
from tests.apps.test_cli import Done, assert_one_line, mlsignal

START = datetime(2024, 1, 1, tzinfo=UTC)
HOURS = 75


@pytest.fixture
def exchange() -> Iterator[tuple[SimulatedExchange, str]]:
    served = SimulatedExchange(Market(5, start=START), VirtualClock(START + timedelta(hours=HOURS, seconds=20)))
    with served.running() as url:
        yield served, url


@pytest.fixture
def fetched(exchange: tuple[SimulatedExchange, str], tmp_path: Path) -> Path:
    done = fetch(exchange[1], tmp_path, "BTCUSDT", "NULLUSDT", "--interval", "1m", "1h")
    assert done.returncode == 0, done.stderr
    return tmp_path


def fetch(url: str, folder: Path, *words: str) -> Done:
    hosts = ("--binance-base-url", url, "--archive-base-url", url)
    return mlsignal("candles", "fetch", *words, "--since", "2024-01-01", *hosts, cwd=folder)


def listed(folder: Path) -> dict[tuple[str, str], dict]:  # type: ignore[type-arg]
    rows = json.loads(mlsignal("candles", "list", "--json", cwd=folder).stdout)
    return {(row["symbol"], row["interval"]): row for row in rows}


def test_fetch_brings_every_symbol_in_every_interval(fetched: Path) -> None:
    found = listed(fetched)
    assert set(found) == {(s, i) for s in ("BTCUSDT", "NULLUSDT") for i in ("1m", "1h")}
    assert found["BTCUSDT", "1m"]["candles"] == HOURS * 60
    assert found["BTCUSDT", "1h"]["candles"] == HOURS
    assert found["BTCUSDT", "1m"]["origin"].startswith("synthetic-")
    assert all(row["missing"] == 0 for row in found.values())


def test_fetch_again_asks_for_the_new_candles_only(exchange: tuple[SimulatedExchange, str], fetched: Path) -> None:
    served, url = exchange
    served.clock.advance(timedelta(minutes=30))  # type: ignore[attr-defined]
    before = len([r for r in served.requests if r.path.endswith("klines")])
    assert fetch(url, fetched, "BTCUSDT", "--interval", "1m").returncode == 0
    assert len([r for r in served.requests if r.path.endswith("klines")]) - before <= 3
    assert listed(fetched)["BTCUSDT", "1m"]["candles"] == HOURS * 60 + 30


def test_fetch_until_leaves_the_moment_itself_out(exchange: tuple[SimulatedExchange, str], tmp_path: Path) -> None:
    done = fetch(exchange[1], tmp_path, "BTCUSDT", "--interval", "1h", "--until", "2024-01-02")
    assert done.returncode == 0, done.stderr
    assert listed(tmp_path)["BTCUSDT", "1h"]["candles"] == 24


def test_fetch_from_the_archive_brings_the_same_candles(
    exchange: tuple[SimulatedExchange, str], fetched: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("archive")
    done = fetch(exchange[1], other, "BTCUSDT", "--interval", "1m", "--source", "archive")
    assert done.returncode == 0, done.stderr
    served = exchange[0]
    assert any(record.path.endswith(".zip") and record.status == 200 for record in served.requests)
    quality = [json.loads(mlsignal("candles", "check", "BTCUSDT", "--json", cwd=f).stdout) for f in (fetched, other)]
    one, another = (next(s for s in series if s["interval"] == "1m") for series in quality)
    assert one["candles"] == another["candles"] == HOURS * 60
    assert one["quality"]["ties"] == another["quality"]["ties"]


def test_one_failed_series_does_not_stop_the_others(exchange: tuple[SimulatedExchange, str], tmp_path: Path) -> None:
    done = fetch(exchange[1], tmp_path, "BTCUSDT", "NOSUCHUSDT", "--interval", "1h")
    assert done.returncode == 4
    assert "NOSUCHUSDT" in done.stderr
    assert set(listed(tmp_path)) == {("BTCUSDT", "1h")}


def test_show_draws_the_calendar_and_names_what_is_odd(fetched: Path) -> None:
    told = mlsignal("candles", "show", "BTCUSDT", cwd=fetched).stdout
    assert "2024-01 ████" in told
    assert "ties:" in told
    assert "values that the source changed since: 0" in told


def test_check_finds_a_flipped_byte_and_repair_heals_it(exchange: tuple[SimulatedExchange, str], fetched: Path) -> None:
    path = next((fetched / "store").rglob("BTCUSDT/1m/*.parquet"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    checked = mlsignal("candles", "check", "BTCUSDT", "--json", cwd=fetched)
    assert checked.returncode == 3
    assert "SHA-256" in checked.stderr
    repaired = mlsignal("candles", "repair", "BTCUSDT", "--binance-base-url", exchange[1], "--json", cwd=fetched)
    assert {row["interval"]: row["damaged"] for row in json.loads(repaired.stdout)} == {"1m": 1, "1h": 0}
    assert mlsignal("candles", "check", "BTCUSDT", "--json", cwd=fetched).returncode == 0


@pytest.mark.parametrize("source", ["binance", "archive"])
def test_manifest_damaged_is_built_again_and_repair_works_from_any_source(
    exchange: tuple[SimulatedExchange, str], fetched: Path, source: str
) -> None:
    minutes = next((fetched / "store").rglob("BTCUSDT/1m"))
    manifest = minutes / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"interval": "1m"', '"interval": "3m"'))
    next(minutes.glob("*.parquet")).write_bytes(b"damaged")
    assert set(listed(fetched)) == {(s, i) for s in ("BTCUSDT", "NULLUSDT") for i in ("1m", "1h")} - {("BTCUSDT", "1m")}
    fetch(exchange[1], fetched, "BTCUSDT", "--interval", "1m")
    assert listed(fetched)["BTCUSDT", "1m"]["candles"] == HOURS * 60
    path = next((fetched / "store").rglob("BTCUSDT/1m/*.parquet"))
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    hosts = ("--binance-base-url", exchange[1], "--archive-base-url", exchange[1])
    repaired = mlsignal("candles", "repair", "BTCUSDT", "--source", source, *hosts, "--json", cwd=fetched)
    assert {row["interval"]: row["damaged"] for row in json.loads(repaired.stdout)} == {"1m": 1, "1h": 0}


def test_stretch_that_was_never_fetched_is_told_from_one_the_exchange_lacks(
    exchange: tuple[SimulatedExchange, str], tmp_path: Path
) -> None:
    hosts = ("--binance-base-url", exchange[1])
    for since, until in (("2024-01-01", "2024-01-01T06:00"), ("2024-01-02", "2024-01-02T06:00")):
        words = ("BTCUSDT", "--since", since, "--until", until, *hosts)
        assert mlsignal("candles", "fetch", *words, cwd=tmp_path).returncode == 0
    row = listed(tmp_path)["BTCUSDT", "1m"]
    assert (row["candles"], row["gaps"], row["missing"], row["not_fetched"]) == (720, 0, 0, 1_080)
    assert "1080 candles absent (never fetched)" in mlsignal("candles", "check", cwd=tmp_path).stdout


def test_check_of_a_symbol_that_is_not_there_names_it(fetched: Path) -> None:
    assert_one_line(mlsignal("candles", "check", "BTCUSDT", "NOPEUSDT", cwd=fetched), 3, "NOPEUSDT is not there")


def test_fetch_of_a_bad_symbol_says_it_once(exchange: tuple[SimulatedExchange, str], tmp_path: Path) -> None:
    assert_one_line(fetch(exchange[1], tmp_path, "btcusdt"), 2, "Did you mean 'BTCUSDT'?")


def test_fetch_of_several_bad_symbols_says_each(exchange: tuple[SimulatedExchange, str], tmp_path: Path) -> None:
    done = fetch(exchange[1], tmp_path, "btcusdt", "ethusdt")
    assert done.returncode == 2
    assert sorted(line.split(":")[0] for line in done.stderr.splitlines()) == ["error", "warning"]
    assert all(name in done.stderr for name in ("'btcusdt'", "'ethusdt'"))


@pytest.mark.parametrize("words", [("list",), ("check",)])
def test_store_that_is_a_file_is_refused(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(mlsignal("candles", *words, "--store", "file", cwd=tmp_path), 7, "a folder expected")


def test_fetch_into_a_file_is_refused_once(
    exchange: tuple[SimulatedExchange, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    assert_one_line(fetch(exchange[1], tmp_path, "BTCUSDT", "--store", "file"), 7, "another folder with --store")
    assert not [record for record in caplog.records if record.name.startswith("mlsignal")]


def test_doctor_finds_all_well(exchange: tuple[SimulatedExchange, str], fetched: Path) -> None:
    url = exchange[1]
    exchange[0].clock.rate = 1.0  # type: ignore[attr-defined]
    hosts = ("--binance-base-url", url, "--archive-base-url", url, "--binance-stream-url", url.replace("http", "ws"))
    done = mlsignal("doctor", *hosts, "--json", cwd=fetched)
    found = {item["subject"]: item["status"] for item in json.loads(done.stdout)}
    assert found == dict.fromkeys(
        ["versions", "REST", "clock", "archive", "websocket", "store folder", "store"], "good"
    )
    assert done.returncode == 0


def test_doctor_without_a_network_says_so(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    hosts = ("--binance-base-url", nowhere, "--archive-base-url", nowhere, "--binance-stream-url", "ws://127.0.0.1:1")
    done = mlsignal("doctor", *hosts, "--json", cwd=tmp_path)
    bad = {item["subject"] for item in json.loads(done.stdout) if item["status"] == "bad"}
    assert bad == {"REST", "archive", "websocket"}
    assert done.returncode == 4


def test_doctor_names_host_and_folder_with_a_remedy_in_columns(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:1"
    (tmp_path / "file").write_text("")
    hosts = ("--binance-base-url", nowhere, "--archive-base-url", nowhere, "--binance-stream-url", "ws://127.0.0.1:1")
    told = mlsignal("doctor", *hosts, "--store", "file", cwd=tmp_path).stdout.splitlines()
    found = {line[9:23].strip(): line[23:] for line in told}
    assert {"versions", "REST", "archive", "websocket", "store folder"} <= set(found)
    assert found["archive"].startswith(f"{nowhere}: ")
    assert "--archive-base-url" in found["archive"]
    assert "--binance-stream-url" in found["websocket"]
    assert found["store folder"].startswith("file cannot be written (Not a directory)")
    assert "another --store" in found["store folder"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("fetch", "BTCUSDT", "--since", "yesterday"), 2, "--since: a day or moment expected"),
        (("fetch", "BTCUSDT", "--until", "1.1.2024"), 2, "--until: a day or moment expected"),
        (("fetch", "BTCUSDT", "--until", "2024-01-01", "--lookback-candles", "100"), 2, "--until"),
        (("fetch", "BTCUSDT", "--since", "2024-01-01", "--lookback-candles", "100"), 2, "--lookback-candles 100"),
        (("fetch", "BTCUSDT", "--since", "1900-01-01"), 2, "1970"),
        (("fetch", "BTCUSDT", "--since", "2024-02-01", "--until", "2024-01-01"), 2, "after --since"),
        (("fetch", "1m"), 2, "a symbol is missing"),
        (("fetch", "BTCUSDT", "--source", "sim:7"), 2, "fetched from an exchange"),
        (("show", "BTCUSDT"), 3, "holds no candles"),
        (("check",), 3, "holds no candles"),
        (("repair", "BTCUSDT"), 3, "holds no candles"),
    ],
)
def test_store_commands_on_bad_input_end_with_one_line(
    tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    assert_one_line(mlsignal("candles", *words, cwd=tmp_path), code, told)


def test_run_offline_takes_stale_candles_only_when_asked(
    exchange: tuple[SimulatedExchange, str], tmp_path: Path
) -> None:
    """The exchange answers who it is, and nothing else."""
    served, url = exchange
    quick = ("--lookback-candles", "1500", "--trees", "5", "--folds", "3", "--binance-base-url", url, "--output", "out")
    assert mlsignal("run", *quick, "--json", cwd=tmp_path).returncode == 0
    served.clock.advance(timedelta(hours=3))  # type: ignore[attr-defined]
    served.faults.add(Rule("status", {"status": 503}, Match(path="*klines")))
    offline = ("--config", _impatient(tmp_path), "run", *quick, "--max-age-minutes", "0")
    assert mlsignal(*offline, cwd=tmp_path).returncode == 4
    taken = mlsignal(*offline, "--allow-stale", cwd=tmp_path)
    assert taken.returncode == 0, taken.stderr
    assert "STALE" in taken.stdout
    assert "STALE" in (tmp_path / "out/report.html").read_text(encoding="utf-8")


def _impatient(folder: Path) -> Path:
    path = folder / "impatient.toml"
    path.write_text("timeout_seconds = 1.0\n", encoding="utf-8")
    return path
