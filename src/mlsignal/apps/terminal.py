"""What a person sees in the terminal: progress on standard error, tables on standard output."""

import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

MISSING = "–"
WIDE = 108
"""Columns that the whole table of scores takes."""


class StageProgress:
    """One bar a stage while a terminal looks on; silent where nobody does, or where asked to be."""

    def __init__(self, *, quiet: bool = False) -> None:
        console = Console(stderr=True)
        self._shown = console.is_terminal and not quiet
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not self._shown,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        if not self._shown:
            return
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=total)
        self._progress.update(self._tasks[stage], completed=done, total=total)

    def candles(self, done: int, total: int) -> None:
        """Show how many candles have come."""
        self("fetch candles", done, total)


def output() -> Console:
    """Return the console of standard output; a file or pipe is as wide as the tables need."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDE)


def print_scores(console: Console, metrics: dict[str, Any]) -> None:
    """Print the table of models and baselines, and the verdict."""
    data = metrics["data"]
    if data["synthetic"]:
        console.print(Text(" SYNTHETIC market: no price here was ever paid ", style="bold black on yellow"))
    if data["stale_minutes"] is not None:
        old = (
            f" STALE: the exchange could not be reached; the newest candle is {data['stale_minutes']:,.0f} minutes old "
        )
        console.print(Text(old, style="bold black on yellow"))
    table = Table(
        title=_title(data), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    columns = _score_columns(narrow=console.width < WIDE)
    for heading in ("model", *columns):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=True)
    for name, scores in metrics["models"].items():
        chosen = name == metrics["selected"]
        cells = [cell(scores["test"], scores["cv"]) for cell in columns.values()]
        table.add_row(f"{name} ←" if chosen else name, *cells, style="bold" if chosen else None)
    for name, scores in metrics["baselines"].items():
        table.add_row(name, *(cell(scores, None) for cell in columns.values()), style="dim")
    console.print(table)
    console.print(Text("← selected on the training rows   * without ties (unchanged closes)", style="dim"))
    console.print()
    console.print(Text(metrics["verdict"]["text"]))


def print_table(
    console: Console, headings: list[str], rows: list[list[str]], right: frozenset[int] = frozenset()
) -> None:
    """Print a plain table; columns whose numbers are in `right` stand flush right."""
    table = Table(header_style="dim", box=None, pad_edge=False)
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console.print(table)


def print_json(value: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(value, indent=1, allow_nan=False))  # noqa: T201  # the command line's own output


def _title(data: dict[str, Any]) -> str:
    return (
        f"{data['symbol']} {data['interval']}, {data['candles']:,} candles to "
        f"{data['end'][:16].replace('T', ' ')} UTC: "
        f"scores of {data['test_rows']:,} test rows"
    )


def _score_columns(*, narrow: bool) -> dict[str, Callable[[dict[str, Any], dict[str, Any] | None], str]]:
    """Return heading -> what stands below it, of a model's test scores and (None for baselines) its folds."""
    columns: dict[str, Callable[[dict[str, Any], dict[str, Any] | None], str]] = {
        "F1(Up) in folds": lambda _, cv: f"{cv['f1_up']['mean']:.4f} ± {cv['f1_up']['std']:.4f}" if cv else "",
        "F1(Up)": lambda test, _: _number(test["f1_up"]),
        "accuracy": lambda test, _: _number(test["accuracy"]),
        "AUC": lambda test, _: _number(test["roc_auc"]),
        "log loss": lambda test, _: _number(test["log_loss"]),
        "accuracy*": lambda test, _: _number(test["without_ties"]["accuracy"]),
        "AUC*": lambda test, _: _number(test["without_ties"]["roc_auc"]),
        "95 % of AUC*": lambda test, _: _interval(test["without_ties"].get("ci", {}).get("roc_auc")),
    }
    if narrow:
        for heading in ("log loss", "accuracy*", "95 % of AUC*"):
            del columns[heading]
    return columns


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _interval(bounds: list[float] | None) -> str:
    return f"{bounds[0]:.4f}–{bounds[1]:.4f}" if bounds else ""
