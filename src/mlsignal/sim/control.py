"""Control of a running exchange: its rules, clock, scenario and request log, for whoever has the token."""

import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol

from mlsignal.candles import utc
from mlsignal.errors import ConfigurationError
from mlsignal.sim.clock import Clock, VirtualClock
from mlsignal.sim.faults import ACTIONS, FaultBook, Rule
from mlsignal.sim.http import Request, Response
from mlsignal.sim.limits import RequestRecord
from mlsignal.sim.market import Market
from mlsignal.sim.scenarios import SCENARIOS, Scenario, build_scenario
from mlsignal.sim.view import MarketView

TOKEN_HEADER: Final = "X-Control-Token"  # noqa: S105 - the header's name, not a token
_SHORTEST_TOKEN: Final = 16
_HOSTS: Final = ("127.0.0.1", "localhost")
_CLOCK_FIELDS: Final = ("advance_ms", "now", "rate", "skew_ms")


class Controlled(Protocol):
    """What control needs of an exchange."""

    market: Market
    clock: Clock
    faults: FaultBook
    requests: deque[RequestRecord]

    @property
    def view(self) -> MarketView:
        """The market as it is served."""
        ...

    @property
    def connections(self) -> int:
        """Websocket connections that there are."""
        ...

    def apply(self, scenario: Scenario) -> None:
        """Replace rules and defects by a scenario's."""
        ...


class Control:
    """JSON over HTTP that changes an exchange while it serves; every request needs the token in its header.

    ===========================  ==========================================================================
    GET /state                   clock, scenario's rules and defects, connections
    GET /actions, /scenarios     what there is to choose from
    GET, POST, DELETE /rules     list, add (a rule as JSON), remove all; DELETE /rules/3 removes one
    POST /clock                  any of advance_ms, now (ISO 8601), rate, skew_ms
    POST /scenario               {"name": "ws_hell"}
    GET, DELETE /requests        the log: ?path=…&method=…&status=…&since_ms=…&limit=…
    ===========================  ==========================================================================

    Parameters
    ----------
    exchange
        What is controlled.
    token
        At least 16 characters.

    Raises
    ------
    ConfigurationError
        If the token is too short.
    """

    def __init__(self, exchange: Controlled, token: str) -> None:
        if len(token) < _SHORTEST_TOKEN:
            raise ConfigurationError(
                f"control_token: at least {_SHORTEST_TOKEN} characters expected, found {len(token)}; "
                "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
            )
        self._exchange = exchange
        self._token = token.encode()

    def answer(self, request: Request) -> Response:
        """Answer a request: 401 without the token, 403 under a foreign Host, 400 for what cannot be."""
        if not hmac.compare_digest(request.headers.get(TOKEN_HEADER.lower(), "").encode(), self._token):
            return Response.of_json({"error": f"the control token is expected in {TOKEN_HEADER}"}, 401)
        if request.headers.get("host", _HOSTS[0]).rpartition(":")[0] not in (*_HOSTS, ""):
            return Response.of_json({"error": "a request to this machine's loopback is expected"}, 403)
        path, _, identifier = request.path.strip("/").partition("/")
        routes = _ROUTES.get(path)
        if routes is None or (identifier and path != "rules"):
            return Response.of_json({"error": f"no such path; there are {sorted(_ROUTES)}"}, 404)
        if request.method not in routes:
            return Response.of_json({"error": f"methods here: {sorted(routes)}"}, 405)
        try:
            return Response.of_json(routes[request.method](self, request, identifier))
        except ConfigurationError as error:
            return Response.of_json({"error": str(error)}, 400)

    def _state(self, _request: Request, _: str) -> dict[str, Any]:
        exchange, clock = self._exchange, self._exchange.clock
        skew = clock.skew if isinstance(clock, VirtualClock) else timedelta(0)
        return {
            "synthetic": True,
            "fingerprint": exchange.market.fingerprint,
            "now_ms": clock.now_ms(),
            "rate": clock.rate,
            "skew_ms": skew // timedelta(milliseconds=1),
            "connections": exchange.connections,
            "requests": len(exchange.requests),
            "rules": self._rules(_request, ""),
            "defects": [{"kind": type(one).__name__, **asdict(one)} for one in exchange.view.defects],
        }

    def _actions(self, _request: Request, _: str) -> dict[str, Any]:
        return {
            name: {"stage": one.stage.value, "summary": one.summary, "options": list(one.options)}
            for name, one in ACTIONS.items()
        }

    def _scenarios(self, _request: Request, _: str) -> list[str]:
        return list(SCENARIOS)

    def _rules(self, _request: Request, _: str) -> list[dict[str, Any]]:
        faults = self._exchange.faults
        return [
            {"id": number, "fired": faults.fired(number), **rule.to_dict()} for number, rule in faults.rules.items()
        ]

    def _add_rule(self, request: Request, _: str) -> dict[str, int]:
        return {"id": self._exchange.faults.add(Rule.from_dict(_content(request)))}

    def _remove_rule(self, _request: Request, identifier: str) -> dict[str, int]:
        if not identifier:
            self._exchange.faults.clear()
        elif identifier.isascii() and identifier.isdigit():
            self._exchange.faults.remove(int(identifier))
        else:
            raise ConfigurationError(f"rule: a number expected, found {identifier!r}")
        return {"rules": len(self._exchange.faults.rules)}

    def _set_clock(self, request: Request, _: str) -> dict[str, Any]:
        clock, content = self._exchange.clock, _content(request)
        if not isinstance(clock, VirtualClock):
            raise ConfigurationError("clock: this exchange goes by the wall's clock, which nobody sets")
        unknown = set(content) - set(_CLOCK_FIELDS)
        if unknown or not content:
            raise ConfigurationError(f"clock: some of {', '.join(_CLOCK_FIELDS)} expected, found {sorted(content)}")
        if "now" in content:
            clock.now = _moment(content["now"])
        if "skew_ms" in content:
            clock.skew = timedelta(milliseconds=_number(content, "skew_ms"))
        if "rate" in content:
            clock.rate = _number(content, "rate")
        if "advance_ms" in content:
            clock.advance(timedelta(milliseconds=_number(content, "advance_ms")))
        return {"now_ms": clock.now_ms(), "rate": clock.rate, "skew_ms": clock.skew // timedelta(milliseconds=1)}

    def _set_scenario(self, request: Request, _: str) -> dict[str, str]:
        name = _content(request).get("name")
        scenario = build_scenario(str(name), self._exchange.market, utc(self._exchange.clock.now_ms()))
        self._exchange.apply(scenario)
        return {"name": scenario.name, "summary": scenario.summary}

    def _requests(self, request: Request, _: str) -> list[dict[str, Any]]:
        wanted = dict(request.query)
        since_ms, limit = (_count(wanted, name, default) for name, default in (("since_ms", 0), ("limit", 1000)))
        found = [
            asdict(one)
            for one in tuple(self._exchange.requests)
            if one.time_ms >= since_ms
            and wanted.get("path", one.path) == one.path
            and wanted.get("method", one.method) == one.method
            and wanted.get("status", str(one.status)) == str(one.status)
        ]
        return found[-limit:] if limit else []

    def _forget_requests(self, _request: Request, _: str) -> dict[str, int]:
        self._exchange.requests.clear()
        return {"requests": 0}


Route = Callable[[Control, Request, str], Any]
_ROUTES: Final[Mapping[str, Mapping[str, Route]]] = MappingProxyType(
    {
        "state": {"GET": Control._state},
        "actions": {"GET": Control._actions},
        "scenarios": {"GET": Control._scenarios},
        "rules": {"GET": Control._rules, "POST": Control._add_rule, "DELETE": Control._remove_rule},
        "clock": {"POST": Control._set_clock},
        "scenario": {"POST": Control._set_scenario},
        "requests": {"GET": Control._requests, "DELETE": Control._forget_requests},
    }
)


def _content(request: Request) -> dict[str, Any]:
    try:
        content = json.loads(request.body)
    except ValueError:
        raise ConfigurationError("a JSON object expected in the body") from None
    if not isinstance(content, dict):
        raise ConfigurationError(f"a JSON object expected in the body, found {content!r}")
    return content


def _number(content: Mapping[str, Any], name: str) -> float:
    value = content[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigurationError(f"{name}: a number expected, found {value!r}")
    return float(value)


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise ConfigurationError(f"{name}: a whole number expected, found {text!r}")
    return int(text)


def _moment(text: Any) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise ConfigurationError(f"now: a moment in ISO 8601 expected, found {text!r}") from None
