"""What ties a child to its supervisor and both to a service manager: death, readiness, sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from launching import LAUNCHER, PATIENCE, eventually, line_of

Start = Callable[..., "subprocess.Popen[bytes]"]
_TRAPS = "trap 'echo asked; exit' USR1; echo ready; while :; do sleep 0.05; done"


def _begin(start: Start, words: list[str], command: str, **how: object) -> subprocess.Popen[bytes]:
    process = start([*words, "/bin/sh", "-c", command], start_new_session=True, **how)
    assert line_of(process) == b"ready\n"
    return process


def test_a_child_lives_on_when_the_supervisor_is_killed(supervised: list[str], start: Start) -> None:
    process = _begin(start, supervised, _TRAPS)
    (child,) = psutil.Process(process.pid).children()
    process.kill()
    process.wait(PATIENCE)
    assert child.is_running()
    child.send_signal(signal.SIGUSR1)
    assert line_of(process) == b"asked\n"


@pytest.mark.parametrize("written", ["USR1", "SIGUSR1", "usr1", str(int(signal.SIGUSR1))])
def test_with_pdeathsig_it_gets_that_signal(literal: Path, start: Start, written: str) -> None:
    process = _begin(start, [*LAUNCHER, "--pdeathsig", written, "-f", str(literal), "--"], _TRAPS)
    process.kill()
    assert line_of(process) == b"asked\n"


@pytest.mark.parametrize(
    "option", [["--pdeathsig", "NONE"], ["--pdeathsig", "0"], ["--forward", "all"], ["--grace", "soon"]], ids=" ".join
)
def test_an_option_that_makes_no_sense_is_64(literal: Path, option: list[str]) -> None:
    done = subprocess.run([*LAUNCHER, *option, "-f", str(literal), "--", "true"], capture_output=True)
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"%s does not take that" % option[0].encode() in done.stderr


# systemd


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A service manager's socket, which tells who sent what."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@secrets-exec-{os.getpid()}"
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    server.settimeout(PATIENCE)
    server.bind(address.replace("@", "\0"))
    yield server
    server.close()


def _sender(manager: socket.socket) -> tuple[bytes, int]:
    message, ancillary, _, _ = manager.recvmsg(512, 512)
    ((_, _, credentials),) = ancillary
    return message, int.from_bytes(credentials[:4], "little")


def test_notify_tells_that_the_command_has_started(manager: socket.socket, literal: Path, start: Start) -> None:
    """And the sender is the main process, which is whom systemd listens to."""
    command = "echo ready; test -z $NOTIFY_SOCKET && echo none; read line"
    process = _begin(start, [*LAUNCHER, "--notify", "-f", str(literal), "--"], command, stdin=subprocess.PIPE)
    assert line_of(process) == b"none\n"
    assert _sender(manager) == (b"READY=1", process.pid)
    eventually(lambda: len(os.listdir(f"/proc/{process.pid}/fd")) == 3, "the socket is let go of")


def test_notify_tells_nothing_of_a_start_that_fails(manager: socket.socket) -> None:
    done = subprocess.run([*LAUNCHER, "--notify", "-f", "missing.toml", "--", "true"], capture_output=True)
    assert done.returncode == 78
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(1)


def test_notify_without_a_manager_starts_all_the_same(literal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", "/nowhere/notify", "@nobody-listens", "vsock:1:2"):
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        assert subprocess.run([*LAUNCHER, "--notify", "-f", str(literal), "--", "true"]).returncode == 0


def test_without_notify_the_socket_is_the_commands(mode: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    done = subprocess.run([*mode, "printenv", "NOTIFY_SOCKET"], capture_output=True)
    assert done.stdout == b"/run/notify\n"


def test_sockets_are_handed_on_to_the_command(mode: list[str]) -> None:
    """Systemd sets LISTEN_PID to the process that it starts: here a shell that becomes the launcher."""
    words = subprocess.list2cmdline(mode)
    script = (
        f"exec 3</dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec {words} "
        "/bin/sh -c 'test $LISTEN_PID = $$ && readlink /proc/self/fd/3'"
    )
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (0, b"/dev/null\n")


def test_sockets_of_another_process_stay_anothers(mode: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_PID", "1")
    assert subprocess.run([*mode, "printenv", "LISTEN_PID"], capture_output=True).stdout == b"1\n"


def test_the_childs_parent_is_the_process_that_was_started(supervised: list[str], start: Start) -> None:
    process = start([*supervised, "/bin/sh", "-c", "echo $PPID"])
    out, _ = process.communicate(timeout=PATIENCE)
    assert int(out) == process.pid
    eventually(lambda: not psutil.pid_exists(process.pid), "it is gone")
