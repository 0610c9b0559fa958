"""The command ``mlsignal backtest``."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import CANDLES_OF_BUNDLE, TRADING, Json, settings_of, with_options

EPILOG = "Example: mlsignal backtest runs/btc --source binance --lookback-candles 20000 --costs binance-spot-bnb"


@with_options(CANDLES_OF_BUNDLE, TRADING)
def backtest(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A run's folder, or its model.mlsignal.")],
    trade: Annotated[str, typer.Option(help="every signal, or only what is worth its cost (worth).")] = "every",
    include_training: Annotated[
        bool, typer.Option("--include-training", help="Trade the candles of the training too: shows nothing of worth.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="Parquet file of the trades to write.")] = None,
    curve: Annotated[Path | None, typer.Option(help="Parquet file of the equity curve to write.")] = None,
    json: Json = False,
) -> None:
    """Follow an exported model's signals through candles, fill at the next open, and pay for it."""
    with lean_imports():
        from mlsignal.apps.backtest_jobs import backtest_job

    backtest_job(
        lambda known: settings_of(context, **known),
        context.params,
        bundle,
        include_training=include_training,
        trades_file=output,
        curve_file=curve,
        trade=trade,
        as_json=json,
    )
