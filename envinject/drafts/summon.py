"""summon's secrets.yml: `!var ID`, `!file`, `!var:file ID`, `!default=...`, and sections for environments.

Source: summon's README ("secrets.yml Flags", "Default values", "Environments").
"""

from __future__ import annotations

from .source import table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..manifest.document import Node
    from .draft import Draft, Part

_COMMON = ("common", "default")
_STORE = "summon"


def is_one(documents: Sequence[Node]) -> bool:
    """Whether a variable, or one of a section, has a tag of summon's."""
    (first, *_) = documents
    members = [*table(first).values(), *(one for section in table(first).values() for one in table(section).values())]
    return any("var" in _flags(one) or "file" in _flags(one) for one in members)


def carry(documents: Sequence[Node], draft: Draft) -> None:
    """Carry variables over; each section is a profile, and what is common to them is the manifest itself."""
    for name, node in table(documents[0]).items():
        if not isinstance(node.value, dict):
            _variable(name, node, draft, draft.top)
            continue
        part = draft.top if name in _COMMON else draft.profile(name)
        for variable, member in table(node).items():
            _variable(variable, member, draft, part)


def _variable(name: str, node: Node, draft: Draft, part: Part) -> None:
    flags = _flags(node)
    if any(flag.startswith("default") for flag in flags):
        hint = "write default = ... into the secret, unless it is one itself"
        draft.lose(f"the default of {name}, which may be a secret", node.place, hint)
    if "var" not in flags:
        if "file" in flags:
            hint = "hand the file over in another way, or let a store hold it"
            draft.lose(f"the content of the file of {name}, which may be a secret", node.place, hint)
        else:
            draft.add_literal(name, node.place, part)
        return
    identifier = str(node.value).strip()
    if "$" in identifier:
        hint = "summon replaces it by -D NAME=VALUE: write the id out, with a profile for each"
        draft.lose(f"the variable in the id of {name}", node.place, hint)
    draft.add(name, dict(_fields(identifier, flags, draft)), node.place, part)


def _fields(identifier: str, flags: Sequence[str], draft: Draft) -> Iterator[tuple[str, Any]]:
    name, _, key = identifier.partition("#")
    yield "provider", draft.store(_STORE, note="was: the provider of summon (-p, SUMMON_PROVIDER)")
    yield "id", name
    if key:
        yield "key", key
    if "file" in flags:
        yield "as", "file"


def _flags(node: Node) -> Sequence[str]:
    """What a tag says: `!var:file:default='x'` is var, file and default."""
    tag = getattr(node.value, "tag", "")
    return tag.lstrip("!").split(":") if tag.startswith("!") else ()
