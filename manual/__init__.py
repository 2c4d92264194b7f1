"""The pages that are made from the code, and the site that is made of all pages. No part of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from envinject.cli.commands import COMMANDS

from . import commands, reference

_DOCS = Path(__file__).parents[1] / "docs"

PAGES: Mapping[Path, Callable[[str], str]] = {
    _DOCS / "reference.md": lambda _: reference.page(),
    _DOCS / "commands.md": commands.overview,
    **{_DOCS / "commands" / f"{name}.md": partial(commands.of, name) for name in COMMANDS},
}
"""How each page becomes what the code says; of those on commands, the rest is written by hand and stays."""
