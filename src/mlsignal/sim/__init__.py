"""The simulated market, whose truth is known, and the simulated exchange that serves it. SYNTHETIC.

The names load when they are first used: who needs the market alone does not wait for the servers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlsignal.sim.clock import Clock as Clock
    from mlsignal.sim.clock import RealClock as RealClock
    from mlsignal.sim.clock import VirtualClock as VirtualClock
    from mlsignal.sim.defects import Crash as Crash
    from mlsignal.sim.defects import Defect as Defect
    from mlsignal.sim.defects import Delisting as Delisting
    from mlsignal.sim.defects import Halt as Halt
    from mlsignal.sim.defects import Misaligned as Misaligned
    from mlsignal.sim.defects import Outage as Outage
    from mlsignal.sim.defects import Revision as Revision
    from mlsignal.sim.exchange import SimulatedExchange as SimulatedExchange
    from mlsignal.sim.exchange import market_start as market_start
    from mlsignal.sim.exchange import run_exchange as run_exchange
    from mlsignal.sim.faults import ACTIONS as ACTIONS
    from mlsignal.sim.faults import FaultBook as FaultBook
    from mlsignal.sim.faults import Match as Match
    from mlsignal.sim.faults import Rule as Rule
    from mlsignal.sim.faults import When as When
    from mlsignal.sim.market import Market as Market
    from mlsignal.sim.plant import Plant as Plant
    from mlsignal.sim.scenarios import SCENARIOS as SCENARIOS
    from mlsignal.sim.scenarios import Scenario as Scenario
    from mlsignal.sim.scenarios import build_scenario as build_scenario
    from mlsignal.sim.symbols import SymbolInfo as SymbolInfo
    from mlsignal.sim.view import MarketView as MarketView

_HOMES = {
    "Market": "mlsignal.sim.market",
    "Plant": "mlsignal.sim.plant",
    "SymbolInfo": "mlsignal.sim.symbols",
    "MarketView": "mlsignal.sim.view",
    "SimulatedExchange": "mlsignal.sim.exchange",
    "run_exchange": "mlsignal.sim.exchange",
    "market_start": "mlsignal.sim.exchange",
    "Clock": "mlsignal.sim.clock",
    "RealClock": "mlsignal.sim.clock",
    "VirtualClock": "mlsignal.sim.clock",
    "Defect": "mlsignal.sim.defects",
    "Outage": "mlsignal.sim.defects",
    "Halt": "mlsignal.sim.defects",
    "Crash": "mlsignal.sim.defects",
    "Misaligned": "mlsignal.sim.defects",
    "Revision": "mlsignal.sim.defects",
    "Delisting": "mlsignal.sim.defects",
    "Rule": "mlsignal.sim.faults",
    "Match": "mlsignal.sim.faults",
    "When": "mlsignal.sim.faults",
    "FaultBook": "mlsignal.sim.faults",
    "ACTIONS": "mlsignal.sim.faults",
    "Scenario": "mlsignal.sim.scenarios",
    "SCENARIOS": "mlsignal.sim.scenarios",
    "build_scenario": "mlsignal.sim.scenarios",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlsignal.sim' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
