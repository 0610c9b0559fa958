"""The commands on stored candles: ``mlsignal candles ...``."""

from typing import Annotated

import typer

from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import HOSTS, IntervalName, Json, MaxAge, StoreFolder, settings_of, with_options
from mlsignal.errors import ConfigurationError

candles_app = typer.Typer(
    help="Fetch candles into the store, look at what is there, and mend it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

SomeSymbols = Annotated[list[str] | None, typer.Argument(help="Markets; all of the store where none is given.")]
ExchangeSource = Annotated[str | None, typer.Option(help="binance, archive or ccxt:VENUE.  [binance]")]


@candles_app.command(
    epilog="Example: mlsignal candles fetch BTCUSDT ETHUSDT --interval 1m 1h --since 2024-01-01 --source archive"
)
@with_options({"source": ExchangeSource, "max_age_minutes": MaxAge}, HOSTS)
def fetch(
    context: typer.Context,
    symbols: Annotated[list[str], typer.Argument(help="Markets, by the exchange's names.")],
    interval: Annotated[list[str] | None, typer.Option(help="Lengths of candles, as in 1m 1h.  [1m]")] = None,
    since: Annotated[str | None, typer.Option(help="First day or moment, UTC.")] = None,
    until: Annotated[str | None, typer.Option(help="Day or moment before which to end, UTC.  [now]")] = None,
    lookback_candles: Annotated[
        int | None, typer.Option(help="How many of the newest closed candles; not beside --since or --until.  [50000]")
    ] = None,
    json: Json = False,
) -> None:
    """Fetch candles into the store: what is missing only; stopped at any point, it goes on from there."""
    if lookback_candles is not None and (since or until):
        raise ConfigurationError(
            f"lookback_candles: --lookback-candles {lookback_candles} expected alone, found with "
            f"{'--since' if since else '--until'}; leave one of them out"
        )
    settings = settings_of(context, interval=None)
    with lean_imports():
        from mlsignal.apps.store_jobs import fetch_job

    fetch_job(settings, symbols, interval or [], since=since, until=until, as_json=json)


@candles_app.command("list", epilog="Example: mlsignal candles list --json")
def list_(context: typer.Context, store: StoreFolder = None, json: Json = False) -> None:
    """List the series in the store, with their spans and gaps."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.store_jobs import list_job

    list_job(settings, as_json=json)


@candles_app.command(epilog="Example: mlsignal candles show BTCUSDT --interval 1m")
def show(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(help="Market.")],
    interval: IntervalName = None,
    store: StoreFolder = None,
    json: Json = False,
) -> None:
    """Show a stored series: newest candles, calendar of gaps, and what is odd about it."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.store_jobs import show_job

    show_job(settings, symbol, as_json=json)


@candles_app.command(epilog="Example: mlsignal candles check BTCUSDT")
def check(context: typer.Context, symbols: SomeSymbols = None, store: StoreFolder = None, json: Json = False) -> None:
    """Verify every stored file against its hash, and report the quality of each series."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.store_jobs import check_job

    check_job(settings, symbols or [], as_json=json)


@candles_app.command(epilog="Example: mlsignal candles repair BTCUSDT")
@with_options({"source": ExchangeSource}, HOSTS)
def repair(
    context: typer.Context,
    symbols: SomeSymbols = None,
    json: Json = False,
) -> None:
    """Put damaged files of the store aside and fetch their candles again."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.store_jobs import repair_job

    repair_job(settings, symbols or [], as_json=json)
