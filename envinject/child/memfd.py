"""Anonymous files in memory, which a program finds by its inherited descriptor and nobody can write to.

They survive exec and are gone with the last process that has them (memfd_create(2)). Reserved first, so that their
paths are known, and filled when it is certain that they are needed.
"""

from __future__ import annotations

import errno
import fcntl
import os

from ..errors import SystemRefused
from .descriptors import moved_up

_FIRST = 64
"""Scripts number their own descriptors from 3 on, and sockets are handed over from 3 on (sd_listen_fds(3))."""

_MFD_NOEXEC_SEAL = 8  # linux/memfd.h, since Linux 6.3; may be a must (vm.memfd_noexec)
_F_ADD_SEALS, _SEALS = 1033, 15  # linux/fcntl.h: no writing, growing, shrinking, and no change of that


def is_possible() -> bool:
    """Whether this system has such files at all."""
    return hasattr(os, "memfd_create")


def reserve(name: str) -> int:
    """The descriptor of an empty one, which does not survive exec yet; `name` is for people.

    Raises: SystemRefused.
    """
    try:
        descriptor = _moved_far_up(_create(name))
    except OSError as error:
        what = f"the system has no memory file for {name}: {os.strerror(error.errno or 0)}"
        raise SystemRefused(what, hint="is the limit of open files too low? (ulimit -n)") from None
    if not os.path.exists(path(descriptor)):
        raise SystemRefused("a memory file has no path here: /proc is not mounted", where=name, hint="mount it")
    return descriptor


def path(descriptor: int) -> str:
    """Where whoever has inherited the descriptor finds the file, each time from its beginning."""
    return f"/proc/self/fd/{descriptor}"


def fill(descriptor: int, data: bytes, mode: int) -> None:
    """Give the file its content and its mode, for ever, and let it survive exec. Raises: SystemRefused."""
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], written)  # so that its offset stays at the beginning
        os.fchmod(descriptor, mode)
        fcntl.fcntl(descriptor, _F_ADD_SEALS, _SEALS)
        os.set_inheritable(descriptor, True)
    except OSError as error:
        what = f"the system does not take a memory file of {len(data)} bytes: {os.strerror(error.errno or 0)}"
        raise SystemRefused(what, where=path(descriptor)) from None


def _create(name: str) -> int:
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create(name, flags | _MFD_NOEXEC_SEAL)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    return os.memfd_create(name, flags)


def _moved_far_up(descriptor: int) -> int:
    """The same descriptor at or above the first of ours; above the standard streams where the limit is lower."""
    try:
        moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return moved_up(descriptor)
    os.close(descriptor)
    return moved
