"""What the short way does not read: help, and every error. click commands, made from our own tables."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from ..errors import UsageError, suggest
from . import VERSION_FLAGS, options
from .commands import COMMANDS, Subcommand
from .options import COUNT, FLAG, MANY, Option
from .output import answer, columns

_EXAMPLES = """\
\b
Examples:
  secrets-exec -f secrets.toml -- gunicorn app:app
  secrets-exec --set 'DB_PASSWORD=ncloud://4f1c#password' -- ./server
  secrets-exec --dry-run -v
  secrets-exec check --fetch
"""
_HELP_FLAGS = ["-h", "--help"]


def main(words: Sequence[str]) -> int:
    """Read the command line and do what it says. Gives the exit code.

    Raises: SecretsExecError, Failures.
    """
    if not words:
        raise UsageError("there is no command", hint="secrets-exec -- COMMAND [ARGS]..., or secrets-exec --help")
    if words[0] in _HELP_FLAGS:
        answer(_help())
        return 0
    if words[0].startswith("-"):
        return _invoke("run", words)
    if words[0] in COMMANDS:
        return _invoke(words[0], words[1:])
    hint = f"{suggest(words[0], COMMANDS)}to run a program, write: secrets-exec -- {words[0]}"
    raise UsageError(f"secrets-exec has no command '{words[0]}'", hint=hint)


class ClickCommand(click.Command):
    """A click command made from a row of our table, whose values are settled by our own table of options."""

    def __init__(self, name: str, row: Subcommand) -> None:
        params: list[click.Parameter] = [_click_option(option) for option in row.options]
        how: dict[str, Any] = {}
        if row.takes_command or row.argument:
            params.append(click.Argument(["command"], nargs=-1, type=click.UNPROCESSED))
        if row.takes_command:
            how = {"context_settings": {"allow_interspersed_args": False}, "epilog": _EXAMPLES}
        params.append(_flag(_HELP_FLAGS, "Show this help.", callback=_show_help, is_eager=True, expose_value=False))
        about = row.act.__doc__
        super().__init__(name, params=params, callback=self._act, help=about, add_help_option=False, **how)
        self._row = row

    def _act(self, command: Sequence[str] = (), **given: Any) -> int:
        return self._row.do(given, command, os.environ)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        if self._row.takes_command:
            return ["[OPTIONS]", "[--]", "COMMAND", "[ARGS]..."]
        return ["[OPTIONS]", self._row.argument] if self._row.argument else ["[OPTIONS]"]


def _click_option(option: Option) -> click.Option:
    how: dict[str, Any] = {FLAG: {"is_flag": True}, COUNT: {"count": True}, MANY: {"multiple": True}}.get(
        option.takes, {}
    )
    how |= {"metavar": option.metavar} if option.metavar else {}
    return click.Option([*option.flags, option.key], help=option.help, **how)


def _flag(flags: Sequence[str], about: str, **how: Any) -> click.Option:
    return click.Option(flags, is_flag=True, help=about, **how)


def _show_help(ctx: click.Context, _param: click.Parameter, asked: bool) -> None:
    if asked:
        answer(ctx.get_help())
        ctx.exit()


_HELP = f"""Fetch secrets in parallel, put them in an environment, become the command.

A list of words that begins with an option belongs to run. Every option can be given as SECRETS_EXEC_<OPTION> too.

{_EXAMPLES}"""


def _help() -> str:
    commands = {name: ClickCommand(name, row) for name, row in COMMANDS.items()}
    group = click.Group("secrets-exec", commands={**commands}, help=_HELP, add_help_option=False)
    group.params += [_flag(VERSION_FLAGS, "Show the version."), _flag(_HELP_FLAGS, "Show this help.")]
    return group.get_help(click.Context(group, info_name="secrets-exec", terminal_width=_width()))


def _width() -> int:
    """The width of help, as click chooses it: but click asks shutil, which loads three compression libraries."""
    return max(min(columns(), 80) - 2, 50)


def _invoke(name: str, words: Sequence[str]) -> int:
    command = ClickCommand(name, COMMANDS[name])
    try:
        with command.make_context(f"secrets-exec {name}", list(words), terminal_width=_width()) as context:
            return int(command.invoke(context))
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.NoSuchOption as error:
        problem = options.no_such_option(error.option_name, COMMANDS[name].options)
    except click.BadOptionUsage as error:
        problem = UsageError(f"{error.option_name} needs a value, or was given one that it does not take")
    except click.UsageError:
        problem = UsageError("the command line makes no sense", hint=f"see: secrets-exec {name} --help")
    raise problem
