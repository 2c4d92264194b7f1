"""An answer for people, before anybody decides how it looks: lines, and tables with tones. Plain text is made here."""

from __future__ import annotations

from .log import printable
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GOOD, DOUBTFUL, BAD, STRONG, FAINT = "good", "doubtful", "bad", "strong", "faint"
"""Tones: what a terminal may have a colour for."""


class Line(Record):
    """A line of text; the cells of the tables around it are none of its business."""

    text: str
    tone: str = ""


class Table(Record):
    """Rows under a head, which may be empty. A cell that says a word of `tones` has that tone.

    `prose` is the head of the column that people wrote, who may not write in ASCII.
    """

    head: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    tones: Mapping[str, str] | None = None
    prose: str = ""

    def shown(self) -> list[tuple[str, ...]]:
        """The rows as they can be printed: nothing in them does something to the terminal."""
        ways = [_in_any_language if name and name == self.prose else printable for name in self.head]
        return [tuple(way(cell) for way, cell in zip(ways, row, strict=True)) for row in self.rows]


if TYPE_CHECKING:
    Sheet = Sequence[Line | Table]


def plain(sheet: Sheet) -> str:
    """The sheet as printable text, columns divided by two spaces."""
    return "\n".join(_table(block) if isinstance(block, Table) else printable(block.text) for block in sheet)


def _table(table: Table) -> str:
    rows = [*([table.head] if any(table.head) else []), *table.shown()]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _in_any_language(text: str) -> str:
    return "".join(character if character.isprintable() else printable(character) for character in text)
