"""1,000,000 klines as the exchange's JSON pages to one Parquet file: ours against json and pandas.

Usage: python benchmarks/klines.py [RUNS]

Both read the same 1,000 pages, one after the other, from one file, each in a process of its own, in turn. The peer
does as python-binance does: every page through `json`, the rows of all pages in one list, then a DataFrame. Seconds are
those of the work, without imports; the peak of memory is the process's. Ours writes as the store does (lz4), pandas as
it does by default (snappy).
"""

import json
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from measuring import median, need_shared, print_rows

ROWS, PAGE = 1_000_000, 1_000
COLUMNS = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time"),
    *("quote_volume", "trades", "taker_buy_base", "taker_buy_quote", "ignore"),
)


def write_pages(shared: Path, target: Path) -> None:
    """Write real candles as the exchange would send them."""
    frames = [pl.read_parquet(shared / f"data/spot/{symbol}-1m.parquet") for symbol in ("BTCUSDT", "ETHUSDT")]
    frame = pl.concat(frames).head(ROWS).with_columns(pl.col("open_time").dt.epoch("ms"))
    with target.open("wb") as file:
        for part in frame.iter_slices(PAGE):
            page = json.dumps([kline(row) for row in part.iter_rows()], separators=(",", ":")).encode()
            file.write(struct.pack("<I", len(page)) + page)


def kline(row: tuple[float, ...]) -> list[object]:
    """Return a row in the exchange's layout."""
    text = [f"{value:.8f}" for value in row[1:]]
    return [row[0], *text[:5], row[0] + 59_999, text[5], int(row[7]), *text[7:9], "0"]


def read_pages(path: Path) -> Iterator[bytes]:
    """Yield the pages of a file."""
    with path.open("rb") as file:
        while head := file.read(4):
            yield file.read(struct.unpack("<I", head)[0])


def ours(pages: Path, target: Path) -> float:
    """Return the seconds that our way takes."""
    from mlsignal.sources.klines import klines_from_json

    started = time.perf_counter()
    klines_from_json(read_pages(pages)).write_parquet(target, compression="lz4")
    return time.perf_counter() - started


def peer(pages: Path, target: Path) -> float:
    """Return the seconds that json and pandas take."""
    import pandas as pd

    started = time.perf_counter()
    rows: list[list[object]] = []
    for page in read_pages(pages):
        rows += json.loads(page)
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).drop(columns="ignore")
    for name in ("open_time", "close_time"):
        frame[name] = pd.to_datetime(frame[name], unit="ms", utc=True)
    values = [name for name in frame.columns if not name.endswith("time")]
    frame[values] = frame[values].apply(pd.to_numeric)
    frame.to_parquet(target)
    return time.perf_counter() - started


def main(runs: int = 5) -> None:
    """Run both in turn, compare what they wrote, and print the medians."""
    shared = need_shared()
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "json + pandas": []}
    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        write_pages(shared, pages)
        for _ in range(runs):
            for name in found:
                command = [sys.executable, __file__, "--child", name, str(pages), str(Path(folder) / name)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found[name].append(tuple(json.loads(done.stdout)))
        both = [pl.read_parquet(Path(folder) / name) for name in found]
        same = all(both[0][name].cast(pl.Float64).equals(both[1][name].cast(pl.Float64)) for name in COLUMNS[1:6])
    seconds, peaks = ({name: median([one[at] for one in list_]) for name, list_ in found.items()} for at in (0, 1))
    print_rows(
        ["1,000,000 klines, JSON to Parquet", "seconds", "peak MB"],
        [[name, f"{seconds[name]:.2f}", f"{peaks[name]:.0f}"] for name in found],
    )
    facts = {"runs": runs, "seconds": seconds, "peak_mb": peaks, "same_values": same}
    ratios = {
        "times_faster": seconds["json + pandas"] / seconds["ours"],
        "memory": peaks["ours"] / peaks["json + pandas"],
    }
    print(json.dumps({**facts, **ratios}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        work = {"ours": ours, "json + pandas": peer}[sys.argv[2]]
        spent = work(Path(sys.argv[3]), Path(sys.argv[4]))
        print(json.dumps([spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
    else:
        main(*map(int, sys.argv[1:2]))
