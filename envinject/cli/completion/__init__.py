"""What shells complete, told from our tables of commands and options, as a script for each shell.

A script knows all words by itself. It asks for the names of a manifest only, with `completion --words`, which loads
little.
"""

from __future__ import annotations

from ...record import Record
from ..commands import COMMANDS
from ..options import COUNT, FLAG, WORDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..commands import Subcommand
    from ..options import Option

FILES = "files"
"""What completes to a path; other values are one of `WORDS`, some words, or nothing that is known."""

_OF_OPTIONS = {"profile": "profiles", "only": "variables"}
_OF_ARGUMENTS = {"REF": "providers"}


class Value(Record):
    """What an option or an argument takes: FILES, one of WORDS, or some `words`; `kind` is empty where nobody knows."""

    kind: str = ""
    words: Sequence[str] = ()


def takes_value(option: Option) -> bool:
    """Whether the next word is the option's."""
    return option.takes not in (FLAG, COUNT)


def value_of(option: Option) -> Value:
    """What completes behind an option."""
    kind = _OF_OPTIONS.get(option.name, FILES if option.metavar == "FILE" else "")
    return Value(kind, option.choices)


def argument_of(command: Subcommand) -> Value:
    """What completes as the argument of a command."""
    if command.argument == "SHELL":
        return Value(words=tuple(SHELLS))
    return Value(_OF_ARGUMENTS.get(command.argument, FILES if command.argument == "FILE" else ""))


def about(command: Subcommand) -> str:
    """The first sentence of a command's help."""
    return (command.act.__doc__ or "").partition("\n")[0].rstrip(".")


def script(shell: str) -> str:
    """The script for one of SHELLS."""
    return SHELLS[shell](COMMANDS)


def _bash(commands: Mapping[str, Subcommand]) -> str:
    from .bash import script

    return script(commands)


def _zsh(commands: Mapping[str, Subcommand]) -> str:
    from .zsh import script

    return script(commands)


def _fish(commands: Mapping[str, Subcommand]) -> str:
    from .fish import script

    return script(commands)


SHELLS: Mapping[str, Callable[[Mapping[str, Subcommand]], str]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}

__all__ = ["FILES", "SHELLS", "WORDS", "Value", "about", "argument_of", "script", "takes_value", "value_of"]
