"""Descriptors of ours, kept out of the way of the standard streams."""

from __future__ import annotations

import fcntl
import os

FIRST_ABOVE = 3
"""The first descriptor that is no standard stream."""


def moved_up(descriptor: int) -> int:
    """The same descriptor above the standard streams, which may have been closed. Raises: OSError."""
    if descriptor >= FIRST_ABOVE:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, FIRST_ABOVE)
    os.close(descriptor)
    return moved
