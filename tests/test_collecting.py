import threading

import pytest

from mlsignal.candles import Interval
from mlsignal.collecting import fetch_many
from mlsignal.errors import ConfigurationError, UnknownSymbolError
from mlsignal.sources import BinanceSource
from mlsignal.store import Store
from tests.sources.exchange import Exchange


@pytest.fixture
def exchange():
    return Exchange(6_000)


def source_of(exchange, **options):
    return BinanceSource(
        "http://exchange.test", transport=exchange.transport, clock=exchange.time.clock, seed=1, **options
    )


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


def test_collect_many_series_share_one_budget_and_fail_alone(exchange, tmp_path):
    told = []
    with source_of(exchange) as source:
        collected = fetch_many(
            ["BTCUSDT", "NOPE"],
            ["1m"],
            source,
            Store(tmp_path),
            limit=3_000,
            now_ms=exchange.now,
            on_series=lambda outcome, done, total: told.append((done, total)),
        )
    good, bad = collected.outcomes
    assert (good.report.rows, good.error) == (3_000, None)
    assert isinstance(bad.error, UnknownSymbolError)
    assert collected.failed == (bad,)
    assert told == [(1, 2), (2, 2)]
    with pytest.raises(UnknownSymbolError):
        collected.raise_first()
    assert good.to_dict()["report"]["rows"] == 3_000
    stored = Store(tmp_path).read("BTCUSDT", "1m", origin="exchange.test")
    assert opens_of(stored) == exchange.opens[:-1][-3_000:]


def test_collect_since_and_until_bound_what_is_fetched(exchange, tmp_path):
    store = Store(tmp_path)
    with source_of(exchange) as source:
        fetch_many(
            ["BTCUSDT"], ["1m", "1m"], source, store,
            since_ms=exchange.opens[10], until_ms=exchange.opens[4_000], now_ms=exchange.now,
        )  # fmt: skip
    assert opens_of(store.read("BTCUSDT", "1m", origin="exchange.test")) == exchange.opens[10:4_001]


class Interrupted(BaseException):
    pass


def test_collect_interrupted_goes_on_at_the_cost_of_a_page(exchange, tmp_path):
    store, pages = Store(tmp_path), []

    def interrupt(done, total):
        pages.append(done)
        if done >= 4_000:
            raise Interrupted

    with source_of(exchange, connections=1, on_progress=interrupt) as source, pytest.raises(Interrupted):
        store.fill("BTCUSDT", Interval.M1, source, start_ms=exchange.opens[0], now_ms=exchange.now)
    kept = store.read("BTCUSDT", "1m", origin="exchange.test")
    assert kept.height == 3_000
    exchange.requests.clear()
    with source_of(exchange, connections=1) as source:
        report = store.fill("BTCUSDT", Interval.M1, source, start_ms=exchange.opens[0], now_ms=exchange.now)
    assert exchange.paths().count("klines") == 3, "the page that was lost, and the two after it"
    assert report.rows == 5_999
    assert opens_of(store.read("BTCUSDT", "1m", origin="exchange.test")) == exchange.opens[:-1]


def test_collect_stopped_by_the_user_keeps_what_came(exchange, tmp_path):
    def stop(outcome, done, total):
        raise KeyboardInterrupt

    slow = threading.Event()
    with source_of(exchange, on_progress=lambda done, total: slow.wait(0.02)) as source:
        with pytest.raises(KeyboardInterrupt):
            fetch_many(["NOPE", "BTCUSDT"], ["1m"], source, Store(tmp_path), now_ms=exchange.now, on_series=stop)
        fetch_many(["BTCUSDT"], ["1m"], source, Store(tmp_path), now_ms=exchange.now).raise_first()
    assert opens_of(Store(tmp_path).read("BTCUSDT", "1m", origin="exchange.test")) == exchange.opens[:-1]


def test_collect_nothing_is_refused_before_any_request(exchange, tmp_path):
    with source_of(exchange) as source:
        for symbols, intervals in (([], ["1m"]), (["BTCUSDT"], []), (["BTCUSDT"], ["1x"])):
            with pytest.raises(ConfigurationError):
                fetch_many(symbols, intervals, source, Store(tmp_path))
    assert exchange.requests == []
