"""A month's archive zip to Parquet: ours, its checksum verified, against pandas, which verifies nothing.

Usage: python benchmarks/archive.py [RUNS]

Real candles of BTCUSDT 1m, 2023-08, packed as the exchange packs them. In one process, in turn, after one warm-up each.
"""

import hashlib
import json
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import pandas as pd
import polars as pl

from klines import COLUMNS, kline
from measuring import median, need_shared, print_rows
from mlsignal.sources.files import archive_member
from mlsignal.sources.klines import klines_from_csv


def write_zip(shared: Path, target: Path) -> int:
    """Write the month's zip, and return how many candles it holds."""
    frame = pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet")
    month = frame.filter(pl.col("open_time").dt.strftime("%Y-%m") == "2023-08")
    rows = month.with_columns(pl.col("open_time").dt.epoch("ms")).iter_rows()
    text = "".join(",".join(map(str, kline(row))) + "\n" for row in rows)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(target.name.replace(".zip", ".csv"), text)
    return month.height


def ours(archive: Path, checksum: str, target: Path) -> None:
    """Verify, read and write."""
    content = archive.read_bytes()
    if hashlib.sha256(content).hexdigest() != checksum:
        sys.exit("the checksum is wrong")
    klines_from_csv(archive_member(content)).write_parquet(target)


def peer(archive: Path, target: Path) -> None:
    """Read and write with pandas."""
    frame = pd.read_csv(archive, header=None, names=list(COLUMNS)).drop(columns="ignore")
    for name in ("open_time", "close_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    frame.to_parquet(target)


def main(runs: int = 15) -> None:
    """Run both in turn and print the medians."""
    shared = need_shared()
    found: dict[str, list[float]] = {"ours": [], "pandas": []}
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "BTCUSDT-1m-2023-08.zip"
        candles = write_zip(shared, archive)
        checksum = hashlib.sha256(archive.read_bytes()).hexdigest()
        for number in range(runs + 1):
            for name in found:
                target, started = Path(folder) / name, time.perf_counter()
                if name == "ours":
                    ours(archive, checksum, target)
                else:
                    peer(archive, target)
                if number:
                    found[name].append(time.perf_counter() - started)
        same = pl.read_parquet(Path(folder) / "ours")["close"].equals(pl.read_parquet(Path(folder) / "pandas")["close"])
    seconds = {name: median(times) for name, times in found.items()}
    print_rows(
        [f"a month's zip, {candles:,} candles, to Parquet", "ms"],
        [[name, f"{1000 * value:.1f}"] for name, value in seconds.items()],
    )
    facts = {"runs": runs, "seconds": seconds, "same_values": same}
    print(json.dumps({**facts, "times_faster": seconds["pandas"] / seconds["ours"]}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
