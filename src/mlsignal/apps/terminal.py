"""What a person sees in the terminal: progress on standard error, tables on standard output."""

import json
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

MISSING = "–"
WIDE = 108
"""Columns of a file or pipe; a table that needs more takes more."""
GAP = 2
"""Columns between two columns of a table."""


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
    """Return the console of standard output."""
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
    columns = _score_columns()
    rows = [
        [
            f"{name} ←" if name == metrics["selected"] else name,
            *(cell(of["test"], of["cv"]) for cell in columns.values()),
        ]
        for name, of in metrics["models"].items()
    ]
    rows += [[name, *(cell(of, None) for cell in columns.values())] for name, of in metrics["baselines"].items()]
    styles = ["bold" if name == metrics["selected"] else "" for name in metrics["models"]]
    console.print(Text(_title(data), style="bold"))
    print_table(
        console,
        ["model", *columns],
        rows,
        frozenset(range(1, len(columns) + 1)),
        least=("log loss", "95 % of AUC*", "accuracy*", "F1(Up) in folds", "accuracy"),
        styles=[*styles, *("dim" for _ in metrics["baselines"])],
    )
    console.print(Text("← selected on the training rows   * without ties (unchanged closes)", style="dim"))
    console.print()
    console.print(Text(metrics["verdict"]["text"]))


def print_table(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: frozenset[int] = frozenset(),
    *,
    least: Sequence[str] = (),
    styles: Sequence[str] | None = None,
) -> None:
    """Print a plain table of which nothing is cut off; columns whose numbers are in `right` stand flush right.

    Parameters
    ----------
    console
        A terminal, or a file or pipe, which is as wide as the table needs.
    headings, rows
        Cells as they are to stand.
    right
        Numbers of the columns that stand flush right.
    least
        Headings of the columns that a narrow terminal does without, the least important first. Where it is too narrow
        even so, cells are broken into lines.
    styles
        One a row.
    """
    widths = [max(map(cell_len, column)) for column in zip(headings, *rows, strict=True)]
    shown = list(range(len(headings)))
    if not console.is_terminal:
        console.width = max(console.width, _width(widths, shown))
    for heading in least:
        if _width(widths, shown) > console.width:
            shown.remove(headings.index(heading))
    whole = _width(widths, shown) <= console.width
    table = Table(header_style="dim", box=None, pad_edge=False)
    for number in shown:
        justify: Literal["left", "right"] = "right" if number in right else "left"
        table.add_column(headings[number], justify=justify, no_wrap=whole, overflow="fold")
    for row, style in zip(rows, styles or [""] * len(rows), strict=True):
        table.add_row(*(row[number] for number in shown), style=style or None)
    console.print(table)
    left_out = [heading for number, heading in enumerate(headings) if number not in shown]
    if left_out:
        console.print(Text(f"no room here for: {', '.join(left_out)}", style="dim"))


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[number] for number in shown) + GAP * (len(shown) - 1)


def print_json(value: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(value, indent=1, allow_nan=False))  # noqa: T201  # the command line's own output


def _title(data: dict[str, Any]) -> str:
    return (
        f"{data['symbol']} {data['interval']}, {data['candles']:,} candles to "
        f"{data['end'][:16].replace('T', ' ')} UTC: "
        f"scores of {data['test_rows']:,} test rows"
    )


def _score_columns() -> dict[str, Callable[[dict[str, Any], dict[str, Any] | None], str]]:
    """Return heading -> what stands below it, of a model's test scores and (None for baselines) its folds."""
    return {
        "F1(Up) in folds": lambda _, cv: f"{cv['f1_up']['mean']:.4f} ± {cv['f1_up']['std']:.4f}" if cv else "",
        "F1(Up)": lambda test, _: _number(test["f1_up"]),
        "accuracy": lambda test, _: _number(test["accuracy"]),
        "AUC": lambda test, _: _number(test["roc_auc"]),
        "log loss": lambda test, _: _number(test["log_loss"]),
        "accuracy*": lambda test, _: _number(test["without_ties"]["accuracy"]),
        "AUC*": lambda test, _: _number(test["without_ties"]["roc_auc"]),
        "95 % of AUC*": lambda test, _: _interval(test["without_ties"].get("ci", {}).get("roc_auc")),
    }


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4f}"


def _interval(bounds: list[float] | None) -> str:
    return f"{bounds[0]:.4f}–{bounds[1]:.4f}" if bounds else ""
