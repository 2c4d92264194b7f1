"""What time does not show: instructions, memory on the way to the command, memory of the parent that stays."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import build
from .processes import Failed, Program

MIB = 1024.0
"""KiB."""

_PATIENCE = 300.0
_SETTLED, _LOOKS = 0.3, 30

_WAITING = "import signal; signal.sigwait([signal.SIGTERM])"
"""The bare interpreter that waits for a signal."""

_SPAWN = """\
import os, sys
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, usage = os.wait4(pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""


def can_count() -> bool:
    """Whether valgrind is here."""
    return shutil.which("valgrind") is not None


def instructions(program: Program) -> int:
    """Instructions from the start of the program until it becomes the command, or ends. Raises: Failed.

    callgrind writes what it has counted right before the exec, after which nothing of it is left.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        counting = ["valgrind", "--tool=callgrind", "--dump-before=execve", f"--callgrind-out-file={folder}/%p"]
        done = subprocess.run(
            [*counting, *program.command],
            env=program.environ,
            cwd=program.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        counts = [counted(path.read_text()) for path in Path(folder).iterdir()]
    if done.returncode or not sum(counts):
        raise Failed(f"{program.name}: callgrind cannot run it")
    return sum(counts)


def counted(text: str) -> int:
    """The total of one of callgrind's files; some are empty."""
    totals = [line.split()[1] for line in text.splitlines() if line.startswith("totals:")]
    return int(totals[0]) if totals else 0


def peak(program: Program, python: str) -> float:
    """MiB of the largest resident set of the launcher, before it became the command. Raises: Failed.

    The kernel counts what a process had before its exec, also what a large parent hands on in its fork; so the parent
    is a bare interpreter, and less than that interpreter's 9 MiB cannot be seen.
    """
    done = subprocess.run(
        [python, "-I", "-S", "-c", _SPAWN, *program.command],
        env=program.environ,
        cwd=program.folder,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    code, _, kib = done.stdout.strip().partition(" ")
    if code != "0":
        raise Failed(f"{program.name}: exit code {code or done.returncode}")
    return int(kib) / MIB


def resident(words: Sequence[str], environ: dict[str, str]) -> tuple[float, float]:
    """RSS and PSS in MiB of a process that waits, once it has settled. It is ended afterwards."""
    process = subprocess.Popen(words, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        last = (0.0, 0.0)
        for _ in range(_LOOKS):
            time.sleep(_SETTLED)  # the time in which nothing is to change
            now = _rollup(process.pid)
            if now == last:
                break
            last = now
        return last
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(_PATIENCE)


def waiting(python: str) -> tuple[str, ...]:
    """The bare interpreter that waits for a signal."""
    return (python, "-I", "-S", "-c", _WAITING)


def _rollup(pid: int) -> tuple[float, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {line.split()[0]: int(line.split()[1]) for line in lines[1:]}
    return kib["Rss:"] / MIB, kib["Pss:"] / MIB


def expansion(python: str, times: int) -> list[dict[str, float]]:
    """CPU (ms) and memory (MiB) of expansion and merge, each in a new process of the installed package."""
    script = str(Path(__file__).with_name("expansion.py"))
    told = [build.call([python, script], shown="expansion.py", given=build.environ()) for _ in range(times)]
    return [json.loads(text) for text in told]
