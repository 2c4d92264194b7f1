"""Profiles: which there are, what each inherits, and which tables the chosen one lays over the rest."""

from __future__ import annotations

from ..errors import ManifestError, shown, suggest
from .fields import unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..errors import SecretsExecError
    from .document import Node

    Profiles = Mapping[str, Sequence[Node]]

TABLES = ("providers", "secrets", "env", "options")
KNOWN = ("inherits", *TABLES)


def chosen(documents: Sequence[Node], name: str | None, errors: list[SecretsExecError]) -> list[Node]:
    """The tables of a profile, what it inherits first, and of each profile in the order of the documents.

    Every profile is checked, whether chosen or not; what is wrong goes into `errors`. None chooses no profile.
    """
    profiles = _collected(documents, errors)
    parents = {each: _parent(each, profiles, errors) for each in profiles}
    _tell_circles(parents, profiles, errors)
    if name is None:
        return []
    if name not in profiles:
        where = ", ".join(document.document.name for document in documents)
        problem = f"there is no profile '{shown(name)}'"
        errors.append(ManifestError(problem, where=where, hint=f"{suggest(name, profiles)}{_choices(profiles)}"))
        return []
    return [node for each in reversed(_line(name, parents)) for node in profiles[each]]


def _collected(documents: Sequence[Node], errors: list[SecretsExecError]) -> Profiles:
    profiles: dict[str, list[Node]] = {}
    for document in documents:
        table = document.value.get("profiles")
        if table is None:
            continue
        if not isinstance(table.value, dict):
            errors.append(ManifestError("'profiles' is no table", where=table.place, hint="write [profiles.NAME]"))
            continue
        for name, node in table.value.items():
            if isinstance(node.value, dict):
                errors += unknown(node, KNOWN, "a profile")
                profiles.setdefault(name, []).append(node)
            else:
                hint = f"write [profiles.{shown(name)}.secrets], say"
                errors.append(ManifestError("a profile is a table", where=node.place, hint=hint))
    return profiles


def _parent(name: str, profiles: Profiles, errors: list[SecretsExecError]) -> str | None:
    """What a profile inherits; the last document that says so counts."""
    said = [node.value["inherits"] for node in profiles[name] if "inherits" in node.value]
    if not said:
        return None
    parent = said[-1].value
    if isinstance(parent, str) and parent in profiles:
        return parent
    if isinstance(parent, str):
        what, hint = f"there is no profile '{shown(parent)}'", f"{suggest(parent, profiles)}{_choices(profiles)}"
    else:
        what, hint = "'inherits' is the name of a profile", f'write inherits = "NAME". {_choices(profiles)}'
    errors.append(ManifestError(what, where=said[-1].place, hint=hint))
    return None


def _tell_circles(parents: Mapping[str, str | None], profiles: Profiles, errors: list[SecretsExecError]) -> None:
    told: set[str] = set()
    for name in parents:
        line = _line(name, parents)
        if name not in told and parents[line[-1]] == name:
            told |= {*line}
            circle = " inherits ".join(f"'{shown(each)}'" for each in (*line, name))
            hint = "let one of them inherit nothing, or another one"
            errors.append(ManifestError(f"profiles in a circle: {circle}", where=profiles[name][-1].place, hint=hint))


def _line(name: str, parents: Mapping[str, str | None]) -> list[str]:
    """A profile, what it inherits, what that one inherits, and so on; each once."""
    line: list[str] = []
    each: str | None = name
    while each is not None and each not in line:
        line.append(each)
        each = parents[each]
    return line


def _choices(profiles: Profiles) -> str:
    if not profiles:
        return "the manifest has no profiles"
    return f"The profiles are: {', '.join(map(shown, profiles))}"
