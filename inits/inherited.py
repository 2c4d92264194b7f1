"""Trials of what the wrapper is given: signals that are ignored or blocked, a closed stream. And of exit codes."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterable
from pathlib import Path

from .candidates import Candidate
from .processes import finish

_IGNORED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1]
_BLOCKED = [signal.SIGUSR2, signal.SIGWINCH, signal.SIGALRM]
_CODES = (0, 1, 2, 42, 77, 126, 127, 128, 130, 143, 200, 254, 255)
_DEADLY = ["TERM", "INT", "HUP", "KILL", "USR1", "ALRM", "SEGV", "ABRT"]


def ignored(candidate: Candidate) -> str:
    """Start it with HUP, INT, QUIT and USR1 ignored, as nohup and `&` in scripts do; look at the child's."""
    return _compared(candidate, "SigIgn", _IGNORED, lambda: [signal.signal(each, signal.SIG_IGN) for each in _IGNORED])


def blocked(candidate: Candidate) -> str:
    """Start it with USR2, WINCH and ALRM blocked; look at the child's mask."""
    return _compared(candidate, "SigBlk", _BLOCKED, lambda: signal.pthread_sigmask(signal.SIG_SETMASK, _BLOCKED))


def _compared(candidate: Candidate, field: str, given: Iterable[int], prepare: object) -> str:
    _, output = finish([*candidate.words, "cat", "/proc/self/status"], preexec_fn=prepare)
    seen = _set_of(output, field)
    kept = "kept" if set(given) <= seen else "reset" if not set(given) & seen else "some reset"
    ours = _set_of(Path("/proc/self/status").read_text(), field)  # who started us may have used posix_spawn(3)
    more = " ".join(map(_name, sorted(seen - ours - set(given))))
    return f"{kept}, and {more}" if more else kept


def _name(number: int) -> str:
    """A signal's name; those of the C library have none."""
    known = {int(each): each.name.removeprefix("SIG") for each in signal.Signals}
    return known.get(number, str(number))


def _set_of(status: str, field: str) -> set[int]:
    """The signals of a mask in proc_pid_status(5)."""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    bits = int(fields.get(field, "0"), 16)
    return {number for number in range(1, 65) if bits >> (number - 1) & 1}


def child_ignored(candidate: Candidate) -> str:
    """Start it with SIGCHLD ignored, so that the kernel reaps: does it end, with the child's status?"""
    return _seven(candidate, "exit 7", lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))


def closed_stdin(candidate: Candidate) -> str:
    """Start it without a standard input: does the command run, and without one too?"""
    return _seven(candidate, "test -e /proc/$$/fd/0 && exit 8; exit 7", lambda: os.close(0))


def _seven(candidate: Candidate, script: str, prepare: object) -> str:
    code, _ = finish([*candidate.words, "sh", "-c", script], preexec_fn=prepare)
    return {7: "works", 8: "opened"}.get(code, _told(code))


def _told(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"dies of {signal.Signals(-code).name.removeprefix('SIG')}"


def not_started(candidate: Candidate) -> str:
    """The codes for a command that is not there, and for a file that is not executable."""
    with tempfile.TemporaryDirectory(prefix="inits-") as folder:
        plain = Path(folder, "plain")
        plain.write_text("#!/bin/sh\n")
        plain.chmod(0o644)
        codes = [finish([*candidate.words, command])[0] for command in (f"{folder}/none", str(plain))]
    return " / ".join(map(str, codes))


def exit_codes(candidate: Candidate) -> str:
    """A sample of the codes from 0 to 255, each the code of a child."""
    wrong = [code for code in _CODES if finish([*candidate.words, "sh", "-c", f"exit {code}"])[0] != code]
    return f"not {' '.join(map(str, wrong))}" if wrong else "all"


def killed(candidate: Candidate) -> str:
    """A child that dies of a signal: the code is 128+n, or for an exec the death itself, which a shell tells so."""
    wrong = []
    for name in _DEADLY:
        code, _ = finish([*candidate.words, "sh", "-c", f"ulimit -c 0; kill -{name} $$"])
        number = int(signal.Signals[f"SIG{name}"])
        if code != (-number if candidate.execs else 128 + number):
            wrong.append(f"{name} {_told(code)}")
    return ", ".join(wrong) or "all"
