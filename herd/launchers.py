"""A rush of real launchers: processes of secrets-exec against the emulator on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envinject.emulator import Emulator, parse_seed
from envinject.manifest import Options

from .figures import Figures, busiest_second

_TOKEN = "fake-token"
_OURS = ("SECRETS_EXEC_", "KAKAOCLOUD_", "NCLOUD_")
_MORE_SECONDS = 30.0
"""How much longer than its own deadline a launcher is waited for."""
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Outcome:
    """The figures, the exit codes that were not 0, and the end of what the launchers said."""

    figures: Figures
    codes: Sequence[int]
    said: str


def rush(
    launchers: int = 100, secrets: int = 5, rate: float = 50, *, splay: float = 0.0, timeout: float = Options.timeout
) -> Outcome:
    """Start them all, each with its own `splay`, and wait for them; a command ends well if it got every secret."""
    document = {
        "kakaocloud": {
            "rate_limit": rate,
            "credentials": [{"name": "herd", "id": "fake-id", "secret": "fake-key", "token": _TOKEN}],
            "secrets": [{"id": f"s{number}", "value": f"fake-{number}"} for number in range(secrets)],
        }
    }
    with tempfile.TemporaryDirectory(prefix="herd-") as folder, Emulator(parse_seed(document)) as emulator:
        manifest = _manifest(Path(folder), emulator.endpoints["kakaocloud"], secrets)
        said = Path(folder, "said")
        command = _command(manifest, secrets, splay, timeout)
        began = time.monotonic()
        codes = _all(command, launchers, said, splay + timeout + _MORE_SECONDS)
        last_start = time.monotonic() - began
        requests = emulator.requests
        told = said.read_bytes()[-_SHOWN:].decode("ascii", "replace")
    wrong = [code for code in codes if code]
    figures = Figures(
        launchers=launchers,
        started=launchers - len(wrong),
        failed=len(wrong),
        crashes=0,
        last_start=last_start,
        requests=len(requests),
        successes=sum(request.status == 200 for request in requests),
        peak=busiest_second(sorted(request.time for request in requests)),
    )
    return Outcome(figures, wrong, told)


def _manifest(folder: Path, endpoint: str, secrets: int) -> Path:
    lines = ["[providers.kakaocloud]", f'endpoint = "{endpoint}"', "[secrets]"]
    lines += [f'S{number} = "kakaocloud://s{number}"' for number in range(secrets)]
    path = folder / "secrets.toml"
    path.write_text("\n".join(lines))
    return path


def _command(manifest: Path, secrets: int, splay: float, timeout: float) -> list[str]:
    every = " ".join(f'"${{S{number}:?}}"' for number in range(secrets))
    options = ["-q", "-f", str(manifest), "--timeout", _milliseconds(timeout)]
    options += ["--splay", _milliseconds(splay)] if splay else []
    return [sys.executable, "-P", "-m", "envinject", *options, "--", "sh", "-c", f": {every}"]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f}ms"


def _environ() -> Mapping[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return kept | {"KAKAOCLOUD_TOKEN": _TOKEN}


def _all(command: Sequence[str], times: int, said: Path, patience: float) -> list[int]:
    """The exit codes of a command that was started so many times at once."""
    environ, processes = _environ(), list[subprocess.Popen[bytes]]()
    try:
        with said.open("ab") as errors:
            how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": errors}
            for _ in range(times):
                processes.append(subprocess.Popen(command, env=environ, **how))
        ends = time.monotonic() + patience
        return [_exit_code(process, ends) for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def _exit_code(process: subprocess.Popen[bytes], ends: float) -> int:
    try:
        return process.wait(max(0.0, ends - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
