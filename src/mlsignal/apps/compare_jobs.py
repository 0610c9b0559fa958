"""What `mlsignal compare` does: two folders of runs in, differences out."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlsignal.apps.messages import print_note
from mlsignal.apps.terminal import MISSING, output, print_json, print_table
from mlsignal.errors import ConfigurationError, DataError, did_you_mean
from mlsignal.evaluation.comparison import ForecastComparison, ScoreDifference, compare_forecasts
from mlsignal.evaluation.record import TEST, without_nan
from mlsignal.evaluation.resampled_scores import WITHOUT_TIES, Forecast
from mlsignal.metrics import is_better

FEWEST_ROWS = 50
SURE = 0.05
COLUMNS = ("symbol", "open_time", "label", "tie", "p_up")
TITLES = {"roc_auc": "AUC", "accuracy": "accuracy", "log_loss": "log loss", "brier": "Brier"}


@dataclass(frozen=True)
class RunRows:
    """A model of a run, and its test rows.

    Attributes
    ----------
    folder
        Of the run.
    metrics
        Content of its metrics.json.
    model
        Name of the model.
    rows
        symbol, open_time, label, tie, p_up.
    """

    folder: Path
    metrics: dict[str, Any]
    model: str
    rows: pl.DataFrame

    def fact(self, group: str, name: str) -> Any:
        """Return what the metrics say, or None."""
        found = self.metrics.get(group)
        return found.get(name) if isinstance(found, Mapping) else None


def compare_job(first: Path, second: Path, models: str | None, *, as_json: bool) -> None:
    """Compare two runs and print a table, or JSON."""
    names = [name.strip() for name in models.split(",")] if models else [None, None]
    if len(names) > 2 or "" in names:
        raise ConfigurationError(f"models: expected a name, or two separated by a comma, found {models!r}")
    a, b = read_run(first, names[0]), read_run(second, names[-1])
    _refuse_different_questions(a, b)
    paired, disagreeing = pair_rows(a, b)
    found = compare_forecasts(
        paired["label"].to_numpy(),
        paired["tie"].to_numpy(),
        Forecast(paired["p_up"].to_numpy()),
        Forecast(paired["p_up_second"].to_numpy()),
        np.random.default_rng(0),
        horizon=int(a.fact("settings", "horizon") or 1),
    )
    warnings = _warnings(a, b, disagreeing)
    text = in_words(a, b, found)
    if as_json:
        described = {key: {"folder": str(run.folder), "model": run.model} for key, run in (("first", a), ("second", b))}
        print_json(without_nan({**described, **found.to_dict(), "warnings": warnings, "text": text}))
        return
    print_table(
        output(),
        ["score", "first", "second", "difference", "95 % interval", "p"],
        _table(found),
        frozenset(range(1, 6)),
    )
    for warning in warnings:
        print_note(f"warning: {warning}")
    output().print(f"\n{text}", markup=False, highlight=False)


def read_run(folder: Path, model: str | None) -> RunRows:
    """Read a run's metrics and the test rows of one of its models, the selected one where none is named.

    Raises
    ------
    ConfigurationError
        If the folder is that of no run, or the run has no such model.
    DataError
        If its files cannot be read.
    """
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        predictions = pl.read_parquet(folder / "predictions.parquet")
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigurationError(
            f"{folder}: is no folder of a run (expected metrics.json and predictions.parquet in it, as `mlsignal run` "
            "writes them)"
        ) from None
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{folder}: the run cannot be read ({reason}); make it again with `mlsignal run`") from None
    needed = {*COLUMNS, "fold", "model"}
    if not isinstance(metrics, dict) or not needed <= set(predictions.columns):
        raise DataError(f"{folder}: predictions.parquet lacks {', '.join(sorted(needed - set(predictions.columns)))}")
    name = model or metrics.get("selected")
    rows = predictions.filter((pl.col("fold") == TEST) & (pl.col("model") == name)).select(COLUMNS)
    if rows.is_empty():
        known = predictions["model"].unique().to_list()
        raise ConfigurationError(f"{folder}: has no test rows of the model {name!r}. {did_you_mean(str(name), known)}")
    return RunRows(folder, metrics, str(name), rows)


def _refuse_different_questions(a: RunRows, b: RunRows) -> None:
    """Refuse runs whose labels ask different things: where their answers agree would be a choice by the outcome."""
    for group, name in (("data", "interval"), ("settings", "horizon")):
        one, other = a.fact(group, name), b.fact(group, name)
        if one != other:
            raise DataError(
                f"the runs have nothing in common: the {name} of {a.folder} is {one}, that of {b.folder} is {other}; "
                "compare runs that foresee the same"
            )


def pair_rows(a: RunRows, b: RunRows) -> tuple[pl.DataFrame, int]:
    """Return the test rows that both have, in the order of time, and how many were left out for their labels.

    Returns
    -------
    tuple
        symbol, open_time, label, tie, p_up (the first's), p_up_second; rows on which labels or ties differ.

    Raises
    ------
    DataError
        If fewer than 50 rows are common.
    """
    joined = a.rows.join(b.rows, on=["symbol", "open_time"], how="inner", suffix="_second")
    same = joined.filter((pl.col("label") == pl.col("label_second")) & (pl.col("tie") == pl.col("tie_second"))).sort(
        "open_time", "symbol"
    )
    if same.height < FEWEST_ROWS:
        raise DataError(
            f"the runs have too little in common: {same.height} test rows of {a.rows.height} ({_span(a)}) and "
            f"{b.rows.height} ({_span(b)}), expected at least {FEWEST_ROWS}"
        )
    return same.select(*COLUMNS, "p_up_second"), joined.height - same.height


def _span(run: RunRows) -> str:
    times = run.rows["open_time"].sort().dt.strftime("%Y-%m-%d %H:%M")
    return f"{', '.join(run.rows['symbol'].unique().sort())} from {times[0]} to {times[-1]}"


def _warnings(a: RunRows, b: RunRows, disagreeing: int) -> list[str]:
    found = []
    if disagreeing:
        found.append(f"{disagreeing:,} rows were left out: the runs disagree about what the candles did")
    if a.fact("settings", "ties") != b.fact("settings", "ties"):
        found.append(
            f"ties are treated as {a.fact('settings', 'ties')} and as {b.fact('settings', 'ties')}: "
            "compare the scores without ties"
        )
    if a.fact("data", "sha256") != b.fact("data", "sha256"):
        found.append("the runs used different candles; only test rows that both have are compared")
    if a.fact("data", "synthetic") or b.fact("data", "synthetic"):
        found.append("SYNTHETIC market: no price here was ever paid")
    return found


def _table(found: ForecastComparison) -> list[list[str]]:
    return [_row(one) for one in found.scores]


def _row(one: ScoreDifference) -> list[str]:
    name = one.score.removeprefix(WITHOUT_TIES)
    title = TITLES[name] + ("" if name == one.score else ", ties left out")
    interval = MISSING if one.interval is None else f"{one.interval[0]:+.4f} to {one.interval[1]:+.4f}"
    return [title, f"{one.first:.4f}", f"{one.second:.4f}", f"{one.difference:+.4f}", interval, _p(one.p)]


def _p(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def in_words(a: RunRows, b: RunRows, found: ForecastComparison) -> str:
    """Return the comparison in a sentence or two."""
    one, other = (f"{run.folder} ({run.model.replace('_', ' ')})" for run in (a, b))
    parts = [_told(found.score(WITHOUT_TIES + name), one, other) for name in ("roc_auc", "log_loss")]
    return (
        f"On the {found.n:,} test rows that both have, of which {found.n_moved:,} moved: {parts[0]}; {parts[1]}. "
        f"The p-values are of these two alone: they do not know how many runs were compared."
    )


def _told(score: ScoreDifference, one: str, other: str) -> str:
    title = TITLES[score.score.removeprefix(WITHOUT_TIES)]
    p = "p < 0.001" if score.p < 0.001 else f"p = {score.p:.3f}"
    if not score.p < SURE:
        return f"their {title} without ties cannot be told apart ({p})"
    better, worse = (one, other) if is_better(score.score, score.first, score.second) else (other, one)
    return f"{better} has the better {title} without ties than {worse}, by {abs(score.difference):.4f} ({p})"
