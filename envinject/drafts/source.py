"""The files of other tools: read with care, parsed to nodes that know their place, and walked without surprises."""

from __future__ import annotations

from ..errors import ManifestError, SecretsExecError
from ..files import drain, read_regular
from ..manifest.document import STANDARD_INPUT, Document, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from ..manifest.document import Path

LARGEST = 1 << 20
_DEEPEST = 100


def read_bytes(path: str) -> bytes:
    """A file, or standard input for `-`. Raises: ManifestError."""
    if path == STANDARD_INPUT:
        try:
            data = drain(0, LARGEST)
        except OSError:
            data = None
        if data is None:
            raise ManifestError("standard input cannot be read, or is larger than 1 MiB", hint="use a pipe")
        return data
    try:
        return read_regular(path, LARGEST)
    except SecretsExecError as error:
        problem = ManifestError(error.what, where=path, hint=error.hint or "name a file, or - for standard input")
    raise problem


def read(path: str) -> list[Node]:
    """The documents of a JSON or YAML file. Raises: ManifestError."""
    name = "standard input" if path == STANDARD_INPUT else path
    data = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise ManifestError("the file is not UTF-8", where=name, hint="save it as UTF-8")
    if text.lstrip()[:1] in ("{", "["):
        return [_json(text, name)]
    from ..manifest.yamltext import parse_documents  # needs an extra

    return [_node(tree, _document(name, lines), ()) for tree, lines in parse_documents(text, name)]


def _json(text: str, name: str) -> Node:
    import json

    from ..manifest.lines import of_json

    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{name}:{error.lineno}:{error.colno}"
    except (ValueError, RecursionError):
        where = name
    else:
        return _node(tree, _document(name, of_json(text) if isinstance(tree, dict) else {}), ())
    raise ManifestError("the file is not valid JSON", where=where, hint="is a comma or a quote missing there?")


def _document(name: str, lines: Mapping[Path, int]) -> Document:
    def line(path: Path) -> int | None:
        return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)

    return Document(name, ".", line)


def _node(value: Any, document: Document, path: Path) -> Node:
    if len(path) > _DEEPEST:
        raise ManifestError("the file is nested too deeply", where=document.name, hint="is this the right file?")
    if isinstance(value, dict):
        value = {str(key): _node(member, document, (*path, str(key))) for key, member in value.items()}
    elif isinstance(value, list):
        value = [_node(member, document, (*path, str(index))) for index, member in enumerate(value)]
    return Node(value, document, path)


# Walking: what is not there, or is something else, is empty


def table(node: Node | None, *steps: str) -> Mapping[str, Node]:
    """The table under some steps."""
    value = _at(node, steps)
    return value if isinstance(value, dict) else {}


def items(node: Node | None, *steps: str) -> Sequence[Node]:
    """The list under some steps."""
    value = _at(node, steps)
    return value if isinstance(value, list) else ()


def text(node: Node | None, *steps: str) -> str:
    """The text under some steps; also a number's."""
    value = _at(node, steps)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def has(node: Node | None, *steps: str) -> bool:
    """Whether there is anything under some steps."""
    return _at(node, steps) not in (None, "", {}, [])


def _at(node: Node | None, steps: Sequence[str]) -> Any:
    for step in steps:
        node = node.value.get(step) if node is not None and isinstance(node.value, dict) else None
    return None if node is None else node.value


def others(node: Node, known: Sequence[str]) -> Iterator[tuple[str, Node]]:
    """The members of a table that nobody has looked at."""
    return ((name, member) for name, member in table(node).items() if name not in known)
