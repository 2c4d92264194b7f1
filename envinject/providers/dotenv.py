"""A dotenv file: `#KEY` picks one variable, without it the file is one object that can be expanded.

python-dotenv reads the syntax. Its interpolation of `${X}` is off: a value is what stands there.
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
    import io

    from dotenv.parser import parse_stream  # costs 30 ms, needed only for dotenv files

    try:
        bindings = list(parse_stream(io.StringIO(data.decode("utf-8-sig"))))
    except UnicodeDecodeError:
        bindings = None
    if bindings is None:
        raise BadValue("the dotenv file is not UTF-8")
    for binding in bindings:
        if binding.error:
            raise BadValue(f"line {binding.original.line} of the dotenv file is no NAME=VALUE", hint="mend that line")
    return {binding.key: binding.value for binding in bindings if binding.key is not None}
