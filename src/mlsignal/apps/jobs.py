"""What the commands do: settings in, files and tables out."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from mlsignal.apps.messages import SYNTHETIC_NOTE, print_note
from mlsignal.apps.terminal import StageProgress, output, print_json, print_scores, print_table
from mlsignal.config import Settings
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.experiment import RunResult
from mlsignal.exporting import metrics_json, write_table
from mlsignal.gathering import GatheredCandles, gather_candles
from mlsignal.learning.models import load_libraries
from mlsignal.workflow import output_folder, run_workflow

__all__ = [
    "exchange_job",
    "features_job",
    "load_libraries",
    "predict_job",
    "run_job",
    "show_run",
]

SHOWN_ROWS = 10


def run_job(settings: Settings, target: Path | None, *, command: str, quiet: bool = False) -> tuple[RunResult, Path]:
    """Run the whole workflow; return the result and its folder."""
    folder = output_folder(settings, target)
    with StageProgress(quiet=quiet) as progress:
        return run_workflow(settings, folder, on_progress=progress, command=command), folder


def show_run(result: RunResult, folder: Path, *, as_json: bool) -> None:
    """Print the scores and the verdict, or metrics.json."""
    metrics = result.evaluation.metrics
    if as_json:
        print(metrics_json(metrics), end="")  # noqa: T201  # the command line's own output
        return
    console = output()
    print_scores(console, metrics)
    console.print()
    console.print(f"report  {folder / 'report.html'}", soft_wrap=True, highlight=False)
    console.print(f"model   {folder / 'best_model.pkl'}, {folder / 'model.mlsignal'}", soft_wrap=True, highlight=False)


def features_job(settings: Settings, target: Path, *, as_json: bool) -> None:
    """Compute features and write them."""
    from mlsignal.features.feature import compute_features
    from mlsignal.features.sets import select_features

    selected = select_features(settings.features, settings.feature_file)
    gathered = _gather(settings, quiet=as_json)
    frame = compute_features(gathered.candles, selected)
    table = frame.to_polars()
    write_table(table, target)
    whole = int(table.select(pl.all_horizontal(pl.col(frame.names).is_not_nan()).sum()).item())
    facts = {"rows": table.height, "whole_rows": whole, "features": list(frame.names), "output": str(target)}
    if as_json:
        print_json({"symbol": settings.symbol, "interval": settings.interval, "synthetic": gathered.synthetic, **facts})
    else:
        print_note(
            f"{target}: {table.height:,} rows of {len(frame.names)} features, {whole:,} of them past the warm-up"
        )


def predict_job(
    settings_with: Callable[[Mapping[str, Any]], Settings],
    given: Mapping[str, Any],
    bundle_path: Path,
    target: Path | None,
    *,
    as_json: bool,
) -> None:
    """Score candles with a bundle; its symbol and interval are used where none are given."""
    from mlsignal.bundle import load_bundle

    bundle = load_bundle(bundle_path, given.get("feature_file"))
    known = {"symbol": given.get("symbol") or bundle.symbol, "interval": given.get("interval") or bundle.interval}
    settings = settings_with(known)
    if settings.interval != bundle.interval:
        raise ConfigurationError(
            f"interval: the bundle was trained on {bundle.interval} candles, found {settings.interval}"
        )
    gathered = _gather(settings, quiet=as_json)
    if settings.symbol != bundle.symbol:
        print_note(f"note: the bundle was trained on {bundle.symbol}, not on {settings.symbol}")
    predictions = bundle.predict(gathered.candles)
    if predictions["signal"].null_count() == predictions.height:
        raise TooFewCandlesError(
            f"predict: {bundle.lookback} candles without a gap expected, found none so many among "
            f"{len(gathered.candles)}; give more (--lookback-candles)"
        )
    if gathered.synthetic:
        print_note(SYNTHETIC_NOTE)
    if target is not None:
        write_table(predictions, target)
    _show_predictions(predictions, bundle.manifest["label"]["horizon"], target, as_json=as_json)


def _show_predictions(predictions: pl.DataFrame, horizon: int, target: Path | None, *, as_json: bool) -> None:
    scored = predictions.filter(pl.col("p_up").is_not_nan())
    newest = scored.tail(SHOWN_ROWS)
    if as_json:
        rows = [
            {
                "symbol": row["symbol"],
                "close_time": row["close_time"].isoformat(),
                "p_up": row["p_up"],
                "signal": row["signal"],
            }
            for row in newest.iter_rows(named=True)
        ]
        facts = {"rows": predictions.height, "scored": scored.height, "horizon": horizon}
        print_json({**facts, "output": None if target is None else str(target), "newest": rows})
        return
    rows_shown = [
        [row["symbol"], f"{row['close_time']:%Y-%m-%d %H:%M:%S}", f"{row['p_up']:.4f}", row["signal"]]
        for row in newest.iter_rows(named=True)
    ]
    print_table(output(), ["symbol", "known at (UTC)", "P(up)", "signal"], rows_shown, frozenset({2}))
    if target is not None:
        print_note(f"{target}: {predictions.height:,} rows, {scored.height:,} of them past the warm-up")


def exchange_job(port: int, seed: int, scenario: str, control_port: int | None, control_token: str) -> None:
    """Serve the simulated exchange until a signal ends it."""
    from mlsignal.sim.exchange import run_exchange

    def announce(base_url: str, start: datetime) -> None:
        print_note(
            f"SYNTHETIC exchange, seed {seed}, at {base_url} (market start {start.isoformat()}); "
            f"try: mlsignal run --binance-base-url {base_url}"
        )

    run_exchange(
        port,
        seed,
        scenario=scenario,
        control_port=control_port,
        control_token=control_token,
        on_ready=announce,
        on_control=lambda url: print_note(f"control at {url}"),
    )


def _gather(settings: Settings, *, quiet: bool) -> GatheredCandles:
    with StageProgress(quiet=quiet) as progress:
        return gather_candles(settings, on_progress=progress.candles)
