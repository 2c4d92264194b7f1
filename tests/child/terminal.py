"""A person at a terminal, for the tests: types, and reads what the programs write."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time
from typing import Any

from launching import PATIENCE


class Terminal:
    """A pseudo-terminal. `main` is the person's end, `end` that of the programs."""

    def __init__(self) -> None:
        self.main, self.end = os.openpty()
        self.seen = b""
        self.leader = 0

    def how(self, **more: Any) -> dict[str, Any]:
        """How to start a session's leader whose controlling terminal this is."""
        control = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(self.end, termios.TIOCSCTTY, 0)}
        return {"stdin": self.end, "stdout": self.end, "stderr": self.end, "pass_fds": [self.end], **control, **more}

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.main, text)

    def until(self, end: bytes) -> bytes:
        """What has been written up to `end`, which must come."""
        deadline = time.monotonic() + PATIENCE
        while end not in self.seen:
            ready, _, _ = select.select([self.main], [], [], max(0, deadline - time.monotonic()))
            assert ready, f"never: {end!r} after {self.seen!r}"
            self.seen += os.read(self.main, 4096)
        found, _, self.seen = self.seen.partition(end)
        return found + end

    def close(self) -> None:
        for end in {self.main, self.end} - {-1}:
            os.close(end)

    def hang_up(self) -> None:
        """The person goes."""
        os.close(self.main)
        self.main = -1
