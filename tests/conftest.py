"""What every test has: the shared market data where it is there, and no network but the loopback."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_socket


@pytest.fixture(autouse=True)
def _loopback_only(request: pytest.FixtureRequest) -> None:
    """Let a test connect to this machine only (the plugin lifts it afterwards); those marked `online` may go out."""
    if not request.node.get_closest_marker("online"):
        pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real market data and recorded answers; a test that asks for it is skipped where it is absent."""
    default = Path(__file__).parents[1].parent / "shared"
    folder = Path(os.environ.get("MLSIGNAL_SHARED") or default)
    if not (folder / "data").is_dir():
        pytest.skip(f"real market data is not there ({folder}); set MLSIGNAL_SHARED to its folder")
    return folder


@pytest.fixture(autouse=True, scope="session")
def _no_trial_log_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the trials of tests, and of what they start, out of the log of the person who runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLSIGNAL_TRIALS", str(tmp_path_factory.mktemp("trials")))
        yield


@pytest.fixture(autouse=True)
def _own_trial_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the trials of a test out of the log of other tests."""
    monkeypatch.setenv("MLSIGNAL_TRIALS", str(tmp_path / "trials"))
