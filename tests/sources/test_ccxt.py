import sys

import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.config import load_settings
from mlsignal.errors import (
    ConfigurationError,
    MissingColumnError,
    MissingExtraError,
    RateLimitError,
    UnknownSymbolError,
    UnreachableError,
)
from mlsignal.sources import open_source
from mlsignal.sources.ccxt import CcxtSource
from mlsignal.store import Store

M1 = Interval.M1
MINUTE = 60_000
START = 1_700_000_040_000 // MINUTE * MINUTE


class Venue:
    """What ccxt shows of a venue: the open candle included, a page at a time."""

    def __init__(self, n=2500, absent=(), error=None):
        self.timeframes = {"1m": "1m", "1h": "60"}
        self.has = {"fetchTime": True}
        self.opens = [START + i * MINUTE for i in range(n) if i not in absent]
        self.error = error
        self.calls = 0

    def load_markets(self):
        return {"BTC/USDT": {"id": "BTCUSDT"}}

    def fetch_time(self):
        return self.opens[-1] + MINUTE // 2

    def fetch_ohlcv(self, symbol, timeframe, since, limit):
        self.calls += 1
        if self.error:
            raise self.error
        return [[t, 1.0, 2.0, 0.5, 1.5, 3.0] for t in self.opens if t >= since][:limit]


def opens_of(frame):
    return frame["open_time"].dt.epoch("ms").to_list()


@pytest.mark.parametrize("symbol", ["BTCUSDT", "BTC/USDT"])
@pytest.mark.parametrize("limit", [1, 999, 2400])
def test_ccxt_limit_is_the_newest_closed_candles(symbol, limit):
    venue = Venue()
    frame = CcxtSource("kraken", exchange=venue).fetch(symbol, M1, limit=limit)
    assert opens_of(frame) == venue.opens[:-1][-limit:]
    assert frame.columns == ["open_time", "open", "high", "low", "close", "volume"]


def test_ccxt_bounds_and_gap_longer_than_a_page():
    venue = Venue(9000, absent=range(1000, 3500))
    bounds = {"start_ms": venue.opens[5], "end_ms": venue.opens[-100]}
    assert opens_of(CcxtSource("kraken", exchange=venue).fetch("BTCUSDT", M1, **bounds)) == venue.opens[5:-99]


def test_ccxt_column_that_is_not_there_is_refused_by_name():
    frame = CcxtSource("kraken", exchange=Venue(50)).fetch("BTCUSDT", M1, limit=20)
    with pytest.raises(MissingColumnError, match="'taker_buy_base'"):
        _ = Candles.from_polars(frame, "BTCUSDT", M1).taker_buy_base


def test_ccxt_through_the_store_lies_apart(tmp_path):
    venue = Venue()
    source = CcxtSource("kraken", exchange=venue)
    frame, _ = Store(tmp_path).load("BTCUSDT", M1, source, limit=1500, now_ms=venue.fetch_time())
    assert opens_of(frame) == venue.opens[:-1][-1500:]
    assert (tmp_path / "ccxt-kraken" / "BTCUSDT" / "1m" / "manifest.json").exists()


def test_ccxt_errors_become_ours():
    ccxt = pytest.importorskip("ccxt")
    for error, kind in (
        (ccxt.NetworkError("down"), UnreachableError),
        (ccxt.RateLimitExceeded("much"), RateLimitError),
        (ccxt.BadSymbol("which"), UnknownSymbolError),
    ):
        with pytest.raises(kind, match=r"kraken .fetch_ohlcv."):
            CcxtSource("kraken", exchange=Venue(error=error)).fetch("BTCUSDT", M1, limit=5)


def test_ccxt_unknown_names_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UnknownSymbolError, match="Did you mean 'BTCUSDT'"):
        CcxtSource("kraken", exchange=Venue()).fetch("BTCUSD", M1, limit=5)
    with pytest.raises(ConfigurationError, match="no candles of 5m; it has 1m, 1h"):
        CcxtSource("kraken", exchange=Venue()).fetch("BTCUSDT", "5m", limit=5)
    pytest.importorskip("ccxt")
    with pytest.raises(ConfigurationError, match="Did you mean 'kraken'"):
        open_source("ccxt:krakn", load_settings({"store": tmp_path}))
    with pytest.raises(ConfigurationError, match="ccxt:VENUE"):
        open_source("ccxt", load_settings({"store": tmp_path}))


def test_ccxt_not_installed_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ccxt", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ml-signal-generator\[ccxt\]'"):
        open_source("ccxt:kraken", load_settings({"store": tmp_path}))
