"""The relay masks a child's output and is not to be noticed otherwise: pipes, terminals, prompts, sizes, its end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from launching import PACKAGES, PATIENCE, eventually
from terminal import Terminal

_PROGRAM = f"""
import os, signal, sys
sys.path[:0] = {PACKAGES}
from envinject.child.relay import begin
relay = begin([("PASSWORD", b"hunter2-hunter2"), ("OTHER", b"other-value")])
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""
MASKED = [sys.executable, "-IS", "-c", _PROGRAM]
SH = [*MASKED, "/bin/sh", "-c"]


def run(script: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SH, script], capture_output=True, timeout=PATIENCE, check=False, **how)


def test_values_are_masked_in_both_streams_and_each_keeps_its_own() -> None:
    done = run("echo my hunter2-hunter2; echo your other-value >&2; exit 3")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"my [PASSWORD]\n", b"your [OTHER]\n")


def test_what_goes_to_one_file_keeps_its_order(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5 6 7 8 9; do echo out $i; echo err $i >&2; done"
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([*SH, script], stdout=log, stderr=subprocess.STDOUT, timeout=PATIENCE, check=True)
    wanted = "".join(f"out {i}\nerr {i}\n" for i in range(1, 10))
    assert eventually(lambda: (tmp_path / "log").read_text() == wanted, "everything has arrived")


def test_megabytes_arrive_byte_for_byte() -> None:
    done = run(
        "i=0; while [ $i -lt 40 ]; do head -c 100000 /dev/zero | tr '\\0' x; echo hunter2-hunter2; i=$((i+1)); done"
    )
    assert done.stdout == (b"x" * 100_000 + b"[PASSWORD]\n") * 40


def test_output_without_a_line_end_comes_before_more_is_there() -> None:
    with subprocess.Popen([*SH, "printf 'Name: h'; read x; echo $x"], stdin=-1, stdout=-1) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(7) == b"Name: h"
        process.stdin.write(b"hello\n")
        process.stdin.close()
        assert process.stdout.read() == b"hello\n"


def test_a_reader_that_has_gone_ends_the_child_as_ever() -> None:
    with subprocess.Popen([*SH, "while :; do echo y; done"], stdout=-1) as process:
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.wait(PATIENCE) == -signal.SIGPIPE


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1), (0, 1, 2)], ids=str)
def test_closed_streams_stay_closed(closed: tuple[int, ...], tmp_path: Path) -> None:
    probe = f"[ -e /proc/self/fd/0 ] && : >{tmp_path}/open-0; [ -e /proc/self/fd/2 ] && : >{tmp_path}/open-2; :"

    def close() -> None:
        for number in closed:
            os.close(number)

    subprocess.run([*SH, probe], preexec_fn=close, check=True, timeout=PATIENCE)
    still_open = {int(path.name[-1]) for path in tmp_path.glob("open-*")}
    assert still_open == {0, 2} - {*closed}


def test_nothing_is_left_of_the_relay_when_nobody_writes_any_more() -> None:
    program = _PROGRAM.replace("os.execvp", "print(relay, flush=True); os.execvp")
    command = [sys.executable, "-IS", "-c", program, "true"]
    done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=True)
    relay = int(done.stdout)
    eventually(lambda: not _lives(relay), "the relay has ended")


def _lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_child_has_no_descriptor_of_the_relay() -> None:
    listed = [sys.executable, "-ISc", "import os; print(*sorted(map(int, os.listdir('/dev/fd')))[:-1])"]
    done = subprocess.run(
        [*MASKED, *listed], stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == b"0 1 2\n"


def test_the_relay_is_no_child_of_the_command() -> None:
    assert run("ps -o pid= --ppid $$ | wc -l").stdout.strip() in (b"2", b"1")


# Terminals


class Screen(Terminal):
    """A real terminal with a masked command on it."""

    def __init__(self, script: str) -> None:
        super().__init__()
        self.resize(33, 77)
        self.process = subprocess.Popen([*SH, script], **self.how(pass_fds=()))

    def close(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        super().close()


@pytest.fixture
def screen() -> Iterator[Callable[[str], Screen]]:
    with ExitStack() as stack:

        def start(script: str) -> Screen:
            return stack.enter_context(closing(Screen(script)))

        yield start


def test_on_a_terminal_all_three_streams_are_terminals(screen: Callable[[str], Screen]) -> None:
    shown = screen("for n in 0 1 2; do [ -t $n ] && echo $n is; done; echo hunter2-hunter2 end").until(b"end\r\n")
    assert shown == b"0 is\r\n1 is\r\n2 is\r\n[PASSWORD] end\r\n"


def test_it_has_the_width_of_the_real_one_and_follows_it(screen: Callable[[str], Screen]) -> None:
    size = "stty size <&1"
    shown = screen(f"trap '{size}; echo changed' WINCH; {size}; echo ready; while :; do sleep 0.05; done")
    assert b"33 77" in shown.until(b"ready")
    shown.resize(20, 50)
    shown.until(b"20 50\r\nchanged")


def test_a_prompt_and_its_answer_work(screen: Callable[[str], Screen]) -> None:
    shown = screen("printf 'Password: '; stty -echo; read x; stty echo; echo; echo got $x")
    shown.until(b"Password: ")
    shown.type(b"other-value\n")
    assert b"got [OTHER]" in shown.until(b"got [OTHER]")


def test_modes_that_are_set_on_the_output_are_set_for_the_real_terminal(screen: Callable[[str], Screen]) -> None:
    shown = screen("stty raw -echo <&1; printf 'raw '; x=$(head -c 3); stty sane <&1; printf \"got $x end\"")
    shown.until(b"raw ")
    eventually(lambda: not termios.tcgetattr(shown.end)[3] & termios.ICANON, "the terminal is raw")
    shown.type(b"abc")
    assert b"abc" not in shown.until(b"got abc end").partition(b"got")[0]


def test_ctrl_c_reaches_the_child_and_the_relay_shows_its_last_words(screen: Callable[[str], Screen]) -> None:
    shown = screen("trap 'echo bye other-value; exit 4' INT; echo ready; while :; do sleep 0.05; done")
    shown.until(b"ready")
    shown.type(b"\x03")
    shown.until(b"bye [OTHER]")
    assert shown.process.wait(PATIENCE) == 4
