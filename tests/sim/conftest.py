"""Markets shared by the tests of the simulator."""

import pytest

from mlsignal.sim import Market


@pytest.fixture(scope="session")
def market() -> Market:
    return Market(seed=7)
