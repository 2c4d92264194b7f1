"""Results: what a command answers goes to standard output, whole or not at all told as a success."""

from __future__ import annotations

import os
import sys

from ..errors import SystemRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..sheet import Sheet

_STANDARD_OUTPUT, _STANDARD_ERROR = 1, 2
_WIDTH = 80


def show(sheet: Sheet) -> None:
    """Write a result for people: on a terminal in colour and as wide as it is, else plain. Raises: SystemRefused."""
    from ..sheet import plain

    text = None
    if is_shown() and (os.environ.get("TERM") or "dumb") != "dumb":
        from .pretty import pretty  # only where somebody watches

        text = pretty(sheet, columns(), colour=not os.environ.get("NO_COLOR"))
    answer(plain(sheet) if text is None else text)


def columns() -> int:
    """The width of standard output, as COLUMNS or the terminal says; 80 where neither does."""
    try:
        said = int(os.environ.get("COLUMNS") or os.get_terminal_size(_STANDARD_OUTPUT).columns)
    except (ValueError, OSError):
        said = 0
    return said if said > 0 else _WIDTH


def answer(text: str) -> None:
    """Write a result and the end of its line. Raises: as `deliver`."""
    deliver(f"{text}\n".encode("utf-8", "backslashreplace"))


def is_shown() -> bool:
    """Whether standard output is a terminal, where somebody reads along."""
    return sys.stdout is not None and os.isatty(_STANDARD_OUTPUT)


def tell_runner(data: bytes) -> None:
    """Write commands to GitHub's runner to standard error, which it reads before anybody else does.

    Raises: SystemRefused when it cannot be written: what is not hidden must not go on.
    """
    try:
        _write(_STANDARD_ERROR, data)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    else:
        return
    raise SystemRefused(f"the masks cannot be written to standard error: {reason}")


def deliver(data: bytes) -> None:
    """Write a result as it is. A reader that has gone ends us as it ends every program.

    Raises: SystemRefused when standard output is closed, or takes no more.
    """
    if sys.stdout is None:  # closed when we started: the descriptor may be something else by now
        raise SystemRefused("the answer cannot be written: standard output is closed")
    try:
        _write(_STANDARD_OUTPUT, data)
    except BrokenPipeError:
        import signal  # costs 3 ms, as much as all else that --version loads

        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        reason = "its reader has gone"  # and the signal is blocked
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    else:
        return
    raise SystemRefused(f"the answer cannot be written to standard output: {reason}")


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: the system may take less at once. Raises: OSError."""
    while data:
        data = data[os.write(descriptor, data) :]
