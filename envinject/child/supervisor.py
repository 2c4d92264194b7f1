"""The parent that stays: passes signals on, reaps, ends what is left. A program of its own; imports nothing of ours.

`supervise.py` begins it with `python -I -S` and an empty environment, every signal blocked. It waits for signals one by
one and handles none: so nothing interrupts it, and each comes with who sent it. At rest nothing wakes it.
"""

from __future__ import annotations

import os
import signal
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import NoReturn

_ALL = signal.valid_signals()
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
_SIGNALLED = 128
_BUG = 70

# asm-generic/siginfo.h: who sent it. Only these codes come with a process id.
_SI_KERNEL = 0x80
_SENT = (0, -1, -6)  # SI_USER, SI_QUEUE, SI_TKILL

_OF_A_TERMINAL = {
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGWINCH,
    signal.SIGHUP,
    signal.SIGCONT,
}
"""What the kernel sends to a terminal's group, to the child as to us."""

_ON_HANGUP = {signal.SIGHUP, signal.SIGCONT}
"""Of these, what it sends to the leader of the session alone."""

_CHANGES = os.WNOHANG | os.WUNTRACED | os.WCONTINUED


class Supervisor:
    """One child from its fork to its end, then the rest of its tree.

    `awaited` are the signals that are taken up. Until the child's exec is confirmed, these are the few that end the
    start; the others stay pending in the kernel, as often as they came.
    """

    def __init__(self, words: Mapping[str, str]) -> None:
        self.child = int(words["child"])
        self.reading = int(words["reading"])
        self.notify = _numbers(words["notify"])
        self.grace = float(words["grace"])
        self.packages = words["packages"]
        self.earlier = _numbers(words["earlier"])
        self.relays: set[int] = set()
        self.digest = ""
        self.folder = ""
        self.early = _numbers(words["early"])
        self.pid = os.getpid()
        self.shared = words["shared"] == "1"
        self.to_group = words["forward"] == "group" or not (self.shared or words["forward"])
        self.leads = os.getsid(0) == self.pid
        self.awaited = (_ENDING - set(_numbers(words["given"]))) | {signal.SIGCHLD, signal.SIGCONT}
        self.runs = False
        self.stopped = False
        self.status: int | None = None
        self.ends_at: float | None = None
        self.killing = False

    def stay(self) -> NoReturn:
        """Wait for signals, one after the other, until the child and its tree have ended."""
        self.look()
        while True:
            arrived = self.wait()
            if arrived is None:
                self.escalate()
            elif arrived.si_signo == signal.SIGCHLD:
                self.look()
            elif arrived.si_signo == signal.SIGCONT:
                self.go_on(arrived)
            elif not self.runs:
                self.end_start(arrived)
            else:
                self.pass_on(arrived)

    def wait(self) -> signal.struct_siginfo | None:
        """The next signal; None when the grace period is over before one comes."""
        if self.ends_at is None:
            return signal.sigwaitinfo(self.awaited)
        return signal.sigtimedwait(self.awaited, max(0.0, self.ends_at - time.monotonic()))

    # The start

    def end_start(self, arrived: signal.struct_siginfo) -> None:
        """End what still fetches. It is stopped first: it may become the command at this very moment."""
        os.kill(self.child, signal.SIGSTOP)
        status = 0x7F if self.stopped else os.waitpid(self.child, os.WUNTRACED | os.WCONTINUED)[1]
        if os.WIFSTOPPED(status) and self.is_confirmed():
            self.confirm()
            self.pass_on(arrived)
            os.kill(self.child, signal.SIGCONT)
            return
        if not (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        self.is_confirmed()  # hears what it told at last
        self.clean()
        os._exit(_SIGNALLED + arrived.si_signo)

    def is_confirmed(self) -> bool:
        """Whether the child has become the command: then its end of the pipe is closed, as when it has died.

        Before that it may tell of a process that carries its output, a digest of its values, and a folder of its files.
        """
        try:
            while told := os.read(self.reading, 4096):
                for line in os.fsdecode(told).split("\n")[:-1]:
                    self.hear(*line.split("=", 1))
        except BlockingIOError:
            return False
        return True

    def hear(self, what: str, text: str) -> None:
        """Keep in mind what the child tells of itself."""
        if what == "relay":
            self.relays.add(int(text))
        elif what == "folder":
            self.folder = text
        else:
            self.digest = text

    def confirm(self) -> None:
        """From now on signals are passed on."""
        self.runs = True
        self.awaited = _ALL
        os.close(self.reading)
        for number in self.early:
            self.forward(number)
        for socket in self.notify:
            if os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                tell(socket, b"READY=1")
            os.close(socket)

    # Signals

    def pass_on(self, arrived: signal.struct_siginfo) -> None:
        """Give the child a signal that it has not been sent already."""
        if self.status is not None or self.is_theirs(arrived):
            return
        self.forward(arrived.si_signo)
        if arrived.si_signo == signal.SIGTERM and self.ends_at is None:
            self.ends_at = time.monotonic() + self.grace

    def is_theirs(self, arrived: signal.struct_siginfo) -> bool:
        """Whether the child got it too, since it went to the group that we share.

        From the terminal, or from below (`kill 0`), or it is our own to that group.
        """
        number = arrived.si_signo
        if not self.shared:
            return False
        if arrived.si_code == _SI_KERNEL:
            return number in _OF_A_TERMINAL and not (self.leads and number in _ON_HANGUP)
        return arrived.si_code in _SENT and (arrived.si_pid == self.pid or _descends(arrived.si_pid, self.pid))

    def forward(self, number: int) -> None:
        """Send the child a signal, or its group."""
        if not self.to_group:
            _send(os.kill, self.child, number)
        elif self.shared:
            _send(os.kill, 0, number)
        else:
            _send(os.killpg, self.child, number)
            if os.getpgid(self.child) != self.child:  # it has moved elsewhere
                _send(os.kill, self.child, number)

    def go_on(self, arrived: signal.struct_siginfo) -> None:
        """The shell continues the whole group: pass that on where the child was not in it, or is stopped still."""
        self.look()
        if not self.shared and (self.runs or self.stopped):
            self.pass_on(arrived)
        elif not self.shared:
            self.early.append(signal.SIGCONT)
        elif self.stopped:
            _send(os.kill, self.child, signal.SIGCONT)

    # Children

    def look(self) -> None:
        """See what has happened to our children. Signals merge: one may stand for many ends, and for an exec."""
        if not self.runs and self.is_confirmed():
            self.confirm()
        had_ended = self.status is not None
        if self.reap() and self.stopped:
            self.stop()
        if self.status is None:
            return
        if self.has_rest():
            if not had_ended:
                self.end_rest()
        elif self.is_over():
            self.leave()
        else:  # what the child has said is on its way, to a reader that may take its time
            self.ends_at = None

    def reap(self) -> bool:
        """Take up every end, and what else happens to the child. Gives whether something did.

        It may have gone on and stopped once more since we looked: that is told as a stop, and is a new one.
        """
        happened = False
        try:
            while (change := os.waitpid(-1, _CHANGES))[0]:
                if os.WIFEXITED(change[1]) or os.WIFSIGNALED(change[1]):
                    self.forget(change[0])
                if change[0] == self.child:
                    self.follow(change[1])
                    happened = True
        except ChildProcessError:
            pass
        return happened

    def forget(self, pid: int) -> None:
        """A process has ended: its number is nobody's now."""
        self.relays.discard(pid)

    def follow(self, status: int) -> None:
        """The child has stopped, goes on, or has ended."""
        self.stopped = os.WIFSTOPPED(status)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            self.status = status

    def stop(self) -> None:
        """Stop as the child did, so that our shell sees it. That would discard a SIGCONT which has come meanwhile."""
        if signal.SIGCONT not in signal.sigpending():
            os.kill(self.pid, signal.SIGSTOP)

    # The end

    def has_rest(self) -> bool:
        """Whether a process of the child's tree is left: they all become our children, so none is without one.

        The program that became us may have had children before. They are not the child's, nor is a relay.
        """
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        spared = self.spared()
        return not spared or not _children(self.pid) <= spared

    def spared(self) -> set[int]:
        """The children that are not of the child's tree."""
        return {*self.earlier, *self.relays}

    def is_over(self) -> bool:
        """Whether nothing is to be waited for when the tree has ended: no relay that shows what was said."""
        return not self.relays

    def end_rest(self) -> None:
        """Ask what is left to end, and give it the time that is left."""
        latest = time.monotonic() + self.grace
        self.ends_at = latest if self.ends_at is None else min(latest, self.ends_at)
        self.signal_rest(signal.SIGKILL if self.killing else signal.SIGTERM)

    def signal_rest(self, number: int) -> None:
        """Signal all in the tree: everything where we are the first process, else the group, then who left it."""
        if self.pid == 1 and not self.spared():
            _send(os.kill, -1, number)
            return
        if not self.shared:
            _send(os.killpg, self.child, number)
        spared = 0 if self.shared else self.child
        words = [self.packages, str(self.pid), str(int(number)), str(spared), *map(str, self.spared())]
        begun = __import__("program").command("descendants", *words, site=not self.packages)  # rarely
        try:
            os.posix_spawn(sys.executable, begun, os.environ, setpgroup=0, setsigmask=())
        except OSError:  # no room for a process: the group was signalled, and the rest has its time
            return

    def escalate(self) -> None:
        """The grace period is over: kill. What even that has not ended after another one is left behind."""
        if self.killing and self.status is not None:
            self.leave()
            return
        self.ends_at = None if self.killing else time.monotonic() + self.grace
        self.killing = True
        self.signal_rest(signal.SIGKILL)
        if self.status is None:
            _send(os.kill, self.child, signal.SIGKILL)

    def clean(self) -> None:
        """Remove the folder of files that the child made: nobody is left who needs it."""
        if self.folder:
            remove(self.folder)
            self.folder = ""

    def leave(self) -> None:
        """End with the child's status; of SIGINT as it did, where a shell's loop looks for that."""
        self.clean()
        code = os.waitstatus_to_exitcode(self.status or 0)
        if code == -signal.SIGINT and self.shared and self.pid != 1:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(self.pid, signal.SIGINT)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        os._exit(code if code >= 0 else _SIGNALLED - code)


def remove(folder: str) -> None:
    """Remove a folder with what is in it, as far as possible. No link is followed, however deep it may be."""
    left = [folder]
    for path in left:
        try:
            os.unlink(path)
        except OSError:  # a folder
            left += _members(path)
    for path in reversed(left):
        try:
            os.rmdir(path)
        except OSError:
            continue


def _members(folder: str) -> list[str]:
    try:
        if os.path.islink(folder):
            return []
        os.chmod(folder, 0o700)  # whatever the command has made of it
        return [os.path.join(folder, name) for name in os.listdir(folder)]
    except OSError:  # it is gone
        return []


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _send(how: Callable[[int, int], None], target: int, number: int) -> None:
    """Send a signal to who may have ended, or may be somebody else's by now."""
    try:
        how(target, number)
    except (ProcessLookupError, PermissionError):
        return


def tell(descriptor: int, message: bytes) -> None:
    """Write to who may have gone: that does not end the child."""
    try:
        os.write(descriptor, message)
    except OSError:
        return


def _children(pid: int) -> set[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as children:
            return {int(child) for child in children.read().split()}
    except OSError:
        return set()


def _descends(pid: int, ancestor: int) -> bool:
    """Whether a process is below another. One that has been reaped is not known to be."""
    while pid > 1 and pid != ancestor:
        pid = _parent(pid)
    return pid == ancestor


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            return int(stat.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0


def _let_go_of_standard_error() -> None:
    try:
        os.dup2(0, 2)
    except OSError:
        os.close(2)


def main() -> NoReturn:
    """Supervise as our words say, each `name=value`."""
    try:
        said = dict(word.split("=", 1) for word in sys.argv[1:])
        if "watch" in said:
            __import__("watcher").Watcher(said).stay()  # only where it is asked for; it hands the streams on
        _let_go_of_standard_error()
        Supervisor(said).stay()
    finally:
        os._exit(_BUG)
