"""Templates: text with `${NAME}` in it becomes a value, byte for byte, each part in the form that its place needs."""

from __future__ import annotations

from .environ import is_name
from .errors import BadValue, ManifestError, shown, suggest
from .record import Record
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMS = ("url", "json", "base64", "shell")
"""Percent-encoded, a JSON string with its quotes, base64, one word for a POSIX shell."""

_AS_IT_IS = ""
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986, 2.3


class Part(Record):
    """A place in a template: whose value stands there, and in which form."""

    name: str
    form: str = _AS_IT_IS


def parse(text: str) -> tuple[str | Part, ...]:
    """The pieces of a template. `$$` is a dollar. Raises: ManifestError."""
    pieces: list[str | Part] = []
    plain, dollar, rest = text.partition("$")
    while dollar:
        if rest.startswith("$"):
            plain, rest = f"{plain}$", rest[1:]
        else:
            inside, brace, after = rest[1:].partition("}")
            if not (rest.startswith("{") and brace):
                raise ManifestError("a '$' in a template begins no ${NAME}", hint="write $$ for a dollar")
            pieces += [plain, _part(inside)]
            plain, rest = "", after
        more, dollar, rest = rest.partition("$")
        plain += more
    return tuple(piece for piece in (*pieces, plain) if piece)


def _part(inside: str) -> Part:
    name, colon, form = inside.partition(":")
    if not is_name(name):
        hint = "write ${NAME}, or ${NAME:url}, and $$ for a dollar"
        raise ManifestError(f"'{shown(name)}' in a template is no variable name", hint=hint)
    if colon and form not in FORMS:
        hint = f"{suggest(form, FORMS)}The forms are: {', '.join(FORMS)}"
        raise ManifestError(f"a template has no form '{shown(form)}'", hint=hint)
    return Part(name, form)


def render(pieces: Sequence[str | Part], values: Mapping[str, Secret]) -> Secret:
    """The value of a template. Every name must have one. Raises: BadValue, for JSON of what is no text."""
    return Secret(b"".join(piece.encode() if isinstance(piece, str) else _formed(piece, values) for piece in pieces))


def _formed(part: Part, values: Mapping[str, Secret]) -> bytes:
    data = values[part.name].reveal()
    if part.form == "url":
        return b"".join(bytes((byte,)) if byte in _UNRESERVED else b"%%%02X" % byte for byte in data)
    if part.form == "base64":
        from binascii import b2a_base64

        return b2a_base64(data, newline=False)
    if part.form == "shell":
        return b"'" + data.replace(b"'", b"'\"'\"'") + b"'"
    return _as_json(part.name, data) if part.form == "json" else data


def _as_json(name: str, data: bytes) -> bytes:
    from .jsontext import compact

    try:
        return compact(data.decode()).encode()
    except UnicodeDecodeError:
        pass
    raise BadValue(f"the value of {name} is not UTF-8 text, so it is no JSON", hint=f"write ${{{name}:base64}}")
