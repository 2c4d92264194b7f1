"""Small servers on loopback that do as a test tells them. Bounded in time, logged, gone with their `with` block.

with Server({"/a": [answer(503), answer(200, b"x")]}) as server:
    server.url, server.received        # what each request was, in order
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

PATIENCE = 20.0
"""Seconds after which a server hangs up on a client that says nothing."""


class Received(NamedTuple):
    """A request as it came: `headers` by lower-case name, `connection` counted from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int


Step = bytes | Callable[[socket.socket, Received], None]
"""What is done with a request: bytes to be sent as they are, or a function with the connection in its hands."""


def answer(status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """The bytes of an answer; the connection is closed after it."""
    lines = {"Content-Length": str(len(body)), "Connection": "close", **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + body


NOTHING_HERE = answer(418)


def hang(connection: socket.socket, _request: Received) -> None:
    """Say nothing until the client goes."""
    with suppress(OSError):
        while connection.recv(1 << 16):
            pass


def reset(connection: socket.socket, _request: Received) -> None:
    """End the connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def drip(head: bytes, drop: bytes = b"x") -> Step:
    """Send `head`, then one drop after the other for as long as the client listens."""

    def step(connection: socket.socket, _request: Received) -> None:
        connection.sendall(head)
        connection.settimeout(0.02)
        with suppress(OSError):
            while True:
                connection.sendall(drop)
                with suppress(TimeoutError):
                    if not connection.recv(1 << 16):
                        return

    return step


class Loopback:
    """Listens on a port of 127.0.0.1 and serves each connection in a thread, behind TLS where there is a context."""

    def __init__(self, context: ssl.SSLContext | None = None, address: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self._context = context
        self._address = address
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_over = False
        self.connections = 0
        """How many connections there were."""
        self.resumed = 0
        """How many of them went on with a TLS session of an earlier one."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(self._address, backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}"
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more, hang up on everyone, and wait for the last thread."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            self._is_over = True
            for connection in self._open:
                _hang_up(connection)
        for thread in self._threads:
            thread.join(PATIENCE)

    def serve(self, connection: socket.socket, number: int) -> None:
        """What a connection is for."""
        raise NotImplementedError

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._start(self._handle, connection, self.connections)

    def _handle(self, connection: socket.socket, number: int) -> None:
        connection.settimeout(PATIENCE)
        with suppress(OSError), connection, self._kept(connection):
            if self._context is None:
                self.serve(connection, number)
                return
            with self._context.wrap_socket(connection, server_side=True) as secured, self._kept(secured):
                with self._lock:
                    self.resumed += bool(secured.session_reused)
                self.serve(secured, number)

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
            if self._is_over:
                _hang_up(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of the TCP connection, beneath TLS too


class Server(Loopback):
    """Answers by a script: for each path (without its query) a list of steps, of which the last one is repeated.

    Where `gather` is given, so many requests have to be under way at once before these are answered together;
    `most` is how many there were at once.
    """

    def __init__(
        self,
        script: Mapping[str, Sequence[Step]] | None = None,
        *,
        otherwise: Step = NOTHING_HERE,
        gather: int = 0,
        **how: Any,
    ) -> None:
        super().__init__(**how)
        self.script = {path: list(steps) for path, steps in (script or {}).items()}
        self.otherwise = otherwise
        self.received: list[Received] = []
        self.most = 0
        self._gather = gather
        self._under_way = 0
        self._arrived = threading.Condition()
        self._generation = 0

    def stop(self) -> None:
        with self._arrived:
            self._generation += 1
            self._arrived.notify_all()
        super().stop()

    def serve(self, connection: socket.socket, number: int) -> None:
        request = read_request(connection, number)
        if request is None:
            return
        with self._arrived:
            self.received.append(request)
            step = self._step(request)
            self._wait_for_others()
        if callable(step):
            step(connection, request)
        else:
            connection.sendall(step)

    def _step(self, request: Received) -> Step:
        steps = self.script.get(request.target.partition("?")[0])
        if not steps:
            return self.otherwise
        return steps.pop(0) if len(steps) > 1 else steps[0]

    def _wait_for_others(self) -> None:
        """Wait until enough are under way, and then a moment more for one that would be too many.

        They leave the count together, before any is answered: what a client sends then is of the next round.
        """
        if not self._gather:
            return
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        generation = self._generation
        if self._under_way == self._gather:
            self._arrived.wait_for(lambda: self._under_way > self._gather, 0.05)
            self._under_way -= self._gather
            self._generation += 1
            self._arrived.notify_all()
        self._arrived.wait_for(lambda: self._generation > generation, PATIENCE)


class Proxy(Loopback):
    """An HTTP proxy that knows CONNECT alone; whatever host it is asked for, it leads to one port of this machine.

    `status` other than 200 is a refusal. `asked` are the requests that it got.
    """

    def __init__(self, leads_to: int, *, status: int = 200, context: ssl.SSLContext | None = None) -> None:
        super().__init__(context)
        self._leads_to = leads_to
        self._status = status
        self.asked: list[Received] = []

    @property
    def targets(self) -> list[str]:
        """The `host:port` of each CONNECT."""
        return [request.target for request in self.asked if request.method == "CONNECT"]

    def serve(self, connection: socket.socket, number: int) -> None:
        request = read_request(connection, number)
        if request is None:
            return
        self.asked.append(request)
        if self._status != 200:
            connection.sendall(answer(self._status))
            return
        with socket.create_connection(("127.0.0.1", self._leads_to), PATIENCE) as beyond, self._kept(beyond):
            connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(connection, beyond)


def _pump(one: socket.socket, other: socket.socket) -> None:
    """Hand over what either says until one of them has ended."""
    while True:
        decrypted = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
        for source in decrypted or select.select((one, other), (), (), PATIENCE)[0]:
            data = source.recv(1 << 16)
            if not data:
                return
            (other if source is one else one).sendall(data)


def read_request(connection: socket.socket, number: int) -> Received | None:
    """Read one request; None when the client goes before it is whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(1 << 16)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(1 << 16)
    return Received(method, target, headers, body, number)
