"""The child of every trial, a program of its own: `child.py REPORTS VERB [WORD...]`. Reports lines, first "ready"."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

_PATIENCE = 5.0
_ALL = signal.valid_signals()


class Reporter:
    """Writes lines to a named pipe."""

    def __init__(self, path: str) -> None:
        self._end = os.open(path, os.O_WRONLY | os.O_CLOEXEC)

    def __call__(self, line: object) -> None:
        os.write(self._end, f"{line}\n".encode())


def record(report: Reporter) -> None:
    """Report the number of every signal that comes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    report("ready")
    while True:
        report(signal.sigwaitinfo(_ALL).si_signo)


def count(report: Reporter) -> None:
    """Count signals until the last real-time one comes, and report how many there were."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    report("ready")
    number = 0
    while signal.sigwaitinfo(_ALL).si_signo != signal.SIGRTMAX:
        number += 1
    report(number)


def wait(report: Reporter) -> None:
    """End well on TERM, as PID 1 too."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    report("ready")
    signal.sigwait([signal.SIGTERM])


def read(report: Reporter) -> None:
    """Report every line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    report("ready")
    with suppress(OSError):  # a terminal that is not ours to read from
        while line := os.read(0, 1024):
            report(f"read {line.decode().strip()}")


def page(report: Reporter) -> None:
    """As a pager does: take the first line of standard input, then read what is typed on the terminal."""
    os.read(0, 1024)
    terminal = os.open("/dev/tty", os.O_RDONLY)
    report("ready")
    report(f"read {os.read(terminal, 1024).decode().strip()}")


def terminal(report: Reporter) -> None:
    """Report whether there is a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        report("none")
    else:
        report("there")


def stop(report: Reporter) -> None:
    """Stop, and report when that is over."""
    report("ready")
    os.kill(os.getpid(), signal.SIGSTOP)
    report("continued")


def orphans(report: Reporter, total: str, batch: str = "100") -> None:
    """Leave so many orphans to PID 1, each of which ends at once; report how many of them are zombies in the end."""
    for _ in range(int(total) // int(batch)):
        _leave(int(batch))
    ends = time.monotonic() + _PATIENCE
    while (left := _zombies()) and time.monotonic() < ends:
        time.sleep(0.01)  # a poll with a deadline
    report(f"zombies {left}")


def _leave(number: int) -> None:
    """Orphans that live until they are orphans: the end of their parent closes the pipe that they read from."""
    reading, writing = os.pipe()
    parent = os.fork()
    if not parent:
        for _ in range(number):
            if not os.fork():
                os.close(writing)
                os.read(reading, 1)
                os._exit(0)
        os._exit(0)
    os.waitpid(parent, 0)
    os.close(writing)
    os.close(reading)


def _zombies() -> int:
    found = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
            found += stat.read().rpartition(b")")[2].split()[0] == b"Z"
    return found


def leave(report: Reporter, where: str) -> None:
    """End, and leave a child behind: in our `group`, or in a `session` of its own. It is who reports "ready"."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        return
    if where == "session":
        os.setsid()
    report(f"ready {os.getpid()}")
    os.close(writing)
    while True:
        signal.pause()


VERBS: dict[str, Callable[..., None]] = {
    each.__name__: each for each in (record, count, wait, read, page, terminal, stop, orphans, leave)
}

if __name__ == "__main__":
    VERBS[sys.argv[2]](Reporter(sys.argv[1]), *sys.argv[3:])
