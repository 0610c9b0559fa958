"""Control: the token, every route, and what it changes."""

import http.client
import json
from datetime import timedelta

import pytest

from mlsignal.errors import ConfigurationError
from mlsignal.sim import SCENARIOS, Outage, SimulatedExchange
from mlsignal.sim.control import TOKEN_HEADER
from mlsignal.sim.http import Request

TOKEN = "0123456789abcdef-test"
ROUTES = [
    ("GET", "/state"),
    ("GET", "/actions"),
    ("GET", "/scenarios"),
    ("GET", "/rules"),
    ("POST", "/rules"),
    ("DELETE", "/rules"),
    ("DELETE", "/rules/1"),
    ("POST", "/clock"),
    ("POST", "/scenario"),
    ("GET", "/requests"),
    ("DELETE", "/requests"),
    ("GET", "/nowhere"),
]


class Controller:
    def __init__(self, place):
        self.place = place
        self.control = place.exchange._control

    def ask(self, method, path, content=None, token=TOKEN, /, **query):
        headers = {} if token is None else {TOKEN_HEADER.lower(): token}
        body = b"" if content is None else json.dumps(content).encode()
        pairs = tuple((name, str(value)) for name, value in query.items())
        return self.control.answer(Request(method, path, pairs, headers, body))

    def get(self, *arguments, **options):
        response = self.ask(*arguments, **options)
        assert response.status == 200, response.body
        return json.loads(response.body)


@pytest.fixture
def controller(venue):
    return Controller(venue(minutes=100, control_port=0, control_token=TOKEN))


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]])
def test_control_without_the_token_is_401_everywhere(controller, method, path, token):
    response = controller.ask(method, path, {}, token)
    assert response.status == 401
    assert TOKEN not in response.body.decode()


def test_control_lists_adds_and_removes_rules(controller):
    added = {"action": "status", "options": {"status": 503}, "match": {"path": "/api/v3/klines"}, "times": 2}
    assert controller.get("POST", "/rules", added) == {"id": 1}
    assert controller.get("POST", "/rules", {"action": "truncate"}) == {"id": 2}
    assert controller.place.get("/api/v3/klines").status == 503
    first, second = controller.get("GET", "/rules")
    assert (first["id"], first["fired"], first["options"]) == (1, 1, {"status": 503})
    assert second["action"] == "truncate"
    assert controller.get("DELETE", "/rules/1") == {"rules": 1}
    assert controller.ask("DELETE", "/rules/1").status == 400
    assert controller.ask("DELETE", "/rules/x").status == 400
    assert controller.get("DELETE", "/rules") == {"rules": 0}
    assert "Did you mean" in json.loads(controller.ask("POST", "/rules", {"action": "statuz"}).body)["error"]


def test_control_sets_the_clock(controller):
    clock, before = controller.place.clock, controller.place.clock.now
    controller.get("POST", "/clock", {"advance_ms": 60_000})
    assert clock.now == before + timedelta(minutes=1)
    told = controller.get("POST", "/clock", {"skew_ms": 90_000, "rate": 0})
    assert told == {"now_ms": clock.now_ms(), "rate": 0.0, "skew_ms": 90_000}
    assert clock.now == before + timedelta(minutes=1, seconds=90)
    controller.get("POST", "/clock", {"now": "2024-01-02T00:00:00Z", "rate": 60})
    assert clock.rate == 60
    for wrong in ({}, {"speed": 1}, {"rate": "fast"}, {"rate": -1}, {"now": 5}, {"now": "2024-01-02"}, []):
        assert controller.ask("POST", "/clock", wrong).status == 400


def test_control_switches_the_scenario(controller):
    assert controller.get("GET", "/scenarios") == list(SCENARIOS)
    controller.get("POST", "/rules", {"action": "truncate"})
    told = controller.get("POST", "/scenario", {"name": "delisting"})
    assert told["name"] == "delisting"
    state = controller.get("GET", "/state")
    assert (state["rules"], [one["kind"] for one in state["defects"]]) == ([], ["Delisting", "Delisting"])
    controller.get("POST", "/scenario", {"name": "calm"})
    assert controller.get("GET", "/state")["defects"] == []
    assert controller.ask("POST", "/scenario", {"name": "clam"}).status == 400


def test_control_shows_the_request_log(controller):
    place = controller.place
    place.get("/api/v3/ping")
    place.clock.advance(timedelta(seconds=5))
    place.klines(limit=1)
    assert [one["path"] for one in controller.get("GET", "/requests")] == ["/api/v3/ping", "/api/v3/klines"]
    assert len(controller.get("GET", "/requests", path="/api/v3/klines")) == 1
    assert len(controller.get("GET", "/requests", since_ms=place.clock.now_ms())) == 1
    assert len(controller.get("GET", "/requests", status=200, method="GET", limit=1)) == 1
    assert controller.get("GET", "/requests", limit=0) == controller.get("GET", "/requests", status=418) == []
    assert controller.ask("GET", "/requests", limit="all").status == 400
    controller.get("DELETE", "/requests")
    assert controller.get("GET", "/requests") == []


def test_control_tells_its_state_and_actions(controller):
    state = controller.get("GET", "/state")
    assert state["synthetic"] is True
    assert state["now_ms"] == controller.place.clock.now_ms()
    actions = controller.get("GET", "/actions")
    assert actions["status"]["options"] == ["status", "retry_after"]
    assert {one["stage"] for one in actions.values()} == {"answer", "rows", "download", "event", "connection"}


def test_control_wrong_paths_methods_and_bodies(controller):
    assert controller.ask("GET", "/oracle").status == 404
    assert controller.ask("GET", "/state/1").status == 404
    assert controller.ask("PUT", "/rules").status == 405
    request = Request("POST", "/rules", (), {TOKEN_HEADER.lower(): TOKEN}, b"{")
    assert controller.control.answer(request).status == 400


def test_control_under_a_foreign_host_is_refused(controller):
    headers = {TOKEN_HEADER.lower(): TOKEN, "host": "evil.example:80"}
    assert controller.control.answer(Request("GET", "/state", (), headers)).status == 403


def test_control_token_must_be_long(market, venue):
    with pytest.raises(ConfigurationError, match="at least 16"):
        venue(control_port=0, control_token="short")
    with pytest.raises(ConfigurationError, match="control_port"):
        venue(control_port=70_000, control_token=TOKEN)


def test_control_is_served_on_a_port_of_its_own(controller):
    exchange: SimulatedExchange = controller.place.exchange
    with exchange.running() as url:
        assert exchange.control_url.startswith("http://127.0.0.1:")
        assert exchange.control_url != url
        statuses = []
        for base, headers in ((exchange.control_url, {TOKEN_HEADER: TOKEN}), (exchange.control_url, {}), (url, {})):
            connection = http.client.HTTPConnection(base.removeprefix("http://"), timeout=10)
            connection.request("GET", "/state", headers=headers)
            statuses.append(connection.getresponse().status)
            connection.close()
        assert statuses == [200, 401, 404]


def test_state_names_defects(venue, market):
    outage = Outage("*", market.start_ms, market.start_ms + 60_000)
    controller = Controller(venue(minutes=5, control_port=0, control_token=TOKEN, defects=[outage]))
    (told,) = controller.get("GET", "/state")["defects"]
    assert told == {"kind": "Outage", "symbol": "*", "start_ms": outage.start_ms, "end_ms": outage.end_ms}
