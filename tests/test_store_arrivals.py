import errno
import os
import re

import pytest

from mlsignal.candles import Interval
from mlsignal.errors import OutputError
from mlsignal.store import Store
from mlsignal.store.arrivals import FILE, Arrival, read_arrivals
from mlsignal.store.folder import open_folder
from mlsignal.store.series import Series
from tests.faults.writer import MINUTE, PAGE, START, PagedMarket

M1 = Interval.M1
PAGES = 5


class Killed(BaseException):
    pass


def golden(n=PAGES * PAGE):
    return PagedMarket(n).fetch("BTCUSDT", M1)


def series_in(root):
    return Series(open_folder(root).inside("BTCUSDT", "1m"), "BTCUSDT", M1)


def fill(root, market):
    return Store(root).fill("BTCUSDT", M1, market, start_ms=START, now_ms=market.now_ms)


@pytest.fixture
def left(tmp_path):
    """The log that a process leaves which is killed after five pages."""
    series = series_in(tmp_path)
    with series.writing():
        known = START - 1
        for page in golden().iter_slices(PAGE):
            last = int(page["open_time"].dt.epoch("ms")[-1])
            series.note(Arrival(page, (known + 1, last), "binance", 7))
            known = last
    return tmp_path / "BTCUSDT/1m" / FILE


def test_arrivals_are_merged_before_the_source_is_asked(left, tmp_path):
    market = PagedMarket(PAGES * PAGE + 100)
    report = fill(tmp_path, market)
    assert market.asked == [START + (PAGES * PAGE - 1) * MINUTE]
    assert (report.rows, report.rows_fetched, report.rows_from_store) == (PAGES * PAGE + 100, 101, PAGES * PAGE)
    assert Store(tmp_path).read("BTCUSDT", M1).equals(golden(PAGES * PAGE + 100))
    assert not left.exists()


@pytest.mark.parametrize("line", range(PAGES))
@pytest.mark.parametrize("how", ["torn", "flipped", "other", "no JSON", "claim", "list"])
def test_arrival_damaged_is_a_hole_that_is_asked_for_and_nothing_else_is(line, how, left, tmp_path):
    lines = left.read_bytes().splitlines(keepends=True)
    half = len(lines[line]) // 2
    lines[line] = {
        "torn": lines[line][:half] + b"\n",
        "flipped": lines[line][:half] + bytes([lines[line][half] ^ 1]) + lines[line][half + 1 :],
        "other": re.sub(rb'"sha256": "..', b'"sha256": "zz', lines[line]),
        "claim": re.sub(rb'"covered": .17', b'"covered": [16', lines[line]),
        "list": b"[1, 2]\n",
        "no JSON": b"\0" * 20 + b"\n",
    }[how]
    left.write_bytes(b"".join(lines))
    market = PagedMarket(PAGES * PAGE)
    report = fill(tmp_path, market)
    assert Store(tmp_path).read("BTCUSDT", M1).equals(golden())
    assert PAGE <= report.rows_fetched <= PAGE + 2, "the page, and the newest again"


def test_arrivals_merged_already_change_nothing_when_they_are_left(left, tmp_path):
    content = left.read_bytes()
    fill(tmp_path, PagedMarket(PAGES * PAGE))
    manifest = Store(tmp_path).manifest("BTCUSDT", M1)
    left.write_bytes(content)
    series = series_in(tmp_path)
    with series.writing():
        series.adopt()
    assert series.manifest() == manifest
    assert not left.exists()


def test_arrival_that_cannot_be_written_leaves_the_log_as_it_was(left, tmp_path, monkeypatch):
    before, series = left.read_bytes(), series_in(tmp_path)

    def fails(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    page = Arrival(golden(10), (START, START + 9 * MINUTE), "binance", 7)
    with monkeypatch.context() as patch, series.writing():
        patch.setattr(os, "fsync", fails)
        with pytest.raises(OutputError, match="No space left"):
            series.note(page)
        assert left.read_bytes() == before
        left.unlink()
        with pytest.raises(OutputError, match="No space left"):
            series.note(page)
        assert not left.exists()


def test_arrivals_are_not_kept_where_a_file_cannot_grow():
    pytest.importorskip("fsspec")
    series = Series(open_folder("memory://arrivals/x"), "BTCUSDT", M1)
    with series.writing():
        series.note(Arrival(golden(10), (START, START + 9 * MINUTE), "binance", 7))
        series.adopt()
    assert series.folder.names() == []


def test_interrupted_fetch_keeps_what_came_and_no_log(tmp_path):
    market = PagedMarket(PAGES * PAGE)
    pages = []

    def kill():
        pages.append(len(read_arrivals(series_in(tmp_path).folder)))
        if len(pages) == 3:
            raise Killed

    market.on_page = kill
    with pytest.raises(Killed):
        fill(tmp_path, market)
    assert pages == [1, 2, 3], "each is there before the next is waited for"
    assert Store(tmp_path).read("BTCUSDT", M1).equals(golden(3 * PAGE))
    assert read_arrivals(series_in(tmp_path).folder) == []
