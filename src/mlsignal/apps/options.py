"""Options that several commands share, and how they become settings."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mlsignal.config import Settings

Source = Annotated[
    str | None,
    typer.Option(
        help="binance, archive, ccxt:VENUE, sim:SEED, a Parquet, CSV or zip file, or a folder of them.  [binance]"
    ),
]
Symbol = Annotated[str | None, typer.Option(help="Market, by the exchange's name.  [BTCUSDT]")]
IntervalName = Annotated[
    str | None, typer.Option(help="Length of a candle: 1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M.  [1m]")
]
Lookback = Annotated[
    int | None, typer.Option(help="How many of the newest closed candles to use, warm-up included.  [50000]")
]
MaxAge = Annotated[float | None, typer.Option(help="Minutes for which the newest stored candle is new enough.  [30]")]
StoreFolder = Annotated[
    str | None,
    typer.Option("--store", help="Folder of the candle store, or s3://BUCKET/FOLDER.  [the platform's cache folder]"),
]
BaseUrl = Annotated[str | None, typer.Option(help="Host of the exchange's REST interface.  [https://api.binance.com]")]
ArchiveUrl = Annotated[str | None, typer.Option(help="Host of the exchange's archive.  [https://data.binance.vision]")]
AllowStale = Annotated[
    bool | None, typer.Option("--allow-stale", help="Take older stored candles where the exchange cannot be reached.")
]
Features = Annotated[str | None, typer.Option(help="Feature sets, separated by commas.  [classic]")]
FeatureFile = Annotated[
    Path | None, typer.Option(help="Python file with features of your own (@feature); it is run as code.")
]
Horizon = Annotated[int | None, typer.Option(help="Candles ahead to foresee.  [1]")]
CostsPreset = Annotated[
    str | None,
    typer.Option(
        help="binance-spot, binance-spot-bnb, binance-futures, binance-futures-bnb, each also as NAME-maker (fills are "
        "then not certain), or free.  [binance-spot]"
    ),
]
FeeBps = Annotated[float | None, typer.Option(help="Fee of each side, basis points.  [the preset's]")]
HalfSpreadBps = Annotated[float | None, typer.Option(help="Half the spread, basis points.  [the preset's]")]
Slippage = Annotated[
    float | None, typer.Option(help="Slippage of a side, as a share of one candle's volatility.  [the preset's]")
]
FundingBps = Annotated[
    float | None, typer.Option(help="What a long pays a short each 8 hours, basis points.  [the preset's, 0]")
]
Notional = Annotated[
    float | None, typer.Option(help="Size of the account, quote currency; then its orders move the price.")
]
LatencyCandles = Annotated[int | None, typer.Option(help="Candles that an order is late beyond the next open.  [0]")]
HoldRule = Annotated[
    str | None,
    typer.Option(help="signal (follow it), flip (until an opposite one) or horizon (that of the label).  [signal]"),
]
SizingRule = Annotated[
    str | None, typer.Option(help="fixed, or volatility (aim at a constant one, without leverage).  [fixed]")
]
Trials = Annotated[
    Path | None, typer.Option(help="Folder of the log of all that was ever evaluated.  [the platform's state folder]")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]


def settings_of(context: typer.Context, **more: Any) -> "Settings":
    """Gather the settings: those of the command's options that are settings, `more`, and what stands elsewhere."""
    from mlsignal.config import Settings, load_settings

    told = {name: value for name, value in context.params.items() if name in Settings.model_fields}
    return load_settings({**told, **more}, path=context.obj)
