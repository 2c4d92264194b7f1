"""Programs as whole processes: run one, and tell how long it took; or have it show what its command was given."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

PATIENCE = 300.0
NOTHING = shutil.which("true") or "/bin/true"
"""The command that does nothing, and takes a millisecond for it."""

_SHOW = (shutil.which("env") or "/usr/bin/env", "-0")
_TOLD = 400


class Failed(Exception):
    """A program that did not do its work: what it was, and the last that it said."""


@dataclass(frozen=True, slots=True)
class Program:
    """One launcher with its work: the words before the command, its environment and the folder that it runs in.

    `expects` is what the command's environment must hold; `is_launcher` is false for what starts no command.
    """

    name: str
    words: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    folder: str = "/"
    expects: Mapping[str, str] = field(default_factory=dict)
    is_launcher: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """All the words, with a command that does nothing."""
        return (*self.words, NOTHING) if self.is_launcher else self.words

    def called(self, name: str) -> Program:
        """The same under another name."""
        return replace(self, name=name)


def check(program: Program) -> float:
    """Run it once with a command that shows its environment, and see that nothing is missing; the seconds it took.

    Raises: Failed.
    """
    words = [*program.words, *_SHOW] if program.is_launcher else program.words
    began = time.perf_counter()
    try:
        done = subprocess.run(
            words,
            env=program.environ,
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{program.name}: {type(error).__name__}") from None
    seconds = time.perf_counter() - began
    if done.returncode:
        raise Failed(f"{program.name}: exit code {done.returncode}: {_last(done.stderr)}")
    given = dict(pair.split("=", 1) for pair in done.stdout.decode(errors="replace").split("\0") if "=" in pair)
    wrong = [name for name, value in program.expects.items() if given.get(name) != value]
    if wrong:
        raise Failed(f"{program.name}: {len(wrong)} of {len(program.expects)} variables are missing, one is {wrong[0]}")
    return seconds


def timed(program: Program) -> float:
    """Seconds from the start of the process to its end, with the command that does nothing. Raises: Failed."""
    with tempfile.TemporaryFile() as said:
        os.chdir(program.folder)
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, said.fileno(), 2),
        ]
        words = program.command
        began = time.perf_counter()
        pid = os.posix_spawn(words[0], words, program.environ, file_actions=actions)
        code = _ended(pid)
        seconds = time.perf_counter() - began
        if code:
            said.seek(0)
            raise Failed(f"{program.name}: exit code {code}: {_last(said.read())}")
    return seconds


def _ended(pid: int) -> int:
    """The exit code, waited for; what takes too long is killed."""
    descriptor = os.pidfd_open(pid)
    try:
        if not select.select([descriptor], [], [], PATIENCE)[0]:
            os.kill(pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        os.close(descriptor)


def _last(said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1][-_TOLD:] if lines else "it says nothing"
