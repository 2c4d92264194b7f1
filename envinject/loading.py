"""How a module is imported that would bring more with it than is used of it."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from typing import Any


class Instead:
    """As long as it is entered, imports find these in place of the modules so named; None stands for no such module.

    What was imported before stays.
    """

    def __init__(self, stand_ins: Mapping[str, object]) -> None:
        self._stand_ins = stand_ins
        self._added: list[str] = []

    def __enter__(self) -> None:
        modules: dict[str, Any] = sys.modules
        self._added = [name for name in self._stand_ins if name not in modules]
        for name in self._added:
            modules[name] = self._stand_ins[name]

    def __exit__(self, *_: object) -> None:
        for name in self._added:
            del sys.modules[name]


def find_spec(name: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
    """Where a module is, of a package's `path` or of them all: asked of the finders that the interpreter asks."""
    found = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)
