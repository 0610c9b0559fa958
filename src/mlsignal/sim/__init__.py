"""The simulated market, whose truth is known, and the simulated exchange that serves it. SYNTHETIC."""

from mlsignal.sim.clock import Clock, RealClock, VirtualClock
from mlsignal.sim.defects import Crash, Defect, Delisting, Halt, Misaligned, Outage, Revision
from mlsignal.sim.exchange import SimulatedExchange, market_start, run_exchange
from mlsignal.sim.faults import ACTIONS, FaultBook, Match, Rule, When
from mlsignal.sim.market import Market
from mlsignal.sim.plant import Plant
from mlsignal.sim.scenarios import SCENARIOS, Scenario, build_scenario
from mlsignal.sim.symbols import SymbolInfo
from mlsignal.sim.view import MarketView

__all__ = [
    "Market",
    "Plant",
    "SymbolInfo",
    "MarketView",
    "SimulatedExchange",
    "run_exchange",
    "market_start",
    "Clock",
    "RealClock",
    "VirtualClock",
    "Defect",
    "Outage",
    "Halt",
    "Crash",
    "Misaligned",
    "Revision",
    "Delisting",
    "Rule",
    "Match",
    "When",
    "FaultBook",
    "ACTIONS",
    "Scenario",
    "SCENARIOS",
    "build_scenario",
]
