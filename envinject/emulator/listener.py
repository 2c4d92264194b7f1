"""The emulator's sockets: HTTP/1.1, with or without TLS, a daemon thread for each connection.

It knows nothing of services: a function answers each request.
"""

from __future__ import annotations

import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .message import Refused, Response, json_response

Respond = Callable[[str, str, Mapping[str, str], bytes], Response]
"""Method, request target, headers by lower-case name and body go in, a response comes out."""

_LARGEST_BODY = 64 * 1024
_WITHOUT_BODY = (204, 304)
_IDLE = 60
_CLOSING = 5
_POLL = 0.02


class Listener(ThreadingHTTPServer):
    """A listening socket that serves from a thread of its own; its end leaves no connection open.

    Raises: OSError when it cannot listen there.
    """

    daemon_threads = True
    request_queue_size = 1024
    allow_reuse_port = False

    def __init__(
        self,
        address: tuple[str, int],
        respond: Respond,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None,
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.respond = respond
        self.clock = clock
        self._tls = tls
        self._connections: set[socket.socket] = set()
        self._changed = threading.Condition()
        self._closed = False
        super().__init__(address, _Handler)
        threading.Thread(target=self.serve_forever, args=(_POLL,), daemon=True).start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def server_bind(self) -> None:
        """Bind, without the look-up of the host's name that HTTPServer adds."""
        socketserver.TCPServer.server_bind(self)

    def close(self) -> None:
        """Stop to listen, hang up on everyone, and wait until the last one is gone."""
        self.shutdown()
        with self._changed:
            self._closed = True
            for connection in self._connections:
                _hang_up(connection)
            self._changed.wait_for(lambda: not self._connections, _CLOSING)
        self.server_close()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection; a TLS handshake is made here, in the connection's own thread."""
        if self._tls is None:
            with self._kept(request):
                super().finish_request(request, client_address)
            return
        request.settimeout(_IDLE)
        secured = self._tls.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with secured, self._kept(secured):
            secured.do_handshake()
            super().finish_request(secured, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up or do not trust our certificate; all else is a bug and is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[None]:
        with self._changed:
            self._connections.add(connection)
            if self._closed:
                _hang_up(connection)
        try:
            yield
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # of the TCP connection, beneath TLS too


class _Handler(BaseHTTPRequestHandler):
    """One connection: reads requests, writes responses."""

    server: Listener
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE

    def _serve(self) -> None:
        try:
            body = self._body()
        except Refused as refused:
            self._refuse(refused.status, refused.message)
            return
        target = self.requestline.split()[1]  # self.path has fewer slashes
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._send(self.server.respond(self.command, target, headers, body))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers:
            raise Refused(411, "send a Content-Length")
        if not (length.isascii() and length.isdigit()):
            raise Refused(400, "the Content-Length is no number")
        if len(length) > 9 or int(length) > _LARGEST_BODY:
            raise Refused(413, "the body is too large")
        return self.rfile.read(int(length))

    def _refuse(self, status: int, why: str) -> None:
        """Answer what no service can see, and hang up, since where it ends is not known."""
        self.close_connection = True
        self.request_version = self.protocol_version  # what was refused may have had none
        self._send(json_response(status, {"error": why}))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request; the message is not ours, and may hold a piece of it."""
        del message, explain
        self._refuse(code, "the emulator does not understand this request")

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        for name, value in response.headers:
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status not in _WITHOUT_BODY:
            self.wfile.write(response.body)

    def version_string(self) -> str:
        """The Server header."""
        return "secrets-exec-emulator"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header, by the emulator's clock."""
        return super().date_time_string(self.server.clock() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: the emulator logs, without what the client sent."""
