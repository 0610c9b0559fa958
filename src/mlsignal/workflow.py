"""The whole story on one page: candles in, a judged model and its report out."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlsignal.config import Settings, load_settings
from mlsignal.experiment import OnProgress, RunResult, Stopwatch, run_experiment, tell_nobody
from mlsignal.exporting import default_output, run_folder, write_run
from mlsignal.gathering import gather_candles


def run(output: Path | str | None = None, **settings: Any) -> RunResult:
    """Fetch candles, train, validate, choose and judge; write the run's folder if `output` is given.

    Parameters
    ----------
    output
        Folder to write, as `mlsignal run --output` does; nothing is written where it is None.
    **settings
        Fields of `mlsignal.config.Settings`: symbol, interval, source, lookback_candles, features, ...

    Returns
    -------
    RunResult
        `evaluation.metrics`, `evaluation.predictions`, `model`.

    Raises
    ------
    MlSignalError
        ConfigurationError, DataError, ExchangeError or OutputError; see `mlsignal.errors`.
    """
    gathered_settings = load_settings(settings)
    if output is not None:
        return run_workflow(gathered_settings, Path(output))
    return run_experiment(gathered_settings, gather_candles(gathered_settings))


def run_workflow(
    settings: Settings, output: Path, *, on_progress: OnProgress | None = None, command: str = ""
) -> RunResult:
    """Do all of it, and put the run's folder in place when everything went well; errors as of `run`."""
    tell: OnProgress = on_progress or tell_nobody
    watch = Stopwatch()
    with run_folder(output) as folder:
        with watch.stage("fetch"):
            gathered = gather_candles(settings, on_progress=lambda done, total: tell("fetch candles", done, total))
        result = run_experiment(settings, gathered, on_progress=tell, stopwatch=watch, command=command)
        tell("export", 0, 1)
        write_run(result, folder, watch)
        tell("export", 1, 1)
    return result


def output_folder(settings: Settings, output: Path | None) -> Path:
    """Return where a run goes: `output`, or a folder named after the time, the symbol and the interval."""
    return output or default_output(settings.symbol, settings.interval, datetime.now(UTC))
