"""Reading fields: each reader gives a typed value, or tells the problem and gives None."""

from __future__ import annotations

from ..errors import ManifestError, shown, suggest
from .document import Plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from ..errors import SecretsExecError
    from .document import Node

MOST = 1000
"""The largest count that a manifest may ask for."""


class Fields:
    """Readers of a table's fields, and the problems that they met."""

    def __init__(self, errors: list[SecretsExecError]) -> None:
        self.errors = errors

    def fault(self, node: Node, what: str, hint: str) -> None:
        """Note a problem and go on."""
        self.errors.append(ManifestError(what, where=node.place, hint=hint))

    def text(self, node: Node, name: str) -> str | None:
        """Text, in whatever quotes."""
        value = node.value[name].value
        if isinstance(value, str):
            return value
        self.fault(node.value[name], f"'{name}' must be text", f'put it in quotes: {name} = "..."')
        return None

    def choice(self, node: Node, name: str, choices: Collection[str]) -> str | None:
        """One of some words."""
        text = self.text(node, name)
        if text is None or text in choices:
            return text
        hint = f"{suggest(text, choices)}write one of them"
        self.fault(node.value[name], f"'{name}' is none of {', '.join(choices)}", hint)
        return None

    def flag(self, node: Node, name: str) -> bool | None:
        """True or false."""
        value = node.value[name].value
        if isinstance(value, Plain) and value in ("true", "false"):
            return value == "true"
        if isinstance(value, bool):
            return value
        self.fault(node.value[name], f"'{name}' must be true or false", "without quotes")
        return None

    def count(self, node: Node, name: str) -> int | None:
        """A whole number above zero."""
        value = node.value[name].value
        if isinstance(value, Plain) and value.isdigit() and value.isascii():
            value = int(value[:9])
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST:
            return value
        self.fault(node.value[name], f"'{name}' must be a whole number from 1 to {MOST}", f"write {name} = 16, say")
        return None

    def seconds(self, node: Node, name: str) -> float | None:
        """A duration, in seconds."""
        from ..duration import LONGEST, parse_duration

        value = node.value[name].value
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value <= LONGEST
        text = str(value) if is_number else value
        seconds = parse_duration(text) if isinstance(text, str) else None
        if seconds is None:
            self.fault(node.value[name], f"'{name}' must be a duration", 'write "500ms", "30s", "2m" or "1h"')
        return seconds

    def texts(self, node: Node, name: str) -> tuple[str, ...] | None:
        """A list of texts."""
        value = node.value[name].value
        if isinstance(value, list) and all(isinstance(member.value, str) for member in value):
            return tuple(member.value for member in value)
        self.fault(node.value[name], f"'{name}' must be a list of texts", f'write {name} = ["...", "..."]')
        return None


def unknown(node: Node, known: Collection[str], what: str) -> Iterator[ManifestError]:
    """The problem of each field that `what` does not know."""
    for name, member in node.value.items():
        if name not in known:
            hint = f"{suggest(name, known)}It knows: {', '.join(known)}"
            yield ManifestError(f"{what} has no '{shown(name)}'", where=member.place, hint=hint)
