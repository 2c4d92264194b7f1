"""The rows of the table: what each is called, and the trial that fills it in for a candidate."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from psutil import Error, NoSuchProcess

from . import costs, forwarding, inherited, terminals, trees
from .candidates import Candidate
from .processes import NotPermitted, TooLong, end_all

ROWS: dict[str, Callable[[Candidate], str]] = {
    "each signal reaches the child once": forwarding.every_signal,
    "TERM at the start, lost": forwarding.early_term,
    "TERM at the start as PID 1, lost": forwarding.early_term_first,
    "2,000 real-time signals, how many come": forwarding.queued,
    "fault signals to the wrapper": forwarding.faults,
    "ignored signals (nohup)": inherited.ignored,
    "blocked signals": inherited.blocked,
    "started with SIGCHLD ignored": inherited.child_ignored,
    "started without stdin": inherited.closed_stdin,
    "not found / not executable": inherited.not_started,
    "the child's exit code, 0 to 255": inherited.exit_codes,
    "killed by a signal: 128+n": inherited.killed,
    "Ctrl-C reaches the child": terminals.interrupt,
    "Ctrl-Z and fg": terminals.suspend,
    "init cmd & leaves the terminal": terminals.background,
    "init cmd | pager": terminals.pipeline,
    "/dev/tty for the child": terminals.tty,
    "a child that stops itself": terminals.stops_itself,
    "1,000 orphans as PID 1, zombies left": trees.orphans,
    "left in the group, when the child ends": trees.left_in_group,
    "left in another session": trees.left_in_session,
    "the wrapper killed, with its option": trees.wrapper_killed,
    "wake-ups at rest in 2 s": costs.wake_ups,
    "RSS / PSS at rest, KiB": costs.memory,
    "start of the command, ms": costs.start,
    "TERM to the end as PID 1, ms": costs.time_to_end,
}


def outcome(row: str, candidate: Candidate) -> str:
    """The short result of one trial; of two when the first came to nothing, since the machine may have been busy."""
    result = _tried(row, candidate)
    return _tried(row, candidate) if result.partition(":")[0] in (_HANGS, _FAILS) else result


def _tried(row: str, candidate: Candidate) -> str:
    """The result of one trial. Nothing that it started is left."""
    try:
        return ROWS[row](candidate)
    except TooLong:
        return _HANGS
    except NotPermitted:
        return "skipped"
    except (ProcessLookupError, NoSuchProcess):  # of the wrapper: nothing else ends before its time
        return "ended"
    except (OSError, Error) as error:
        return f"{_FAILS}: {type(error).__name__}"
    finally:
        with suppress(TooLong):
            end_all()


_HANGS, _FAILS = "hangs", "fails"
