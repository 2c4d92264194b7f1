"""On which line a key stands. Needed only to tell an error, so it may be simple where a parser must be exact."""

from __future__ import annotations

import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Path = tuple[str, ...]

_MOST_PARTS = 40

# A quote that nothing closes ends with its line, or with the text: no pattern here has to go back far.
_QUOTED = r"""(?:"(?:\\.|[^"\\\n])*+"?+|'[^'\n]*+'?+)"""
_LONG_STRING = r'''(?:"""(?:\\.|[^\\])*?(?:"{3,5}|\Z)|\'\'\'.*?(?:'{3,5}|\Z))'''
_KEY = rf"(?:[A-Za-z0-9_-]+|{_QUOTED})"
_DOTTED = rf"{_KEY}(?:[ \t]*\.[ \t]*{_KEY})*"
_KEYS = re.compile(_KEY)
_DOTTED_KEYS = re.compile(_DOTTED)
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_DOTTED})[ \t]*\]\]?\s*$")
_ASSIGNED = re.compile(rf"[ \t]*({_DOTTED})[ \t]*=")
_NO_KEYS = re.compile(rf"({_LONG_STRING}|#[^\n]*)|{_QUOTED}", re.DOTALL)
_JSON_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|[{}\[\],:]|\n')
_AT = re.compile(r"at line (\d+), column (\d+)\)$")
_TOML_PROBLEMS = {
    "Cannot overwrite a value": "a key is given twice",
    "Cannot declare": "a table is given twice",
    "Cannot mutate immutable": "a table is added to after it was closed",
    "Duplicate inline table key": "a key is given twice",
    "Expected '='": "'=' is missing after a key",
    "Expected newline or end of document": "something stands behind a value",
    "Invalid date": "this date does not exist",
    "Invalid value": "a value is missing or is no TOML value (text needs quotes)",
    "Invalid statement": "this is neither a key nor a table",
    "Unterminated string": "a string is not closed",
    "Illegal character": "a character is not allowed there",
    "Unescaped": "a backslash begins no escape",
    "Unclosed": "something is not closed",
}


def overlong_key(text: str) -> int | None:
    """The line of a TOML key of so many parts that reading it takes seconds; None where all are sane."""
    bare = _without_long_strings(text)
    for dotted in _DOTTED_KEYS.finditer(bare):
        if dotted[0].count(".") >= _MOST_PARTS and len(_KEYS.findall(dotted[0])) > _MOST_PARTS:
            return bare.count("\n", 0, dotted.start()) + 1
    return None


def toml_error(told: str, text: str) -> tuple[str, tuple[int, ...]]:
    """What a TOML parser's message means in our own words, with line and, where it is known, column."""
    what = next(
        (ours for theirs, ours in _TOML_PROBLEMS.items() if told.startswith(theirs)),
        "it cannot be read there",
    )
    if found := _AT.search(told):
        return what, (int(found[1]), int(found[2]))
    return what, (text.count("\n") + 1,)


def of_toml(text: str) -> dict[Path, int]:
    """The lines of tables and keys."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(_without_long_strings(text).split("\n"), 1):
        path: Path = ()
        if header := _HEADER.match(line):
            path = table = _parts(header[1])
        elif assigned := _ASSIGNED.match(line):
            path = (*table, *_parts(assigned[1]))
        for length in range(1, len(path) + 1):
            found.setdefault(path[:length], number)
    return found


def _without_long_strings(text: str) -> str:
    """TOML without its comments and multi-line strings, line for line."""
    return _NO_KEYS.sub(lambda found: "\n" * found[1].count("\n") if found[1] else found[0], text)


def _parts(dotted: str) -> Path:
    return tuple(_unquoted(part) for part in _KEYS.findall(dotted))


def _unquoted(key: str) -> str:
    if key[0] not in "\"'":
        return key
    import tomllib  # loaded by whoever reads TOML

    return str(tomllib.loads(f"key = {key}")["key"])


def of_json(text: str) -> dict[Path, int]:
    """The lines of members."""
    found: dict[Path, int] = {}
    for path, number in _json_members(text):
        found.setdefault(path, number)
    return found


def repeated_in_json(text: str) -> tuple[Path, int]:
    """The first member whose key its object has already, and its line.

    Raises: LookupError when there is none.
    """
    seen: set[Path] = set()
    for path, number in _json_members(text):
        if path in seen:
            return path, number
        seen.add(path)
    raise LookupError


def _json_members(text: str) -> Iterator[tuple[Path, int]]:
    """Every member of every object in valid JSON, with its line. An element's step is its index."""
    path: list[str | int] = []
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
            path[-1] = json.loads(token)
            yield tuple(map(str, path)), number
