"""teller's .teller.yml, of version 1 (`env`, `env_sync`) and 2 (`kind`, `maps`).

Source: teller's README, of both versions.
"""

from __future__ import annotations

from .draft import UNKNOWN_TYPE
from .source import has, items, others, table, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..manifest.document import Node
    from .draft import Draft

_SAME = "=="
_OURS = {"dotenv": "dotenv"}
"""What teller and we both have."""


def is_one(documents: Sequence[Node]) -> bool:
    """Whether there are providers, and they map something."""
    (first, *_) = documents
    found = table(first, "providers").values()
    return bool(found) and any(has(one, "maps") or has(one, "env") or has(one, "env_sync") for one in found)


def carry(documents: Sequence[Node], draft: Draft) -> None:
    """Carry the providers and their variables over."""
    (first, *_) = documents
    for name, provider in table(first, "providers").items():
        kind = text(provider, "kind") or name
        store = draft.store(name, _OURS.get(kind, UNKNOWN_TYPE), "" if kind in _OURS else f"was: {kind}")
        for number, one in enumerate(items(provider, "maps"), 1):
            _map(one, store, number, draft)
        _first_version(provider, name, store, draft)
        if has(provider, "options"):
            where = table(provider)["options"].place
            draft.lose("options of the provider", where, "its settings say so here: secrets-exec providers")
    if has(first, "opts"):
        draft.lose("opts, which ask for words", table(first)["opts"].place, "write them out, with a profile for each")


def _map(one: Node, store: str, number: int, draft: Draft) -> None:
    """A path, whose keys have names; or all of its keys where none is named."""
    if not (path := _path(one, draft)):
        return
    label = text(one, "id") or str(number)
    if not has(one, "keys"):
        draft.add(_whole_name(store, label), _whole(store, path), one.place)
    for key, node in table(one, "keys").items():
        name = key if text(node) in ("", _SAME) else text(node)
        draft.add(name, {"provider": store, "id": path, "key": key}, node.place)


def _first_version(provider: Node, name: str, store: str, draft: Draft) -> None:
    for variable, one in table(provider, "env").items():
        if not (path := _path(one, draft)):
            continue
        field = text(one, "field") or (variable if store in _OURS else "")
        draft.add(variable, {"provider": store, "id": path, **({"key": field} if field else {})}, one.place)
    if has(provider, "env_sync"):
        one = table(provider)["env_sync"]
        if path := _path(one, draft):
            renamed = {key: text(node) for key, node in table(one, "remap").items() if text(node)}
            draft.add(_whole_name(name, "ALL"), _whole(store, path, renamed), one.place)
    for other, node in others(provider, ("kind", "maps", "env", "env_sync", "options", "name")):
        draft.lose(f"'{other}' of the provider", node.place, "its settings say so here: secrets-exec providers")


def _path(one: Node, draft: Draft) -> str:
    path = text(one, "path")
    if not path:
        draft.lose("a map without a path", one.place, "mend it there first")
    elif "{{" in path or "{%" in path:
        draft.lose("the template in a path", one.place, "write the path out, with a profile for each")
    return path


def _whole_name(store: str, label: str) -> str:
    return f"{store}_{label}"


def _whole(store: str, path: str, renamed: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    rename = {"rename": dict(renamed)} if renamed else {}
    return {"provider": store, "id": path, "expand": {"prefix": "", "case": "keep", **rename}}
