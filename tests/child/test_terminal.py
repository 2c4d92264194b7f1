"""The terminal is the child's: what it sees of it, and what it is sent by it, is as in a direct start."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import Way

_SEEN = """
exec 3>"$1"
for fd in 0 1 2; do test -t $fd && echo terminal >&3 || echo none >&3; done
stty -g <&0 >&3 2>&3
cut -d ' ' -f 7 /proc/self/stat >&3
echo there >/dev/tty && echo /dev/tty >&3
"""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a pseudo-terminal: the person's, and the programs'."""
    ends = os.openpty()
    yield ends
    for end in ends:
        os.close(end)


def _on(terminal: tuple[int, int], way: Way, streams: tuple[int, ...] = (0, 1, 2)) -> dict[str, Any]:
    """How to start a process whose controlling terminal this is, with some of its streams there."""
    names = {0: "stdin", 1: "stdout", 2: "stderr"}
    how = {name: terminal[1] if number in streams else subprocess.DEVNULL for number, name in names.items()}
    control = {"start_new_session": True, "preexec_fn": lambda: fcntl.ioctl(terminal[1], termios.TIOCSCTTY, 0)}
    return {**how, **control, "pass_fds": [terminal[1]], "env": {**os.environ, **way.environ}}


def _read_until(descriptor: int, end: bytes) -> bytes:
    data = b""
    while end not in data:
        data += os.read(descriptor, 1024)
    return data


@pytest.mark.parametrize("streams", [(0, 1, 2), (0, 2), (1,), ()], ids=str)
def test_a_child_sees_the_terminal_that_it_would_see(
    way: Way, terminal: tuple[int, int], streams: tuple[int, ...], tmp_path: Path
) -> None:
    def seen(launcher: list[str], to: Path) -> list[str]:
        command = [*launcher, "/bin/sh", "-c", _SEEN, "sh", str(to)]
        subprocess.run(command, timeout=60, **_on(terminal, way, streams))
        return to.read_text().splitlines()

    direct = seen([], tmp_path / "direct")
    assert [line == "terminal" for line in direct[:3]] == [number in streams for number in range(3)]
    assert seen(way.words, tmp_path / "through") == direct


def test_what_is_typed_and_control_c_reach_the_child(
    way: Way, terminal: tuple[int, int], start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start([*way.words, "cat"], **_on(terminal, way))
    os.write(terminal[0], b"hello\n")
    _read_until(terminal[0], b"hello\r\nhello\r\n")  # the terminal's echo, and cat's
    os.write(terminal[0], b"\x03")
    assert process.wait(60) == -signal.SIGINT
