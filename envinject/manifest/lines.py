"""On which line a key stands. Needed only to tell an error, so it may be simple where a parser must be exact."""

from __future__ import annotations

import re
import tomllib

TYPE_CHECKING = False
if TYPE_CHECKING:
    Path = tuple[str, ...]

_MOST_PARTS = 40

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_HEADER = re.compile(rf"\s*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?")
_ASSIGNED = re.compile(rf"\s*({_DOTTED})[ \t]*=")
_MULTILINE = re.compile(r'"""|\'\'\'')
_JSON_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\],:]|\n')
_AT = re.compile(r"at line (\d+), column (\d+)")
_TOML_PROBLEMS = {
    "Cannot overwrite a value": "a key is given twice",
    "Cannot declare": "a table is given twice",
    "Cannot mutate immutable": "a table is added to after it was closed",
    "Duplicate inline table key": "a key is given twice",
    "Expected '='": "'=' is missing after a key",
    "Expected newline or end of document": "something stands behind a value",
    "Invalid value": "a value is missing or is no TOML value (text needs quotes)",
    "Invalid statement": "this is neither a key nor a table",
    "Unterminated string": "a string is not closed",
    "Illegal character": "a character is not allowed there",
    "Unescaped": "a backslash begins no escape",
    "Unclosed": "something is not closed",
}


def overlong_key(text: str) -> int | None:
    """The line of a key of so many parts that reading it takes seconds; None where all are sane."""
    if text.count(".") < _MOST_PARTS:
        return None
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _MOST_PARTS and line.partition("=")[0].count(".") > _MOST_PARTS:
            return number
    return None


def toml_error(told: str, text: str) -> tuple[str, int | None, int | None]:
    """What a TOML parser's message means in our own words, with line and column."""
    what = next(
        (ours for theirs, ours in _TOML_PROBLEMS.items() if told.startswith(theirs)),
        "it cannot be read there",
    )
    if found := _AT.search(told):
        return what, int(found[1]), int(found[2])
    return what, text.count("\n") + 1, None


def of_toml(text: str) -> dict[Path, int]:
    """The lines of tables and keys."""
    found: dict[Path, int] = {}
    table: Path = ()
    closing = ""
    for number, line in enumerate(text.split("\n"), 1):
        if closing:
            closing = "" if closing in line else closing
            continue
        if header := _HEADER.match(line):
            table = _parts(header[1])
            found.setdefault(table, number)
        elif assigned := _ASSIGNED.match(line):
            path = (*table, *_parts(assigned[1]))
            for length in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:length], number)
            opened = _MULTILINE.search(line)
            closing = opened[0] if opened and line.count(opened[0]) == 1 else ""
    return found


def _parts(dotted: str) -> Path:
    return tuple(_unquoted(part) for part in re.findall(_KEY, dotted))


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    return str(tomllib.loads(f"key = {key}")["key"])


def of_json(text: str) -> dict[Path, int]:
    """The lines of members and elements."""
    found: dict[Path, int] = {}
    path: list[str | int] = []
    key: str | None = None
    number, is_key = 1, False
    for token in _JSON_TOKEN.findall(text):
        if token == "\n":
            number += 1
        elif token in "{[":
            path += [""] if token == "{" else [0]
            is_key = token == "{"
        elif token in "}]":
            path = path[:-1]
        elif token == "," and path:
            is_key = not isinstance(path[-1], int)
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else ""
        elif token == ":":
            is_key = False
        elif is_key and path:
            key = _json_key(token)
            path[-1] = key
            found.setdefault(tuple(map(str, path)), number)
    return found


def _json_key(token: str) -> str:
    import json

    try:
        return str(json.loads(token))
    except ValueError:
        return token
