"""Trials on a real terminal, below an interactive bash."""

from __future__ import annotations

import os
import pty
import select
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

from .candidates import Candidate
from .processes import Reports, TooLong, below, helper, reports, state, within

_PROMPT = b"next> "
_BASH = ("bash", "--norc", "--noprofile", "--noediting", "-i")
_INTERRUPT, _SUSPEND = b"\x03", b"\x1a"
_TIMES, _LINES = 10, 30
_SHORT = 2.0


class Shell:
    """An interactive bash with job control on a terminal of its own."""

    def __init__(self) -> None:
        self.pid, self._end = pty.fork()
        if not self.pid:
            environ = {**os.environ, "PS1": _PROMPT.decode(), "HISTFILE": "/dev/null", "TERM": "dumb"}
            os.execvpe(_BASH[0], _BASH, environ)
        self._data = b""

    def type(self, keys: bytes) -> None:
        """Press keys. What was shown before is not looked at any more."""
        self._data = b""
        os.write(self._end, keys)

    def run(self, line: str) -> None:
        """Type a line."""
        self.type(line.encode() + b"\n")

    def prompts(self, seconds: float = _SHORT) -> bool:
        """Whether bash asks for the next line in time."""
        return self.shows(_PROMPT, seconds)

    def shows(self, text: bytes, seconds: float = _SHORT) -> bool:
        """Whether a text is shown in time."""
        ends = time.monotonic() + seconds
        while text not in self._data:
            if not select.select([self._end], [], [], max(0.0, ends - time.monotonic()))[0]:
                return False
            try:
                self._data += os.read(self._end, 65536)
            except OSError:  # bash has ended, and the terminal with it
                return False
        return True

    def has_terminal(self) -> bool:
        """Whether bash is in the foreground, so that what is typed is for it."""
        return os.tcgetpgrp(self._end) == os.getpgid(self.pid)

    def close(self) -> None:
        """End bash and what it runs, each group by itself: they do not end of a HUP when they are stopped."""
        for each in [*psutil.Process(self.pid).children(recursive=True), psutil.Process(self.pid)]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
        os.close(self._end)
        os.waitpid(self.pid, 0)


@contextmanager
def _shell() -> Iterator[tuple[Shell, Reports]]:
    with reports() as made:
        shell = Shell()
        try:
            shell.prompts()
            yield shell, made
        finally:
            shell.close()


def _line(candidate: Candidate, made: Reports, verb: str) -> str:
    return shlex.join([*candidate.words, *helper(made, verb)])


def interrupt(candidate: Candidate) -> str:
    """Press Ctrl-C ten times; after each, USR1 to the wrapper tells when it has passed on what it wants to."""
    with _shell() as (shell, made):
        shell.run(_line(candidate, made, "record"))
        made.next()
        wrapper, came = below(shell.pid), Counter[str]()
        for _ in range(_TIMES):
            shell.type(_INTERRUPT)
            first = made.next(_SHORT)
            os.kill(wrapper, signal.SIGUSR1)
            came.update([first, *_up_to(made, signal.SIGUSR1)])
        number = came[str(int(signal.SIGINT))]
        return "once" if number == _TIMES else f"{number} for {_TIMES}"


def _up_to(made: Reports, number: int) -> list[str]:
    lines: list[str] = []
    while not lines or lines[-1] != str(int(number)):
        lines.append(made.next(_SHORT))
    return lines


def suspend(candidate: Candidate) -> str:
    """Press Ctrl-Z, have the prompt and a child that is stopped; `fg`, and the child reads what is typed."""
    with _shell() as (shell, made):
        shell.run(_line(candidate, made, "read"))
        made.next()
        wrapper = below(shell.pid)
        child = wrapper if candidate.execs else below(wrapper)
        shell.type(_SUSPEND)
        if not shell.prompts():
            return "no prompt" if _is_stopped(child) else "no effect"
        if not _happens(lambda: _is_stopped(child)):
            return "child goes on"
        shell.run("fg")
        return _reads(shell, made) if _happens(lambda: not _is_stopped(child)) else "no fg"


def _is_stopped(pid: int) -> bool:
    return state(pid) == psutil.STATUS_STOPPED


def _happens(look: Callable[[], bool]) -> bool:
    try:
        return within(_SHORT, look)
    except TooLong:
        return False


def _reads(shell: Shell, made: Reports) -> str:
    """Type a line, which the helper child is to read."""
    shell.run("hello")
    return "works" if _reports(made, "read hello") else "cannot read"


def _reports(made: Reports, line: str) -> bool:
    try:
        return made.next(_SHORT) == line
    except TooLong:
        return False


def background(candidate: Candidate) -> str:
    """Start it with `&`, with a child that reads; then type many lines: they are the shell's, and the child's never.

    Each line runs a program, so that the shell is away from the terminal for a moment.
    """
    with _shell() as (shell, made):
        shell.run(_line(candidate, made, "read") + " &")
        made.next()
        if not shell.has_terminal():
            return "takes it"
        shell.prompts()
        for number in range(_LINES):
            shell.run(f"env true; env echo s''hown{number}")
            if not shell.shows(f"shown{number}".encode(), _SHORT / 2):
                return "child reads" if made.rest() else "shell hangs"
        return "child reads" if made.rest() else "works"


def pipeline(candidate: Candidate) -> str:
    """Run it with `yes` before a small pager, which reads a key from the terminal; then there is a prompt again."""
    with _shell() as (shell, made):
        shell.run(f"{shlex.join([*candidate.words, 'yes'])} | {shlex.join(helper(made, 'page'))}")
        if not _reports(made, "ready"):
            return "no pager"
        read = _reads(shell, made)
        return read if read != "works" or shell.prompts() else "never ends"


def tty(candidate: Candidate) -> str:
    """Have the child open /dev/tty, as ssh, sudo and gpg do to ask for a password."""
    with _shell() as (shell, made):
        shell.run(_line(candidate, made, "terminal"))
        return made.next()


def stops_itself(candidate: Candidate) -> str:
    """Have the child stop itself: the shell must notice, and `fg` continue it."""
    with _shell() as (shell, made):
        shell.run(_line(candidate, made, "stop"))
        made.next()
        if not shell.prompts():
            return "shell hangs"
        shell.run("fg")
        return "works" if _reports(made, "continued") else "no fg"
