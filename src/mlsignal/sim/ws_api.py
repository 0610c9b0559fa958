"""The websocket API: REST's questions asked over one connection, with the same weights, codes and faults."""

import json
from collections.abc import Callable
from typing import Any, Final

from mlsignal.sim.faults.book import FaultBook
from mlsignal.sim.faults.registry import Stage
from mlsignal.sim.faults.rules import Subject
from mlsignal.sim.http import Request, Response
from mlsignal.sim.limits import WEIGHT_LIMIT
from mlsignal.sim.sockets import Connection

PATH: Final = "/ws-api/v3"
_METHODS: Final = ("ping", "time", "exchangeInfo", "klines", "uiKlines")
_LONGEST_ID: Final = 36
_USED: Final = "x-mbx-used-weight-1m"


class ApiConversation:
    """What is asked and answered over one connection of the websocket API.

    Parameters
    ----------
    ask
        Answers a REST request; what it matches, counts and logs is REST's.
    faults
        The exchange's.
    """

    inbound_limit = None

    def __init__(self, ask: Callable[[Request], Response], faults: FaultBook) -> None:
        self._ask = ask
        self._faults = faults

    def tick(self, connection: Connection, now_ms: int) -> None:
        """Do what faults of connections are due."""
        for fired in self._faults.fire(Stage.CONNECTION, Subject(PATH), now_ms):
            fired(connection)

    def receive(self, connection: Connection, text: str, now_ms: int) -> None:
        """Answer a request."""
        del now_ms
        connection.send(self._answer(text))

    def restart(self, now_ms: int) -> None:
        """Do nothing: an answer knows only its own moment."""
        del now_ms

    def shutdown_notice(self, now_ms: int) -> dict[str, Any]:
        """Return the event that announces a shutdown."""
        return {"event": {"e": "serverShutdown", "E": now_ms}}

    def _answer(self, text: str) -> dict[str, Any]:
        try:
            request = json.loads(text)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            return _refusal(None, -1135, "Invalid JSON Request")
        request_id, params = request.get("id"), request.get("params", {})
        if not (request_id is None or _is_id(request_id)):
            return _refusal(None, -1135, "Invalid 'id' in JSON request; expected an integer, a string, or null.")
        if not isinstance(params, dict):
            return _refusal(request_id, -1135, "Invalid 'params' in JSON request; expected an object.")
        if request.get("method") not in _METHODS:
            return _refusal(request_id, -1000, f"Unknown method {request.get('method')!r}.")
        pairs = tuple((name, _written(value)) for name, value in params.items())
        return _told(request_id, self._ask(Request("GET", f"/api/v3/{request['method']}", pairs)))


def _told(request_id: int | str | None, response: Response) -> dict[str, Any]:
    try:
        content = json.loads(response.body)
    except ValueError:
        return _refusal(request_id, -1000, "An unknown error occurred while processing the request.", 500)
    used = int(dict(response.headers).get(_USED, 0))
    limits = [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": WEIGHT_LIMIT,
            "count": used,
        }
    ]
    key = "result" if response.status == 200 else "error"
    return {"id": request_id, "status": response.status, key: content, "rateLimits": limits}


def _refusal(request_id: int | str | None, code: int, message: str, status: int = 400) -> dict[str, Any]:
    return {"id": request_id, "status": status, "error": {"code": code, "msg": message}, "rateLimits": []}


def _is_id(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, str) and len(value) <= _LONGEST_ID
    )


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
