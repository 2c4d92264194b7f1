"""A manifest that is being begun: its stores, variables and profiles, what is not carried over, and its TOML.

What nobody knows yet is left for its author in a form that `check` tells of: a type `TODO`, an empty id.
"""

from __future__ import annotations

import os

from ..environ import changes_how_programs_run, is_name
from ..errors import SystemRefused, UsageError, shown
from ..log import counted, printable
from ..providers import CREDENTIAL_NAMES, TYPES
from ..record import Record
from ..reference import is_provider_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

SHAPE = 1
"""The version of the JSON of `report`."""

UNKNOWN_TYPE = "TODO"
STANDARD_OUTPUT = "-"
_SUFFIX = ".toml"
_MODE = 0o644
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


class Loss(Record):
    """Something that is not as it was: what, where it stood, and what to do about it."""

    what: str
    where: str
    hint: str


class Part:
    """The variables of the manifest itself, or of one of its profiles: `secrets` by their fields, names of literals."""

    def __init__(self) -> None:
        self.secrets: dict[str, Mapping[str, Any]] = {}
        self.literals: list[str] = []


class Draft:
    """Filled step by step. `source` is the file that it is made from, `form` what kind of file that is."""

    def __init__(self, source: str, form: str) -> None:
        self.source = source
        self.form = form
        self.stores: dict[str, tuple[str, str]] = {}
        self.top = Part()
        self.profiles: dict[str, Part] = {}
        self.losses: list[Loss] = []

    def lose(self, what: str, where: str, hint: str) -> None:
        """Note something that is not carried over."""
        self.losses.append(Loss(f"not carried over: {what}", where, hint))

    def store(self, name: str, kind: str = UNKNOWN_TYPE, note: str = "") -> str:
        """Declare a store, once, and give the name that it has here; `note` says what it was."""
        free = name if is_provider_name(name) else f"store-{_plain(name)}"[:64]
        known = self.stores.get(free)
        if known is None or (note and not known[1]):
            self.stores[free] = (kind, note)
        return free

    def profile(self, name: str) -> Part:
        """The profile of that name."""
        return self.profiles.setdefault(name, Part())

    def add(self, name: str, fields: Mapping[str, Any], where: str, part: Part | None = None) -> None:
        """A secret under a name that a variable may have, or a loss where that cannot be."""
        part = part or self.top
        name = self._name(name, where)
        if not name:
            return
        if name in part.secrets and dict(part.secrets[name]) != dict(fields):
            self.lose(f"another secret for {name}, which stands there twice", where, "give one another name")
            return
        part.secrets[name] = fields

    def add_literal(self, name: str, where: str, part: Part | None = None) -> None:
        """A variable whose value stands in the source, where it stays."""
        part = part or self.top
        name = self._name(name, where)
        if name and name not in part.literals:
            part.literals.append(name)
            hint = "write it into [env], or into a store if it is a secret"
            self.lose(f"the value of {name}, since it may be a secret", where, hint)

    def _name(self, name: str, where: str) -> str:
        free = name if is_name(name) else _plain(name).upper()
        if not is_name(free):
            self.lose(f"'{shown(name)}', which can be no variable's name", where, "give it another name")
            return ""
        if changes_how_programs_run(free) or free in CREDENTIAL_NAMES:
            what = f"{free}, which changes how programs run or is a provider's credential"
            self.lose(what, where, "set it where the command is started")
            return ""
        if free != name:
            hint = "a variable's name has letters, digits and '_'"
            self.losses.append(Loss(f"'{shown(name)}' is called {free} here", where, hint))
        return free

    # What came of it

    def report(self, output: str) -> dict[str, Any]:
        """What was carried over and what was not. Keys: `shape`, `source`, `form`, `output`, `profiles`, `variables`
        (profile, name and the fields of the secret), `left_out` (message, where, hint).
        """
        parts: list[tuple[str | None, Part]] = [(None, self.top), *self.profiles.items()]
        return {
            "shape": SHAPE,
            "source": self.source,
            "form": self.form,
            "output": output,
            "profiles": list(self.profiles),
            "variables": [
                {"profile": profile, "name": name, **fields}
                for profile, part in parts
                for name, fields in part.secrets.items()
            ],
            "left_out": [{"message": one.what, "where": one.where, "hint": one.hint} for one in self.losses],
        }

    def toml(self) -> str:
        """The manifest."""
        lines = [
            f"# Made by secrets-exec from {printable(self.source)}. No value was carried over.",
            "# To do: each type TODO, each empty id. `secrets-exec check` tells what is left.",
            "",
            "manifest = 1",
        ]
        for name, (kind, note) in self.stores.items():
            choices = f"# one of: {', '.join(TYPES)}" if kind == UNKNOWN_TYPE else ""
            lines += ["", f"[providers.{_key(name)}]", f"type = {_text(kind)}  {choices}".rstrip()]
            lines[-1:-1] = [f"# {printable(note)}"] if note else []
        lines += _part(self.top, "")
        for name, part in self.profiles.items():
            header = f"profiles.{_key(name)}"
            lines += [] if part.secrets or part.literals else ["", f"[{header}]"]
            lines += _part(part, f"{header}.")
        lines += ["", "# Not as it was:"] if self.losses else []
        lines += (f"# - {printable(one.where)}: {printable(one.what)}" for one in self.losses)
        return "\n".join(lines) + "\n"


def checked_output(path: str | None) -> str:
    """Where the manifest goes: a file that is not there yet, or `-`. Raises: UsageError."""
    path = path or f"secrets{_SUFFIX}"
    if path == STANDARD_OUTPUT:
        return path
    if not path.endswith(_SUFFIX):
        raise UsageError("a manifest is made in TOML", hint=f"--output takes a name that ends in {_SUFFIX}, or -")
    if os.path.lexists(path):
        hint = "--output FILE writes another one, --output - to standard output"
        raise UsageError("the manifest is there already, and is not written over", where=path, hint=hint)
    return path


def create(path: str, text: str) -> None:
    """Write a new file. Raises: UsageError when it is there by now, SystemRefused."""
    is_ours = False
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
        is_ours = True
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    else:
        return
    if is_ours:
        os.unlink(path)  # half a manifest is none
    else:
        checked_output(path)
    raise SystemRefused(f"the manifest cannot be written: {reason}", where=path, hint="--output FILE names another")


def _part(part: Part, prefix: str) -> Iterator[str]:
    if part.secrets:
        yield from ("", f"[{prefix}secrets]")
        yield from (f"{name} = {_secret(fields)}" for name, fields in part.secrets.items())
    if part.literals:
        yield from ("", f"[{prefix}env]")
        yield from (f'# {name} = ""' for name in part.literals)


def _secret(fields: Mapping[str, Any]) -> str:
    return f"{{ {', '.join(f'{_key(name)} = {_value(value)}' for name, value in fields.items())} }}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _secret(value)


def _key(name: str) -> str:
    return name if name and _BARE.issuperset(name) else _text(name)


def _text(text: str) -> str:
    """A TOML string in printable ASCII."""
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isascii() and character.isprintable():
        return character
    if 0xD800 <= ord(character) < 0xE000:  # half a pair, which TOML cannot hold
        return "?"
    return f"\\u{ord(character):04X}" if ord(character) < 1 << 16 else f"\\U{ord(character):08X}"


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in name)


def told(draft: Draft, output: str) -> str:
    """One line: what was written, and what is left to do."""
    parts: Iterable[Part] = (draft.top, *draft.profiles.values())
    count = sum(len(part.secrets) for part in parts)
    lost = len(draft.losses)
    left = f"; {counted(lost, 'thing')} {'is not as it was' if lost == 1 else 'are not as they were'}" if lost else ""
    return f"wrote {output}: {counted(count, 'secret')}{left}; secrets-exec check -f {output} tells what to fill in"
