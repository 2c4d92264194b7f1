"""Supervise: fork before anything secret is read. The child goes on, the parent becomes the supervisor at once."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys

from ..environ import words
from ..errors import SystemRefused, UsageError
from ..record import Record
from .descriptors import FIRST_ABOVE, moved_up, open_descriptors
from .program import FOLDER, IS_ONE_FILE, command
from .signals import OF_THE_INTERPRETER, hold_all, release

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import NoReturn

CHILD, GROUP = "child", "group"
RESTART, EXIT = "restart", "exit"
GRACE = 10.0

_WATCHED = b"SECRETS_EXEC_WATCHED"
"""What ties a fetcher to its supervisor: two descriptors, the digest of the values that are in use, and its key."""

_KEPT = (b"LD_LIBRARY_PATH",)
"""What an interpreter may need to start at all. The parent inherits nothing else."""

_F_SETSIG = 10  # linux/fcntl.h; the module has no name for it before Python 3.12
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


class Supervision(Record):
    """How to be a parent. `forward` is CHILD, GROUP or "", which leaves it to the terminal; `pdeathsig` 0 is none.

    `mask` is for who starts the command: the child puts a relay between its output and the world. `watch` is how often
    to fetch again, in seconds, 0 for never; `on_change` is RESTART, EXIT, or a signal's number.
    """

    grace: float = GRACE
    forward: str = ""
    pdeathsig: int = 0
    notify: bool = False
    mask: bool = False
    watch: float = 0.0
    on_change: str = RESTART


class _Ties(Record):
    """In the child: what ties it to its supervisor.

    `confirming` is the writing end of the pipe that tells of us, and closes when we become the command. `parent` is the
    supervisor's process, `key` that of the digest. `adopted` ends when the parent adopts orphans. A fetcher has none,
    but `going`, by which it is told to go on, and the digest that is `known`.
    """

    confirming: int
    parent: int
    key: bytes = b""
    adopted: int | None = None
    going: int | None = None
    known: bytes = b""


_ties: list[_Ties] = []


def supervise(how: Supervision, given: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """Return in a child of ours, with the environment that it begins with; the parent never returns.

    No credential and no value stays with the parent: it begins anew as a small program with an empty environment.
    Raises: UsageError, SystemRefused; then there is no child.
    """
    if sys.platform != "linux":
        raise UsageError("--supervise needs Linux", hint="leave it out: the launcher then becomes the command")
    if _WATCHED in given:
        return _rejoin(how, given)
    parent = os.getpid()
    given_mask = hold_all()
    ignored = signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the system would reap the child, and tell nobody
    shared = _has_terminal()
    said = [f"shared={int(shared)}", f"earlier={_list(_children(parent))}", f"given={_list(_not_ending(given_mask))}"]
    key, seeds = os.urandom(32).hex().encode(), []
    if how.watch:
        seeds = [_seed(key, given)]
        said += [f"watch={how.watch}", f"change={how.on_change}", f"mask={_list(given_mask)}", f"seed={_list(seeds)}"]
    reading, writing = _confirmation()
    adopted, adopting = _pipe()
    if how.mask:
        _adopt_orphans()  # the relay is one, and may be the first
    child = _fork()
    if child:
        _stay(child, adopting, [reading, *seeds], how, said, given)
    os.close(adopting)
    if not shared:
        os.setpgid(0, 0)
    if ignored:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.close(reading)
    _ties.append(_Ties(writing, parent, key, adopted))
    if how.pdeathsig:
        _die_with(parent, how.pdeathsig)
    release()
    return _environ(given, parent, notify=how.notify)


def _rejoin(how: Supervision, given: Mapping[bytes, bytes]) -> Mapping[bytes, bytes]:
    """In a fetcher, which has a supervisor already: take up what ties us to it."""
    telling, going, known, key = given[_WATCHED].split(b":")
    for descriptor in (int(telling), int(going)):
        os.set_inheritable(descriptor, False)
    _ties.append(_Ties(int(telling), os.getppid(), key, None, int(going), known))
    if how.pdeathsig:
        _die_with(os.getppid(), how.pdeathsig)
    release()
    return _environ(given, os.getppid(), notify=how.notify)


def _seed(key: bytes, given: Mapping[bytes, bytes]) -> int:
    """An anonymous file with all that a fetcher needs to begin: the key, our words, our environment.

    It is no part of anybody's memory, and closed in the child by its exec.
    """
    argv = [os.fsencode(sys.executable), *words()[1:]]
    strings = [key, b"%d" % len(argv), *argv, *(name + b"=" + value for name, value in given.items())]
    try:
        seed = moved_up(os.memfd_create("secrets-exec", os.MFD_CLOEXEC))
        with open(seed, "wb", closefd=False) as file:
            file.write(b"\0".join(strings))
    except OSError as error:
        raise _refused(error) from None
    return seed


def announce(values: Sequence[tuple[str, bytes]]) -> None:
    """In the child, of one that is watched: tell the supervisor a digest of the values that are about to be used.

    A fetcher ends here when they are those in use, and otherwise waits until it is told to go on, or to end.
    """
    from ..hashes import blake2b  # only where it is asked for

    ties = _ties[0]
    digest = blake2b(key=ties.key[:64], digest_size=16)
    for name, value in sorted(values):
        digest.update(b"%d %d " % (len(name), len(value)) + name.encode() + value)
    told = digest.hexdigest().encode()
    if ties.known == told:
        os._exit(0)
    os.write(ties.confirming, b"digest=%s\n" % told)
    if ties.going is not None and not os.read(ties.going, 1):
        os._exit(0)


def parent() -> int:
    """In the child: the process id of its supervisor."""
    return _ties[0].parent


def entrust(folder: str) -> None:
    """In the child: tell the supervisor of a folder that it is to remove when the command's tree has ended.

    Raises: SystemRefused, when it has been killed.
    """
    try:
        os.write(_ties[0].confirming, b"folder=%s\n" % os.fsencode(folder))
    except OSError:
        raise SystemRefused("the supervisor is gone, and nobody would remove the files", where=folder) from None


def await_adoption() -> None:
    """In the child: go on when the parent adopts orphans. Those of before would be nobody's, and never ended."""
    if _ties[0].adopted is not None:
        os.read(_ties[0].adopted, 1)  # its end


def mask_output(values: Sequence[tuple[str, bytes]]) -> None:
    """In the child: show names instead of values from now on, by a relay that the supervisor waits for and spares.

    Raises: SystemRefused.
    """
    from .relay import begin  # only where it is asked for

    try:
        os.write(_ties[0].confirming, b"relay=%d\n" % begin(values))
    except OSError as error:
        raise _refused(error) from None


def _has_terminal() -> bool:
    """Whether there is a controlling terminal, also where no stream of ours is one (proc_pid_stat(5), tty_nr)."""
    try:
        with open("/proc/self/stat", "rb") as stat:
            return stat.read().rpartition(b")")[2].split()[4] != b"0"
    except OSError:
        return os.path.exists("/dev/tty") and os.isatty(0)


def _children(pid: int) -> list[int]:
    """The children that we have already, of the program that became us: not ours to end."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as children:
            return [int(child) for child in children.read().split()]
    except OSError:  # none, as almost always
        return []


def _not_ending(mask: Iterable[int]) -> list[int]:
    """The signals that do not end the start: they were given to us as ignored or blocked."""
    ignored = (number for number in signal.valid_signals() if signal.getsignal(number) == signal.SIG_IGN)
    return sorted({int(number) for number in (*mask, *ignored)})


def _list(numbers: Iterable[int]) -> str:
    return ",".join(str(int(number)) for number in numbers)


def _confirmation() -> tuple[int, int]:
    """A pipe whose writing end closes when the child's exec succeeds, which the parent learns as a SIGCHLD."""
    reading, writing = _pipe()
    try:
        fcntl.fcntl(reading, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(reading, _F_SETSIG, signal.SIGCHLD)
        fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    except OSError as error:
        raise _refused(error) from None
    return reading, writing


def _pipe() -> tuple[int, int]:
    try:
        reading, writing = (moved_up(end) for end in os.pipe())
    except OSError as error:
        raise _refused(error) from None
    return reading, writing


def _fork() -> int:
    try:
        return os.fork()
    except OSError as error:
        raise _refused(error) from None


def _refused(error: OSError) -> SystemRefused:
    return SystemRefused(f"the system has no process for the command: {os.strerror(error.errno or errno.EAGAIN)}")


def _environ(given: Mapping[bytes, bytes], parent: int, *, notify: bool) -> Mapping[bytes, bytes]:
    """The environment that is right for a child of the process that was started.

    Sockets are handed to one process id (sd_listen_fds(3)): now the child's. A parent that tells that it is ready
    does so alone.
    """
    environ = dict(given)
    if environ.get(b"LISTEN_PID") == b"%d" % parent:
        environ[b"LISTEN_PID"] = b"%d" % os.getpid()
        environ.pop(b"LISTEN_PIDFDID", None)
    if notify:
        environ.pop(b"NOTIFY_SOCKET", None)
    return environ


def _adopt_orphans() -> None:
    if os.getpid() != 1:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _die_with(parent: int, number: int) -> None:
    """Have the system send us a signal when the parent dies, and look whether it already has."""
    _prctl(_PR_SET_PDEATHSIG, number)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _prctl(option: int, value: int) -> None:
    if IS_ONE_FILE:
        import _secrets_exec

        _secrets_exec.prctl(option, value)
        return
    import ctypes  # cost milliseconds, and there is no other way; not in the process that stays

    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), 0, 0, 0)


# The parent, until it is the supervisor.


def _stay(
    child: int, adopting: int, kept: list[int], how: Supervision, said: list[str], given: Mapping[bytes, bytes]
) -> NoReturn:
    """Become the supervisor: signals stay blocked, and what has come stays pending.

    But for those that the interpreter ignores: when it starts, the system forgets them.
    """
    try:
        if "shared=0" in said:
            _put_in_own_group(child)
        if not how.mask:
            _adopt_orphans()
        os.close(adopting)
        sockets = _notify_socket(given) if how.notify else []
        _only(*kept, *sockets, lets_go=not how.watch)
        said += [f"child={child}", f"reading={kept[0]}", f"notify={_list(sockets)}", f"grace={how.grace}"]
        said += [f"forward={how.forward}", f"packages={_folder_of_psutil()}"]
        said += [f"early={_list(signal.sigpending() & set(OF_THE_INTERPRETER))}"]
        if not how.watch:
            os.chdir("/")
        environ = {name: given[name] for name in _KEPT if name in given}
        os.execve(sys.executable, command("supervisor", *said), environ)
    except (OSError, ValueError, ImportError):  # ImportError: a Python without ctypes
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    raise SystemRefused("the supervisor cannot be started", where=FOLDER, hint="leave --supervise out")


def _put_in_own_group(child: int) -> None:
    """The child does so too: whoever comes first, it is done before a signal is passed on."""
    try:
        os.setpgid(child, child)
    except OSError:  # it has become the command, or has ended
        return


def _folder_of_psutil() -> str:
    """Where psutil lies, for the program that looks for what is left, which has no site of its own."""
    found = (folder for folder in sys.path if folder and os.path.isdir(os.path.join(folder, "psutil")))
    return next(found, "")


def _notify_socket(given: Mapping[bytes, bytes]) -> list[int]:
    """A socket connected to the service manager, if there is one: what stays needs to write only (sd_notify(3))."""
    import socket  # only where it is asked for

    address = given.get(b"NOTIFY_SOCKET", b"")
    if address[:1] not in (b"/", b"@"):
        return []
    link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        link.connect(b"\0" + address[1:] if address[:1] == b"@" else address)
    except OSError:  # a manager that has gone is no reason not to start
        return []
    return [moved_up(link.detach())]


def _only(*kept: int, lets_go: bool) -> None:
    """Keep these descriptors, and let go of all others; of standard error, once the program runs.

    The child has the others. Held here as well, whoever reads from the child would wait for us. But where there may be
    another child, that one needs them.
    """
    for descriptor in kept:
        os.set_inheritable(descriptor, True)
    if not lets_go:
        return
    for descriptor in open_descriptors():
        if descriptor >= FIRST_ABOVE and descriptor not in kept:
            _close(descriptor)
    _empty(0)
    _empty(1)


def _empty(stream: int) -> None:
    """Have a standard stream at the null device, or nowhere."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:
        _close(stream)
        return
    if null == stream:
        os.set_inheritable(null, True)
        return
    os.dup2(null, stream)
    os.close(null)


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:  # it was not open
        return
