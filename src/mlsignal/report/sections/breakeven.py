"""What one would have to know to earn the costs back."""

from collections.abc import Mapping
from typing import Any

from mlsignal.report.blocks import Cell, Column, Row, Section, Table
from mlsignal.report.figures.breakeven import draw_breakeven
from mlsignal.report.numbers import MISSING, THIN, count, finite, percent, score
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story

_COLUMNS = (
    Column("Mean move", "Mean of the return without its sign, in basis points; an unchanged close counts as 0."),
    Column("Round trip", "Mean cost of buying and selling: fee, spread and slippage of both sides, in basis points."),
    Column("Moves above it", "Share of all moves that are larger than the round trip."),
    Column("Unchanged", "Share of moves that are 0: a bet on them pays and earns nothing."),
    Column("Accuracy needed", "Share of the other moves to call right: 1/2 + cost / (2 mean move)."),
    Column("Independent moves", "How many do not overlap."),
)


def breakeven_section(story: Story) -> Section:
    """Return the figure and the table of horizons."""
    told = (
        "Before any model: how far the price moves over so many candles, against what buying and selling costs, and "
        "how often one would have to be right to come out even, betting the same on every move. Where the round trip "
        "is above the mean move, no accuracy is enough."
    )
    caption = (
        "Both axes of moves against costs are logarithmic. Waiting longer makes moves larger and the costs "
        "matter less, but leaves fewer moves to be right about. Over minutes, 50.5 to 54 % is what published "
        "studies reach."
    )
    blocks = chart(
        story,
        "breakeven",
        "Moves against costs",
        caption,
        draw_breakeven,
        "There is no break-even view: no horizon was looked at.",
        "candles before the test span" if story.look("data.test_start") else "all candles",
    )
    return Section("breakeven", "What it takes to break even", told, (*blocks, *_table(story)))


def _table(story: Story) -> tuple[Table, ...]:
    found = story.look("breakeven")
    rows = [row for row in found if isinstance(row, Mapping)] if isinstance(found, (list, tuple)) else []
    if not rows:
        return ()
    notes = tuple((column.title, column.explanation) for column in _COLUMNS)
    return (Table("Candles ahead", _COLUMNS, tuple(_row(row) for row in rows), "", notes),)


def _row(row: Mapping[str, Any]) -> Row:
    needed = row.get("accuracy_needed")
    accuracy = "none is enough" if row.get("reachable") is False else percent(needed, 1)
    return Row(
        count(row.get("horizon")),
        (
            Cell(_basis_points(row.get("mean_move"))),
            Cell(_basis_points(row.get("round_trip_cost"))),
            Cell(percent(row.get("share_above_cost"))),
            Cell(percent(row.get("tie_share"))),
            Cell(accuracy),
            Cell(count(row.get("independent_moves"))),
        ),
    )


def _basis_points(fraction: Any) -> str:
    number = finite(fraction)
    return MISSING if number is None else f"{score(1e4 * number, 2)}{THIN}bps"
