"""What the store must not cost: requests, rewritten months, and memory."""

import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Interval
from mlsignal.sources import BinanceSource
from mlsignal.store import Store
from tests.sources.exchange import Exchange

M1 = Interval.M1
MINUTE = 60_000
N = 500_000
START = 1_672_531_200_000  # 2023-01-01


class Long:
    """Half a million candles as the small exchange has them, in parts; counts how many it holds at one time."""

    name, origin = "binance", "exchange.test"

    def __init__(self, n):
        self.n = n
        self.sent = 0

    def fetch_parts(self, symbol, interval, *, start_ms=None, end_ms=None, limit=None):
        for first in range(0, self.n, 10_000):
            self.sent += 1
            yield candles(START + np.arange(first, min(self.n, first + 10_000), dtype=np.int64) * MINUTE)

    def fetch(self, *arguments, **bounds):
        raise AssertionError("a source that sends parts is asked for parts")


def candles(opens):
    price = (100 + opens // MINUTE % 50 + 0.5).astype(np.float64)
    amounts = {"volume": 2.0, "quote_volume": 201.0, "trades": 3.0, "taker_buy_base": 1.0, "taker_buy_quote": 100.5}
    times = {"open_time": opens, "close_time": opens + MINUTE - 1}
    frame = pl.DataFrame({**times, **dict.fromkeys(("open", "high", "low", "close"), price)})
    return frame.with_columns(pl.col(*times).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")).with_columns(
        **{name: pl.lit(value) for name, value in amounts.items()}
    )


@pytest.fixture
def filled(tmp_path):
    store = Store(tmp_path)
    store.fill("BTCUSDT", M1, Long(N), start_ms=START, now_ms=START + N * MINUTE + 1)
    return store


def test_store_half_a_million_topped_up_by_thirty_costs_three_requests_and_one_month(filled):
    before = filled.manifest("BTCUSDT", M1, origin="exchange.test").months
    exchange = Exchange(2_031, start=START + (N - 2_000) * MINUTE)
    clock = exchange.time.clock
    with BinanceSource("http://exchange.test", transport=exchange.transport, clock=clock, seed=1) as source:
        frame, report = filled.load("BTCUSDT", M1, source, limit=N, max_age_minutes=0, now_ms=exchange.now)
    assert len(exchange.requests) <= 3
    assert (frame.height, report.rows_fetched, report.revisions) == (N, 31, 0)
    assert frame["open_time"].dt.epoch("ms").to_list()[-1] == exchange.opens[-2]
    after = filled.manifest("BTCUSDT", M1, origin="exchange.test").months
    changed = [month for month in after if after[month] != before.get(month)]
    assert changed == [max(after)], "only the affected month is written again"


def test_store_fill_reads_nothing_back_and_writes_as_it_comes(tmp_path, monkeypatch):
    """The most rows that a commit is given do not grow with the history."""
    from mlsignal.store.series import Series

    plain, sizes = Series.commit, []

    def commit(self, manifest, rows, *arguments, **named):
        sizes.append(rows.height)
        return plain(self, manifest, rows, *arguments, **named)

    monkeypatch.setattr(Series, "commit", commit)
    store, source = Store(tmp_path), Long(200_000)
    report = store.fill("BTCUSDT", M1, source, start_ms=START, now_ms=START + 200_000 * MINUTE + 1)
    assert report.rows == 200_000
    assert max(sizes) <= 30_000
    again = store.fill("BTCUSDT", M1, source, start_ms=START, max_age_minutes=30, now_ms=START + 200_000 * MINUTE + 1)
    assert again.fetches == 0


def test_store_manifest_tells_files_sources_and_gaps(filled):
    manifest = filled.manifest("BTCUSDT", M1, origin="exchange.test")
    assert manifest.rows == N
    assert len(manifest.months) == 12
    assert manifest.sources == ((START, START + (N - 1) * MINUTE, "binance"),)
    assert filled.gaps("BTCUSDT", M1, origin="exchange.test") == ()
    assert filled.revisions("BTCUSDT", M1, origin="exchange.test") == []
