import sys

import pytest

from tests.faults.rig import Rig


@pytest.fixture
def rig(tmp_path):
    return Rig(tmp_path)


@pytest.fixture
def refused(capsys, monkeypatch):
    """Run the command line, and return its exit code and its error, which must be one line without a traceback."""

    def run(*arguments):
        from mlsignal.apps.cli import main

        monkeypatch.setattr(sys, "argv", ["mlsignal", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
        assert len(lines) == 1
        return ended.value.code, lines[0]

    return run
