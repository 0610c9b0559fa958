"""The websocket API: REST's answers, weights, codes and faults over one connection."""

import asyncio
import json
from datetime import timedelta

import pytest
from websockets.sync.client import connect

from mlsignal.sim import Match, Rule, When


@pytest.fixture
def ask(venue):
    place = venue(minutes=100)
    with (
        place.exchange.running() as url,
        connect(f"{url.replace('http', 'ws')}/ws-api/v3", ping_interval=None, close_timeout=0.2) as wire,
    ):

        def ask(text):
            wire.send(text if isinstance(text, str) else json.dumps(text))
            return json.loads(wire.recv(timeout=10))

        ask.place, ask.wire, ask.url = place, wire, url
        yield ask


def test_klines_are_those_of_rest(ask):
    params = {"symbol": "BTCUSDT", "interval": "1h", "limit": 5}
    answer = ask({"id": "abc", "method": "klines", "params": params})
    assert (answer["id"], answer["status"]) == ("abc", 200)
    assert answer["result"] == ask.place.klines(interval="1h", limit=5)
    assert answer["rateLimits"][0]["count"] == 2
    assert ask({"id": 1, "method": "time"})["result"] == {"serverTime": ask.place.clock.now_ms()}
    assert ask({"id": None, "method": "ping"})["result"] == {}
    symbols = ask({"id": 2, "method": "exchangeInfo", "params": {"symbols": ["BTCUSDT"]}})["result"]["symbols"]
    assert [one["symbol"] for one in symbols] == ["BTCUSDT"]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("{", -1135),
        ([], -1135),
        ({"id": 1.5, "method": "ping"}, -1135),
        ({"id": 1, "method": "ping", "params": []}, -1135),
        ({"id": 1, "method": "oracle"}, -1000),
        ({"id": 1, "method": ["ping"]}, -1000),
        ({"id": 1, "method": "klines", "params": {"symbol": "NOUSDT", "interval": "1m"}}, -1121),
        ({"id": 1, "method": "klines", "params": {"symbol": "BTCUSDT"}}, -1102),
    ],
)
def test_requests_that_cannot_be_have_their_codes(ask, request_, code):
    answer = ask(request_)
    assert (answer["status"], answer["error"]["code"]) == (400, code)


def test_faults_are_rests_too(ask):
    ask.place.exchange.faults.add(Rule("status", {"status": 429, "retry_after": 7}, Match(path="*/klines"), times=1))
    ask.place.exchange.faults.add(Rule("html", {}, Match(path="*/klines"), When(nth=2)))
    klines = {"id": 1, "method": "klines", "params": {"symbol": "BTCUSDT", "interval": "1m"}}
    assert [ask(klines)["status"] for _ in range(3)] == [429, 500, 200]


def test_many_requests_are_limited_by_weight_only_and_shutdown_is_announced(ask):
    assert [ask({"id": n, "method": "ping"})["status"] for n in range(20)] == [200] * 20
    ask.place.exchange.faults.add(Rule("shutdown", {}, Match(path="/ws-api/*"), times=1))
    ask.place.clock.advance(timedelta(seconds=1))
    assert json.loads(ask.wire.recv(timeout=10))["event"]["e"] == "serverShutdown"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own use of websockets
def test_python_binance_asks_it(ask):
    binance = pytest.importorskip("binance")
    websocket_api = pytest.importorskip("binance.ws.websocket_api")

    async def klines():
        client = binance.AsyncClient()
        client.ws_api = websocket_api.WebsocketAPI(url=f"{ask.url.replace('http', 'ws')}/ws-api/v3")
        client.ws_api.TIMEOUT = 0.2
        try:
            return await client.ws_get_klines(symbol="ETHUSDT", interval="1m", limit=4)
        finally:
            await client.close_connection()

    assert asyncio.run(klines()) == ask.place.klines("ETHUSDT", limit=4)
