"""Scenarios: what goes wrong together, as it has on real exchanges."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.sim.defects import Crash, Defect, Delisting, Halt, Misaligned, Outage, Revision
from mlsignal.sim.faults import Match, Rule, When
from mlsignal.sim.market import Market
from mlsignal.sim.symbols import BITCOIN, ETHER, SOLANA

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_KLINES: Final = Match(path="/api/v3/klines")
_DAILY: Final = Match(path="/data/spot/daily/*.zip")
_MONTHLY: Final = Match(path="/data/spot/monthly/*.zip")


@dataclass(frozen=True, slots=True)
class Scenario:
    """Faults and defects that belong together."""

    name: str
    summary: str
    rules: tuple[Rule, ...] = ()
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where a scenario is set: its defects lie around the moment at which it begins."""

    market: Market
    now_ms: int

    def ago(self, *, hours: int, minutes: int = 0) -> int:
        """Return a whole minute so long before the beginning, negative for after it."""
        return self.now_ms // _MINUTE_MS * _MINUTE_MS - hours * _HOUR_MS - minutes * _MINUTE_MS

    def clock(self, hour: int, minute: int, *, days_ago: int) -> int:
        """Return a time of day (UTC) some days before the beginning."""
        day_ms = self.now_ms // (24 * _HOUR_MS) * 24 * _HOUR_MS
        return day_ms - days_ago * 24 * _HOUR_MS + hour * _HOUR_MS + minute * _MINUTE_MS


Parts = tuple[tuple[Rule, ...], tuple[Defect, ...]]
_BUILDERS: dict[str, tuple[str, Callable[[_Stage], Parts]]] = {}


def _scenario(build: Callable[[_Stage], Parts]) -> Callable[[_Stage], Parts]:
    """Register a scenario under its function's name."""
    _BUILDERS[build.__name__] = ((build.__doc__ or "").partition("\n")[0], build)
    return build


@_scenario
def calm(_: _Stage) -> Parts:
    """Nothing goes wrong."""
    return (), ()


@_scenario
def maintenance(stage: _Stage) -> Parts:
    """The engine was off for hours, trading was halted after it, and both happen again twenty minutes from now."""
    defects = []
    for start_ms, length in ((stage.clock(2, 0, days_ago=3), 6 * 60), (stage.ago(hours=0, minutes=-20), 30)):
        end_ms = start_ms + length * _MINUTE_MS
        defects += [Outage("*", start_ms, end_ms), Halt("*", end_ms, end_ms + 15 * _MINUTE_MS)]
    soon = defects[2]
    during = When(from_ms=soon.start_ms, until_ms=soon.end_ms)
    rules = (
        Rule("symbol_status", {"status": "BREAK"}, Match(path="/api/v3/exchangeInfo"), during),
        Rule("status", {"status": 503}, _KLINES, When(every=3, from_ms=soon.start_ms, until_ms=soon.end_ms)),
        Rule("shutdown", {"close_after_ms": 30_000}, when=When(from_ms=soon.start_ms), times=1),
    )
    return rules, tuple(defects)


@_scenario
def misaligned_2018_02(stage: _Stage) -> Parts:
    """The outage of 2018-02: 33.5 hours off, then candles that open off the grid and overlap their successors."""
    start_ms, end_ms = stage.clock(0, 28, days_ago=5), stage.clock(10, 0, days_ago=4)
    shifted: list[Defect] = [Outage("*", start_ms, end_ms)]
    offsets = {
        Interval.M1: 14_789,
        Interval.M5: 3 * _MINUTE_MS + 14_789,
        Interval.M15: 13 * _MINUTE_MS + 14_789,
        Interval.M30: 28 * _MINUTE_MS + 14_789,
        Interval.H1: 28 * _MINUTE_MS + 14_789,
        Interval.H2: 28 * _MINUTE_MS + 14_789,
    }
    for interval, offset_ms in offsets.items():
        first_ms = interval.floor(end_ms - 1)
        until_ms = max(end_ms + 3 * _HOUR_MS, interval.next(first_ms, 3))
        shifted.append(Misaligned("*", first_ms, until_ms, interval, offset_ms))
    return (), tuple(shifted)


@_scenario
def delisting(stage: _Stage) -> Parts:
    """ETHUSDT ended yesterday and is in BREAK; SOLUSDT ends an hour from now."""
    ended = Delisting(ETHER, stage.clock(3, 0, days_ago=1))
    return (), (ended, Delisting(SOLANA, stage.ago(hours=-1)))


@_scenario
def flash_crash(stage: _Stage) -> Parts:
    """Prices lost a third within an hour and came back, and BTCUSDT does it again ten minutes from now."""
    past = stage.ago(hours=30)
    soon = stage.ago(hours=0, minutes=-10)
    return (), (
        Crash("*", past, past + 60 * _MINUTE_MS, 0.35),
        Crash(BITCOIN, soon, soon + 30 * _MINUTE_MS, 0.35),
        Halt("*", past + 60 * _MINUTE_MS, past + 65 * _MINUTE_MS),
    )


@_scenario
def ratelimit_storm(_: _Stage) -> Parts:
    """Refusals of every kind: 429 with and without Retry-After, a ban, overload, resets, HTML and torn JSON."""
    rules = (
        Rule("used_weight", {"weight": 5500}, Match(path="/api/v3/*"), When(probability=0.2), seed=1),
        Rule("status", {"status": 429, "retry_after": 7}, _KLINES, When(nth=3)),
        Rule("status", {"status": 429}, _KLINES, When(nth=9)),
        Rule("status", {"status": 418, "retry_after": 120}, _KLINES, When(nth=25)),
        Rule("status", {"status": 503}, _KLINES, When(probability=0.1), seed=2),
        Rule("reset", {}, _KLINES, When(probability=0.04), seed=3),
        Rule("html", {"status": 502}, _KLINES, When(probability=0.04), seed=4),
        Rule("html", {"status": 200}, _KLINES, When(probability=0.02), seed=5),
        Rule("truncate", {}, _KLINES, When(probability=0.04), seed=6),
        Rule("duplicate_rows", {"count": 2}, _KLINES, When(probability=0.05), seed=7),
        Rule("shuffle_rows", {}, _KLINES, When(probability=0.03), seed=8),
    )
    return rules, ()


@_scenario
def ws_hell(stage: _Stage) -> Parts:
    """Streams are cut, stall, lose, double and delay their closing messages, and go on after them."""
    closing = Match(parameters={"x": "true"})
    stage_ms = stage.now_ms

    def at(minutes: int) -> When:
        return When(from_ms=stage_ms + minutes * _MINUTE_MS)

    rules = (
        Rule("duplicate_event", {"after_ms": 500}, closing, When(every=2), seed=1),
        Rule("update_after_close", {"after_ms": 3000}, closing, When(every=3), seed=2),
        Rule("late_event", {"ms": 25_000}, closing, When(probability=0.15), seed=3),
        Rule("drop_event", {}, closing, When(probability=0.15), seed=4),
        Rule("drop_event", {}, Match(parameters={"x": "false"}), When(probability=0.05), seed=5),
        Rule("abort", when=at(4), times=1),
        Rule("close", {"code": 1001}, when=at(8), times=1),
        Rule("close", {"code": 1008, "reason": "Policy violation"}, when=at(12), times=1),
        Rule("stall", {}, when=at(16), times=1),
        Rule("shutdown", {"close_after_ms": 20_000}, when=at(22), times=1),
        Rule("close", {"code": 1000}, when=at(26), times=1),
    )
    return rules, ()


@_scenario
def archive_rot(stage: _Stage) -> Parts:
    """The archive is late, torn and at odds with REST; two recent minutes are revised an hour from now."""
    later = When(until_ms=stage.now_ms + _HOUR_MS)
    rules = (
        Rule("wrong_checksum", {}, Match(path="/data/spot/daily/*.CHECKSUM"), When(every=5)),
        Rule("status", {"status": 404}, Match(path="/data/spot/monthly/*.CHECKSUM"), When(every=3)),
        Rule("bare_checksum", {}, Match(path="*.CHECKSUM")),
        Rule("truncate", {"share": 0.9}, _DAILY, When(every=7)),
        Rule("status", {"status": 404}, _DAILY, When(every=6)),
        Rule("header_line", {}, _MONTHLY),
        Rule("keep_rows", {"share": 0.7}, _DAILY, When(every=8), seed=1),
        Rule("other_values", {"count": 3}, _DAILY, When(probability=0.2, until_ms=later.until_ms), seed=2),
        Rule("duplicate_rows", {"count": 5}, _MONTHLY, seed=3),
    )
    start_ms = stage.ago(hours=1)
    revised = Revision("*", start_ms, start_ms + 2 * _MINUTE_MS, stage.now_ms + _HOUR_MS)
    return rules, (revised,)


SCENARIOS: Final[tuple[str, ...]] = tuple(_BUILDERS)
"""Names of the scenarios."""


def build_scenario(name: str, market: Market, now: datetime) -> Scenario:
    """Return a scenario, its defects placed around a moment.

    Parameters
    ----------
    name
        One of `SCENARIOS`.
    market
        What it goes wrong with.
    now
        When it begins, time-zone aware.

    Raises
    ------
    ConfigurationError
        If there is no such scenario.

    Examples
    --------
    >>> build_scenario("delisting", Market(7), datetime(2024, 3, 1, tzinfo=UTC)).defects[0].symbol
    'ETHUSDT'
    """
    if name not in _BUILDERS:
        raise ConfigurationError(f"scenario: {name!r} is not known. {did_you_mean(name, SCENARIOS)}")
    summary, build = _BUILDERS[name]
    now_ms = (now - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    rules, defects = build(_Stage(market, now_ms))
    return Scenario(name, summary, rules, defects)
