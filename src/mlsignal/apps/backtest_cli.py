"""The command ``mlsignal backtest``."""

from pathlib import Path
from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import (
    AllowStale,
    ArchiveUrl,
    BaseUrl,
    CostsPreset,
    FeatureFile,
    FeeBps,
    FundingBps,
    HalfSpreadBps,
    HoldRule,
    Json,
    LatencyCandles,
    MaxAge,
    Notional,
    SizingRule,
    Slippage,
    Source,
    StoreFolder,
    settings_of,
)

EPILOG = "Example: mlsignal backtest runs/btc --source binance --lookback-candles 20000 --costs binance-spot-bnb"


def backtest(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A run's folder, or its model.mlsignal.")],
    source: Source = None,
    symbol: Annotated[str | None, typer.Option(help="Market.  [the bundle's]")] = None,
    interval: Annotated[str | None, typer.Option(help="Length of a candle.  [the bundle's, and no other]")] = None,
    lookback_candles: Annotated[
        int | None, typer.Option(help="How many of the newest closed candles to read, warm-up included.  [50000]")
    ] = None,
    max_age_minutes: MaxAge = None,
    allow_stale: AllowStale = None,
    store: StoreFolder = None,
    binance_base_url: BaseUrl = None,
    archive_base_url: ArchiveUrl = None,
    feature_file: FeatureFile = None,
    costs: CostsPreset = None,
    fee_bps: FeeBps = None,
    half_spread_bps: HalfSpreadBps = None,
    slippage: Slippage = None,
    latency_candles: LatencyCandles = None,
    hold: HoldRule = None,
    sizing: SizingRule = None,
    funding_bps: FundingBps = None,
    notional: Notional = None,
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
