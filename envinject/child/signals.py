"""Signals while we are still ourselves: one that asks to end ends us at once, and no child starts."""

from __future__ import annotations

import os
import signal

from ..errors import SIGNALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
OF_THE_INTERPRETER = (signal.SIGPIPE, signal.SIGXFSZ)
_STOPPING = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)

_given: list[Iterable[int]] = []
"""The mask that we were started with, while signals are held."""


def end_on_signals() -> None:
    """From now on TERM, INT, HUP and QUIT end this process with 128+n, also as PID 1, where defaults do nothing.

    What we were started with as ignored stays ignored (nohup, `&` in scripts).
    """
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _end)


def _end(number: int, _frame: FrameType | None) -> None:
    os._exit(SIGNALLED + number)


def give_back() -> None:
    """Leave every signal as it was given to us, for the program that takes our place.

    The interpreter ignores SIGPIPE and SIGXFSZ from its start, and exec would hand that on. A signal that asks
    to end may come at any moment, also between its last look for one and exec, where it would be forgotten:
    so it is held back until nothing of ours handles it any more, and then ends us, as PID 1 too.
    """
    given = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)  # runs the handlers of what has come
    for number in _ENDING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for number in OF_THE_INTERPRETER:
        signal.signal(number, signal.SIG_DFL)
    for number in _ENDING:
        if number in signal.sigpending() and number not in given:
            os._exit(SIGNALLED + number)
    signal.pthread_sigmask(signal.SIG_SETMASK, given)


def take_back() -> None:
    """After an exec that failed: be the interpreter again, which does not die of a reader that has gone."""
    for number in OF_THE_INTERPRETER:
        signal.signal(number, signal.SIG_IGN)
    end_on_signals()


def hold() -> None:
    """Keep pending what is meant for a child that does not run yet; what ends or stops us goes on doing so."""
    _block(signal.valid_signals() - {*_ENDING, *_STOPPING})


def hold_all() -> Iterable[int]:
    """Keep every signal pending. Gives the mask that we were started with."""
    _block(signal.valid_signals())
    return _given[0]


def _block(numbers: Iterable[int]) -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    if not _given:
        _given.append(before)


def release() -> None:
    """Hold nothing any more: the mask is again the one that we were started with."""
    if _given:
        signal.pthread_sigmask(signal.SIG_SETMASK, _given.pop())
