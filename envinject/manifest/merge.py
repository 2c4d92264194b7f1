"""Several manifests as one: later wins, field by field, and a name is defined once."""

from __future__ import annotations

from ..errors import Failures, ManifestError
from ..reference import COORDINATES, parse
from .fields import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import SecretsExecError
    from .document import Node

    Tables = dict[str, dict[str, Node]]

TABLES = ("providers", "secrets", "env", "options")
_TOP = ("manifest", "$schema", *TABLES)


def merge(documents: Sequence[Node]) -> Tables:
    """The tables of the manifests, one over the other; every secret is in its long form.

    A short form replaces the coordinates of a secret and keeps its other fields.
    Raises: Failures (ManifestError).
    """
    errors: list[SecretsExecError] = []
    merged: Tables = {table: {} for table in TABLES}
    for document in documents:
        found = _tables(document, errors)
        for table, other in (("secrets", "env"), ("env", "secrets")):
            for name in found[table]:
                merged[other].pop(name, None)
        for table, members in found.items():
            for name, node in members.items():
                merged[table][name] = _over(merged[table].get(name), node)
    if errors:
        raise Failures(errors)
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
    secrets = {name: _long_form(node, errors) for name, node in found["secrets"].items()}
    return found | {"secrets": {name: node for name, node in secrets.items() if node}}


def _members(node: Node | None, errors: list[SecretsExecError]) -> dict[str, Node]:
    if node is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    errors.append(ManifestError(f"'{node.path[0]}' is no table", where=node.place, hint=f"write [{node.path[0]}]"))
    return {}


def _long_form(node: Node, errors: list[SecretsExecError]) -> Node | None:
    """A secret as a table; of a short form every coordinate is given, be it as None."""
    if isinstance(node.value, dict):
        return node
    if not isinstance(node.value, str):
        removal = node.value is False
        what = "only a profile can remove a secret with false" if removal else "a secret is a reference or a table"
        hint = "leave the secret out" if removal else 'write "PROVIDER://ID" or { provider = ..., id = ... }'
        errors.append(ManifestError(what, where=node.place, hint=hint))
        return None
    try:
        ref = parse(node.value)
    except ManifestError as error:
        errors.append(error.at(node.place))
        return None
    return node.replace(value={name: node.replace(value=getattr(ref, name)) for name in COORDINATES})


def _over(base: Node | None, node: Node) -> Node:
    if base is None or not (isinstance(base.value, dict) and isinstance(node.value, dict)):
        return node
    return node.replace(value=base.value | node.value)
