"""A dotenv file: `#KEY` picks one variable, without it the file is one object that can be expanded.

python-dotenv reads the syntax, but for plain lines, which are read without it. Its interpolation of `${X}` is off: a
value is what stands there.
"""

from __future__ import annotations

from .. import jsontext
from ..errors import BadValue
from ..secret import Secret
from .base import Provider, ReadFile, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reference import SecretRef
    from .base import Flow, Found


class Dotenv(Provider):
    """Reads regular files of at most 1 MiB."""

    type = "dotenv"
    about = "a dotenv file"

    def target(self, ref: SecretRef, folder: str) -> SecretRef:
        return super().target(absolute(ref, folder), folder)

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """One file each; a name that is set twice has its last value, as everywhere with dotenv files."""
        (ref,) = refs
        data: bytes = yield ReadFile(ref.id)
        return {ref: Secret(jsontext.compact({**parse(data)}).encode("utf-8"))}


def parse(data: bytes) -> dict[str, str | None]:
    """The variables of a dotenv file; None for a name without `=`.

    Raises: BadValue with the line's number, when the file is no UTF-8 or no dotenv file.
    """
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise BadValue("the dotenv file is not UTF-8")
    plain = _plain(text)
    return _by_library(text) if plain is None else plain


def _plain(text: str) -> dict[str, str | None] | None:
    """The variables of a file of blank lines, comments, and `NAME=VALUE` without escapes; None for any other."""
    found: dict[str, str | None] = {}
    for line in text.split("\n"):
        line = line.strip(" ")
        if not line.isprintable():
            return None
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.removeprefix("export ").partition("=")
        if not (equals and name.isascii() and name.isidentifier()):
            return None
        if value[:1] in ("'", '"'):
            quote, value, end = value[0], value[1:-1], value[1:][-1:]
            if end != quote or quote in value or "\\" in value:
                return None
        elif "#" in value or value.startswith(" "):
            return None
        found[name] = value
    return found


def _by_library(text: str) -> dict[str, str | None]:
    import io

    from dotenv.parser import parse_stream  # costs 30 ms

    bindings = list(parse_stream(io.StringIO(text)))
    for binding in bindings:
        if binding.error:
            raise BadValue(f"line {binding.original.line} of the dotenv file is no NAME=VALUE", hint="mend that line")
    return {binding.key: binding.value for binding in bindings if binding.key is not None}
