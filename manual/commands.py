"""docs/commands.md: every command with its usage and its options, from the tables that the command line is made of."""

from __future__ import annotations

from collections.abc import Iterator

from envinject.cli.commands import COMMANDS, Subcommand
from envinject.cli.options import MANY, Option

from .markdown import code, sentence, table

_HEAD = """\
# Commands

Every command with all of its options. This page is made from the tables of the code (`make manual`); what the words
mean together is in [Running](running.md), which has the exit codes too.

An option may be given as its variable instead. A flag takes `1` or `0` there, `-v` a number too. `--help` tells what
stands here, `--version` the version.
"""
_MORE = {
    "run": "running.md",
    "init": "init.md",
    "import": "init.md#import",
    "export": "export.md",
    "get": "export.md#get",
    "providers": "providers.md",
    "doctor": "doctor.md",
    "schema": "editors.md",
    "completion": "editors.md#completion",
    "emulator": "emulator.md",
    "copy": "onefile.md#into-a-volume",
}
"""Where more is said, in place of docs/running.md#other-commands."""

_DIVIDED = {None: "commas or spaces", ":": "`:`", "\n": "line ends"}


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(name, row) for name, row in COMMANDS.items())])


def _section(name: str, row: Subcommand) -> str:
    words = ["secrets-exec", name, "[OPTIONS]", row.argument or ("[--] COMMAND [ARGS]..." if row.takes_command else "")]
    about = " ".join((row.act.__doc__ or "").split())
    return f"""\
## {name}

```sh
{" ".join(words).strip()}
```

{about} More: [{_MORE.get(name, "running.md")}]({_MORE.get(name, "running.md#other-commands")}).

{table(("option", "variable", "meaning"), _rows(row))}"""


def _rows(row: Subcommand) -> Iterator[tuple[str, str, str]]:
    for option in row.options:
        *short, long = option.flags
        flags = [*short, f"{long} {option.metavar}".strip()]
        yield ", ".join(map(code, flags)), code(option.variable), _meaning(option)


def _meaning(option: Option) -> str:
    about = sentence(option.help)
    if option.takes != MANY:
        return about
    return f"{about}; may be repeated, and the variable's values are divided by {_DIVIDED[option.separator]}"
