"""Copies the launcher into a folder: for a volume that an image without it mounts. Only a launcher that is one file."""

from __future__ import annotations

import os
import sys

from .child.program import IS_ONE_FILE
from .errors import SystemRefused, UsageError
from .sheet import GOOD, Line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .sheet import Sheet

SHAPE = 1
"""The version of the JSON that `copy` writes."""

NAME = "secrets-exec"
_MODE = 0o755
_PIECE = 1 << 20


def copy_itself(folder: str) -> dict[str, Any]:
    """Write the file that we are into a folder, whole or not at all.

    Keys: `shape`, the `path` of the copy, and its size in `bytes`.
    A copy of before is replaced; who runs it keeps running it. Raises: UsageError, SystemRefused.
    """
    source = _own_file()
    if not os.path.isdir(folder):
        raise UsageError(f"there is no folder {folder}", hint="it is not made: mount the volume, or mkdir")
    path = os.path.join(folder, NAME)
    new = f"{path}.{os.getpid()}.new"
    try:
        try:
            size = _copy(source, new)
            os.replace(new, path)
        except OSError:
            _remove(new)
            raise
        _sync(folder)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
    else:
        return {"shape": SHAPE, "path": path, "bytes": size}
    raise SystemRefused(f"the copy cannot be written: {reason}", where=path)


def told_copy(found: Mapping[str, Any]) -> Sheet:
    """One line: where it is, and how large."""
    return [Line(f"wrote {found['path']}, {found['bytes'] / 1e6:.1f} MB", GOOD)]


def _own_file() -> str:
    if IS_ONE_FILE:
        return sys.executable
    archive = getattr(__spec__.loader, "archive", None)  # of a zipapp
    if isinstance(archive, str):
        return archive
    raise UsageError(
        "this launcher is a folder of modules, and cannot be copied as a file",
        hint="the one file and the zipapp can: see docs/onefile.md",
    )


def _copy(source: str, new: str) -> int:
    with open(source, "rb") as file:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
        try:
            while data := file.read(_PIECE):
                while data:
                    data = data[os.write(descriptor, data) :]
            os.fchmod(descriptor, _MODE)  # whatever the umask: the users of a volume are others
            os.fsync(descriptor)
            return os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:  # it was not there yet
        return


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
