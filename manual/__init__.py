"""The pages that are made from the code, and the site that is made of all pages. No part of the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from . import commands, reference

_DOCS = Path(__file__).parents[1] / "docs"

PAGES: Mapping[Path, Callable[[], str]] = {
    _DOCS / "commands.md": commands.page,
    _DOCS / "reference.md": reference.page,
}
