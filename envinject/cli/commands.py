"""What each command does: hand the settled options to the function that does it, write down what it gives."""

from __future__ import annotations

import os

from .. import environ as environment
from ..errors import Failures, ManifestError, SystemRefused, UsageError
from ..log import DEBUG, NORMAL, QUIET, Log
from ..record import Record
from . import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..drafts.draft import Draft
    from ..run import Order
    from .options import Option

    Values = Mapping[str, Any]


class Subcommand(Record):
    """One of our own commands: what it does, and with which options.

    `takes_command` when another command follows; `argument` is what else it takes, as the help calls it.
    """

    act: Callable[..., int]
    options: Sequence[Option]
    takes_command: bool = False
    argument: str = ""

    def do(self, given: Values, words: Sequence[str], environ: Mapping[str, str]) -> int:
        """Do it with the options that were given, and give the exit code. Raises: SecretsExecError, Failures."""
        values = options.settle(self.options, given, environ)
        return self.act(values, words) if self.takes_command or self.argument else self.act(values)


def run(values: Values, command: Sequence[str]) -> int:
    """Fetch the manifest's secrets and become COMMAND."""
    from ..run import run as become

    log = log_of(values)
    if not command and not values["dry_run"]:
        raise UsageError("there is no command to run", hint="write it after --: secrets-exec [OPTIONS] -- COMMAND")
    supervision = options.supervision(values)
    if supervision is None or values["dry_run"]:
        from ..child.ending import release

        release()
    become(_order(values), command, environment.given(), log, dry=values["dry_run"], supervision=supervision)
    return 0


def check(values: Values) -> int:
    """Check the manifest: names, references, providers; with --fetch, that every secret resolves."""
    from .. import report

    return _report(values, report.check, report.told_check)


def plan(values: Values) -> int:
    """Tell which variables would be set, and from where."""
    from .. import report

    return _report(values, report.plan, report.told_plan, since=values["since"])


def export(values: Values) -> int:
    """Write the values of the manifest's variables, for another program."""
    from ..outlets import export as outlet
    from . import output

    form = options.format_of(values)
    name = options.secret_name(values, form) or outlet.SECRET_NAME
    if values["add_mask"] and not outlet.wants_masks(form, os.environ):
        raise UsageError("--add-mask is for a step of GitHub Actions", hint="with --format github, run by its runner")
    _check_shown(values)
    log = log_of(values)
    if outlet.wants_masks(form, os.environ) and not values["add_mask"]:
        log.warning("the log of this job will show the values as they are", hint="--add-mask hides them")
    made, text = outlet.exported(_order(values), environment.given(), log, form, name=name)
    if values["add_mask"]:
        output.tell_runner(outlet.masks(made).reveal())
    output.deliver(text.reveal())
    return 0


def get(values: Values, words: Sequence[str]) -> int:
    """Write the value of one reference, byte for byte, with no line end added."""
    from ..outlets.get import get as value_of
    from .output import deliver

    reference = _only_word(words, "get", "REF")
    _check_shown(values)
    deliver(value_of(reference, _order(values), environment.given(), log_of(values)).reveal())
    return 0


def _check_shown(values: Values) -> None:
    from .output import is_shown

    if is_shown() and not values["reveal"]:
        hint = "send it into a file or a pipe; --reveal shows the values here"
        raise UsageError("standard output is a terminal, and values would be seen on it", hint=hint)


def _only_word(words: Sequence[str], name: str, what: str) -> str:
    if len(words) != 1:
        raise UsageError(f"{name} takes one {what}", hint=f"secrets-exec {name} {what}")
    return words[0]


def init(values: Values) -> int:
    """Begin a manifest: from a dotenv file's names, or the environment's. No value is carried over."""
    from ..drafts import init as beginning

    output = _output(values)
    if values["from"]:
        return _hand_over(beginning.from_dotenv(values["from"]), output, values)
    draft = beginning.from_environment(environment.given())
    if all(os.isatty(stream) for stream in range(3)):
        from . import prompts

        beginning.ask(draft, prompts.choose, prompts.ask)
    return _hand_over(draft, output, values)


def import_file(values: Values, words: Sequence[str]) -> int:
    """Begin a manifest from a file of ECS, External Secrets, summon or teller. No value is carried over."""
    from ..drafts.foreign import carried

    file, output = _only_word(words, "import", "FILE"), _output(values)
    return _hand_over(carried(file), output, values)


def _output(values: Values) -> str:
    from ..drafts.draft import STANDARD_OUTPUT, checked_output

    output = checked_output(values["output"])
    if values["json"] and output == STANDARD_OUTPUT:
        raise UsageError(
            "--json and the manifest cannot both be standard output", hint="--output FILE for the manifest"
        )
    return output


def _hand_over(draft: Draft, output: str, values: Values) -> int:
    """Write a manifest that was begun, and tell what is left to do."""
    from ..drafts.draft import STANDARD_OUTPUT, create, told
    from .output import deliver

    log = log_of(values)
    if output == STANDARD_OUTPUT:
        deliver(draft.toml().encode())
    else:
        create(output, draft.toml())
    for loss in draft.losses:
        log.warning(loss.what, where=loss.where, hint=loss.hint)
    if output == STANDARD_OUTPUT:
        return 0
    if not values["json"]:
        log.notice(told(draft, output))
        return 0
    return _write(draft.report(output), told, as_json=True)


def providers(values: Values) -> int:
    """List the providers that are installed, with their settings."""
    from .. import report

    return _write(report.providers(), report.told_providers, as_json=values["json"])


def schema(_values: Values) -> int:
    """Write the JSON Schema of a manifest, for editors."""
    import json

    from ..schema import schema as made
    from .output import answer

    answer(json.dumps(made(), indent=2))
    return 0


def completion(values: Values, words: Sequence[str]) -> int:
    """Write a script that completes our words in bash, zsh or fish."""
    from .completion import SHELLS, script
    from .output import answer

    if values["words"] is not None:
        return _words(values)
    shell = _only_word(words, "completion", "SHELL")
    if shell not in SHELLS:
        raise UsageError("there is no completion for that shell", hint=f"it takes one of {', '.join(SHELLS)}")
    answer(script(shell).rstrip("\n"))
    return 0


def _words(values: Values) -> int:
    """Names for a script, one a line; nothing where there are none: somebody is typing, and wants no message."""
    from ..manifest.names import names
    from .output import answer

    found = names(values["manifest"], values["profile"])
    kind = options.words_of(values)
    end = "://" if kind == "providers" else ""
    if words := getattr(found, kind):
        answer("\n".join(f"{word}{end}" for word in words))
    return 0


def doctor(values: Values) -> int:
    """Look for what may be wrong: credentials, names, TLS, clocks, and whether each secret may be read."""
    from .. import doctor as examining

    found = examining.examine(_order(values), environment.given(), log_of(values))
    return _write(found, examining.told, as_json=values["json"])


def emulator(values: Values) -> int:
    """Serve both clouds' APIs on loopback, from a seed file. For development and tests."""
    import gc

    from .. import emulator as emulated

    gc.enable()  # a server lives for long
    if not values["seed"]:
        raise UsageError("the emulator needs a seed", hint="secrets-exec emulator --seed FILE")
    port = values["port"] or "0"
    if not (port.isdigit() and port.isascii() and len(port) < 6 and int(port) < 65536):
        raise UsageError("--port does not take that", hint="it takes a number from 0 to 65535")
    try:
        host = values["host"] or "127.0.0.1"
        return emulated.serve(values["seed"], host, int(port), tls=values["tls"], as_json=values["json"])
    except emulated.SeedError as error:
        raise Failures(ManifestError(problem, where=error.where) for problem in error.problems) from None
    except emulated.CannotStart as error:
        raise SystemRefused(str(error), hint=error.hint) from None


def copy(values: Values, words: Sequence[str]) -> int:
    """Copy the one file, or the zipapp, into the folder DIR: for a volume that another image mounts."""
    from ..copying import copy_itself, told_copy

    return _write(copy_itself(_only_word(words, "copy", "DIR")), told_copy, as_json=values["json"])


def log_of(values: Values) -> Log:
    """How this run tells what it does. Raises: UsageError."""
    form = values["log_format"] or "text"
    if form not in ("text", "json"):
        raise UsageError("--log-format does not take that", hint="it takes text or json")
    loud = DEBUG if values["debug"] else min(values["verbose"], DEBUG)
    return Log(QUIET if values["quiet"] else max(loud, NORMAL), as_json=form == "json")


def _order(values: Values) -> Order:
    from ..manifest import ENVIRONMENT, SET
    from ..run import Order

    variables = {f"--env-file {path}": _env_file(path) for path in values["env_file"]}
    if values.get("resolve_env"):
        variables[ENVIRONMENT] = options.references(os.environ)
    if values["set"]:
        variables[SET] = options.assignments(values["set"])
    return Order(
        files=values["manifest"],
        profile=values["profile"],
        variables=variables,
        only=values.get("only") or (),
        allowed_hosts=values["allow_endpoint"],
        offline=bool(values["offline"]),
        splay=options.seconds(values, "splay"),
        timings=options.timings(values),
        options=options.run_options(values),
    )


def _env_file(path: str) -> dict[str, str]:
    from ..errors import SecretsExecError
    from ..files import read_regular
    from ..providers.dotenv import parse

    try:
        return {name: value for name, value in parse(read_regular(path, 1 << 20)).items() if value is not None}
    except SecretsExecError as error:
        problem = ManifestError(error.what, where=f"--env-file {path}", hint=error.hint)
    raise problem


def _report(values: Values, make: Any, tell: Any, **how: Any) -> int:
    given, log = environment.given(), log_of(values)
    if values["timings"] and not values["fetch"]:
        log.warning("--timings draws a fetch, and nothing is fetched", hint="add --fetch")
    found = make(_order(values), given, log, fetching=values["fetch"], **how)
    return _write(found, tell, as_json=values["json"])


def _write(found: Any, tell: Any, *, as_json: bool) -> int:
    from .output import answer, show

    if not as_json:
        show(tell(found))
    else:
        import json

        answer(json.dumps(found, indent=2))
    return int(found.get("exit_code", 0))


COMMANDS: Mapping[str, Subcommand] = {
    "run": Subcommand(run, options.RUN, takes_command=True),
    "check": Subcommand(check, options.READING),
    "plan": Subcommand(plan, options.PLANNING),
    "init": Subcommand(init, options.INIT),
    "import": Subcommand(import_file, options.IMPORT, argument="FILE"),
    "export": Subcommand(export, options.EXPORT),
    "get": Subcommand(get, options.GET, argument="REF"),
    "providers": Subcommand(providers, options.LISTING),
    "doctor": Subcommand(doctor, options.EXAMINING),
    "schema": Subcommand(schema, options.TELLING),
    "completion": Subcommand(completion, options.COMPLETION, argument="SHELL"),
    "emulator": Subcommand(emulator, options.EMULATOR),
    "copy": Subcommand(copy, options.LISTING, argument="DIR"),
}
"""By their names on the command line, in the order of the help."""
