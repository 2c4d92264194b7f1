"""Expansion: one JSON object becomes several variables. Knows names and values, nothing of stores."""

from __future__ import annotations

from itertools import repeat

from . import jsontext
from .environ import LONGEST_NAME, is_glob, is_name, matches
from .errors import BadValue, Failures, NotFound, shown
from .record import Record
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
    from typing import Any

    from .errors import SecretsExecError
    from .jsontext import Json

    Variable = tuple[str, str, Secret, bool]
    """One variable of an expansion: its name, the key that it came from, its value, whether it is listed.

    It is where the manifest names the key in `keys` or `rename`, with no glob: only then has the manifest's author,
    and not whoever writes the secret, chosen the name.
    """

CASES = ("upper", "keep")
NESTED = ("json", "flatten", "error")
"""What `case` and `nested` may be; the first is the default."""

_FREE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


class Expansion(Record):
    """How keys become names: `prefix` and `case`, `keys` (only these) without `omit`, `rename` to full names.

    `keys` and `omit` are keys or globs of keys. `nested` says what a nested object or array becomes: compact JSON,
    more names, or an error.
    """

    prefix: str
    case: str = "upper"
    keys: tuple[str, ...] | None = None
    omit: tuple[str, ...] = ()
    rename: Mapping[str, str] | None = None
    nested: str = "json"

    def may_make(self, name: str) -> bool:
        """Whether a variable of that name may come out: that depends on the secret's keys."""
        return name.startswith(self.prefix) or name in (self.rename or {}).values()


def expand(
    secret: Secret, expansion: Expansion, *, required: bool = True, optional: Collection[str] = ()
) -> list[Variable]:
    """The variables of a JSON object, in its order.

    `null` counts as not found, which stops unless `required` is false, or the variable is among the `optional` ones.
    Raises: Failures (BadValue, NotFound), all of them at once.
    """
    document = _document(secret)
    plain = _plain(document, expansion)
    if plain is not None:
        return plain
    asked = _asked(expansion)
    errors: list[SecretsExecError] = list(_missing(asked, document, expansion, optional)) if required else []
    variables: list[Variable] = []
    for top, key, name, value in _members(document, expansion):
        try:
            data = _data(name, key, value, expansion.nested)
            is_listed = asked.get(key) is False and key == top
            variables.append((name, key, Secret(data), is_listed))
        except NotFound as error:
            errors += [error] if required and name not in optional else []
        except BadValue as error:
            errors.append(error)
    if len({name for name, *_ in variables}) < len(variables):
        errors += _collisions(variables)
    if errors:
        raise Failures(errors)
    return variables


def _document(secret: Secret) -> dict[str, Json]:
    try:
        document = jsontext.parse(secret.reveal())
    except jsontext.NotJSON as error:
        reason = error.args[0]
    else:
        if isinstance(document, dict):
            return document
        reason = f"it is {jsontext.kind(document)}"
    raise Failures([BadValue(f"this secret cannot be expanded: {reason}", hint="only a JSON object expands")])


def _plain(document: dict[str, Json], expansion: Expansion) -> list[Variable] | None:
    """All variables, where every key is chosen and fits into a name, and every value is a plain text; else None.

    A secret is so most often, and one call for all keys takes a fraction of the time of one for each.
    """
    texts: list[Any] = list(document.values())
    prefix = expansion.prefix
    if expansion.keys is not None or expansion.omit or expansion.rename or not is_name(prefix):
        return None
    if not {str}.issuperset(map(type, texts)) or not all(map(str.isascii, texts)):
        return None
    joined = "\n".join(document)
    if not joined.isascii() or not ("_" + joined.replace("\n", "_")).isidentifier():
        return None
    cased = joined.upper() if expansion.case == "upper" else joined
    names = (prefix + cased.replace("\n", f"\n{prefix}")).split("\n")
    if not len(set(names)) == len(names) == len(texts) or max(map(len, names)) > LONGEST_NAME:
        return None
    secrets = map(Secret, map(str.encode, texts))
    return list(zip(names, document, secrets, repeat(False), strict=False))


def _asked(expansion: Expansion) -> dict[str, bool]:
    """What the manifest asks for, in its order, and whether that is a glob. What `rename` names never is one."""
    asked = {key: is_glob(key) for key in expansion.keys or ()}
    return asked | dict.fromkeys(expansion.rename or (), False)


def _missing(
    asked: Mapping[str, bool], document: dict[str, Json], expansion: Expansion, optional: Collection[str]
) -> Iterator[NotFound]:
    for key, is_a_glob in asked.items():
        if is_a_glob and not any(matches(each, key) for each in document):
            yield NotFound(f"no key of this secret matches '{shown(key)}'", hint=jsontext.listing(key, document))
        elif not is_a_glob and key not in document and not (optional and _name(key, expansion) in optional):
            yield NotFound(f"no key '{key}' in this secret", hint=jsontext.listing(key, document))


def chooser(listed: Iterable[str]) -> Callable[[str], bool]:
    """Tells whether a key is one of those that are listed, or matches one that is a glob."""
    globs = [each for each in listed if is_glob(each)]
    plain = {each for each in listed if not is_glob(each)}
    return lambda key: key in plain or any(matches(key, glob) for glob in globs)


def _members(document: dict[str, Json], expansion: Expansion) -> Iterator[tuple[str, str, str, Json]]:
    """Each key of the object with the keys, names and values that it comes out as."""
    for top, value in _chosen(document, expansion).items():
        name = _name(top, expansion)
        if expansion.nested == "flatten" and isinstance(value, (dict, list)):
            for key, longer, member in _flat(top, name, value, expansion.case):
                yield top, key, longer, member
        else:
            yield top, top, name, value


def _chosen(document: dict[str, Json], expansion: Expansion) -> dict[str, Json]:
    if expansion.keys is None and not expansion.omit:
        return document
    is_omitted, is_chosen = chooser(expansion.omit), chooser(expansion.keys or ())
    return {
        key: value
        for key, value in document.items()
        if not is_omitted(key) and (expansion.keys is None or is_chosen(key))
    }


def _name(key: str, expansion: Expansion) -> str:
    if expansion.rename and key in expansion.rename:
        return expansion.rename[key]
    return expansion.prefix + _name_part(key, expansion.case)


def _flat(key: str, name: str, value: Json, case: str) -> Iterator[tuple[str, str, Json]]:
    # A name that is too long already ends it too: the secret may be nested deeper than we can go.
    if not isinstance(value, (dict, list)) or not value or len(name) > LONGEST_NAME:
        yield key, name, value
        return
    members = value.items() if isinstance(value, dict) else ((str(i), v) for i, v in enumerate(value))
    for step, member in members:
        yield from _flat(f"{key}/{step}", f"{name}_{_name_part(step, case)}", member, case)


def _name_part(key: str, case: str) -> str:
    is_free = key.isascii() and key.isidentifier()
    part = key if is_free else "".join(c if c in _FREE else "_" for c in key)
    return part.upper() if case == "upper" else part


def _data(name: str, key: str, value: Json, nested: str) -> bytes:
    if nested == "error" and isinstance(value, (dict, list)):
        what = f"the key '{shown(key)}' holds {jsontext.kind(value)}"
        raise BadValue(what, hint='omit it, or set nested = "json" or "flatten"')
    if not is_name(name):
        what = f"the key '{shown(key)}' makes '{shown(name)}', which is no variable name"
        raise BadValue(what, hint="rename or omit it")
    data = jsontext.to_bytes(value)
    if data is None:
        what = f"the key '{shown(key)}' is null, which counts as not found"
        raise NotFound(what, hint="omit it, or required = false")
    return data


def _collisions(variables: list[Variable]) -> Iterator[BadValue]:
    first: dict[str, Variable] = {}
    for variable in variables:
        name, key, _, _ = variable
        if (other := first.setdefault(name, variable)) is not variable:
            yield BadValue(f"the keys '{shown(other[1])}' and '{shown(key)}' both make {name}", hint="rename one")
