"""A manifest from the names of a dotenv file or of the environment, and from what a person answers."""

from __future__ import annotations

import os

from ..environ import OWN, changes_how_programs_run, is_name
from ..errors import ManifestError, SecretsExecError
from ..providers import CREDENTIAL_NAMES, TYPES
from ..reference import parse
from .draft import UNKNOWN_TYPE, Draft
from .source import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Choose = Callable[[str, Sequence[str]], str]
    Ask = Callable[[str], str]

STORE = "store"
"""What the one store is called until its author knows better."""

LEAVE_OUT = "-"

_OF_THE_SYSTEM = frozenset(
    """
    COLORTERM COLUMNS DEBIAN_FRONTEND DESKTOP_SESSION DISPLAY EUID GROUPS HOST HOSTNAME HOSTTYPE INFOPATH
    INVOCATION_ID JOURNAL_STREAM LANG LANGUAGE LINES LS_COLORS MACHTYPE MAIL MANPATH NOTIFY_SOCKET OLDPWD OSTYPE PWD
    SHLVL TZ UID USERNAME VIRTUAL_ENV VIRTUAL_ENV_PROMPT WAYLAND_DISPLAY WINDOWID _ container
    """.split()
)
_OF_THE_SYSTEM_STARTS = tuple(
    "CONDA_ DBUS_ GNOME_ GPG_ GTK_ HIST KDE_ KUBERNETES_ LC_ NVM_ PYENV_ QT_ SSH_ SUDO_ SYSTEMD_ VTE_ XDG_".split()
)


def from_dotenv(path: str) -> Draft:
    """The names in a dotenv file, or in standard input for `-`; each may be a key of one secret.

    Raises: ManifestError.
    """
    from ..providers.dotenv import parse as parse_dotenv

    source = "standard input" if path == "-" else path
    data = read_bytes(path)
    try:
        found = parse_dotenv(data)
    except SecretsExecError as error:
        problem = ManifestError(error.what, where=source, hint=error.hint or "save it as UTF-8")
    else:
        draft = Draft(source, "dotenv")
        draft.store(STORE)
        for name in _assigned(found, draft):
            draft.add(name, {"provider": STORE, "id": "", "key": name}, source)
        return draft
    raise problem


def from_environment(given: Mapping[bytes, bytes]) -> Draft:
    """The names in the environment, without those that the system and the shell set."""
    draft = Draft("the environment", "environment")
    draft.store(STORE)
    for name in sorted(_names(given)):
        draft.add(name, {"provider": STORE, "id": ""}, draft.source)
    return draft


def ask(draft: Draft, choose: Choose, ask: Ask) -> None:
    """Have a person say which provider has the secrets, and the id of each; what is not said is left to fill in."""
    later = "later"
    kind = choose("Which provider holds the secrets", (*TYPES, later))
    store = STORE if kind == later else kind
    draft.stores = {STORE: (UNKNOWN_TYPE, "")} if kind == later else {}
    for name in list(draft.top.secrets):
        fields = _asked(name, store, ask)
        if fields is None:
            del draft.top.secrets[name]
        else:
            draft.top.secrets[name] = fields


def _asked(name: str, store: str, ask: Ask) -> Mapping[str, str] | None:
    """The fields of one secret; None where it is left out. Asks again for what makes no sense."""
    again = ""
    while True:
        text = ask(f"{again}{name}: ID or ID#KEY (empty: later; {LEAVE_OUT}: leave it out)")
        if text in ("", LEAVE_OUT):
            return {"provider": store, "id": ""} if not text else None
        try:
            ref = parse(f"{store}://{text}")
        except ManifestError as error:
            again = f"{error.what}. "
            continue
        fields = {field: getattr(ref, field) for field in ref._fields}
        return {field: value for field, value in fields.items() if value is not None}


def _assigned(found: Mapping[str, str | None], draft: Draft) -> list[str]:
    """The names, and nothing that may be a line of a value that somebody has not put in quotes.

    Raises: ManifestError when there is such a line.
    """
    if any(value is None and not is_name(name) for name, value in found.items()):
        hint = "a value of several lines stands in quotes"
        raise ManifestError("a line of the dotenv file is no NAME=VALUE", where=draft.source, hint=hint)
    for what, count in (
        ("lines without '='", sum(value is None for value in found.values())),
        ("names that no variable can have", sum(not is_name(name) for name in found)),
    ):
        if count:
            draft.lose(f"{count} {what}", draft.source, "mend them there first")
    return [name for name, value in found.items() if value is not None and is_name(name)]


def _names(given: Mapping[bytes, bytes]) -> Iterable[str]:
    for name in map(os.fsdecode, given):
        is_systems = name in _OF_THE_SYSTEM or name.startswith((*_OF_THE_SYSTEM_STARTS, OWN.decode()))
        if is_name(name) and not (is_systems or changes_how_programs_run(name) or name in CREDENTIAL_NAMES):
            yield name
