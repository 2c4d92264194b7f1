"""The manifest: which variables come from where. It never holds a secret value.

`load` reads the files, puts later over earlier, and checks everything before anything is fetched.
"""

from __future__ import annotations

import os

from .. import providers
from ..errors import Failures, ManifestError, SecretsExecError
from ..files import working_folder
from ..reference import is_reference
from .document import Document, Node, read
from .merge import merge
from .model import TMPFS, Composed, Entry, Literal, Manifest, OneOf, Options
from .reader import Reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from .merge import Tables

__all__ = [
    "DEFAULT_FILES",
    "ENVIRONMENT",
    "TMPFS",
    "Composed",
    "Entry",
    "Literal",
    "Manifest",
    "OneOf",
    "Options",
    "load",
    "load_reference",
]

REFERENCE = "the command line"
"""The place of a reference that is asked for alone."""

SET = "--set"
"""The place whose variables are references, every one: what it names and nobody knows is an error, no literal."""

ENVIRONMENT = "the environment"
"""The place whose variables count where nothing else sets them; one of a provider that nobody knows stays as it is."""

DEFAULT_FILES = ("secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json")


def load(
    files: Sequence[str],
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    variables: Mapping[str, Mapping[str, str]] | None = None,
    allowed_hosts: Collection[str] = (),
    warn: Callable[[str, str], None],
) -> Manifest:
    """Read the manifest files, or the one of the current folder when none is named; later wins.

    `variables` come from elsewhere, by where that is: a value that is a reference of a known provider is a
    secret, any other a literal. They go over the files and over the `profile` that was chosen, but those of
    ENVIRONMENT, which lie beneath. `environ` is the launcher's. `warn(what, hint)` tells of what does not stop the
    start. Raises: Failures, with every ManifestError there is.
    """
    documents = _documents(files or _found(required=not variables), warn)
    errors: list[SecretsExecError] = []
    known = {*providers.TYPES}.union(*(_provider_names(document, profile) for document in documents))
    found = {place: _document(place, given, known) for place, given in (variables or {}).items()}
    inherited = found.pop(ENVIRONMENT, None)
    tables = merge(documents, errors, profile=profile, beside=list(found.values()))
    if inherited is not None:
        _lay_beneath(tables, merge([], errors, beside=[inherited]))
    elsewhere = _all_names(documents) if "required_one_of" in tables["options"] else ()
    manifest = Reader(environ, allowed_hosts, errors).manifest(tables, profile, elsewhere)
    return manifest.replace(sources=tuple(document.document for document in documents))


def _lay_beneath(tables: Tables, inherited: Tables) -> None:
    for name, node in inherited["secrets"].items():
        if name not in tables["env"]:
            tables["secrets"].setdefault(name, node)


def load_reference(
    reference: str,
    files: Sequence[str],
    environ: Mapping[str, str],
    *,
    profile: str | None = None,
    allowed_hosts: Collection[str] = (),
    warn: Callable[[str, str], None],
) -> Manifest:
    """A manifest that asks for that reference alone, with the providers and options of the files, if there are any.

    Raises: Failures, with every ManifestError there is.
    """
    errors: list[SecretsExecError] = []
    documents = _documents(files or _found(required=False), warn)
    tables = merge(documents, errors, profile=profile)
    alone = merge([], errors, beside=[_document(REFERENCE, {"REF": reference}, ())])
    tables |= {"secrets": alone["secrets"], "env": {}}
    manifest = Reader(environ, allowed_hosts, errors).manifest(tables, profile)
    return manifest.replace(sources=tuple(document.document for document in documents))


def _documents(files: Sequence[str], warn: Callable[[str, str], None]) -> list[Node]:
    documents: list[Node] = []
    errors: list[SecretsExecError] = []
    for file in files:
        try:
            documents.append(read(file, warn=warn))
        except ManifestError as error:
            errors.append(error)
    if errors:
        raise Failures(errors)
    return documents


def _found(*, required: bool) -> list[str]:
    found = [name for name in DEFAULT_FILES if os.path.lexists(name)][:1]
    if required and not found:
        where = f"{working_folder()}: none of {', '.join(DEFAULT_FILES)}"
        problem = ManifestError("there is no manifest", where=where, hint="-f FILE or SECRETS_EXEC_MANIFEST names one")
        raise Failures([problem])
    return found


def _provider_names(document: Node, profile: str | None) -> Collection[str]:
    """What a document, and any of its profiles where one is chosen, calls a provider."""
    profiles = document.value.get("profiles") if profile is not None else None
    of_profiles = profiles.value.values() if profiles and isinstance(profiles.value, dict) else ()
    names: set[str] = set()
    for node in (document, *of_profiles):
        declared = node.value.get("providers") if isinstance(node.value, dict) else None
        names.update(declared.value if declared and isinstance(declared.value, dict) else ())
    return names


def _all_names(documents: Sequence[Node]) -> Collection[str]:
    """Every variable that a document or a profile of it speaks of, also one that is not in effect."""
    names: set[str] = set()
    for document in documents:
        profiles = document.value.get("profiles")
        of_profiles = profiles.value.values() if profiles and isinstance(profiles.value, dict) else ()
        for node in (document, *of_profiles):
            tables = [node.value.get(name) for name in ("secrets", "env")] if isinstance(node.value, dict) else []
            names.update(*(table.value for table in tables if table and isinstance(table.value, dict)))
    return names


def _document(place: str, variables: Mapping[str, str], known: Collection[str]) -> Node:
    source = Document(place, working_folder(), lambda _path: None)
    tables: dict[str, dict[str, Node]] = {"secrets": {}, "env": {}}
    for name, value in variables.items():
        is_known = is_reference(value) and value.partition("://")[0] in known
        if place == ENVIRONMENT and not is_known:
            continue
        table = "secrets" if is_known or place in (SET, REFERENCE) else "env"
        tables[table][name] = Node(value, source, (table, name))
    return Node({table: Node(members, source, (table,)) for table, members in tables.items()}, source)
