"""Trials of signals that are sent to the wrapper, without a terminal."""

from __future__ import annotations

import os
import random
import signal
import statistics
import subprocess
import time
from collections import Counter
from contextlib import ExitStack, suppress

from .candidates import Candidate
from .processes import (
    PATIENCE,
    UNSHARE,
    Running,
    TooLong,
    became,
    below,
    can_unshare,
    ended,
    running,
    start_time,
    started,
    state,
    within,
)

FAULTS = [signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGABRT, signal.SIGSYS]
_NOT_TO_CATCH = [signal.SIGKILL, signal.SIGSTOP]
_OWN_TRIALS = [*FAULTS, signal.SIGCHLD, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU]
FORWARDABLE = sorted(signal.valid_signals() - {*_NOT_TO_CATCH, *_OWN_TRIALS})
_FENCE = signal.SIGUSR2
_RUNS, _QUEUED = 100, 2000
_SHORT, _COARSE = 0.5, 0.0002


def every_signal(candidate: Candidate) -> str:
    """Send each signal to the wrapper, wait for the child to report it, and count how often each came.

    Faults have a row of their own; SIGCHLD and the stopping ones (TSTP, TTIN, TTOU) are the wrapper's own business.
    """
    with running(candidate, "record") as run:
        came = Counter[str]()
        for number in FORWARDABLE:
            came.update(_until(run, number))
            if state(run.wrapper) == "gone":
                return f"dies of {_name(number)}"
        came[str(int(_FENCE))] -= 1
        came.update(_until(run, _FENCE))
    wrong = [number for number in FORWARDABLE if came[str(int(number))] != 1]
    names = " ".join(_name(number) for number in wrong[:3])
    return f"all {len(FORWARDABLE)}" if not wrong else f"not {names}" + (" ..." if len(wrong) > 3 else "")


def _until(run: Running, number: int) -> list[str]:
    """What is reported from sending a signal until that signal arrives, or for a short time if it does not."""
    os.kill(run.wrapper, number)
    lines: list[str] = []
    with suppress(TooLong):
        while not lines or lines[-1] != str(int(number)):
            lines.append(run.reports.next(_SHORT))
    return lines


def _name(number: int) -> str:
    return signal.Signals(number).name.removeprefix("SIG") if number <= 31 else f"RT{number - signal.SIGRTMIN}"


def early_term(candidate: Candidate, *, first: bool = False) -> str:
    """Send TERM at a random moment of the start; it is lost if the wrapper still runs long after."""
    lasts = statistics.median(start_time(candidate, first=first) for _ in range(5))
    with ExitStack() as stack:
        runs = [_start_and_end(candidate, random.uniform(0, lasts), stack, first=first) for _ in range(_RUNS)]
        ends = time.monotonic() + PATIENCE
        lost = sum(_goes_on(run, ends) for run in runs)
    return f"{lost} of {_RUNS}"


def early_term_first(candidate: Candidate) -> str:
    """The same as PID 1, where the kernel drops what is not handled: from the exec of the wrapper on."""
    if candidate.execs:
        return "-"
    can_unshare()
    return early_term(candidate, first=True)


def _start_and_end(candidate: Candidate, moment: float, stack: ExitStack, *, first: bool) -> subprocess.Popen[bytes]:
    command = (*(UNSHARE if first else ()), *candidate.words, "sleep", "60")
    process = stack.enter_context(started(command))
    target = process.pid
    if first:
        target = below(process.pid)
        became(target, candidate.words[0])
    _pass(moment)
    os.kill(target, signal.SIGTERM)
    return process


def _pass(seconds: float) -> None:
    """Let so much time pass: the moment is the trial. The end is not slept, since a sleep is coarse."""
    ends = time.monotonic() + seconds
    time.sleep(max(0.0, seconds - _COARSE))
    while time.monotonic() < ends:
        pass


def _goes_on(process: subprocess.Popen[bytes], ends: float) -> bool:
    try:
        ended(process, max(0.0, ends - time.monotonic()))
    except TooLong:
        return True
    return False


def queued(candidate: Candidate) -> str:
    """Send 2,000 real-time signals as fast as it goes; the child counts those that come."""
    with running(candidate, "count") as run:
        for _ in range(_QUEUED):
            os.kill(run.wrapper, signal.SIGRTMIN + 1)
        os.kill(run.wrapper, signal.SIGRTMAX)
        try:
            return run.reports.next()
        except TooLong:
            os.kill(run.child, signal.SIGRTMAX)
            return run.reports.next()


def faults(candidate: Candidate) -> str:
    """Send SEGV, BUS, FPE, ILL, TRAP, ABRT, SYS, each to a new wrapper: does the child get it, or the wrapper die?"""
    outcomes = Counter(_fault(candidate, number) for number in FAULTS)
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(outcomes.items()))


def _fault(candidate: Candidate, number: int) -> str:
    with running(candidate, "record") as run:
        os.kill(run.wrapper, number)

        def look() -> str:
            if str(int(number)) in run.reports.rest():
                return "forwarded"
            return "kill it" if state(run.wrapper) == "gone" else ""

        try:
            return within(1.0, look)
        except TooLong:
            return "ignored"
