"""The child finds everything as in a direct start: signals, limits, priorities, folder, descriptors, process id."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import Way, eventually, line_of

_FACTS = """
grep -E '^(Umask|Uid|Gid|Groups|Sig(Blk|Ign|Cgt)|Cap|NoNewPrivs|Seccomp|Cpus_allowed|THP)' /proc/self/status
cat /proc/self/limits /proc/self/oom_score_adj /proc/self/personality /proc/self/coredump_filter
cut -d ' ' -f 6,7,18,19 /proc/self/stat
readlink /proc/self/cwd /proc/self/root
"""


def _odd() -> None:
    """As few processes are started: some signals ignored, some blocked, limits and priorities changed."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD, signal.SIGUSR2, signal.SIGRTMIN + 3):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGWINCH, signal.SIGTERM, signal.SIGRTMIN + 1})
    os.umask(0o027)
    os.nice(3)
    os.chdir("/usr")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
    resource.setrlimit(resource.RLIMIT_STACK, (4 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    Path("/proc/self/oom_score_adj").write_text("500")


def _plain() -> None:
    """As almost everything is started."""


@pytest.mark.parametrize("prepare", [_plain, _odd], ids=["plain", "odd"])
def test_everything_that_a_process_inherits_is_as_in_a_direct_start(way: Way, prepare: Callable[[], None]) -> None:
    def facts(*launcher: str) -> list[str]:
        environ = {**os.environ, **way.environ}
        command = [*launcher, "/bin/sh", "-c", _FACTS]
        done = subprocess.run(command, env=environ, preexec_fn=prepare, capture_output=True, check=True, timeout=60)
        assert done.stderr == b""
        return done.stdout.decode().splitlines()

    assert facts(*way.words) == facts()


@pytest.mark.parametrize("number", [signal.SIGPIPE, signal.SIGXFSZ], ids=["SIGPIPE", "SIGXFSZ"])
def test_what_the_interpreter_ignores_kills_the_child_as_ever(way: Way, number: signal.Signals) -> None:
    command = ["/bin/sh", "-c", f"kill -{number.name.removeprefix('SIG')} $$; echo survived"]
    done = subprocess.run([*way.words, *command], env={**os.environ, **way.environ}, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (way.exit_code(number), b"")


def test_the_child_has_the_launchers_process_id_and_group(
    replacing: Way, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    command = ["/bin/sh", "-c", "echo $$ $PPID; cut -d ' ' -f 5 /proc/self/stat"]
    process = start([*replacing.words, *command], env={**os.environ, **replacing.environ})
    out, err = process.communicate(timeout=60)
    assert out.split() == [b"%d" % number for number in (process.pid, os.getpid(), os.getpgrp())]
    assert err == b""


def test_nothing_of_the_launcher_is_left_beside_the_child(
    replacing: Way, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    process = start(
        [*replacing.words, "/bin/sh", "-c", "echo ready; read never; :"],
        stdin=subprocess.PIPE,
        env={**os.environ, **replacing.environ},
    )
    assert line_of(process) == b"ready\n"
    assert Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text() == ""
    assert os.listdir(f"/proc/{process.pid}/task") == [str(process.pid)]
    assert b"python" not in Path(f"/proc/{process.pid}/maps").read_bytes()


_DESCRIPTORS = (
    "import os, sys; d = '/proc/self/fd/'; listed = os.listdir(d); print({int(n): os.readlink(d + n) "
    "for n in listed if os.path.lexists(d + n)}, file=open(sys.argv[1], 'w'))"
)


def _descriptors(launcher: list[str], to: Path, **how: Any) -> str:
    command = [*launcher, sys.executable, "-S", "-c", _DESCRIPTORS, str(to)]
    done = subprocess.run(command, timeout=60, check=True, **how)
    assert not done.stderr
    return to.read_text().replace(f"/proc/{os.getpid()}", "")


def test_descriptors_that_we_were_given_are_kept_and_none_of_ours_is_added(way: Way, tmp_path: Path) -> None:
    first, second = os.pipe()
    high = os.dup2(second, 200)
    try:
        how = {
            "pass_fds": (first, second, high),
            "env": {**os.environ, **way.environ},
            "stdin": subprocess.DEVNULL,
            "stdout": subprocess.DEVNULL,
            "stderr": subprocess.DEVNULL,
        }
        through = _descriptors(way.words, tmp_path / "through", **how)
        assert f"{first}: 'pipe:" in through
        assert through == _descriptors([], tmp_path / "direct", **how)
    finally:
        for descriptor in (first, second, high):
            os.close(descriptor)


@pytest.mark.parametrize("closed", [c for n in range(8) if (c := tuple(fd for fd in range(3) if n >> fd & 1))], ids=str)
def test_closed_standard_streams_stay_closed(way: Way, tmp_path: Path, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    how = {
        "preexec_fn": close,
        "env": {**os.environ, **way.environ},
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
    }
    assert _descriptors(way.words, tmp_path / "through", **how) == _descriptors([], tmp_path / "direct", **how)


def test_standard_input_reaches_the_child_unread(way: Way) -> None:
    given = bytes(range(256)) * 1000
    done = subprocess.run(
        [*way.words, "cat"], env={**os.environ, **way.environ}, input=given, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, given, b"")


@pytest.mark.parametrize("code", [0, 1, 2, 63, 64, 70, 77, 78, 126, 127, 128, 130, 143, 254, 255])
def test_the_childs_exit_code_is_the_launchers(literal: Path, launch: Any, code: int) -> None:
    assert launch("-f", literal, "--", "/bin/sh", "-c", f"exit {code}").returncode == code


@pytest.mark.parametrize("name", ["TERM", "KILL", "SEGV", "ABRT", "HUP", "USR1"])
def test_a_child_that_a_signal_killed_was_killed_by_it(literal: Path, launch: Any, name: str) -> None:
    done = launch("-f", literal, "--", "/bin/sh", "-c", f"ulimit -c 0; kill -{name} $$")
    assert done.returncode == -signal.Signals[f"SIG{name}"]


def test_a_shell_sees_128_and_the_number_of_the_signal(literal: Path) -> None:
    command = f"{sys.executable} -P -m envinject -f {literal} -- /bin/sh -c 'kill -TERM $$'; echo $?"
    assert subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=60).stdout == b"143\n"


def test_a_signal_reaches_the_child_once_it_runs(way: Way, start: Callable[..., subprocess.Popen[bytes]]) -> None:
    script = "trap 'echo stopping; exit 3' TERM; echo ready; while :; do read never; done"
    process = start([*way.words, "/bin/sh", "-c", script], stdin=subprocess.PIPE, env={**os.environ, **way.environ})
    assert line_of(process) == b"ready\n"
    process.terminate()
    assert line_of(process) == b"stopping\n"
    assert process.wait(60) == 3
    eventually(lambda: not Path(f"/proc/{process.pid}").exists(), "the process id is free again")
