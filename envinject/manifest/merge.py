"""Several manifests as one: later wins, a profile over all, field by field, and a name is defined once."""

from __future__ import annotations

from ..errors import ManifestError, shown, suggest
from ..reference import COORDINATES, parse
from .document import Plain
from .fields import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..errors import SecretsExecError
    from .document import Node

    Tables = dict[str, dict[str, Node]]

TABLES = ("providers", "secrets", "env", "options", "cache")
TOP = ("manifest", "$schema", "profiles", *TABLES)


def merge(
    documents: Sequence[Node],
    errors: list[SecretsExecError],
    *,
    profile: str | None = None,
    beside: Sequence[Node] = (),
) -> Tables:
    """The tables of the manifests, one over the other, those of the profile over them, and those `beside` over all.

    What is wrong with one of them goes into `errors`. Every secret is in its long form, or is the ManifestError that
    says why it cannot be. A short form replaces the coordinates of a secret and keeps its other fields.
    """
    merged: Tables = {table: {} for table in TABLES}
    for document in documents:
        _check_head(document, errors)
        _lay(_tables(document, errors), merged)
    for node in _of_profile(documents, profile, errors):
        _remove(node, merged, errors)
        _lay(_tables(node, errors), merged)
    for document in beside:
        _lay(_tables(document, errors), merged)
    return merged


def _of_profile(documents: Sequence[Node], profile: str | None, errors: list[SecretsExecError]) -> Sequence[Node]:
    if profile is None and not any("profiles" in document.value for document in documents):
        return ()
    from .profiles import chosen  # only for a manifest that has some

    return chosen(documents, profile, errors)


def _lay(found: Tables, merged: Tables) -> None:
    for table, other in (("secrets", "env"), ("env", "secrets")):
        for name in found[table]:
            merged[other].pop(name, None)
    for table, members in found.items():
        for name, node in members.items():
            merged[table][name] = _over(merged[table].get(name), node)


def _remove(profile: Node, merged: Tables, errors: list[SecretsExecError]) -> None:
    """Take out what the profile sets to false."""
    for table in ("secrets", "env"):
        for name, node in _members(profile.value.get(table), []).items():
            if _is_removal(node) and merged[table].pop(name, None) is None:
                hint = f"{suggest(name, merged[table])}leave it out"
                errors.append(ManifestError(f"there is no {shown(name)} to remove", where=node.place, hint=hint))


def _is_removal(node: Node) -> bool:
    return node.value is False or (isinstance(node.value, Plain) and node.value == "false")


def _check_head(document: Node, errors: list[SecretsExecError]) -> None:
    errors += unknown(document, TOP, "the manifest")
    version = document.value.get("manifest")
    if version is not None and (isinstance(version.value, bool) or version.value not in (1, "1")):
        errors.append(
            ManifestError("this manifest is of another version", where=version.place, hint="write manifest = 1")
        )


def _tables(node: Node, errors: list[SecretsExecError]) -> Tables:
    """The tables of a manifest, or of a profile of it, without what a profile removes."""
    found = {table: _members(node.value.get(table), errors) for table in TABLES}
    if node.path:
        for table in ("secrets", "env"):
            found[table] = {name: member for name, member in found[table].items() if not _is_removal(member)}
    for name in [name for name in found["secrets"] if name in found["env"]]:
        where = found["env"][name].place
        errors.append(ManifestError(f"{name} stands in [secrets] and in [env]", where=where, hint="keep one of them"))
    return found | {"secrets": {name: _long_form(member) for name, member in found["secrets"].items()}}


def _members(node: Node | None, errors: list[SecretsExecError]) -> dict[str, Node]:
    if node is None:
        return {}
    if isinstance(node.value, dict):
        return node.value
    written = ".".join(map(shown, node.path))
    errors.append(ManifestError(f"'{written}' is no table", where=node.place, hint=f"write [{written}]"))
    return {}


def _long_form(node: Node) -> Node:
    """A secret as a table, or an error; of a short form every coordinate is given, be it as None."""
    if isinstance(node.value, dict):
        return node
    if node.value is False or node.value == "false":  # without a profile
        what = "only a profile can remove a secret with false"
        return node.holding(ManifestError(what, where=node.place, hint="leave the secret out"))
    if not isinstance(node.value, str):
        hint = 'write "PROVIDER://ID" or { provider = ..., id = ... }'
        return node.holding(ManifestError("a secret is a reference or a table", where=node.place, hint=hint))
    try:
        ref = parse(node.value)
    except ManifestError as error:
        return node.holding(error.at(node.place))
    nothing = node.holding(None)
    given = {name: getattr(ref, name) for name in COORDINATES}
    return node.holding({name: nothing if value is None else node.holding(value) for name, value in given.items()})


def _over(base: Node | None, node: Node) -> Node:
    if base is None or not (isinstance(base.value, dict) and isinstance(node.value, dict)):
        return node
    return node.holding(base.value | node.value)
