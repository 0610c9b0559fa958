"""The package's own REST client against the exchange's faults; its sleeps move the exchange's clock."""

import threading
import time
from datetime import timedelta

import pytest

from mlsignal.candles import Interval
from mlsignal.errors import DataError, ExchangeError, RateLimitError, UnknownSymbolError, UnreachableError
from mlsignal.sim import Delisting, Match, Outage, Rule, When
from mlsignal.sources import BinanceSource
from mlsignal.sources.clock import Clock

MINUTE = 60_000
KLINES = Match(path="/api/v3/klines")


@pytest.fixture
def fetch(venue):
    """Fetch over the wire from a venue with rules; returns the frame and the venue."""

    def fetch(*rules, limit=2500, symbol="BTCUSDT", timeout_seconds=20.0, **options):
        place = venue(**{"minutes": 3000, "seconds": 30, "rules": rules, **options})
        lock = threading.Lock()

        def sleep(seconds):
            with lock:
                place.clock.advance(timedelta(seconds=seconds))

        clock = Clock(place.clock.now_ms, lambda: place.clock.now_ms() / 1000 + time.monotonic() / 1e6, sleep)
        with (
            place.exchange.running() as url,
            BinanceSource(url, clock=clock, seed=1, timeout_seconds=timeout_seconds, connections=1) as source,
        ):
            return source.fetch(symbol, Interval.M1, limit=limit), place

    return fetch


@pytest.fixture
def golden(market):
    return market.candles("BTCUSDT", "1m", 3000)


def same_as(frame, candles):
    opens = frame["open_time"].dt.epoch("ms").to_list()
    return opens == candles.open_time_ms.tolist() and frame["close"].to_list() == candles.close.tolist()


@pytest.mark.parametrize(
    "rule",
    [
        Rule("status", {"status": 429, "retry_after": 7}, KLINES, When(nth=2)),
        Rule("status", {"status": 429}, KLINES, When(nth=2)),
        Rule("status", {"status": 503}, KLINES, times=2),
        Rule("reset", {}, KLINES, When(nth=2)),
        Rule("hang_up", {}, KLINES, When(nth=2)),
        Rule("truncate", {}, KLINES, When(nth=2)),
        Rule("garble", {}, KLINES, When(nth=2)),
        Rule("html", {"status": 200}, KLINES, When(nth=2)),
        Rule("html", {"status": 502}, KLINES, When(nth=2)),
        Rule("drop_rows", {"count": 9}, KLINES, When(nth=3)),
        Rule("omit_open", {}, KLINES),
    ],
    ids=lambda rule: f"{rule.action}-{rule.options.get('status', '')}",
)
def test_transient_fault_leaves_the_golden_candles(fetch, golden, rule):
    frame, place = fetch(rule)
    assert same_as(frame.tail(2400), golden.last(2400))
    assert place.exchange.faults.fired(1) >= 1


def test_retry_after_is_waited_for(fetch):
    _, place = fetch(Rule("status", {"status": 429, "retry_after": 7}, KLINES, When(nth=2)))
    log = list(place.exchange.requests)
    refused = next(number for number, one in enumerate(log) if one.status == 429)
    assert log[refused + 1].time_ms - log[refused].time_ms >= 7000


@pytest.mark.parametrize(
    ("rule", "error"),
    [
        (Rule("status", {"status": 418, "retry_after": 120}, KLINES), RateLimitError),
        (Rule("status", {"status": 451}, KLINES), ExchangeError),
        (Rule("status", {"status": 403}, KLINES), ExchangeError),
        (Rule("status", {"status": 503}, KLINES), UnreachableError),
        (Rule("columns", {"count": 11}, KLINES), DataError),
        (Rule("columns", {"count": 13}, KLINES), DataError),
        (Rule("symbol_status", {"status": "BREAK"}), UnknownSymbolError),
    ],
    ids=lambda one: one.action + str(one.options) if isinstance(one, Rule) else one.__name__,
)
def test_lasting_fault_is_an_error_of_its_kind(fetch, rule, error):
    with pytest.raises(error):
        fetch(rule)


def test_defects_of_the_market_arrive_as_they_are(fetch, golden, market):
    outage = Outage("BTCUSDT", market.start_ms + 400 * MINUTE, market.start_ms + 1900 * MINUTE)
    frame, _ = fetch(defects=[outage], limit=1200)
    opens = frame["open_time"].dt.epoch("ms").to_numpy()
    assert len(opens) == 1200
    assert ((opens < outage.start_ms) | (opens >= outage.end_ms)).all()
    with pytest.raises(UnknownSymbolError):
        fetch(defects=[Delisting("BTCUSDT", outage.start_ms)])
