"""The exchange's REST endpoints for market data, each a function from parameters to a Response."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError
from mlsignal.sim.http import Request, Response
from mlsignal.sim.klines import kline_json, kline_rows, kline_window, presentation
from mlsignal.sim.limits import WEIGHT_LIMIT
from mlsignal.sim.market import Market
from mlsignal.sim.symbols import SymbolInfo
from mlsignal.sim.view import MarketView

_SYMBOL = "^[A-Z0-9-_.]{1,20}$"
_NUMBER = "^[0-9]{1,20}$"
_DEFAULT_LIMIT = 500
_LARGEST_LIMIT = 1000
_ZERO_ZONE = re.compile(r"[+-]?0{1,2}(:00)?")


Alteration = Callable[[list[list[Any]]], list[list[Any]]]
"""What changes klines before they are sent."""


class RestError(Exception):
    """A request that the exchange answers with an error code."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status

    @property
    def response(self) -> Response:
        """The answer to send."""
        return Response.of_json({"code": self.code, "msg": str(self)}, self.status)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Query parameters, read the way the exchange reads them."""

    values: Mapping[str, str]

    @classmethod
    def of(cls, request: Request) -> "Parameters":
        """Take a request's query.

        Raises
        ------
        RestError
            If a parameter is there twice.
        """
        names = [name for name, _ in request.query]
        if len(set(names)) < len(names):
            raise RestError(-1101, "Duplicate values for a parameter detected.")
        return cls(dict(request.query))

    def required(self, name: str) -> str:
        """Return a parameter that must be there."""
        value = self.values.get(name, "")
        if not value:
            raise RestError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
        return value

    def number(self, name: str) -> int | None:
        """Return a whole number, or None where it is not there."""
        if name not in self.values:
            return None
        return int(_legal(name, self.values[name], _NUMBER))


@dataclass(frozen=True, slots=True)
class Moment:
    """What an endpoint may know: the market as it is served, what time it is, and what goes wrong with klines."""

    view: MarketView
    now_ms: int
    alterations: Sequence[Alteration] = ()
    """Faults of the klines, in order."""


def ping(_moment: Moment, _: Parameters) -> Response:
    """Answer that the exchange is there."""
    return Response.of_json({})


def server_time(moment: Moment, _: Parameters) -> Response:
    """Answer what time it is."""
    return Response.of_json({"serverTime": moment.now_ms})


def klines(moment: Moment, parameters: Parameters) -> Response:
    """Answer with the klines of a window."""
    return _klines(moment, parameters, for_presentation=False)


def ui_klines(moment: Moment, parameters: Parameters) -> Response:
    """Answer with the klines of a window, changed for presentation."""
    return _klines(moment, parameters, for_presentation=True)


def exchange_info(moment: Moment, parameters: Parameters) -> Response:
    """Answer what is traded, in which steps, and how often one may ask."""
    return Response.of_json(
        {
            "timezone": "UTC",
            "serverTime": moment.now_ms,
            "rateLimits": [
                {
                    "rateLimitType": "REQUEST_WEIGHT",
                    "interval": "MINUTE",
                    "intervalNum": 1,
                    "limit": WEIGHT_LIMIT,
                },
                {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
            ],
            "exchangeFilters": [],
            "symbols": [
                _describe(info, moment.view.status(info.name, moment.now_ms))
                for info in _asked_symbols(moment.view.market, parameters)
            ],
        }
    )


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint: its weight and what answers."""

    weight: int
    answer: Callable[[Moment, Parameters], Response]


ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        "/api/v3/ping": Endpoint(1, ping),
        "/api/v3/time": Endpoint(1, server_time),
        "/api/v3/exchangeInfo": Endpoint(20, exchange_info),
        "/api/v3/klines": Endpoint(2, klines),
        "/api/v3/uiKlines": Endpoint(2, ui_klines),
    }
)


def _klines(moment: Moment, parameters: Parameters, *, for_presentation: bool) -> Response:
    info = _symbol(moment.view.market, parameters.required("symbol"))
    try:
        interval = Interval.parse(parameters.required("interval"))
    except ConfigurationError:
        raise RestError(-1120, "Invalid interval.") from None
    start_ms, end_ms, limit = (parameters.number(name) for name in ("startTime", "endTime", "limit"))
    if limit == 0:
        raise RestError(-1130, "Data sent for parameter 'limit' is not valid.")
    if not _ZERO_ZONE.fullmatch(parameters.values.get("timeZone", "0")):
        raise RestError(-1130, "Data sent for parameter 'timeZone' is not valid; this exchange knows 0 only.")
    table = kline_window(
        moment.view,
        info.name,
        interval,
        moment.now_ms,
        start_ms=start_ms,
        end_ms=end_ms,
        limit=min(limit or _DEFAULT_LIMIT, _LARGEST_LIMIT),
    )
    if for_presentation:
        table = presentation(table)
    if not moment.alterations:
        return Response(200, kline_json(table, info, interval))
    rows = kline_rows(table, info, interval)
    for alter in moment.alterations:
        rows = alter(rows)
    return Response.of_json(rows)


def _legal(name: str, value: str, pattern: str) -> str:
    if not re.fullmatch(pattern.strip("^$"), value):
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{pattern}'.")
    return value


def _symbol(market: Market, name: str) -> SymbolInfo:
    if _legal("symbol", name, _SYMBOL) not in market.symbols:
        raise RestError(-1121, "Invalid symbol.")
    return market.symbol_info(name)


def _asked_symbols(market: Market, parameters: Parameters) -> list[SymbolInfo]:
    if "symbol" in parameters.values and "symbols" in parameters.values:
        raise RestError(-1128, "Combination of optional parameters invalid.")
    if "symbol" in parameters.values:
        return [_symbol(market, parameters.required("symbol"))]
    if "symbols" not in parameters.values:
        return [market.symbol_info(name) for name in market.symbols]
    try:
        names = json.loads(parameters.values["symbols"])
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        pattern = r'^\[("[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}){0,1}\]$'
        message = f"Illegal characters found in parameter 'symbols'; legal range is '{pattern}'."
        raise RestError(-1100, message)
    return [_symbol(market, name) for name in names]


def _describe(info: SymbolInfo, status: str) -> dict[str, Any]:
    tick, step = f"{info.tick_size:.8f}", f"{info.lot_step:.8f}"
    return {
        "symbol": info.name,
        "status": status,
        "baseAsset": info.base,
        "baseAssetPrecision": 8,
        "quoteAsset": info.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": tick,
                "maxPrice": "1000000.00000000",
                "tickSize": tick,
            },
            {"filterType": "LOT_SIZE", "minQty": step, "maxQty": "9000000.00000000", "stepSize": step},
            {
                "filterType": "NOTIONAL",
                "minNotional": "5.00000000",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
