"""Descriptors: ours, kept out of the way of the standard streams; and those that are open."""

from __future__ import annotations

import fcntl
import os

FIRST_ABOVE = 3
"""The first descriptor that is no standard stream."""

_LAST_LOOKED_AT = 1 << 16


def moved_up(descriptor: int) -> int:
    """The same descriptor above the standard streams, which may have been closed. Raises: OSError."""
    if descriptor >= FIRST_ABOVE:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_ABOVE)
    os.close(descriptor)
    return moved


def open_descriptors() -> list[int]:
    """Every descriptor that is open, and perhaps one that was; also in a root without /dev and /proc."""
    try:
        return [int(name) for name in os.listdir("/dev/fd")]
    except OSError:
        highest = min(os.sysconf("SC_OPEN_MAX"), _LAST_LOOKED_AT)
        return [descriptor for descriptor in range(highest) if is_open(descriptor)]


def is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
