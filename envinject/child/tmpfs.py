"""Named files in memory: a private folder on a tmpfs, for a command that becomes us and a parent that removes it.

The folder's name tells whose it is. Should both have been killed, the next start that makes such a folder removes it.
"""

from __future__ import annotations

import os
import stat

from ..errors import SystemRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

_PREFIX = "secrets-exec."
_IN_MEMORY = ("tmpfs", "ramfs")
_LONGEST = 1000
_UNKNOWN, _ENDED = "0", "ended"


def choose(given: Mapping[bytes, bytes], parent: int) -> str:
    """The folder that is to be made: on the first tmpfs that we may write to. The process `parent` will remove it.

    Raises: SystemRefused.
    """
    devices = _in_memory()
    for root in _candidates(given):
        if _is_fit(root, devices):
            owners = ".".join(f"{pid}.{_start_of(pid)}" for pid in (parent, os.getpid()))
            return os.path.join(root, f"{_PREFIX}{_namespace()}.{owners}")
    tried = ", ".join(_candidates(given))
    what = "there is no tmpfs that files could be kept in"
    raise SystemRefused(what, where=tried, hint='mount one at /dev/shm, or leave out file = "tmpfs"')


def make(folder: str, files: Sequence[tuple[str, bytes, int]]) -> None:
    """Make the folder with its files: name, content, mode. What others have left beside it is removed first.

    Raises: SystemRefused.
    """
    sweep(os.path.dirname(folder))
    try:
        os.mkdir(folder, 0o700)
        os.chmod(folder, _mode_for(files))  # whatever the umask says
        for name, data, mode in files:
            _write(os.path.join(folder, name), data, mode)
    except OSError as error:
        what = f"files cannot be kept in memory: {os.strerror(error.errno or 0)}"
        raise SystemRefused(what, where=folder, hint="is the tmpfs full? Its size is an option of its mount") from None


def _mode_for(files: Sequence[tuple[str, bytes, int]]) -> int:
    """The folder is the owner's alone, but that group or others come through to a file that is for them."""
    readable = 0
    for _name, _data, mode in files:
        readable |= mode
    return 0o700 | (readable & 0o044) >> 2


def _write(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


# Where


def _candidates(given: Mapping[bytes, bytes]) -> Iterator[str]:
    yield "/dev/shm"
    yield f"/run/user/{os.geteuid()}"
    runtime = os.fsdecode(given.get(b"XDG_RUNTIME_DIR", b""))
    if runtime.startswith("/") and "\n" not in runtime and len(os.fsencode(runtime)) < _LONGEST:
        yield runtime
    yield "/run"


def _in_memory() -> Collection[int]:
    """The devices that are kept in memory (proc_pid_mountinfo(5)); statvfs(3) does not tell a file system's type."""
    devices = set()
    try:
        with open("/proc/self/mountinfo", "rb") as mounts:
            for line in mounts:
                fields, _, rest = line.decode("ascii", "replace").partition(" - ")
                if rest.split(" ", 1)[0] in _IN_MEMORY:
                    major, minor = fields.split(" ")[2].split(":")
                    devices.add(os.makedev(int(major), int(minor)))
    except OSError:
        return ()
    return devices


def _is_fit(root: str, devices: Collection[int]) -> bool:
    """Whether a folder is kept in memory, ours to write to, and nobody else could rename what we make in it."""
    try:
        found = os.stat(root)
    except OSError:
        return False
    is_shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
    is_trusted = found.st_uid in (0, os.geteuid()) and not is_shared
    in_memory = stat.S_ISDIR(found.st_mode) and found.st_dev in devices
    return in_memory and is_trusted and os.access(root, os.W_OK | os.X_OK, effective_ids=True)


# Whose


def sweep(root: str) -> None:
    """Remove our user's folders whose processes are all gone. One of another PID namespace may be in use."""
    try:
        names = [name for name in os.listdir(root) if name.startswith(_PREFIX)]
    except OSError:
        return
    for name in names:
        folder = os.path.join(root, name)
        if _is_left(name.removeprefix(_PREFIX).split(".")) and _is_ours(folder):
            from .supervisor import remove  # rarely

            remove(folder)


def _is_left(parts: Sequence[str]) -> bool:
    """Whether what a folder's name says of its owners tells that none of them runs."""
    if len(parts) != 5 or not all(part.isascii() and part.isdigit() for part in parts):
        return False
    namespace, parent, parent_start, child, child_start = parts
    is_known = namespace == _namespace() != _UNKNOWN
    return is_known and not _runs(int(parent), parent_start) and not _runs(int(child), child_start)


def _is_ours(folder: str) -> bool:
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _namespace() -> str:
    """The number of our PID namespace; process ids of another one mean nothing here."""
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return _UNKNOWN


def _runs(pid: int, start: str) -> bool:
    """Whether that very process runs; also where we may not see more of it than that there is one."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return _start_of(pid) in (start, _UNKNOWN)


def _start_of(pid: int) -> str:
    """When a process was started, in ticks since the system was (proc_pid_stat(5))."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as status:
            state, *fields = status.read().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return _UNKNOWN
    return _ENDED if state in (b"Z", b"X") else fields[18].decode()
