"""Files of candles that tests read through the public sources."""

from pathlib import Path

from mlsignal.candles import Candles
from mlsignal.sim.market import Market


def write_market(folder: Path, n: int = 3_000, symbol: str = "BTCUSDT", seed: int = 7) -> Path:
    """Write the first `n` minutes of a simulated market as SYMBOL-1m.parquet; return the folder."""
    write_candles(folder, Market(seed).candles(symbol, "1m", n))
    return folder


def write_candles(folder: Path, candles: Candles) -> Path:
    """Write candles as SYMBOL-INTERVAL.parquet; return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{candles.symbol}-{candles.interval.value}.parquet"
    candles.to_polars().drop("close_time").write_parquet(path)
    return path
