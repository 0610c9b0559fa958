"""Scenarios: each makes what it promises, from one seed always the same."""

import io
import itertools
import json
import zipfile
from collections import Counter
from datetime import timedelta

import pytest

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError
from mlsignal.sim import SCENARIOS, Outage, Revision, SimulatedExchange, VirtualClock, build_scenario
from mlsignal.sim.http import Request

NOW_DAYS = 12
MINUTE, HOUR = 60_000, 3_600_000


@pytest.fixture
def staged(venue):
    """Make a venue in mid-day, some days after its market began, with a scenario."""

    def make(name):
        place = venue(days=NOW_DAYS, hours=13, minutes=7, seconds=20)
        place.scenario = build_scenario(name, place.exchange.market, place.clock.now)
        place.exchange.apply(place.scenario)
        return place

    return make


def test_scenarios_are_those_documented():
    documented = "calm maintenance misaligned_2018_02 delisting flash_crash ratelimit_storm ws_hell archive_rot"
    assert set(SCENARIOS) == set(documented.split())
    assert SCENARIOS[0] == "calm"


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_is_the_same_again_and_says_what_it_is(staged, name, market):
    place = staged(name)
    assert build_scenario(name, market, place.clock.now) == place.scenario
    assert place.scenario.summary.endswith(".")
    assert bool(place.scenario.rules or place.scenario.defects) == (name != "calm")


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario_on_a_market_that_has_just_begun_serves(venue, name):
    place = venue(minutes=3)
    place.exchange.apply(build_scenario(name, place.exchange.market, place.clock.now))
    for interval in Interval:
        assert place.get("/api/v3/klines", symbol="BTCUSDT", interval=interval.value).status in (
            200,
            418,
            429,
            502,
            503,
        )
    assert place.get("/api/v3/time").status in (200, 418)


def test_unknown_scenario_is_refused(market):
    with pytest.raises(ConfigurationError, match="Did you mean 'calm'"):
        build_scenario("clam", market, market.start)


def test_maintenance_has_an_outage_a_halt_and_another_to_come(staged):
    place = staged("maintenance")
    outage = next(one for one in place.scenario.defects if isinstance(one, Outage))
    assert place.opens(startTime=outage.start_ms, limit=1) == [outage.end_ms]
    assert place.klines(startTime=outage.end_ms, limit=1)[0][8] == 0
    place.clock.advance(timedelta(minutes=25))
    info = json.loads(place.get("/api/v3/exchangeInfo").body)
    assert {one["status"] for one in info["symbols"]} == {"BREAK"}
    statuses = Counter(place.get("/api/v3/klines", symbol="BTCUSDT", interval="1m").status for _ in range(9))
    assert statuses == {200: 6, 503: 3}
    place.clock.advance(timedelta(hours=1))
    assert place.get("/api/v3/klines", symbol="BTCUSDT", interval="1m").status == 200


def test_misaligned_2018_02_is_as_it_was(staged):
    place = staged("misaligned_2018_02")
    outage = next(one for one in place.scenario.defects if isinstance(one, Outage))
    rows = place.klines(interval="1h", startTime=outage.start_ms - 2 * HOUR, limit=12)
    phases = Counter(row[0] % HOUR for row in rows)
    assert set(phases) == {0, 28 * MINUTE + 14_789}
    overlaps = [(a, b) for a, b in itertools.pairwise(rows) if a[6] >= b[0]]
    assert len(overlaps) == 1
    assert overlaps[0][1][0] % HOUR == 0
    assert (outage.end_ms - outage.start_ms) / HOUR == pytest.approx(33.5, abs=0.04)
    minutes = place.opens(startTime=outage.start_ms, limit=1000)
    assert minutes[0] % MINUTE == 14_789
    assert Counter(time % MINUTE for time in minutes)[0] > 500


def test_delisting_breaks_one_symbol_now_and_one_later(staged):
    place = staged("delisting")

    def broken():
        info = json.loads(place.get("/api/v3/exchangeInfo").body)
        return {one["symbol"] for one in info["symbols"] if one["status"] == "BREAK"}

    assert broken() == {"ETHUSDT"}
    assert place.opens("ETHUSDT", limit=1)[0] < place.clock.now_ms() - 12 * HOUR
    place.clock.advance(timedelta(hours=1, minutes=1))
    assert broken() == {"ETHUSDT", "SOLUSDT"}


def test_flash_crash_falls_and_comes_back(staged):
    place = staged("flash_crash")
    crash = place.scenario.defects[0]
    rows = place.klines(startTime=crash.start_ms - 10 * MINUTE, limit=90)
    closes = [float(row[4]) for row in rows]
    assert min(closes) < 0.72 * closes[0]
    assert closes[-1] > 0.95 * closes[0]
    lows = [float(row[3]) for row in rows]
    assert all(low <= min(float(row[1]), float(row[4])) for low, row in zip(lows, rows, strict=True))


def test_ratelimit_storm_refuses_in_every_way(staged):
    place = staged("ratelimit_storm")
    statuses = Counter()
    for _ in range(400):
        statuses[place.get("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=50).status] += 1
        place.clock.advance(timedelta(seconds=5))
    assert set(statuses) == {200, 418, 429, 502, 503}
    assert statuses[200] > 200


def test_archive_rot_is_late_torn_and_at_odds(staged):
    place = staged("archive_rot")
    start = place.exchange.market.start
    days = [f"{start + timedelta(days=n):%Y-%m-%d}" for n in range(NOW_DAYS)]
    paths = [f"/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-{day}.zip" for day in days]
    answers = [place.get(path) for path in paths]
    outcomes = Counter(answer.status for answer in answers)
    assert outcomes[404] >= 2
    lengths = []
    for answer in answers:
        if answer.status == 200:
            try:
                with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
                    lengths.append(archive.read(archive.namelist()[0]).count(b"\n"))
            except zipfile.BadZipFile:
                lengths.append(-1)
    assert {-1, 1440, 1008} <= set(lengths)
    revision = next(one for one in place.scenario.defects if isinstance(one, Revision))
    before = place.klines(startTime=revision.start_ms, limit=1)
    place.clock.advance(timedelta(hours=1))
    assert place.klines(startTime=revision.start_ms, limit=1) != before


def test_scenarios_of_the_same_seed_answer_the_same(market):
    def run():
        exchange = SimulatedExchange(market, VirtualClock(market.start + timedelta(days=3)))
        exchange.apply(build_scenario("ratelimit_storm", market, exchange.clock.now))
        query = (("symbol", "BTCUSDT"), ("interval", "1m"), ("limit", "20"))
        return [exchange.answer(Request("GET", "/api/v3/klines", query)) for _ in range(60)]

    assert run() == run()
