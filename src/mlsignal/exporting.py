"""The folder of a run: written beside its place and renamed, so that it is there whole or not at all."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import joblib
import polars as pl

from mlsignal.bundle import write_bundle
from mlsignal.errors import OutputError
from mlsignal.experiment import RunResult, Stopwatch
from mlsignal.report.page import write_report

logger = logging.getLogger(__name__)

METRICS = "metrics.json"


def default_output(symbol: str, interval: str, now: datetime) -> Path:
    """Return where a run goes that was not told: ``runs/<time>-<symbol>-<interval>``."""
    return Path("runs") / f"{now:%Y%m%d-%H%M%S}-{symbol}-{interval}"


@contextmanager
def run_folder(output: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of `output` when all went well, and vanishes otherwise.

    Enter it before the work: a place that cannot be written is then found at once.

    Raises
    ------
    OutputError
        If `output` is there and is not the folder of a run, or cannot be written.
    """
    _refuse_foreign(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{output.name}-", dir=output.parent))
    except OSError as error:
        raise OutputError(
            f"output {output}: cannot be written ({error.strerror or error}); choose another --output"
        ) from None
    try:
        beside.chmod(0o777 & ~_umask())
        yield beside
        _replace(beside, output)
    except OSError as error:
        if isinstance(error, OutputError) or not _is_below(error, beside):
            raise
        raise OutputError(
            f"output {output}: cannot be written ({error.strerror or error}); free space or choose another --output"
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_run(result: RunResult, directory: Path, watch: Stopwatch) -> None:
    """Write report, figures, predictions, both model files and, last, metrics.json into an empty folder."""
    evaluation = result.evaluation
    metrics = evaluation.metrics
    with watch.stage("export"):
        evaluation.predictions.write_parquet(directory / "predictions.parquet")
        joblib.dump(result.model, directory / "best_model.pkl")
        write_bundle(
            directory / "model.mlsignal",
            result.model,
            result.selection,
            {**_bundle_facts(metrics), "decision": result.rule.to_dict()},
            result.golden,
        )
    with watch.stage("report"):
        write_report(evaluation, directory)
    watch.seconds["total"] = sum(seconds for name, seconds in watch.seconds.items() if name != "total")
    metrics["seconds"] = dict(watch.seconds)
    (directory / METRICS).write_text(metrics_json(metrics), encoding="utf-8")


def metrics_json(metrics: dict[str, Any]) -> str:
    """Return the text of metrics.json."""
    return json.dumps(metrics, indent=1, allow_nan=False) + "\n"


def write_table(frame: pl.DataFrame, output: Path) -> None:
    """Write a Parquet file whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    beside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(beside)
        beside.replace(output)
    except OSError as error:
        raise OutputError(
            f"output {output}: cannot be written ({error.strerror or error}); choose another --output"
        ) from None
    finally:
        beside.unlink(missing_ok=True)


def is_run(directory: Path) -> bool:
    """Tell whether a folder is that of a run of ours."""
    try:
        return "schema_version" in json.loads((directory / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _refuse_foreign(output: Path) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"output {output}: is a file; a run writes a folder: choose another --output")
    if any(output.iterdir()) and not is_run(output):
        raise OutputError(
            f"output {output}: holds files that are not a run's, and is left alone; choose another --output"
        )


def _replace(beside: Path, output: Path) -> None:
    """Move the new folder into place; an older run makes room, and returns if the move fails."""
    if not output.exists():
        beside.rename(output)
        return
    older = Path(tempfile.mkdtemp(prefix=f".{output.name}-old-", dir=output.parent)) / "run"
    output.rename(older)
    try:
        beside.rename(output)
    except OSError:
        older.rename(output)
        raise
    finally:
        shutil.rmtree(older.parent, ignore_errors=True)


def _bundle_facts(metrics: dict[str, Any]) -> dict[str, Any]:
    data, settings = metrics["data"], metrics["settings"]
    return {
        "created": metrics["created"],
        "symbol": data["symbol"],
        "interval": data["interval"],
        "synthetic": data["synthetic"],
        "label": {"kind": "direction", "horizon": settings["horizon"], "ties": settings["ties"]},
        "training": {
            "start": data["start"],
            "end": data["exported_end"],
            "rows": data["exported_rows"],
            "data_sha256": data["sha256"],
        },
        "settings": {name: settings[name] for name in ("outliers", "seed", "trees", "engine")},
        "metrics": metrics["models"][metrics["selected"]]["test"],
    }


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _is_below(error: OSError, directory: Path) -> bool:
    """Tell whether the error is about a file of ours, or about space."""
    name = error.filename
    return name is None or str(name).startswith(str(directory))
