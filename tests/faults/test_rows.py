"""Rows 13 to 29 of the fault matrix: candles that are wrong, absent, doubled, late or not to be had."""

import logging

import httpx2
import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.cleaning import clean
from mlsignal.config import load_settings
from mlsignal.errors import ConfigurationError, UnknownSymbolError, UnreachableError
from mlsignal.features.feature import compute_features
from mlsignal.features.sets import select_features
from mlsignal.gathering import gather_candles
from mlsignal.store import Store
from tests.faults.rig import M1, MINUTE, ORIGIN, Exchange, Rig, kline, opens_of, served


def altered(rig, change, *, once=True):
    """Give pages to `change(rows) -> rows` before they are sent: the first one only, or every one."""
    plain, state = rig.exchange._klines, {"left": 1 if once else 10**9}

    def klines(parameters):
        rows = plain(parameters)
        if isinstance(rows, list) and len(rows) > 500 and state["left"]:
            state["left"] -= 1
            return change(rows)
        return rows

    rig.exchange._klines = klines


def with_value(position, column, value):
    def change(rows):
        for row in rows:
            if row[0] == change.time:
                row[column] = value
        return rows

    change.position = position
    return change


@pytest.mark.parametrize("value", ["NaN", "inf", "-1.5"])
@pytest.mark.parametrize("once", [True, False])
def test_fault_13_values_that_are_no_prices(value, once, rig):
    change = with_value(100, 4, value)
    change.time = rig.exchange.opens[100]
    altered(rig, change, once=once)
    fetched = rig.fetch()
    if once:
        rig.assert_golden()  # asked again: the exchange's second word was right
        return
    assert sum(fetched.cleaning.impossible.values()) == 1
    assert fetched.cleaning.rejected.height == 1
    assert rig.exchange.opens[100] not in fetched.candles.open_time_ms


@pytest.mark.parametrize(("column", "value"), [(2, "50.0"), (3, "500.0")])
def test_fault_14_high_and_low_that_cannot_be(column, value, rig):
    change = with_value(100, column, value)
    change.time = rig.exchange.opens[100]
    altered(rig, change, once=False)
    fetched = rig.fetch()
    assert sum(fetched.cleaning.impossible.values()) == 1
    assert [gap.missing for gap in fetched.candles.gaps] == [1], "masked: no window spans it"


def test_fault_15_identical_duplicates(rig):
    altered(rig, lambda rows: [*rows[:300], *rows[290:]], once=False)
    fetched = rig.fetch()
    rig.assert_golden()
    assert fetched.stored.duplicates > 0


def test_fault_16_conflicting_duplicates(rig):
    time = rig.exchange.opens[300]

    def conflict(rows):
        double = [list(row) for row in rows if row[0] == time]
        for row in double:
            row[5] = "7.00000000"
        return [*[row for row in rows if row[0] <= time], *double, *[row for row in rows if row[0] > time]]

    altered(rig, conflict, once=False)
    before = len(rig.exchange.requests)
    fetched = rig.fetch()
    assert rig.exchange.paths()[before:].count("klines") == 4, "three pages, the first asked again"
    assert fetched.stored.conflicts == 1
    log = rig.store.revisions("BTCUSDT", M1, origin=ORIGIN)
    assert [(r.kind, r.column, r.open_time_ms, {r.old, r.new}) for r in log] == [
        ("conflict", "volume", time, {2.0, 7.0})
    ]


def test_fault_16_conflicting_duplicates_that_were_one_answers_fault(rig):
    """The second answer is sound: it is believed, though it has fewer rows."""

    def conflict(rows):
        return [*rows[:300], *[[*row[:5], "7.00000000", *row[6:]] for row in rows[297:300]], *rows[300:]]

    altered(rig, conflict)
    fetched = rig.fetch()
    rig.assert_golden()
    assert fetched.stored.conflicts == 0


def test_fault_17_rows_out_of_order(rig, caplog):
    altered(rig, lambda rows: [*rows[500:], *rows[:500]], once=False)
    with caplog.at_level(logging.WARNING):
        fetched = rig.fetch()
    rig.assert_golden()
    assert fetched.stored.out_of_order > 0
    assert "out of order" in caplog.text


def test_fault_18_gap_inside_a_page(tmp_path):
    rig = Rig(tmp_path, absent=range(400, 420))
    fetched = rig.fetch()
    rig.assert_golden()
    assert rig.exchange.paths().count("klines") == 4, "asked once more"
    (gap,) = rig.store.gaps("BTCUSDT", M1, origin=ORIGIN)
    assert gap.missing == 20
    assert fetched.candles.gaps == (gap,)
    assert len(fetched.candles) == len(rig.golden()), "nothing is filled"


def test_fault_18_gap_that_is_not_the_exchanges(rig):
    altered(rig, lambda rows: [*rows[:400], *rows[420:]], once=True)
    fetched = rig.fetch()
    rig.assert_golden()
    assert fetched.candles.gaps == ()


def test_fault_18_head_of_the_first_page_absent_once(rig):
    """A back-fill's first page begins late: it is asked for again before the hole is taken for the listing."""
    opens = rig.exchange.opens
    rig.fetch(start_ms=opens[1_500])
    altered(rig, lambda rows: rows[300:])
    fetched = rig.fetch()
    rig.assert_golden()
    assert fetched.candles.gaps == ()


def test_fault_18_head_of_a_top_up_absent_once(rig):
    rig.fetch(end_ms=rig.exchange.opens[1_200], start_ms=rig.exchange.opens[0])
    altered(rig, lambda rows: rows[20:])
    assert rig.fetch().candles.gaps == ()
    rig.assert_golden()
    assert rig.store.gaps("BTCUSDT", M1, origin=ORIGIN) == ()


def test_fault_19_end_of_a_gap_found_though_the_probe_is_empty_once(tmp_path):
    rig = Rig(tmp_path, n=12_000, absent=range(1_500, 7_000))
    plain, state = rig.exchange._klines, {"left": 1}

    def klines(parameters):
        if parameters.get("limit") == "1" and state["left"]:
            state["left"] = 0
            return []
        return plain(parameters)

    rig.exchange._klines = klines
    rig.fetch()
    assert state["left"] == 0
    rig.assert_golden()


def test_fault_19_gap_longer_than_a_page(tmp_path):
    rig = Rig(tmp_path, n=40_000, absent=range(1_500, 37_000))
    rig.fetch()
    rig.assert_golden()
    assert rig.exchange.paths().count("klines") < 20


def test_fault_20_misaligned_overlapping_candles(tmp_path):
    """Hours as after the outage of 2018-02: they open at HH:28:14.789, and the last overlaps its successor."""
    hour = Interval.H1
    exchange = Exchange(60, interval="1h", start=1_517_936_400_000)
    for position in range(20, 30):
        exchange.opens[position] += 28 * MINUTE + 14_789
    exchange.opens.insert(30, exchange.opens[29] - 28 * MINUTE - 14_789 + hour.milliseconds)
    exchange.opens = sorted(set(exchange.opens))
    rig = Rig(tmp_path)
    rig.exchange = exchange
    with rig.source() as source:
        frame, _ = rig.store.load("BTCUSDT", hour, source, start_ms=exchange.opens[0], now_ms=exchange.now)
    closed = [t for t in exchange.opens if hour.next(t) <= exchange.now]
    assert opens_of(frame) == closed, "kept raw"
    candles, report = clean(frame, "BTCUSDT", hour)
    assert report.off_grid == 10, "marked irregular"
    assert not set(candles.open_time_ms.tolist()) & set(exchange.opens[20:30])
    assert len(candles.segment_bounds) == 2, "windows exclude them"


def test_fault_21_zero_volume(rig):
    def silent(rows):
        for row in rows[100:200]:
            row[5] = row[7] = row[9] = row[10] = "0.00000000"
            row[8] = 0
        return rows

    altered(rig, silent, once=False)
    fetched = rig.fetch()
    assert fetched.cleaning.zero_volume >= 100
    features = compute_features(fetched.candles, select_features(("classic",), None)).to_polars()
    values = features.drop("symbol", "open_time", "close_time", strict=False).to_numpy()
    assert not np.isinf(values).any()
    assert np.isfinite(values[400:]).all()


@pytest.mark.parametrize("skew_ms", [90_000, -90_000])
def test_fault_22_local_clock_off(skew_ms, tmp_path, caplog):
    rig = Rig(tmp_path, skew_ms=skew_ms)
    with caplog.at_level(logging.WARNING):
        rig.fetch()
    assert "clock is 90.0 s" in caplog.text
    rig.assert_golden()
    assert rig.held()["close_time"].dt.epoch("ms").max() < rig.exchange.now


def test_fault_23_open_candle_last(rig):
    rig.fetch()
    assert rig.exchange.opens[-1] + MINUTE > rig.exchange.now
    assert rig.held()["close_time"].dt.epoch("ms").max() < rig.exchange.now


def test_fault_24_open_candle_absent(rig):
    rig.exchange.serve_open = False
    rig.fetch()
    rig.assert_golden()


def test_fault_25_closed_row_revised_later(rig):
    rig.fetch(start_ms=rig.exchange.opens[0], end_ms=rig.exchange.opens[1_000])
    time = rig.exchange.opens[1_000]
    plain = rig.exchange._klines

    def revised(parameters):
        return [[*row[:5], "9.00000000", *row[6:]] if row[0] == time else row for row in plain(parameters)]

    rig.exchange._klines = revised
    fetched = rig.fetch()
    assert fetched.stored.revisions == 1
    (revision,) = rig.store.revisions("BTCUSDT", M1, origin=ORIGIN)
    assert (revision.kind, revision.column, revision.old, revision.new) == ("revised", "volume", 2.0, 9.0)
    assert (revision.open_time_ms, revision.source, revision.seen_ms) == (time, "binance", rig.exchange.now)
    assert fetched.frame.filter(pl.col("open_time").dt.epoch("ms") == time)["volume"].item() == 9.0


def test_fault_25_impossible_revision_is_refused(rig):
    rig.fetch(start_ms=rig.exchange.opens[0], end_ms=rig.exchange.opens[1_000])
    change = with_value(1_000, 4, "-1")
    change.time = rig.exchange.opens[1_000]
    altered(rig, change, once=False)
    rig.fetch()
    rig.assert_golden()
    assert {r.kind for r in rig.store.revisions("BTCUSDT", M1, origin=ORIGIN)} == {"refused"}


def test_fault_26_symbol_in_break_or_unknown(rig, refused):
    with rig.source() as source, pytest.raises(UnknownSymbolError, match="Did you mean 'BTCUSDT'"):
        source.fetch("BTCUSD", M1, limit=5)
    rig.exchange.status = "BREAK"
    with rig.source() as source, pytest.raises(UnknownSymbolError, match="status BREAK"):
        source.fetch("BTCUSDT", M1, limit=5)
    with served(rig.exchange.answer) as url:
        code, line = refused("candles", "fetch", "BTCUSDT", "--binance-base-url", url, "--store", rig.folder / "s")
    assert code == 4
    assert "BREAK" in line


@pytest.mark.parametrize(("symbol", "interval"), [("btcusdt", "1m"), ("BTCUSDT", "1min"), ("BTC/USDT", "1m")])
def test_fault_27_bad_arguments(symbol, interval, rig):
    with rig.source() as source, pytest.raises(ConfigurationError) as caught:
        rig.store.load(symbol, interval, source, limit=5)
    assert caught.value.exit_code == 2
    assert rig.exchange.requests == []


def test_fault_28_empty_answer(rig, refused):
    rig.fetch()
    before = rig.content()
    rig.exchange.always = lambda _: httpx2.Response(200, text="[]")
    rig.exchange.time.now += 10 * MINUTE
    rig.fetch(limit=5)
    assert rig.content() == before
    store = rig.folder / "other"
    with served(rig.exchange.answer) as url:
        code, line = refused("candles", "fetch", "BTCUSDT", "--binance-base-url", url, "--store", store)
    assert code == 3
    assert "no data" in line
    assert not list(store.rglob("*.parquet"))


def test_fault_28_empty_answer_once_is_not_believed(rig):
    """Not that there is nothing earlier, and not that there are no more: the history would never be asked for again."""
    rig.fetch(start_ms=rig.exchange.opens[1_500])
    rig.exchange.faults = [httpx2.Response(200, text="[]")]
    rig.fetch()
    rig.assert_golden()


@pytest.mark.parametrize("nth", range(4))
def test_fault_28_empty_answer_once_while_candles_are_made_up_for(nth, tmp_path):
    rig = Rig(tmp_path, n=6_000, absent=range(3_000, 3_500))
    rig.fetch(limit=1_000)
    rig.exchange.faults = [*[None] * nth, httpx2.Response(200, text="[]")]
    fetched = rig.fetch(limit=4_000)
    assert opens_of(fetched.frame) == rig.exchange.opens[:-1][-4_000:]


def test_fault_29_start_before_the_listing(rig):
    rig.fetch(start_ms=1_500_000_000_000)
    rig.assert_golden()
    sent = len(rig.exchange.requests)
    rig.fetch(start_ms=1_500_000_000_000)
    assert rig.exchange.paths()[sent:].count("klines") <= 1, "that there is nothing earlier is remembered"


def test_fault_42_stale_candles_only_when_asked_for(tmp_path, refused):
    rig = Rig(tmp_path, n=600)
    told = {"store": tmp_path / "store", "lookback_candles": 100, "timeout_seconds": 0.5, "max_age_minutes": 0}
    with served(rig.exchange.answer) as url:
        gather_candles(load_settings({**told, "binance_base_url": url}))
    arguments = ("candles", "fetch", "BTCUSDT", "--binance-base-url", url, "--store", tmp_path / "store")
    code, line = refused(*arguments, "--max-age-minutes", "0")
    assert code == 4
    assert "no usable answer" in line
    newest = rig.exchange.opens[-2]
    store = Store(tmp_path / "store", now_ms=lambda: newest + 91 * MINUTE)

    class Down:
        name, origin = "binance", url.partition("://")[2].replace(":", "-")

        def fetch(self, *arguments, **bounds):
            raise UnreachableError("host: check the network")

    frame, report = store.load("BTCUSDT", M1, Down(), limit=100, allow_stale=True)
    assert (frame.height, report.stale) == (100, True)
    assert report.age_minutes == pytest.approx(90, abs=0.1)
    assert kline(newest, M1)[0] == opens_of(frame)[-1]
