"""Faults that only a wire can show: torn, slow and late answers."""

import http.client
import time

import pytest

from mlsignal.sim import Match, Rule

PATH = "/api/v3/klines?symbol=BTCUSDT&interval=1m&limit=5"


@pytest.fixture
def connect(venue):
    """Ask a served exchange with one rule, once, with a client of the standard library."""

    def ask(action, options=None):
        place = venue(minutes=100, rules=[Rule(action, options or {}, Match(path="/api/v3/klines"))])
        with place.exchange.running() as url:
            connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
            try:
                connection.request("GET", PATH)
                response = connection.getresponse()
                return response, response.read()
            finally:
                connection.close()

    return ask


def test_reset_in_mid_body(connect):
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        connect("reset")


def test_hang_up_in_mid_body(connect):
    with pytest.raises(http.client.IncompleteRead) as caught:
        connect("hang_up", {"share": 0.25})
    assert 0 < len(caught.value.partial) < 400


def test_drip_brings_the_whole_in_pieces(connect, venue):
    begun = time.monotonic()
    _, body = connect("drip", {"size": 100, "pause_seconds": 0.02})
    assert body == venue(minutes=100).get("/api/v3/klines", symbol="BTCUSDT", interval="1m", limit=5).body
    assert time.monotonic() - begun > 0.02 * (len(body) // 100 - 1)


def test_delay_brings_the_whole_late(connect):
    begun = time.monotonic()
    response, _ = connect("delay", {"seconds": 0.2})
    assert response.status == 200
    assert time.monotonic() - begun > 0.2


def test_connection_goes_on_after_a_truncated_answer(connect):
    response, body = connect("truncate")
    assert int(response.headers["Content-Length"]) == len(body)


def test_exchange_ends_while_an_answer_drips(venue):
    place = venue(minutes=100, rules=[Rule("drip", {"pause_seconds": 60})])
    with place.exchange.running() as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        connection.request("GET", PATH)
        connection.getresponse()
    connection.close()
