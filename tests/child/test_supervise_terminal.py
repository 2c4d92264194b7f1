"""On a terminal all is as if the supervisor were not there: keys, job control, resizing, pipes, hanging up."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from launching import LAUNCHER, PATIENCE, eventually
from terminal import Terminal
from test_supervise_signals import FORWARDABLE, WITNESS

Start = Callable[..., "subprocess.Popen[bytes]"]
_FENCE = int(signal.SIGRTMAX)


@pytest.fixture(params=[1, 2], ids=["", "below another"])
def witness(
    request: pytest.FixtureRequest, supervised: list[str], terminal: Terminal, start: Start
) -> subprocess.Popen[bytes]:
    """A supervised witness in the foreground of the terminal, ready; its supervisor may have one too."""
    process = start([*supervised * request.param, *WITNESS], **terminal.how())
    terminal.until(b"ready\r\n")
    return process


def _told(process: subprocess.Popen[bytes], terminal: Terminal) -> list[int]:
    """What the witness tells up to one last signal."""
    process.send_signal(signal.SIGRTMIN)
    return [int(line) for line in terminal.until(b"%d\r\n" % signal.SIGRTMIN).split() if line.isdigit()][:-1]


def test_every_signal_from_elsewhere_reaches_the_child_once(
    witness: subprocess.Popen[bytes], terminal: Terminal
) -> None:
    numbers = [number for number in FORWARDABLE if number not in (signal.SIGCONT, signal.SIGRTMIN)]
    for number in numbers:
        witness.send_signal(number)
        terminal.until(b"%d\r\n" % number)
    assert _told(witness, terminal) == []


@pytest.mark.parametrize(
    ("key", "number"),
    [(b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT), (b"\x1a", signal.SIGTSTP)],
    ids=["Ctrl-C", "Ctrl-\\", "Ctrl-Z"],
)
def test_a_key_reaches_the_child_once(
    witness: subprocess.Popen[bytes], terminal: Terminal, key: bytes, number: int
) -> None:
    for _ in range(3):
        terminal.type(key)
        terminal.until(b"%d\r\n" % number)
    assert _told(witness, terminal) == []


def test_a_new_size_reaches_the_child_once(witness: subprocess.Popen[bytes], terminal: Terminal) -> None:
    terminal.resize(33, 99)
    terminal.until(b"%d\r\n" % signal.SIGWINCH)
    assert _told(witness, terminal) == []


def test_what_the_child_sends_to_its_group_it_gets_once(
    supervised: list[str], terminal: Terminal, start: Start
) -> None:
    script = (
        "import os, signal; signal.pthread_sigmask(0, {10, 12});"
        "os.kill(0, 10); print(signal.sigwaitinfo({10, 12}).si_signo, flush=True);"
        "print('ready', flush=True); print(signal.sigwaitinfo({10, 12}).si_signo, flush=True)"
    )
    process = start([*supervised, sys.executable, "-I", "-S", "-c", script], **terminal.how())
    assert terminal.until(b"ready\r\n") == b"10\r\nready\r\n"
    process.send_signal(signal.SIGUSR2)
    assert terminal.until(b"\n") == b"12\r\n"
    assert process.wait(PATIENCE) == 0


def test_passed_on_to_the_whole_group_it_reaches_the_child_once(
    literal: Path, terminal: Terminal, start: Start
) -> None:
    process = start([*LAUNCHER, "--forward", "group", "-f", str(literal), "--", *WITNESS], **terminal.how())
    terminal.until(b"ready\r\n")
    process.send_signal(signal.SIGUSR1)
    terminal.until(b"%d\r\n" % signal.SIGUSR1)
    assert _told(process, terminal) == []


def test_hanging_up_reaches_the_child_of_a_sessions_leader(
    supervised: list[str], terminal: Terminal, start: Start
) -> None:
    reading, writing = os.pipe()
    process = start([*supervised, *WITNESS, str(writing)], **terminal.how(pass_fds=[terminal.end, writing]))
    os.close(writing)
    with open(reading, "rb") as told:
        assert told.readline() == b"ready\n"
        terminal.hang_up()
        assert told.readline() == b"%d\n" % signal.SIGHUP
        process.send_signal(_FENCE)
        assert told.read() == b""
    assert process.wait(PATIENCE) == 0


def test_a_child_that_dies_of_ctrl_c_takes_us_with_it(supervised: list[str], terminal: Terminal, start: Start) -> None:
    process = start([*supervised, "/bin/sh", "-c", "echo ready; exec sleep 1000"], **terminal.how())
    terminal.until(b"ready")
    terminal.type(b"\x03")
    assert process.wait(PATIENCE) == -signal.SIGINT


# Below a shell


@pytest.fixture
def shell(terminal: Terminal, start: Start) -> Iterator[Terminal]:
    """An interactive bash on the terminal."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    environ = {**os.environ, "PS1": "prompt> ", "TERM": "dumb"}
    process = start(["bash", "--norc", "--noprofile", "--noediting", "-i"], **terminal.how(env=environ))
    terminal.until(b"prompt> ")
    terminal.leader = process.pid
    yield terminal
    terminal.type(b"\x03\nkill -9 %% %1 2>/dev/null; exit\nexit\n")
    process.wait(PATIENCE)


def _ask(shell: Terminal, line: str) -> bytes:
    """What a command line writes, to the next prompt."""
    shell.type(line.encode() + b"; echo 'do''ne'\n")
    shell.until(b"'do''ne'\r\n")
    found = shell.until(b"done\r\n").removesuffix(b"done\r\n")
    shell.until(b"prompt> ")
    return found


def _is_stopped(shell: Terminal) -> bool:
    below = psutil.Process(shell.leader).children(recursive=True)
    return any(process.status() == psutil.STATUS_STOPPED for process in below)


def test_ctrl_z_stops_and_fg_goes_on(shell: Terminal, supervised: list[str]) -> None:
    words = shlex.join([*supervised, "/bin/sh", "-c", "echo rea''dy; read line; echo got $line"])
    shell.type(words.encode() + b"\n")
    shell.until(b"ready\r\n")
    for _ in range(3):
        shell.type(b"\x1a")
        shell.until(b"Stopped")
        shell.until(b"prompt> ")
        assert b"Stopped" in _ask(shell, "jobs")
        shell.type(b"fg\n")
        shell.until(b"read line")
        eventually(lambda: not _is_stopped(shell), "both go on")
    shell.type(b"hello\n")
    shell.until(b"got hello\r\n")
    shell.until(b"prompt> ")
    assert _ask(shell, "jobs") == b""


def test_bg_lets_it_run_and_reading_stops_it_again(shell: Terminal, supervised: list[str], tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    words = shlex.join([*supervised, "/bin/sh", "-c", f"echo rea''dy; read x <{go}; echo o''n; read line; exit 3"])
    shell.type(words.encode() + b"\n")
    shell.until(b"ready\r\n")
    shell.type(b"\x1a")
    shell.until(b"Stopped")
    shell.until(b"prompt> ")
    _ask(shell, "bg")
    go.write_text("go\n")
    shell.until(b"on\r\n")
    eventually(lambda: b"Stopped" in _ask(shell, "jobs"), "it is stopped as it reads from the background")
    shell.type(b"fg\n")
    shell.until(b"read line")
    shell.type(b"\n")
    shell.until(b"prompt> ")
    assert _ask(shell, "echo $?").strip() == b"3"


def test_a_child_that_stops_itself_gives_the_shell_back(shell: Terminal, supervised: list[str]) -> None:
    words = shlex.join([*supervised, "/bin/sh", "-c", "kill -STOP $$; exit 6"])
    shell.type(words.encode() + b"\n")
    shell.until(b"Stopped")
    shell.until(b"prompt> ")
    shell.type(b"fg\n")
    shell.until(b"prompt> ")
    assert _ask(shell, "echo $?").strip() == b"6"


def test_in_the_background_it_leaves_the_terminal_alone(shell: Terminal, supervised: list[str]) -> None:
    words = shlex.join([*supervised, "/bin/sh", "-c", "exit 0"])
    assert b"Stopped" not in _ask(shell, f"{words} & wait $!")
    assert _ask(shell, "echo free").strip() == b"free"


def test_in_a_pipe_with_a_reader_of_the_terminal(shell: Terminal, supervised: list[str]) -> None:
    words = shlex.join([*supervised, "echo", "through"])
    shell.type(f"{words} | {{ read a; read b </dev/tty; echo $a-$b; }}\n".encode())
    shell.until(b"\r\n")
    shell.type(b"typed\n")
    shell.until(b"through-typed\r\n")
    shell.until(b"prompt> ")


def test_ctrl_c_ends_a_loop_of_the_shell(shell: Terminal, supervised: list[str]) -> None:
    """It looks whether its command died of SIGINT."""
    words = shlex.join([*supervised, "/bin/sh", "-c", "echo rea''dy; exec sleep 1000"])
    shell.type(f"while :; do {words}; done\n".encode())
    shell.until(b"ready\r\n")
    shell.type(b"\x03")
    shell.until(b"prompt> ")
    assert _ask(shell, "echo $?").strip() == b"130"


def test_an_interactive_shell_below_has_job_control(supervised: list[str], terminal: Terminal, start: Start) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    environ = {**os.environ, "PS1": "prompt> ", "TERM": "dumb"}
    words = [*supervised, "bash", "--norc", "--noprofile", "--noediting", "-i"]
    process = start(words, **terminal.how(env=environ))
    assert terminal.until(b"prompt> ") == b"prompt> "
    terminal.type(b"sh -c 'echo rea\"\"dy; read x'\n")
    terminal.until(b"ready\r\n")
    terminal.type(b"\x1a")
    terminal.until(b"Stopped")
    terminal.until(b"prompt> ")
    terminal.type(b"fg\n")
    terminal.until(b"read x'\r\n")
    terminal.type(b"\n")
    terminal.until(b"prompt> ")
    terminal.type(b"exit 9\n")
    assert process.wait(PATIENCE) == 9


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
def test_nothing_is_written_when_a_signal_ends_the_child(
    supervised: list[str], terminal: Terminal, start: Start, number: int
) -> None:
    process = start([*supervised, "/bin/sh", "-c", "echo ready; exec sleep 1000"], **terminal.how())
    terminal.until(b"ready\r\n")
    process.send_signal(number)
    process.wait(PATIENCE)
    os.write(terminal.end, b"end")
    assert terminal.until(b"end") == b"end"
