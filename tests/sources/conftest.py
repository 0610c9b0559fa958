import importlib.util
from pathlib import Path

import pytest


def _module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_EXCHANGE = _module("exchange")
_ARCHIVE = _module("archive_host")


@pytest.fixture(scope="session")
def fake():
    """The module with `Exchange`, a small exchange behind a mock transport."""
    return _EXCHANGE


@pytest.fixture(scope="session")
def fake_archive():
    """The module with `ArchiveHost`, a small archive behind a mock transport."""
    return _ARCHIVE
