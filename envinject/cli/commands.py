"""What each command does: hand the settled options to the function that does it, write down what it gives."""

from __future__ import annotations

from .. import environ as environment
from ..errors import Failures, ManifestError, SystemRefused, UsageError
from ..log import DEBUG, NORMAL, QUIET, Log
from ..record import Record
from . import options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..run import Order
    from .options import Option

    Values = Mapping[str, Any]


class Subcommand(Record):
    """One of our own commands: what it does, and with which options; `takes_command` when another command follows."""

    act: Callable[..., int]
    options: Sequence[Option]
    takes_command: bool = False

    def do(self, given: Values, command: Sequence[str], environ: Mapping[str, str]) -> int:
        """Do it with the options that were given, and give the exit code. Raises: SecretsExecError, Failures."""
        values = options.settle(self.options, given, environ)
        return self.act(values, command) if self.takes_command else self.act(values)


def run(values: Values, command: Sequence[str]) -> int:
    """Fetch the manifest's secrets and become COMMAND."""
    from ..run import run as become

    log = log_of(values)
    if not command and not values["dry_run"]:
        raise UsageError("there is no command to run", hint="write it after --: secrets-exec [OPTIONS] -- COMMAND")
    supervision = options.supervision(values)
    if supervision is None or values["dry_run"]:
        from ..child.signals import release

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


def providers(values: Values) -> int:
    """List the providers that are installed, with their settings."""
    from .. import report

    return _write(report.providers(), report.told_providers, as_json=values["json"])


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
        return emulated.serve(values["seed"], host=values["host"] or "127.0.0.1", port=int(port), tls=values["tls"])
    except emulated.SeedError as error:
        raise Failures(ManifestError(problem, where=error.where) for problem in error.problems) from None
    except emulated.CannotStart as error:
        raise SystemRefused(str(error), hint=error.hint) from None


def log_of(values: Values) -> Log:
    """How this run tells what it does. Raises: UsageError."""
    form = values["log_format"] or "text"
    if form not in ("text", "json"):
        raise UsageError("--log-format does not take that", hint="it takes text or json")
    loud = DEBUG if values["debug"] else min(values["verbose"], DEBUG)
    return Log(QUIET if values["quiet"] else max(loud, NORMAL), as_json=form == "json")


def _order(values: Values) -> Order:
    from ..manifest import SET
    from ..run import Order

    variables = {f"--env-file {path}": _env_file(path) for path in values["env_file"]}
    if values["set"]:
        variables[SET] = options.assignments(values["set"])
    return Order(
        files=values["manifest"],
        profile=values["profile"],
        variables=variables,
        only=values["only"],
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
    "providers": Subcommand(providers, options.LISTING),
    "doctor": Subcommand(doctor, options.EXAMINING),
    "emulator": Subcommand(emulator, options.EMULATOR),
}
"""By their names on the command line, in the order of the help."""
