"""Rows 35 to 41 of the fault matrix: writes that end early, disks that fail, many processes, damage, schemas."""

import errno
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.errors import DataError, OutputError
from mlsignal.store import Store
from mlsignal.store.manifest import SCHEMA_VERSION
from tests.faults.writer import MINUTE, PAGE, START, Market, PagedMarket, rows

M1 = Interval.M1
WRITER = Path(__file__).parent / "writer.py"
LOCK = ".lock"


def writer(folder, first, loads, more, *how):
    command = [sys.executable, str(WRITER), str(folder), *map(str, (first, loads, more)), *how]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, env={**os.environ, "POLARS_MAX_THREADS": "1"})


def load(store, n):
    market = Market(n)
    return store.load("BTCUSDT", M1, market, start_ms=START, max_age_minutes=0, now_ms=market.now_ms)


def golden(n):
    return Market(n).fetch("BTCUSDT", M1)


def files_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != LOCK}


def killed_at_random_points(folder, points, seed):
    """Kill writers of one store, check what each leaves, and let the next go on from there."""
    generator, stored = random.Random(seed), 0
    for _ in range(points):
        with writer(folder, stored + 10, 10_000, 7) as process:
            assert process.stdout.readline().strip() == "ready"
            time.sleep(generator.uniform(0.0, 0.15))
            process.kill()
        manifest = Store(folder).manifest("BTCUSDT", M1)  # old or new, never torn
        held = Store(folder).read("BTCUSDT", M1)  # every hash is verified
        assert held.height == manifest.rows >= stored
        assert held.is_empty() or held.equals(golden(held.height))
        stored = held.height
    assert stored > 0
    load(Store(folder), stored + 3)
    assert Store(folder).read("BTCUSDT", M1).equals(golden(stored + 3)), "a rerun heals"
    assert not list(folder.rglob("*.tmp"))
    assert not list(folder.rglob("*.damaged"))


def test_fault_35_kill_9_at_a_random_point_of_a_write(tmp_path):
    killed_at_random_points(tmp_path, 20, seed=35)


@pytest.mark.long
def test_fault_35_kill_9_at_200_random_points(tmp_path):
    killed_at_random_points(tmp_path, 200, seed=3500)


@pytest.mark.parametrize("pages", [1, 5, 19, 20, 27])
def test_fault_35_kill_9_of_a_fetch_costs_the_page_under_way(pages, tmp_path):
    """Pages are merged into their months twenty at a time; those before it that were not merged yet are not lost."""
    with writer(tmp_path, 30 * PAGE, 1, 0, "paged") as process:
        assert process.stdout.readline().strip() == "ready"
        for number in range(pages):
            assert process.stdout.readline().strip() == "page"
            if number < pages - 1:
                process.stdin.write("\n")
                process.stdin.flush()
        process.kill()
    market = PagedMarket(30 * PAGE)
    frame, report = Store(tmp_path).load("BTCUSDT", M1, market, start_ms=START, now_ms=market.now_ms)
    assert frame.equals(golden(30 * PAGE))
    assert market.asked == [START + (pages * PAGE - 1) * MINUTE], "the newest one again: the source may have revised it"
    assert report.rows_fetched == (30 - pages) * PAGE + 1
    assert not list(tmp_path.rglob("arrivals*"))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["fsync", "replace", "write"])
def test_fault_36_full_or_failing_disk(number, call, tmp_path, monkeypatch):
    store = Store(tmp_path)
    load(store, 4_000)
    before = files_of(tmp_path)

    def fails(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        if call == "write":
            patch.setattr(Path, "write_bytes", fails)
        else:
            patch.setattr(os, call, fails)
        with pytest.raises(OutputError, match=r"cannot be written .(No space|Input/output)") as caught:
            load(store, 4_100)
    assert caught.value.exit_code == 7
    assert "\n" not in str(caught.value)
    assert files_of(tmp_path) == before, "the previous files are whole, temporary ones removed"
    assert load(store, 4_100)[0].equals(golden(4_100))


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("nth", range(4))
def test_fault_37_nth_fsync_or_rename_fails(call, nth, tmp_path, monkeypatch):
    """Wherever in a commit it fails: it is loud, and the store is the old one or the new one."""
    store, plain, calls = Store(tmp_path), getattr(os, call), []
    load(store, 4_000)

    def fails(*arguments):
        calls.append(arguments)
        if len(calls) == nth + 1:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return plain(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fails)
        if call == "replace" and nth > 1:
            load(store, 4_100)  # a commit of one month has two renames
        else:
            with pytest.raises(OutputError):
                load(store, 4_100)
    held = Store(tmp_path).read("BTCUSDT", M1)
    assert held.equals(golden(4_000)) or held.equals(golden(4_100))
    assert load(Store(tmp_path), 4_100)[0].equals(golden(4_100))
    assert not list(tmp_path.rglob("*.tmp"))


def many_writers_and_readers(folder, writers, loads):
    running = [writer(folder, 100 + 13 * number, loads, 11) for number in range(writers)]
    reads = 0
    try:
        while any(process.poll() is None for process in running):
            held = Store(folder).read("BTCUSDT", M1)
            assert held.is_empty() or held.equals(golden(held.height)), "readers never see half a write"
            reads += 1
        for process in running:
            output = process.stdout.read()
            assert (process.returncode, output.strip()) == (0, "ready")
    finally:
        for process in running:
            process.kill()
            process.stdin.close()
            process.stdout.close()
            process.wait()
    n = 100 + 13 * (writers - 1) + 11 * (loads - 1)
    assert reads > 0
    assert Store(folder).read("BTCUSDT", M1).equals(golden(n)), "no row lost"


def test_fault_38_writers_and_readers_at_once(tmp_path):
    many_writers_and_readers(tmp_path, 3, 10)


@pytest.mark.long
def test_fault_38_eight_writers_and_readers_at_once(tmp_path):
    many_writers_and_readers(tmp_path, 8, 100)


def test_fault_39_lock_holder_killed(tmp_path):
    with writer(tmp_path, 2_990, 10_000, 7) as process:
        assert process.stdout.readline().strip() == "ready"
        while not (tmp_path / "BTCUSDT/1m" / LOCK).exists():
            time.sleep(0.005)
        process.kill()
    begun = time.monotonic()
    stored = Store(tmp_path).manifest("BTCUSDT", M1).rows
    load(Store(tmp_path), stored + 5)
    assert time.monotonic() - begun < 5


def damaged(content, how, position):
    if how == "flip":
        at = min(len(content) - 1, int(position * len(content)))
        return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]
    return content[: int(position * (len(content) - 2))]  # without its last line break a manifest is still whole


@pytest.mark.parametrize("how", ["flip", "truncate"])
def test_fault_40_byte_flipped_or_file_truncated(how, tmp_path):
    load(Store(tmp_path), 4_000)
    names = [path for path in files_of(tmp_path) if path.suffix in (".parquet", ".json")]
    assert len(names) == 3
    for path in names:
        for position in (0.0, 0.01, 0.3, 0.5, 0.77, 0.99, 0.9999):
            content = path.read_bytes()
            path.write_bytes(damaged(content, how, position))
            frame, report = load(Store(tmp_path), 4_000)
            assert frame.equals(golden(4_000)), (path, position)
            assert path.with_name(path.name + ".damaged").exists(), "put aside"
            assert path.read_bytes() == content or path.suffix == ".json", "fetched again"
            assert report.damaged == (path.suffix == ".parquet")
            path.with_name(path.name + ".damaged").unlink()


def test_fault_40_damage_after_a_first_reading_is_seen_by_the_same_process(tmp_path):
    store = Store(tmp_path)
    load(store, 4_000)
    (path,) = (tmp_path / "BTCUSDT/1m").glob("2023-12.*.parquet")
    path.write_bytes(damaged(path.read_bytes(), "flip", 0.4))
    with pytest.raises(DataError, match="SHA-256"):
        store.read("BTCUSDT", M1)
    assert load(store, 4_000)[0].equals(golden(4_000))


def test_fault_40_file_lost(tmp_path):
    store = Store(tmp_path)
    load(store, 4_000)
    (path,) = (tmp_path / "BTCUSDT/1m").glob("2023-12.*.parquet")
    path.unlink()
    frame, report = load(store, 4_000)
    assert frame.equals(golden(4_000))
    assert report.damaged == 1
    (tmp_path / "BTCUSDT/1m/manifest.json").unlink()
    assert load(Store(tmp_path), 4_000)[0].equals(golden(4_000))


def first_version(folder, n):
    """A series as the first version wrote it."""
    series = folder / "BTCUSDT/1m"
    series.mkdir(parents=True)
    frame = golden(n).with_columns(pl.col("open_time").dt.strftime("%Y-%m").alias("month"))
    for (month,), part in frame.group_by("month", maintain_order=True):
        part.drop("month").write_parquet(series / f"{month}.parquet")
    last = int(golden(n)["open_time"].dt.epoch("ms")[-1])
    content = {"schema_version": 1, "symbol": "BTCUSDT", "interval": "1m", "covered": [[START, last]]}
    (series / "manifest.json").write_text(json.dumps(content))
    return series


def test_fault_41_older_schema_is_migrated(tmp_path):
    series = first_version(tmp_path, 4_000)
    market = Market(4_000)
    market.fetch = None  # nothing is asked for
    frame, report = Store(tmp_path).load("BTCUSDT", M1, market, start_ms=START, now_ms=market.now_ms)
    assert frame.equals(golden(4_000))
    assert report.fetches == 0
    assert json.loads((series / "manifest.json").read_text())["schema_version"] == SCHEMA_VERSION
    assert not (series / "2023-12.parquet").exists()


def test_fault_41_older_schema_with_a_broken_month(tmp_path):
    series = first_version(tmp_path, 4_000)
    path = series / "2024-01.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    assert load(Store(tmp_path), 4_000)[0].equals(golden(4_000))
    assert (series / "2024-01.parquet.damaged").exists()


def test_fault_41_newer_schema_is_refused(tmp_path):
    load(Store(tmp_path), 100)
    path = tmp_path / "BTCUSDT/1m/manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema_version": SCHEMA_VERSION + 1}))
    before = files_of(tmp_path)
    with pytest.raises(DataError, match=r"schema version 3.*upgrade") as caught:
        load(Store(tmp_path), 200)
    assert caught.value.exit_code == 3
    assert files_of(tmp_path) == before


def test_rows_of_a_market_are_what_the_golden_store_holds():
    assert golden(5).equals(rows(golden(5)["open_time"].dt.epoch("ms").to_numpy()))
