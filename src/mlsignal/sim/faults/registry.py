"""The registry of fault actions: one decorated function each."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from mlsignal.errors import ConfigurationError, did_you_mean

AnyFunction = TypeVar("AnyFunction", bound=Callable[..., Any])


class Stage(StrEnum):
    """Where on the way to the wire an action takes hold, and so what its function is given."""

    ANSWER = "answer"
    """`f(call, serve) -> Response`: instead of, or around, any HTTP answer (upgrades to a websocket too)."""
    ROWS = "rows"
    """`f(rows, call) -> rows`: the klines of an answer or of an archive file, as lists of twelve."""
    DOWNLOAD = "download"
    """`f(package, call) -> Package`: what is put into a zip of the archive; its checksum follows."""
    EVENT = "event"
    """`f(event, call) -> events`: a kline message of a stream."""
    CONNECTION = "connection"
    """`f(connection, call) -> None`: a websocket connection, once in every second of the exchange's clock."""


@dataclass(frozen=True, slots=True)
class Action:
    """A registered action: its name is its function's."""

    name: str
    stage: Stage
    function: Callable[..., Any]

    @property
    def options(self) -> dict[str, inspect.Parameter]:
        """The options that it takes, by name."""
        parameters = inspect.signature(self.function).parameters
        return {
            name: one
            for name, one in parameters.items()
            if one.kind is inspect.Parameter.KEYWORD_ONLY and name != "call"
        }

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    def check(self, given: Mapping[str, Any]) -> None:
        """Refuse options that it does not take.

        Raises
        ------
        ConfigurationError
            If one is unknown, missing, or of another type.
        """
        options = self.options
        types = typing.get_type_hints(self.function)
        for name, value in given.items():
            if name not in options:
                raise ConfigurationError(f"{self.name}: no option {name!r}. {did_you_mean(name, options)}")
            if not isinstance(value, types[name]):
                expected = getattr(types[name], "__name__", str(types[name]))
                raise ConfigurationError(f"{self.name}: option {name}: {expected} expected, found {value!r}")
        for name, option in options.items():
            if option.default is inspect.Parameter.empty and name not in given:
                raise ConfigurationError(f"{self.name}: option {name!r} expected")


ACTIONS: dict[str, Action] = {}
"""Every action, by name."""


def action(stage: Stage) -> Callable[[AnyFunction], AnyFunction]:
    """Register the decorated function; its keyword-only arguments, without `call`, are the options."""

    def register(function: AnyFunction) -> AnyFunction:
        name = function.__name__
        ACTIONS[name] = Action(name, stage, function)
        return function

    return register


def action_named(name: str) -> Action:
    """Return an action.

    Raises
    ------
    ConfigurationError
        If there is none of that name.
    """
    if name not in ACTIONS:
        raise ConfigurationError(f"action: {name!r} is not a fault. {did_you_mean(name, ACTIONS)}")
    return ACTIONS[name]
