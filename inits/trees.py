"""Trials of the processes below the child, of PID 1, and of the wrapper's death."""

from __future__ import annotations

import os
import signal

from .candidates import Candidate
from .processes import UNSHARE, TooLong, can_unshare, ended, helper, reports, running, started, state, within

_ORPHANS = 1000
_SHORT = 2.0


def orphans(candidate: Candidate) -> str:
    """As PID 1: a child leaves 1,000 orphans, which end at once. How many of them stay as zombies?"""
    can_unshare()
    with reports() as made:
        command = (*UNSHARE, *candidate.words, *helper(made, "orphans", str(_ORPHANS)))
        with started(command):
            return made.next(4 * _SHORT * 2).removeprefix("zombies ")


def left_in_group(candidate: Candidate) -> str:
    """A child ends and leaves one behind in its group, not as PID 1: does that end too?"""
    return _left(candidate, "group")


def left_in_session(candidate: Candidate) -> str:
    """The same with one that has a session of its own (setsid)."""
    return _left(candidate, "session")


def _left(candidate: Candidate, where: str) -> str:
    with reports() as made, started((*candidate.words, *helper(made, "leave", where))) as process:
        pid = int(made.next().split()[1])
        ended(process)
        return _ends(pid, "left")


def _ends(pid: int, otherwise: str) -> str:
    try:
        within(_SHORT, lambda: state(pid) == "gone")
    except TooLong:
        return otherwise
    return "ended"


def wrapper_killed(candidate: Candidate) -> str:
    """Kill the wrapper with KILL, started with its option against that: does the child end?"""
    if not candidate.deadly:
        return "-"
    with running(candidate, "record", deadly=True) as run:
        os.kill(run.wrapper, signal.SIGKILL)
        return _ends(run.child, "lives on")
