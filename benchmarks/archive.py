"""A month's archive zip to Parquet: ours, its checksum verified, against pandas, which verifies nothing.

Usage: python benchmarks/archive.py [RUNS]

Real candles of BTCUSDT 1m, 2022-08 to 2023-07, packed as the exchange packs them. In one process, after a warm-up of
each. "A month" is one zip at a time, the twelve one after another, first ours and then pandas', in every run; the
figures are medians over all months of all runs. "A year" is the twelve together, ours on as many threads as the archive
source has connections (4), as it reads them, pandas on its one. Ours writes as the store does (lz4), pandas as it does
by default (snappy).
"""

import hashlib
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import polars as pl

from klines import COLUMNS, kline
from measuring import median, need_shared, print_rows
from mlsignal.sources.files import verified_member
from mlsignal.sources.klines import klines_from_csv

MONTHS, CONNECTIONS = 12, 4


def write_zips(shared: Path, folder: Path) -> list[tuple[Path, str]]:
    """Write twelve months' zips, and return them with their SHA-256."""
    frame = pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet")
    frame = frame.with_columns(pl.col("open_time").dt.strftime("%Y-%m").alias("month"))
    found = []
    for (month,), rows in frame.group_by("month", maintain_order=True):
        path = folder / f"BTCUSDT-1m-{month}.zip"
        values = rows.drop("month").with_columns(pl.col("open_time").dt.epoch("ms")).iter_rows()
        text = "".join(",".join(map(str, kline(row))) + "\n" for row in values)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(path.name.replace(".zip", ".csv"), text)
        found.append((path, hashlib.sha256(path.read_bytes()).hexdigest()))
        if len(found) == MONTHS:
            break
    return found


def ours(archive: Path, checksum: str, target: Path) -> None:
    """Verify, read and write."""
    klines_from_csv(verified_member(archive.read_bytes(), checksum)).write_parquet(target, compression="lz4")


def peer(archive: Path, target: Path) -> None:
    """Read and write with pandas."""
    frame = pd.read_csv(archive, header=None, names=list(COLUMNS)).drop(columns="ignore")
    for name in ("open_time", "close_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    frame.to_parquet(target)


def main(runs: int = 9) -> None:
    """Run both in turn and print the medians."""
    shared = need_shared()
    found: dict[str, list[float]] = {}

    def timed(name: str, work: Callable[[], object]) -> None:
        started = time.perf_counter()
        work()
        found.setdefault(name, []).append(time.perf_counter() - started)

    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(CONNECTIONS) as pool:
        folder = Path(name)
        archives = write_zips(shared, folder)
        mine = [(path, checksum, path.with_suffix(".ours")) for path, checksum in archives]
        theirs = [(path, path.with_suffix(".pandas")) for path, _ in archives]
        for run in range(runs + 1):
            if run == 1:
                found.clear()  # the first was the warm-up
            for one in mine:
                timed("ours, a month", lambda one=one: ours(*one))
            for one in theirs:
                timed("pandas, a month", lambda one=one: peer(*one))
            timed("ours, a year", lambda: list(pool.map(ours, *zip(*mine, strict=True))))
            timed("pandas, a year", lambda: [peer(*one) for one in theirs])
        both = [pl.read_parquet(list_[0][-1])["close"] for list_ in (mine, theirs)]
    seconds = {name: median(times) for name, times in found.items()}
    print_rows(["archive zips to Parquet", "ms"], [[name, f"{1000 * value:.1f}"] for name, value in seconds.items()])
    ratios = {span: seconds[f"pandas, {span}"] / seconds[f"ours, {span}"] for span in ("a month", "a year")}
    print(
        json.dumps({"runs": runs, "seconds": seconds, "same_values": both[0].equals(both[1]), "times_faster": ratios})
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
