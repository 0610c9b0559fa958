"""Faults of the simulated exchange: rules that say which of its answers go wrong, when, and how."""

from mlsignal.sim.faults import answers, connections, downloads, events, rows
from mlsignal.sim.faults.book import FaultBook
from mlsignal.sim.faults.registry import ACTIONS, Action, Stage
from mlsignal.sim.faults.rules import Match, Rule, When

__all__ = ["ACTIONS", "Action", "FaultBook", "Match", "Rule", "Stage", "When"]

_ACTION_MODULES = (answers, connections, downloads, events, rows)  # importing them fills the registry
