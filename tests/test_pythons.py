"""Every Python that is supported, where it is installed, runs the launcher from this source tree."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import PATIENCE, bootstrap, works

_ENVIRON = dict(os.environ)
_FINDER = Path(__file__).parents[1] / ".ci" / "python"


@pytest.fixture(params=["3.11", "3.12", "3.13"], scope="module")
def python(request: pytest.FixtureRequest) -> str:
    """The path of that Python."""
    found = subprocess.run([_FINDER, request.param], env=_ENVIRON, capture_output=True, text=True, timeout=PATIENCE)
    path = found.stdout.strip()
    if found.returncode or not path:
        pytest.skip(f"there is no Python {request.param} here")
    if not works([*bootstrap(path), "--version"]):
        pytest.skip(f"the packages of this environment do not work under Python {request.param}")
    return path


@pytest.fixture
def path(manifest: Callable[..., Path]) -> Path:
    """A manifest with a literal and a secret of each local provider."""
    path = manifest(
        '[secrets]\nA = "env://GIVEN"\nB = "file://secret"\nC = "dotenv://x.env#KEY"\n'
        'D = { provider = "dotenv", id = "x.env", expand = true }\n[env]\nE = "literal"\n'
    )
    (path.parent / "secret").write_text("from a file")
    (path.parent / "x.env").write_text("KEY='from dotenv'\n")
    return path


def test_literals_and_local_providers(python: str, path: Path) -> None:
    script = 'printf "%s|" "$A" "$B" "$C" "$D_KEY" "$E"; grep SigIgn /proc/self/status; exit 3'
    command = [*bootstrap(python), "-f", str(path), "--", "/bin/sh", "-c", script]
    done = subprocess.run(command, env={**os.environ, "GIVEN": "from here"}, capture_output=True, timeout=PATIENCE)
    values = b"from here|from a file|from dotenv|from dotenv|literal|"
    directly = subprocess.run(["grep", "SigIgn", "/proc/self/status"], capture_output=True, check=True).stdout
    assert (done.returncode, done.stdout) == (3, values + directly), done.stderr
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--nonsense"], 64),
        (["-f", "missing.toml", "--", "true"], 78),
        (["--set", "X=file://missing", "--", "true"], 66),
        (["--set", "X=env://GIVEN", "--", "no-such-command"], 127),
        (["check", "--set", "X=env://GIVEN", "--fetch"], 0),
        (["--help"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_codes_and_no_traceback(python: str, words: list[str], code: int) -> None:
    environ = {**os.environ, "GIVEN": "x"}
    done = subprocess.run([*bootstrap(python), *words], env=environ, capture_output=True, timeout=PATIENCE)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Warning" not in done.stderr


def test_words_arrive_byte_for_byte_without_a_locale(python: str, path: Path) -> None:
    words = [b"\xff\xfe", "값".encode(), b"", b"--x"]
    environ = {"PATH": os.environ["PATH"], "GIVEN": "x", "PYTHONWARNINGS": "error"}
    command = [*bootstrap(python), "-f", str(path), "--", "/bin/sh", "-c", "cat /proc/$$/cmdline; :", *words]
    done = subprocess.run(command, env=environ, capture_output=True, timeout=PATIENCE)
    assert done.stdout.split(b"\0")[3:-1] == words
