"""Standard output is the child's alone, and what is wrong with our own streams changes no outcome."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, Way

_CLOSED = [c for n in range(8) if (c := tuple(fd for fd in range(3) if n >> fd & 1))]


def _run(words: list[str], closed: tuple[int, ...] = (), **how: Any) -> int:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
    done = subprocess.run(words, preexec_fn=close, timeout=60, check=False, **streams | how)
    return int(done.returncode)


@pytest.mark.parametrize("verbosity", [[], ["-q"]], ids=["", "-q"])
def test_nothing_is_told_on_success(way: Way, verbosity: list[str]) -> None:
    words = [*way.words[:-1], *verbosity, "--", "true"]
    done = subprocess.run(words, env={**os.environ, **way.environ}, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


@pytest.mark.parametrize("verbosity", ["-v", "-vv", "--debug", "--dry-run"])
def test_what_is_told_goes_to_standard_error_with_our_name(way: Way, verbosity: str) -> None:
    words = [*way.words[:-1], verbosity, "--", "true"]
    done = subprocess.run(words, env={**os.environ, **way.environ}, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, b"")
    lines = done.stderr.decode("ascii").splitlines()
    assert any("GREETING: 5 bytes from " in line for line in lines)
    assert all(line.startswith("secrets-exec: ") and line.isprintable() for line in lines)


@pytest.mark.parametrize("closed", _CLOSED, ids=str)
def test_with_streams_closed_a_failure_has_its_code(closed: tuple[int, ...]) -> None:
    assert _run([*LAUNCHER, "-f", "missing.toml", "--", "true"], closed) == 78


@pytest.mark.parametrize("closed", _CLOSED, ids=str)
def test_with_streams_closed_nothing_is_written_into_other_files(
    literal: Path, tmp_path: Path, closed: tuple[int, ...]
) -> None:
    """A closed stream's number is the next file's: a message must not land in that one."""
    target = tmp_path / "target"
    target.write_text("")
    words = [*LAUNCHER, "-vv", "-f", str(literal), "--set", f"X=file://{target}", "--", "true"]
    assert _run(words, closed) == 0
    assert target.read_text() == ""


@pytest.mark.parametrize(
    ("words", "code"),
    [(["-f", "missing.toml", "--", "true"], 78), (["-v", "-f", "{}", "--", "/bin/sh", "-c", "exit 3"], 3)],
    ids=["failure", "success"],
)
def test_a_full_standard_error_changes_nothing(literal: Path, words: list[str], code: int) -> None:
    with open("/dev/full", "w") as full:
        assert _run([*LAUNCHER, *(word.format(literal) for word in words)], stderr=full) == code


def test_a_standard_error_that_nobody_reads_changes_nothing(literal: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert _run([*LAUNCHER, "-v", "-f", str(literal), "--", "/bin/sh", "-c", "exit 3"], stderr=writing) == 3
        assert _run([*LAUNCHER, "-f", "missing.toml", "--", "true"], stderr=writing) == 78
    finally:
        os.close(writing)


@pytest.mark.parametrize("command", ["--version", "--help", "run --help", "providers", "plan"])
def test_an_answer_that_cannot_be_written_is_71(literal: Path, command: str) -> None:
    words = [*LAUNCHER, *command.split()]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            words, env={**os.environ, "SECRETS_EXEC_MANIFEST": str(literal)}, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 71
    assert b"the answer cannot be written to standard output: No space left on device" in done.stderr
    assert _run(words, (1,), env={**os.environ, "SECRETS_EXEC_MANIFEST": str(literal)}) == 71


@pytest.mark.parametrize("command", ["--version", "--help", "providers"])
def test_a_reader_that_has_gone_ends_an_answer_quietly(
    command: str, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = start([*LAUNCHER, command], stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (-13, b"")
