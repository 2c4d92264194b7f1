"""Strict JSON, and its text: numbers stay exactly as they were written, a duplicate key is an error.

No error holds a piece of the document: it may be the secret.
"""

from __future__ import annotations

from . import jsonplain
from .errors import BadValue, NotFound, shown, suggest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

    Json = dict[str, "Json"] | list["Json"] | str | bool | None
"""A JSON value; a number is a `Number`, which is a str."""

_LISTED = 20
"""The number of key names that an error lists."""


class Number(str):
    """A JSON number as the source wrote it (`1.0`, `1e400`, thirty digits)."""

    __slots__ = ()


class NotJSON(ValueError):
    """The text is not JSON, told without the text."""


def parse(data: bytes | str) -> Json:
    """Read UTF-8 JSON (RFC 8259).

    Raises: NotJSON, whose only argument says why in our own words.
    """
    reason = "it is not JSON"
    try:
        text = data if isinstance(data, str) else data.decode()
        return _read(text)
    except UnicodeDecodeError:
        reason = "it is not UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except _Refused as refused:
        reason = refused.args[0]
    except ValueError:
        pass
    raise NotJSON(reason)  # outside of the handlers: the caught exception holds the document


def kind(value: Json) -> str:
    """What a value is, in words that tell nothing else of it."""
    if isinstance(value, Number):
        return "a number"
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "null"
    return {str: "text", list: "an array", dict: "an object"}[type(value)]


def to_bytes(value: Json) -> bytes | None:
    """The text of a value in UTF-8: strings as they are, containers as compact JSON; None for null.

    Raises: BadValue for a string that is no Unicode text (a lone surrogate) and for too deep a nesting.
    """
    if value is None:
        return None
    try:
        text = value if isinstance(value, str) else compact(value)
        return text.encode()
    except UnicodeEncodeError:
        what = "the value holds half a surrogate pair, which no UTF-8 text can hold"
    except RecursionError:
        what = "the value is nested too deeply"
    raise BadValue(what, hint="store another value, or leave this key out")


def compact(value: Json) -> str:
    """The value as JSON without spaces, key order and numbers kept, characters unescaped."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        if value.isprintable() and '"' not in value and "\\" not in value:
            return f'"{value}"'
        from json.encoder import encode_basestring  # costs milliseconds

        return encode_basestring(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(k)}:{compact(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return {True: "true", False: "false", None: "null"}[value]


def look_up(document: Json, key: str) -> Json:
    """The value under a key of an object, or under a JSON Pointer (RFC 6901) when `key` begins with `/`.

    Raises: NotFound when it is not there, or null is where it would be; BadValue when nothing there could have keys.
    """
    if isinstance(document, list) and not key.startswith("/"):
        what = f"no key '{key}' can be in this secret: it is an array, not a JSON object"
        raise BadValue(what, hint="a JSON Pointer names an element: '/0' is the first")
    steps = pointer(key) if key.startswith("/") else (key,)
    for done, step in enumerate(steps):
        document = _member(document, step, "" if len(steps) == 1 else f" at '{'/'.join(('', *steps[:done]))}'")
    return document


def pointer(text: str) -> tuple[str, ...]:
    """The steps of a JSON Pointer, unescaped. Raises: ValueError for a `~` that is not `~0` or `~1`."""
    steps = text.split("/")[1:]
    if any(c not in "01" for step in steps for c in (part[:1] or "-" for part in step.split("~")[1:])):
        raise ValueError("'~' in a JSON Pointer is written ~0, and '/' in a key ~1")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _member(document: Json, step: str, place: str) -> Json:
    if isinstance(document, dict):
        if step in document:
            return document[step]
        raise NotFound(f"no key '{step}' in this secret{place}", hint=listing(step, document))
    if isinstance(document, list):
        is_index = step.isdigit() and step.isascii() and len(step) < 9 and (step == "0" or step[0] != "0")
        if is_index and int(step) < len(document):
            return document[int(step)]
        raise NotFound(f"no element '{step}' in this secret{place}", hint=f"the array has {len(document)} elements")
    if document is None:
        what = f"no key '{step}' in this secret{place}: null is there, which counts as not found"
        raise NotFound(what, hint="store a value, or required = false")
    what = f"no key '{step}' can be in this secret{place}: it is {kind(document)}, not a JSON object"
    raise BadValue(what, hint="name a key that is there, or leave the key out for the whole value")


def listing(key: str, known: dict[str, Json]) -> str:
    """The hint to a missing key: the near one, and all of them, as far as a line holds them."""
    if not known:
        return "the object is empty"
    names = [shown(name) for name in sorted(known)[:_LISTED]] + (["..."] if len(known) > _LISTED else [])
    return f"{suggest(key, known)}The keys are: {', '.join(names)}"


class _Refused(ValueError):
    """Valid to `json`, not to us."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Refused("an object in it has a key twice")
    return found


def _constant(_name: str) -> NoReturn:
    raise _Refused("it holds NaN or Infinity, which JSON has not")


class _Reading:
    """By hand, as long as that takes less time than loading the library; what is not plain goes to the library too."""

    left = 12 << 10
    decode: Callable[[str], Any] | None = None


def _read(text: str) -> Json:
    if _Reading.decode is None and len(text) <= _Reading.left:
        _Reading.left -= len(text)
        try:
            return jsonplain.read(text, Number)  # type: ignore[no-any-return]  # it reads Json
        except (jsonplain.Beyond, RecursionError):
            pass
    if _Reading.decode is None:
        import json

        decoder = json.JSONDecoder(
            parse_int=Number, parse_float=Number, parse_constant=_constant, object_pairs_hook=_object
        )
        _Reading.decode = decoder.decode
    return _Reading.decode(text)  # type: ignore[no-any-return]  # json's own signature says Any
