"""One manifest file, read and parsed to nodes that know where they stand. Knows formats, not what is in them."""

from __future__ import annotations

import os
import stat
import sys

from ..errors import ManifestError, NotFound, SecretsExecError, shown
from ..files import drain, read_regular, working_folder
from ..record import Record
from ..secret import Secret
from .tomltext import parse_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Path = tuple[str, ...]

LARGEST = 1 << 20
DEEPEST = 32
STANDARD_INPUT = "-"


class Document(Record):
    """A file and how its lines are found: `line(path)` is called only to tell an error.

    `folder` is what relative paths in it are seen from. `data` are the bytes that were read; a manifest's literals are
    among them.
    """

    name: str
    folder: str
    line: Callable[[Path], int | None]
    data: Secret | None = None


class Plain(str):
    """A YAML scalar without quotes: text where text is meant, else a number or true or false."""

    __slots__ = ()


class Node(Record):
    """A value of a document, and where it stands. A table is a dict of nodes, an array a list of nodes."""

    value: Any
    document: Document
    path: Path = ()

    def __init__(self, value: Any, document: Document, path: Path = ()) -> None:
        fields = self.__dict__  # by hand, since there are thousands
        fields["value"], fields["document"], fields["path"] = value, document, path

    def holding(self, value: Any) -> Node:
        """Another value at the same place."""
        return Node(value, self.document, self.path)

    @property
    def file(self) -> str:
        """The file, and the line where it is known."""
        line = self.document.line(self.path)
        return self.document.name if line is None else f"{self.document.name}:{line}"

    @property
    def place(self) -> str:
        """The file, the line where it is known, and the key path."""
        return f"{self.file}, {'.'.join(map(shown, self.path))}" if self.path else self.file


def read(path: str, *, warn: Callable[[str, str], None]) -> Node:
    """Read a manifest file, or standard input for `-`, by the format that its name says.

    `warn(what, hint)` is told of a file that anybody may change.
    Raises: ManifestError.
    """
    if path == STANDARD_INPUT:
        return parse(_standard_input(), "toml", "standard input", working_folder())
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
        if _is_writable_by_all(path):
            warn(f"anybody on this machine may change the manifest {path}", f"chmod o-w {path}")
        return parse(data, form, path, os.path.dirname(os.path.abspath(path)))
    raise problem


def parse(data: bytes, form: str, name: str, folder: str) -> Node:
    """The nodes of a manifest's bytes. Raises: ManifestError."""
    kept = Secret(data)
    data = data.removeprefix(b"\xef\xbb\xbf")  # the codec that does so is a module of its own
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        where = f"{name}:{line}"
    else:
        if form == "toml":
            return _toml(text, Document(name, folder, _finder(lambda: _lines_of_toml(text)), kept))
        if form == "json":
            return _json(text, Document(name, folder, _finder(lambda: _lines_of_json(text)), kept))
        from .yamltext import parse_yaml  # needs an extra

        tree, lines = parse_yaml(text, name)
        return _nodes(tree, Document(name, folder, _finder(lambda: lines), kept))
    raise ManifestError("the manifest is not UTF-8", where=where, hint="save it as UTF-8")


def _is_writable_by_all(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & stat.S_IWOTH)
    except OSError:  # gone since it was read
        return False


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise ManifestError("standard input is closed", where="standard input", hint="hand a manifest over by a pipe")
    what = "the manifest is larger than 1 MiB"
    try:
        data = drain(0, LARGEST)
    except OSError:  # a descriptor for writing
        data, what = None, "standard input cannot be read"
    if data is None:
        raise ManifestError(what, where="standard input", hint="hand a manifest over by a pipe")
    return data


def _toml(text: str, document: Document) -> Node:
    if any(line.count(".") >= DEEPEST for line in text.split("\n")):
        _check_keys(text, document.name)
    tree = parse_plain(text)
    if tree is None:
        tree = _toml_by_library(text, document.name)
    return _nodes(tree, document)


def _toml_by_library(text: str, name: str) -> dict[str, Any]:
    import tomllib  # costs 10 ms, needed only for what is not plain

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        from .lines import toml_error

        what, place = toml_error(str(error), text)
    except (ValueError, RecursionError):  # an integer of thousands of digits; arrays in arrays without end
        what, place = "a value is out of bounds or nested too deeply", ()
    where = ":".join(map(str, (name, *place)))
    raise ManifestError(f"the manifest is not valid TOML: {what}", where=where, hint="see the format at toml.io")


def _check_keys(text: str, name: str) -> None:
    from .lines import overlong_key  # costs milliseconds, needed only for a line of many dots

    if (line := overlong_key(text)) is not None:
        raise ManifestError("a key has too many parts", where=f"{name}:{line}", hint="is this a manifest?")


def _lines_of_toml(text: str) -> dict[Path, int]:
    from .lines import of_toml  # needed only to tell an error

    return of_toml(text)


def _json(text: str, document: Document) -> Node:
    import json

    is_repeated = False

    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal is_repeated
        found = dict(pairs)
        is_repeated |= len(found) != len(pairs)
        return found

    try:
        tree = json.loads(text, object_pairs_hook=table, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place: tuple[int, ...] = (error.lineno, error.colno)
    except (ValueError, RecursionError):  # an integer of thousands of digits, NaN; arrays in arrays without end
        place = ()
    else:
        if is_repeated:
            from .lines import repeated_in_json

            path, line = repeated_in_json(text)
            second = Node(None, document.replace(line=lambda _path: line), path)
            raise ManifestError("a key is given twice in one object", where=second.place, hint="keep one")
        return _nodes(tree, document)
    where = ":".join(map(str, (document.name, *place)))
    raise ManifestError("the manifest is not valid JSON", where=where, hint="is a comma or a quote missing there?")


def _lines_of_json(text: str) -> dict[Path, int]:
    from .lines import of_json  # needed only to tell an error

    return of_json(text)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError


def _nodes(tree: Any, document: Document) -> Node:
    top = _node(tree, document, ())
    if not isinstance(top.value, dict):
        raise ManifestError("the manifest is no table", where=document.name, hint="it begins with [secrets], or {")
    return top


def _node(value: Any, document: Document, path: Path) -> Node:
    if len(path) > DEEPEST:
        where = Node(None, document, path[:1]).place
        raise ManifestError(f"the manifest is nested deeper than {DEEPEST}", where=where, hint="a manifest is flat")
    if isinstance(value, dict):
        return Node({key: _node(member, document, (*path, key)) for key, member in value.items()}, document, path)
    if isinstance(value, list):
        return Node([_node(member, document, (*path, str(i))) for i, member in enumerate(value)], document, path)
    if isinstance(value, str) and not _is_text(value):
        what = "a text holds half a surrogate pair, which is no character"
        raise ManifestError(what, where=Node(None, document, path).place, hint="write the character, or both halves")
    return Node(value, document, path)


def _is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: what an escape of JSON says need not be a character."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finder(read_lines: Callable[[], dict[Path, int]]) -> Callable[[Path], int | None]:
    """Finds the line of a path, or of the nearest thing around it that has one; lines are read once, when needed."""
    lines: dict[Path, int] = {}

    def line(path: Path) -> int | None:
        if not lines:
            lines.update(read_lines())
        return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)

    return line
