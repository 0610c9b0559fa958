"""The cards of `tests/online` against the simulated exchange: what is relied upon, it must do too."""

from datetime import UTC, datetime

import pytest

from mlsignal.sim import Market, SimulatedExchange, VirtualClock
from tests.online.cards import parametrized
from tests.online.endpoints import Endpoints

START = datetime(2024, 12, 1, tzinfo=UTC)
NOW = datetime(2025, 1, 6, 10, 20, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def endpoints():
    exchange = SimulatedExchange(Market(seed=7, start=START), VirtualClock(NOW, rate=1.0))
    with exchange.running() as url:
        yield Endpoints(url, url.replace("http", "ws"), url)


@parametrized
def test_simulated_exchange_keeps(check, endpoints):
    check(endpoints)
