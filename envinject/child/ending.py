"""Signals on the way to a command that takes our place, without the module `signal`.

`signal` makes enums of all the names there are, which takes longer than the rest of a small start. Outside of a fetch
nothing is waited for, so the system's defaults will do. While answers are awaited, faulthandler's handler, which is in
C and writes to a descriptor, makes a counter readable for each signal (eventfd(2)). Where handlers of `signal` are
there, as in PID 1, which the defaults do not end, and in a parent, everything is theirs (`signals.py`).
"""

from __future__ import annotations

import faulthandler
import os
import sys

from ..errors import SIGNALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

# Their numbers on every Linux that Python's wheels are made for (signal(7)).
_HUP, _INT, _QUIT, _PIPE, _TERM, _XFSZ = 1, 2, 3, 13, 15, 25
_ENDING = (_HUP, _INT, _QUIT, _TERM)
_OF_THE_INTERPRETER = (_PIPE, _XFSZ)

_STANDARD_ERROR = 2

_counters: dict[int, int] = {}
"""The descriptor of each signal that is listened for."""


def handlers() -> None:
    """From now on handlers end us: for who waits in a way that cannot look at descriptors."""
    from .signals import end_on_signals

    end_on_signals()


def descriptors() -> Mapping[int, Callable[[], NoReturn]]:
    """What to look at while waiting, and to call when it can be read; nothing where handlers end us.

    What we were started with as ignored stays ignored.
    """
    if _are_handled():
        handlers()
        return {}
    try:
        ignored = _ignored()
        for number in _ENDING:
            if not ignored >> (number - 1) & 1:
                _counters[number] = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
                faulthandler.register(number, _counters[number], all_threads=True)  # also for a thread of a library
    except (OSError, ValueError):  # no /proc, no descriptor left
        settle()
        handlers()
        return {}
    return {counter: _ender(number) for number, counter in _counters.items()}


def settle() -> None:
    """Nothing is awaited any more: one that has come by now ends us, and the next one does so by itself."""
    for number in _counters:
        faulthandler.unregister(number)
    for number, counter in _counters.items():
        if _has_come(counter):
            _end(number)
        os.close(counter)
    _counters.clear()


def release() -> None:
    """Hold back no signal for a child any more: there will be none."""
    if _are_handled():
        from . import signals

        signals.release()


def give_back() -> None:
    """Leave every signal as it was given to us, for the program that takes our place.

    The interpreter ignores SIGPIPE and SIGXFSZ from its start, and exec would hand that on; what has a handler becomes
    the default in exec (execve(2)), whoever the handler is of.
    """
    if _are_handled():
        from . import signals

        signals.give_back()
        return
    for number in _OF_THE_INTERPRETER:
        faulthandler.register(number, _STANDARD_ERROR)


def take_back() -> None:
    """After an exec that failed: be the interpreter again, which does not die of a reader that has gone."""
    if _are_handled():
        from . import signals

        signals.take_back()
        return
    for number in _OF_THE_INTERPRETER:
        faulthandler.unregister(number)


def _are_handled() -> bool:
    """Whether `signal` is loaded, so that its handlers cost nothing more; elsewhere than on Linux it is needed."""
    return "signal" in sys.modules or sys.platform != "linux"


def _ignored() -> int:
    """The signals that we were started with as ignored, as a mask. Raises: OSError, ValueError without /proc."""
    with open("/proc/self/status", "rb", 0) as status:
        return int(status.read().partition(b"\nSigIgn:")[2].split(None, 1)[0], 16)


def _has_come(counter: int) -> bool:
    try:
        return os.eventfd_read(counter) > 0
    except BlockingIOError:
        return False


def _ender(number: int) -> Callable[[], NoReturn]:
    return lambda: _end(number)


def _end(number: int) -> NoReturn:
    os._exit(SIGNALLED + number)
