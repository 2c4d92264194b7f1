"""The supervisor's exit status is the child's, or that of a start which failed."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from launching import LAUNCHER, NOBODY, PATIENCE, launcher_for_nobody, line_of

_HARMLESS = {signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH}
_STOPPING = {signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
_DEADLY = sorted(int(number) for number in signal.valid_signals() - _HARMLESS - _STOPPING)


def _run(words: list[str], *command: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run(
        [*words, *command], capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, start_new_session=True
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
def test_every_exit_code_is_the_childs(supervised: list[str]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda code: _run(supervised, "/bin/sh", "-c", f"exit {code}"), range(256))
        assert list(found) == [(code, b"", b"") for code in range(256)]


@pytest.mark.slow
def test_of_every_deadly_signal_it_is_128_and_the_number(supervised: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda number: _run(supervised, "/bin/sh", "-c", f"kill -{number} $$"), _DEADLY)
        assert list(found) == [(128 + number, b"", b"") for number in _DEADLY]


def test_a_command_that_is_not_there_is_127(supervised: list[str]) -> None:
    code, out, err = _run(supervised, "no-such-command")
    assert (code, out) == (127, b"")
    assert err.count(b"secrets-exec: error:") == 1


def test_a_command_that_cannot_be_run_is_126(supervised: list[str], tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    code, out, err = _run(supervised, str(tmp_path / "plain"))
    assert (code, out) == (126, b"")
    assert err.count(b"secrets-exec: error:") == 1


def test_one_that_exec_refuses_is_126(supervised: list[str], tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF\0\0\0\0")
    broken.chmod(0o755)
    assert _run(supervised, str(broken))[0] == 126


def test_a_start_that_fails_has_its_own_code() -> None:
    code, out, err = _run([*LAUNCHER, "--supervise", "-f", "missing.toml", "--"], "true")
    assert (code, out) == (78, b"")
    assert err.startswith(b"secrets-exec: error:")


def test_a_dry_run_has_no_child(literal: Path) -> None:
    code, out, err = _run([*LAUNCHER, "--supervise", "--dry-run", "-f", str(literal), "--"], "false")
    assert (code, out) == (0, b"")
    assert b"would set GREETING" in err


@pytest.mark.parametrize("depth", [2, 3])
def test_supervisors_in_supervisors_give_it_on(
    supervised: list[str], start: Callable[..., subprocess.Popen[bytes]], depth: int
) -> None:
    script = "trap 'exit 9' TERM; echo ready; while :; do read never; done"
    words = [*supervised * depth, "/bin/sh", "-c", script]
    process = start(words, stdin=subprocess.PIPE, start_new_session=True)
    assert line_of(process) == b"ready\n"
    process.terminate()
    _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (9, b"")


def test_a_long_argument_list_arrives(mode: list[str]) -> None:
    word = "x" * 100_000
    assert _run(mode, "/bin/sh", "-c", "echo ${#1} ${#2}", "sh", word, word) == (0, b"100000 100000\n", b"")


def test_a_system_without_processes_is_71(open_folder: Path) -> None:
    launcher = launcher_for_nobody()
    if launcher is None:
        pytest.skip("needs root, and a Python that other users can run")
    done = subprocess.run(
        [*launcher, "--supervise", "-f", "m.toml", "--", "true"],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd=open_folder,
        env={"PATH": "/usr/bin:/bin"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)),
        capture_output=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stdout) == (71, b"")
    assert done.stderr.startswith(b"secrets-exec: error: the system has no process for the command")
