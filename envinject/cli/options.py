"""The one table of options: the command line, SECRETS_EXEC_<OPTION> and the help are all made from it."""

from __future__ import annotations

import os

from ..environ import CONFLICTS
from ..errors import UsageError, suggest
from ..record import Record
from . import PARENTAL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..child.supervise import Supervision

FLAG, COUNT, TEXT, MANY = "flag", "count", "text", "many"
_DEFAULTS = {FLAG: False, COUNT: 0, TEXT: None, MANY: ()}
_NOT_GIVEN = (*_DEFAULTS.values(),)
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")

WORDS = ("profiles", "variables", "providers")
"""The names of a manifest that a shell asks for while it completes."""


class Option(Record):
    """One option. `takes` is FLAG, COUNT (a flag that counts), TEXT (one value) or MANY (may be repeated).

    `separator` divides the values of MANY in its environment variable; None divides at commas and spaces.
    `choices` are words that it takes, where they are few.
    """

    name: str
    help: str
    short: str | None = None
    takes: str = TEXT
    metavar: str = ""
    separator: str | None = None
    choices: Sequence[str] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        """As it is written on the command line."""
        return (self.short, f"--{self.name}") if self.short else (f"--{self.name}",)

    @property
    def key(self) -> str:
        """As it is called in Python."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable that stands for it."""
        return f"SECRETS_EXEC_{self.key.upper()}"


_JSON = Option("json", "Answer in JSON.", takes=FLAG)
MANIFEST = (
    Option(
        "manifest",
        "Manifest file; later ones go over earlier ones; - reads TOML.",
        "-f",
        MANY,
        "FILE",
        os.pathsep,
    ),
    Option("profile", "Profile of the manifest.", "-P", metavar="NAME"),
    Option("set", "One more variable from a reference.", takes=MANY, metavar="NAME=REF", separator="\n"),
    Option(
        "env-file",
        "More variables from a dotenv file; references are resolved.",
        None,
        MANY,
        "FILE",
        os.pathsep,
    ),
    Option("resolve-env", "Resolve the references in the inherited environment too.", takes=FLAG),
    Option("only", "Only the manifest's variables whose name matches.", takes=MANY, metavar="GLOB"),
    Option("allow-endpoint", "A host that may receive credentials beside the provider's own.", None, MANY, "HOST"),
)
FETCHING = (
    Option("timeout", "For the whole start (120s).", metavar="DURATION"),
    Option("concurrency", "Requests under way at once (16).", "-j", metavar="N"),
    Option("offline", "Ask no store; take the last good values from the cache.", takes=FLAG),
    Option(
        "timings",
        "Draw when each secret waited and was answered: a .svg, or a .json for tracing viewers.",
        None,
        TEXT,
        "FILE",
    ),
)
TELLING = (
    Option("quiet", "Errors only.", "-q", FLAG),
    Option("verbose", "Tell what is done; twice tells more. Never a value.", "-v", COUNT),
    Option("debug", "Tell everything; a bug shows its traceback.", takes=FLAG),
    Option("log-format", "How messages are written: text or json.", metavar="FORMAT", choices=("text", "json")),
)
INHERITING = (
    Option(
        "on-conflict", "A variable that is also inherited: override, keep or error.", metavar="RULE", choices=CONFLICTS
    ),
    Option("pristine", "Inherit nothing.", takes=FLAG),
    Option("preserve-env", "Inherit only the variables whose name matches.", takes=MANY, metavar="GLOB"),
)
RUN = (
    *MANIFEST,
    *FETCHING,
    Option(
        "splay", "Begin to fetch after a random time of up to this, so that many starts spread.", metavar="DURATION"
    ),
    *INHERITING,
    Option("dry-run", "Do everything but start the command; tell what would be set.", takes=FLAG),
    *TELLING,
    Option("supervise", "Stay as the command's parent.", takes=FLAG),
    Option("grace", "As its parent: the time between TERM and KILL (10s).", metavar="DURATION"),
    Option(
        "forward",
        "As its parent: pass signals on to the child alone, or to its group.",
        metavar="TO",
        choices=("child", "group"),
    ),
    Option("pdeathsig", "Have the system send the command this signal when its parent dies.", metavar="SIGNAL"),
    Option("notify", "As its parent: tell systemd that it is ready when the command has started.", takes=FLAG),
    Option("watch", "As its parent: fetch again so often, and act when a value has changed.", metavar="DURATION"),
    Option(
        "on-change",
        "What a changed value does: restart (the default), exit, or signal:NAME.",
        metavar="ACTION",
        choices=("restart", "exit"),
    ),
    Option("mask", "As its parent: show names instead of values in the command's output.", takes=FLAG),
)
READING = (
    *MANIFEST,
    *FETCHING,
    Option("fetch", "Resolve every secret too.", takes=FLAG),
    _JSON,
    *TELLING,
)
GET = (
    *(option for option in MANIFEST if option.name not in ("only", "resolve-env")),
    *FETCHING,
    Option("reveal", "Write values to a terminal too.", takes=FLAG),
    *TELLING,
)
EXPORT = (
    *MANIFEST,
    *FETCHING,
    Option(
        "format",
        "dotenv, json, shell, docker, github or kubernetes; required.",
        metavar="FORMAT",
        choices=("dotenv", "json", "shell", "docker", "github", "kubernetes"),
    ),
    Option("name", "What the Secret of Kubernetes is called (secrets-exec).", metavar="NAME"),
    Option("add-mask", "Have GitHub's runner hide the values, by lines on standard error.", takes=FLAG),
    Option("reveal", "Write values to a terminal too.", takes=FLAG),
    *TELLING,
)
PLANNING = (
    *READING,
    *INHERITING,
    Option("since", "Tell what has changed since this answer of plan --json.", metavar="FILE"),
)
EXAMINING = (*MANIFEST, *FETCHING, _JSON, *TELLING)
LISTING = (_JSON, *TELLING)
COMPLETION = (
    *(option for option in MANIFEST if option.name in ("manifest", "profile")),
    Option("words", "For the scripts: the manifest's profiles, variables or providers.", metavar="KIND", choices=WORDS),
    *TELLING,
)
_OUTPUT = Option(
    "output",
    "The manifest to write, which must not be there yet (secrets.toml); - is standard output.",
    None,
    TEXT,
    "FILE",
)
INIT = (
    Option("from", "A dotenv file whose names are taken; - is standard input.", None, TEXT, "FILE"),
    _OUTPUT,
    _JSON,
    *TELLING,
)
IMPORT = (_OUTPUT, _JSON, *TELLING)
EMULATOR = (
    Option("seed", "What the stores hold; required.", metavar="FILE"),
    Option("host", "Loopback address to listen on (127.0.0.1).", metavar="HOST"),
    Option("port", "Port to listen on; any free one when not given.", metavar="N"),
    _JSON,
    Option("tls", "Serve https with an authority made for this run.", takes=FLAG),
    *TELLING,
)


def settle(options: Sequence[Option], given: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, Any]:
    """The value of every option: from the command line, else from its variable unless empty, else its default.

    Raises: UsageError.
    """
    values = {}
    for option in options:
        value = given.get(option.key)
        if value in _NOT_GIVEN and (text := environ.get(option.variable)):
            value = _from_environ(option, text)
        values[option.key] = _DEFAULTS[option.takes] if value in _NOT_GIVEN else value
    return values


def _from_environ(option: Option, text: str) -> Any:
    if option.takes == TEXT:
        return text
    if option.takes == MANY:
        parts = text.replace(",", " ").split() if option.separator is None else text.split(option.separator)
        return tuple(part for part in parts if part)
    if option.takes == COUNT and text.isdigit() and text.isascii() and len(text) < 3:
        return int(text)
    if text.lower() in (*_TRUE, *_FALSE):
        return int(text.lower() in _TRUE)
    raise UsageError(f"{option.variable} is neither true nor false", hint=f"set it to 1 for --{option.name}, or to 0")


def run_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the manifest that the command line goes over. Raises: UsageError."""
    options: dict[str, Any] = {}
    if (text := values["timeout"]) is not None:
        options["timeout"] = _seconds("timeout", text)
    if (text := values["concurrency"]) is not None:
        options["concurrency"] = _checked("concurrency", _count(text), "a whole number from 1 to 1000")
    if (rule := values.get("on_conflict")) is not None:
        known = rule if rule in CONFLICTS else None
        options["on_conflict"] = _checked("on-conflict", known, f"one of {', '.join(CONFLICTS)}")
    if values.get("preserve_env"):
        options["inherit"] = tuple(values["preserve_env"])
    elif values.get("pristine"):
        options["inherit"] = False
    return options


def timings(values: Mapping[str, Any]) -> str | None:
    """The file for a picture of the fetch; None without one. Raises: UsageError when its name does not say which."""
    if values["timings"] is None:
        return None
    from ..picture import FORMS

    path = str(values["timings"])
    return str(_checked("timings", path if path.endswith(FORMS) else None, f"a file that ends in {' or '.join(FORMS)}"))


def supervision(values: Mapping[str, Any]) -> Supervision | None:
    """How to be the command's parent; None where no option asks for that. Raises: UsageError."""
    if not any(values[name] for name in PARENTAL):
        if values["on_change"]:
            raise UsageError("--on-change needs --watch", hint="--watch 60s, say")
        return None
    from ..child.supervise import CHILD, GRACE, GROUP, Supervision

    to, number = values["forward"], _signal(values["pdeathsig"])
    return Supervision(
        grace=seconds(values, "grace") or GRACE,
        forward=_checked("forward", to if to in (CHILD, GROUP) else None, "child or group") if to else "",
        pdeathsig=_checked("pdeathsig", number, "a signal's name or number, such as TERM"),
        notify=values["notify"],
        mask=values["mask"],
        watch=seconds(values, "watch"),
        on_change=_checked("on-change", _change(values["on_change"]), "restart, exit, or signal:NAME"),
    )


def format_of(values: Mapping[str, Any]) -> str:
    """The format of `--format`. Raises: UsageError."""
    from ..outlets.formats import FORMATS

    form, known = values["format"], ", ".join(FORMATS)
    if form is None:
        raise UsageError("export needs a format", hint=f"--format takes one of {known}")
    return str(_checked("format", form if form in FORMATS else None, f"one of {known}"))


def words_of(values: Mapping[str, Any]) -> str:
    """The names that `--words` asks for. Raises: UsageError."""
    kind = values["words"]
    return str(_checked("words", kind if kind in WORDS else None, f"one of {', '.join(WORDS)}"))


def secret_name(values: Mapping[str, Any], form: str) -> str | None:
    """The name of a Secret of Kubernetes; None when none is given. Raises: UsageError."""
    from ..outlets.formats import is_secret_name

    name: str | None = values["name"]
    if name is not None and form != "kubernetes":
        raise UsageError("--name is for --format kubernetes", hint="leave it out")
    if name is not None:
        _checked("name", name if is_secret_name(name) else None, "small letters, digits, '-' and '.'")
    return name


def _change(text: str | None) -> str | None:
    """What a changed value does: `restart`, `exit`, or a signal's number as text; None when it makes no sense."""
    from ..child.supervise import EXIT, RESTART

    if text in (None, RESTART, EXIT):
        return text or RESTART
    kind, _, name = str(text).partition(":")
    number = _signal(name) if kind == "signal" and name else None
    return None if number is None else str(number)


def _signal(text: str | None) -> int | None:
    """The number of a signal written as `TERM`, `SIGTERM` or `15`; 0 for none, None when there is no such signal."""
    if text is None:
        return 0
    import signal

    by_name = {str(one.name).removeprefix("SIG"): int(one) for one in signal.Signals}
    by_number = {str(int(one)): int(one) for one in signal.valid_signals()}
    return {**by_name, **by_number}.get(text.upper().removeprefix("SIG"))


def seconds(values: Mapping[str, Any], name: str) -> float:
    """The seconds of an option that takes a duration; 0 when it is not given. Raises: UsageError."""
    text = values.get(name)
    return 0.0 if text is None else _seconds(name, text)


def _seconds(name: str, text: str) -> float:
    from ..duration import parse_duration

    return float(_checked(name, parse_duration(text), "a duration such as 500ms, 30s or 2m"))


def _checked(name: str, value: Any, form: str) -> Any:
    if value is None:
        raise UsageError(f"--{name} does not take that", hint=f"it takes {form}")
    return value


def _count(text: str) -> int | None:
    plain = text.isdigit() and text.isascii() and len(text) < 5
    return int(text) if plain and 0 < int(text) <= 1000 else None


def assignments(texts: Sequence[str]) -> dict[str, str]:
    """The names and references of `--set`. Raises: UsageError, which shows no more than a name."""
    from ..environ import is_name
    from ..reference import is_reference

    found = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not (separator and is_name(name) and is_reference(value)):
            shown = f" {name}" if separator and is_name(name) else ""
            raise UsageError(f"--set{shown} is no NAME=REF", hint="write --set NAME=PROVIDER://ID, never a value")
        found[name] = value
    return found


def references(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold a reference, whether its provider is known or not; none of our own."""
    from ..reference import is_reference

    return {name: text for name, text in environ.items() if is_reference(text) and not name.startswith("SECRETS_EXEC_")}


def no_such_option(written: str, options: Sequence[Option]) -> UsageError:
    """The error of an option that is not there; `written` is its name without a value."""
    known = [flag for option in options for flag in option.flags]
    return UsageError(
        f"there is no option {written}",
        hint=f"{suggest(written, known)}See: secrets-exec --help; a command follows --",
    )
