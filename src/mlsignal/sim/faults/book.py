"""The rules in force, and how often each has fired."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from mlsignal.errors import ConfigurationError
from mlsignal.sim.faults.registry import Stage, action_named
from mlsignal.sim.faults.rules import Rule, Subject


@dataclass(frozen=True, slots=True)
class Call:
    """The occasion that an action is called at."""

    subject: Subject
    now_ms: int
    generator: np.random.Generator
    """Its randomness: that of the rule's seed and of how many occasions came before."""


@dataclass(frozen=True, slots=True)
class Fired:
    """An action that is due; however often it is then done, it does the same."""

    rule: Rule
    occasion: int
    """Number of the occasion, from 1."""
    subject: Subject
    now_ms: int

    def __call__(self, *arguments: Any) -> Any:
        """Do it, to what the action's stage gives it."""
        generator = _generator(self.rule, self.occasion)
        generator.random()  # the chance that it was chosen by
        call = Call(self.subject, self.now_ms, generator)
        return action_named(self.rule.action).function(*arguments, call=call, **self.rule.options)


@dataclass(slots=True)
class _Entry:
    rule: Rule
    stage: Stage
    matched: int = 0
    fired: int = 0


class FaultBook:
    """The rules in force, in the order in which they were added; may be changed from any thread.

    Parameters
    ----------
    rules
        To begin with.

    Examples
    --------
    >>> book = FaultBook([Rule("status", {"status": 503}, times=1)])
    >>> [len(book.fire(Stage.ANSWER, Subject("/api/v3/ping"), 0)) for _ in range(2)]
    [1, 0]
    """

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._lock = threading.Lock()
        self._entries: dict[int, _Entry] = {}
        self._next_id = 1
        for rule in rules:
            self.add(rule)

    @property
    def rules(self) -> Mapping[int, Rule]:
        """The rules, by the number that each was given."""
        with self._lock:
            return MappingProxyType({number: entry.rule for number, entry in self._entries.items()})

    def add(self, rule: Rule) -> int:
        """Put a rule in force; returns its number."""
        with self._lock:
            number = self._next_id
            self._next_id += 1
            self._entries[number] = _Entry(rule, action_named(rule.action).stage)
            return number

    def remove(self, number: int) -> None:
        """Take a rule out of force.

        Raises
        ------
        ConfigurationError
            If there is no such rule.
        """
        with self._lock:
            if number not in self._entries:
                raise ConfigurationError(f"rule: {number} is not in force; there are {list(self._entries)}")
            del self._entries[number]

    def clear(self) -> None:
        """Take every rule out of force."""
        with self._lock:
            self._entries.clear()

    def fired(self, number: int) -> int:
        """Return how often a rule has fired.

        Raises
        ------
        ConfigurationError
            If there is no such rule.
        """
        with self._lock:
            if number not in self._entries:
                raise ConfigurationError(f"rule: {number} is not in force; there are {list(self._entries)}")
            return self._entries[number].fired

    def fire(self, stage: Stage, subject: Subject, now_ms: int) -> list[Fired]:
        """Count an occasion, and return the actions that are due, in the order of their rules."""
        if not self._entries:
            return []
        with self._lock:
            return [
                Fired(entry.rule, entry.matched, subject, now_ms)
                for entry in self._entries.values()
                if _is_due(entry, stage, subject, now_ms)
            ]

    def applicable(self, stage: Stage, subject: Subject, now_ms: int) -> tuple[int, ...]:
        """Return the numbers of the rules that are about a subject now, without counting an occasion."""
        with self._lock:
            return tuple(
                number
                for number, entry in self._entries.items()
                if entry.stage is stage and entry.rule.when.holds(now_ms) and entry.rule.match.matches(subject)
            )


def _is_due(entry: _Entry, stage: Stage, subject: Subject, now_ms: int) -> bool:
    """Tell whether an entry's action is due, and count the occasion."""
    rule = entry.rule
    if entry.stage is not stage or not rule.when.holds(now_ms) or not rule.match.matches(subject):
        return False
    entry.matched += 1
    if not rule.when.chooses(entry.matched, float(_generator(rule, entry.matched).random())):
        return False
    if rule.times is not None and entry.fired >= rule.times:
        return False
    entry.fired += 1
    return True


def _generator(rule: Rule, occasion: int) -> np.random.Generator:
    return np.random.default_rng((rule.seed, occasion))
