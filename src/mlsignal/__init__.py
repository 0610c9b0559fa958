"""From crypto candles to a trading signal that can be trusted."""

from mlsignal.version import __version__

__all__ = ["__version__"]
