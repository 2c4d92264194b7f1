"""What the pages on commands have of the code: docs/commands.md a table, docs/commands/NAME.md usage and options.

The rest of these pages is written by hand. What is made stands between two comments, and is renewed there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from envinject.cli.commands import COMMANDS, Subcommand
from envinject.cli.options import MANY, Option

from .markdown import code, sentence, table

_BEGIN, _END = "<!-- {}: make manual -->\n", "<!-- end -->\n"
_DIVIDED = {None: "commas or spaces", ":": "`:`", "\n": "line ends"}


def overview(page: str) -> str:
    """docs/commands.md, with its table as the code has it."""
    rows = [(f"[{code(typed(name))}](commands/{name}.md)", sentence(about(row))) for name, row in COMMANDS.items()]
    return renewed(page, "commands", table(("command", "does"), rows))


def of(name: str, page: str) -> str:
    """The page of a command, with its usage and its options as the code has them."""
    row = COMMANDS[name]
    words = f"secrets-exec {name} [OPTIONS] {row.argument or '[--] COMMAND [ARGS]...' * row.takes_command}".rstrip()
    page = renewed(page, "usage", f"```text\n{words}\n```\n\n{about(row)}\n")
    return renewed(page, "options", table(("option", "variable", "meaning"), _rows(row)))


def renewed(page: str, part: str, made: str) -> str:
    """A page with what is made in place of what stood there. Raises: ValueError where there is no place for it."""
    begin = _BEGIN.format(part)
    text, places = re.subn(
        f"{re.escape(begin)}.*?{re.escape(_END)}", lambda _: f"{begin}\n{made}\n{_END}", page, flags=re.DOTALL
    )
    if places != 1:
        raise ValueError(f"there are {places} places for {part}, between {begin.strip()} and {_END.strip()}")
    return text


def typed(name: str) -> str:
    """A command as it is typed, with its argument."""
    return f"{name} {COMMANDS[name].argument}".rstrip()


def about(row: Subcommand) -> str:
    return " ".join((row.act.__doc__ or "").split())


def _rows(row: Subcommand) -> Iterator[tuple[str, str, str]]:
    for option in row.options:
        *short, long = option.flags
        flags = [*short, f"{long} {option.metavar}".strip()]
        yield ", ".join(map(code, flags)), code(option.variable), _meaning(option)


def _meaning(option: Option) -> str:
    meaning = sentence(option.help)
    if option.takes != MANY:
        return meaning
    return f"{meaning}; may be repeated, and the variable's values are divided by {_DIVIDED[option.separator]}"
