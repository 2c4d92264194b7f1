"""Finding the command, before anything is fetched, as execvp does but with its reasons kept apart."""

from __future__ import annotations

import os
import stat

from ..errors import CommandNotFound, CommandUnusable

_DEFAULT_PATH = b"/bin:/usr/bin"
_HEAD = 256


def find(command: bytes, path: bytes | None) -> bytes:
    """The file that a command means: itself when it holds a `/`, else the first that can be run on `path`.

    `path` is a PATH, whose empty parts mean the working folder; None for the system's default.
    Raises: CommandNotFound (127), CommandUnusable (126).
    """
    shown = os.fsdecode(command)
    if not command:
        raise CommandNotFound("the command is an empty word", hint="secrets-exec [OPTIONS] -- COMMAND [ARGS]...")
    if b"/" in command:
        candidates = [command]
    else:
        folders = (_DEFAULT_PATH if path is None else path).split(b":")
        candidates = [os.path.join(folder or b".", command) for folder in folders]
    found = [candidate for candidate in candidates if _exists(candidate)]
    for candidate in found:
        if _can_be_run(candidate):
            _check_interpreter(candidate, shown)
            return candidate
    if found:
        raise _unusable(found[0], shown)
    where = "" if b"/" in command else "it is in no folder of PATH"
    raise CommandNotFound(f"there is no command '{shown}'", where=where, hint="is it installed, and spelled so?")


def _exists(path: bytes) -> bool:
    """Whether it is there, or hidden in a folder that this user may not look into, as execvp sees it."""
    try:
        os.stat(path)
    except PermissionError:
        return True
    except OSError:
        return False
    return True


def _can_be_run(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False


def _unusable(path: bytes, shown: str) -> CommandUnusable:
    what, hint = "it may not be run by this user", "chmod +x, or name another"
    if os.path.isdir(path):
        what, hint = "it is a folder", "name a program in it"
    return CommandUnusable(f"the command '{shown}' cannot be run: {what}", where=os.fsdecode(path), hint=hint)


def _check_interpreter(path: bytes, shown: str) -> None:
    """A script whose interpreter is missing fails with 'no such file' only at exec; find out now."""
    interpreter = _interpreter(_head(path))
    if not interpreter or _can_be_run(interpreter):
        return
    windows = interpreter.endswith(b"\r")
    raise CommandUnusable(
        f"the command '{shown}' cannot be run: its interpreter {os.fsdecode(interpreter)} is missing or cannot be run",
        where=os.fsdecode(path),
        hint="save it with Unix line ends" if windows else "mend its first line, or install the interpreter",
    )


def _interpreter(head: bytes) -> bytes:
    """The program that reads a script, by its `#!` line as Linux reads it; empty when there is none."""
    line = head.partition(b"\n")[0].replace(b"\t", b" ")
    return line[2:].strip(b" ").partition(b" ")[0] if line.startswith(b"#!") else b""


def _head(path: bytes) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a program may be runnable and not readable
        return b""
    try:
        return os.read(descriptor, _HEAD)
    except OSError:
        return b""
    finally:
        os.close(descriptor)
