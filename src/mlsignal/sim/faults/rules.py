"""A fault rule: what it matches, when it fires, and what it then does."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Self

from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sim.faults.registry import action_named


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule is held against: a request, an archive file, a stream's message or a connection."""

    path: str
    symbol: str = ""
    interval: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match:
    """What a rule is about; patterns as of a shell (`*`, `?`, `[...]`), case-sensitive."""

    path: str = "*"
    """Of the URL: `/api/v3/klines`, `/data/spot/daily/*`, `/ws*`, `/stream`."""
    symbol: str = "*"
    """As in BTCUSDT."""
    interval: str = "*"
    """As in 1m."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Query parameters; of a stream's message, `x` ("true" where it closes its candle)."""

    def matches(self, subject: Subject) -> bool:
        """Tell whether the subject is what the rule is about."""
        patterns = ((self.path, subject.path), (self.symbol, subject.symbol), (self.interval, subject.interval))
        return all(fnmatchcase(value, pattern) for pattern, value in patterns) and all(
            fnmatchcase(subject.parameters.get(name, ""), pattern) for name, pattern in self.parameters.items()
        )


@dataclass(frozen=True, slots=True)
class When:
    """Which of the matching occasions a rule fires at: those that meet every condition given.

    Raises
    ------
    ConfigurationError
        If a condition can never be met.
    """

    nth: int | None = None
    """Only the nth, from 1."""
    every: int | None = None
    """Every nth: with 3, the third, the sixth, ..."""
    probability: float = 1.0
    """Each with this probability, drawn from the rule's seed."""
    from_ms: int | None = None
    """From this moment of the exchange's clock on; occasions before it are not counted."""
    until_ms: int | None = None
    """Until this moment, without it."""

    def __post_init__(self) -> None:
        """Check the arguments."""
        for name in ("nth", "every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigurationError(f"{name}: at least 1 expected, found {value}")
        if not 0 <= self.probability <= 1:
            raise ConfigurationError(f"probability: 0 to 1 expected, found {self.probability}")

    def holds(self, now_ms: int) -> bool:
        """Tell whether the exchange's clock is in the window."""
        return (self.from_ms is None or now_ms >= self.from_ms) and (self.until_ms is None or now_ms < self.until_ms)

    def chooses(self, number: int, chance: float) -> bool:
        """Tell whether occasion `number` (from 1) is one, given a chance drawn from 0 to 1."""
        counted = (self.nth is None or number == self.nth) and (self.every is None or number % self.every == 0)
        return counted and chance < self.probability


@dataclass(frozen=True, slots=True)
class Rule:
    """A fault: an action with its options, what it is about, and when it happens.

    Raises
    ------
    ConfigurationError
        If there is no such action, or it does not take the options.

    Examples
    --------
    >>> from mlsignal.sim.faults import Match, Rule
    >>> rule = Rule("status", {"status": 503}, Match(path="/api/v3/klines"), times=3)
    >>> Rule.from_dict(rule.to_dict()) == rule
    True
    """

    action: str
    options: Mapping[str, Any] = field(default_factory=dict)
    match: Match = field(default_factory=Match)
    when: When = field(default_factory=When)
    times: int | None = None
    """At most so often."""
    seed: int = 0
    """What all that is random in it follows from."""

    def __post_init__(self) -> None:
        """Check the arguments."""
        action_named(self.action).check(self.options)
        if self.times is not None and self.times < 1:
            raise ConfigurationError(f"times: at least 1 expected, found {self.times}")
        if self.seed < 0:
            raise ConfigurationError(f"seed: at least 0 expected, found {self.seed}")

    @classmethod
    def from_dict(cls, content: Any) -> Self:
        """Read a rule from what JSON holds of it.

        Raises
        ------
        ConfigurationError
            If it is not a rule.
        """
        values = _known(cls, content)
        if "action" not in values:
            raise ConfigurationError(f"a rule with an action expected, found {content!r}")
        try:
            if "match" in values:
                values["match"] = Match(**_known(Match, values["match"]))
            if "when" in values:
                values["when"] = When(**_known(When, values["when"]))
            return cls(**values)
        except TypeError as error:
            raise ConfigurationError(f"a rule's value is not of its type: {error}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        return asdict(self)


def _known(kind: type, content: Any) -> dict[str, Any]:
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{kind.__name__.lower()}: an object expected, found {content!r}")
    names = [one.name for one in fields(kind)]
    for name in content:
        if name not in names:
            raise ConfigurationError(f"{kind.__name__.lower()}: no field {name!r}. {did_you_mean(name, names)}")
    return dict(content)
