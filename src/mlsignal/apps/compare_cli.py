"""The command that compares two runs."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import Json


def compare(
    first: Annotated[Path, typer.Argument(help="A run's folder.")],
    second: Annotated[Path, typer.Argument(help="Another run's folder, or the same one.")],
    models: Annotated[
        str | None, typer.Option(help="A model of each, separated by a comma; one name is taken of both.  [selected]")
    ] = None,
    json: Json = False,
) -> None:
    """Compare two runs on the test rows that they share: differences with intervals, paired row by row."""
    with lean_imports():
        from mlsignal.apps.compare_jobs import compare_job

    compare_job(first, second, models, as_json=json)
