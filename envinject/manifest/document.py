"""One manifest file, read and parsed to nodes that know where they stand. Knows formats, not what is in them."""

from __future__ import annotations

import os
import stat
import sys

from ..errors import Failures, ManifestError, NotFound, SecretsExecError
from ..files import read_regular
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Path = tuple[str, ...]

LARGEST = 1 << 20
DEEPEST = 32
STANDARD_INPUT = "-"


class Document(Record):
    """A file and how its lines are found: `line(path)` is called only to tell an error.

    `folder` is what relative paths in it are seen from.
    """

    name: str
    folder: str
    line: Callable[[Path], int | None]


class Plain(str):
    """A YAML scalar without quotes: text where text is meant, else a number or true or false."""

    __slots__ = ()


class Node(Record):
    """A value of a document, and where it stands. A table is a dict of nodes, an array a list of nodes."""

    value: Any
    document: Document
    path: Path = ()

    @property
    def place(self) -> str:
        """The file, the line where it is known, and the key path."""
        line = self.document.line(self.path)
        file = self.document.name if line is None else f"{self.document.name}:{line}"
        return f"{file}, {'.'.join(self.path)}" if self.path else file


def read(path: str, *, warn: Callable[[str, str], None]) -> Node:
    """Read a manifest file, or standard input for `-`, by the format that its name says.

    `warn(what, hint)` is told of a file that anybody may change.
    Raises: ManifestError, Failures.
    """
    if path == STANDARD_INPUT:
        return parse(_standard_input(), "toml", "standard input", os.getcwd())
    form = {".toml": "toml", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}.get(os.path.splitext(path)[1])
    if form is None:
        raise ManifestError(
            "the manifest's format is not told by its name",
            where=path,
            hint="name it .toml, .json, .yaml or .yml",
        )
    try:
        data = read_regular(path, LARGEST)
    except NotFound:
        problem = ManifestError("there is no such manifest", where=path, hint="write one: see the README, or -f FILE")
    except SecretsExecError as error:
        problem = ManifestError(error.what, where=path, hint=error.hint or "a manifest is a file; -f - reads a pipe")
    else:
        if os.stat(path).st_mode & stat.S_IWOTH:
            warn(f"anybody on this machine may change the manifest {path}", f"chmod o-w {path}")
        return parse(data, form, path, os.path.dirname(os.path.abspath(path)))
    raise problem


def parse(data: bytes, form: str, name: str, folder: str) -> Node:
    """The nodes of a manifest's bytes. Raises: ManifestError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"{name}:{line}"
    else:
        if form == "toml":
            return _toml(text, name, folder)
        if form == "json":
            return _json(text, name, folder)
        from .yamltext import parse_yaml  # needs an extra

        tree, lines = parse_yaml(text, name)
        return _nodes(tree, Document(name, folder, lambda path: _nearest(lines, path)))
    raise ManifestError("the manifest is not UTF-8", where=where, hint="save it as UTF-8")


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise ManifestError("standard input is closed", where="-", hint="hand the manifest over by a pipe")
    data = b""
    while len(data) <= LARGEST and (part := os.read(0, 1 << 16)):
        data += part
    if len(data) > LARGEST:
        raise ManifestError("the manifest is larger than 1 MiB", where="standard input")
    return data


def _toml(text: str, name: str, folder: str) -> Node:
    import tomllib

    from . import lines

    if (line := lines.overlong_key(text)) is not None:
        raise ManifestError("a key has too many parts", where=f"{name}:{line}", hint="is this a manifest?")
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line, column = lines.toml_error(str(error), text)
    except (ValueError, RecursionError):  # a date that does not exist; arrays in arrays without end
        what, line, column = "a value is out of bounds or nested too deeply", None, None
    else:
        return _nodes(tree, Document(name, folder, lambda path: _nearest(lines.of_toml(text), path)))
    where = ":".join(str(part) for part in (name, line, column) if part is not None)
    raise ManifestError(f"the manifest is not valid TOML: {what}", where=where, hint="see the format at toml.io")


def _json(text: str, name: str, folder: str) -> Node:
    import json

    from . import lines

    twice: list[str] = []

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            names = [key for key, _ in pairs]
            twice.extend(sorted({key for key in names if names.count(key) > 1}))
        return found

    try:
        tree = json.loads(text, object_pairs_hook=table)
    except json.JSONDecodeError as error:
        place: tuple[int, ...] = (error.lineno, error.colno)
    except (ValueError, RecursionError):
        place = ()
    else:
        if twice:
            raise ManifestError(f"the key '{twice[0]}' is given twice in one object", where=name, hint="keep one")
        return _nodes(tree, Document(name, folder, lambda path: _nearest(lines.of_json(text), path)))
    where = ":".join(map(str, (name, *place)))
    raise ManifestError("the manifest is not valid JSON", where=where, hint="is a comma or a quote missing there?")


def _nodes(tree: Any, document: Document) -> Node:
    errors: list[ManifestError] = []

    def node(value: Any, path: Path) -> Node:
        if len(path) > DEEPEST:
            errors.append(ManifestError(f"the manifest is nested deeper than {DEEPEST}", where=document.name))
            return Node(None, document, path)
        if isinstance(value, dict):
            return Node({key: node(member, (*path, key)) for key, member in value.items()}, document, path)
        if isinstance(value, list):
            return Node([node(member, (*path, str(i))) for i, member in enumerate(value)], document, path)
        return Node(value, document, path)

    top = node(tree, ())
    if errors:
        raise Failures(errors[:1])
    if not isinstance(top.value, dict):
        raise ManifestError("the manifest is no table", where=document.name, hint="it begins with [secrets], or {")
    return top


def _nearest(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest thing around it that has one."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None
