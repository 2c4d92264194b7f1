"""The plain part of TOML, which most manifests are made of, read in a tenth of the time that the library takes to load.

Plain are tables, bare keys, one-line texts, whole numbers, true and false, arrays, inline tables and comments. The rest
of TOML, and every mistake, is left to the standard library, which then reads it or says what is wrong.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Table = dict[str, Any]

_CONTROL = frozenset(map(chr, (*range(9), *range(11, 32), 127)))
"""What no TOML may hold as it stands."""

_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ENDS = frozenset(" \t\n,]}#")
"""What may follow a number, `true` or `false`."""

_MOST_DIGITS = 18


class _Beyond(Exception):
    """Something that is not plain."""


def parse_plain(text: str) -> Table | None:
    """What a document says, exactly as tomllib reads it; None where it is not plain."""
    text = text.replace("\r\n", "\n")
    if not _CONTROL.isdisjoint(text):
        return None
    try:
        return _document(text)
    except (_Beyond, RecursionError):
        return None


def _document(text: str) -> Table:
    root: Table = {}
    table = root
    tables: dict[tuple[str, ...], Table] = {}
    headers: set[tuple[str, ...]] = set()
    at = _next_line(text, 0)
    while at < len(text):
        if text[at] == "[":
            end = _find(text, "]", at)
            path = tuple(_key(part) for part in text[at + 1 : end].split("."))
            if path in headers:
                raise _Beyond
            headers.add(path)
            table = _table(root, tables, path)
            at = end + 1
        else:
            at = _pair(text, at, table)
        at = _end_of_line(text, at)
    return root


def _table(root: Table, tables: dict[tuple[str, ...], Table], path: tuple[str, ...]) -> Table:
    """The table of a header, and those around it, made where they are not there yet."""
    table = root
    for length, name in enumerate(path, 1):
        known = tables.get(path[:length])
        if known is None:
            if name in table:
                raise _Beyond  # a value
            known = table[name] = tables[path[:length]] = {}
        table = known
    return table


def _pair(text: str, at: int, table: Table) -> int:
    """Put a key and its value into the table. Gives where the value ends."""
    equals = _find(text, "=", at)
    key = _key(text[at:equals])
    if key in table:
        raise _Beyond
    table[key], at = _value(text, _blanks(text, equals + 1))
    return at


def _key(text: str) -> str:
    key = text.strip(" \t")
    if not (key.isascii() and key.replace("_", "0").replace("-", "0").isalnum()):
        raise _Beyond
    return key


def _value(text: str, at: int) -> tuple[Any, int]:
    """A value and where it ends."""
    first = text[at : at + 1]
    if first == '"':
        return _quoted(text, at, '"')
    if first == "'":
        return _quoted(text, at, "'")
    if first == "{":
        return _inline(text, at + 1)
    if first == "[":
        return _array(text, at + 1)
    end = at
    while end < len(text) and text[end] not in _ENDS:
        end += 1
    return _word(text[at:end]), end


def _word(word: str) -> bool | int:
    if word in ("true", "false"):
        return word == "true"
    if word.isdigit() and word.isascii() and len(word) <= _MOST_DIGITS and (word == "0" or word[0] != "0"):
        return int(word)
    raise _Beyond


def _quoted(text: str, at: int, quote: str) -> tuple[str, int]:
    if text.startswith(quote * 3, at):
        raise _Beyond
    parts, begin = [], at + 1
    while True:
        end = _find(text, quote, begin)
        slash = text.find("\\", begin, end) if quote == '"' else -1
        parts.append(text[begin : end if slash < 0 else slash])
        if "\n" in parts[-1]:
            raise _Beyond
        if slash < 0:
            return "".join(parts), end + 1
        escaped = _ESCAPES.get(text[slash + 1])
        if escaped is None:
            raise _Beyond
        parts.append(escaped)
        begin = slash + 2


def _inline(text: str, at: int) -> tuple[Table, int]:
    table: Table = {}
    at = _blanks(text, at)
    if text.startswith("}", at):
        return table, at + 1
    while True:
        at = _blanks(text, _pair(text, at, table))
        if text.startswith("}", at):
            return table, at + 1
        if not text.startswith(",", at):
            raise _Beyond
        at += 1


def _array(text: str, at: int) -> tuple[list[Any], int]:
    values: list[Any] = []
    at = _next_line(text, at)
    while not text.startswith("]", at):
        value, at = _value(text, at)
        values.append(value)
        at = _next_line(text, at)
        if text.startswith(",", at):
            at = _next_line(text, at + 1)
        elif not text.startswith("]", at):
            raise _Beyond
    return values, at + 1


def _find(text: str, what: str, at: int) -> int:
    found = text.find(what, at)
    if found < 0:
        raise _Beyond
    return found


def _blanks(text: str, at: int) -> int:
    while text.startswith((" ", "\t"), at):
        at += 1
    return at


def _next_line(text: str, at: int) -> int:
    """Where something stands that is neither blank, nor a comment, nor the end of a line."""
    while True:
        at = _blanks(text, at)
        if text.startswith("#", at):
            at = text.find("\n", at)
            if at < 0:
                return len(text)
        if not text.startswith("\n", at):
            return at
        at += 1


def _end_of_line(text: str, at: int) -> int:
    """The same, behind a value or a header, which end their line."""
    at = _blanks(text, at)
    if at < len(text) and text[at] not in "\n#":
        raise _Beyond
    return _next_line(text, at)
