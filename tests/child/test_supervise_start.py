"""A TERM at any moment of the start is never lost: it ends the start, or reaches the command."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from launching import PATIENCE, works

_PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
_SHELL = ["/bin/sh", "-c", "exec sleep 1000"]
_LATEST = 0.4
"""Seconds in which the start is over, more or less."""


def _child(pid: int) -> int | None:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else None


def _listens(pid: int) -> bool:
    """Whether a process that is the first of its namespace can be asked to end: the kernel drops what comes before."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        is_caught = int(status.partition("SigCgt:")[2].split()[0], 16) >> (signal.SIGTERM - 1) & 1
        return bool(is_caught) or b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def _outcome(words: Sequence[str], place: Sequence[str], delay: float) -> int | str:
    process = subprocess.Popen(
        [*place, *words, *_SHELL], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        target = process.pid
        ends = time.monotonic() + PATIENCE
        while place and time.monotonic() < ends and ((target := _child(process.pid) or 0) == 0 or not _listens(target)):
            pass
        begins = time.monotonic()
        while time.monotonic() < begins + delay:
            pass
        os.kill(target, signal.SIGTERM)
        return process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return "lost"
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("place", [[], _PID_1], ids=["", "as PID 1"])
def test_no_term_at_a_random_moment_of_the_start_is_lost(supervised: list[str], place: list[str]) -> None:
    """-15: before the first statement, where the system's own default ends us."""
    if place and not works([*place, "true"]):
        pytest.skip("unshare --pid is not permitted here")
    words = [*supervised[:-3], "--grace", "1h", *supervised[-3:]]
    delays = [random.uniform(0, _LATEST) for _ in range(60)]
    with ThreadPoolExecutor(4) as pool:
        found = Counter(pool.map(lambda delay: _outcome(words, place, delay), delays))
    assert set(found) <= {128 + signal.SIGTERM, *([] if place else [-signal.SIGTERM])}, found
