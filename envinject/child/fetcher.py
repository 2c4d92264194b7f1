"""The begin of a fetcher: becomes the launcher once more, with what it was started with. A program of its own."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Read the anonymous file that `supervise._seed` wrote, and begin as it says.

    Words: its descriptor, and what ties the fetcher to its supervisor, which the environment hands on with the key.
    """
    seed, ties = int(sys.argv[1]), sys.argv[2].encode()
    key, count, *strings = os.pread(seed, os.fstat(seed).st_size, 0).split(b"\0")
    os.close(seed)
    argv = strings[: int(count)]
    environ = dict(one.split(b"=", 1) for one in strings[int(count) :] if b"=" in one)
    os.execve(sys.executable, argv, {**environ, b"SECRETS_EXEC_WATCHED": ties + b":" + key})
