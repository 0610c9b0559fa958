"""The simulated exchange's answers: windows, weights, error codes, and nothing of the oracle."""

import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlsignal.candles import Interval
from mlsignal.sim import Market, SimulatedExchange, VirtualClock
from mlsignal.sim.http import Request, Response
from mlsignal.sim.rest import ENDPOINTS
from mlsignal.sim.streams import KlineStream, LiveCandles

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = START + timedelta(minutes=5000, seconds=20, milliseconds=500)
MINUTE = 60_000
T0 = int(START.timestamp() * 1000)


class Asker:
    """Asks an exchange without a network in between."""

    def __init__(self, market: Market, now: datetime = NOW, **options: int) -> None:
        self.clock = VirtualClock(now)
        self.exchange = SimulatedExchange(market, self.clock, **options)

    def ask(self, path: str, method: str = "GET", **query: object) -> Response:
        pairs = tuple((name, str(value)) for name, value in query.items())
        return self.exchange.answer(Request(method, f"/api/v3/{path}", pairs))

    def klines(self, symbol: str = "BTCUSDT", interval: str = "1m", **query: object) -> list[list[Any]]:
        response = self.ask("klines", symbol=symbol, interval=interval, **query)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def error(self, path: str, **query: object) -> int:
        response = self.ask(path, **query)
        assert response.status == 400
        content = json.loads(response.body)
        assert set(content) == {"code", "msg"}
        assert content["msg"]
        return content["code"]


@pytest.fixture
def asker(market: Market) -> Asker:
    return Asker(market)


def _minutes(rows: list[list[Any]]) -> list[int]:
    return [(row[0] - T0) // MINUTE for row in rows]


def test_klines_without_bounds_are_the_newest_with_the_open_candle_last(asker):
    rows = asker.klines()
    assert _minutes(rows) == list(range(4501, 5001))
    assert _minutes(asker.klines(limit=2)) == [4999, 5000]
    assert len(asker.klines(limit=1000)) == len(asker.klines(limit=5000)) == 1000


def test_klines_bounds_filter_on_open_time_both_inclusive(asker):
    assert _minutes(asker.klines(startTime=T0 + 10 * MINUTE, endTime=T0 + 12 * MINUTE)) == [10, 11, 12]
    assert _minutes(asker.klines(startTime=T0 + 10 * MINUTE + 1, endTime=T0 + 12 * MINUTE - 1)) == [11]
    assert asker.klines(startTime=T0 + 12 * MINUTE, endTime=T0 + 10 * MINUTE) == []
    assert asker.klines(startTime=T0 + 10 * MINUTE + 1, endTime=T0 + 11 * MINUTE - 1) == []


def test_klines_from_a_start_are_the_oldest_from_there(asker):
    assert _minutes(asker.klines(startTime=0, limit=3)) == [0, 1, 2]
    assert _minutes(asker.klines(startTime=T0 + 7 * MINUTE, limit=3)) == [7, 8, 9]
    both = asker.klines(startTime=T0, endTime=T0 + 2000 * MINUTE)
    assert _minutes(both) == list(range(500))


def test_klines_up_to_an_end_are_the_newest_up_to_there(asker):
    assert _minutes(asker.klines(endTime=T0 + 100 * MINUTE + 5, limit=3)) == [98, 99, 100]
    assert _minutes(asker.klines(endTime=T0 + 1 * MINUTE)) == [0, 1]
    assert _minutes(asker.klines(endTime=9999999999999, limit=1)) == [5000]


def test_klines_before_the_listing_and_after_the_clock_are_none(asker):
    assert asker.klines(endTime=T0 - 1) == []
    assert asker.klines(startTime=T0 + 5001 * MINUTE) == []
    assert asker.klines(startTime=10**19) == []
    assert _minutes(asker.klines(startTime=T0 + 4999 * MINUTE, endTime=10**19)) == [4999, 5000]
    early = Asker(asker.exchange.market, START - timedelta(minutes=3))
    for interval in Interval:
        assert early.klines(interval=interval.value) == []
        assert early.klines(interval=interval.value, startTime=0, endTime=10**15) == []


@pytest.mark.parametrize("interval", [member.value for member in Interval])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "NULLUSDT"])
def test_klines_closed_rows_are_the_markets_candles(asker, symbol, interval):
    parsed = Interval.parse(interval)
    now_ms = asker.clock.now_ms()
    rows = asker.klines(symbol, interval, startTime=0, limit=1000)
    closed = [row for row in rows if row[6] < now_ms]
    candles = asker.exchange.market.candles(symbol, interval, len(closed))
    assert [row[0] for row in closed] == candles.open_time_ms.tolist()
    assert [row[6] for row in closed] == candles.close_time_ms.tolist()
    for place, name in (
        (1, "open"),
        (2, "high"),
        (3, "low"),
        (4, "close"),
        (5, "volume"),
        (7, "quote_volume"),
    ):
        assert [float(row[place]) for row in closed] == candles.column(name).tolist()
    for place, name in ((8, "trades"), (9, "taker_buy_base"), (10, "taker_buy_quote")):
        assert [float(row[place]) for row in closed] == candles.column(name).tolist()
    assert all(row[11] == "0" and len(row) == 12 for row in rows)
    assert all(isinstance(row[k], str) for row in rows for k in (1, 2, 3, 4, 5, 7, 9, 10, 11))
    newest = asker.klines(symbol, interval, limit=1)[0]
    assert newest[0] == parsed.floor(now_ms)
    assert newest[6] >= now_ms


@pytest.mark.parametrize("interval", ["1m", "15m", "1h", "1w", "1M"])
def test_open_candle_is_made_of_the_seconds_elapsed(market, interval):
    asker = Asker(market)
    seconds = market.candles("ETHUSDT", "1s", (asker.clock.now_ms() - T0) // 1000)
    mine = seconds.open_time_ms >= Interval.parse(interval).floor(asker.clock.now_ms())
    row = asker.klines("ETHUSDT", interval, limit=1)[0]
    assert float(row[1]) == seconds.open[mine][0]
    assert float(row[2]) == seconds.high[mine].max()
    assert float(row[3]) == seconds.low[mine].min()
    assert float(row[4]) == seconds.close[-1]
    assert float(row[5]) == pytest.approx(seconds.volume[mine].sum(), rel=1e-12)
    assert row[8] == seconds.trades[mine].sum()


def test_open_candle_grows_until_it_is_the_closed_one(market):
    asker = Asker(market, START + timedelta(minutes=77))
    first = asker.klines(limit=1)[0]
    assert _minutes([first]) == [77]
    assert first[1] == first[2] == first[3] == first[4]
    assert (float(first[5]), first[8]) == (0.0, 0)
    trades = []
    for _ in range(60):
        trades.append(asker.klines(limit=1)[0][8])
        asker.clock.advance(timedelta(seconds=1))
    assert trades == sorted(trades)
    assert len(set(trades)) > 20
    closed, opened = asker.klines(limit=2)
    assert _minutes([closed, opened]) == [77, 78]
    assert float(closed[4]) == market.candles("BTCUSDT", "1m", 78).close[-1]


def test_ui_klines_are_changed_for_presentation_only(asker):
    response = asker.ask("uiKlines", symbol="BTCUSDT", interval="1h", limit=5)
    assert [row[0] for row in json.loads(response.body)] == [row[0] for row in asker.klines(interval="1h", limit=5)]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"interval": "1m"}, -1102),
        ({"symbol": "", "interval": "1m"}, -1102),
        ({"symbol": "BTCUSDT"}, -1102),
        ({"symbol": "btcusdt", "interval": "1m"}, -1100),
        ({"symbol": "BTC/USDT", "interval": "1m"}, -1100),
        ({"symbol": "../../etc/passwd\0", "interval": "1m"}, -1100),
        ({"symbol": "BTCUSDT\n", "interval": "1m"}, -1100),
        ({"symbol": "DOGEUSDT", "interval": "1m"}, -1121),
        ({"symbol": "BTCUSDT", "interval": "1min"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1H"}, -1120),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "ten"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "-1"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "limit": "0"}, -1130),
        ({"symbol": "BTCUSDT", "interval": "1m", "startTime": "2024-01-01"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "endTime": "1.5"}, -1100),
        ({"symbol": "BTCUSDT", "interval": "1m", "timeZone": "+5:30"}, -1130),
    ],
)
def test_klines_bad_parameters_have_their_codes(asker, query, code):
    assert asker.error("klines", **query) == code


def test_klines_time_zone_zero_is_accepted(asker):
    assert asker.klines(timeZone="0", limit=2) == asker.klines(limit=2) == asker.klines(timeZone="00:00", limit=2)


def test_repeated_parameter_is_refused(asker):
    request = Request("GET", "/api/v3/klines", (("symbol", "BTCUSDT"), ("symbol", "ETHUSDT"), ("interval", "1m")))
    assert json.loads(asker.exchange.answer(request).body)["code"] == -1101


def test_exchange_info_tells_symbols_filters_and_limits(asker):
    info = json.loads(asker.ask("exchangeInfo").body)
    assert info["serverTime"] == asker.clock.now_ms()
    assert {entry["symbol"] for entry in info["symbols"]} == set(asker.exchange.market.symbols)
    assert {entry["status"] for entry in info["symbols"]} == {"TRADING"}
    assert info["rateLimits"][0]["limit"] == 6000
    filters = {entry["filterType"]: entry for entry in info["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert "NOTIONAL" in filters


def test_exchange_info_of_some_symbols(asker):
    def names(**query: object) -> list[str]:
        return [entry["symbol"] for entry in json.loads(asker.ask("exchangeInfo", **query).body)["symbols"]]

    assert names(symbol="ETHUSDT") == ["ETHUSDT"]
    assert names(symbols='["ETHUSDT","BTCUSDT"]') == ["ETHUSDT", "BTCUSDT"]
    assert asker.error("exchangeInfo", symbol="NOUSDT") == -1121
    assert asker.error("exchangeInfo", symbols='["NOUSDT"]') == -1121
    assert asker.error("exchangeInfo", symbols="ETHUSDT") == -1100
    assert asker.error("exchangeInfo", symbols="[]") == -1100
    assert asker.error("exchangeInfo", symbol="ETHUSDT", symbols='["BTCUSDT"]') == -1128


def test_ping_and_time(asker):
    assert json.loads(asker.ask("ping").body) == {}
    assert json.loads(asker.ask("time").body) == {"serverTime": asker.clock.now_ms()}


def test_unknown_paths_and_methods_are_refused(asker):
    assert asker.ask("oracle").status == 404
    assert asker.ask("klines", method="POST").status == 405
    assert asker.exchange.answer(Request("GET", "/")).status == 404


def _weight(response: Response) -> int:
    headers = dict(response.headers)
    assert headers["x-mbx-used-weight"] == headers["x-mbx-used-weight-1m"]
    return int(headers["x-mbx-used-weight-1m"])


def test_weight_counts_by_clock_minute(asker):
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": 1}
    answers = [asker.ask("ping"), asker.ask("time"), asker.ask("klines", **query)]
    answers += [asker.ask("uiKlines", **query), asker.ask("exchangeInfo"), asker.ask("klines")]
    assert [_weight(answer) for answer in answers] == [1, 2, 4, 6, 26, 28]
    asker.clock.advance(timedelta(seconds=39))
    assert _weight(asker.ask("ping")) == 29
    asker.clock.advance(timedelta(seconds=1))
    assert _weight(asker.ask("ping")) == 1


def test_weight_beyond_the_limit_is_429_and_ignoring_it_418(market):
    asker = Asker(market)
    for _ in range(300):
        assert asker.ask("exchangeInfo", symbol="BTCUSDT").status == 200
    over = asker.ask("ping")
    assert over.status == 429
    assert dict(over.headers)["Retry-After"] == "40"
    assert json.loads(over.body)["code"] == -1003
    statuses = [asker.ask("ping").status for _ in range(5)]
    assert statuses == [429, 429, 429, 418, 418]
    banned = asker.ask("ping")
    assert dict(banned.headers)["Retry-After"] == "120"
    assert "banned until" in json.loads(banned.body)["msg"]
    asker.clock.advance(timedelta(seconds=119))
    assert asker.ask("ping").status == 418
    asker.clock.advance(timedelta(seconds=1))
    assert asker.ask("ping").status == 200


def test_weight_beyond_the_limit_is_forgiven_to_those_who_wait(market):
    asker = Asker(market, weight_limit=3)
    assert [asker.ask("ping").status for _ in range(4)] == [200, 200, 200, 429]
    asker.clock.advance(timedelta(seconds=40))
    assert asker.ask("ping").status == 200


def test_requests_are_logged(asker):
    asker.klines(limit=1)
    asker.ask("nowhere")
    first, second = asker.exchange.requests
    assert (first.path, first.status, first.weight) == ("/api/v3/klines", 200, 2)
    assert ("limit", "1") in first.query
    assert second.status == 404


def test_oracle_is_never_served(market):
    asker = Asker(market)
    assert set(ENDPOINTS) == {f"/api/v3/{name}" for name in ("ping", "time", "exchangeInfo", "klines", "uiKlines")}
    p_up = market.oracle("BTCUSDT", "1m", 5001)[-100:]
    query = {"symbol": "BTCUSDT", "interval": "1m", "limit": 100}
    bodies = [
        asker.ask(path, **(query if "lines" in path.lower() else {})) for path in ("klines", "uiKlines", "exchangeInfo")
    ]
    text = b" ".join(response.body for response in bodies).decode()
    assert "oracle" not in text.lower()
    assert not any(f"{p:.6f}"[1:] in text for p in np.unique(p_up))
    for path in ("oracle", "probability", "truth", "plant", "klines/oracle", "rows/oracle"):
        assert asker.ask(path, symbol="BTCUSDT", interval="1m").status == 404


def test_oracle_is_never_served_by_streams_archive_or_control(market, venue):
    token = "0123456789abcdef"
    place = venue(days=3, control_port=0, control_token=token)
    told = []
    days = "/data/spot/daily/klines/BTCUSDT/1m/BTCUSDT-1m-2024-01-02.zip"
    with zipfile.ZipFile(io.BytesIO(place.get(days).body)) as archive:
        told.append(archive.read(archive.namelist()[0]).decode())
    told.append(str(place.get(days).headers))
    stream = KlineStream("x", "BTCUSDT", Interval.M1, LiveCandles(place.exchange.view), market.start_ms)
    events = [event for second in range(1, 1200) for event in stream.tick(market.start_ms + 1000 * second)]
    told.append(json.dumps([event.payload for event in events]))
    for path in ("/state", "/actions", "/scenarios", "/rules", "/requests"):
        request = Request("GET", path, (), {"x-control-token": token})
        told.append(place.exchange._control.answer(request).body.decode())
    text = "".join(told)
    p_up = market.oracle("BTCUSDT", "1m", 4 * 1440)
    written = {f"{p:.8f}"[1:] for p in p_up.tolist() if abs(p - 0.5) > 1e-6}
    assert len(written) > 5000
    assert not [digits for digits in written if digits in text]
    for word in ("oracle", "p_up", "plant", 'seed": 7'):
        assert word not in text.lower()
    for path in ("/data/spot/daily/oracle", "/data/spot", "/ws-api/v3/oracle", "/control", "/state"):
        assert place.get(path).status == 404
