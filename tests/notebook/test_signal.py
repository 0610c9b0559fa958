"""The notebook runs from top to bottom, says what the script says, and carries nothing it should not."""

import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from jupytext.compare import compare_notebooks
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK, SCRIPT = ROOT / "Signal.ipynb", ROOT / "Signal.py"
LARGEST = 1_500_000
PLOTLY, SVG = "application/vnd.plotly.v1+json", "image/svg+xml"


def test_notebook_and_script_are_in_sync() -> None:
    compare_notebooks(jupytext.read(NOTEBOOK), jupytext.read(SCRIPT), "py:percent", compare_ids=False)


def test_script_is_paired_with_the_notebook() -> None:
    assert jupytext.read(SCRIPT).metadata["jupytext"]["formats"] == "ipynb,py:percent"


def test_script_uses_public_names_only() -> None:
    imported = [line for line in SCRIPT.read_text(encoding="utf-8").splitlines() if "import" in line]
    ours = [line.strip() for line in imported if line.lstrip().startswith(("import mlsignal", "from mlsignal"))]
    assert set(ours) == {"import mlsignal as ml", "from mlsignal.sim import Market", "from mlsignal import feature"}


def test_outputs_are_small_offline_and_labelled() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert len(text) < LARGEST
    charts = [
        output["data"]
        for cell in json.loads(text)["cells"]
        for output in cell.get("outputs", [])
        if PLOTLY in output.get("data", {})
    ]
    assert len(charts) > 10
    for chart in charts:
        assert SVG in chart
        assert "SYNTHETIC" in "".join(chart["text/plain"])
        assert "SYNTHETIC" in "".join(chart[SVG])
    for word in ("cdn.", "<script", "unpkg", "jsdelivr"):
        assert word not in text


def test_outputs_name_no_place_of_a_machine() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    outputs = json.dumps([output for cell in cells for output in cell.get("outputs", [])])
    assert re.search(r"(?<![\w./])/(home|root|tmp|Users|work|var)/|signal-\w{8}\b|[A-Z]:\\\\", outputs) is None


@pytest.mark.timeout(600)
def test_notebook_runs_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    notebook = nbformat.read(NOTEBOOK, 4)
    client = NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output.get("text")
    assert not (tmp_path / "xdg_state_home" / "mlsignal").exists(), "a demonstration is no trial of its reader's"
