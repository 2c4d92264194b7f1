"""Finding the command, before anything is fetched, as execvp does but with its reasons kept apart."""

from __future__ import annotations

import os
import stat

from ..errors import CommandNotFound, CommandUnusable, SecretsExecError

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
    try:
        os.stat(path)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


def _can_be_run(path: bytes) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode) and os.access(path, os.X_OK)
    except OSError:
        return False


def _unusable(path: bytes, shown: str) -> SecretsExecError:
    what = "it is a folder" if os.path.isdir(path) else "it may not be run by this user"
    return CommandUnusable(
        f"the command '{shown}' cannot be run: {what}",
        where=os.fsdecode(path),
        hint="chmod +x, or name another",
    )


def _check_interpreter(path: bytes, shown: str) -> None:
    """A script whose interpreter is missing fails with 'no such file' only at exec; find out now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a program may be runnable and not readable
        return
    try:
        head = os.read(descriptor, _HEAD)
    except OSError:
        return
    finally:
        os.close(descriptor)
    words = head.partition(b"\n")[0][2:].split(None, 1)
    if head[:2] == b"#!" and words and not os.path.exists(words[0]):
        raise CommandUnusable(
            f"the command '{shown}' cannot be run: its interpreter {os.fsdecode(words[0])} is missing",
            where=os.fsdecode(path),
            hint="mend its first line",
        )
