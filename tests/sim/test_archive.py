"""The archive: names, times, units, availability, and agreement with REST."""

import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from mlsignal.candles import Interval
from mlsignal.sim import Market, Match, Outage, Rule, SimulatedExchange, VirtualClock, When
from mlsignal.sim.http import Request

ROOT = "/data/spot"
DAY = 86_400_000


def path_of(period, date, symbol="BTCUSDT", interval="1m"):
    return f"{ROOT}/{period}/klines/{symbol}/{interval}/{symbol}-{interval}-{date}.zip"


def rows_of(response):
    assert response.status == 200, response.body
    with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
        (name,) = archive.namelist()
        return name, [line.split(",") for line in archive.read(name).decode().splitlines()]


@pytest.mark.parametrize("interval", ["1s", "1m", "1h", "1d"])
def test_daily_file_holds_the_klines_of_rest(venue, interval):
    place = venue(days=3, hours=2)
    name, rows = rows_of(place.get(path_of("daily", "2024-01-02", "ETHUSDT", interval)))
    assert name == f"ETHUSDT-{interval}-2024-01-02.csv"
    start_ms = place.exchange.market.start_ms + DAY
    expected = []
    while True:
        bounds = {"startTime": expected[-1][0] + 1 if expected else start_ms, "endTime": start_ms + DAY - 1}
        page = place.klines("ETHUSDT", interval, limit=1000, **bounds)
        if not page or len(expected) > 3000:
            break
        expected += page
    assert rows[: len(expected)] == [[str(value) for value in row] for row in expected]
    assert len(rows) == DAY // Interval.parse(interval).milliseconds


def test_checksum_is_that_of_the_zip_and_the_zip_is_always_the_same(market, venue):
    path = path_of("daily", "2024-01-01")
    place = venue(days=2)
    line = place.get(f"{path}.CHECKSUM").body.decode()
    content = place.get(path).body
    assert line == f"{hashlib.sha256(content).hexdigest()}  BTCUSDT-1m-2024-01-01.zip\n"
    assert venue(days=40).get(path).body == content


def test_files_appear_once_they_are_complete(venue):
    place = venue(days=2, hours=1)
    statuses = [place.get(path_of("daily", f"2024-01-0{day}")).status for day in (1, 2, 3, 4)]
    assert statuses == [200, 200, 404, 404]
    late = venue(days=2, hours=1, archive_lag_days=1)
    assert [late.get(path_of("daily", f"2024-01-0{day}")).status for day in (1, 2, 3)] == [200, 404, 404]
    missing = place.get(path_of("daily", "2024-01-03"))
    assert b"NoSuchKey" in missing.body
    assert place.get(path_of("daily", "2024-01-03") + ".CHECKSUM").status == 404


def test_month_appears_on_the_first_monday_after_it(venue):
    january, april = (path_of("monthly", month, interval="1d") for month in ("2024-01", "2024-04"))
    to_monday = 31 + 4  # 2024-02-01 is a Thursday
    assert venue(days=to_monday - 1, hours=23).get(january).status == 404
    assert venue(days=to_monday).get(january).status == 200
    assert venue(days=to_monday).get(path_of("monthly", "2024-01", interval="1mo")).status == 200
    assert venue(days=to_monday, archive_lag_days=1).get(january).status == 404
    first_of_july = 31 + 29 + 31 + 30 + 31 + 30  # a Monday
    june = path_of("monthly", "2024-06", interval="1d")
    assert venue(days=first_of_july - 1, hours=23).get(june).status == 404
    assert venue(days=first_of_july).get(june).status == 200
    assert venue(days=first_of_july).get(april).status == 200


def test_monthly_file_is_its_days_together(venue):
    place = venue(days=35)
    monthly = rows_of(place.get(path_of("monthly", "2024-01", "NULLUSDT", "15m")))[1]
    days = [f"2024-01-{day:02d}" for day in range(1, 32)]
    assert monthly == [row for day in days for row in rows_of(place.get(path_of("daily", day, "NULLUSDT", "15m")))[1]]


def test_months_are_called_1mo_and_long_candles_have_no_days(venue):
    place = venue(days=70)
    name, rows = rows_of(place.get(path_of("monthly", "2024-02", interval="1mo")))
    assert (name, len(rows)) == ("BTCUSDT-1mo-2024-02.csv", 1)
    assert int(rows[0][0]) == 1706745600000
    for interval in ("3d", "1w", "1mo", "1M"):
        assert place.get(path_of("daily", "2024-01-05", interval=interval)).status == 404
    assert place.get(path_of("monthly", "2024-01", interval="1M")).status == 404
    assert len(rows_of(place.get(path_of("monthly", "2024-01", interval="1w")))[1]) == 5


def test_times_are_microseconds_from_2025_on():
    market = Market(seed=7, start=datetime(2024, 12, 30, tzinfo=UTC))
    exchange = SimulatedExchange(market, VirtualClock(market.start + timedelta(days=4)))
    old, new = (
        rows_of(exchange.answer(Request("GET", path_of("daily", day))))[1] for day in ("2024-12-31", "2025-01-01")
    )
    assert (old[0][0], old[0][6]) == ("1735603200000", "1735603259999")
    assert (new[0][0], new[0][6]) == ("1735689600000000", "1735689659999999")


@pytest.mark.parametrize(
    "path",
    [
        path_of("daily", "2024-01-01", "NOUSDT"),
        path_of("daily", "2023-12-31"),
        path_of("daily", "2024-13-01"),
        path_of("daily", "2024-01"),
        path_of("monthly", "2024-01-01"),
        path_of("weekly", "2024-01"),
        path_of("daily", "2024-01-01").replace("BTCUSDT-1m", "ETHUSDT-1m"),
        path_of("daily", "2024-01-01", interval="1H"),
        path_of("daily", "0001-01-01"),
        path_of("monthly", "9999-12"),
        f"{ROOT}/",
        f"{ROOT}/../../etc/passwd",
        f"{ROOT}/daily/oracle/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip",
    ],
)
def test_paths_of_nothing_are_404(venue, path):
    assert venue(days=3).get(path).status == 404


def test_outage_shows_in_the_archive_too_and_an_absent_day_is_404(market, venue):
    t0 = market.start_ms
    place = venue(days=4, defects=[Outage("*", t0 + 3_600_000, t0 + 2 * DAY)])
    assert len(rows_of(place.get(path_of("daily", "2024-01-01")))[1]) == 60
    assert place.get(path_of("daily", "2024-01-02")).status == 404
    assert len(rows_of(place.get(path_of("daily", "2024-01-03")))[1]) == 1440


def test_rules_change_an_edition_and_its_checksum_follows(venue):
    path = path_of("daily", "2024-01-01")
    rule = Rule("other_values", {"count": 4}, Match(path="/data/spot/daily/*"), seed=5)
    place = venue(days=2, rules=[rule])
    true_rows = rows_of(venue(days=2).get(path))[1]
    response = place.get(path)
    rows = rows_of(response)[1]
    assert sum(a != b for a, b in zip(rows, true_rows, strict=True)) == 4
    assert place.get(f"{path}.CHECKSUM").body.startswith(hashlib.sha256(response.body).hexdigest().encode())
    assert place.get(path).body == response.body, "asked again, it is the same edition"


def test_file_is_published_anew_once_a_rule_has_ended(venue):
    path = path_of("daily", "2024-01-01")
    place = venue(days=2)
    when = When(until_ms=place.clock.now_ms() + 3_600_000)
    place.exchange.faults.add(Rule("keep_rows", {"share": 0.5}, Match(path="/data/*"), when))
    assert len(rows_of(place.get(path))[1]) == 720
    first = place.get(f"{path}.CHECKSUM").body
    place.clock.advance(timedelta(hours=1))
    assert len(rows_of(place.get(path))[1]) == 1440
    assert place.get(f"{path}.CHECKSUM").body != first


def test_edition_that_was_forgotten_is_made_again_the_same(venue):
    rule = Rule("drop_rows", {"count": 20}, Match(path="/data/*"), When(probability=0.5), seed=3)
    place = venue(days=30, rules=[rule])
    paths = [path_of("daily", f"2024-01-{day:02d}", interval="15m") for day in range(1, 30)]
    first = [place.get(path).body for path in paths]
    assert [place.get(path).body for path in paths] == first
    assert len({len(rows_of(place.get(path))[1]) for path in paths}) == 2
