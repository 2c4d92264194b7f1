"""The External Secrets Operator: ExternalSecret and SecretStore, of a namespace or of the whole cluster.

Source: the operator's API reference, v1 and v1beta1.
"""

from __future__ import annotations

from .draft import UNKNOWN_TYPE
from .source import has, items, others, table, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..manifest.document import Node
    from .draft import Draft

_GROUP = "external-secrets.io/"
_SECRETS = ("ExternalSecret", "ClusterExternalSecret")
_STORES = ("SecretStore", "ClusterSecretStore")
_PLACES = ("region", "projectID", "vaultUrl", "server", "service", "location")
"""What says where a store is, and is no credential."""


def is_one(documents: Sequence[Node]) -> bool:
    """Whether one of the documents is the operator's."""
    return any(text(one, "apiVersion").startswith(_GROUP) for one in _objects(documents))


def carry(documents: Sequence[Node], draft: Draft) -> None:
    """Carry stores over as providers, and secrets as variables of all ExternalSecrets together."""
    objects = list(_objects(documents))
    for one in objects:
        kind = text(one, "kind")
        if kind in _STORES:
            _store(one, draft)
        elif kind not in _SECRETS:
            hint = "write what it holds into a store" if kind == "Secret" else "leave it there"
            draft.lose(f"an object of kind {kind or 'none'}", one.place, hint)
    for one in objects:
        if text(one, "kind") in _SECRETS:
            _secrets(table(one, "spec").get("externalSecretSpec") or table(one).get("spec"), draft)


def _objects(documents: Sequence[Node]) -> Iterator[Node]:
    for document in documents:
        if text(document, "kind") == "List":
            yield from items(document, "items")
        else:
            yield document


def _store(one: Node, draft: Draft) -> None:
    for kind, settings in table(one, "spec", "provider").items():
        places = {name: text(settings, name) for name in _PLACES}
        said = [f"{name} {place}" for name, place in places.items() if place and "@" not in place]
        draft.store(text(one, "metadata", "name"), UNKNOWN_TYPE, f"was: {', '.join([kind, *said])}")
        if has(settings, "auth"):
            where = table(settings)["auth"].place
            draft.lose("how the store's credentials are found", where, "X_env or X_file of the provider say so here")


def _secrets(spec: Node | None, draft: Draft) -> None:
    default = text(spec, "secretStoreRef", "name")
    for entry in items(spec, "data"):
        _entry(entry, default, draft)
    for number, entry in enumerate(items(spec, "dataFrom"), 1):
        _whole(entry, default, number, draft)
    for name in ("refreshInterval", "refreshPolicy"):
        if has(spec, name):
            where = table(spec)[name].place
            draft.lose(f"{name} {text(spec, name)}", where, "--watch 60s fetches again while the command runs")
    if has(spec, "target", "template"):
        where = table(spec, "target")["template"].place
        draft.lose("the template of the Secret", where, 'write NAME = { template = "${OTHER}" } into [env]')


def _entry(entry: Node, default: str, draft: Draft) -> None:
    name, remote = text(entry, "secretKey"), table(entry).get("remoteRef")
    if not (name and text(remote, "key")):
        draft.lose("an entry without secretKey or remoteRef.key", entry.place, "mend it there first")
        return
    fields = _coordinates(entry, remote, default, draft)
    if text(remote, "property"):
        fields["key"] = _key(text(remote, "property"))
    if text(remote, "decodingStrategy") in ("Base64", "Auto"):
        fields["decode"] = "base64"
    elif text(remote, "decodingStrategy") not in ("", "None"):
        draft.lose(f"decodingStrategy {text(remote, 'decodingStrategy')}", entry.place, "there is base64 here")
    draft.add(name, fields, entry.place)


def _whole(entry: Node, default: str, number: int, draft: Draft) -> None:
    """A secret whose keys all become variables, by their own names."""
    remote = table(entry).get("extract")
    if remote is None or not text(remote, "key"):
        what = " and ".join(name for name, _ in others(entry, ("sourceRef", "rewrite"))) or "sourceRef"
        draft.lose(f"dataFrom with {what}", entry.place, "name the secrets one by one")
        return
    fields = _coordinates(entry, remote, default, draft)
    if text(remote, "property"):
        fields["key"] = _key(text(remote, "property"))
    if has(entry, "rewrite"):
        hint = "prefix, rename or omit of expand say so here"
        draft.lose("rewrite, which renames keys", table(entry)["rewrite"].place, hint)
    fields["expand"] = {"prefix": "", "case": "keep"}
    draft.add(f"ALL_{number}", fields, entry.place)


def _coordinates(entry: Node, remote: Node | None, default: str, draft: Draft) -> dict[str, Any]:
    store = text(entry, "sourceRef", "storeRef", "name") or default or "store"
    fields: dict[str, Any] = {"provider": draft.store(store), "id": text(remote, "key")}
    return fields | ({"version": text(remote, "version")} if text(remote, "version") else {})


def _key(path: str) -> str:
    """A `property`, which is a path with dots in most stores, as a key or a JSON Pointer."""
    if "." not in path or path.startswith("/"):
        return path
    return "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in path.split("."))
