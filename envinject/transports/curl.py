"""The fast transport: libcurl's multi interface, one thread, HTTP/2 where the server offers it.

Over HTTP/2 an answer names its request, so requests share a connection. Over HTTP/1.1 a kept connection could
hand one secret's answer to another's request, so there each request has its own.
"""

from __future__ import annotations

import os
import select
import time

from .. import __version__
from . import (
    CONNECT_SECONDS,
    LARGEST_ANSWER,
    REFUSED,
    SENSELESS,
    TIMED_OUT,
    TOO_LARGE,
    TRUNCATED,
    UNREACHABLE,
    UNTRUSTED,
    Answer,
    Failure,
    ends_in_its_head,
    is_refused_plain,
    proxy_for,
)
from .libcurl import load
from .trust import VERDICTS, authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from . import Request, Route, Tag
    from .trust import Authorities

_HTTP_2 = 3
"""What INFO_HTTP_VERSION says of HTTP/2 (CURL_HTTP_VERSION_2_0)."""

_CONNECTIONS = 4
"""Connections to one host beyond its stream limit, where it speaks HTTP/2."""

_UNTOLD = (0, 1)
_OTHER_HOST = 62
"""What libcurl's own comparison of names means; OpenSSL has no verdict then."""
_CLOSED = ("SYSCALL", "Recv failure", "Send failure", "unexpected eof", "ZERO_RETURN", "closed")
_PROXY_CODES = (7, 56, 97)
_PROXY_SIGNS = ("CONNECT", "over proxy")

# libcurl's codes (libcurl-errors(3)), which are part of its interface and never change.
_MEANINGS = {
    5: (UNREACHABLE, "the proxy's name cannot be resolved"),
    6: (UNREACHABLE, "its name cannot be resolved"),
    7: (UNREACHABLE, "the connection is refused, or no way leads there"),
    16: (TRUNCATED, "HTTP/2 broke down"),
    18: (TRUNCATED, "its answer is cut short"),
    23: (TOO_LARGE, f"the answer is larger than {LARGEST_ANSWER >> 20} MiB"),
    27: (REFUSED, "the system has no memory left"),
    28: (TIMED_OUT, "it began to answer, or not, and stopped"),
    35: (UNTRUSTED, "TLS 1.2 or newer cannot be agreed on"),
    52: (UNREACHABLE, "the connection was closed before an answer"),
    55: (UNREACHABLE, "the connection was closed before an answer"),
    56: (UNREACHABLE, "the connection was closed before an answer"),
    61: (SENSELESS, "its answer is compressed in a broken way"),
    63: (TOO_LARGE, f"the answer is larger than {LARGEST_ANSWER >> 20} MiB"),
    77: (UNTRUSTED, "the authorities to trust cannot be read"),
    92: (TRUNCATED, "HTTP/2 broke down"),
    97: (UNREACHABLE, "the proxy does not answer, or does not let us through"),
}

_left: list[Any] = []
"""What was under way at the end: kept, so that nothing waits for it."""


class CurlTransport:
    """Sends everything at once from one thread; libcurl's own events say when to look at it again."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        os.environ.pop("SSLKEYLOGFILE", None)  # libcurl reads it by itself; the child's environment is apart
        self._curl = load()
        self._environ = environ
        self._poll = select.poll()
        self._wakes: float | None = None
        self._under_way: dict[Any, _Exchange] = {}
        self._by_tag: dict[Tag, Any] = {}
        self._idle: list[Any] = []
        self._refused: list[tuple[Tag, Answer | Failure]] = []
        self._trusted: dict[Route, Authorities] = {}
        self._shares: dict[str, bool] = {}
        self._multi = self._curl.CurlMulti()
        self._multi.setopt(self._curl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(self._curl.M_TIMERFUNCTION, self._wake)

    def send(self, tag: Tag, request: Request, seconds: float) -> None:
        """Begin. Nothing is sent before `wait`."""
        if is_refused_plain(request.endpoint):
            self._refused.append((tag, Failure(SENSELESS, "plain http is for loopback only")))
            return
        handle = self._idle.pop() if self._idle else self._curl.Curl()
        exchange = self._under_way[handle] = _Exchange(tag, request)
        self._by_tag[tag] = handle
        self._set(handle, exchange, seconds)
        self._multi.add_handle(handle)

    def wait(self, seconds: float) -> Sequence[tuple[Tag, Answer | Failure]]:
        """What has come since. Signals interrupt the wait, and their handlers run."""
        ends = time.monotonic() + seconds
        came, self._refused = self._refused, []
        while True:
            came += self._finished()
            now = time.monotonic()
            if came or now >= ends:
                return came
            wakes = ends if self._wakes is None else min(ends, self._wakes)
            events = self._poll.poll(max(0.0, wakes - now) * 1000)
            for descriptor, event in events:
                self._multi.socket_action(descriptor, self._direction(event))
            if not events and self._wakes is not None and time.monotonic() >= self._wakes:
                self._wakes = None
                self._multi.socket_action(self._curl.SOCKET_TIMEOUT, 0)

    def abandon(self, tag: Tag) -> None:
        """End the exchange and its connection."""
        handle = self._by_tag.pop(tag, None)
        if handle is not None:
            del self._under_way[handle]
            self._multi.remove_handle(handle)

    def close(self) -> None:
        """Let go of everything. libcurl would wait for a name that is being resolved, so then nothing is freed."""
        if self._under_way:
            _left.append(self)
            return
        for handle in self._idle:
            handle.close()
        self._multi.close()

    # What libcurl tells

    def _watch(self, what: int, descriptor: int, _multi: Any, _data: Any) -> None:
        if what == self._curl.POLL_REMOVE:
            self._poll.unregister(descriptor)
            return
        wanted = select.POLLIN if what in (self._curl.POLL_IN, self._curl.POLL_INOUT) else 0
        wanted |= select.POLLOUT if what in (self._curl.POLL_OUT, self._curl.POLL_INOUT) else 0
        self._poll.register(descriptor, wanted)

    def _wake(self, milliseconds: int) -> None:
        self._wakes = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _direction(self, event: int) -> int:
        curl = self._curl
        direction = curl.CSELECT_IN if event & (select.POLLIN | select.POLLHUP) else 0
        direction |= curl.CSELECT_OUT if event & select.POLLOUT else 0
        return int(direction | (curl.CSELECT_ERR if event & (select.POLLERR | select.POLLNVAL) else 0))

    def _finished(self) -> list[tuple[Tag, Answer | Failure]]:
        came = []
        waiting = 1
        while waiting:
            waiting, done, failed = self._multi.info_read()
            for handle in done:
                came.append(self._outcome(handle, None))
            for handle, code, text in failed:
                came.append(self._outcome(handle, self._failure(handle, code, text)))
        return came

    def _outcome(self, handle: Any, failure: Failure | None) -> tuple[Tag, Answer | Failure]:
        exchange = self._under_way.pop(handle)
        del self._by_tag[exchange.tag]
        outcome = failure or self._answer(handle, exchange)
        self._multi.remove_handle(handle)
        handle.reset()
        self._idle.append(handle)
        return exchange.tag, outcome

    def _answer(self, handle: Any, exchange: _Exchange) -> Answer | Failure:
        """The answer, unless it came over a connection that had carried another's answer and names no request."""
        names_its_request = handle.getinfo(self._curl.INFO_HTTP_VERSION) >= _HTTP_2
        self._shares[exchange.request.endpoint.authority] = names_its_request
        if names_its_request:
            self._multi.setopt(self._curl.M_MAX_HOST_CONNECTIONS, _CONNECTIONS if all(self._shares.values()) else 0)
        elif handle.getinfo(self._curl.NUM_CONNECTS) == 0:
            return Failure(TRUNCATED, "it changed the protocol on a connection in use")
        status, body = handle.getinfo(self._curl.RESPONSE_CODE), b"".join(exchange.body)
        if not names_its_request and ends_in_its_head(status, exchange.headers, body):
            return Failure(*_MEANINGS[18])
        return Answer(status, exchange.headers, body)

    # What libcurl is told

    def _set(self, handle: Any, exchange: _Exchange, seconds: float) -> None:
        curl, request = self._curl, exchange.request
        endpoint = request.endpoint
        proxy, exempt = proxy_for(request, self._environ)
        options = {
            curl.URL: f"{endpoint.scheme}://{endpoint.authority}{request.target}",
            curl.CUSTOMREQUEST: request.method,
            curl.PATH_AS_IS: 1,
            curl.PROTOCOLS: curl.PROTO_HTTPS if endpoint.scheme == "https" else curl.PROTO_HTTP,
            curl.FOLLOWLOCATION: 0,
            curl.NETRC: curl.NETRC_IGNORED,
            curl.NOSIGNAL: 1,
            curl.PROXY: proxy,
            curl.NOPROXY: exempt,
            curl.USERAGENT: f"secrets-exec/{__version__}",
            curl.ACCEPT_ENCODING: "identity",
            curl.HTTPHEADER: [f"{name}: {value}" for name, value in request.headers] + ["Expect:"],
            curl.TIMEOUT_MS: int(seconds * 1000) + 1,
            curl.CONNECTTIMEOUT_MS: int(min(2 * CONNECT_SECONDS, seconds) * 1000) + 1,
            curl.HTTP_VERSION: curl.CURL_HTTP_VERSION_2TLS,
            curl.PIPEWAIT: 1 if endpoint.scheme == "https" else 0,
            curl.FORBID_REUSE: 0 if self._shares.get(endpoint.authority) else 1,
            curl.SSLVERSION: curl.SSLVERSION_TLSv1_2,
            curl.PROXY_SSLVERSION: curl.SSLVERSION_TLSv1_2,
            curl.SSL_VERIFYPEER: 1,
            curl.SSL_VERIFYHOST: 2,
            curl.HEADERFUNCTION: exchange.header,
            curl.WRITEFUNCTION: exchange.write,
        }
        if request.body:
            options[curl.POSTFIELDS] = request.body
        trusted = self._trusted_by(request.route)
        for option in (curl.CAINFO, curl.PROXY_CAINFO):
            handle.setopt(option, trusted.file)
        for option in (curl.CAPATH, curl.PROXY_CAPATH):
            handle.setopt(option, trusted.folder)
        for option, value in options.items():
            handle.setopt(option, value)

    def _trusted_by(self, route: Route) -> Authorities:
        if route not in self._trusted:
            self._trusted[route] = authorities(route.ca_bundle, self._environ)
        return self._trusted[route]

    def _failure(self, handle: Any, code: int, text: str) -> Failure:
        """What libcurl's code means, in our own words; its text is looked at and never told."""
        curl = self._curl
        if code == curl.E_PEER_FAILED_VERIFICATION:
            verdict = handle.getinfo(curl.SSL_VERIFYRESULT)
            verdict = _OTHER_HOST if verdict in _UNTOLD else verdict
            told = VERDICTS.get(verdict, f"OpenSSL's verdict is {verdict}")
            return Failure(UNTRUSTED, f"its certificate is not to be trusted: {told}")
        if code == curl.E_SSL_CONNECT_ERROR and any(sign in text for sign in _CLOSED):
            return Failure(UNREACHABLE, "the connection was closed during TLS")
        if code == curl.E_OPERATION_TIMEDOUT and not handle.getinfo(curl.CONNECT_TIME):
            return Failure(TIMED_OUT, f"no connection within {2 * CONNECT_SECONDS:g} s")
        if code in _PROXY_CODES and any(sign in text for sign in _PROXY_SIGNS):
            return Failure(*_MEANINGS[97])
        return Failure(*_MEANINGS.get(code, (SENSELESS, "what it sends is no HTTP")))


class _Exchange:
    """A request under way, and what has come of its answer."""

    def __init__(self, tag: Tag, request: Request) -> None:
        self.tag = tag
        self.request = request
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self._size = 0

    def header(self, line: bytes) -> None:
        """A header line; a status line begins anew, since 1xx answers have headers too."""
        if line.startswith(b"HTTP/"):
            self.headers = {}
            return
        name, colon, value = line.decode("latin-1").partition(":")
        if colon:
            name, value = name.strip().lower(), value.strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def write(self, part: bytes) -> int:
        """A piece of the body; less than its length, which ends the exchange, when all are too many."""
        self._size += len(part)
        if self._size > LARGEST_ANSWER:
            return -1
        self.body.append(part)
        return len(part)
