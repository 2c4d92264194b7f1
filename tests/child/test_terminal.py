"""The terminal is the child's: what it sees of it, and what it is sent by it, is as in a direct start."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import Way
from terminal import Terminal

_SEEN = """
exec 3>"$1"
for fd in 0 1 2; do test -t $fd && echo terminal >&3 || echo none >&3; done
stty -g <&0 >&3 2>&3
cut -d ' ' -f 7 /proc/self/stat >&3
echo there >/dev/tty && echo /dev/tty >&3
"""


def _on(terminal: Terminal, way: Way, streams: tuple[int, ...] = (0, 1, 2)) -> dict[str, Any]:
    """How to start a process whose controlling terminal this is, with some of its streams there."""
    names = {0: "stdin", 1: "stdout", 2: "stderr"}
    others = {name: subprocess.DEVNULL for number, name in names.items() if number not in streams}
    return terminal.how(env={**os.environ, **way.environ}, **others)


@pytest.mark.parametrize("streams", [(0, 1, 2), (0, 2), (1,), ()], ids=str)
def test_a_child_sees_the_terminal_that_it_would_see(
    way: Way, terminal: Terminal, streams: tuple[int, ...], tmp_path: Path
) -> None:
    def seen(launcher: list[str], to: Path) -> list[str]:
        command = [*launcher, "/bin/sh", "-c", _SEEN, "sh", str(to)]
        subprocess.run(command, timeout=60, **_on(terminal, way, streams))
        return to.read_text().splitlines()

    direct = seen([], tmp_path / "direct")
    assert [line == "terminal" for line in direct[:3]] == [number in streams for number in range(3)]
    assert seen(way.words, tmp_path / "through") == direct


def test_what_is_typed_and_control_c_reach_the_child(
    way: Way, terminal: Terminal, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start([*way.words, "cat"], **_on(terminal, way))
    terminal.type(b"hello\n")
    terminal.until(b"hello\r\nhello\r\n")  # the terminal's echo, and cat's
    terminal.type(b"\x03")
    assert process.wait(60) == -signal.SIGINT
