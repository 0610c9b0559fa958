"""Markets shared by the tests of the simulator, and a way to ask an exchange without a network in between."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlsignal.sim import Market, SimulatedExchange, VirtualClock
from mlsignal.sim.http import Request, Response


@pytest.fixture(scope="session")
def market() -> Market:
    return Market(seed=7)


class Venue:
    """An exchange with a clock that stands still, asked directly."""

    def __init__(self, market: Market, now: datetime, **options: Any) -> None:
        self.clock = VirtualClock(now)
        self.exchange = SimulatedExchange(market, self.clock, **options)

    def get(self, path: str, **query: object) -> Response:
        pairs = tuple((name, str(value)) for name, value in query.items())
        return self.exchange.answer(Request("GET", path, pairs))

    def klines(self, symbol: str = "BTCUSDT", interval: str = "1m", **query: object) -> list[list[Any]]:
        response = self.get("/api/v3/klines", symbol=symbol, interval=interval, **query)
        assert response.status == 200, response.body
        return json.loads(response.body)

    def opens(self, symbol: str = "BTCUSDT", interval: str = "1m", **query: object) -> list[int]:
        return [row[0] for row in self.klines(symbol, interval, **query)]


@pytest.fixture
def venue(market):
    """Make a venue whose clock shows the market's start and then some."""

    def make(market: Market = market, **options: Any) -> Venue:
        past = {name: options.pop(name) for name in ("days", "hours", "minutes", "seconds") if name in options}
        return Venue(market, market.start + timedelta(**past), **options)

    return make


@pytest.fixture(scope="session")
def january() -> datetime:
    return datetime(2024, 1, 1, tzinfo=UTC)
