import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("fake_exchange", Path(__file__).parent / "exchange.py")
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)


@pytest.fixture(scope="session")
def fake():
    """The module with `Exchange`, a small exchange behind a mock transport."""
    return _MODULE
