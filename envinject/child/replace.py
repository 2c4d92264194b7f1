"""Replace: this process becomes the command. The process id stays, nothing else of ours does."""

from __future__ import annotations

import errno
import os

from ..errors import BadValue, CommandNotFound, CommandUnusable, SecretsExecError, SystemRefused
from . import dumps
from .ending import give_back, take_back

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

_SHELL = b"/bin/sh"
_HEAD = 128
_NOBODYS_MISTAKE = (errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.EIO)


def replace(path: bytes, argv: Sequence[bytes], environ: Mapping[bytes, bytes]) -> NoReturn:
    """Become the program at `path`, or the shell that reads it when it is a script without `#!`.

    Every descriptor of ours is close-on-exec (PEP 446); those that we were given stay. A variable without a name,
    which a parent may have handed on, is left out: Python's exec does not take it.
    Raises: CommandUnusable, CommandNotFound, BadValue (too large), SystemRefused.
    """
    environ = {name: value for name, value in environ.items() if name}
    dumps.give_back()
    give_back()
    number = _execute(path, argv, environ)
    if number == errno.ENOEXEC and _reads_as_script(path):
        # What execvp, env and every shell do with an executable text file (POSIX, exec family).
        number = _execute(_SHELL, [_SHELL, path, *argv[1:]], environ)
    take_back()
    dumps.forbid()
    raise _told(number, path)


def _execute(path: bytes, argv: Sequence[bytes], environ: Mapping[bytes, bytes]) -> int:
    """Become the program; the error's number where the system does not let us."""
    try:
        os.execve(path, list(argv), environ)
    except OSError as error:
        return error.errno or 0


def _reads_as_script(path: bytes) -> bool:
    try:
        with open(path, "rb") as program:
            return b"\0" not in program.read(_HEAD)
    except OSError:
        return False


def _told(number: int, path: bytes) -> SecretsExecError:
    shown, reason = os.fsdecode(path), os.strerror(number)
    if number == errno.E2BIG:
        return BadValue("command line and environment are larger than the system takes", where=shown)
    if number in _NOBODYS_MISTAKE:
        return SystemRefused(f"the system does not start the command: {reason}", where=shown)
    if not os.path.exists(path):
        return CommandNotFound("the command is gone: it was there before the secrets were fetched", where=shown)
    if number == errno.ENOENT:
        reason = "the program that loads or reads it is missing"
    return CommandUnusable(
        f"the command cannot be run: {reason}", where=shown, hint="is it made for this machine and system?"
    )
