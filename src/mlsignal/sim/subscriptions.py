"""What a client of the streams asks for over its connection, and what it is answered."""

import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

LARGEST: Final = 1_024
"""Streams that one connection may have."""
_LONGEST_ID: Final = 36
_ID_BOUND: Final = 1 << 63
_ANONYMOUS: Final = object()


class SubscriptionError(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooManyStreamsError(Exception):
    """More streams than a connection may have: it is closed."""


class Subscriptions:
    """The streams of one connection, and whether its messages are wrapped with their stream's name.

    Parameters
    ----------
    names
        Streams named in the URL.
    combined
        Whether messages are wrapped: on `/stream` they are, on `/ws` not.

    Raises
    ------
    TooManyStreamsError
        If there are more than 1024.

    Examples
    --------
    >>> mine = Subscriptions([], combined=False)
    >>> mine.answer('{"method": "SUBSCRIBE", "params": ["btcusdt@kline_1m"], "id": 1}')
    {'result': None, 'id': 1}
    >>> mine.answer('{"method": "LIST_SUBSCRIPTIONS", "id": 2}')
    {'result': ['btcusdt@kline_1m'], 'id': 2}
    """

    def __init__(self, names: Iterable[str], *, combined: bool) -> None:
        self.names: dict[str, None] = dict.fromkeys(names)
        self.combined = combined
        self._check_number()

    def answer(self, text: str) -> dict[str, Any]:
        """Return the answer to a message.

        Raises
        ------
        TooManyStreamsError
            If it asks for more streams than a connection may have.
        """
        request_id: Any = None
        try:
            request = _parsed(text)
            request_id = _request_id(request)
            result = _method(request)(self, request.get("params", []))
        except SubscriptionError as error:
            return {"error": {"code": error.code, "msg": str(error)}, "id": request_id}
        return {"result": result, "id": request_id}

    def _subscribe(self, params: Any) -> None:
        for name in _stream_names(params):
            self.names[name] = None
        self._check_number()

    def _unsubscribe(self, params: Any) -> None:
        for name in _stream_names(params):
            self.names.pop(name, None)

    def _list(self, params: Any) -> list[str]:
        if params:
            raise SubscriptionError(2, "Invalid request: too many parameters")
        return list(self.names)

    def _set_property(self, params: Any) -> None:
        _check_property(params, 2)
        if not isinstance(params[1], bool):
            raise SubscriptionError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]

    def _get_property(self, params: Any) -> bool:
        _check_property(params, 1)
        return self.combined

    def _check_number(self) -> None:
        if len(self.names) > LARGEST:
            raise TooManyStreamsError(f"{len(self.names)} streams")


_METHODS: Final[Mapping[str, Callable[[Subscriptions, Any], Any]]] = MappingProxyType(
    {
        "SUBSCRIBE": Subscriptions._subscribe,
        "UNSUBSCRIBE": Subscriptions._unsubscribe,
        "LIST_SUBSCRIPTIONS": Subscriptions._list,
        "SET_PROPERTY": Subscriptions._set_property,
        "GET_PROPERTY": Subscriptions._get_property,
    }
)


def _parsed(text: str) -> dict[str, Any]:
    try:
        request = json.loads(text)
    except ValueError as error:
        line, column = getattr(error, "lineno", 1), getattr(error, "colno", 1)
        raise SubscriptionError(3, f"Invalid JSON: expected value at line {line} column {column}") from None
    if not isinstance(request, dict):
        raise SubscriptionError(2, "Invalid request: expected an object at line 1 column 1")
    return request


def _request_id(request: dict[str, Any]) -> int | str | None:
    given = request.get("id", _ANONYMOUS)
    is_number = isinstance(given, int) and not isinstance(given, bool) and -_ID_BOUND <= given < _ID_BOUND
    is_text = isinstance(given, str) and len(given) <= _LONGEST_ID
    if given is not None and not is_number and not is_text:
        raise SubscriptionError(2, "Invalid request: request ID must be an unsigned integer")
    known: int | str | None = given
    return known


def _method(request: dict[str, Any]) -> Callable[[Subscriptions, Any], Any]:
    if "method" not in request:
        raise SubscriptionError(2, "Invalid request: missing field `method` at line 1 column 1")
    if request["method"] not in list(_METHODS):
        expected = ", ".join(f"`{name}`" for name in _METHODS)
        message = (
            f"Invalid request: unknown variant `{request['method']}`, expected one of {expected} at line 1 column 1"
        )
        raise SubscriptionError(2, message)
    return _METHODS[request["method"]]


def _stream_names(params: Any) -> list[str]:
    if not isinstance(params, list) or not params or not all(isinstance(name, str) for name in params):
        raise SubscriptionError(2, "Invalid request: params must be a list of streams")
    if not all("@" in name and name.isprintable() and " " not in name for name in params):
        raise SubscriptionError(2, "Invalid request: invalid stream")
    return params


def _check_property(params: Any, count: int) -> None:
    if not isinstance(params, list) or not params or not isinstance(params[0], str):
        raise SubscriptionError(2, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise SubscriptionError(0, "Unknown property")
    if len(params) > count:
        raise SubscriptionError(2, "Invalid request: too many parameters")
    if len(params) < count:
        raise SubscriptionError(1, "Invalid value type: expected Boolean")
