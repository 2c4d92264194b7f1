"""The one way in, and the boundary where every error becomes words and an exit code."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .log import Log

_FORMAT = "SECRETS_EXEC_LOG_FORMAT"


def main() -> NoReturn:
    """Run the command line, and end: without waiting for a thread, whatever it is doing."""
    code = _code(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):  # a reader that has gone, a disk that is full
            code = code or os.EX_IOERR
    os._exit(code)


def _code(words: list[str]) -> int:
    from .errors import BUG, SIGNALLED, Failures, SecretsExecError
    from .log import Log

    log = Log(as_json=_asks_for_json(words))
    try:
        from .cli.app import main as command_line

        return command_line(words)
    except SecretsExecError as error:
        failures = Failures([error])
    except Failures as several:
        failures = several
    except KeyboardInterrupt:  # of the commands that start nothing; `run` has its own handler
        return SIGNALLED + 2
    except Exception as bug:  # the boundary: what escapes to here is a bug, and its text may hold a value
        _tell_bug(log, bug, "--debug" in words)
        return BUG
    for problem in failures.errors:
        log.error(problem)
    return failures.exit_code


def _asks_for_json(words: list[str]) -> bool:
    """Whether messages are to be JSON: known before the command line is read, for the errors of reading it."""
    ours = " ".join(words[: words.index("--")] if "--" in words else words)
    return "--log-format=json" in ours or "--log-format json" in ours or os.environ.get(_FORMAT) == "json"


def _tell_bug(log: Log, bug: Exception, traced: bool) -> None:
    from .errors import SecretsExecError
    from .log import write

    log.error(
        SecretsExecError(
            f"a bug in secrets-exec: {type(bug).__name__}",
            hint="please report it with the output of --debug, which shows no value",
        )
    )
    if traced:
        import traceback

        for frame in traceback.extract_tb(bug.__traceback__):
            write(f"  {os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}")


if __name__ == "__main__":
    main()
