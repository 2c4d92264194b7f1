"""The one way in, and the boundary where every error becomes words and an exit code."""

# No `from __future__ import`: that is an import too, and `python -m` looks in the working folder first.
import gc
import os
import sys

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the working folder: nothing of ours lies there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from .errors import SecretsExecError

_SETTINGS = """
    PYTHONCASEOK PYTHONDEBUG PYTHONDEVMODE PYTHONDUMPREFS PYTHONEXECUTABLE PYTHONHOME PYTHONINSPECT PYTHONMALLOCSTATS
    PYTHONOPTIMIZE PYTHONPATH PYTHONPERFSUPPORT PYTHONPLATLIBDIR PYTHONPROFILEIMPORTTIME PYTHONPYCACHEPREFIX
    PYTHONTRACEMALLOC PYTHONUSERBASE PYTHONVERBOSE PYTHONWARNDEFAULTENCODING PYTHONWARNINGS
""".split()
"""The interpreter's settings that change which modules are loaded, how they run, or what is printed."""

_INIT = 1
"""The process id of a container's first process, which signals do nothing to by default."""


def main() -> "NoReturn":
    """Run the command line, and end: without waiting for a thread, whatever it is doing."""
    gc.disable()  # nothing lives long enough here; the emulator switches it on again
    try:
        _begin_anew()
        from .cli import VERSION_FLAGS

        if sys.argv[1:2] not in [[flag] for flag in VERSION_FLAGS]:  # that ends sooner than a handler is loaded
            _look_out_for_signals()
        code = _code(sys.argv[1:])
    except KeyboardInterrupt:  # before our own handler was there
        code = 130
    os._exit(code)


def _look_out_for_signals() -> None:
    """Have handlers, before anything is waited for; but not on the way to a command alone (child/ending.py)."""
    words = sys.argv[1:]
    is_a_run = _is_a_run(words)
    may_supervise = is_a_run and _may_supervise(words)
    if is_a_run and not may_supervise and os.getpid() != _INIT:
        return
    from .child.signals import end_on_signals, hold

    end_on_signals()
    if may_supervise:
        hold()


def _begin_anew() -> None:
    """Start once more where the interpreter reads things in a way that is meant for the application, or is lossy.

    The application's Python settings are not for us; it still gets them. In a locale that is
    not UTF-8 some words would not come out as they came in. Both are rare, and cost nothing where they are not.
    """
    try:
        options = _options()
        if options:
            from .environ import given, words

            argv: list[str | bytes] = [sys.executable, *options, *words()[1:]]
            os.execve(sys.executable, argv, given())
    except (OSError, ValueError):  # no folder to stand in, no room for more words, ...: then as we are
        return


def _is_a_run(words: "Sequence[str]") -> bool:
    return words[:1] == ["run"] or "".join(words[:1]).startswith("-")


def _may_supervise(words: "Sequence[str]") -> bool:
    """Whether a child may be ours to pass signals on to: known at once, since they may come at once."""
    from .cli import PARENTAL

    named = {word.partition("=")[0] for word in words}
    return any(f"--{name}" in named or os.environ.get(f"SECRETS_EXEC_{name.upper()}") for name in PARENTAL)


def _options() -> list[str]:
    """The options of the interpreter that a second start is needed for; none where the first one will do."""
    options = []
    settings = {name: os.environ[name] for name in _SETTINGS if os.environ.get(name)}
    if settings and not sys.flags.ignore_environment and _is_found_without(settings):
        options += ["-E", "-P", *["-s"] * sys.flags.no_user_site, *["-B"] * sys.flags.dont_write_bytecode]
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        options += ["-X", "utf8"]
    return options


def _is_found_without(settings: "Mapping[str, str]") -> bool:
    """Whether the launcher itself would still be found without the settings."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    named = [os.path.abspath(folder) for folder in settings.get("PYTHONPATH", "").split(os.pathsep) if folder]
    bases = tuple(f"{settings[name]}/" for name in ("PYTHONHOME", "PYTHONUSERBASE") if name in settings)
    return home in sys.path and home not in named and not home.startswith(bases)


def _code(words: "Sequence[str]") -> int:
    ours = words[: words.index("--")] if "--" in words else words
    from .log import Log

    log = Log(as_json=_asks_for_json(ours))
    try:
        from .cli.line import main as command_line
        from .errors import Failures, SecretsExecError

        try:
            return command_line(words)
        except SecretsExecError as error:
            failures = Failures([error])
        except Failures as several:
            failures = several
        for problem in failures.errors:
            log.error(problem)
        return failures.exit_code
    except KeyboardInterrupt:
        raise
    except BaseException as unforeseen:  # the boundary: what escapes to here is a bug, and its text may hold a value
        problem = _unforeseen(unforeseen, traced=_asks_for_debug(ours))
    log.error(problem)
    return problem.exit_code


def _asks_for_json(words: "Sequence[str]") -> bool:
    """Whether messages are to be JSON: known before the command line is read, for the errors of reading it."""
    said = " ".join(words).replace("=", " ")
    return "--log-format json" in said or os.environ.get("SECRETS_EXEC_LOG_FORMAT") == "json"


def _asks_for_debug(words: "Sequence[str]") -> bool:
    return "--debug" in words or os.environ.get("SECRETS_EXEC_DEBUG", "").lower() in ("1", "true", "yes", "on")


def _unforeseen(error: BaseException, *, traced: bool) -> "SecretsExecError":
    """What nobody handled, as an error of its own: a system that has nothing left, else a bug."""
    from errno import EMFILE, ENFILE, ENOMEM

    from .errors import SecretsExecError, SystemRefused

    if isinstance(error, MemoryError) or getattr(error, "errno", None) in (EMFILE, ENFILE, ENOMEM):
        return SystemRefused("the system has no memory or no descriptor left")
    what = f"a bug in secrets-exec: {type(error).__name__}"
    if not traced:
        return SecretsExecError(what, hint="please report it with the output of --debug, which shows no value")
    return SecretsExecError(what, where=_frames(error), hint="please report it")


def _frames(error: BaseException) -> str:
    """Where it happened, from the outside in: files, lines and functions, no text and no variable."""
    frames, step = [], error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        frames.append(f"{os.path.basename(code.co_filename)}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return " > ".join(frames)


if __name__ == "__main__":
    main()
