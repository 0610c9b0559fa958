"""Tables in terminals of several widths: no heading and no number is ever cut off."""

import io

import pytest
from rich.console import Console

from mlsignal.apps.terminal import print_table

HEADINGS = ["symbol", "candles", "size"]
ROWS = [["BTCUSDT", "3,654,321", "12.5 MB"], ["1000SATSUSDT", "12", "0.1 MB"]]


def shown(width: int, *, terminal: bool = True, least: tuple[str, ...] = ("size", "symbol")) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=terminal, color_system=None)
    print_table(console, HEADINGS, ROWS, frozenset({1, 2}), least=least)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_table_with_room_shows_every_column() -> None:
    lines = shown(80).splitlines()
    assert lines[0].split() == HEADINGS
    assert lines[1].split() == ["BTCUSDT", "3,654,321", "12.5", "MB"]


@pytest.mark.parametrize(("width", "left_out"), [(31, ["size"]), (22, ["symbol", "size"])])
def test_table_too_wide_does_without_the_least_columns_and_names_them(width: int, left_out: list[str]) -> None:
    text = shown(width)
    assert "3,654,321" in text
    assert "…" not in text
    assert all(heading not in text.splitlines()[0] for heading in left_out)
    assert ", ".join(left_out) in " ".join(text.split())


def test_table_too_wide_for_any_terminal_breaks_cells_and_cuts_nothing() -> None:
    text = shown(18, least=())
    assert "…" not in text
    assert sum(character.isdigit() for character in text) == sum(
        character.isdigit() for row in ROWS for cell in row for character in cell
    )


def test_table_in_a_pipe_is_as_wide_as_it_needs() -> None:
    assert shown(20, terminal=False) == shown(80)
