"""The command that looks for leaks: ``mlsignal audit``."""

from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import CANDLES, FEATURES, Horizon, Json, settings_of, with_options


@with_options(CANDLES, FEATURES, {"horizon": Horizon})
def audit(
    context: typer.Context,
    ties: Annotated[str | None, typer.Option(help="Unchanged closes: down, drop or third.  [down]")] = None,
    models: Annotated[
        str | None, typer.Option(help="Models whose fits are audited.  [logistic_regression,random_forest]")
    ] = None,
    validation: Annotated[
        str | None, typer.Option(help="Folds to audit: time_series, walk_forward or combinatorial.  [time_series]")
    ] = None,
    folds: Annotated[int | None, typer.Option(help="How many folds, or groups.  [10]")] = None,
    null_seeds: Annotated[
        int, typer.Option(help="Whole runs on shuffled labels, and as many on markets without a signal.", min=0)
    ] = 0,
    seed: Annotated[int | None, typer.Option(help="Of every random number.  [0]")] = None,
    json: Json = False,
) -> None:
    """Look for leaks in features, labels, folds and fits; name each culprit, and end with 6 if there is one."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.audit_jobs import audit_job

    audit_job(settings, null_seeds, as_json=json)
