"""The Parquet store of raw klines: topped up instead of fetched again, written atomically, read without a lock."""

from mlsignal.store.report import StoreReport
from mlsignal.store.store import Store

__all__ = ["Store", "StoreReport"]
