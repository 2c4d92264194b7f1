"""From fetched secrets to variables: key, decoding, default, expansion, and what must not happen on the way."""

from __future__ import annotations

import os

from .environ import KEEP, OVERRIDE, changes_how_programs_run, matches
from .errors import BadValue, Failures, NotFound, SecretsExecError, gathered, shown
from .manifest import Entry
from .providers import CREDENTIAL_NAMES
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from .manifest import Composed, Literal, Manifest
    from .providers.base import Found

    _Lost = dict[str, str | None]
    """Why a secret or a template became nothing; None where that is told as an error of its own."""


SOMEWHERE = "/proc/self/fd/64"
"""The path of a file that is not made, where nothing is started."""


class Injection:
    """One variable of the child: its name, its value, and what in the manifest it comes from.

    `key` is set for a variable that an expansion made; `is_chosen` tells whether the manifest's author, and not
    whoever writes the secret, chose its name; `is_secret` whether any of the value came from a store. Where the value
    becomes a file, `path` is what the variable holds. Nothing of it changes.
    """

    __slots__ = ("is_chosen", "is_secret", "key", "name", "path", "source", "value")  # expansion makes thousands

    def __init__(
        self,
        name: str,
        value: Secret,
        source: Entry | Literal | Composed,
        key: str | None = None,
        is_chosen: bool = True,
        is_secret: bool = True,
        path: str | None = None,
    ) -> None:
        self.name = name
        self.value = value
        self.source = source
        self.key = key
        self.is_chosen = is_chosen
        self.is_secret = is_secret
        self.path = path

    @property
    def text(self) -> Secret:
        """What the variable holds."""
        return self.value if self.path is None else Secret(os.fsencode(self.path))

    @property
    def entry(self) -> Entry | None:
        """The secret that it comes from; None for a literal."""
        return self.source if isinstance(self.source, Entry) else None

    @property
    def where(self) -> str:
        """Where it comes from, for an error; finding the line takes a moment."""
        key = "" if self.key is None else f", key '{shown(self.key)}'"
        return f"{self.source.where}{key}"


def injections(
    manifest: Manifest, found: Found, inherited: Mapping[bytes, bytes], paths: Mapping[str, str] | None = None
) -> list[Injection]:
    """Every variable that the manifest asks for, in its order: secrets, then literals, then templates.

    A template may need what is `inherited`. `paths` are those of files, by their variables; one that is not decided
    yet is told as SOMEWHERE. Raises: Failures, with every problem in the manifest's order, each told of its variable.
    """
    errors: list[SecretsExecError] = []
    made: list[Injection] = []
    lost: _Lost = {}
    refused, grouped = _Refused(manifest), manifest.options.grouped
    for entry in manifest.entries:
        try:
            of_entry = _of_entry(entry, found[entry.target], grouped, lost, paths or {})
        except Failures as failures:
            errors += [error.at(entry.where) for error in failures.errors]
            lost[entry.name] = None
        except SecretsExecError as error:
            errors.append(error.at(entry.where))
            lost[entry.name] = None
        else:
            errors += refused.problems(of_entry)
            made += of_entry
    literals = [Injection(literal.name, literal.value, literal, is_secret=False) for literal in manifest.literals]
    errors += refused.problems(literals)
    made += literals
    errors += _collisions(made)
    if not errors and manifest.templates:
        composed = _composed(manifest.templates, made, inherited, errors, grouped, lost)
        errors += refused.problems(composed)
        errors += _collisions((*made, *composed))
        made += composed
    # A file that a template speaks of has to be there, whatever else is left out.
    only = manifest.only
    wanted = [one for one in made if not only or one.path is not None or is_wanted(one.source.name, only)]
    if grouped:
        from .groups import problems  # only where there are some

        errors += problems(manifest, {one.name for one in wanted}, lost)
    if errors:
        raise Failures(gathered(errors))
    return wanted


def _composed(
    templates: Iterable[Composed],
    made: Iterable[Injection],
    inherited: Mapping[bytes, bytes],
    errors: list[SecretsExecError],
    grouped: Collection[str],
    lost: _Lost,
) -> list[Injection]:
    """What the templates make of the variables before them. One that is `grouped` may be missing."""
    from .template import render

    known = {injection.name: injection for injection in made}
    composed = []
    for template in templates:
        values: dict[str, Secret] = {}
        for name in template.names:
            if name in known:
                values[name] = known[name].text
            elif (given := inherited.get(os.fsencode(name))) is not None:
                values[name] = Secret(given)
            elif template.name in grouped:
                lost[template.name] = f"the template needs {name}, which is not set"
            else:
                what = f"the template needs {name}, which is not set"
                hint = "an optional secret was not found, or an expansion has no such key; give it a default"
                errors.append(NotFound(what, where=template.where, hint=hint))
        if len(values) < len(template.names):
            continue
        try:
            value = render(template.pieces, values)
        except BadValue as error:
            errors.append(error.at(template.where))
            continue
        is_secret = any(name in known and known[name].is_secret and not known[name].path for name in template.names)
        known[template.name] = Injection(template.name, value, template, is_secret=is_secret)
        composed.append(known[template.name])
    return composed


def is_wanted(name: str, only: Collection[str]) -> bool:
    """Whether a name of the manifest is one of those that are injected; `only` are globs, or empty for all."""
    return not only or any(matches(name, glob) for glob in only)


def _of_entry(
    entry: Entry,
    outcome: Secret | SecretsExecError,
    grouped: Collection[str],
    lost: _Lost,
    paths: Mapping[str, str],
) -> list[Injection]:
    """What a secret becomes."""
    path = paths.get(entry.name, SOMEWHERE) if entry.as_file else None
    try:
        value = value_of(entry, outcome)
    except NotFound as error:
        if entry.default is not None:
            return [Injection(entry.name, entry.default, entry, path=path)]
        if entry.required:
            raise
        lost[entry.name] = error.what
        return []
    if entry.expansion is None:
        return [Injection(entry.name, value, entry, path=path)]
    from .expand import expand

    made = expand(value, entry.expansion, required=entry.required, optional=grouped)
    return [Injection(name, value, entry, key, is_listed) for name, key, value, is_listed in made]


def value_of(entry: Entry, outcome: Secret | SecretsExecError) -> Secret:
    """What an entry asks for of the secret that was read for it: its key, decoded. Raises: SecretsExecError."""
    if isinstance(outcome, SecretsExecError):
        raise outcome.at(outcome.where)
    value = outcome if entry.ref.key is None else _member(outcome, entry.ref.key)
    return value if entry.decode is None else _decoded(value)


def _member(secret: Secret, key: str) -> Secret:
    from . import jsontext

    try:
        document = jsontext.parse(secret.reveal())
    except jsontext.NotJSON as error:
        reason = error.args[0]
    else:
        data = jsontext.to_bytes(jsontext.look_up(document, key))
        if data is None:
            what = f"the key '{key}' is null, which counts as not found"
            raise NotFound(what, hint="store a value, or required = false")
        return Secret(data)
    raise BadValue(
        f"no key '{key}' can be in this secret: {reason}",
        hint="leave the key out for the whole value, byte for byte",
    )


def _decoded(secret: Secret) -> Secret:
    from binascii import Error, a2b_base64

    try:
        return Secret(a2b_base64(b"".join(secret.reveal().split()), strict_mode=True))
    except Error:
        pass
    raise BadValue("the value is not base64", hint='leave out decode = "base64", or store it encoded')


class _Refused:
    """What no variable can hold, and names that only the manifest's author may choose."""

    def __init__(self, manifest: Manifest) -> None:
        self._allowed = manifest.options.allow_names
        self._credentials = CREDENTIAL_NAMES | manifest.credential_names

    def problems(self, made: Iterable[Injection]) -> Iterator[BadValue]:
        """What is wrong with injections, in their order."""
        credentials = self._credentials
        for injection in made:
            data, name = injection.value.reveal(), injection.name
            if injection.path is None and (0 in data or not data.isascii()):
                yield from self._of_value(injection, data)
            if injection.key is None:
                continue
            if (name in credentials or changes_how_programs_run(name)) and not self._is_meant(injection):
                hint = "omit it, or name the key in keys or rename and the variable in options.allow_names"
                what = f"the key '{shown(injection.key)}' makes {name}, which changes how programs run"
                yield BadValue(what, where=injection.where, hint=hint)

    def _of_value(self, injection: Injection, data: bytes) -> Iterator[BadValue]:
        """What is wrong with a value that becomes no file: a file holds anything."""
        could_be_file = injection.entry is not None and injection.key is None
        if b"\0" in data:
            mend = 'as = "file" hands the value over as a file' if could_be_file else "store another value"
            hint = f"a variable ends at a NUL byte: {mend}"
            yield BadValue(f"the value of {injection.name} holds a NUL byte", where=injection.where, hint=hint)
        if not (injection.entry and injection.entry.decode) and not _is_text(data):
            as_file = 'as = "file" hands it over as a file; or ' if could_be_file else ""
            hint = f'{as_file}store it as base64 and set decode = "base64"'
            yield BadValue(f"the value of {injection.name} is not UTF-8 text", where=injection.where, hint=hint)

    def _is_meant(self, injection: Injection) -> bool:
        return injection.is_chosen and injection.name in self._allowed


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _collisions(made: Iterable[Injection]) -> Iterator[BadValue]:
    made = list(made)
    if len({injection.name for injection in made}) == len(made):
        return
    first: dict[str, Injection] = {}
    for injection in made:
        if (other := first.setdefault(injection.name, injection)) is not injection:
            where = f"{other.where}; {injection.where}"
            yield BadValue(f"{injection.name} would be set twice", where=where, hint="rename or omit one of them")


def put(made: Iterable[Injection], inherited: Mapping[bytes, bytes], on_conflict: str) -> dict[bytes, bytes]:
    """The child's environment: what it inherits, and what is injected, each name once.

    `on_conflict` decides on a name that is both. Raises: Failures (BadValue) when that is an error.
    """
    environ = dict(inherited)
    errors: list[SecretsExecError] = []
    for injection in made:
        name = injection.name.encode()
        if name not in inherited or on_conflict == OVERRIDE:
            environ[name] = injection.text.reveal()
        elif on_conflict != KEEP:
            what = f"{injection.name} is in the inherited environment already"
            errors.append(BadValue(what, where=injection.where, hint="unset it, or --on-conflict override or keep"))
    if errors:
        raise Failures(errors)
    return environ
