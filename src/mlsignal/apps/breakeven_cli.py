"""The command ``mlsignal breakeven``."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import CANDLES, COSTS, Json, settings_of, with_options

EPILOG = "Example: mlsignal breakeven --symbol ETHUSDT --costs binance-futures --horizons 1,15,60 --figure eth.svg"


@with_options(CANDLES, COSTS)
def breakeven(
    context: typer.Context,
    horizons: Annotated[
        str | None, typer.Option(help="Candles, separated by commas.  [those of 1,5,15,30,60,240,1440 that fit]")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="SVG file of the picture to write.")] = None,
    json: Json = False,
) -> None:
    """Show how often one has to be right to earn the costs back, before anything is trained."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.breakeven_jobs import breakeven_job

    breakeven_job(settings, horizons, figure, as_json=json)
