"""Faults of answers: refusals, broken bodies, slow and torn wires, and answers that lie."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from mlsignal.sim.faults.book import Call
from mlsignal.sim.faults.registry import Stage, action
from mlsignal.sim.http import Delivery, Response

Serve = Callable[[], Response]

_MESSAGES: Final = {
    418: (-1003, "Way too much request weight used; IP banned. Please use WebSocket Streams for live updates."),
    429: (-1003, "Too much request weight used. Please use WebSocket Streams for live updates."),
    451: (0, "Service unavailable from a restricted location according to 'b. Eligibility'."),
    503: (-1008, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}
_HTML: Final = (
    "<!DOCTYPE html><html><head><title>{status}</title></head><body><center><h1>{status}</h1></center>"
    "<p>The request could not be satisfied.</p><hr>{padding}</body></html>"
)


@action(Stage.ANSWER)
def status(serve: Serve, *, call: Call, status: int, retry_after: int | None = None) -> Response:
    """Refuse with a status, and with Retry-After (seconds) where given; 403 is the firewall's HTML."""
    del serve, call
    if status == 403:
        answer = _html(403)
    else:
        code, message = _MESSAGES.get(status, (-1000, "An unknown error occurred while processing the request."))
        answer = Response.of_json({"code": code, "msg": message}, status)
    return answer if retry_after is None else answer.with_headers(("Retry-After", str(retry_after)))


@action(Stage.ANSWER)
def error(serve: Serve, *, call: Call, code: int, message: str, status: int = 400) -> Response:
    """Refuse with one of the exchange's error codes."""
    del serve, call
    return Response.of_json({"code": code, "msg": message}, status)


@action(Stage.ANSWER)
def html(serve: Serve, *, call: Call, status: int = 200) -> Response:
    """Answer with a page of HTML, as firewalls and proxies do, also with status 200."""
    del serve, call
    return _html(status)


@action(Stage.ANSWER)
def reset(serve: Serve, *, call: Call, share: int | float = 0.5) -> Response:
    """Reset the connection after a share of the body."""
    del call
    answer = serve()
    return replace(answer, delivery=Delivery(cut_at=int(len(answer.body) * share), reset=True))


@action(Stage.ANSWER)
def hang_up(serve: Serve, *, call: Call, share: int | float = 0.5) -> Response:
    """End the connection in good order after a share of the body."""
    del call
    answer = serve()
    return replace(answer, delivery=Delivery(cut_at=int(len(answer.body) * share)))


@action(Stage.ANSWER)
def drip(serve: Serve, *, call: Call, size: int = 1, pause_seconds: int | float = 1.0) -> Response:
    """Send the body `size` bytes at a time, with a pause (wall clock) between them."""
    del call
    return replace(serve(), delivery=Delivery(chunk=max(1, size), pause_seconds=pause_seconds))


@action(Stage.ANSWER)
def delay(serve: Serve, *, call: Call, seconds: int | float) -> Response:
    """Answer late (wall clock)."""
    del call
    return replace(serve(), delivery=Delivery(delay_seconds=seconds))


@action(Stage.ANSWER)
def truncate(serve: Serve, *, call: Call, share: int | float = 0.5) -> Response:
    """Send a share of the body as if it were the whole."""
    del call
    answer = serve()
    return replace(answer, body=answer.body[: int(len(answer.body) * share)])


@action(Stage.ANSWER)
def garble(serve: Serve, *, call: Call) -> Response:
    """Overwrite eight bytes in mid-body with characters that are no JSON (and no zip)."""
    answer = serve()
    place = int(call.generator.integers(1, max(2, len(answer.body) - 8)))
    return replace(answer, body=answer.body[:place] + b"}\x00oops{{" + answer.body[place + 8 :])


@action(Stage.ANSWER)
def empty(serve: Serve, *, call: Call, body: str = "[]") -> Response:
    """Answer 200 with nothing: an empty list, or the body given."""
    del call
    return replace(serve(), status=200, body=body.encode())


@action(Stage.ANSWER)
def clock_off(serve: Serve, *, call: Call, ms: int) -> Response:
    """Tell a time that is off by so many milliseconds, while the candles go by the right one."""
    del call

    def tell(content: dict[str, Any]) -> None:
        if "serverTime" in content:
            content["serverTime"] += ms

    return _edited(serve(), tell)


@action(Stage.ANSWER)
def symbol_status(serve: Serve, *, call: Call, status: str = "BREAK", symbol: str = "*") -> Response:
    """Tell in exchangeInfo that a symbol (or all) is in another status."""
    del call

    def tell(content: dict[str, Any]) -> None:
        for entry in content.get("symbols", ()):
            if symbol in ("*", entry["symbol"]):
                entry["status"] = status

    return _edited(serve(), tell)


@action(Stage.ANSWER)
def unlisted(serve: Serve, *, call: Call, symbol: str) -> Response:
    """Leave a symbol out of exchangeInfo."""
    del call

    def tell(content: dict[str, Any]) -> None:
        if "symbols" in content:
            content["symbols"] = [entry for entry in content["symbols"] if entry["symbol"] != symbol]

    return _edited(serve(), tell)


@action(Stage.ANSWER)
def used_weight(serve: Serve, *, call: Call, weight: int) -> Response:
    """Tell that at least so much weight is used, as other programs on the address would."""
    del call
    answer = serve()
    named = {name: value for name, value in answer.headers if name.startswith("x-mbx-used-weight")}
    used = {name: str(max(weight, int(value))) for name, value in named.items()}
    return replace(answer, headers=tuple((name, used.get(name, value)) for name, value in answer.headers))


@action(Stage.ANSWER)
def wrong_checksum(serve: Serve, *, call: Call) -> Response:
    """Turn the first digit of a checksum into another; match the path of the .CHECKSUM."""
    del call
    answer = serve()
    wrong = b"0" if answer.body[:1] != b"0" else b"1"
    return answer if answer.status != 200 else replace(answer, body=wrong + answer.body[1:])


@action(Stage.ANSWER)
def bare_checksum(serve: Serve, *, call: Call) -> Response:
    """Send a checksum without its newline, as some are."""
    del call
    answer = serve()
    return replace(answer, body=answer.body.rstrip(b"\n"))


def _html(status: int) -> Response:
    page = _HTML.format(status=status, padding=" ".join(["(SYNTHETIC)"] * 40))
    return Response(status, page.encode(), content_type="text/html")


def _edited(answer: Response, tell: Callable[[dict[str, Any]], None]) -> Response:
    """Return the answer with its JSON object edited; others as they are."""
    try:
        content = json.loads(answer.body)
    except ValueError:
        return answer
    if not isinstance(content, dict):
        return answer
    tell(content)
    return replace(answer, body=json.dumps(content, separators=(",", ":")).encode())
