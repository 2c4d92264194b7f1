"""Questions to a person at a terminal, on standard error."""

from __future__ import annotations

import click

from ..errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from click import ParamType


def choose(what: str, choices: Sequence[str]) -> str:
    """One of some words; the last one where nothing is said. Raises: UsageError when there is no answer."""
    return _asked(what, choices[-1], click.Choice(choices), shown=True)


def ask(what: str) -> str:
    """A line, which may be empty. Raises: UsageError when there is no answer."""
    return _asked(what, "", click.STRING, shown=False).strip()


def _asked(what: str, default: str, kind: ParamType[Any], *, shown: bool) -> str:
    try:
        return str(click.prompt(what, default=default, type=kind, show_default=shown, err=True))
    except click.Abort:
        pass
    raise UsageError("there was no answer", hint="nothing was written; --from FILE asks nothing")
