"""Reading a regular file: never a FIFO or a device, which could hang, and never more than a limit."""

from __future__ import annotations

import os
import stat

from .errors import Denied, NotFound, StoreError, SystemRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .errors import SecretsExecError


def read_regular(path: str, limit: int) -> bytes:
    """The bytes of a regular file, or of a symlink to one.

    Raises: NotFound, Denied, StoreError (no regular file, larger than `limit` bytes), SystemRefused.
    """
    try:
        return _read(path, limit)
    except (FileNotFoundError, NotADirectoryError):
        problem: SecretsExecError = NotFound(f"there is no file {path}", hint="write it, or name another path")
    except PermissionError:
        problem = Denied(f"the file {path} may not be read by this user", hint="change its owner or its mode")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "it is no path"
        problem = SystemRefused(f"the file {path} cannot be read: {reason}", hint="name another path")
    raise problem


def _read(path: str, limit: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise StoreError(f"{path} is no regular file", hint="a folder, a pipe or a device is not read")
        data = drain(descriptor, limit)
    finally:
        os.close(descriptor)
    if data is None:
        raise StoreError(f"the file {path} is too large", hint=f"at most {limit} bytes are read")
    return data


def working_folder() -> str:
    """The current folder; `.` where that is gone, and nothing can be found in it."""
    try:
        return os.getcwd()
    except OSError:
        return "."


def drain(descriptor: int, limit: int) -> bytes | None:
    """Everything that is left to read, waiting for it; None when that is more than `limit` bytes."""
    parts = []
    while limit >= 0 and (part := os.read(descriptor, 1 << 16)):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts) if limit >= 0 else None
