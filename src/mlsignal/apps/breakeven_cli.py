"""The command ``mlsignal breakeven``."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import (
    AllowStale,
    ArchiveUrl,
    BaseUrl,
    CostsPreset,
    FeeBps,
    HalfSpreadBps,
    IntervalName,
    Json,
    Lookback,
    MaxAge,
    Slippage,
    Source,
    StoreFolder,
    Symbol,
    settings_of,
)

EPILOG = "Example: mlsignal breakeven --symbol ETHUSDT --costs binance-futures --horizons 1,15,60 --figure eth.svg"


def breakeven(
    context: typer.Context,
    source: Source = None,
    symbol: Symbol = None,
    interval: IntervalName = None,
    lookback_candles: Lookback = None,
    max_age_minutes: MaxAge = None,
    allow_stale: AllowStale = None,
    store: StoreFolder = None,
    binance_base_url: BaseUrl = None,
    archive_base_url: ArchiveUrl = None,
    costs: CostsPreset = None,
    fee_bps: FeeBps = None,
    half_spread_bps: HalfSpreadBps = None,
    slippage: Slippage = None,
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
