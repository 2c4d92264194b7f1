"""The live line of a slow start: on a terminal only, and gone when the command runs. And --splay."""

from __future__ import annotations

import fcntl
import os
import pty
import socket
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from launching import seen_through

from envinject.progress import Progress

Launch = Callable[..., subprocess.CompletedProcess[bytes]]
LAUNCHER = [sys.executable, "-P", "-m", "envinject"]


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
def slow_start(silent: str, manifest: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A start of two secrets that takes three seconds and fails."""
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "a-token")
    text = f'[providers.kakaocloud]\nendpoint = "http://{silent}"\n[secrets]\n'
    file = manifest(text + 'A = "kakaocloud://a"\nB = "kakaocloud://b"\n')
    return [*LAUNCHER, "-f", str(file), "--timeout", "3s"]


def seen_on_a_terminal(command: list[str], columns: int = 100) -> bytes:
    """What a command writes when its standard error is a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    seen = seen_through(ours)
    process.wait(timeout=30)
    return seen


@pytest.mark.slow
def test_a_slow_start_shows_how_far_it_is_and_leaves_no_trace(slow_start: list[str], silent: str) -> None:
    seen = seen_on_a_terminal([*slow_start, "--", "true"])
    line = f"secrets-exec: fetched 0 of 2, waiting for {silent}, 1 s left".encode()
    assert line in seen
    assert seen.rindex(b"\r\x1b[K") > seen.rindex(line)
    assert b"secrets-exec: error" in seen[seen.rindex(b"\r\x1b[K") :]


@pytest.mark.slow
def test_the_line_is_cut_to_the_width_of_the_terminal(slow_start: list[str]) -> None:
    seen = seen_on_a_terminal([*slow_start, "--", "true"], columns=30)
    lines = [part.split(b"\r")[0] for part in seen.split(b"\r\x1b[K")[1:]]
    assert b"secrets-exec: fetched 0 of 2," in lines
    assert all(len(line) < 30 for line in lines if b"fetched" in line)


@pytest.mark.slow
@pytest.mark.parametrize("option", ["-q", "--log-format=json"])
def test_who_wants_no_words_gets_no_line(slow_start: list[str], option: str) -> None:
    assert b"fetched" not in seen_on_a_terminal([*slow_start, option, "--", "true"])


@pytest.mark.slow
def test_what_is_no_terminal_gets_no_line(slow_start: list[str]) -> None:
    done = subprocess.run([*slow_start, "--", "true"], capture_output=True, timeout=30, check=False)
    assert (done.returncode, b"fetched" in done.stderr) == (75, False)


def test_a_line_that_was_never_shown_is_not_cleared(capfd: pytest.CaptureFixture[str]) -> None:
    Progress(0.0).clear()
    assert capfd.readouterr() == ("", "")


def test_splay_waits_a_part_of_the_time_and_says_so(launch: Launch, manifest: Callable[[str], Path]) -> None:
    file = manifest('[env]\nA = "1"\n')
    done = launch("-f", file, "-v", "--splay", "10ms", "--", "printenv", "A")
    assert (done.returncode, done.stdout) == (0, b"1\n")
    assert b"so that many starts spread" in done.stderr


def test_a_splay_that_is_no_duration_is_64(launch: Launch, manifest: Callable[[str], Path]) -> None:
    assert launch("-f", manifest('[env]\nA = "1"\n'), "--splay", "soon", "--", "true").returncode == 64
