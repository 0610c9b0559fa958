"""Kline streams: which messages come when, and that they are REST's candles."""

import itertools
from datetime import timedelta

import pytest

from mlsignal.candles import Interval
from mlsignal.sim import Halt, MarketView, Outage
from mlsignal.sim.klines import kline_rows
from mlsignal.sim.streams import KlineStream, LiveCandles, stream_topic
from mlsignal.sim.subscriptions import SubscriptionError, Subscriptions, TooManyStreamsError

MINUTE = 60_000
FIELDS = {"o": 1, "h": 2, "l": 3, "c": 4, "v": 5, "T": 6, "q": 7, "n": 8, "V": 9, "Q": 10}


@pytest.fixture
def run(market):
    """Run a stream for some seconds, and return its events by the second."""

    def run(seconds, symbol="BTCUSDT", interval="1m", *, from_minute=100, defects=()):
        live = LiveCandles(MarketView(market, defects))
        start_ms = market.start_ms + from_minute * MINUTE
        stream = KlineStream("x", symbol, Interval.parse(interval), live, start_ms)
        return [event.payload for second in range(1, seconds + 1) for event in stream.tick(start_ms + second * 1000)]

    return run


def as_row(kline):
    return [kline["t"], *(kline[name] for name in FIELDS), "0"]


@pytest.mark.parametrize(("symbol", "interval"), [("BTCUSDT", "1m"), ("SOLUSDT", "3m"), ("ETHUSDT", "1s")])
def test_closing_messages_are_the_candles_of_rest(run, venue, symbol, interval):
    length = Interval.parse(interval).milliseconds // 1000
    events = run(max(600, 3 * length), symbol, interval, from_minute=102)
    closed = [event["k"] for event in events if event["k"]["x"]]
    place = venue(minutes=1000)
    rows = {row[0]: row for row in place.klines(symbol, interval, startTime=closed[0]["t"], limit=1000)}
    assert len(closed) >= 3
    for kline in closed:
        assert as_row(kline) == rows[kline["t"]]
        assert (kline["s"], kline["i"], kline["B"]) == (symbol, interval, "0")
    assert [event["E"] for event in events if event["k"]["x"] and event["k"]["n"]] == [
        kline["T"] + 1 for kline in closed if kline["n"]
    ]


def test_updates_come_every_two_seconds_and_are_the_open_candle(run, venue, market):
    events = run(130, "BTCUSDT", "5m")
    assert all(event["E"] % 2000 == 0 for event in events)
    assert {event["e"] for event in events} == {"kline"}
    place = venue(minutes=100)
    for event in events[::9]:
        place.clock.advance(timedelta(milliseconds=event["E"] - place.clock.now_ms()))
        assert as_row(event["k"]) == place.klines(interval="5m", limit=1)[0]
        assert not event["k"]["x"]


def test_messages_come_only_where_something_was_traded(run):
    events = run(600, "NULLUSDT", "1m")
    opens = [(event["k"]["t"], event["k"]["n"]) for event in events if not event["k"]["x"]]
    assert len(set(opens)) == len(opens), "no update repeats the number of trades"
    assert len(opens) < 300


def test_trade_numbers_follow_on(run):
    closed = [event["k"] for event in run(900, "BTCUSDT", "1m") if event["k"]["x"]]
    for before, after in itertools.pairwise(closed):
        assert after["f"] == before["L"] + 1
        assert after["L"] - after["f"] + 1 == after["n"]


def test_closing_message_of_a_candle_without_trades_comes_with_the_next_trade(run, market):
    start_ms = market.start_ms
    halt = Halt("*", start_ms + 101 * MINUTE, start_ms + 103 * MINUTE)
    events = run(300, defects=[halt])
    closed = {(event["k"]["t"] - start_ms) // MINUTE: event for event in events if event["k"]["x"]}
    assert closed[100]["E"] == start_ms + 101 * MINUTE
    assert start_ms + 103 * MINUTE < closed[101]["E"] <= start_ms + 104 * MINUTE
    assert closed[101]["k"]["n"] == 0
    assert (closed[101]["k"]["f"], closed[101]["k"]["L"]) == (-1, -1)
    assert not [event for event in events if 101 * MINUTE < event["E"] - start_ms < 103 * MINUTE]


def test_outage_is_silent_and_its_candles_never_close(run, market):
    start_ms = market.start_ms
    outage = Outage("*", start_ms + 101 * MINUTE, start_ms + 103 * MINUTE)
    events = run(300, defects=[outage])
    closed = [(event["k"]["t"] - start_ms) // MINUTE for event in events if event["k"]["x"]]
    assert closed == [100, 103, 104]


def test_live_candle_is_the_same_as_the_served_one(market):
    view = MarketView(market)
    live, now_ms = LiveCandles(view), market.start_ms + 100 * MINUTE + 37_000
    open_ms = Interval.M15.floor(now_ms)
    table = live.at("ETHUSDT", Interval.M15, open_ms, now_ms)
    position = view.schedule("ETHUSDT", Interval.M15).position_from(open_ms)
    served = view.candles("ETHUSDT", Interval.M15, position, position + 1, now_ms)
    info = market.symbol_info("ETHUSDT")
    assert kline_rows(table, info, Interval.M15) == kline_rows(served, info, Interval.M15)


@pytest.mark.parametrize(
    "name", ["BTCUSDT@kline_1m", "btcusdt@kline_1min", "btcusd@kline_1m", "btcusdt@trade", "btcusdt", "@kline_1m", ""]
)
def test_names_of_nothing_have_no_topic(market, name):
    assert stream_topic(name, market) is None


# -- requests about subscriptions -----------------------------------------------------------------------------------


def test_subscriptions_are_made_listed_and_ended():
    mine = Subscriptions(["a@x"], combined=False)
    assert mine.answer('{"method":"SUBSCRIBE","params":["b@x","a@x"],"id":1}') == {"result": None, "id": 1}
    assert mine.answer('{"method":"LIST_SUBSCRIPTIONS","id":"abc"}') == {"result": ["a@x", "b@x"], "id": "abc"}
    assert mine.answer('{"method":"UNSUBSCRIBE","params":["a@x","zzz@x"],"id":null}') == {"result": None, "id": None}
    assert list(mine.names) == ["b@x"]
    assert mine.answer('{"method":"GET_PROPERTY","params":["combined"],"id":2}')["result"] is False
    assert mine.answer('{"method":"SET_PROPERTY","params":["combined",true],"id":2}')["result"] is None
    assert mine.combined


@pytest.mark.parametrize(
    ("text", "code", "message", "request_id"),
    [
        ("{", 3, "Invalid JSON", None),
        ("[]", 2, "expected an object", None),
        ('{"id":1}', 2, "missing field `method`", 1),
        ('{"method":"SUBSCRIB","id":1}', 2, "unknown variant `SUBSCRIB`, expected one of `SUBSCRIBE`", 1),
        ('{"method":["SUBSCRIBE"],"id":1}', 2, "unknown variant", 1),
        ('{"method":"SUBSCRIBE","params":["a@x"]}', 2, "request ID", None),
        ('{"method":"SUBSCRIBE","params":["a@x"],"id":1.5}', 2, "request ID", None),
        ('{"method":"SUBSCRIBE","params":["a@x"],"id":true}', 2, "request ID", None),
        ('{"method":"SUBSCRIBE","params":["a@x"],"id":"' + "x" * 37 + '"}', 2, "request ID", None),
        ('{"method":"SUBSCRIBE","params":"a@x","id":1}', 2, "params", 1),
        ('{"method":"SUBSCRIBE","params":["no stream"],"id":1}', 2, "invalid stream", 1),
        ('{"method":"LIST_SUBSCRIPTIONS","params":["x"],"id":1}', 2, "too many parameters", 1),
        ('{"method":"GET_PROPERTY","params":["colour"],"id":1}', 0, "Unknown property", 1),
        ('{"method":"GET_PROPERTY","params":[],"id":1}', 2, "property name", 1),
        ('{"method":"SET_PROPERTY","params":["combined"],"id":1}', 1, "expected Boolean", 1),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1, "expected Boolean", 1),
        ('{"method":"SET_PROPERTY","params":["combined",true,1],"id":1}', 2, "too many parameters", 1),
    ],
)
def test_requests_that_cannot_be_have_their_codes(text, code, message, request_id):
    mine = Subscriptions([], combined=False)
    answer = mine.answer(text)
    assert answer["error"]["code"] == code
    assert message in answer["error"]["msg"]
    assert answer["id"] == request_id
    assert not mine.names
    assert issubclass(SubscriptionError, Exception)


def test_more_streams_than_1024_are_too_many():
    names = ",".join(f'"s{number}@x"' for number in range(1024))
    mine = Subscriptions([], combined=False)
    mine.answer(f'{{"method":"SUBSCRIBE","params":[{names}],"id":1}}')
    with pytest.raises(TooManyStreamsError):
        mine.answer('{"method":"SUBSCRIBE","params":["more@x"],"id":2}')
