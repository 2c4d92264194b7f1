"""A marked piece of an input, and the check that no error holds any of it."""

from __future__ import annotations

from envinject.errors import Failures, SecretsExecError

CANARY = "k7q~Zw2|9xB^pL5~tR8|mD3"
"""Every six characters of it hold one that no checked metadata of a store may have."""

MARK = "@@"
"""Stands for the canary in an input: what is this short survives being changed by chance."""

_PIECE = 6
_PIECES = [CANARY[start : start + _PIECE] for start in range(len(CANARY) - _PIECE + 1)]


class Leak(AssertionError):
    """An error, or something that hangs on it, holds a piece of the canary."""


def marked(data: bytes) -> bytes:
    """The input with its canaries."""
    return data.replace(MARK.encode(), CANARY.encode())


def check(error: SecretsExecError | Failures) -> None:
    """Raises: Leak."""
    for each in error.errors if isinstance(error, Failures) else [error]:
        for text in (each.what, each.where, each.hint, repr(each)):
            if holds_canary(text):
                raise Leak(type(each).__name__)
    _check_chain(error)


def holds_canary(text: str) -> bool:
    """Whether any piece of the canary is in the text."""
    return any(piece in text for piece in _PIECES)


def _check_chain(error: BaseException) -> None:
    """What a traceback would show: the exceptions before this one, with the documents that they hold."""
    before = error.__cause__ or error.__context__
    while before is not None:
        if holds_canary(f"{before!r} {vars(before)!r} {getattr(before, 'object', '')!r}"):
            raise Leak(f"a {type(before).__name__} on a {type(error).__name__}")
        before = before.__cause__ or before.__context__
