import logging

import httpx2
import pytest

from mlsignal.candles import Interval
from mlsignal.errors import (
    ConfigurationError,
    DataError,
    ExchangeError,
    RateLimitError,
    UnknownSymbolError,
    UnreachableError,
)
from mlsignal.notes import NOTE
from mlsignal.sources import BinanceSource

M1 = Interval.M1
MINUTE = 60_000


@pytest.fixture
def fetch():
    opened = []

    def fetch(exchange, symbol="BTCUSDT", interval=M1, *, source_options=None, **bounds):
        options = {"transport": exchange.transport, "clock": exchange.time.clock, "seed": 1}
        source = BinanceSource("http://exchange.test", **{**options, **(source_options or {})})
        opened.append(source)
        return source.fetch(symbol, interval, **bounds)

    yield fetch
    for source in opened:
        source.close()


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


@pytest.mark.parametrize("limit", [1, 999, 1000, 1001, 2400, 9000])
def test_fetch_limit_returns_the_newest_closed_candles(limit, fake, fetch):
    exchange = fake.Exchange(2500)
    assert opens_of(fetch(exchange, limit=limit)) == exchange.opens[:-1][-limit:]


def test_fetch_open_candle_absent_keeps_the_last_closed_one(fake, fetch):
    exchange = fake.Exchange(50)
    exchange.serve_open = False
    assert opens_of(fetch(exchange, limit=10)) == exchange.opens[-11:-1]


@pytest.mark.parametrize("skew_ms", [90_000, -90_000])
def test_fetch_local_clock_off_goes_by_the_server_and_warns(skew_ms, fake, fetch, caplog):
    exchange = fake.Exchange(50, skew_ms=skew_ms)
    with caplog.at_level(logging.WARNING):
        frame = fetch(exchange, limit=10)
    assert opens_of(frame) == exchange.opens[-11:-1]
    assert "clock is 90.0 s" in caplog.text


def test_fetch_bounds_are_both_inclusive(fake, fetch):
    exchange = fake.Exchange(2500)
    frame = fetch(exchange, start_ms=exchange.opens[3], end_ms=exchange.opens[1800])
    assert opens_of(frame) == exchange.opens[3:1801]


def test_fetch_start_before_the_listing_begins_at_the_first_candle(fake, fetch):
    exchange = fake.Exchange(1500)
    assert opens_of(fetch(exchange)) == exchange.opens[:-1]
    assert exchange.paths().count("klines") == 3, "the first page finds the listing, and one answer is not believed"


def test_fetch_limit_beyond_the_listing_ends_with_few_requests(fake, fetch):
    exchange = fake.Exchange(100)
    assert opens_of(fetch(exchange, limit=50_000)) == exchange.opens[:-1]
    assert exchange.paths().count("klines") <= 4


def test_fetch_gap_longer_than_pages_ends_and_is_not_walked(fake, fetch):
    exchange = fake.Exchange(90_000, absent=range(1500, 88_000))
    frame = fetch(exchange, start_ms=exchange.opens[0], source_options={"connections": 2})
    assert opens_of(frame) == exchange.opens[:-1]
    assert exchange.paths().count("klines") < 25


def test_fetch_gap_is_made_up_for_where_the_newest_are_asked(fake, fetch):
    exchange = fake.Exchange(6000, absent=range(2500, 5800))
    assert opens_of(fetch(exchange, limit=2000)) == exchange.opens[:-1][-2000:]


def test_fetch_page_with_fewer_candles_is_asked_once_more(fake, fetch):
    exchange = fake.Exchange(900)
    page = [fake.kline(t, M1) for t in exchange.opens[:700]]
    exchange.faults = [httpx2.Response(200, json=page)]
    assert opens_of(fetch(exchange)) == exchange.opens[:-1]
    assert exchange.paths().count("klines") == 2


def test_fetch_overlapping_candles_off_the_grid_are_all_returned(fake, fetch):
    exchange = fake.Exchange(1300)
    odd = exchange.opens[400] + 28_000
    exchange.opens.insert(401, odd)
    frame = fetch(exchange)
    assert opens_of(frame) == exchange.opens[:-1]


@pytest.mark.parametrize("interval", ["1h", "1d", "1w", "1M"])
def test_fetch_other_intervals_follow_their_grid(interval, fake, fetch):
    first = {"1w": 345_600_000 + 2600 * 604_800_000}.get(interval, 1_577_836_800_000)
    exchange = fake.Exchange(80, interval=interval, start=first)
    assert opens_of(fetch(exchange, interval=Interval(interval), limit=70)) == exchange.opens[:-1][-70:]


def test_fetch_symbol_unknown_suggests_the_nearest(fake, fetch):
    with pytest.raises(UnknownSymbolError, match=r"'BTCUSD'. Did you mean 'BTCUSDT'"):
        fetch(fake.Exchange(10), "BTCUSD", limit=5)


def test_fetch_symbol_not_trading_says_so(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.status = "BREAK"
    with pytest.raises(UnknownSymbolError, match=r"not traded now .status BREAK"):
        fetch(exchange, limit=5)
    assert fetch(exchange, end_ms=exchange.opens[5]).height == 6, "its past can still be had"


@pytest.mark.parametrize(
    ("arguments", "bounds"),
    [(("btcusdt", M1), {}), (("BTC/USDT", M1), {}), (("BTCUSDT", "1min"), {}), (("BTCUSDT", M1), {"limit": 0})],
)
def test_fetch_bad_arguments_send_no_request(arguments, bounds, fake, fetch):
    exchange = fake.Exchange(10)
    with pytest.raises(ConfigurationError):
        fetch(exchange, *arguments, **bounds)
    assert exchange.requests == []


def test_fetch_429_waits_as_told_and_goes_on(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.faults = [httpx2.Response(429, headers={"Retry-After": "7"}, json={"code": -1003, "msg": "much"})]
    assert fetch(exchange, limit=5).height == 5
    assert sum(exchange.time.slept) >= 7


@pytest.mark.parametrize(("pauses", "notes"), [(("7", "9"), 1), (("2",), 0)])
def test_fetch_429_with_a_pause_that_people_notice_is_noted_once(pauses, notes, fake, fetch, caplog):
    exchange = fake.Exchange(10)
    exchange.faults = [httpx2.Response(429, headers={"Retry-After": pause}) for pause in pauses]
    with caplog.at_level(logging.INFO):
        assert fetch(exchange, limit=5).height == 5
    told = [record.getMessage() for record in caplog.records if record.levelno == NOTE]
    assert told == ["waiting 7 s: the exchange asks for it (rate limit)"][:notes]


def test_fetch_429_without_header_waits_for_the_next_minute(fake, fetch):
    exchange = fake.Exchange(10)
    minute = exchange.now // MINUTE
    exchange.faults = [httpx2.Response(429, text="")]
    assert fetch(exchange, limit=5).height == 5
    assert exchange.now // MINUTE == minute + 1


def test_fetch_429_with_a_long_pause_is_an_error_that_says_until_when(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.faults = [httpx2.Response(429, headers={"Retry-After": "3600"})]
    with pytest.raises(RateLimitError, match=r"until \d\d:\d\d:\d\d UTC"):
        fetch(exchange, limit=5)


def test_fetch_418_stops_everything_and_survives_a_restart(fake, fetch, tmp_path):
    exchange = fake.Exchange(10)
    options = {"ban_file": tmp_path / "bans" / "ban.json"}
    exchange.faults = [httpx2.Response(418, headers={"Retry-After": "120"})]
    with pytest.raises(RateLimitError, match=r"banned this address until .* UTC"):
        fetch(exchange, limit=5, source_options=options)
    sent = len(exchange.requests)
    with pytest.raises(RateLimitError, match="banned"):
        fetch(exchange, limit=5, source_options=options)
    assert len(exchange.requests) == sent
    exchange.time.now += 121_000
    assert fetch(exchange, limit=5, source_options=options).height == 5


def test_fetch_budget_nearly_used_waits_for_the_next_minute(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.used = 5500
    minute = exchange.now // MINUTE
    fetch(exchange, limit=5)
    assert exchange.now // MINUTE > minute
    assert exchange.time.slept


def test_fetch_503_three_times_is_retried_with_growing_pauses(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.faults = [httpx2.Response(503, text="") for _ in range(3)]
    frame = fetch(exchange, start_ms=exchange.opens[-4], end_ms=exchange.opens[-3])
    assert frame.height == 2
    assert exchange.paths().count("klines") == 4
    assert len(exchange.time.slept) == 3
    assert exchange.time.slept == sorted(exchange.time.slept)


def reset(request):
    raise httpx2.ReadError("connection reset by peer", request=request)


@pytest.mark.parametrize(
    "fault",
    [
        reset,
        httpx2.Response(200, text='[[1,"2"'),
        httpx2.Response(200, text="<html>maintenance</html>" + "x" * 999),
        httpx2.Response(502, text="<html>bad gateway</html>"),
        httpx2.Response(400, json={"code": -1001, "msg": "disconnected"}),
    ],
    ids=["reset", "truncated", "html200", "html502", "code-1001"],
)
def test_fetch_passing_fault_is_asked_again_and_a_lasting_one_is_bounded(fault, fake, fetch):
    exchange = fake.Exchange(10)
    again = fault if callable(fault) else lambda _: httpx2.Response(fault.status_code, content=fault.content)
    exchange.faults = [again]
    assert fetch(exchange, limit=5).height == 5
    exchange.requests.clear()
    exchange.always = again
    with pytest.raises(UnreachableError, match=r"^exchange.test gave no usable answer.*check the network") as caught:
        fetch(exchange, limit=5)
    assert exchange.paths().count("klines") == 5
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("status", [403, 451])
def test_fetch_refused_address_is_not_hammered_and_gets_a_hint(status, fake, fetch):
    exchange = fake.Exchange(5000)
    exchange.always = lambda _: httpx2.Response(status, text="<html>no</html>")
    with pytest.raises(ExchangeError, match=f"answered {status}.*data-api.binance.vision"):
        fetch(exchange, limit=4000)
    assert exchange.paths().count("klines") <= 2


@pytest.mark.parametrize("columns", [11, 13])
def test_fetch_rows_of_other_width_are_a_schema_error(columns, fake, fetch):
    exchange = fake.Exchange(10)
    exchange.always = lambda _: httpx2.Response(200, json=[([*fake.kline(0, M1), "0"])[:columns]] * 3)
    with pytest.raises(DataError, match=f"12 columns expected in every kline, found {columns}"):
        fetch(exchange, limit=5)


class Drip(httpx2.SyncByteStream):
    def __init__(self, time):
        self.time = time

    def __iter__(self):
        for _ in range(10_000):
            self.time.sleep(1)
            yield b"["


def test_fetch_body_that_drips_ends_at_the_deadline(fake, fetch):
    exchange = fake.Exchange(10)
    exchange.always = lambda _: httpx2.Response(200, stream=Drip(exchange.time))
    begun = exchange.now
    with pytest.raises(UnreachableError, match="not complete"):
        fetch(exchange, limit=5)
    assert exchange.now - begun <= 30_000


def test_fetch_host_that_is_not_there_names_it(fetch):
    source = BinanceSource("http://127.0.0.1:9", timeout_seconds=1)
    with source, pytest.raises(UnreachableError, match=r"^127.0.0.1 gave no usable answer"):
        source.fetch("BTCUSDT", M1, limit=5)


def test_fetch_key_is_a_header_and_nowhere_else(fake, fetch, caplog):
    exchange = fake.Exchange(10)
    exchange.faults = [lambda _: httpx2.Response(400, json={"code": -2015, "msg": "Invalid API-key"})]
    with caplog.at_level(logging.DEBUG), pytest.raises(ExchangeError) as caught:
        fetch(exchange, limit=5, source_options={"api_key": "canary"})
    assert all(request.headers["X-MBX-APIKEY"] == "canary" for request in exchange.requests)
    assert "canary" not in caplog.text + str(caught.value) + str(exchange.requests[-1].url)


def test_fetch_progress_grows_to_its_total(fake, fetch):
    seen = []
    fetch(fake.Exchange(4000), limit=3500, source_options={"on_progress": lambda *step: seen.append(step)})
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (3500, 3500)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.binance.com", "binance"),
        ("https://data-api.binance.vision", "binance"),
        ("http://127.0.0.1:8765", "127.0.0.1-8765"),
    ],
)
def test_origin_keeps_other_hosts_apart(url, origin):
    with BinanceSource(url) as source:
        assert source.origin == origin
