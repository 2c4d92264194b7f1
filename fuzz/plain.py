"""What is read by hand is read as the library reads it: TOML behind a `t`, JSON behind anything else."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from envinject.jsonplain import Beyond, read
from envinject.manifest.tomltext import parse_plain


def try_one(data: bytes) -> None:
    """The first byte says which of the two, the rest is the document."""
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        return
    if data[:1] == b"t":
        found = parse_plain(text)
        if found is not None and repr(found) != repr(tomllib.loads(text)):
            raise AssertionError("TOML that is read in another way")
        return
    try:
        by_hand = read(text, _number)
    except (Beyond, RecursionError):
        return
    if by_hand != json.loads(text, parse_int=_number, parse_float=_number, object_pairs_hook=_object):
        raise AssertionError("JSON that is read in another way")


def _number(text: str) -> tuple[str]:
    return (text,)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise AssertionError("a key twice, read by hand")
    return dict(pairs)
