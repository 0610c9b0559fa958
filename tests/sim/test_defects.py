"""Defects of the data: what they change, and that they change nothing else."""

import json
from datetime import timedelta

import numpy as np
import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.errors import ConfigurationError
from mlsignal.sim import Crash, Delisting, Halt, MarketView, Misaligned, Outage, Revision

MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture
def t0(market):
    return market.start_ms


def candles_of(view, symbol, interval, now_ms):
    schedule = view.schedule(symbol, interval)
    last = schedule.position_from(now_ms + 1 - interval.milliseconds)
    return view.candles(symbol, interval, 0, last, now_ms)


def test_outage_leaves_out_what_lies_within_and_nothing_else(market, t0, venue):
    outage = Outage("BTCUSDT", t0 + 90 * MINUTE, t0 + 250 * MINUTE)
    place = venue(minutes=999, seconds=5, defects=[outage])
    opens = np.array(place.opens(startTime=0, limit=1000))
    assert np.diff(opens).max() == 161 * MINUTE
    assert (opens[89] - t0, opens[90] - t0) == (89 * MINUTE, 250 * MINUTE)
    calm = {row[0]: row for row in venue(minutes=999, seconds=5).klines(startTime=0, limit=1000)}
    assert all(calm[row[0]] == row for row in place.klines(startTime=0, limit=1000))
    assert place.opens("ETHUSDT", startTime=0, limit=1000) == list(calm)
    hours = place.klines(interval="1h", startTime=0)
    assert [(row[0] - t0) // HOUR for row in hours[:5]] == [0, 1, 4, 5, 6]
    first_half = market.candles("BTCUSDT", "1m", 90)[60:]
    assert float(hours[1][5]) == pytest.approx(first_half.volume.sum(), rel=1e-12)
    assert float(hours[1][4]) == first_half.close[-1]


def test_outage_longer_than_a_page_is_stepped_over_by_every_window(t0, venue):
    place = venue(minutes=6000, defects=[Outage("*", t0 + 100 * MINUTE, t0 + 4000 * MINUTE)])
    after = [t0 + n * MINUTE for n in range(4000, 4003)]
    assert place.opens(startTime=t0 + 98 * MINUTE, limit=5) == [t0 + 98 * MINUTE, t0 + 99 * MINUTE, *after]
    assert place.opens(startTime=t0 + 200 * MINUTE, limit=2) == after[:2]
    assert place.opens(endTime=after[0], limit=2) == [t0 + 99 * MINUTE, after[0]]
    assert place.opens(endTime=t0 + 3000 * MINUTE, limit=1) == [t0 + 99 * MINUTE]
    assert place.opens(startTime=t0 + 200 * MINUTE, endTime=t0 + 300 * MINUTE) == []


def test_outage_under_way_serves_nothing_newer(t0, venue):
    place = venue(minutes=150, defects=[Outage("*", t0 + 100 * MINUTE, t0 + 200 * MINUTE)])
    assert place.opens(limit=1) == [t0 + 99 * MINUTE]
    assert place.opens(startTime=t0 + 100 * MINUTE) == []
    assert float(place.klines(interval="12h", limit=1)[0][5]) > 0


def test_halt_is_flat_without_trades_at_every_interval(market, t0, venue):
    halt = Halt("BTCUSDT", t0 + 100 * MINUTE, t0 + 130 * MINUTE)
    place = venue(minutes=300, defects=[halt])
    rows = place.klines(startTime=0)
    price = market.candles("BTCUSDT", "1m", 100).close[-1]
    for row in rows[100:130]:
        assert {float(value) for value in row[1:5]} == {price}
        assert (float(row[5]), row[8], float(row[7]), float(row[9])) == (0, 0, 0, 0)
    calm = venue(minutes=300).klines(startTime=0)
    assert rows[:100] == calm[:100]
    assert rows[130:] == calm[130:]
    assert place.klines(interval="15m", startTime=t0 + 105 * MINUTE, limit=1)[0][8] == 0
    seconds = place.klines(interval="1s", startTime=t0 + 100 * MINUTE - 1000, limit=3)
    assert [row[8] for row in seconds[1:]] == [0, 0]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "NULLUSDT"])
def test_crash_keeps_every_rule_and_reconciles(market, t0, symbol):
    view = MarketView(market, [Crash("*", t0 + 100 * MINUTE, t0 + 160 * MINUTE, 0.4)])
    now_ms = t0 + 300 * MINUTE
    tables = {one: candles_of(view, symbol, one, now_ms) for one in (Interval.S1, Interval.M1, Interval.M15)}
    info = market.symbol_info(symbol)
    for interval, table in tables.items():
        Candles.from_polars(table.to_candles(info, interval).to_polars(), symbol, interval)  # validates
        assert np.all(table.low * table.volume <= table.quote_volume)
        assert np.all(table.quote_volume <= table.high * table.volume)
        assert np.array_equal(table.trades == 0, table.volume == 0)
    minutes = tables[Interval.M1]
    truth = market.table(symbol, Interval.M1, 0, 300)
    assert 0.58 < minutes.low[100:160].min() / truth.low[100:160].mean() < 0.65
    assert np.array_equal(minutes.volume, truth.volume)
    for name in ("low", "high", "close", "quote_volume"):
        outside = np.r_[0:100, 160:300]
        assert np.array_equal(getattr(minutes, name)[outside], getattr(truth, name)[outside])
    merged = tables[Interval.S1].merge(np.arange(0, 300 * 60, 60), minutes.open_time_ms)
    for name in ("open", "high", "low", "close", "volume", "quote_volume", "trades", "taker_buy_quote"):
        assert np.array_equal(getattr(merged, name), getattr(minutes, name)), name
    quarter = minutes.merge(np.arange(0, 300, 15), minutes.open_time_ms[::15])
    assert np.array_equal(quarter.quote_volume, tables[Interval.M15].quote_volume)
    assert np.array_equal(quarter.low, tables[Interval.M15].low)


def test_misaligned_candles_open_off_the_grid_and_the_last_overlaps_its_successor(market, t0, venue):
    offset = 28 * MINUTE + 14_789
    defects = [
        Outage("*", t0 + 28 * MINUTE, t0 + 10 * HOUR),
        Misaligned("*", t0 + 9 * HOUR, t0 + 13 * HOUR, Interval.H1, offset),
    ]
    place = venue(hours=20, defects=defects)
    rows = place.klines(interval="1h", startTime=0)
    opens = [row[0] - t0 for row in rows]
    assert opens == [0, *[n * HOUR + offset for n in range(9, 13)], *[n * HOUR for n in range(13, 21)]]
    assert [row[6] - row[0] for row in rows] == [HOUR - 1] * len(rows)
    assert rows[4][6] > rows[5][0]
    seconds = market.table("BTCUSDT", Interval.S1, 0, 20 * 3600)
    begin, end = 10 * 3600, (10 * HOUR + offset) // 1000  # the first holds what was traded after the outage
    assert rows[1][8] == seconds.trades[begin:end].sum()
    begin, end = ((n * HOUR + offset) // 1000 for n in (12, 13))
    assert rows[4][8] == seconds.trades[begin:end].sum()
    assert place.opens(interval="1h", startTime=t0 + 9 * HOUR, limit=1) == [t0 + 9 * HOUR + offset]
    assert place.opens(interval="1h", endTime=t0 + 13 * HOUR, limit=2) == [t0 + 12 * HOUR + offset, t0 + 13 * HOUR]
    assert place.opens(interval="30m", startTime=t0 + 9 * HOUR, limit=1) == [t0 + 10 * HOUR]


def test_revision_serves_a_provisional_row_and_later_the_truth(t0, venue):
    known = t0 + 90 * MINUTE
    place = venue(minutes=80, defects=[Revision("*", t0 + 60 * MINUTE, t0 + 61 * MINUTE, known)])
    window = {"startTime": t0 + 59 * MINUTE, "limit": 3}
    before, hour = place.klines(**window), place.klines(interval="1h", startTime=t0 + 60 * MINUTE)[0]
    seconds = place.klines(interval="1s", startTime=t0 + 60 * MINUTE, limit=60)
    assert before[1][8] == sum(row[8] for row in seconds)
    assert all(row[8] == 0 for row in seconds[50:])
    place.clock.now = place.exchange.market.start + timedelta(minutes=90)
    after = place.klines(**window)
    assert after == venue(minutes=90).klines(**window)
    assert (before[0], before[2]) == (after[0], after[2])
    assert after[1][8] > before[1][8]
    later = place.klines(interval="1h", startTime=t0 + 60 * MINUTE)[0]
    assert later[8] > hour[8]


def test_delisting_ends_the_candles_and_breaks_the_symbol(t0, venue):
    place = venue(minutes=100, defects=[Delisting("ETHUSDT", t0 + 120 * MINUTE)])

    def statuses():
        info = json.loads(place.get("/api/v3/exchangeInfo").body)
        return {one["symbol"]: one["status"] for one in info["symbols"]}

    assert set(statuses().values()) == {"TRADING"}
    place.clock.advance(timedelta(minutes=50))
    assert statuses() == {"BTCUSDT": "TRADING", "ETHUSDT": "BREAK", "SOLUSDT": "TRADING", "NULLUSDT": "TRADING"}
    assert place.opens("ETHUSDT", limit=1) == [t0 + 119 * MINUTE]
    assert place.opens("ETHUSDT", startTime=t0 + 120 * MINUTE) == []
    assert place.opens(limit=1) == [t0 + 150 * MINUTE]


@pytest.mark.parametrize("interval", list(Interval))
def test_view_without_defects_is_the_market(market, interval):
    view = MarketView(market)
    table, truth = view.candles("ETHUSDT", interval, 0, 3, 1 << 50), market.table("ETHUSDT", interval, 0, 3)
    assert np.array_equal(table.open_time_ms, truth.open_time_ms)
    assert np.array_equal(table.quote_volume, truth.quote_volume)


def test_defects_bad_arguments_are_refused(t0):
    with pytest.raises(ConfigurationError, match="whole minutes"):
        Outage("*", t0 + 1, t0 + MINUTE)
    with pytest.raises(ConfigurationError, match="whole minutes"):
        Halt("*", t0, t0)
    with pytest.raises(ConfigurationError, match="depth"):
        Crash("*", t0, t0 + MINUTE, 1.0)
    with pytest.raises(ConfigurationError, match="offset_ms"):
        Misaligned("*", t0, t0 + MINUTE, Interval.M1, 60_000)
