"""Fault rules: what they match, when they fire, and what each action does."""

import hashlib
import io
import itertools
import json
import zipfile
from collections import Counter
from datetime import timedelta

import pytest

from mlsignal.errors import ConfigurationError
from mlsignal.sim import ACTIONS, Match, Rule, When
from mlsignal.sim.faults import Stage

MINUTE = 60_000
KLINES = Match(path="/api/v3/klines")
ZIP = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-01.zip"


@pytest.fixture
def faulty(venue):
    """Make a venue of a thousand minutes with one rule about klines."""

    def make(action, options=None, match=KLINES, when=None, **more):
        return venue(minutes=999, seconds=30, rules=[Rule(action, options or {}, match, when or When(), **more)])

    return make


@pytest.fixture
def true_rows(venue):
    return venue(minutes=999, seconds=30).klines(limit=100)


def statuses(place, n, path="/api/v3/klines"):
    return [place.get(path, symbol="BTCUSDT", interval="1m", limit=1).status for _ in range(n)]


# -- when and what --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "times", "expected"),
    [
        (When(nth=2), None, "-X----"),
        (When(every=3), None, "--X--X"),
        (When(every=2), 1, "-X----"),
        (When(), 2, "XX----"),
        (When(probability=0.0), None, "------"),
        (When(probability=1.0), None, "XXXXXX"),
    ],
)
def test_rule_fires_when_it_should(faulty, when, times, expected):
    place = faulty("status", {"status": 503}, when=when, times=times)
    found = "".join("X" if status == 503 else "-" for status in statuses(place, 6))
    assert found == expected
    assert place.exchange.faults.fired(1) == expected.count("X")


def test_rule_with_a_probability_depends_on_its_seed_only(faulty):
    runs = [statuses(faulty("status", {"status": 503}, when=When(probability=0.3), seed=4), 200) for _ in range(2)]
    assert runs[0] == runs[1]
    assert 35 < Counter(runs[0])[503] < 85
    assert statuses(faulty("status", {"status": 503}, when=When(probability=0.3), seed=5), 200) != runs[0]


def test_rule_in_a_window_of_time_counts_within_it_only(venue):
    place = venue(minutes=100)
    now_ms = place.clock.now_ms()
    when = When(nth=2, from_ms=now_ms + MINUTE, until_ms=now_ms + 2 * MINUTE)
    place.exchange.faults.add(Rule("status", {"status": 503}, KLINES, when))
    found = []
    for _ in range(6):
        found.append(statuses(place, 1)[0])
        place.clock.advance(timedelta(seconds=30))
    assert found == [200, 200, 200, 503, 200, 200]


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        (Match(), True),
        (Match(path="/api/*"), True),
        (Match(path="/api/v3/uiKlines"), False),
        (Match(symbol="BTC*"), True),
        (Match(symbol="ETHUSDT"), False),
        (Match(interval="1m"), True),
        (Match(interval="1M"), False),
        (Match(parameters={"limit": "1"}), True),
        (Match(parameters={"limit": "1", "startTime": "?*"}), False),
        (Match(parameters={"startTime": ""}), True),
    ],
)
def test_rule_matches_path_symbol_interval_and_parameters(faulty, match, hit):
    assert statuses(faulty("status", {"status": 503}, match), 1) == [503 if hit else 200]


def test_rules_apply_in_their_order_and_can_be_removed(venue):
    place = venue(minutes=10)
    faults = place.exchange.faults
    first = faults.add(Rule("duplicate_rows", {}, KLINES))
    faults.add(Rule("columns", {"count": 3}, KLINES))
    assert [len(row) for row in place.klines(limit=2)] == [3, 3, 3]
    faults.remove(first)
    assert [len(row) for row in place.klines(limit=2)] == [3, 3]
    faults.clear()
    assert len(place.klines(limit=2)[0]) == 12
    with pytest.raises(ConfigurationError, match="not in force"):
        faults.remove(first)
    with pytest.raises(ConfigurationError, match="not in force"):
        faults.fired(first)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"action": "statuz"}, "Did you mean 'status'"),
        ({"action": "status"}, "'status' expected"),
        ({"action": "status", "options": {"stat": 1}}, "no option 'stat'"),
        ({"action": "status", "options": {"status": "503"}}, "int expected"),
        ({"action": "status", "options": {"status": 503}, "times": 0}, "times"),
        ({"action": "status", "options": {"status": 503}, "seed": -1}, "seed"),
        ({"action": "truncate", "when": {"nth": 0}}, "nth"),
        ({"action": "truncate", "when": {"probability": 2}}, "probability"),
        ({"action": "truncate", "when": {"never": 1}}, "no field 'never'"),
        ({"action": "truncate", "when": {"nth": "two"}}, "type"),
        ({"action": "truncate", "match": ["x"]}, "an object expected"),
        ({"options": {}}, "a rule with an action"),
        ([], "an object expected"),
    ],
)
def test_rule_that_cannot_be_is_refused(content, message):
    with pytest.raises(ConfigurationError, match=message):
        Rule.from_dict(content)


def test_rules_survive_json():
    rule = Rule(
        "status", {"status": 429, "retry_after": 7}, Match("/x", "A", "1m", {"a": "b"}), When(2, 3, 0.5, 1, 2), 4
    )
    assert Rule.from_dict(json.loads(json.dumps(rule.to_dict()))) == rule


def test_every_action_says_what_it_does():
    assert {one.stage for one in ACTIONS.values()} == set(Stage)
    for one in ACTIONS.values():
        assert one.summary.endswith(".")


# -- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [418, 429, 451, 500, 502, 503, 504])
def test_status_refuses_in_json(faulty, status):
    answer = faulty("status", {"status": status}).get("/api/v3/klines")
    assert answer.status == status
    assert set(json.loads(answer.body)) == {"code", "msg"}
    assert "Retry-After" not in dict(answer.headers)
    assert "x-mbx-used-weight-1m" in dict(answer.headers)


def test_status_429_tells_when_to_come_back(faulty):
    answer = faulty("status", {"status": 429, "retry_after": 7}).get("/api/v3/klines")
    assert dict(answer.headers)["Retry-After"] == "7"
    assert json.loads(answer.body)["code"] == -1003


def test_status_418_bans_for_as_long_as_it_says(faulty):
    place = faulty("status", {"status": 418, "retry_after": 120}, when=When(nth=2))
    assert statuses(place, 3) == [200, 418, 418]
    place.clock.advance(timedelta(seconds=119))
    assert place.get("/api/v3/ping").status == 418
    place.clock.advance(timedelta(seconds=1))
    assert statuses(place, 1) == [200]


@pytest.mark.parametrize("status", [200, 502])
def test_html_instead_of_json(faulty, status):
    answer = faulty("html", {"status": status}).get("/api/v3/klines")
    assert (answer.status, answer.content_type) == (status, "text/html")
    assert answer.body.startswith(b"<!DOCTYPE html>")
    assert len(answer.body) > 200
    assert b"<html" in faulty("status", {"status": 403}).get("/api/v3/klines").body


def test_error_code_of_ones_choice(faulty):
    answer = faulty("error", {"code": -1016, "message": "This service is no longer available."}).get("/api/v3/klines")
    assert (answer.status, json.loads(answer.body)["code"]) == (400, -1016)


@pytest.mark.parametrize("action", ["truncate", "garble"])
def test_json_is_broken(faulty, action):
    answer = faulty(action).get("/api/v3/klines", symbol="BTCUSDT", interval="1m")
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"."):
        json.loads(answer.body)


def test_empty_answer(faulty):
    assert faulty("empty").klines() == []
    assert faulty("empty", {"body": ""}).get("/api/v3/klines").body == b""


def test_clock_is_told_wrong_but_candles_go_by_the_right_one(faulty):
    place = faulty("clock_off", {"ms": -90_000}, Match(path="/api/v3/*"))
    now_ms = place.clock.now_ms()
    assert json.loads(place.get("/api/v3/time").body)["serverTime"] == now_ms - 90_000
    assert json.loads(place.get("/api/v3/exchangeInfo").body)["serverTime"] == now_ms - 90_000
    assert place.opens(limit=1) == [now_ms // MINUTE * MINUTE]


def test_symbol_in_break_or_unlisted(faulty):
    def told(place):
        return {one["symbol"]: one["status"] for one in json.loads(place.get("/api/v3/exchangeInfo").body)["symbols"]}

    info = Match(path="/api/v3/exchangeInfo")
    assert told(faulty("symbol_status", {"symbol": "ETHUSDT"}, info))["ETHUSDT"] == "BREAK"
    assert told(faulty("symbol_status", {"symbol": "ETHUSDT"}, info))["BTCUSDT"] == "TRADING"
    assert set(told(faulty("symbol_status", {"status": "HALT"}, info)).values()) == {"HALT"}
    assert "BTCUSDT" not in told(faulty("unlisted", {"symbol": "BTCUSDT"}, info))


def test_used_weight_is_told_higher(faulty):
    place = faulty("used_weight", {"weight": 5500})
    answer = place.get("/api/v3/klines", symbol="BTCUSDT", interval="1m")
    assert dict(answer.headers)["x-mbx-used-weight-1m"] == "5500"
    assert dict(place.get("/api/v3/ping").headers)["x-mbx-used-weight-1m"] == "3"


# -- rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [11, 13])
def test_columns_are_missing_or_too_many(faulty, count):
    assert {len(row) for row in faulty("columns", {"count": count}).klines()} == {count}


def differing(rows, true_rows):
    return [(row, true) for row, true in zip(rows, true_rows, strict=True) if row != true]


@pytest.mark.parametrize("value", ["NaN", "inf", "-1.00000000", "abc", ""])
def test_bad_values_in_some_rows(faulty, true_rows, value):
    place = faulty("bad_value", {"value": value, "column": "high", "count": 3})
    changed = differing(place.klines(limit=100), true_rows)
    assert [row[2] for row, _ in changed] == [value] * 3


def test_bad_value_in_no_column_is_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'high'"):
        ACTIONS["bad_value"].function([], call=None, column="hihg")


def test_impossible_high_and_low(faulty, true_rows):
    ((row, _),) = differing(faulty("impossible_high").klines(limit=100), true_rows)
    assert float(row[2]) < max(float(row[1]), float(row[4]))
    ((row, _),) = differing(faulty("impossible_low").klines(limit=100), true_rows)
    assert float(row[3]) > min(float(row[1]), float(row[4]))


def test_duplicates_identical_or_conflicting(faulty, true_rows):
    same = faulty("duplicate_rows", {"count": 3}).klines(limit=100)
    assert len(same) == 103
    assert [row for number, row in enumerate(same) if row not in same[:number]] == true_rows
    other = faulty("duplicate_rows", {"count": 3, "conflicting": True}).klines(limit=100)
    assert len({row[0] for row in other}) == 100
    assert len([row for row in other if row not in true_rows]) == 3


def test_rows_out_of_order(faulty, true_rows):
    rows = faulty("shuffle_rows").klines(limit=100)
    assert rows != true_rows
    assert sorted(rows) == true_rows


def test_rows_dropped(faulty, true_rows):
    rows = faulty("drop_rows", {"count": 7}).klines(limit=100)
    gaps = [b[0] - a[0] for a, b in itertools.pairwise(rows)]
    assert Counter(gaps) == {MINUTE: 91, 8 * MINUTE: 1}
    assert (rows[0], rows[-1]) == (true_rows[0], true_rows[-1])
    assert faulty("drop_rows", {"count": 2, "first": 0}).klines(limit=100) == true_rows[2:]
    assert faulty("drop_rows", {"count": 2, "first": -2}).klines(limit=100) == true_rows[:-2]
    span = {"from_ms": true_rows[10][0], "until_ms": true_rows[20][0]}
    assert faulty("drop_span", span).klines(limit=100) == true_rows[:10] + true_rows[20:]
    assert faulty("keep_rows", {"share": 0.25}).klines(limit=100) == true_rows[:25]


def test_rows_off_the_grid_and_overlapping(faulty, true_rows):
    changed = differing(faulty("misalign_rows", {"count": 4}).klines(limit=100), true_rows)
    assert [row[0] - true[0] for row, true in changed] == [14_789] * 4
    assert changed[-1][0][6] > changed[-1][1][6]
    rows = faulty("overlap_rows", {"count": 2}).klines(limit=100)
    assert len([row for row in rows if row[0] % MINUTE == MINUTE // 2]) == 2
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    ((row, true),) = differing(faulty("odd_close_time").klines(limit=100), true_rows)
    assert row[6] == true[6] - 13_000


def test_rows_without_volume(faulty, true_rows):
    ((row, true),) = differing(faulty("zero_volume").klines(limit=100), true_rows)
    assert row[1:6] == [true[1]] * 4 + ["0.00000000"]
    assert row[8] == 0


def test_open_candle_or_the_newest_closed_is_omitted(faulty, true_rows):
    assert faulty("omit_open").klines(limit=100) == true_rows[:-1]
    assert faulty("omit_newest").klines(limit=100) == true_rows[:-2]


def test_other_values_disagree_but_are_possible(faulty, true_rows):
    for row, true in differing(faulty("other_values", {"count": 5}).klines(limit=100), true_rows):
        prices = [float(value) for value in row[1:5]]
        assert prices[1] == max(prices)
        assert prices[2] == min(prices)
        assert row[4] != true[4]
    ((row, true),) = differing(faulty("other_values", {"column": "trades", "factor": 2}).klines(limit=100), true_rows)
    assert row[8] == 2 * true[8]


def test_rows_rules_leave_few_rows_alone(faulty):
    for name, one in ACTIONS.items():
        if one.stage is Stage.ROWS:
            options = {"count": 11} if name == "columns" else {}
            if name == "drop_span":
                options = {"from_ms": 0, "until_ms": 1}
            place = faulty(name, options)
            assert place.klines(startTime=place.clock.now_ms() + 1) == [], name
            assert len(place.klines(limit=1)) <= 2, name


def test_rows_of_the_same_seed_are_the_same(faulty):
    first, second = (faulty("drop_rows", seed=9).klines(limit=50) for _ in range(2))
    assert first == second


# -- downloads ------------------------------------------------------------------------------------------------------


def unpacked(place):
    response = place.get(ZIP)
    assert place.get(f"{ZIP}.CHECKSUM").body.startswith(hashlib.sha256(response.body).hexdigest().encode())
    with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
        return {one.filename: archive.read(one) for one in archive.infolist()}


@pytest.fixture
def rotten(venue):
    def make(action, options=None, path=ZIP):
        return venue(days=2, rules=[Rule(action, options or {}, Match(path=path))])

    return make


def test_header_line(rotten):
    first, second = unpacked(rotten("header_line"))["BTCUSDT-1m-2024-01-01.csv"].splitlines()[:2]
    assert first.startswith(b"open_time,open,high,low,close,volume,close_time,")
    assert first.count(b",") == second.count(b",") == 11


def test_time_unit(rotten):
    line = unpacked(rotten("time_unit", {"unit": "us"}))["BTCUSDT-1m-2024-01-01.csv"].split(b"\n")[0].split(b",")
    assert (line[0], line[6]) == (b"1704067200000000", b"1704067259999999")
    with pytest.raises(ConfigurationError, match="unit"):
        ACTIONS["time_unit"].function(None, call=None, unit="ns")


def test_zip_bomb_is_small_outside_and_large_inside(rotten):
    response = rotten("zip_bomb", {"megabytes": 64}).get(ZIP)
    assert len(response.body) < 100_000
    with zipfile.ZipFile(io.BytesIO(response.body)) as archive:
        assert archive.infolist()[0].file_size == 64 << 20


def test_members_that_should_not_be(rotten):
    assert list(unpacked(rotten("member_path"))) == ["../../../../mlsignal-escaped.csv"]
    assert list(unpacked(rotten("further_member"))) == ["BTCUSDT-1m-2024-01-01.csv", "README.txt"]
    assert unpacked(rotten("no_member")) == {}


def test_checksum_wrong_bare_or_absent(rotten):
    good = rotten("delay", {"seconds": 0}).get(f"{ZIP}.CHECKSUM").body
    wrong = rotten("wrong_checksum", path="*.CHECKSUM").get(f"{ZIP}.CHECKSUM").body
    assert wrong[1:] == good[1:]
    assert wrong != good
    assert rotten("bare_checksum", path="*.CHECKSUM").get(f"{ZIP}.CHECKSUM").body == good.rstrip()
    place = rotten("status", {"status": 404}, "*.CHECKSUM")
    assert (place.get(ZIP).status, place.get(f"{ZIP}.CHECKSUM").status) == (200, 404)


def test_zip_torn(rotten):
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(rotten("truncate").get(ZIP).body))
