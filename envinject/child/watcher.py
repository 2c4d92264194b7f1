"""A supervisor that looks for changed values: a process of its own fetches again, and becomes the next child.

The parent still knows no value. It keeps what the launcher was started with in an anonymous file that only those
processes read, and of the values nothing but a keyed digest. A fetcher that finds another digest waits for its word: go
on and become the command, when the old one has ended; or end.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from .program import command
    from .supervisor import Supervisor, tell
else:
    from program import command  # as the program that imports us knows them
    from supervisor import Supervisor, tell

RESTART, EXIT = "restart", "exit"

_F_SETSIG = 10  # linux/fcntl.h; the module has no name for it before Python 3.12
_LONGEST_BACKOFF = 6
_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
_GO = b"g"
_SYSTEM = 71
_JITTER = 0.1
"""Of the interval: many that watch one store spread."""


class Watcher(Supervisor):
    """As a supervisor, and one fetcher at a time. `due` is when the next one begins."""

    def __init__(self, words: Mapping[str, str]) -> None:
        super().__init__(words)
        self.seed = int(words["seed"])
        self.mask = [int(number) for number in words["mask"].split(",") if number]
        self.interval = float(words["watch"])
        self.change = words["change"]
        self.until_it_runs = self.awaited
        self.fetcher = 0
        self.told = self.go = -1
        self.fresh = ""
        self.due: float | None = None
        self.restarting = False
        self.earliest = 0.0
        self.restarts = 0
        for descriptor in (self.reading, *self.notify):
            os.set_inheritable(descriptor, False)

    # Time

    def wait(self) -> signal.struct_siginfo | None:
        """The next signal; None when it is time to kill, or to fetch."""
        times = [time for time in (self.ends_at, self.due) if time is not None]
        if not times:
            return signal.sigwaitinfo(self.awaited)
        return signal.sigtimedwait(self.awaited, max(0.0, min(times) - time.monotonic()))

    def escalate(self) -> None:
        """What is due: to kill, or to fetch."""
        now = time.monotonic()
        if self.ends_at is not None and now >= self.ends_at:
            super().escalate()
        elif self.due is not None and now >= self.due:
            self.fetch()

    def put_off(self) -> None:
        """Fetch again after the interval, more or less."""
        chance = int.from_bytes(os.urandom(4)) / (1 << 32)
        self.due = time.monotonic() + self.interval * (1 + _JITTER * (2 * chance - 1))

    def confirm(self) -> None:
        """The child runs: from now on its values are watched."""
        super().confirm()
        self.put_off()

    # Fetching

    def fetch(self) -> None:
        """Begin a fetcher: the launcher once more, with what it was started with."""
        self.due = None
        try:
            self.told, telling = os.pipe()
            going, self.go = os.pipe()
        except OSError:
            self.put_off()
            return
        fcntl.fcntl(self.told, fcntl.F_SETOWN, self.pid)
        fcntl.fcntl(self.told, _F_SETSIG, signal.SIGCHLD)
        fcntl.fcntl(self.told, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
        for descriptor in (telling, going, self.seed):
            os.set_inheritable(descriptor, True)
        begun = command("fetcher", str(self.seed), f"{telling}:{going}:{self.digest}")
        try:
            self.fetcher = os.fork()
        except OSError:  # no room for a process: another time
            self.dismiss()
        else:
            if not self.fetcher:
                self.become(begun)
        os.close(telling)
        os.close(going)

    def become(self, begun: list[str]) -> NoReturn:
        """In the fetcher: begin as the launcher did. The C library's own way to do so would ignore two signals."""
        try:
            if not self.shared:
                os.setpgid(0, 0)
            signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)
            os.execve(sys.executable, begun, os.environ)
        finally:
            os._exit(_SYSTEM)

    def look(self) -> None:
        """What has become of the fetcher, then of the child."""
        if self.fetcher and not self.fresh:
            self.listen()
        super().look()

    def listen(self) -> None:
        """What a fetcher says. One that finds nothing new, or fails, ends without a word: it tells its error itself."""
        try:
            said = os.read(self.told, 4096)
        except BlockingIOError:
            return
        if not said:
            return
        self.fresh = said.decode().strip().partition("=")[2]
        if self.status is None:
            self.act()

    def act(self) -> None:
        """A value has changed."""
        if self.change == RESTART:
            if time.monotonic() < self.earliest:  # a storm: at the next look, if it is over then
                self.dismiss()
                return
            self.restarting = True
            self.end_child()
            return
        if self.change == EXIT:
            self.dismiss()
            self.due = None
            self.end_child()
            return
        self.digest = self.fresh
        self.dismiss()
        self.forward(int(self.change))

    def end_child(self) -> None:
        """TERM, and KILL when the grace period is over."""
        self.forward(signal.SIGTERM)
        self.ends_at = time.monotonic() + self.grace

    def dismiss(self) -> None:
        """Let the fetcher end."""
        for descriptor in (self.told, self.go):
            os.close(descriptor)
        self.fetcher, self.told, self.go, self.fresh = 0, -1, -1, ""
        self.put_off()

    # Ends, and begins

    def pass_on(self, arrived: signal.struct_siginfo) -> None:
        """Who asks the child to end does not want another one."""
        if self.restarting and arrived.si_signo in _ENDING:
            self.give_up()
        super().pass_on(arrived)

    def forget(self, pid: int) -> None:
        """A fetcher that has ended becomes no child, whatever it had said."""
        super().forget(pid)
        if pid == self.fetcher:
            self.dismiss()
            self.restarting = False

    def follow(self, status: int) -> None:
        """A child that ends by itself ends all of us."""
        super().follow(status)
        if self.status is not None and not self.restarting:
            self.give_up()

    def give_up(self) -> None:
        """No other child, and no other look."""
        self.restarting = False
        if self.fetcher:
            os.kill(self.fetcher, signal.SIGKILL)  # it is ours still: what has ended is forgotten
            self.dismiss()
        self.due = None

    def spared(self) -> set[int]:
        """The fetcher is the next child, and not what is left of this one."""
        return super().spared() | ({self.fetcher} if self.restarting else set())

    def is_over(self) -> bool:
        """Whether nothing is to be waited for."""
        return self.restarting or super().is_over()

    def leave(self) -> None:
        """End; or go on with the fetcher as the child."""
        if not self.restarting:
            super().leave()
        self.clean()
        tell(self.go, _GO)  # one that dies at this very moment is the child that ended
        os.close(self.go)
        self.child, self.reading, self.digest = self.fetcher, self.told, self.fresh
        self.fetcher, self.told, self.go, self.fresh = 0, -1, -1, ""
        self.runs = self.stopped = self.killing = self.restarting = False
        self.status = self.ends_at = self.due = None
        self.awaited, self.early, self.notify = self.until_it_runs, [], []
        self.back_off()

    def back_off(self) -> None:
        """At most one restart in a grace period; in a storm less and less often."""
        now = time.monotonic()
        calm = now > self.earliest + 10 * self.grace
        self.restarts = 1 if calm else min(self.restarts + 1, _LONGEST_BACKOFF)
        self.earliest = now + self.grace * 2 ** (self.restarts - 1)
