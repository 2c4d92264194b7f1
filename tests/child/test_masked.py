"""`--mask`: the command's output shows names instead of values, and nothing else of it is to be noticed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from launching import LAUNCHER, PATIENCE, eventually, line_of, memory_of, works
from terminal import Terminal

VALUE = "hunter2-hunter2"
PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
Mask = Callable[..., list[str]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervising needs Linux")


@pytest.fixture
def masked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mask:
    """The words of a masked shell script."""
    path = tmp_path / "masked.toml"
    path.write_text('[secrets]\nPASSWORD = "env://SOURCE"\n[env]\nPLAIN = "plain-and-simple"\n')
    monkeypatch.setenv("SOURCE", VALUE)
    return lambda script, *options: [*LAUNCHER, "--mask", "-f", str(path), *options, "--", "/bin/sh", "-c", script]


def _run(words: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)


@pytest.mark.parametrize("prefix", [[], PID_1], ids=["a process", "process 1"])
def test_both_streams_are_masked_and_the_exit_code_is_the_childs(masked: Mask, prefix: list[str]) -> None:
    if prefix and not works([*prefix, "true"]):
        pytest.skip("PID namespaces are not permitted here")
    done = _run([*prefix, *masked('echo "my $PASSWORD"; echo "$PASSWORD $PLAIN" >&2; exit 3')])
    assert (done.returncode, done.stdout, done.stderr) == (3, b"my [PASSWORD]\n", b"[PASSWORD] plain-and-simple\n")


def test_a_deadly_signal_is_told_and_the_last_words_are_shown(masked: Mask) -> None:
    done = _run(masked('printf "last $PASSWORD"; kill -TERM $$'))
    assert (done.returncode, done.stdout) == (128 + signal.SIGTERM, b"last [PASSWORD]")


def test_what_is_on_its_way_outlives_the_grace_period(masked: Mask) -> None:
    script = 'head -c 3000000 /dev/zero | tr "\\0" x; echo "$PASSWORD"'
    with subprocess.Popen(masked(script, "--grace", "10ms"), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        group = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        eventually(lambda: len(group.read_text().split()) == 1, "the child has ended, and its relay waits for us")
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)  # many grace periods
        assert process.stdout.read() == b"x" * 3_000_000 + b"[PASSWORD]\n"
        assert process.wait(PATIENCE) == 0


def test_what_is_left_of_the_tree_is_ended_and_does_not_hold_the_output(masked: Mask, tmp_path: Path) -> None:
    script = f"sleep 100 & echo $! >>{tmp_path}/pids; setsid sleep 100 & echo $! >>{tmp_path}/pids; echo $PASSWORD"
    done = _run(masked(script))
    assert (done.returncode, done.stdout) == (0, b"[PASSWORD]\n")
    assert not [pid for pid in (tmp_path / "pids").read_text().split() if Path("/proc", pid, "exe").exists()]


def test_a_signal_ends_a_masked_child_and_its_words_come_through(masked: Mask) -> None:
    script = 'trap "echo bye $PASSWORD; exit 7" TERM; echo ready; while :; do sleep 0.02; done'
    with subprocess.Popen(masked(script), stdout=subprocess.PIPE) as process:
        assert line_of(process) == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE)[0] == b"bye [PASSWORD]\n"
        assert process.returncode == 7


def test_the_parent_that_stays_does_not_know_the_value(masked: Mask) -> None:
    with subprocess.Popen(masked("echo ready; read x"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert line_of(process) == b"ready\n"
        try:
            eventually(lambda: b"import supervisor" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), "it stays")
            assert VALUE.encode() not in memory_of(process.pid)
        finally:
            process.kill()


def test_a_command_that_cannot_start_is_told_as_ever(masked: Mask, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"\0nothing")
    (tmp_path / "broken").chmod(0o755)
    for command, code in (("/nowhere", 127), (str(tmp_path / "broken"), 126)):
        done = _run([*masked("")[:-3], command])
        assert (done.returncode, done.stdout) == (code, b"")
        assert b"secrets-exec: error: " in done.stderr


# On a terminal


class Screen(Terminal):
    """An interactive shell on a real terminal, in which a command runs masked."""

    def __init__(self, words: list[str]) -> None:
        super().__init__()
        environ = {**os.environ, "PS1": "shell> ", "COMMAND": " ".join(map(_quoted, words))}
        shell = ["bash", "--norc", "--noprofile", "-i"]
        self.process = subprocess.Popen(shell, env=environ, **self.how(pass_fds=()))

    def close(self) -> None:
        super().close()  # hangs up
        self.process.wait(PATIENCE)


@pytest.fixture
def screen(masked: Mask) -> Iterator[Callable[[str], Screen]]:
    with ExitStack() as stack:

        def start(script: str) -> Screen:
            return stack.enter_context(closing(Screen(masked(script))))

        yield start


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def test_below_an_interactive_shell_it_is_a_job_like_any_other(screen: Callable[[str], Screen]) -> None:
    if not works(["bash", "-c", "true"]):
        pytest.skip("there is no bash here")
    shown = screen('[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo "on $PASSWORD"; while read x; do echo "got $x"; done')
    shown.until(b"shell> ")
    shown.type(b"eval $COMMAND\n")
    shown.until(b"on [PASSWORD]\r\n")
    shown.type(b"one hunter2-hunter2\n")
    shown.until(b"got one [PASSWORD]\r\n")
    shown.type(b"\x1a")
    shown.until(b"Stopped")
    shown.until(b"shell> ")
    shown.type(b"fg\n")
    shown.type(b"two\n")
    shown.until(b"got two\r\n")
    shown.type(b"\x03")
    shown.until(b"shell> ")
    shown.type(b"echo the code is $?\n")
    shown.until(b"the code is 130")
    shown.type(b"exit\n")
