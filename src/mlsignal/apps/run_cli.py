"""The command ``mlsignal run``."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import (
    CANDLES,
    FEATURES,
    TRADING,
    Horizon,
    Json,
    Options,
    Trials,
    command_line,
    settings_of,
    with_options,
)

EPILOG = "Example: mlsignal run --symbol ETHUSDT --interval 15m --lookback-candles 20000 --output runs/eth"

LEARNING: Options = {
    "horizon": Horizon,
    "ties": Annotated[
        str | None, typer.Option(help="Unchanged closes: down, drop from training, or a third class.  [down]")
    ],
    "outliers": Annotated[
        str | None, typer.Option(help="Outlying training rows: remove, winsorise or none.  [remove]")
    ],
    "models": Annotated[
        str | None, typer.Option(help="Models, separated by commas.  [logistic_regression,random_forest]")
    ],
    "validation": Annotated[
        str | None, typer.Option(help="Folds: time_series, walk_forward or combinatorial.  [time_series]")
    ],
    "folds": Annotated[
        int | None, typer.Option(help="Folds of the cross-validation, or groups of the combinatorial one.  [10]")
    ],
    "test_groups": Annotated[int | None, typer.Option(help="Groups that a combinatorial fold is tested on.  [2]")],
    "refit_every": Annotated[
        int | None, typer.Option(help="Candles after which models are fitted anew, over the test rows too.  [never]")
    ],
    "train_candles": Annotated[int | None, typer.Option(help="Length of a rolling training window.  [all before]")],
    "embargo": Annotated[int | None, typer.Option(help="Candles kept free between training and test rows.  [0]")],
    "test_share": Annotated[
        float | None, typer.Option(help="Share of the rows, the newest, kept for the test.  [0.2]")
    ],
    "select_by": Annotated[str | None, typer.Option(help="Score that chooses the model over the folds.  [f1_up]")],
    "trees": Annotated[int | None, typer.Option(help="Trees of the forest.  [100]")],
    "engine": Annotated[
        str | None, typer.Option(help="auto, plain (scikit-learn) or accel (scikit-learn-intelex).  [auto]")
    ],
    "seed": Annotated[int | None, typer.Option(help="Of every random number.  [0]")],
    "jobs": Annotated[int | None, typer.Option(help="Fits at a time.  [cores]")],
}


@with_options(CANDLES, FEATURES, LEARNING, TRADING, {"trials": Trials})
def run(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option(help="Folder of the run.  [runs/TIME-SYMBOL-INTERVAL]")] = None,
    json: Json = False,
) -> None:
    """Fetch candles, train, validate, choose, judge, and export the model with a report."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.jobs import load_libraries, run_job, show_run

        load_libraries(settings.engine, settings.models)

    result, folder = run_job(settings, output, command=command_line(), quiet=json)
    show_run(result, folder, as_json=json)
