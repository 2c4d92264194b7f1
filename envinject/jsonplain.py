"""The plain part of JSON, read without the library: loading that takes as long as reading 12 KiB so.

Plain are objects, arrays, texts with one-character escapes, whole numbers, true, false and null. The rest of JSON, and
every mistake, is left to the library.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_ENDS = frozenset(" \t\n\r,]}")
"""What may follow a number, `true`, `false` or `null`."""

_WORDS = {"true": True, "false": False, "null": None}


class Beyond(ValueError):
    """Something that is not plain."""


def read(text: str, number: Callable[[str], Any]) -> Any:
    """What a document says; `number` makes its numbers of their text. Raises: Beyond, RecursionError."""
    value, at = _value(text, _blanks(text, 0), number)
    if _blanks(text, at) < len(text):
        raise Beyond
    return value


def _value(text: str, at: int, number: Callable[[str], Any]) -> tuple[Any, int]:
    """A value and where it ends."""
    first = text[at : at + 1]
    if first == '"':
        return _text(text, at + 1)
    if first == "{":
        return _object(text, at + 1, number)
    if first == "[":
        return _array(text, at + 1, number)
    end = at
    while end < len(text) and text[end] not in _ENDS:
        end += 1
    word = text[at:end]
    if word in _WORDS:
        return _WORDS[word], end
    digits = word.removeprefix("-")
    if digits.isdigit() and digits.isascii() and (digits == "0" or digits[0] != "0"):
        return number(word), end
    raise Beyond


def _text(text: str, at: int) -> tuple[str, int]:
    parts = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise Beyond
        slash = text.find("\\", at, end)
        part = text[at : end if slash < 0 else slash]
        if not part.isprintable():
            raise Beyond
        parts.append(part)
        if slash < 0:
            return "".join(parts), end + 1
        escaped = _ESCAPES.get(text[slash + 1])
        if escaped is None:
            raise Beyond
        parts.append(escaped)
        at = slash + 2


def _object(text: str, at: int, number: Callable[[str], Any]) -> tuple[dict[str, Any], int]:
    found: dict[str, Any] = {}
    at = _blanks(text, at)
    if text.startswith("}", at):
        return found, at + 1
    while True:
        at = _blanks(text, at)
        if not text.startswith('"', at):
            raise Beyond
        key, at = _text(text, at + 1)
        at = _blanks(text, at)
        if key in found or not text.startswith(":", at):
            raise Beyond
        found[key], at = _value(text, _blanks(text, at + 1), number)
        at = _blanks(text, at)
        if text.startswith("}", at):
            return found, at + 1
        if not text.startswith(",", at):
            raise Beyond
        at += 1


def _array(text: str, at: int, number: Callable[[str], Any]) -> tuple[list[Any], int]:
    found: list[Any] = []
    at = _blanks(text, at)
    if text.startswith("]", at):
        return found, at + 1
    while True:
        value, at = _value(text, _blanks(text, at), number)
        found.append(value)
        at = _blanks(text, at)
        if text.startswith("]", at):
            return found, at + 1
        if not text.startswith(",", at):
            raise Beyond
        at += 1


def _blanks(text: str, at: int) -> int:
    while text.startswith((" ", "\n", "\t", "\r"), at):
        at += 1
    return at
