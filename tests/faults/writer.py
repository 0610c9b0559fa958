"""A process that writes one series again and again, for tests that kill it or let several run at once.

Arguments: folder of the store, first number of candles, number of loads, candles more with each. With `paged` after
them, candles come in pages; it says `page` once one was taken, and waits for a line before the next.
"""

import sys

import numpy as np
import polars as pl

from mlsignal.candles import Interval
from mlsignal.store import Store

MINUTE = 60_000
PAGE = 1_000
START = 1_704_067_200_000 - 3_000 * MINUTE  # two days and two hours before 2024: two months


class Market:
    """A source whose candles open every minute from START on."""

    name = "binance"

    def __init__(self, n):
        self.n = n
        self.now_ms = START + n * MINUTE + 5

    def fetch(self, symbol, interval, *, start_ms=None, end_ms=None, limit=None):
        opens = START + np.arange(self.n, dtype=np.int64) * MINUTE
        opens = opens[(opens >= (start_ms or 0)) & (opens <= (end_ms or opens[-1]))]
        return rows(opens[-limit:] if limit else opens)


class PagedMarket(Market):
    """The same, a page at a time."""

    def __init__(self, n, on_page=lambda: None):
        super().__init__(n)
        self.on_page = on_page
        self.asked = []

    def fetch_parts(self, symbol, interval, **bounds):
        self.asked.append(bounds["start_ms"])
        for page in self.fetch(symbol, interval, **bounds).iter_slices(PAGE):
            yield page
            self.on_page()


def rows(opens):
    price = pl.Series((1 + opens // MINUTE % 1_000).astype(np.float64))
    frame = pl.DataFrame({"open_time": opens, **dict.fromkeys(("open", "high", "low", "close", "volume"), price)})
    return frame.with_columns(pl.col("open_time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))


def tell_and_wait():
    print("page", flush=True)
    sys.stdin.readline()


def main():
    folder, first, loads, more = sys.argv[1], *map(int, sys.argv[2:5])
    paged = "paged" in sys.argv
    store = Store(folder)
    print("ready", flush=True)
    for step in range(loads):
        n = first + step * more
        market = PagedMarket(n, tell_and_wait) if paged else Market(n)
        frame, _ = store.load("BTCUSDT", Interval.M1, market, start_ms=START, max_age_minutes=0, now_ms=market.now_ms)
        opens = frame["open_time"].dt.epoch("ms").to_numpy()
        if not (np.diff(opens) == MINUTE).all() or len(opens) < market.n:
            print(f"lost rows: {len(opens)} of {market.n}", flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
