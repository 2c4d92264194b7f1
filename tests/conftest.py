"""What every test begins with: a clean environment, and the launcher as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

LAUNCHER = [sys.executable, "-P", "-m", "envinject"]
"""The launcher, as a command of its own."""

_KEPT = ("PATH", "LANG", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START")

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only what a program needs to run, a home of its own, and an empty working folder."""
    for name in set(os.environ) - set(_KEPT):
        if not name.startswith(("PYTEST_", "HYPOTHESIS_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(folder)


@pytest.fixture
def launch() -> Launch:
    """Run the launcher to its end: `launch("-f", file, "--", "env", environ={...})`.

    `environ` goes over the test's environment; None as a value removes a name. Output is bytes.
    """

    def run(
        *words: str | bytes | os.PathLike[str],
        environ: Mapping[str, str | None] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        **how: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        given = {name: value for name, value in {**os.environ, **(environ or {})}.items() if value is not None}
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "timeout": 60, **how}
        return subprocess.run([*LAUNCHER, *words], env=given, cwd=cwd, check=False, **settings)

    return run


@pytest.fixture
def manifest(tmp_path: Path) -> Callable[[str], Path]:
    """Write a manifest and give its path: `manifest("[secrets]\\n...")`, `manifest(text, "x.json")`."""

    def write(text: str, name: str = "secrets.toml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def environment_of(output: bytes) -> dict[bytes, bytes]:
    """The variables that `env -0` printed."""
    pairs: Sequence[bytes] = output.split(b"\0")
    return dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
