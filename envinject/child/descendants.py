"""Signals the descendants of a process. A program of its own: what it loads does not stay with the supervisor."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import psutil

_PASSES = 100


def main() -> None:
    """Do what our words say: where psutil lies, then as `_signal` takes them."""
    packages, *words = sys.argv[1:]
    if packages:
        sys.path.append(packages)
    _signal(*map(int, words))


def _signal(root: int, number: int, group: int, *earlier: int) -> None:
    """Send signal `number` to all below the process `root`, but to `group`'s members and what is below `earlier`.

    To kill is done again until none is left, whatever its group: a process may have made another one meanwhile.
    """
    kills = number == signal.SIGKILL
    for _ in range(_PASSES if kills else 1):
        found = _below(root)
        for spared in (os.getpid(), *earlier):
            found -= _with_all_below(spared)
        for process in found:
            _send(process, number, 0 if kills else group)
        if not found:
            return


def _below(pid: int) -> set[psutil.Process]:
    """Every living process below another."""
    import psutil

    try:
        found = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return set()
    return {process for process in found if _lives(process)}


def _with_all_below(pid: int) -> set[psutil.Process]:
    import psutil

    try:
        return {psutil.Process(pid), *_below(pid)}
    except psutil.Error:
        return set()


def _lives(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _send(process: psutil.Process, number: int, spared_group: int) -> None:
    import psutil

    try:
        if os.getpgid(process.pid) != spared_group:
            process.send_signal(number)
    except (OSError, psutil.Error):  # it has ended, or is not ours to signal
        return
