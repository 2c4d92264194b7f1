"""Processes for a trial: a candidate that runs a helper child, what that reports, and the end of all of them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

from .candidates import Candidate

PATIENCE = 5.0
"""Seconds that nothing here takes unless it hangs."""

UNSHARE = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
"""Have the rest of the words be PID 1 of a namespace of its own."""

_CHILD = str(Path(__file__).with_name("child.py"))
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_EARLIER = frozenset(each.pid for each in psutil.Process().children())
_T = TypeVar("_T")


class TooLong(Exception):
    """Something that is to happen did not."""


class NotPermitted(Exception):
    """This machine does not let us try that."""


def within(seconds: float, look: Callable[[], _T]) -> _T:
    """Wait until a look finds something, and give it. Raises: TooLong."""
    ends = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > ends:
            raise TooLong
        time.sleep(0.002)  # a poll with a deadline
    return found


class Reports:
    """The lines that a helper child reports, through a named pipe: no descriptor to inherit."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "reports")
        os.mkfifo(self.path)
        self._end = os.open(self.path, os.O_RDWR | os.O_NONBLOCK)
        self._data = b""

    def next(self, seconds: float = PATIENCE) -> str:
        """The next line. Raises: TooLong."""
        ends = time.monotonic() + seconds
        while b"\n" not in self._data:
            if not select.select([self._end], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise TooLong
            self._data += os.read(self._end, 65536)
        line, _, self._data = self._data.partition(b"\n")
        return line.decode()

    def rest(self) -> list[str]:
        """The lines that are there already."""
        lines = []
        with suppress(TooLong):
            while True:
                lines.append(self.next(0))
        return lines

    def close(self) -> None:
        os.close(self._end)


@contextmanager
def reports() -> Iterator[Reports]:
    """A named pipe for reports, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="inits-") as folder:
        made = Reports(folder)
        try:
            yield made
        finally:
            made.close()


@dataclass(frozen=True, slots=True)
class Running:
    """A candidate that runs a helper child. `wrapper` and `child` are the same process if the candidate execs."""

    process: subprocess.Popen[bytes]
    reports: Reports
    wrapper: int
    child: int


def helper(made: Reports, verb: str, *words: str) -> list[str]:
    """The command of a helper child (child.py)."""
    return [sys.executable, "-I", "-S", _CHILD, made.path, verb, *words]


@contextmanager
def started(words: list[str] | tuple[str, ...], **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process without a terminal, in a session of its own, which is gone afterwards."""
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    process = subprocess.Popen(words, **{**streams, "start_new_session": True, **how})
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextmanager
def running(candidate: Candidate, verb: str, *, first: bool = False, deadly: bool = False) -> Iterator[Running]:
    """A candidate whose helper child is ready; as `first` process of a namespace, or with its `deadly` words."""
    before = (*(UNSHARE if first else ()), *(candidate.deadly if deadly else candidate.words))
    with reports() as made, started((*before, *helper(made, verb))) as process:
        made.next()
        wrapper = below(process.pid) if first else process.pid
        yield Running(process, made, wrapper, wrapper if candidate.execs else below(wrapper))


def finish(words: list[str] | tuple[str, ...], **how: Any) -> tuple[int, str]:
    """Run a command to its end: the code as subprocess gives it, and its output. Raises: TooLong."""
    with started(words, stdout=subprocess.PIPE, **how) as process:
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise TooLong from None
        return process.returncode, output.decode()


def ended(process: subprocess.Popen[bytes], seconds: float = PATIENCE) -> int:
    """The code of a process, at the moment when it ends: subprocess itself would look now and then. Raises: TooLong."""
    descriptor = os.pidfd_open(process.pid)
    try:
        if not select.select([descriptor], [], [], seconds)[0]:
            raise TooLong
    finally:
        os.close(descriptor)
    return process.wait()


def below(pid: int) -> int:
    """The first child of a process. Raises: TooLong."""
    return within(PATIENCE, lambda: psutil.Process(pid).children())[0].pid


def start_time(candidate: Candidate, *, first: bool = False) -> float:
    """Seconds from the exec of the wrapper until the command runs."""
    with reports() as made:
        command = (*candidate.words, "sh", "-c", 'echo ready >"$0"; exec sleep 60', made.path)
        with started((*(UNSHARE if first else ()), *command)) as process:
            if first:
                became(below(process.pid), candidate.words[0])
            began = time.monotonic()
            made.next()
            return time.monotonic() - began


def became(pid: int, program: str) -> None:
    """Wait until a process has become a program."""
    name = os.path.basename(program).encode()

    def look() -> bool:
        with open(f"/proc/{pid}/cmdline", "rb") as words:
            return os.path.basename(words.read().split(b"\0")[0]) == name

    ends = time.monotonic() + PATIENCE
    while not look():
        if time.monotonic() > ends:
            raise TooLong


def state(pid: int) -> str:
    """The state of a process in psutil's words; "gone" when there is none or it is a zombie."""
    try:
        told = psutil.Process(pid).status()
    except psutil.NoSuchProcess:
        return "gone"
    return "gone" if told == psutil.STATUS_ZOMBIE else told


def can_unshare() -> None:
    """Raises: NotPermitted, where there can be no namespace."""
    try:
        permitted = subprocess.run([*UNSHARE, "true"], capture_output=True, timeout=PATIENCE).returncode == 0
    except OSError:
        permitted = False
    if not permitted:
        raise NotPermitted


def adopt_orphans() -> None:
    """Have every orphan of a trial become our child, so that none is left."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)


def end_all() -> None:
    """Kill and reap whatever a trial has left below us."""
    ends = time.monotonic() + PATIENCE
    while left := [each for each in psutil.Process().children() if each.pid not in _EARLIER]:
        for each in [*left, *(deeper for one in left for deeper in _descendants(one))]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        for each in left:
            with suppress(ChildProcessError):
                os.waitpid(each.pid, os.WNOHANG)
        if time.monotonic() > ends:
            raise TooLong
        time.sleep(0.002)  # a poll with a deadline


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
