"""A server that breaks in every way: raw sockets under TLS, HTTP/1.1 by hand, HTTP/2 by the `h2` package.

What it does is an *act* for each secret id: a `Reply`, or a function that has the exchange in its hands and may return
one. What it does before there is HTTP is a *door*: a function that turns a raw connection into one to speak over.
Every request is logged. Everything is bounded in time and gone with its `with` block.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from http import HTTPStatus
from time import time
from typing import Any, NamedTuple, Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from .certificates import Certificates

_LINGER = 2.0
"""Seconds that a server waits for the other end's goodbye."""

PATIENCE = 30.0
"""Seconds after which a server hangs up on a client that says nothing."""

_WINDOW_MS = 300_000
_ID = re.compile(r"/api/v1/secrets/([^/?]+)")
_WORD = re.compile(rb"@([A-Z]+)([+-]\d+)?@")


class Asked(NamedTuple):
    """A request as it came; `host` is the role of the host that was asked, `connection` counts from 1."""

    host: str
    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def id(self) -> str:
        """The secret that it asks for; empty when it asks for something else."""
        found = _ID.search(self.target)
        return found.group(1) if found else ""

    def header(self, name: str) -> str:
        """The value of a header, empty without it."""
        return next((value for other, value in self.headers if other.lower() == name), "")


@dataclass(frozen=True)
class Reply:
    """A whole answer, which either protocol can carry. Words such as `@VALUE@` in it are filled in when it is sent.

    `wrap` changes the body after that. `early` are answers before the answer (1xx). `framed` is false for an answer
    without a length, which ends with the connection.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    wrap: Callable[[bytes], bytes] = bytes
    early: tuple[Reply, ...] = ()
    framed: bool = True


Act = Reply | Callable[["Exchange"], Reply | None]
Door = Callable[["Host", socket.socket], socket.socket | None]

GOOD_BODIES = {
    "kakaocloud": b'{"version":{"secret":"@VALUE@"}}',
    "ncloud": b'{"code":"SUCCESS","data":{"decryptedSecretValue":{"value":"@VALUE@","valueStage":"ACTIVE"},'
    b'"rotationTargets":[]}}',
}


@dataclass
class Store:
    """What the hosts of one run hold, and what they know: values by secret id, credentials, names of other hosts.

    A token is `token` with a number behind it, from 1 on, for each exchange. `clock` is how far the store's clock is
    ahead of this machine's, in seconds.
    """

    provider: str
    values: Mapping[str, str]
    token: str
    access_key: str
    secret_key: str
    wrong: str = "wrong"
    given_token: str = ""
    clock: float = 0.0
    exchanges: int = 0
    rejected: int = 0
    """How many of the exchanged tokens are no good."""
    authorities: dict[str, str] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self) -> str:
        """One more token."""
        with self.lock:
            self.exchanges += 1
            return f"{self.token}{self.exchanges}"

    def knows(self, asked: Asked) -> bool:
        """Whether the credentials of a request are right."""
        if self.provider == "ncloud":
            return self._is_signed(asked)
        good = {f"{self.token}{number}" for number in range(self.rejected + 1, self.exchanges + 1)}
        return asked.header("x-auth-token") in good | ({self.given_token} - {""})

    def _is_signed(self, asked: Asked) -> bool:
        stamp = asked.header("x-ncp-apigw-timestamp")
        message = f"{asked.method} {asked.target}\n{stamp}\n{self.access_key}".encode()
        digest = hmac.digest(self.secret_key.encode(), message, hashlib.sha256)
        return (
            asked.header("x-ncp-apigw-signature-v2") == base64.b64encode(digest).decode()
            and asked.header("x-ncp-iam-access-key") == self.access_key
            and abs(int(stamp) - (time() + self.clock) * 1000) < _WINDOW_MS
        )

    def fill_places(self, text: str) -> str:
        """The text with the names of hosts filled in, where there is no request."""
        for name, authority in self.authorities.items():
            text = text.replace(f"@{name}@", authority)
        return text

    def fill(self, text: bytes, asked: Asked) -> bytes:
        """The text with its words filled in."""

        def word(found: re.Match[bytes]) -> bytes:
            name, number = found.group(1).decode(), int(found.group(2) or 0)
            if name == "DATE":
                return formatdate(time() + number, usegmt=True).encode()
            if name == "BODY":
                return self.fill(GOOD_BODIES[self.provider], asked)
            if name == "VALUE":
                return json.dumps(self.values.get(asked.id, ""), ensure_ascii=False)[1:-1].encode()
            if name == "ECHO":
                said = [*asked.headers, asked.body.decode("latin-1"), self.values.get(asked.id, "")]
                return json.dumps(json.dumps(said))[1:-1].encode()
            known = {"TOKEN": f"{self.token}{self.exchanges}", "WRONG": self.wrong, "KEY": self.secret_key}
            return (known | self.authorities)[name].encode()

        return _WORD.sub(word, text)


def good(exchange: Exchange) -> Reply:
    """What a store in good health answers: the value, a token, or a refusal of wrong credentials."""
    store, asked = exchange.host.store, exchange.asked
    if asked.target.endswith("/identity/v3/auth/tokens"):
        credential = json.loads(asked.body)["auth"]["identity"]["application_credential"]
        if credential != {"id": store.access_key, "secret": store.secret_key}:
            return Reply(401)
        return Reply(201, (("X-Subject-Token", store.issue()), ("Content-Type", "application/json")), b'{"token":{}}')
    if not store.knows(asked):
        return Reply(401, (("Date", formatdate(time() + store.clock, usegmt=True)),))
    if asked.id not in store.values:
        return Reply(404)
    return Reply(200, (("Content-Type", "application/json"),), b"@BODY@")


class Exchange:
    """A request, and the connection that it came over, in the hands of an act."""

    protocol = ""

    def __init__(self, host: Host, connection: socket.socket, asked: Asked) -> None:
        self.host = host
        self.connection = connection
        self.asked = asked

    def fill(self, text: bytes) -> bytes:
        """The text with its words filled in."""
        return self.host.store.fill(text, self.asked)

    def send(self, data: bytes) -> None:
        """Send bytes as they are, words filled in."""
        self.connection.sendall(self.fill(data))

    def reply(self, reply: Reply) -> None:
        """Send an answer."""
        raise NotImplementedError

    def reset(self) -> None:
        """End the connection with a RST."""
        reset(self.connection)

    def cut(self) -> None:
        """End the connection without TLS's goodbye."""
        with suppress(OSError):
            socket.socket.shutdown(self.connection, socket.SHUT_RDWR)

    def silence(self) -> None:
        """Say nothing until the client goes."""
        silence(self.connection)

    def drip(self, drop: bytes, pause: float = 0.02) -> None:
        """One drop after the other for as long as the client is there."""
        self.connection.settimeout(pause)
        with suppress(OSError):
            while True:
                self.send(drop)
                with suppress(TimeoutError):
                    if not self.connection.recv(1 << 16):
                        return

    def pour(self, drop: bytes) -> None:
        """The same without a pause."""
        with suppress(OSError):
            while True:
                self.send(drop)


class Http1(Exchange):
    """HTTP/1.1 by hand."""

    protocol = "HTTP/1.1"

    def reply(self, reply: Reply) -> None:
        for early in reply.early:
            self.connection.sendall(self._head(early, []) + b"\r\n")
        body = reply.wrap(self.fill(reply.body))
        if not reply.framed:
            self.connection.sendall(self._head(reply, [("Connection", "close")]) + b"\r\n" + body)
            return
        bodiless = reply.status < 200 or reply.status in (204, 304)
        length = [] if bodiless else [("Content-Length", str(len(body)))]
        self.connection.sendall(self._head(reply, length) + b"\r\n" + (b"" if bodiless else body))

    def _head(self, reply: Reply, more: Sequence[tuple[str, str]]) -> bytes:
        reason = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else "Whatever"
        lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{n}: {v}" for n, v in (*reply.headers, *more))]
        return self.fill("".join(f"{line}\r\n" for line in lines).encode("latin-1"))


class Http2(Exchange):
    """One stream of an HTTP/2 connection."""

    protocol = "HTTP/2"

    def __init__(self, host: Host, connection: socket.socket, asked: Asked, peer: _Http2Peer, stream: int) -> None:
        super().__init__(host, connection, asked)
        self.peer = peer
        self.stream = stream

    @property
    def h2(self) -> h2.connection.H2Connection:
        """The protocol's state machine."""
        return self.peer.h2

    def reply(self, reply: Reply) -> None:
        for early in reply.early:
            self.h2.send_headers(self.stream, self._head(early))
        body = reply.wrap(self.fill(reply.body))
        bodiless = reply.status < 200 or reply.status in (204, 304)
        self.h2.send_headers(self.stream, self._head(reply), end_stream=bodiless)
        if not bodiless:
            self.peer.send_body(self.stream, body)
        self.peer.flush()

    def frame(self, kind: int, payload: bytes, *, flags: int = 0, stream: int | None = None) -> None:
        """Send a frame past the state machine, legal or not (RFC 9113, 4.1)."""
        self.peer.flush()
        number = self.stream if stream is None else stream
        head = len(payload).to_bytes(3) + bytes((kind, flags)) + number.to_bytes(4)
        self.connection.sendall(head + payload)

    def _head(self, reply: Reply) -> list[tuple[str, str]]:
        pairs = [(":status", str(reply.status)), *((name.lower(), value) for name, value in reply.headers)]
        return [(name, self.fill(value.encode("latin-1")).decode("latin-1")) for name, value in pairs]


class _Http2Peer:
    """The server's end of an HTTP/2 connection."""

    def __init__(self, host: Host, connection: socket.socket, number: int) -> None:
        self.host = host
        self.connection = connection
        self.number = number
        config = h2.config.H2Configuration(
            client_side=False, header_encoding="latin-1", validate_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self._waiting: dict[int, bytes] = {}
        self._heads: dict[int, Any] = {}
        self._bodies: dict[int, bytes] = {}

    def serve(self) -> None:
        """Answer every request until one of both goes."""
        self.h2.local_settings.max_concurrent_streams = self.host.streams
        self.h2.initiate_connection()
        self.flush()
        while data := self.connection.recv(1 << 16):
            try:
                events = self.h2.receive_data(data)
            except h2.exceptions.ProtocolError:
                self.flush()
                return
            for event in events:
                if self._take(event):
                    return
            self.flush()

    def flush(self) -> None:
        """Send what the state machine has to say."""
        for stream in list(self._waiting):
            self._pump(stream)
        if data := self.h2.data_to_send():
            self.connection.sendall(data)

    def send_body(self, stream: int, body: bytes) -> None:
        """Send a body, as fast as the other end allows."""
        self._waiting[stream] = body
        self._pump(stream)

    def _pump(self, stream: int) -> None:
        body = self._waiting[stream]
        try:
            while body:
                room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                if room <= 0:
                    self._waiting[stream] = body
                    return
                self.h2.send_data(stream, body[:room])
                body = body[room:]
            self.h2.end_stream(stream)
        except (h2.exceptions.StreamClosedError, h2.exceptions.ProtocolError):  # the client has had enough
            pass
        del self._waiting[stream]

    def _take(self, event: h2.events.Event) -> bool:
        """Handle an event; true when the connection is over."""
        if isinstance(event, h2.events.RequestReceived):
            self._heads[event.stream_id], self._bodies[event.stream_id] = event.headers, b""
        elif isinstance(event, h2.events.DataReceived):
            self._bodies[event.stream_id] += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._waiting.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded):
            return self._answer(event.stream_id)
        return isinstance(event, h2.events.ConnectionTerminated)

    def _answer(self, stream: int) -> bool:
        pairs = dict(self._heads[stream])
        headers = tuple((name, value) for name, value in self._heads[stream] if not name.startswith(":"))
        asked = Asked(self.host.role, self.number, pairs[":method"], pairs[":path"], headers, self._bodies.pop(stream))
        exchange = Http2(self.host, self.connection, asked, self, stream)
        act = self.host.act_for(asked)
        reply = act if isinstance(act, Reply) else act(exchange)
        if reply is not None:
            exchange.reply(reply)
        return self.connection.fileno() < 0


class Host:
    """Listens on a port of this machine, in a role: `store`, `iam`, `evil`, `proxy`.

    `script` has a list of acts for each secret id, and for `""` where there is no id; the last one is repeated.
    `doors` are taken by one connection after the other, the last by all that follow. `seen` is called with each
    request. `name` is what it is called in a URL. `streams` is how many streams an HTTP/2 connection may have at once.
    """

    def __init__(
        self,
        role: str,
        store: Store,
        certificates: Certificates,
        script: Mapping[str, Sequence[Act]],
        *,
        doors: Sequence[Door] = (),
        protocols: Sequence[str] = (),
        listener: socket.socket | None = None,
        name: str = "127.0.0.1",
        listens: bool = True,
        accepts: bool = True,
        seen: Callable[[Asked], None] = lambda _asked: None,
        streams: int = 100,
    ) -> None:
        self.role = role
        self.store = store
        self.certificates = certificates
        self.protocols = tuple(protocols)
        self.streams = streams
        self.connections = 0
        """How many connections there were."""
        self.received: list[Asked] = []
        self._script = {key: list(acts) for key, acts in script.items()}
        self._doors = list(doors) or [tls()]
        self._listener = listener or _bound()
        self._listens, self._accepts = listens, accepts
        self._seen = seen
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._is_over = False
        self.port: int = self._listener.getsockname()[1]
        self.name = name

    def __enter__(self) -> Self:
        if self._listens:
            self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over = True
        self._end_listener()
        with self._lock:
            threads = list(self._threads)
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"https://{self.name}:{self.port}"

    def listen(self) -> None:
        """Begin to take connections."""
        self._listener.listen(512)
        if self._accepts:
            self._start(self._accept)

    def die(self, seconds: float) -> None:
        """Refuse every connection, the present ones too, for some time: a server that is started anew."""
        successor = _bound(self.port)
        self._end_listener()
        self._listener = successor

        def revive() -> None:
            if not self._is_over:
                self.listen()

        timer = threading.Timer(seconds, revive)
        self._threads.append(timer)
        timer.start()

    def act_for(self, asked: Asked) -> Act:
        """Log a request, and tell what to do about it."""
        with self._lock:
            self.received.append(asked)
            acts = self._script.get(asked.id) or self._script.get("") or [good]
            act = acts.pop(0) if len(acts) > 1 else acts[0]
        self._seen(asked)
        return act

    def _end_listener(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        listener = self._listener
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with self._lock:
                    self.connections += 1
                    door = self._doors.pop(0) if len(self._doors) > 1 else self._doors[0]
                self._start(self._handle, connection, self.connections, door)

    def _handle(self, raw: socket.socket, number: int, door: Door) -> None:
        raw.settimeout(PATIENCE)
        with suppress(OSError), self.kept(raw):
            connection = door(self, raw)
            if connection is None:
                return
            with self.kept(connection):
                self.serve(connection, number)

    def serve(self, connection: socket.socket, number: int) -> None:
        """What a connection is for."""
        if isinstance(connection, ssl.SSLSocket) and connection.selected_alpn_protocol() == "h2":
            _Http2Peer(self, connection, number).serve()
            return
        rest = b""
        while (read := read_request(connection, rest, self.role, number)) is not None:
            asked, rest = read
            act = self.act_for(asked)
            exchange = Http1(self, connection, asked)
            reply = act if isinstance(act, Reply) else act(exchange)
            if reply is None:
                return
            exchange.reply(reply)
            if not reply.framed:
                return

    @contextmanager
    def kept(self, connection: socket.socket) -> Iterator[None]:
        """Hang up on a connection at its end, and when this host's end comes."""
        with self._lock:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)
            _end(connection)


class Proxy(Host):
    """An HTTP proxy. `acts` decide what is done with each CONNECT; `passes` leads it to where it asks for."""

    def serve(self, connection: socket.socket, number: int) -> None:
        read = read_request(connection, b"", self.role, number)
        if read is None:
            return
        act = self.act_for(read[0])
        exchange = Http1(self, connection, read[0])
        reply = act if isinstance(act, Reply) else act(exchange)
        if reply is not None:
            exchange.reply(reply)


def passes(exchange: Exchange) -> None:
    """What a proxy in good health does: it leads to the host that it is asked for."""
    host, _, port = exchange.asked.target.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as beyond:
        exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        there = threading.Thread(target=_pump, args=(exchange.connection, beyond), daemon=True)
        there.start()
        _pump(beyond, exchange.connection)
        there.join(PATIENCE)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


# Doors


def tls(kind: str = "good") -> Door:
    """TLS with a certificate of a kind (`Certificates`)."""

    def door(host: Host, raw: socket.socket) -> socket.socket | None:
        context = host.certificates.context(kind, *host.protocols)
        connection = context.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        try:
            connection.do_handshake()
        except OSError:
            _let_finish(connection)
            raise
        return connection

    return door


def _let_finish(connection: socket.socket) -> None:
    """End behind the alert, and read what the other end still says: else the system resets, and the alert is lost."""
    with suppress(OSError), connection:
        connection.settimeout(_LINGER)
        socket.socket.shutdown(connection, socket.SHUT_WR)
        while socket.socket.recv(connection, 1 << 16):
            pass


def plain(_host: Host, raw: socket.socket) -> socket.socket:
    """No TLS at all: a plain port, where the first bytes are read as HTTP."""
    return raw


def says(data: bytes) -> Door:
    """Something else than TLS, after the client's first bytes."""

    def door(_host: Host, raw: socket.socket) -> None:
        raw.recv(1 << 16)
        raw.sendall(data)
        silence(raw)

    return door


def says_and_ends(data: bytes) -> Door:
    """Something else than TLS after the client's first bytes, and then the end."""

    def door(_host: Host, raw: socket.socket) -> None:
        raw.recv(1 << 16)
        raw.sendall(data)

    return door


def hangs_up(_host: Host, _raw: socket.socket) -> None:
    """The connection is ended as soon as it is there."""


def resets(_host: Host, raw: socket.socket) -> None:
    """The connection is reset as soon as it is there."""
    reset(raw)


def resets_after_hello(_host: Host, raw: socket.socket) -> None:
    """The connection is reset after the client's first bytes."""
    raw.recv(1 << 16)
    reset(raw)


def is_silent(_host: Host, raw: socket.socket) -> None:
    """Nothing is ever said."""
    silence(raw)


@contextmanager
def agreed(host: Host, raw: socket.socket, *protocols: str) -> Iterator[ssl.SSLSocket]:
    """The connection when TLS is agreed on, until the end of the block."""
    context = host.certificates.context("good", *(protocols or host.protocols))
    connection = context.wrap_socket(raw, server_side=True)
    with host.kept(connection):
        yield connection


def hangs_up_after_tls(host: Host, raw: socket.socket) -> None:
    """The connection is ended as soon as TLS is agreed on."""
    with agreed(host, raw):
        pass


def resets_after_tls(host: Host, raw: socket.socket) -> None:
    """The connection is reset as soon as TLS is agreed on."""
    with agreed(host, raw) as connection:
        reset(connection)


def breaks_tls(host: Host, raw: socket.socket) -> None:
    """TLS is agreed on, and the answer is a record that nobody can decrypt."""
    with agreed(host, raw) as connection:
        connection.recv(1 << 16)
        socket.socket.sendall(connection, b"\x17\x03\x03\x00\x20" + bytes(32))
        silence(connection)


def is_silent_after_tls(host: Host, raw: socket.socket) -> None:
    """TLS is agreed on, and no more is said."""
    with agreed(host, raw) as connection:
        silence(connection)


# Sockets


def silence(connection: socket.socket) -> None:
    """Read, and say nothing, until the other end goes."""
    with suppress(OSError):
        while connection.recv(1 << 16):
            pass


def reset(connection: socket.socket) -> None:
    """End a connection with a RST."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()


def _end(connection: socket.socket) -> None:
    """End a connection politely: with TLS's goodbye, without waiting for the other's."""
    with suppress(OSError, ValueError):
        connection.settimeout(0)
        if isinstance(connection, ssl.SSLSocket):
            connection.unwrap()
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
    connection.close()


def _bound(port: int = 0) -> socket.socket:
    """A socket with a port, which nobody can connect to yet; one more for a port that we have is possible."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


def read_request(connection: socket.socket, data: bytes, role: str, number: int) -> tuple[Asked, bytes] | None:
    """Read one request, of which `data` is there already, and what comes behind it; None when the client goes."""
    while b"\r\n\r\n" not in data:
        part = connection.recv(1 << 16)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ")
    headers = tuple((name, value.strip()) for name, _, value in (text.partition(":") for text in lines))
    asked = Asked(role, number, method, target, headers, b"")
    length = int(asked.header("content-length") or 0)
    while len(body) < length:
        body += connection.recv(1 << 16)
    return asked._replace(body=body[:length]), body[length:]


def again(reply: Reply, **changes: Any) -> Reply:
    """The reply, changed."""
    return replace(reply, **changes)
