"""The names in a manifest, for a shell that completes them: read as far as it can be, and nothing said of mistakes."""

from __future__ import annotations

import os

from .. import providers
from ..errors import ManifestError
from ..record import Record
from . import DEFAULT_FILES
from .document import STANDARD_INPUT, read
from .merge import merge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .document import Node


class Names(Record):
    """What the manifests call their profiles, variables and providers; types of providers are among the last."""

    profiles: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()


def names(files: Sequence[str], profile: str | None = None) -> Names:
    """The names in these files, or in the one of the working folder. Standard input is never read: a terminal is it."""
    documents = [document for file in files or _default() if (document := _read(file))]
    tables = merge(documents, [], profile=profile)
    profiles = [node for document in documents for node in _members(document, "profiles")]
    return Names(
        _plain(profiles),
        _plain((*tables["secrets"], *tables["env"])),
        _plain((*tables["providers"], *providers.TYPES)),
    )


def _default() -> list[str]:
    return [name for name in DEFAULT_FILES if os.path.lexists(name)][:1]


def _read(file: str) -> Node | None:
    if file == STANDARD_INPUT:
        return None
    try:
        return read(file, warn=lambda _what, _hint: None)
    except ManifestError:
        return None


def _members(document: Node, table: str) -> Iterable[str]:
    node = document.value.get(table)
    return node.value if node and isinstance(node.value, dict) else ()


def _plain(found: Iterable[str]) -> tuple[str, ...]:
    """Each once, and none that a shell would have to quote."""
    return tuple(
        name
        for name in dict.fromkeys(found)
        if name.isascii() and name.translate({ord(c): None for c in "-_."}).isalnum()
    )
