"""The simulated market, whose truth is known, and the simulated exchange that serves it. SYNTHETIC."""

from mlsignal.sim.market import Market
from mlsignal.sim.plant import Plant
from mlsignal.sim.symbols import SymbolInfo

__all__ = ["Market", "Plant", "SymbolInfo"]
