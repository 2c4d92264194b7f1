"""Several manifests as one: later wins, field by field, and a name is defined once."""

from __future__ import annotations

from ..errors import ManifestError
from ..reference import COORDINATES, parse
from .fields import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import SecretsExecError
    from .document import Node

    Tables = dict[str, dict[str, Node]]

TABLES = ("providers", "secrets", "env", "options", "cache")
_TOP = ("manifest", "$schema", *TABLES)


def merge(documents: Sequence[Node], errors: list[SecretsExecError]) -> Tables:
    """The tables of the manifests, one over the other; what is wrong with one of them goes into `errors`.

    Every secret is in its long form, or is the ManifestError that says why it cannot be. A short form replaces
    the coordinates of a secret and keeps its other fields.
    """
    merged: Tables = {table: {} for table in TABLES}
    for document in documents:
        found = _tables(document, errors)
        for table, other in (("secrets", "env"), ("env", "secrets")):
            for name in found[table]:
                merged[other].pop(name, None)
        for table, members in found.items():
            for name, node in members.items():
                merged[table][name] = _over(merged[table].get(name), node)
    return merged


def _tables(document: Node, errors: list[SecretsExecError]) -> Tables:
    errors += unknown(document, _TOP, "", "the manifest")
    version = document.value.get("manifest")
    if version is not None and (isinstance(version.value, bool) or version.value not in (1, "1")):
        errors.append(
            ManifestError("this manifest is of another version", where=version.place, hint="write manifest = 1")
        )
    found = {table: _members(document.value.get(table), errors) for table in TABLES}
    for name in [name for name in found["secrets"] if name in found["env"]]:
        where = found["env"][name].place
        errors.append(ManifestError(f"{name} stands in [secrets] and in [env]", where=where, hint="keep one of them"))
    return found | {"secrets": {name: _long_form(node) for name, node in found["secrets"].items()}}


def _members(node: Node | None, errors: list[SecretsExecError]) -> dict[str, Node]:
    if node is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    errors.append(ManifestError(f"'{node.path[0]}' is no table", where=node.place, hint=f"write [{node.path[0]}]"))
    return {}


def _long_form(node: Node) -> Node:
    """A secret as a table, or an error; of a short form every coordinate is given, be it as None."""
    if isinstance(node.value, dict):
        return node
    if node.value is False or node.value == "false":
        what = "only a profile can remove a secret with false"
        return node.replace(value=ManifestError(what, where=node.place, hint="leave the secret out"))
    if not isinstance(node.value, str):
        hint = 'write "PROVIDER://ID" or { provider = ..., id = ... }'
        return node.replace(value=ManifestError("a secret is a reference or a table", where=node.place, hint=hint))
    try:
        ref = parse(node.value)
    except ManifestError as error:
        return node.replace(value=error.at(node.place))
    return node.replace(value={name: node.replace(value=getattr(ref, name)) for name in COORDINATES})


def _over(base: Node | None, node: Node) -> Node:
    if base is None or not (isinstance(base.value, dict) and isinstance(node.value, dict)):
        return node
    return node.replace(value=base.value | node.value)
