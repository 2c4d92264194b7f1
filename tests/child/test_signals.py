"""A signal that asks to end while secrets are fetched ends the launcher at once with 128+n, and no child starts."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from launching import LAUNCHER, PACKAGES, PATIENCE, TRANSPORTS, Answer, Store, eventually, kakao_value, works

_ENDING = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT]
_CHILD = ["touch", "started"]
_PID_1 = ["unshare", "--pid", "--fork", "--mount-proc"]

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transport in turn."""
    monkeypatch.setenv("SECRETS_EXEC_TRANSPORT", request.param)
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")


@pytest.fixture
def silent(store: Callable[[Answer], Store]) -> Store:
    """A store that takes requests and never answers."""
    return store(lambda _: None)


@pytest.fixture
def manifest_of(tmp_path: Path) -> Callable[[str], str]:
    """Write a manifest with a KakaoCloud secret of that endpoint."""

    def write(endpoint: str) -> str:
        path = tmp_path / "fetching.toml"
        path.write_text(f'[providers.kakaocloud]\nendpoint = "{endpoint}"\n[secrets]\nX = "kakaocloud://1"\n')
        return str(path)

    return write


def _assert_ended(process: subprocess.Popen[bytes], number: int, code: int | None = None) -> None:
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (128 + number if code is None else code, b"", b"")
    assert not Path("started").exists()


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("number", _ENDING, ids=lambda number: number.name)
def test_a_signal_during_the_fetch_ends_the_launcher_and_starts_no_child(
    silent: Store, manifest_of: Callable[[str], str], start: Start, number: signal.Signals
) -> None:
    process = start([*LAUNCHER, "-f", manifest_of(silent.url), "--", *_CHILD])
    silent.arrived.get(timeout=PATIENCE)
    process.send_signal(number)
    _assert_ended(process, number)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("number", _ENDING, ids=lambda number: number.name)
def test_so_it_does_as_pid_1(
    silent: Store, manifest_of: Callable[[str], str], start: Start, number: signal.Signals
) -> None:
    if not works([*_PID_1, "true"]):
        pytest.skip("unshare --pid is not permitted here")
    process = start([*_PID_1, *LAUNCHER, "-f", manifest_of(silent.url), "--", *_CHILD])
    silent.arrived.get(timeout=PATIENCE)
    (init,) = psutil.Process(process.pid).children()
    init.send_signal(number)
    _assert_ended(process, number)


def test_it_does_while_many_threads_wait_for_answers(
    silent: Store, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    monkeypatch.setenv("SECRETS_EXEC_TRANSPORT", "requests")
    manifest = tmp_path / "many.toml"
    manifest.write_text(silent.manifest("\n".join(f'S{n} = "kakaocloud://{n}"' for n in range(12))))
    process = start([*LAUNCHER, "-f", str(manifest), "--", *_CHILD])
    for _ in range(12):
        silent.arrived.get(timeout=PATIENCE)
    process.terminate()
    _assert_ended(process, signal.SIGTERM)


@pytest.mark.usefixtures("transport")
def test_it_does_while_a_connection_is_not_accepted(manifest_of: Callable[[str], str], start: Start) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(8):  # a full queue, in which the system leaves the next ones without an answer
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        process = start([*LAUNCHER, "-f", manifest_of(f"http://127.0.0.1:{port}"), "--", *_CHILD])
        eventually(lambda: _is_connecting(process.pid, port), "the launcher connects")
        process.terminate()
        _assert_ended(process, signal.SIGTERM)


def _is_connecting(pid: int, port: int) -> bool:
    connections = psutil.Process(pid).net_connections()
    return any(one.raddr and one.raddr.port == port and one.status == psutil.CONN_SYN_SENT for one in connections)


def test_it_does_while_the_start_is_spread(literal: Path, start: Start) -> None:
    process = start([*LAUNCHER, "-v", "--splay", "100h", "-f", str(literal), "--", *_CHILD])
    assert process.stderr is not None
    assert b"waiting" in process.stderr.readline()
    process.terminate()
    _assert_ended(process, signal.SIGTERM)


@pytest.fixture
def deaf_name_server() -> Iterator[socket.socket]:
    """A name server that takes queries and never answers, on an address that nobody else has."""
    if not works(["unshare", "--mount", "true"]):
        pytest.skip("unshare --mount is not permitted here")
    with socket.socket(type=socket.SOCK_DGRAM) as server:
        pid = os.getpid()
        server.bind((f"127.{pid >> 16 & 127 | 64}.{pid >> 8 & 255}.{pid & 255}", 53))
        server.settimeout(PATIENCE)
        yield server


@pytest.mark.usefixtures("transport")
def test_it_does_while_a_name_is_looked_up(
    deaf_name_server: socket.socket, manifest_of: Callable[[str], str], start: Start, tmp_path: Path
) -> None:
    resolv, switch = tmp_path / "resolv.conf", tmp_path / "nsswitch.conf"
    resolv.write_text(f"nameserver {deaf_name_server.getsockname()[0]}\n")
    switch.write_text("hosts: dns\n")
    script = (
        f"mount --bind {resolv} /etc/resolv.conf && {{ ! test -e /etc/nsswitch.conf ||"
        f' mount --bind {switch} /etc/nsswitch.conf; }} && exec "$@"'
    )
    launcher = [*LAUNCHER, "-f", manifest_of("https://never.kakaocloud.com"), "--", *_CHILD]
    process = start(["unshare", "--mount", "/bin/sh", "-c", script, "sh", *launcher])
    query, _ = deaf_name_server.recvfrom(512)
    assert b"never" in query
    process.terminate()
    _assert_ended(process, signal.SIGTERM)


@pytest.fixture
def waiting_import(tmp_path: Path) -> tuple[list[str], Path]:
    """A launcher that stops in its first foreign import, and the pipe on which it says so."""
    folder, pipe = tmp_path / "slow", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    (folder / "click.py").write_text(f"open({str(pipe)!r}, 'w').close()\nimport time\ntime.sleep({PATIENCE * 2})\n")
    code = f"import sys; sys.path[:0] = {[str(folder), *PACKAGES]}; from envinject.__main__ import main; main()"
    return [sys.executable, "-P", "-c", code, "-f", "x.toml", "--help", "--", *_CHILD], pipe


@pytest.mark.parametrize("number", _ENDING, ids=lambda number: number.name)
def test_a_signal_early_in_the_start_of_pid_1_does_too(
    waiting_import: tuple[list[str], Path], start: Start, number: signal.Signals
) -> None:
    if not works([*_PID_1, "true"]):
        pytest.skip("unshare --pid is not permitted here")
    words, pipe = waiting_import
    process = start([*_PID_1, *words])
    pipe.read_bytes()  # returns when the import has been reached
    psutil.Process(process.pid).children()[0].send_signal(number)
    _assert_ended(process, number)


@pytest.mark.parametrize("number", _ENDING, ids=lambda number: number.name)
def test_elsewhere_the_system_ends_an_early_start_without_a_traceback(
    waiting_import: tuple[list[str], Path], start: Start, number: signal.Signals
) -> None:
    """A shell sees 128+n of both. The interpreter has a handler for Control-C from its first moment on."""
    words, pipe = waiting_import
    process = start(words)
    pipe.read_bytes()  # returns when the import has been reached
    process.send_signal(number)
    _assert_ended(process, number, 128 + number if number == signal.SIGINT else -number)


def test_what_is_meant_for_a_supervised_child_does_not_end_the_start(
    waiting_import: tuple[list[str], Path], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETS_EXEC_SUPERVISE", "1")
    words, pipe = waiting_import
    process = start(words)
    pipe.read_bytes()  # returns when the import has been reached
    process.send_signal(signal.SIGUSR1)
    process.terminate()
    _assert_ended(process, signal.SIGTERM)


def test_control_c_on_the_terminal_during_the_fetch_does(
    silent: Store, manifest_of: Callable[[str], str], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    if shutil.which("setsid") is None:
        pytest.skip("there is no setsid")
    main, terminal = os.openpty()
    try:
        words = ["setsid", "--ctty", *LAUNCHER, "-f", manifest_of(silent.url), "--", *_CHILD]
        process = start(words, stdin=terminal, stdout=terminal, stderr=terminal)
        silent.arrived.get(timeout=PATIENCE)
        os.write(main, b"\x03")
        assert process.wait(PATIENCE) == 128 + signal.SIGINT
        assert not Path("started").exists()
    finally:
        os.close(main)
        os.close(terminal)


@pytest.mark.usefixtures("transport")
@pytest.mark.parametrize("number", _ENDING, ids=lambda number: number.name)
def test_a_signal_that_was_ignored_stays_ignored(
    store: Callable[[Answer], Store], manifest_of: Callable[[str], str], start: Start, number: signal.Signals
) -> None:
    """As nohup asks, and a shell for what it starts in the background."""
    go: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    server = store(lambda _: go.get(timeout=PATIENCE))
    process = start(
        [*LAUNCHER, "-f", manifest_of(server.url), "--", "/bin/sh", "-c", f"kill -{int(number)} $$; echo $X"],
        preexec_fn=lambda: signal.signal(number, signal.SIG_IGN),
    )
    server.arrived.get(timeout=PATIENCE)
    process.send_signal(number)
    go.put(kakao_value('"alive"'))
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, b"alive\n", b"")


def test_a_signal_that_was_blocked_waits_for_the_child(
    store: Callable[[Answer], Store], manifest_of: Callable[[str], str], start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    go: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    server = store(lambda _: go.get(timeout=PATIENCE))
    process = start(
        [*LAUNCHER, "-f", manifest_of(server.url), "--", "grep", "^ShdPnd", "/proc/self/status"],
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]),
    )
    server.arrived.get(timeout=PATIENCE)
    process.terminate()
    go.put(kakao_value('"x"'))
    out, _ = process.communicate(timeout=PATIENCE)
    assert int(out.split()[1], 16) == 1 << (signal.SIGTERM - 1)


def test_no_signal_is_lost_on_the_way_into_the_child(literal: Path, start: Start) -> None:
    """In the very last step, which a large environment makes long, it would be forgotten by launcher and child."""
    large = {f"LARGE_{n}": "x" for n in range(70_000)}
    for _ in range(3):
        words = [*LAUNCHER, "-f", str(literal), "--", "sleep", str(PATIENCE)]
        process = start(words, env={**os.environ, **large})
        while not _is_ignored(process.pid, signal.SIGPIPE):  # the interpreter has started
            pass
        while _is_ignored(process.pid, signal.SIGPIPE):  # and has given back what it changed
            pass
        process.terminate()
        assert process.wait(PATIENCE - 5) == -signal.SIGTERM


def _is_ignored(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigIgn:")[2].split()[0], 16) >> (number - 1) & 1)


def test_the_command_of_a_started_child_needs_no_launcher(literal: Path, launch: Any) -> None:
    """The handlers are gone: what ends the child is the child's own disposition."""
    done = launch("-f", literal, "--", "/bin/sh", "-c", "kill -TERM $$")
    assert done.returncode == -signal.SIGTERM
