"""The command line: thin commands over the package; heavy libraries load inside the commands.

Exit codes: 0 done ("no edge" is done) · 1 a bug · 2 usage or configuration · 3 data missing, broken or too few ·
4 exchange or network · 5 model or bundle refused · 6 the audit found a leak · 7 output not writable.
"""

import logging
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from mlsignal.apps import audit_cli, backtest_cli, breakeven_cli, compare_cli, run_cli
from mlsignal.apps.candles_cli import candles_app
from mlsignal.apps.lean import lean_imports
from mlsignal.apps.options import (
    CANDLES,
    CANDLES_OF_BUNDLE,
    FEATURES,
    HOSTS,
    Json,
    command_line,
    settings_of,
    with_options,
)
from mlsignal.errors import ConfigurationError, MlSignalError
from mlsignal.notes import NOTE
from mlsignal.version import __version__

EXIT_CODES = (
    "Exit codes: 0 done · 2 usage or configuration · 3 data · 4 exchange or network · 5 model or bundle · 6 "
    "leak found · "
    "7 output not writable · 1 a bug."
)

SCENARIOS = (
    "calm",
    "maintenance",
    "misaligned_2018_02",
    "delisting",
    "flash_crash",
    "ratelimit_storm",
    "ws_hell",
    "archive_rot",
)
"""Names that a test holds to those of the simulated exchange, which loads late."""

INTERRUPTED, TERMINATED = 130, 143
COMMON_OPTIONS = ("--config", "--debug", "--version")

app = typer.Typer(
    name="mlsignal",
    help="From crypto candles to a trading signal that can be trusted.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(candles_app, name="candles")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option(help="TOML file with settings.  [mlsignal.toml, where there is one]")
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the log, and the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """From crypto candles to a trading signal that can be trusted."""
    del version
    context.obj = config
    logging.addLevelName(NOTE, "note")
    logging.basicConfig(level=logging.DEBUG if debug else NOTE, format="%(levelname)s: %(message)s", stream=sys.stderr)


app.command(epilog=run_cli.EPILOG)(run_cli.run)


@app.command(epilog="Example: mlsignal features --source btc.parquet --symbol BTCUSDT --output features.parquet")
@with_options(CANDLES, FEATURES)
def features(
    context: typer.Context,
    output: Annotated[Path, typer.Option(help="Parquet file to write.")],
    json: Json = False,
) -> None:
    """Compute the features of every candle and write them to a Parquet file."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.jobs import features_job

    features_job(settings, output, as_json=json)


@app.command(
    epilog="Example: mlsignal predict runs/btc --source binance --lookback-candles 1000 --output predictions.parquet"
)
@with_options(CANDLES_OF_BUNDLE)
def predict(
    context: typer.Context,
    bundle: Annotated[Path, typer.Argument(help="A run's folder, or its model.mlsignal.")],
    output: Annotated[
        Path | None, typer.Option(help="Parquet file of every row to write; the newest rows are shown in any case.")
    ] = None,
    json: Json = False,
) -> None:
    """Score candles with an exported model."""
    with lean_imports():
        from mlsignal.apps.jobs import predict_job

    predict_job(lambda known: settings_of(context, **known), context.params, bundle, output, as_json=json)


app.command(epilog="Example: mlsignal audit --source btc.parquet --feature-file own.py --null-seeds 20")(
    audit_cli.audit
)
app.command(epilog=backtest_cli.EPILOG)(backtest_cli.backtest)
app.command(epilog=breakeven_cli.EPILOG)(breakeven_cli.breakeven)
app.command(epilog="Example: mlsignal compare runs/btc runs/btc-rich")(compare_cli.compare)


@app.command(epilog="Example: mlsignal doctor --binance-base-url https://data-api.binance.vision")
@with_options(HOSTS)
def doctor(
    context: typer.Context,
    binance_stream_url: Annotated[
        str | None, typer.Option(help="Host of the websocket streams.  [wss://stream.binance.com:9443]")
    ] = None,
    json: Json = False,
) -> None:
    """Look at clock, reachability, versions and store, and say what is wrong."""
    settings = settings_of(context)
    with lean_imports():
        from mlsignal.apps.store_jobs import doctor_job

    raise typer.Exit(doctor_job(settings, as_json=json))


@app.command(
    epilog="Example: mlsignal exchange --port 8080 --seed 7, then mlsignal run --binance-base-url http://127.0.0.1:8080"
)
def exchange(
    port: Annotated[int, typer.Option(help="Port on the loopback; 0 takes a free one.", min=0, max=65535)] = 8080,
    seed: Annotated[int, typer.Option(help="Of the market.", min=0)] = 0,
    scenario: Annotated[str, typer.Option(help=f"What goes wrong: {', '.join(SCENARIOS)}.")] = "calm",
    control_port: Annotated[
        int | None, typer.Option(help="Port on which faults and clock can be changed.", min=0, max=65535)
    ] = None,
    control_token: Annotated[
        str, typer.Option(envvar="MLSIGNAL_CONTROL_TOKEN", help="What control asks for in X-Control-Token.")
    ] = "",
) -> None:
    """Serve a simulated exchange (SYNTHETIC) on this machine until interrupted."""
    with lean_imports():
        from mlsignal.apps.jobs import exchange_job

    exchange_job(port, seed, scenario, control_port, control_token)


@app.command(epilog="Example: mlsignal demo --seed 7 --lookback-candles 20000")
def demo(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="Of the market and of the models.", min=0)] = 7,
    lookback_candles: Annotated[int, typer.Option(help="Candles of the SYNTHETIC market to use.", min=2000)] = 50_000,
    output: Annotated[Path | None, typer.Option(help="Folder of the run.  [runs/demo]")] = None,
    json: Json = False,
) -> None:
    """Run everything against a simulated exchange (SYNTHETIC), over HTTP, and open nothing to the network."""
    with lean_imports():
        from mlsignal.apps.demo import demo_job

    fixed = {"symbol": "BTCUSDT", "interval": "1m", "source": "binance"}
    demo_job(
        lambda known: settings_of(context, **fixed, **known), output or Path("runs/demo"), command_line(), as_json=json
    )


def main() -> None:
    """Run the command line; end with one line and an exit code where something is wrong."""
    # Threads that wait for each other cost more than they give; must be set before the libraries load.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    signal.signal(signal.SIGTERM, _end)
    sys.exit(_exit_code())


def _end(number: int, frame: FrameType | None) -> None:
    """End as the user's interruption does: what was begun is cleaned up on the way out."""
    del frame
    sys.exit(128 + number)


def _exit_code() -> int:
    from mlsignal.apps.messages import print_error

    arguments = sys.argv[1:] or ["--help"]
    try:
        result = app(arguments, standalone_mode=False)
    except MlSignalError as error:
        if "--debug" in sys.argv:
            raise
        print_error(str(error))
        return error.exit_code
    except SystemExit as ended:
        if ended.code == TERMINATED:
            print_error("terminated")
        raise
    except BrokenPipeError:
        return 0
    except Exception as error:  # noqa: BLE001  # a usage error has no public base class; the rest is a bug
        if not hasattr(error, "format_message"):  # every usage error of the command-line library has it
            return _bug(error)
        print_error(_usage(error))
        return ConfigurationError.exit_code
    if result == INTERRUPTED:
        print_error("interrupted")
    return result if isinstance(result, int) else 0


def _usage(error: Any) -> str:
    """Return what is wrong with the words of the command line, as people say it."""
    message = str(error.format_message())
    if message.startswith("Usage:"):
        return "a command is missing; see its --help"
    if getattr(error, "option_name", None) in COMMON_OPTIONS:
        return f"{message}; give it before the command: mlsignal {error.option_name} ... COMMAND"
    reasons: list[Any] = getattr(error.__cause__, "errors", list)()  # of an option whose value is not of its type
    return f"{message}, found {reasons[0]['input']!r}" if reasons else message


def _bug(error: Exception) -> int:
    from mlsignal.apps.messages import print_error

    if "--debug" in sys.argv:
        raise error
    print_error(f"a bug, please report it: {type(error).__name__}: {error} (mlsignal --debug ... shows where)")
    return MlSignalError.exit_code
