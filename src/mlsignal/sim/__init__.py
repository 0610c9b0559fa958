"""The simulated market, whose truth is known, and the simulated exchange that serves it. SYNTHETIC."""

from mlsignal.sim.clock import Clock, RealClock, VirtualClock
from mlsignal.sim.exchange import SimulatedExchange, market_start, run_exchange
from mlsignal.sim.market import Market
from mlsignal.sim.plant import Plant
from mlsignal.sim.symbols import SymbolInfo

__all__ = [
    "Market",
    "Plant",
    "SymbolInfo",
    "SimulatedExchange",
    "run_exchange",
    "market_start",
    "Clock",
    "RealClock",
    "VirtualClock",
]
