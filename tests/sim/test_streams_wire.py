"""Streams on the wire, driven by a clock that the test sets."""

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mlsignal.sim import Match, Rule, When, build_scenario
from mlsignal.sim.faults import ACTIONS, Stage

MINUTE = 60_000
STREAM = "btcusdt@kline_1m"


@pytest.fixture
def served(venue):
    """Serve a venue for the length of a test, and connect to it."""
    with contextlib.ExitStack() as stack:

        def serve(path=f"/ws/{STREAM}", place=None, **options):
            if place is None:
                place = venue(**{"minutes": 100, **options})
                place.url = stack.enter_context(place.exchange.running()).replace("http://", "ws://")
            return place, stack.enter_context(opened(f"{place.url}{path}"))

        yield serve


def opened(url):
    return connect(url, open_timeout=10, close_timeout=0.2, ping_interval=None)


def advance(place, **duration):
    place.clock.advance(timedelta(**duration))


def received(wire, until):
    """Receive messages up to the first that is as wanted."""
    messages = []
    while not messages or not until(messages[-1]):
        messages.append(json.loads(wire.recv(timeout=10)))
    return messages


def closings(wire, count):
    found = []
    while len(found) < count:
        found.append(received(wire, lambda message: message["k"]["x"])[-1])
    return found


def silence(wire, seconds=0.15):
    with pytest.raises(TimeoutError):
        wire.recv(timeout=seconds)


def close_code(wire):
    with contextlib.suppress(ConnectionClosed):
        while True:
            wire.recv(timeout=10)
    return wire.close_code


def test_raw_stream_is_driven_by_the_clock(served):
    place, wire = served()
    silence(wire)
    advance(place, minutes=3)
    closed = closings(wire, 3)
    start_ms = place.exchange.market.start_ms
    assert [event["k"]["t"] for event in closed] == [start_ms + (100 + n) * MINUTE for n in range(3)]
    rows = place.klines(startTime=closed[0]["k"]["t"], limit=3)
    assert [event["k"]["c"] for event in closed] == [row[4] for row in rows]


def test_streams_are_the_same_however_the_clock_moves(served):
    place, wire = served()
    advance(place, minutes=2)
    at_once = received(wire, lambda m: m["k"]["x"] and m["E"] == place.clock.now_ms())
    other, wire = served()
    for _ in range(24):
        advance(other, seconds=5)
    assert received(wire, lambda m: m["k"]["x"] and m["E"] == place.clock.now_ms()) == at_once


def test_combined_stream_wraps_and_serves_several(served):
    place, wire = served("/stream?streams=btcusdt@kline_1m/ethusdt@kline_5m/btcusdt@kline_1s")
    advance(place, minutes=5)
    names = set()
    last = received(wire, lambda m: m["stream"].startswith("eth") and m["data"]["k"]["x"])
    names = {message["stream"] for message in last}
    assert names == {"btcusdt@kline_1m", "ethusdt@kline_5m", "btcusdt@kline_1s"}
    assert all(set(message) == {"stream", "data"} for message in last)


def test_subscribing_later_and_unsubscribing(served):
    place, wire = served("/ws")
    wire.send(json.dumps({"method": "SUBSCRIBE", "params": [STREAM, "btcusdt@kline_1mn"], "id": 7}))
    assert json.loads(wire.recv(timeout=10)) == {"result": None, "id": 7}
    advance(place, minutes=1)
    assert {event["s"] for event in received(wire, lambda m: m["k"]["x"])} == {"BTCUSDT"}
    wire.send(json.dumps({"method": "UNSUBSCRIBE", "params": [STREAM], "id": "u"}))
    received(wire, lambda m: m.get("id") == "u")
    advance(place, minutes=5)
    silence(wire)
    methods = [(one.method, one.status) for one in place.exchange.requests]
    assert methods == [("GET", 101), ("SUBSCRIBE", 200), ("UNSUBSCRIBE", 200)]


def test_misspelled_stream_is_acknowledged_and_silent(served):
    place, wire = served("/ws/BTCUSDT@kline_1m")
    advance(place, minutes=3)
    silence(wire)
    wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(wire.recv(timeout=10))["result"] == ["BTCUSDT@kline_1m"]


def test_pings_are_answered_by_a_client_that_lives(served):
    place, wire = served("/ws/nothing@here")
    advance(place, minutes=30)
    time.sleep(0.1)
    wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(wire.recv(timeout=10))["id"] == 1


def _handshake(url, path="/ws"):
    host, port = url.removeprefix("ws://").split(":")
    wire = socket.create_connection((host, int(port)), timeout=10)
    wire.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    answer = wire.recv(4096)
    assert b" 101 " in answer.split(b"\r\n")[0]
    assert b"mlsignal-synthetic" in answer.lower()
    return wire


def test_client_without_pongs_is_cut_after_a_minute(served):
    place, _ = served()
    with _handshake(place.url) as mute:
        advance(place, seconds=79)
        frames = b""
        while frames.count(b"\x89") < 3:
            frames += mute.recv(4096)
        advance(place, seconds=1)
        closing = mute.recv(4096)
        assert closing[0] == 0x88
        assert int.from_bytes(closing[2:4], "big") == 1008


def test_connection_is_cut_after_a_day(served):
    place, wire = served("/ws/nothing@here")
    advance(place, hours=23, minutes=59)
    wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(wire.recv(timeout=10))["id"] == 1
    advance(place, minutes=1)
    assert close_code(wire) == 1001


def test_more_than_five_messages_a_second_are_too_many(served):
    _, wire = served("/ws")
    for number in range(6):
        wire.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    assert close_code(wire) == 1008


def test_messages_a_second_apart_by_the_clock_are_not_too_many(served):
    place, wire = served("/ws")
    for number in range(12):
        wire.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
        assert json.loads(wire.recv(timeout=10))["id"] == number
        if number % 5 == 4:
            advance(place, seconds=1)


def test_more_streams_than_1024_close_the_connection(served):
    _, wire = served("/ws")
    wire.send(json.dumps({"method": "SUBSCRIBE", "params": [f"s{n}@kline_1m" for n in range(1025)], "id": 1}))
    assert close_code(wire) == 1008


def test_more_connections_than_300_in_five_minutes_are_refused(served):
    place, _ = served("/ws")
    place.exchange._hub._attempts.extend([place.clock.now_ms()] * 300)
    with pytest.raises(InvalidStatus) as caught:
        served("/ws", place)
    assert caught.value.response.status_code == 429
    advance(place, minutes=5)
    served("/ws", place)


def test_requests_without_upgrade_are_refused(served, venue):
    place = venue(minutes=1)
    assert place.get("/ws").status in (400, 426)
    assert place.get("/stream", streams=STREAM).status in (400, 426)


def test_clock_set_back_begins_the_streams_anew(served):
    place, wire = served()
    advance(place, minutes=1)
    closings(wire, 1)
    advance(place, minutes=-30)
    time.sleep(0.05)
    advance(place, minutes=1)
    assert closings(wire, 1)[0]["k"]["T"] + 1 == place.clock.now_ms()


def test_running_clock_drives_the_streams_by_itself(served):
    place, wire = served()
    place.clock.rate = 200
    assert len(closings(wire, 2)) == 2


def test_exchange_that_ends_says_so(venue):
    place = venue(minutes=100)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(place.exchange.running())
        with opened(f"{url.replace('http', 'ws')}/ws") as wire:
            wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
            wire.recv(timeout=10)
            assert place.exchange.connections == 1
            stack.close()
            assert close_code(wire) == 1001


def test_exchange_ends_although_a_client_does_not_read(venue):
    place = venue(minutes=100)
    with place.exchange.running() as url:
        deaf = _handshake(url.replace("http", "ws"), "/ws/btcusdt@kline_1s")
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        place.exchange.faults.add(Rule("no_pings"))
        for _ in range(4):
            advance(place, minutes=30)
        time.sleep(0.5)
    deaf.close()
    assert place.exchange.connections == 0


# -- faults ---------------------------------------------------------------------------------------------------------


CLOSING = Match(parameters={"x": "true"})


def closings_with(served, rule, minutes=4):
    place, wire = served(rules=[rule])
    advance(place, minutes=minutes)
    wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    messages = received(wire, lambda m: "id" in m)[:-1]
    start_ms = place.exchange.market.start_ms
    return messages, [(m["k"]["t"] - start_ms) // MINUTE for m in messages if m["k"]["x"]]


def test_closing_message_absent(served):
    assert closings_with(served, Rule("drop_event", {}, CLOSING, When(nth=2)))[1] == [100, 102, 103]


def test_closing_message_twice(served):
    rule = Rule("duplicate_event", {"copies": 2, "after_ms": 4000}, CLOSING, times=1)
    assert closings_with(served, rule)[1] == [100, 100, 100, 101, 102, 103]


def test_closing_message_late(served):
    messages, closed = closings_with(served, Rule("late_event", {"ms": 90_000}, CLOSING, When(nth=1)))
    assert closed == [101, 100, 102, 103]
    assert (
        next(m for m in messages if m["k"]["x"] and m["k"]["t"] % (24 * 60 * MINUTE) == 100 * MINUTE)["E"] % MINUTE == 0
    )


def test_update_after_the_close(served):
    messages, closed = closings_with(served, Rule("update_after_close", {"after_ms": 2000}, CLOSING))
    assert closed == [100, 101, 102, 103]
    for place, message in enumerate(messages):
        if message["k"]["x"] and message["k"]["t"] != messages[-1]["k"]["t"]:
            later = [m for m in messages[place + 1 :] if m["k"]["t"] == message["k"]["t"]]
            assert [m["k"]["x"] for m in later] == [False]


def test_message_of_broken_json(served):
    place, wire = served(rules=[Rule("garbled_event", times=1)])
    advance(place, minutes=1)
    with pytest.raises(json.JSONDecodeError):
        json.loads(wire.recv(timeout=10))
    json.loads(wire.recv(timeout=10))


@pytest.mark.parametrize("code", [1000, 1001, 1008])
def test_close_with_a_code(served, code):
    place, wire = served(rules=[Rule("close", {"code": code, "reason": "because"})])
    advance(place, seconds=1)
    assert close_code(wire) == code
    assert wire.close_reason == "because"


def test_abort_is_1006(served):
    place, wire = served(rules=[Rule("abort", times=1)])
    advance(place, seconds=1)
    assert close_code(wire) == 1006
    _, again = served(place=place)
    advance(place, minutes=1)
    closings(again, 1)


def test_shutdown_is_announced_and_then_happens(served):
    place, wire = served("/ws/nothing@here", rules=[Rule("shutdown", {"close_after_ms": 5000}, times=1)])
    advance(place, seconds=1)
    assert json.loads(wire.recv(timeout=10)) == {"e": "serverShutdown", "E": place.clock.now_ms()}
    advance(place, seconds=4)
    silence(wire)
    advance(place, seconds=1)
    assert close_code(wire) == 1001


def test_stall_is_silent_while_the_connection_lives(served):
    place, wire = served(rules=[Rule("stall", {"seconds": 150}, times=1)])
    advance(place, minutes=4)
    messages = received(wire, lambda m: m["E"] == place.clock.now_ms() and m["k"]["x"])
    start_ms = place.exchange.market.start_ms + 100 * MINUTE
    assert min(m["E"] for m in messages) - start_ms >= 151_000
    place, wire = served(rules=[Rule("stall", {}, times=1)])
    advance(place, minutes=30)
    wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    assert json.loads(wire.recv(timeout=10))["id"] == 1


def test_no_pings_any_more(served):
    place, _ = served()
    place.exchange.faults.add(Rule("no_pings"))
    with _handshake(place.url) as mute:
        advance(place, minutes=10)
        mute.settimeout(0.3)
        with pytest.raises(TimeoutError):
            mute.recv(4096)


def test_upgrade_is_refused_by_rules_for_answers(served, venue):
    place, _ = served("/ws/nothing@here")
    place.exchange.faults.add(Rule("status", {"status": 503}, Match(path="/ws*"), times=1))
    with pytest.raises(InvalidStatus) as caught:
        served(place=place)
    assert caught.value.response.status_code == 503
    served(place=place)


def test_every_fault_of_streams_has_a_test_here():
    stages = (Stage.EVENT, Stage.CONNECTION)
    names = {one.name for one in ACTIONS.values() if one.stage in stages}
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert not [name for name in names if f'Rule("{name}"' not in text]


def test_streams_serve_several_clients_at_once(served):
    place, first = served()
    _, second = served(place=place)
    advance(place, minutes=2)
    found = []
    threads = [threading.Thread(target=lambda wire=wire: found.append(closings(wire, 2))) for wire in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]


def test_ws_hell_ends_connections_in_every_way(venue):
    place = venue(minutes=100)
    place.exchange.apply(build_scenario("ws_hell", place.exchange.market, place.clock.now))
    codes, closed, events = [], Counter(), set()
    with place.exchange.running() as url:
        end_ms = place.clock.now_ms() + 30 * MINUTE
        while place.clock.now_ms() < end_ms:
            with opened(f"{url.replace('http', 'ws')}/ws/{STREAM}") as wire:
                while place.clock.now_ms() < end_ms:
                    advance(place, seconds=15)
                    try:
                        wire.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
                        for message in received(wire, lambda m: "id" in m)[:-1]:
                            events.add(message["e"])
                            if "k" in message and message["k"]["x"]:
                                closed[message["k"]["t"]] += 1
                    except ConnectionClosed:
                        codes.append(close_code(wire))
                        break
    assert codes == [1006, 1001, 1008, 1001, 1000]
    assert events == {"kline", "serverShutdown"}
    assert max(closed.values()) == 2
    assert 5 < len(closed) < 25, "some closing messages never come"
