"""Row 35 of the fault matrix, the harder half: power is lost at any point of a store write."""

import os
import random
import shutil
import sys
from dataclasses import dataclass

import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.errors import DataError
from mlsignal.store import Store, atomic
from mlsignal.store.folder import open_folder
from mlsignal.store.revisions import read_revisions
from mlsignal.store.series import Series
from tests.faults.power import Disk, Recorder
from tests.faults.test_store_faults import first_version, golden, load
from tests.faults.writer import PAGE, START, PagedMarket

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be flushed there")
M1 = Interval.M1
TWO_MONTHS = 3_100


@dataclass(frozen=True)
class Loading:
    """Bring the store to `n` candles."""

    n: int

    def __call__(self, folder):
        load(Store(folder), self.n)

    def check(self, folder):
        """Check what must be so wherever this write is done."""


@dataclass(frozen=True)
class Paging(Loading):
    """The same, with candles that come in pages."""

    def __call__(self, folder):
        market = PagedMarket(self.n)
        Store(folder).load("BTCUSDT", M1, market, start_ms=START, max_age_minutes=0, now_ms=market.now_ms)


@dataclass(frozen=True)
class Revising:
    """Say every tenth of `n` candles anew, with another volume."""

    n: int

    def __call__(self, folder):
        series = Series(open_folder(folder / "BTCUSDT/1m"), "BTCUSDT", M1)
        revised = pl.int_range(pl.len()) % 10 == 0
        rows = golden(self.n).with_columns(pl.when(revised).then(0.5).otherwise("volume").alias("volume"))
        with series.writing():
            series.commit(series.manifest(), rows, (START, START), source="binance", seen_ms=0)

    def check(self, folder):
        assert len({one.open_time_ms for one in read_revisions(open_folder(folder / "BTCUSDT/1m"))}) == self.n // 10


def held(folder):
    return Store(folder).read("BTCUSDT", M1)  # every hash is verified


def recorded(folder, patch, writes, prepare=lambda folder: None):
    """Write; return the operations, and what is held before, between and after the writes."""
    folder.mkdir()
    with patch.context() as patched:
        recorder = Recorder(folder, patched)
        prepare(folder)
        recorder.flushed()
        before, versions = len(recorder.operations), []
        for write in writes:
            if versions or not any(folder.rglob("*.parquet")):
                versions.append(held(folder))
            else:
                versions.append(golden(TWO_MONTHS))  # of the first version: a reading would migrate it
            write(folder)
            recorder.done()
    return recorder.operations, before, [*versions, held(folder)]


def lose_power_everywhere(folder, patch, writes, *, seeds, **options):
    """Lose power after each operation in several ways; the store is the old or the new one, and a rerun heals it.

    Returns how many losses were survived.
    """
    operations, before, versions = recorded(folder / "store", patch, writes, **options)
    patch.setattr(os, "fsync", lambda descriptor: None)  # the reruns lose no power
    generator, disk, losses = random.Random(35), Disk(), 0
    for number in range(len(operations) + 1):
        for how in ("dropped", "kept", *["mixed"] * seeds) if number >= before else ():
            left = folder / f"{number}-{losses}"
            disk.lose_power(left, how, generator)
            place = f"{how} after {number} operations, the last {operations[number - 1]}"[:300]
            check(left, disk.done, writes, versions, place)
            shutil.rmtree(left)
            losses += 1
        if number < len(operations):
            disk.apply(operations[number])
    return losses


def check(left, done, writes, versions, place):
    found = held(left)
    at = [number for number in (done, done + 1) if number < len(versions) and found.equals(versions[number])]
    assert at, f"{place}: {found.height} candles"
    for write in writes[: at[-1]]:
        write.check(left)
    for write in writes[min(done, len(writes) - 1) :]:
        write(left)
    assert held(left).equals(versions[-1]), f"{place}: a rerun heals"
    assert not [path for path in left.rglob("*") if path.name.endswith((".tmp", ".parquet.damaged"))], place


def test_fault_35_power_lost_at_any_point_of_a_write(tmp_path, monkeypatch):
    writes = [Loading(TWO_MONTHS), Loading(TWO_MONTHS + 50)]
    assert lose_power_everywhere(tmp_path, monkeypatch, writes, seeds=2) > 180


def test_fault_35_power_lost_at_any_point_of_a_revision(tmp_path, monkeypatch):
    writes = [Revising(TWO_MONTHS)]
    prepare = Loading(TWO_MONTHS)
    assert lose_power_everywhere(tmp_path, monkeypatch, writes, seeds=1, prepare=prepare) > 80


def test_fault_35_power_lost_at_any_point_of_a_migration(tmp_path, monkeypatch):
    writes = [Loading(TWO_MONTHS + 50)]

    def prepare(folder):
        first_version(folder, TWO_MONTHS)

    assert lose_power_everywhere(tmp_path, monkeypatch, writes, seeds=1, prepare=prepare) > 80


def test_fault_35_power_lost_at_any_point_of_a_fetch_in_pages(tmp_path, monkeypatch):
    writes = [Paging(PAGE + 7), Paging(TWO_MONTHS)]
    assert lose_power_everywhere(tmp_path, monkeypatch, writes, seeds=2) > 300


@pytest.mark.parametrize("forgotten", ["flush_file", "flush_folder"])
def test_fault_35_a_store_that_forgets_to_flush_is_found_out(forgotten, tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, forgotten, lambda path: None)
    with pytest.raises((AssertionError, DataError)):
        lose_power_everywhere(tmp_path, monkeypatch, [Loading(TWO_MONTHS), Loading(TWO_MONTHS + 50)], seeds=0)


@pytest.mark.long
def test_fault_35_power_lost_at_any_point_of_several_writes(tmp_path, monkeypatch):
    grown = TWO_MONTHS + 7  # a load of more than 20,000 candles would be several commits
    writes = [Loading(100), Loading(TWO_MONTHS), Revising(TWO_MONTHS), Loading(grown), Loading(grown + 2_000)]
    assert lose_power_everywhere(tmp_path, monkeypatch, writes, seeds=6) > 900
