"""The click commands, made from the table of options, and the translation of click's errors into ours."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from .. import __version__
from ..errors import UsageError, suggest
from . import commands, options
from .options import COUNT, FLAG, MANY, Option
from .output import answer

_EXAMPLES = """\
\b
Examples:
  secrets-exec -f secrets.toml -- gunicorn app:app
  secrets-exec --set 'DB_PASSWORD=ncloud://4f1c#password' -- ./server
  secrets-exec --dry-run -v
  secrets-exec check --fetch
"""
_HELP_FLAGS = ["-h", "--help"]
_VERSION_FLAGS = ["-V", "--version"]


class _Command(click.Command):
    """A click command whose values are settled by our own table."""

    def __init__(self, name: str, table: Sequence[Option], act: Callable[..., int | None], **how: Any) -> None:
        self.table = table
        params: list[click.Parameter] = [_click_option(option) for option in table]
        if how.pop("takes_command", False):
            params.append(click.Argument(["command"], nargs=-1, type=click.UNPROCESSED))
        params.append(_flag(_HELP_FLAGS, "Show this help.", callback=_show_help, is_eager=True, expose_value=False))
        super().__init__(name, params=params, callback=self._act, help=act.__doc__, add_help_option=False, **how)
        self._acts = act

    def _act(self, **given: Any) -> int | None:
        command = given.pop("command", None)
        values = options.settle(self.table, given, os.environ)
        return self._acts(values) if command is None else self._acts(values, command)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return ["[OPTIONS]", "[--]", "COMMAND", "[ARGS]..."] if self.name == "run" else ["[OPTIONS]"]


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


COMMANDS: dict[str, _Command] = {
    str(command.name): command
    for command in (
        _Command(
            "run",
            options.RUN,
            commands.run,
            takes_command=True,
            context_settings={"allow_interspersed_args": False},
            epilog=_EXAMPLES,
        ),
        _Command("check", options.READING, commands.check),
        _Command("plan", options.READING, commands.plan),
        _Command("providers", options.LISTING, commands.providers),
        _Command("emulator", options.EMULATOR, commands.emulator),
    )
}

_HELP = f"""Fetch secrets in parallel, put them in an environment, become the command.

A list of words that begins with an option belongs to run. Every option can be given as SECRETS_EXEC_<OPTION> too.

{_EXAMPLES}"""


def main(words: Sequence[str]) -> int:
    """Read the command line and do what it says. Gives the exit code.

    Raises: SecretsExecError, Failures.
    """
    if not words:
        raise UsageError("there is no command", hint="secrets-exec -- COMMAND [ARGS]..., or secrets-exec --help")
    if words[0] in _HELP_FLAGS:
        answer(_help())
        return 0
    if words[0] in _VERSION_FLAGS:
        answer(f"secrets-exec {__version__}")
        return 0
    if words[0].startswith("-"):
        return _invoke("run", words)
    if words[0] in COMMANDS:
        return _invoke(words[0], words[1:])
    hint = f"{suggest(words[0], COMMANDS)}to run a program, write: secrets-exec -- {words[0]}"
    raise UsageError(f"secrets-exec has no command '{words[0]}'", hint=hint)


def _help() -> str:
    group = click.Group("secrets-exec", commands={**COMMANDS}, help=_HELP, add_help_option=False)
    group.params += [_flag(_VERSION_FLAGS, "Show the version."), _flag(_HELP_FLAGS, "Show this help.")]
    return group.get_help(click.Context(group, info_name="secrets-exec"))


def _invoke(name: str, words: Sequence[str]) -> int:
    command = COMMANDS[name]
    try:
        with command.make_context(f"secrets-exec {name}", list(words)) as context:
            return command.invoke(context) or 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.NoSuchOption as error:
        problem = options.no_such_option(error.option_name, command.table)
    except click.BadOptionUsage as error:
        problem = UsageError(f"{error.option_name} needs a value, or was given one that it does not take")
    except click.UsageError:
        problem = UsageError("the command line makes no sense", hint=f"see: secrets-exec {name} --help")
    raise problem
