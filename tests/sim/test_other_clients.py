"""Clients that nobody here wrote, unmodified, pointed at the simulated exchange by their URLs."""

import asyncio
from datetime import timedelta

import pytest

from mlsignal.candles import OHLCV_COLUMNS
from mlsignal.sim import Match, Outage, Rule

MINUTE = 60_000


@pytest.fixture
def served(venue):
    place = venue(minutes=3000, seconds=30)
    with place.exchange.running() as url:
        place.url = url
        yield place


def test_python_binance_reads_it(market, served):
    client_module = pytest.importorskip("binance.client")
    client = client_module.Client(ping=False)
    client.API_URL = f"{served.url}/api"
    try:
        assert client.ping() == {}
        assert client.get_server_time()["serverTime"] == served.clock.now_ms()
        assert client.get_symbol_info("BTCUSDT")["filters"][0]["tickSize"] == "0.01000000"
        newest = client.get_klines(symbol="BTCUSDT", interval="1m", limit=10)
        assert len(newest) == 10
        history = client.get_historical_klines("NULLUSDT", "1m", "1 Jan 2024", "2 Jan 2024 12:00")
        candles = market.candles("NULLUSDT", "1m", len(history))
        assert len(history) == 36 * 60 + 1
        for place, name in enumerate(OHLCV_COLUMNS, 1):
            assert [float(row[place]) for row in history] == candles.column(name).tolist()
        with pytest.raises(client_module.BinanceAPIException, match="Invalid symbol") as caught:
            client.get_klines(symbol="NOUSDT", interval="1m")
        assert caught.value.code == -1121
        served.exchange.faults.add(Rule("status", {"status": 429, "retry_after": 7}, times=1))
        with pytest.raises(client_module.BinanceAPIException, match="Too much request weight") as caught:
            client.get_klines(symbol="BTCUSDT", interval="1m")
        assert (caught.value.code, caught.value.status_code) == (-1003, 429)
    finally:
        client.close_connection()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own use of websockets
@pytest.mark.parametrize("kind", ["kline_socket", "multiplex_socket"])
def test_python_binance_streams_it(market, served, kind):
    binance = pytest.importorskip("binance")

    async def closings():
        client = binance.AsyncClient()
        client.API_URL = f"{served.url}/api"
        try:
            assert len(await client.get_klines(symbol="ETHUSDT", interval="1m", limit=3)) == 3
            manager = binance.BinanceSocketManager(client)
            manager.STREAM_URL = f"{served.url.replace('http', 'ws')}/"
            if kind == "kline_socket":
                socket = manager.kline_socket("ETHUSDT", interval="1m")
            else:
                socket = manager.multiplex_socket(["ethusdt@kline_1m", "btcusdt@kline_1m"])
            found = []
            async with socket as stream:
                while len(found) < 2:
                    served.clock.advance(timedelta(seconds=20))
                    for _ in range(4):
                        message = await asyncio.wait_for(stream.recv(), 10)
                        event = message.get("data", message)
                        assert event["e"] == "kline"
                        if event["k"]["x"] and event["s"] == "ETHUSDT":
                            found.append(event["k"])
            return found
        finally:
            await client.close_connection()

    candles = market.candles("ETHUSDT", "1m", 3003)
    for number, kline in enumerate(asyncio.run(closings()), 3000):
        assert kline["t"] == candles.open_time_ms[number]
        assert float(kline["c"]) == candles.close[number]
        assert kline["n"] == candles.trades[number]


@pytest.fixture
def venue_of_ccxt(served):
    ccxt = pytest.importorskip("ccxt")
    one = ccxt.binance({"options": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False}})
    one.urls["api"]["public"] = f"{served.url}/api/v3"
    yield one
    one.session.close()


def test_ccxt_reads_it(market, venue_of_ccxt):
    ccxt = pytest.importorskip("ccxt")
    one = venue_of_ccxt
    assert set(one.load_markets()) >= {"BTC/USDT", "ETH/USDT", "NULL/USDT"}
    assert one.market("BTC/USDT")["precision"]["price"] == 0.01
    rows = one.fetch_ohlcv("ETH/USDT", "15m", since=market.start_ms, limit=150)
    candles = market.candles("ETHUSDT", "15m", 150)
    assert [row[0] for row in rows] == candles.open_time_ms.tolist()
    assert [row[4] for row in rows] == candles.close.tolist()
    with pytest.raises(ccxt.BadSymbol):
        one.fetch_ohlcv("NO/USDT", "1m")


def test_ccxt_names_the_faults(served, venue_of_ccxt):
    ccxt = pytest.importorskip("ccxt")
    one = venue_of_ccxt
    one.load_markets()
    klines = Match(path="/api/v3/klines")
    for options, error in (
        ({"status": 429}, ccxt.DDoSProtection),
        ({"status": 418, "retry_after": 0}, ccxt.DDoSProtection),
        ({"status": 502}, ccxt.BaseError),
        ({"status": 503}, ccxt.ExchangeError),
    ):
        served.exchange.faults.add(Rule("status", options, klines, times=1))
        with pytest.raises(error):
            one.fetch_ohlcv("BTC/USDT", "1m")
    served.exchange.faults.clear()
    served.exchange.faults.add(Rule("symbol_status", {"status": "BREAK"}))
    assert one.load_markets(reload=True)["BTC/USDT"]["active"] is False


def test_ccxt_steps_over_an_outage(venue, market, served, venue_of_ccxt):
    t0 = market.start_ms
    outage = Outage("BTCUSDT", t0 + 100 * MINUTE, t0 + 2000 * MINUTE)
    place = venue(minutes=3000, defects=[outage])
    with place.exchange.running() as url:
        venue_of_ccxt.urls["api"]["public"] = f"{url}/api/v3"
        rows = venue_of_ccxt.fetch_ohlcv("BTC/USDT", "1m", since=t0 + 98 * MINUTE, limit=4)
    assert [(row[0] - t0) // MINUTE for row in rows] == [98, 99, 2000, 2001]
