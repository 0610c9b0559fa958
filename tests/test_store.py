import errno
import json
import logging
import os
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, DataError, OutputError, UnreachableError
from mlsignal.store import Store
from mlsignal.store.manifest import SCHEMA_VERSION
from mlsignal.store.spans import add_span, holes, remove_span

MINUTE = 60_000
START = 1_704_067_200_000 - 300 * MINUTE  # five hours before 2024: two months
M1 = Interval.M1


class Market:
    """A source whose candles open every minute from START on, but for `absent`; counts what it is asked."""

    name = "binance"

    def __init__(self, n=600, absent=()):
        self.opens = [START + i * MINUTE for i in range(n) if i not in absent]
        self.calls = []
        self.bump = {}
        self.down = False

    @property
    def now_ms(self):
        return self.opens[-1] + MINUTE + 5

    def fetch(self, symbol, interval, *, start_ms=None, end_ms=None, limit=None):
        if self.down:
            raise UnreachableError("host: check the network")
        self.calls.append((start_ms, end_ms, limit))
        opens = [t for t in self.opens if (start_ms or 0) <= t <= (end_ms or t)]
        return rows(opens[-limit:] if limit else opens, self.bump)


def rows(opens, bump=None):
    bump = bump or {}
    price = [float(1 + t // MINUTE % 1000 + bump.get(t, 0)) for t in opens]
    times = pl.Series("open_time", opens, dtype=pl.Int64)
    prices = dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Series(price, dtype=pl.Float64))
    frame = pl.DataFrame({"open_time": times, **prices})
    return frame.with_columns(pl.col("open_time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


def test_store_empty_fetches_the_newest_and_writes_a_file_a_month(tmp_path):
    market = Market()
    frame, report = Store(tmp_path).load("BTCUSDT", "1m", market, limit=500, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens[-500:]
    folder = tmp_path / "BTCUSDT" / "1m"
    assert sorted(p.name[:7] for p in folder.glob("*.parquet")) == ["2023-12", "2024-01"]
    assert json.loads((folder / "manifest.json").read_text())["schema_version"] == SCHEMA_VERSION
    assert (report.rows, report.rows_from_store, report.fetches) == (500, 0, 1)


def test_store_young_enough_sends_no_request(tmp_path):
    market, store = Market(), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=100, now_ms=market.now_ms)
    market.calls.clear()
    frame, report = store.load("BTCUSDT", M1, market, limit=100, now_ms=market.now_ms + 29 * MINUTE)
    assert market.calls == []
    assert (frame.height, report.rows_from_store, report.fetches, report.requests_saved) == (100, 100, 0, 1)
    assert report.age_minutes == pytest.approx(29, abs=0.01)


def test_store_long_candle_still_open_sends_no_request(tmp_path):
    """An hourly candle may have closed 50 minutes ago: there is nothing newer to ask for."""
    day = 24 * 60 * MINUTE
    market = Market()
    market.opens = [START // day * day + i * day for i in range(10)]
    store = Store(tmp_path)
    now = market.opens[-1] + day + 1
    store.load("BTCUSDT", "1d", market, limit=5, now_ms=now)
    market.calls.clear()
    store.load("BTCUSDT", "1d", market, limit=5, now_ms=now + day - 10 * MINUTE)
    assert market.calls == []


def test_store_too_old_is_topped_up_from_its_newest_candle(tmp_path):
    market, store = Market(500), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=400, now_ms=market.now_ms)
    before = store.manifest("BTCUSDT", M1).months
    later = Market(600)
    frame, report = store.load("BTCUSDT", M1, later, limit=400, now_ms=later.now_ms)
    assert later.calls == [(market.opens[-1], None, None)]
    assert opens_of(frame) == later.opens[-400:]
    assert (report.rows_fetched, report.rows_from_store, report.revisions) == (101, 300, 0)
    after = store.manifest("BTCUSDT", M1).months
    assert after["2023-12"] == before["2023-12"], "only the affected month is written again"
    assert after["2024-01"] != before["2024-01"]


def test_store_candle_revised_by_the_source_is_logged_and_replaced(tmp_path, caplog):
    market, store = Market(500), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=10, now_ms=market.now_ms)
    later = Market(600)
    later.bump = {market.opens[-1]: 7}
    with caplog.at_level(logging.WARNING):
        frame, report = store.load("BTCUSDT", M1, later, limit=200, now_ms=later.now_ms)
    assert report.revisions == 1
    assert "revised" in caplog.text
    assert frame.equals(rows(later.opens[-200:], later.bump))


def test_store_more_history_asked_than_stored_is_backfilled_once(tmp_path):
    market, store = Market(300), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=100, now_ms=market.now_ms)
    frame, _ = store.load("BTCUSDT", M1, market, limit=1000, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens
    market.calls.clear()
    frame, _ = store.load("BTCUSDT", M1, market, limit=1000, now_ms=market.now_ms)
    assert market.calls == [], "that the source has nothing earlier is remembered"
    assert frame.height == 300


def test_store_gaps_do_not_shorten_the_answer(tmp_path):
    market, store = Market(600, absent=range(450, 550)), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=20, now_ms=market.now_ms)
    frame, _ = store.load("BTCUSDT", M1, market, limit=200, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens[-200:]


def test_store_source_that_lags_is_asked_once_a_load(tmp_path):
    market, store = Market(300), Store(tmp_path)
    now = market.now_ms + 500 * MINUTE
    for _ in range(2):
        frame, report = store.load("BTCUSDT", M1, market, limit=50, now_ms=now)
        assert (frame.height, report.fetches) == (50, 1)


def test_store_source_without_candles_leaves_it_untouched(tmp_path):
    market = Market(1)
    market.opens = []
    frame, report = Store(tmp_path).load("BTCUSDT", M1, market, limit=50, now_ms=START)
    assert frame.is_empty()
    assert report.age_minutes is None
    assert not list(tmp_path.rglob("*.parquet"))


@settings(max_examples=40, deadline=None)
@given(
    absent=st.sets(st.integers(1, 398), max_size=200),
    asks=st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(1, 450)),
            st.one_of(st.none(), st.integers(0, 420)),
            st.one_of(st.none(), st.integers(0, 420)),
            st.integers(1, 400),
        ),
        min_size=1,
        max_size=5,
    ),
)
def test_store_any_history_of_loads_answers_as_the_source_would(tmp_path_factory, absent, asks):
    store = Store(tmp_path_factory.mktemp("store"))
    whole = Market(400, absent=absent)
    for limit, start, end, n_now in sorted(asks, key=lambda ask: ask[3]):
        market = Market(400, absent=absent)
        now = START + n_now * MINUTE
        market.opens = [t for t in whole.opens if t + MINUTE <= now]
        bounds = {"start_ms": None if start is None else START + start * MINUTE}
        bounds["end_ms"] = None if end is None else START + end * MINUTE
        frame, _ = store.load("BTCUSDT", M1, market, limit=limit, max_age_minutes=0, now_ms=now, **bounds)
        expected = market.fetch("BTCUSDT", M1, limit=limit, **bounds)
        assert opens_of(frame) == opens_of(expected)


def test_store_unreachable_source_raises_unless_stale_is_allowed(tmp_path):
    market, store = Market(300), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=50, now_ms=market.now_ms)
    market.down = True
    now = market.now_ms + 90 * MINUTE
    with pytest.raises(UnreachableError):
        store.load("BTCUSDT", M1, market, limit=50, now_ms=now)
    frame, report = store.load("BTCUSDT", M1, market, limit=50, now_ms=now, allow_stale=True)
    assert (frame.height, report.stale) == (50, True)
    assert report.age_minutes == pytest.approx(90, abs=0.01)


def test_store_other_origin_lies_in_its_own_folder(tmp_path):
    market = Market(20)
    market.origin = "127.0.0.1-8765"
    Store(tmp_path).load("BTCUSDT", M1, market, limit=5, now_ms=market.now_ms)
    assert (tmp_path / "127.0.0.1-8765" / "BTCUSDT" / "1m" / "manifest.json").exists()


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty"])
def test_store_damaged_file_is_put_aside_and_fetched_again(damage, tmp_path):
    market, store = Market(600), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=500, now_ms=market.now_ms)
    (path,) = (tmp_path / "BTCUSDT/1m").glob("2023-12.*.parquet")
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-6] ^= 0xFF
    path.write_bytes({"truncate": content[: len(content) // 2], "flip": content, "empty": b""}[damage])
    frame, report = store.load("BTCUSDT", M1, market, limit=500, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens[-500:]
    assert report.damaged == 1
    assert path.with_name(path.name + ".damaged").exists()


def test_store_of_a_newer_version_is_refused(tmp_path):
    folder = tmp_path / "BTCUSDT/1m"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"schema_version": 99, "covered": []}))
    with pytest.raises(DataError, match=r"schema version 99.*upgrade"):
        Store(tmp_path).load("BTCUSDT", M1, Market(), limit=5, now_ms=START)


def test_store_broken_manifest_fetches_again(tmp_path):
    market, store = Market(50), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=20, now_ms=market.now_ms)
    (tmp_path / "BTCUSDT/1m/manifest.json").write_text("{")
    frame, _ = store.load("BTCUSDT", M1, market, limit=20, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens[-20:]


@pytest.mark.parametrize("symbol", ["../X", "a/b", "..", "", "a\0b"])
def test_store_symbol_that_is_a_path_is_refused(symbol, tmp_path):
    with pytest.raises(ConfigurationError, match="symbol"):
        Store(tmp_path / "store").load(symbol, M1, Market(), limit=5, now_ms=START)
    assert list(tmp_path.iterdir()) == []


def test_store_month_and_minute_have_different_folders_in_any_case(tmp_path):
    market = Market(1)
    market.opens = [1_701_388_800_000]
    Store(tmp_path).load("BTCUSDT", "1M", market, limit=1, now_ms=1_704_067_200_001)
    assert [p.name.lower() for p in (tmp_path / "BTCUSDT").iterdir()] == ["1mo"]


def test_store_under_a_file_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot be made.*--store") as caught:
        Store(tmp_path / "file" / "store").load("BTCUSDT", M1, Market(), limit=5, now_ms=START)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_store_full_disk_keeps_what_was_and_leaves_no_temporaries(call, tmp_path, monkeypatch):
    market, store = Market(500), Store(tmp_path)
    store.load("BTCUSDT", M1, market, limit=50, now_ms=market.now_ms)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    later = Market(600)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OutputError, match="No space left"):
            store.load("BTCUSDT", M1, later, limit=50, now_ms=later.now_ms)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_store_writers_and_readers_at_once_lose_no_row(tmp_path):
    errors = []

    def work(seed):
        store = Store(tmp_path)
        try:
            for step in range(seed % 3, 12, 2):
                market = Market(200 + step * 30)
                frame, _ = store.load("BTCUSDT", M1, market, limit=150, now_ms=market.now_ms, max_age_minutes=1)
                opens = opens_of(frame)
                assert opens == list(range(opens[0], opens[0] + 150 * MINUTE, MINUTE))
        except Exception as error:  # noqa: BLE001 - shown by the main thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    frame, _ = Store(tmp_path).load("BTCUSDT", M1, Market(530), limit=530, now_ms=Market(530).now_ms)
    assert opens_of(frame) == Market(530).opens


HOLDER = """
import sys, time
from pathlib import Path
from mlsignal.store.atomic import locked
with locked(Path(sys.argv[1]) / ".lock"):
    (Path(sys.argv[1]) / ".2024-01.parquet.x.tmp").write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_store_killed_lock_holder_releases_it(tmp_path):
    folder = tmp_path / "BTCUSDT/1m"
    folder.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline().strip() == b"ready"
        finally:
            holder.kill()
    market = Market(50)
    frame, _ = Store(tmp_path).load("BTCUSDT", M1, market, limit=5, now_ms=market.now_ms)
    assert frame.height == 5
    assert not list(tmp_path.rglob("*.tmp"))


_span = st.tuples(st.integers(0, 60), st.integers(0, 20)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(_span, max_size=8), _span)
def test_spans_added_and_removed_cover_the_same_moments_as_sets(added, other):
    spans, moments = [], set()
    for span in added:
        spans = add_span(spans, span)
        moments |= set(range(span[0], span[1] + 1))
    covered = lambda spans: {m for first, last in spans for m in range(first, last + 1)}
    one = set(range(other[0], other[1] + 1))
    assert covered(spans) == moments
    assert covered(holes(spans, other)) == one - moments
    assert covered(remove_span(spans, other)) == moments - one
    assert all(a[1] + 1 < b[0] for a, b in pairwise(spans))


def test_store_reads_fifty_thousand_real_rows_back_unchanged(tmp_path, shared):
    class Files:
        name = "files"

        def fetch(self, symbol, interval, *, start_ms=None, end_ms=None, limit=None):
            frame = pl.read_parquet(Path(shared) / "data/spot/BTCUSDT-1m.parquet").tail(50_000)
            times = frame["open_time"].dt.epoch("ms")
            frame = frame.filter((times >= (start_ms or 0)) & (times <= (end_ms or times.max())))
            return frame if limit is None else frame.tail(limit)

    store, now = Store(tmp_path), 1_704_067_200_000
    first, _ = store.load("BTCUSDT", M1, Files(), limit=50_000, now_ms=now)
    again, report = store.load("BTCUSDT", M1, Files(), limit=50_000, now_ms=now)
    assert report.fetches == 0
    assert again.equals(first)
    assert first.equals(Files().fetch("BTCUSDT", M1))


def test_store_source_that_ignores_bounds_does_not_keep_it_asking(tmp_path):
    class Stubborn(Market):
        def fetch(self, symbol, interval, *, start_ms=None, end_ms=None, limit=None):
            self.calls.append((start_ms, end_ms, limit))
            return rows(self.opens)

    market = Stubborn(300)
    frame, _ = Store(tmp_path).load("BTCUSDT", M1, market, limit=500, now_ms=market.now_ms)
    assert opens_of(frame) == market.opens
    assert len(market.calls) <= 3
