"""What a section of the report is made of; each kind of block has its template in `templates/blocks`."""

from dataclasses import dataclass, field
from typing import ClassVar

from mlsignal.report.svg import Drawing


@dataclass(frozen=True)
class Text:
    """A paragraph; a `warning` stands out."""

    kind: ClassVar[str] = "text"
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Banner:
    """The answer in a word or two, and the sentences behind it."""

    kind: ClassVar[str] = "banner"
    word: str
    sentences: tuple[str, ...]
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Card:
    """One key figure; `mark` draws its interval and its baseline on a line."""

    label: str
    value: str
    interval: str
    baseline: str
    explanation: str
    mark: Drawing | None = None


@dataclass(frozen=True)
class Cards:
    """Key figures side by side."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Cell:
    """A cell of a table: a text, a smaller one below it, and whether it is the best of its column."""

    text: str
    small: str = ""
    best: bool = False


@dataclass(frozen=True)
class Column:
    """The head of a column, with its explanation; columns of one `group` stand under its name."""

    title: str
    explanation: str = ""
    group: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table: its name, a tag beside the name, and its cells."""

    name: str
    cells: tuple[Cell, ...]
    tag: str = ""
    quiet: bool = False


@dataclass(frozen=True)
class Table:
    """Numbers in rows; `corner` names the rows, `notes` stand below."""

    kind: ClassVar[str] = "table"
    corner: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str
    notes: tuple[tuple[str, str], ...] = ()

    @property
    def groups(self) -> tuple[tuple[str, int], ...]:
        """Names of neighbouring groups with the number of their columns."""
        found: list[tuple[str, int]] = []
        for column in self.columns:
            if found and found[-1][0] == column.group:
                found[-1] = (column.group, found[-1][1] + 1)
            else:
                found.append((column.group, 1))
        return tuple(found)


@dataclass(frozen=True)
class Facts:
    """Names and values; `code` sets the values in a fixed pitch."""

    kind: ClassVar[str] = "facts"
    items: tuple[tuple[str, str], ...]
    title: str = ""
    code: bool = False


@dataclass(frozen=True)
class Chart:
    """A figure in two widths, for pages and for telephones.

    Attributes
    ----------
    name
        Name of the file in `figures/`, without its extension.
    title, subtitle
        Written above the figure in its file.
    caption
        Written below the figure in the page.
    wide, narrow
        The drawings.
    """

    kind: ClassVar[str] = "chart"
    name: str
    title: str
    subtitle: str
    caption: str
    wide: Drawing
    narrow: Drawing


Block = Text | Banner | Cards | Table | Facts | Chart


@dataclass(frozen=True)
class Section:
    """A titled part of the page, with one or two sentences on how to read it."""

    anchor: str
    title: str
    explanation: str = ""
    blocks: tuple[Block, ...] = field(default=())
