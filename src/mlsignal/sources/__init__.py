"""Where candles come from: one class each behind the `KlineSource` protocol of `mlsignal.candles`."""

from mlsignal.sources.archive import ArchiveSource
from mlsignal.sources.binance import BinanceSource
from mlsignal.sources.files import FileSource
from mlsignal.sources.registry import open_source, opened_source, source_scheme, source_schemes

__all__ = [
    "ArchiveSource",
    "BinanceSource",
    "FileSource",
    "open_source",
    "opened_source",
    "source_scheme",
    "source_schemes",
]
