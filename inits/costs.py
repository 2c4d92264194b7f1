"""What a wrapper costs: wake-ups and memory while nothing happens, and the time to the end."""

from __future__ import annotations

import os
import signal
import statistics
import time

import psutil

from .candidates import Candidate
from .processes import can_unshare, ended, reports, running, started, within

_WATCHED, _QUIET = 2.0, 0.2
_TIMES = 5


def wake_ups(candidate: Candidate) -> str:
    """Voluntary context switches of the wrapper in 2 s, while the child waits."""
    if candidate.execs:
        return "-"
    with running(candidate, "wait") as run:
        wrapper = psutil.Process(run.wrapper)
        _settle(wrapper)
        before = wrapper.num_ctx_switches().voluntary
        time.sleep(_WATCHED)  # the time that is measured
        return str(wrapper.num_ctx_switches().voluntary - before)


def memory(candidate: Candidate) -> str:
    """RSS and PSS of the wrapper in KiB, while the child waits."""
    if candidate.execs:
        return "-"
    with running(candidate, "wait") as run:
        wrapper = psutil.Process(run.wrapper)
        _settle(wrapper)
        told = wrapper.memory_full_info()
        return f"{told.rss // 1024} / {told.pss // 1024}"


def _settle(wrapper: psutil.Process) -> None:
    """Wait until the wrapper has used no processor for a while: its start may go on after the child's."""

    def quiet() -> bool:
        before = wrapper.num_ctx_switches(), wrapper.cpu_times()
        time.sleep(_QUIET)  # the time in which nothing is to happen
        return before == (wrapper.num_ctx_switches(), wrapper.cpu_times())

    within(_WATCHED, quiet)


def start(candidate: Candidate) -> str:
    """Milliseconds from the fork of the wrapper until the command runs, the median of five."""
    return _milliseconds([_start(candidate) for _ in range(_TIMES)])


def _start(candidate: Candidate) -> float:
    with reports() as made:
        began = time.monotonic()
        with started((*candidate.words, "sh", "-c", 'echo ready >"$0"; exec sleep 60', made.path)):
            made.next()
            return time.monotonic() - began


def _milliseconds(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1000:.1f}"


def time_to_end(candidate: Candidate) -> str:
    """As PID 1 with a child that ends on TERM: milliseconds from TERM to the end, the median of five."""
    can_unshare()
    return _milliseconds([_to_end(candidate) for _ in range(_TIMES)])


def _to_end(candidate: Candidate) -> float:
    with running(candidate, "wait", first=True) as run:
        began = time.monotonic()
        os.kill(run.wrapper, signal.SIGTERM)
        ended(run.process)
        return time.monotonic() - began
