"""Signals while we are still ourselves: one that asks to end ends us at once, and no child starts."""

from __future__ import annotations

import os
import signal

from ..errors import SIGNALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_OF_THE_INTERPRETER = (signal.SIGPIPE, signal.SIGXFSZ)


def end_on_signals() -> None:
    """From now on TERM, INT, HUP and QUIT end this process with 128+n, also as PID 1, where defaults do nothing.

    What we were started with as ignored stays ignored (nohup, `&` in scripts).
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(SIGNALLED + number)


def restore_for_exec() -> None:
    """Undo what the interpreter did at its start: it ignores SIGPIPE and SIGXFSZ, and exec would hand that on."""
    for number in _OF_THE_INTERPRETER:
        signal.signal(number, signal.SIG_DFL)


def ignore_again() -> None:
    """After an exec that failed: be the interpreter again."""
    for number in _OF_THE_INTERPRETER:
        signal.signal(number, signal.SIG_IGN)
