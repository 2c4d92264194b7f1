"""What the tests of the launcher share: a store that does as it is told, and interpreters to launch with."""

from __future__ import annotations

import importlib.util
import os
import queue
import socket
import socketserver
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

PACKAGES = [str(Path(__file__).parent.parent), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
"""Where the launcher and what it needs are found."""

LAUNCHER = [sys.executable, "-P", "-m", "envinject"]
TRANSPORTS = ["requests", "curl"] if importlib.util.find_spec("pycurl") else ["requests"]

NOBODY = 65534
PATIENCE = 30.0
"""Seconds that nothing here takes unless it hangs."""


class Way(NamedTuple):
    """A launcher's words up to the command, what it needs in its environment, and whether it stays as a parent."""

    words: list[str]
    environ: dict[str, str]
    stays: bool = False

    def exit_code(self, number: int) -> int:
        """What `subprocess` says of a launcher whose child died of that signal."""
        return 128 + number if self.stays else -number


class Asked(NamedTuple):
    """One request to a store; header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked], bytes | None]


class Store:
    """A server on loopback: `answer` gives the whole HTTP answer to each request, or None to leave it without one."""

    def __init__(self, answer: Answer) -> None:
        self.requests: list[Asked] = []
        self.arrived: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        self._release = threading.Event()
        store = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    asked = _read_request(self.rfile)
                    if asked is None:
                        return
                    store.requests.append(asked)
                    store.arrived.put(asked)
                    data = answer(asked)
                    if data is None:
                        store._release.wait(PATIENCE)
                    else:
                        self.wfile.write(data)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.daemon_threads = True
        self._server.request_queue_size = 128
        self._server.server_bind()
        self._server.server_activate()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._server.server_close()

    def manifest(self, secrets: str, *, more: str = "") -> str:
        """A manifest whose provider `kakaocloud` is this store."""
        return f'[providers.kakaocloud]\nendpoint = "{self.url}"\n{more}\n[secrets]\n{secrets}\n'


def _read_request(stream: Any) -> Asked | None:
    first = stream.readline().decode("latin-1").split()
    if len(first) < 2:
        return None
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Asked(first[0], first[1], headers, stream.read(int(headers.get("content-length", "0"))))


def http(status: int, body: bytes = b"", *headers: str) -> bytes:
    """A whole HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def kakao_value(text: str) -> bytes:
    """KakaoCloud's answer for a value, written as JSON."""
    return http(200, f'{{"version":{{"secret":{text}}}}}'.encode(), "Content-Type: application/json")


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait until something holds, and give it. Fails when that takes for ever."""
    ends = time.monotonic() + PATIENCE
    while not (found := holds()):
        assert time.monotonic() < ends, f"never: {what}"
        time.sleep(0.005)  # a poll with a deadline
    return found


def line_of(process: subprocess.Popen[bytes]) -> bytes:
    """The next line that a process writes to its pipe; it has to have one."""
    assert process.stdout is not None
    return process.stdout.readline()


def seen_through(terminal: int) -> bytes:
    """All that is written to a terminal until its other side is closed; then this side is closed too."""
    seen = b""
    try:
        while part := os.read(terminal, 4096):
            seen += part
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    return seen


def memory_of(pid: int) -> bytes:
    """All that a process has in its memory, its environment and its argument list among it."""
    found = b""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps:
            first, last = (int(end, 16) for end in line.split()[0].split("-"))
            if " r" in line and "[v" not in line:
                memory.seek(first)
                found += memory.read(last - first)
    return found


def bootstrap(python: str) -> list[str]:
    """The launcher of this source tree under another interpreter, without PYTHONPATH."""
    code = f"import sys; sys.path[:0] = {PACKAGES}; from envinject.__main__ import main; main()"
    return [python, "-P", "-c", code]


def works(command: Sequence[str], **how: Any) -> bool:
    """Whether a command ends well, as a test of what this machine has and permits."""
    try:
        return subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False, **how).returncode == 0
    except OSError:
        return False


def launcher_for_nobody() -> list[str] | None:
    """The launcher as a command that the user 65534 can run; None when there is none or we are not root."""
    if os.geteuid() != 0:
        return None
    for python in (sys.executable, *(f"/usr/bin/python3.{minor}" for minor in (11, 12, 13))):
        if works([*bootstrap(python), "--version"], user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", env={}):
            return bootstrap(python)
    return None


def unused_port() -> int:
    """A port of loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
