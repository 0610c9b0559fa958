"""Options that several commands share, and how they become settings."""

import functools
import inspect
import shlex
import sys
from collections.abc import Callable
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

Options = dict[str, Any]
"""Annotated types of options that are settings, by their names; each is None where it is not given."""

HOSTS: Options = {"store": StoreFolder, "binance_base_url": BaseUrl, "archive_base_url": ArchiveUrl}
CANDLES: Options = {
    "source": Source,
    "symbol": Symbol,
    "interval": IntervalName,
    "lookback_candles": Lookback,
    "max_age_minutes": MaxAge,
    "allow_stale": AllowStale,
    **HOSTS,
}
CANDLES_OF_BUNDLE: Options = CANDLES | {
    "symbol": Annotated[str | None, typer.Option(help="Market.  [the bundle's]")],
    "interval": Annotated[str | None, typer.Option(help="Length of a candle.  [the bundle's, and no other]")],
    "lookback_candles": Annotated[
        int | None, typer.Option(help="How many of the newest closed candles to read, warm-up included.  [50000]")
    ],
    "feature_file": FeatureFile,
}
FEATURES: Options = {"features": Features, "feature_file": FeatureFile}
COSTS: Options = {"costs": CostsPreset, "fee_bps": FeeBps, "half_spread_bps": HalfSpreadBps, "slippage": Slippage}
TRADING: Options = {
    **COSTS,
    "latency_candles": LatencyCandles,
    "funding_bps": FundingBps,
    "notional": Notional,
    "sizing": SizingRule,
    "hold": HoldRule,
}


def with_options(*groups: Options) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command options beside those it names: after its arguments, before its own options.

    The command does not take them: `settings_of` finds them in the context.
    """
    shared = {name: kind for group in groups for name, kind in group.items()}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command).parameters.values()
        required = [each for each in own if each.default is inspect.Parameter.empty]
        added = [
            inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
            for name, kind in shared.items()
        ]
        parameters = [*required, *added, *(each for each in own if each not in required)]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(**{name: value for name, value in given.items() if name not in shared})

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


def settings_of(context: typer.Context, **more: Any) -> "Settings":
    """Gather the settings: those of the command's options that are settings, `more`, and what stands elsewhere."""
    from mlsignal.config import Settings, load_settings

    told = {name: value for name, value in context.params.items() if name in Settings.model_fields}
    return load_settings({**told, **more}, path=context.obj)


def command_line() -> str:
    """Return the command as it was typed."""
    return shlex.join(["mlsignal", *sys.argv[1:]])
