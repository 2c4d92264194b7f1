"""What stays is small, knows no secret, holds nothing, and does nothing while nothing happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import LAUNCHER, PATIENCE, TRANSPORTS, Answer, Store, eventually, kakao_value, line_of, memory_of

Start = Callable[..., "subprocess.Popen[bytes]"]

_VALUE = "canary-value-5f1b7c"
_TOKEN = "canary-token-93ad2e"
_INHERITED = "canary-inherited-77c0"


def _begin(start: Start, words: list[str], **how: object) -> subprocess.Popen[bytes]:
    process = start([*words, "/bin/sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, **how)
    assert line_of(process) == b"ready\n"
    eventually(lambda: _waits(process.pid), "the supervisor waits")
    return process


def _waits(pid: int) -> bool:
    is_there = b"supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return is_there and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_neither_secret_nor_credential_is_in_its_memory(
    store: Callable[[Answer], Store], start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, transport: str
) -> None:
    monkeypatch.setenv("SECRETS_EXEC_TRANSPORT", transport)
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", _TOKEN)
    monkeypatch.setenv("INHERITED", _INHERITED)
    manifest = tmp_path / "m.toml"
    manifest.write_text(store(lambda _: kakao_value(f'"{_VALUE}"')).manifest('X = "kakaocloud://1"'))
    process = _begin(start, [*LAUNCHER, "--supervise", "-f", str(manifest), "--"])
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert _VALUE.encode() in Path(f"/proc/{child}/environ").read_bytes()
    held = memory_of(process.pid) + Path(f"/proc/{process.pid}/environ").read_bytes()
    held += Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert b"supervisor" in held
    for canary in (_VALUE, _TOKEN, _INHERITED):
        assert canary.encode() not in held


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def test_it_is_hardly_larger_than_a_python_that_waits_for_a_signal(supervised: list[str], start: Start) -> None:
    code = "import os, signal; os.write(1, b'ready\\n'); signal.sigwaitinfo([signal.SIGTERM])"
    bare = start([sys.executable, "-I", "-S", "-c", code], env={})
    assert line_of(bare) == b"ready\n"
    eventually(lambda: Path(f"/proc/{bare.pid}/stat").read_text().rpartition(")")[2].split()[0] == "S", "it waits")
    process = _begin(start, supervised)
    assert _resident(process.pid) <= 1.15 * _resident(bare.pid)


def _switches(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def test_nothing_wakes_it_while_nothing_happens(supervised: list[str], start: Start) -> None:
    process = _begin(start, supervised)
    before = _switches(process.pid)
    for _ in range(100):  # as long as that takes, which is a second or more
        subprocess.run(["/bin/true"], check=True)
    assert _switches(process.pid) == before


def test_it_holds_nothing_that_it_was_given(supervised: list[str], start: Start) -> None:
    reading, writing = os.pipe()
    process = _begin(start, supervised, pass_fds=[writing])
    os.close(writing)
    folder = f"/proc/{process.pid}/fd"
    found = {int(name): os.readlink(f"{folder}/{name}") for name in os.listdir(folder)}
    os.close(reading)
    assert found == dict.fromkeys(range(3), "/dev/null")
    assert os.readlink(f"/proc/{process.pid}/cwd") == "/"


@pytest.mark.parametrize("closed", [(0,), (0, 1), (0, 1, 2)], ids=str)
def test_it_works_with_streams_closed(supervised: list[str], closed: tuple[int, ...]) -> None:
    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    command = ["/bin/sh", "-c", "exit 7"]
    assert subprocess.run([*supervised, *command], preexec_fn=close, timeout=PATIENCE).returncode == 7


def test_it_imports_nothing_large() -> None:
    program = Path(__file__).parent.parent.parent / "envinject" / "child"
    code = (
        f"import sys; sys.path.append({str(program)!r}); import supervisor; "
        "print(*[m for m in sys.modules if m in ('re', 'typing', 'ctypes', 'subprocess', 'socket', 'psutil')])"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, check=True)
    assert done.stdout == b"\n"
