"""The cards against the real endpoints: opt-in, `make test-online` or `pytest -m online tests/online`."""

import os

import httpx2
import pytest

from tests.online.cards import parametrized
from tests.online.endpoints import Endpoints

pytestmark = [pytest.mark.online, pytest.mark.timeout(120)]
_RESTRICTED = 451


@pytest.fixture(scope="module")
def endpoints(request):
    if "online" not in request.config.option.markexpr.replace("not online", ""):
        pytest.skip("talks to the real exchange; opt in with: pytest -m online tests/online")
    found = Endpoints(
        os.environ.get("MLSIGNAL_ONLINE_REST", "https://data-api.binance.vision"),
        os.environ.get("MLSIGNAL_ONLINE_STREAM", "wss://data-stream.binance.vision"),
        os.environ.get("MLSIGNAL_ONLINE_ARCHIVE", "https://data.binance.vision"),
    )
    if httpx2.get(f"{found.rest}/api/v3/ping", timeout=30).status_code == _RESTRICTED:
        pytest.skip(f"{found.rest} does not serve this location (451); set MLSIGNAL_ONLINE_REST to a host that does")
    return found


@parametrized
def test_real_exchange_keeps(check, endpoints):
    check(endpoints)
