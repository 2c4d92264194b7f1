"""The short way from words to a command: without click, which takes as long as all else of a start together.

It reads what makes sense, just as click does; whatever it does not recognise is read by click.
"""

from __future__ import annotations

import os

from .. import __version__
from . import VERSION_FLAGS
from .commands import COMMANDS
from .options import FLAG, MANY, TEXT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .commands import Subcommand


def main(words: Sequence[str]) -> int:
    """Read the command line and do what it says. Gives the exit code.

    Raises: SecretsExecError, Failures.
    """
    if words and words[0] in VERSION_FLAGS:
        from .output import answer

        answer(f"secrets-exec {__version__}")
        return 0
    is_short = bool(words) and words[0].startswith("-")  # for run
    command = COMMANDS.get("run" if is_short else "".join(words[:1]))
    found = read(command, words if is_short else words[1:]) if command else None
    if command is None or found is None:
        from .app import main as by_click  # costs 15 ms, needed for help and for errors

        return by_click(words)
    given, wrapped = found
    return command.do(given, wrapped, os.environ)


def read(command: Subcommand, words: Sequence[str]) -> tuple[dict[str, Any], Sequence[str]] | None:
    """The options that were given, by their keys, and the other words; None where it takes click to tell."""
    by_flag = {flag: option for option in command.options for flag in option.flags}
    given: dict[str, Any] = {}
    plain: list[str] = []
    left = list(reversed(words))
    while left:
        is_plain = left[-1][:1] != "-" or left[-1] == "-"
        if is_plain and not command.argument:
            break
        word = left.pop()
        if is_plain:
            plain.append(word)
            continue
        if word == "--":
            break
        is_long = word.startswith("--")
        flag, joined, value = word.partition("=") if is_long else (word[:2], word[2:], word[2:])
        option = by_flag.get(flag)
        if option is None:
            return None
        if option.takes in (TEXT, MANY):
            if not joined and not left:
                return None
            value = value if joined else left.pop()
            given[option.key] = value if option.takes == TEXT else (*given.get(option.key, ()), value)
            continue
        if joined and (is_long or value[0] == "-"):
            return None
        if joined:
            left.append(f"-{value}")  # -qv is -q -v
        given[option.key] = True if option.takes == FLAG else given.get(option.key, 0) + 1
    plain += reversed(left)
    return (given, plain) if command.takes_command or command.argument or not plain else None
