"""What is relied upon of the exchange: a card a fact, run against the simulated exchange and against the real one.

A card is a function of `Endpoints`, whose name says the fact. It asserts nothing that holds of one exchange only.
"""

from datetime import date, timedelta

import pytest

from mlsignal.candles import Interval
from mlsignal.sources import ArchiveSource, BinanceSource
from tests.online.endpoints import DAY, HOUR, MINUTE, SECOND, SYMBOL, Endpoints, start_of

STREAM = f"{SYMBOL.lower()}@kline_1s"
KLINE_FIELDS = set("tTsifLochlvnxqVQB")
_TRIES = 3
CARDS = []


def card(function):
    CARDS.append(function)
    return function


# -- REST -----------------------------------------------------------------------------------------------------------


@card
def ping_answers_an_empty_object(at: Endpoints):
    assert at.json("ping") == {}


@card
def time_is_in_milliseconds(at: Endpoints):
    answer = at.json("time")
    assert set(answer) == {"serverTime"}
    assert 10**12 < answer["serverTime"] < 10**13
    assert at.now_ms() >= answer["serverTime"]


@card
def exchange_info_tells_status_filters_and_limits(at: Endpoints):
    info = at.json("exchangeInfo", symbol=SYMBOL)
    assert info["timezone"] == "UTC"
    assert isinstance(info["serverTime"], int)
    limits = {(one["rateLimitType"], one["interval"], one["intervalNum"]): one["limit"] for one in info["rateLimits"]}
    assert limits["REQUEST_WEIGHT", "MINUTE", 1] == 6_000
    (symbol,) = info["symbols"]
    assert (symbol["symbol"], symbol["baseAsset"], symbol["quoteAsset"]) == (SYMBOL, "BTC", "USDT")
    assert symbol["status"] in {"TRADING", "HALT", "BREAK", "END_OF_DAY", "CANCEL_ONLY"}
    filters = {one["filterType"]: one for one in symbol["filters"]}
    assert float(filters["PRICE_FILTER"]["tickSize"]) > 0
    assert float(filters["LOT_SIZE"]["stepSize"]) > 0


@card
def weights_are_told_in_a_header(at: Endpoints):
    """Klines weigh 2, exchangeInfo 20; others may share the address, so at least that."""
    for endpoint, query, weight in (
        ("klines", {"symbol": SYMBOL, "interval": "1m", "limit": 1}, 2),
        ("exchangeInfo", {"symbol": SYMBOL}, 20),
    ):
        for _ in range(_TRIES):
            minute = at.now_ms() // MINUTE
            before = int(at.get("ping").headers["X-MBX-USED-WEIGHT-1M"])
            after = int(at.get(endpoint, **query).headers["x-mbx-used-weight-1m"])
            if at.now_ms() // MINUTE == minute:
                break
        assert after >= before + weight


@card
def klines_have_twelve_fields(at: Endpoints):
    day = start_of(at.past_day())
    for row in at.klines(startTime=day, endTime=day + 9 * MINUTE):
        assert [type(value) for value in row] == [int, *[str] * 5, int, str, int, str, str, str]
        opened, high, low, closed, volume = map(float, row[1:6])
        assert low <= min(opened, closed) <= max(opened, closed) <= high
        assert float(row[9]) <= volume
        assert float(row[10]) <= float(row[7])
        assert row[11] == "0"


@card
def close_time_is_the_next_open_less_a_millisecond(at: Endpoints):
    day = start_of(at.past_day())
    for name in ("1s", "1m", "1h", "1d", "1M"):
        interval = Interval.parse(name)
        opened = interval.floor(day)
        (row,) = at.klines(name, startTime=opened, limit=1)
        assert (row[0], row[6]) == (opened, interval.next(opened) - 1)


@card
def both_bounds_are_of_open_time_and_included(at: Endpoints):
    day = start_of(at.past_day())
    whole = [day + n * MINUTE for n in range(6)]
    assert at.opens(startTime=day, endTime=whole[-1]) == whole
    assert at.opens(startTime=day, endTime=whole[-1] - 1) == whole[:-1]
    assert at.opens(startTime=day + 1, endTime=whole[-1]) == whole[1:]
    assert at.opens(startTime=day + 1, endTime=day + MINUTE - 1) == []


@card
def start_only_gives_the_oldest_from_there(at: Endpoints):
    day = start_of(at.past_day())
    assert at.opens(startTime=day, limit=3) == [day, day + MINUTE, day + 2 * MINUTE]
    first = at.opens(startTime=0, limit=1)
    assert first[0] <= day
    assert at.opens(endTime=first[0] - 1) == [], "nothing before the listing"


@card
def end_only_gives_the_newest_up_to_there(at: Endpoints):
    day = start_of(at.past_day())
    assert at.opens(endTime=day, limit=3) == [day - 2 * MINUTE, day - MINUTE, day]


@card
def both_bounds_and_a_limit_give_the_oldest(at: Endpoints):
    day = start_of(at.past_day())
    assert at.opens(startTime=day, endTime=day + HOUR, limit=2) == [day, day + MINUTE]


@card
def neither_bound_gives_the_newest_and_the_open_candle_is_last(at: Endpoints):
    for _ in range(_TRIES):  # a candle may begin, and not yet be there, while it is asked for
        before = at.now_ms()
        rows = at.klines(limit=5)
        now = at.now_ms()
        if before // MINUTE == now // MINUTE == rows[-1][0] // MINUTE:
            break
    assert [row[0] for row in rows] == [now // MINUTE * MINUTE - n * MINUTE for n in (4, 3, 2, 1, 0)]
    assert rows[-1][6] > now
    assert rows[-2][6] < now


@card
def limits_are_500_and_at_most_1000(at: Endpoints):
    day = start_of(at.past_day())
    assert len(at.klines(startTime=day)) == 500
    assert len(at.klines(startTime=day, endTime=day + DAY - 1)) == 500, "with both bounds too"
    assert len(at.klines(startTime=day, limit=1)) == 1
    assert len(at.klines(startTime=day, limit=1000)) == 1000


@card
def intervals_mind_their_case(at: Endpoints):
    assert {row[6] - row[0] for row in at.klines("1m", limit=2)} == {MINUTE - 1}
    (month,) = at.klines("1M", limit=1)
    assert month[6] - month[0] > 27 * DAY


@card
def errors_have_codes(at: Endpoints):
    for code, query in (
        (-1121, {"symbol": "NOSUCHPAIR", "interval": "1m"}),
        (-1120, {"symbol": SYMBOL, "interval": "7m"}),
        (-1100, {"symbol": SYMBOL.lower(), "interval": "1m"}),
        (-1102, {"interval": "1m"}),
        (-1102, {"symbol": SYMBOL}),
    ):
        answer = at.get("klines", 400, **query).json()
        assert answer["code"] == code, query
        assert answer["msg"]
    assert at.get("exchangeInfo", 400, symbol="NOSUCHPAIR").json()["code"] == -1121


# -- streams --------------------------------------------------------------------------------------------------------


@card
def raw_stream_has_the_kline_fields(at: Endpoints):
    with at.streaming(f"/ws/{STREAM}") as (receive, _):
        event = receive()
    assert (event["e"], event["s"]) == ("kline", SYMBOL)
    assert isinstance(event["E"], int)
    kline = event["k"]
    assert set(kline) == KLINE_FIELDS
    assert (kline["s"], kline["i"], kline["T"]) == (SYMBOL, "1s", kline["t"] + SECOND - 1)
    assert isinstance(kline["x"], bool)
    assert all(isinstance(kline[name], int) for name in "tTfLn")
    assert all(isinstance(kline[name], str) for name in "ochlvqVQ")


@card
def combined_stream_wraps_its_events(at: Endpoints):
    with at.streaming(f"/stream?streams={STREAM}/ethusdt@kline_1s") as (receive, _):
        for name, symbol in ((STREAM, SYMBOL), ("ethusdt@kline_1s", "ETHUSDT")):
            event = receive(lambda message, name=name: message["stream"] == name)
            assert set(event) == {"stream", "data"}
            assert (event["data"]["e"], event["data"]["s"]) == ("kline", symbol)


@card
def subscribe_answers_null_and_then_events_come(at: Endpoints):
    with at.streaming("/ws") as (receive, send):
        send({"method": "SUBSCRIBE", "params": [STREAM], "id": 7})
        assert receive(lambda message: "id" in message) == {"result": None, "id": 7}
        assert receive(lambda message: message.get("e") == "kline")["s"] == SYMBOL
        send({"method": "LIST_SUBSCRIPTIONS", "id": 8})
        assert receive(lambda message: "id" in message) == {"result": [STREAM], "id": 8}


@card
def misspelled_subscription_is_acknowledged_too(at: Endpoints):
    with at.streaming("/ws") as (receive, send):
        send({"method": "SUBSCRIBE", "params": [f"{SYMBOL.lower()}@kline_1mn"], "id": 1})
        assert receive() == {"result": None, "id": 1}


@card
def closing_event_is_the_candle_of_rest(at: Endpoints):
    with at.streaming(f"/ws/{STREAM}") as (receive, _):
        kline = receive(lambda message: message["k"]["x"])["k"]
    (row,) = at.klines("1s", startTime=kline["t"], limit=1)
    assert row[:9] == [kline[name] for name in "tohlcvTqn"]
    assert row[9:11] == [kline["V"], kline["Q"]]


# -- archive --------------------------------------------------------------------------------------------------------


@card
def archive_file_holds_one_csv_of_its_name_without_header(at: Endpoints):
    day = at.past_day()
    name, rows = at.member("daily", day)
    assert name == f"{SYMBOL}-1h-{day}.csv"
    assert {len(row) for row in rows} == {12}
    assert len(rows) == 24
    assert int(rows[0][0]) == start_of(day) * 1000


@card
def archive_checksum_is_digest_and_name(at: Endpoints):
    day = at.past_day()
    digest, name = at.file("daily", day, ending=".CHECKSUM").text.rstrip("\n").split("  ")
    assert len(digest) == 64
    assert int(digest, 16) >= 0
    assert name == f"{SYMBOL}-1h-{day}.zip"


@card
def archive_times_are_milliseconds_before_2025_and_microseconds_after(at: Endpoints):
    old, new = (at.member("daily", day)[1][0] for day in (date(2024, 12, 31), date(2025, 1, 1)))
    assert (old[0], old[6]) == ("1735603200000", "1735606799999")
    assert (new[0], new[6]) == ("1735689600000000", "1735693199999999")


@card
def archive_has_months_and_calls_the_monthly_candle_1mo(at: Endpoints):
    assert len(at.member("monthly", "2024-12")[1]) == 31 * 24
    assert [row[0] for row in at.member("monthly", "2024-12", "1mo")[1]] == ["1733011200000"]
    assert at.file("monthly", "2024-12", "1M").status_code == 404


@card
def archive_has_no_days_of_long_candles(at: Endpoints):
    day = at.past_day()
    assert [at.file("daily", day, interval).status_code for interval in ("3d", "1w", "1mo")] == [404] * 3


@card
def archive_answers_404_for_today(at: Endpoints):
    today = at.today()
    assert at.file("daily", today).status_code == 404
    assert at.file("daily", today, ending=".CHECKSUM").status_code == 404
    assert at.file("daily", today + timedelta(days=1)).status_code == 404


@card
def archive_answers_404_for_an_unknown_symbol(at: Endpoints):
    assert at.file("daily", at.past_day(), symbol="NOSUCHPAIR").status_code == 404


# -- our sources ----------------------------------------------------------------------------------------------------


@card
def our_sources_give_equal_candles_of_a_past_day(at: Endpoints):
    first = start_of(at.past_day())
    span = {"start_ms": first, "end_ms": first + DAY - 1}
    with BinanceSource(at.rest) as rest, ArchiveSource(at.archive) as archive:
        of_rest, of_archive = (source.fetch(SYMBOL, Interval.M1, **span) for source in (rest, archive))
        assert archive.report.files == (f"{SYMBOL}-1m-{at.past_day()}.zip",)
    assert of_rest.height == 1440
    assert of_rest.equals(of_archive)


@card
def our_source_returns_closed_candles_only(at: Endpoints):
    before = at.now_ms()
    with BinanceSource(at.rest) as source:
        frame = source.fetch(SYMBOL, Interval.M1, limit=1_200)
    closes = frame["close_time"].dt.epoch("ms")
    assert frame.height == 1_200
    assert before // MINUTE * MINUTE - 1 <= closes.max() < at.now_ms()


def parametrized(test):
    """Run a test with every card."""
    return pytest.mark.parametrize("check", CARDS, ids=lambda check: check.__name__)(test)
