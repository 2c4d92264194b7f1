"""A supervisor reaps every orphan, and when its child has ended it ends what is left of the child's tree."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from launching import LAUNCHER, PATIENCE, eventually, line_of, works
from terminal import Terminal

Start = Callable[..., "subprocess.Popen[bytes]"]
_PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]


@pytest.fixture(params=[[], _PID_1], ids=["", "as PID 1"])
def place(request: pytest.FixtureRequest) -> list[str]:
    """The words that put a launcher where it is: anywhere, or first in a PID namespace."""
    if request.param and not works([*request.param, "true"]):
        pytest.skip("unshare --pid is not permitted here")
    return list(request.param)


def _launcher(process: subprocess.Popen[bytes], place: list[str]) -> psutil.Process:
    started = psutil.Process(process.pid)
    return started.children()[0] if place else started


_ORPHANS = "i=0; while test $i -lt 1000; do (/bin/true & ) ; i=$((i + 1)); done; echo ready; read line"


def test_a_thousand_orphans_leave_no_zombie(supervised: list[str], place: list[str], start: Start) -> None:
    process = start([*place, *supervised, "/bin/sh", "-c", _ORPHANS], stdin=subprocess.PIPE, start_new_session=True)
    assert line_of(process) == b"ready\n"
    launcher = _launcher(process, place)
    eventually(lambda: len(launcher.children(recursive=True)) == 1, "the shell is alone, no zombie beside it")
    process.communicate(b"\n", timeout=PATIENCE)
    assert process.returncode == 0


@pytest.fixture
def marker() -> Iterator[str]:
    """A word in the argument list of processes that this test starts; they are gone after it."""
    word = f"marker-{os.getpid()}-{os.urandom(4).hex()}"
    yield word
    for process in _marked(word):
        process.kill()


def _marked(word: str) -> list[psutil.Process]:
    def has_it(process: psutil.Process) -> bool:
        try:
            return word in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    return [process for process in psutil.process_iter() if has_it(process)]


_WAITS = "import signal, sys; {}; open(sys.argv[2], 'w').close(); signal.pause()"
_IGNORES = "[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]"


def _waiting(marker: str, pipe: str, first: str = "0") -> str:
    """A command that waits for ever, after it has opened and closed a pipe."""
    return f'{sys.executable} -I -S -c "{_WAITS.format(first)}" {marker} {pipe}'


@pytest.fixture
def pipe(tmp_path: Path) -> str:
    """A named pipe, on which a process says that it is ready."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return str(path)


@pytest.mark.parametrize("start_by", ["", "setsid "], ids=["in the group", "in a session of its own"])
def test_what_is_left_is_asked_to_end(
    supervised: list[str], place: list[str], start: Start, marker: str, pipe: str, start_by: str
) -> None:
    script = f"({start_by}{_waiting(marker, pipe)} &); read x <{pipe}; exit 3"
    process = start([*place, *supervised, "/bin/sh", "-c", script], start_new_session=True)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (3, b"", b"")
    assert _marked(marker) == []


@pytest.mark.parametrize("start_by", ["", "setsid "], ids=["in the group", "in a session of its own"])
def test_what_does_not_listen_is_killed_after_the_grace_period(
    literal: Path, place: list[str], start: Start, marker: str, pipe: str, start_by: str
) -> None:
    script = f"({start_by}{_waiting(marker, pipe, _IGNORES)} &); read x <{pipe}; exit 3"
    words = [*LAUNCHER, "--supervise", "--grace", "300ms", "-f", str(literal), "--", "/bin/sh", "-c", script]
    process = start([*place, *words], start_new_session=True)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (3, b"", b"")
    assert _marked(marker) == []


def test_a_child_that_does_not_listen_is_killed_after_the_grace_period(
    literal: Path, place: list[str], start: Start
) -> None:
    words = [*LAUNCHER, "--grace", "300ms", "-f", str(literal), "--", "/bin/sh", "-c"]
    process = start([*place, *words, "trap : TERM; echo ready; while :; do sleep 0.05; done"], start_new_session=True)
    assert line_of(process) == b"ready\n"
    _launcher(process, place).terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGKILL


def test_a_second_signal_makes_the_grace_period_no_shorter(supervised: list[str], start: Start) -> None:
    script = "trap 'n=$((n + 1)); echo $n; test $n = 3 && exit 5' TERM; n=0; echo ready; while :; do sleep 0.05; done"
    process = start([*supervised, "/bin/sh", "-c", script], start_new_session=True)
    assert line_of(process) == b"ready\n"
    for count in (1, 2, 3):
        process.terminate()
        assert line_of(process) == b"%d\n" % count
    assert process.wait(PATIENCE) == 5


def test_on_a_terminal_it_ends_what_is_left_too(
    supervised: list[str], terminal: Terminal, start: Start, marker: str, pipe: str
) -> None:
    script = f"({_waiting(marker, pipe)} &); (setsid {_waiting(marker, pipe)} &); read x <{pipe}; exit 3"
    process = start([*supervised, "/bin/sh", "-c", script], **terminal.how())
    assert process.wait(PATIENCE) == 3
    assert _marked(marker) == []


def test_children_that_were_there_before_are_left_alone(
    supervised: list[str], start: Start, marker: str, pipe: str
) -> None:
    """As a shell leaves them that starts `tee` for its output and then becomes the launcher."""
    words = subprocess.list2cmdline(supervised)
    script = f"{_waiting(marker, pipe)} & read x <{pipe}; exec {words} /bin/sh -c '(setsid sleep 1000 &); exit 3'"
    process = start(["/bin/sh", "-c", script], start_new_session=True)
    assert process.wait(PATIENCE) == 3
    assert len(_marked(marker)) == 1


def test_as_process_1_it_stops_at_once_when_asked(supervised: list[str], start: Start) -> None:
    """As `docker stop` asks. Ours is no shell, which as process 1 would be deaf."""
    if not works([*_PID_1, "true"]):
        pytest.skip("unshare --pid is not permitted here")
    process = start([*_PID_1, *supervised, "/bin/sh", "-c", "echo ready; exec sleep 1000"])
    assert line_of(process) == b"ready\n"
    _launcher(process, _PID_1).terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_pipe_ends_when_the_child_closes_it(supervised: list[str], start: Start) -> None:
    """We do not hold it open as well."""
    script = "echo ready; exec >&- 2>&-; read line"
    process = start(
        [*supervised, "/bin/sh", "-c", script], stdin=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.read() == b"ready\n"
    assert process.poll() is None
    process.communicate(b"\n", timeout=PATIENCE)


def test_the_shell_goes_on_after_a_pipe(supervised: list[str]) -> None:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    words = subprocess.list2cmdline(supervised)
    script = f"{words} yes | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == (b"y\n141\n", b"")
