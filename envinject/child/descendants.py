"""Signals the descendants of a process. A program of its own: what it loads does not stay with the supervisor."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import psutil

_PASSES = 100


def main(packages: str, root: str, number: str, group: str, *earlier: str) -> None:
    """Send signal `number` to all below the process `root`, but to `group`'s members and what is below `earlier`.

    To kill is done again until none is left, whatever its group: a process may have made another one meanwhile.
    """
    if packages:
        sys.path.append(packages)
    kills = int(number) == signal.SIGKILL
    for _ in range(_PASSES if kills else 1):
        found = _below(int(root))
        for spared in (os.getpid(), *map(int, earlier)):
            found -= _with_all_below(spared)
        for process in found:
            _send(process, int(number), 0 if kills else int(group))
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


if __name__ == "__main__":
    main(*sys.argv[1:])
