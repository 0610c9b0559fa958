"""The store: reading a symbol-month out of 50 million rows, topping up, listing, and the memory of a long history.

Usage: python benchmarks/store.py [RUNS]

Real 1m candles of three symbols are stored, and their folders linked under more names until there are 50 million rows.
Every reading is in a process of its own, in which no hash has been verified yet. The history is ten years of 1m
candles, filled into an empty store by a source that sends pages of 1,000.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from measuring import median, need_shared, print_rows
from mlsignal.candles import Interval
from mlsignal.store import Store
from mlsignal.store.listing import list_series

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ROWS = 50_000_000
NOW = 1_704_067_200_000
MINUTE = 60_000
MONTH = (1_690_848_000_000, 1_690_848_000_000 + 31 * 1440 * MINUTE - 1)  # 2023-08
TEN_YEARS = 5_260_000


class Shared:
    """The shared candles as a source."""

    name = "binance"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return the rows between the bounds."""
        frame = pl.read_parquet(self.folder / f"data/spot/{symbol}-{interval.value}.parquet")
        times = frame["open_time"].dt.epoch("ms")
        frame = frame.filter((times >= (start_ms or 0)) & (times <= (NOW if end_ms is None else end_ms)))
        return frame if limit is None else frame.tail(limit)


class Long(Shared):
    """Ten years of minutes in pages: the shared candles of BTCUSDT again and again."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        frame = pl.read_parquet(folder / "data/spot/BTCUSDT-1m.parquet").drop("open_time")
        self.values = frame.head(700_000)
        self.first = NOW - TEN_YEARS * MINUTE

    def fetch_parts(self, *_: object, **__: object) -> Iterator[pl.DataFrame]:
        """Yield pages."""
        for start in range(0, TEN_YEARS, 1_000):
            opens = self.first + np.arange(start, start + 1_000) * MINUTE
            times = pl.Series("open_time", opens).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC")
            yield self.values.slice(start % 699_000, 1_000).insert_column(0, times)


def build(shared: Path, root: Path) -> int:
    """Fill the store up to 50 million rows, and return how many there are."""
    store, rows = Store(root), 0
    for symbol in SYMBOLS:
        rows += store.fill(symbol, "1m", Shared(shared), start_ms=1, now_ms=NOW, max_age_minutes=1e9).rows
    copies = -(-ROWS // rows)
    for number in range(1, copies):
        for symbol in SYMBOLS:
            shutil.copytree(root / symbol, root / f"{symbol}{number}", copy_function=os.link)
    return rows * copies


def read_month(root: Path) -> list[float]:
    """Return the seconds of a first and a second reading in this process."""
    store, spent = Store(root), []
    pl.DataFrame({"a": [1]}).lazy().select("a").collect()  # what polars does once
    for _ in range(2):
        started = time.perf_counter()
        frame = store.read("BTCUSDT7", "1m", start_ms=MONTH[0], end_ms=MONTH[1])
        spent.append(time.perf_counter() - started)
        if frame.height != 31 * 1440:
            sys.exit(f"{frame.height} rows read")
    return spent


def fill_ten_years(root: Path, shared: Path) -> list[float]:
    """Return the seconds that ten years of minutes take, and the peak of memory (MB)."""
    started = time.perf_counter()
    report = Store(root).fill("LONGUSDT", "1m", Long(shared), start_ms=NOW - TEN_YEARS * MINUTE, now_ms=NOW)
    if report.rows != TEN_YEARS:
        sys.exit(f"{report.rows} rows stored")
    return [time.perf_counter() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def child(*arguments: str) -> list[float]:
    """Run this file's part in a process of its own."""
    command = [sys.executable, __file__, "--child", *arguments]
    numbers: list[float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return numbers


def main(runs: int = 5) -> None:
    """Measure and print."""
    shared = need_shared()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "store"
        rows = build(shared, root)
        readings = [child("read", str(root)) for _ in range(runs)]
        started = time.perf_counter()
        series = len(list_series(root))
        listed = time.perf_counter() - started
        filled = child("fill", str(Path(folder) / "long"), str(shared))
    facts = {
        "rows": rows,
        "first_reading_ms": 1000 * median([one[0] for one in readings]),
        "second_reading_ms": 1000 * median([one[1] for one in readings]),
        "listing_ms": 1000 * listed,
        "ten_years_seconds": filled[0],
        "ten_years_peak_mb": filled[1],
    }
    print_rows(
        ["store", "measured"],
        [
            [f"a symbol-month of {rows:,} rows, first reading, hash verified", f"{facts['first_reading_ms']:.1f} ms"],
            ["the same again", f"{facts['second_reading_ms']:.1f} ms"],
            [f"list {series} series", f"{facts['listing_ms']:.0f} ms"],
            [f"fill {TEN_YEARS:,} candles in pages of 1,000", f"{filled[0]:.1f} s, {filled[1]:.0f} MB at most"],
        ],
    )
    print(json.dumps({"runs": runs, **facts}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work = {"read": read_month, "fill": fill_ten_years}[sys.argv[2]]
        print(json.dumps(work(*map(Path, sys.argv[3:]))))
    else:
        main(*map(int, sys.argv[1:2]))
