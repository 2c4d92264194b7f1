"""Answers on a terminal: as wide as it is, and with colour. By rich where that is installed; a cell is never markup."""

from __future__ import annotations

import io

from ..log import printable
from ..sheet import BAD, DOUBTFUL, FAINT, GOOD, STRONG, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from ..sheet import Sheet

_STYLES = {GOOD: "green", DOUBTFUL: "yellow", BAD: "bold red", STRONG: "bold", FAINT: "dim"}
_NARROW = 12
"""Characters of a column that is not broken into lines."""


def pretty(sheet: Sheet, width: int, *, colour: bool) -> str | None:
    """The sheet for a terminal of that width; None where rich is not installed."""
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:
        return None
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        color_system="standard" if colour else None,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as captured:
        for block in sheet:
            if isinstance(block, Table):
                console.print(_table(block))
            else:
                console.print(Text(printable(block.text), _STYLES.get(block.tone, ""), overflow="fold"))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table(table: Table) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    tones = table.tones or {}
    made = RichTable(box=None, show_header=any(table.head), header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in zip(*([table.head, *table.rows]), strict=True):
        is_narrow = max(map(len, column)) <= _NARROW
        made.add_column(Text(column[0]), no_wrap=is_narrow, overflow="fold")
    for row in table.shown():
        made.add_row(*(Text(cell, _STYLES.get(tones.get(cell, ""), "")) for cell in row))
    return made
