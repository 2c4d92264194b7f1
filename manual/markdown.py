"""Tables of Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_PLACEHOLDER = re.compile(r"\$\{[^}]*\}|\$\$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with a line end behind it."""
    return "".join(f"|{'|'.join(map(_cell, row))}|\n" for row in [head, ["---"] * len(head), *rows])


def _cell(text: str) -> str:
    return text if text == "---" else f" {text} " if text else " "


def code(text: object) -> str:
    return f"`{text}`"


def sentence(text: str) -> str:
    """A description of the code as a cell: it begins small, has no full stop, and what only programs read is code."""
    first, rest = text[:1], text[1:]
    begun = first.lower() + rest if rest[:1].islower() or rest[:1] == " " else text
    return _PLACEHOLDER.sub(r"`\g<0>`", begun.removesuffix(".").replace("|", r"\|"))
