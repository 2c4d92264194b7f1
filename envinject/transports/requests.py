"""The portable transport: requests, in daemon threads, a fresh connection for each request.

A kept connection could hand one secret's answer to another's request (security.md, fact 3), so none is kept.
Threads are abandoned, never joined: the launcher's own deadline ends the run, whatever a library is doing.
"""

from __future__ import annotations

import errno
import http.client
import queue
import signal
import socket
import ssl
import threading

import requests
import urllib3
from requests.adapters import HTTPAdapter

from .. import __version__
from ..record import Record
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
    is_refused_plain,
    proxy_for,
)
from .trust import VERDICTS, authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from . import Request, Route, Tag

_PIECE = 1 << 16


class RequestsTransport:
    """Sends each request in a thread of its own; a thread that is done takes the next request."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._threads = 0
        self._outstanding = 0
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._came: queue.SimpleQueue[tuple[Tag, Answer | Failure]] = queue.SimpleQueue()
        self._contexts: dict[Route, ssl.SSLContext | Failure] = {}

    def send(self, tag: Tag, request: Request, seconds: float) -> None:
        """Hand the request to a thread; an abandoned one keeps its thread, so there may be more of them."""
        self._outstanding += 1
        context = self._context(request.route)
        if is_refused_plain(request.endpoint):
            context = Failure(SENSELESS, "plain http is for loopback only")
        if isinstance(context, Failure):
            self._came.put((tag, context))
            return
        self._asked.put(_Asked(tag, request, seconds, context, self._proxies(request)))
        if self._outstanding > self._threads:
            self._start_thread(tag)

    def wait(self, seconds: float) -> Sequence[tuple[Tag, Answer | Failure]]:
        """What has come since. The queue's wait is interrupted by signals."""
        came = []
        try:
            came.append(self._came.get(timeout=seconds))
            while True:
                came.append(self._came.get_nowait())
        except queue.Empty:
            self._outstanding -= len(came)
            return came

    def abandon(self, tag: Tag) -> None:
        """The thread goes on until its library gives up; the engine ignores what it brings."""

    def close(self) -> None:
        """Let idle threads end. Busy ones are daemons: neither exec nor exit waits for them."""
        for _ in range(self._threads):
            self._asked.put(None)

    def _start_thread(self, tag: Tag) -> None:
        thread = threading.Thread(target=self._work, daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # signals are the main thread's
        try:
            thread.start()
            self._threads += 1
        except RuntimeError:
            if not self._threads:
                self._came.put((tag, Failure(REFUSED, "the system starts no thread")))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            try:
                outcome = _exchange(asked)
            except Exception as error:  # the boundary to foreign code: whatever it raises becomes our own words
                outcome = failure(error)
            self._came.put((asked.tag, outcome))

    def _proxies(self, request: Request) -> dict[str, str]:
        proxy, exempt = proxy_for(request, self._environ)
        if not proxy or requests.utils.should_bypass_proxies(_url(request), exempt):
            return {}
        return {"https": proxy}

    def _context(self, route: Route) -> ssl.SSLContext | Failure:
        if route not in self._contexts:
            self._contexts[route] = _new_context(route, self._environ)
        return self._contexts[route]


class _Asked(Record):
    """A request on its way to a thread."""

    tag: Tag
    request: Request
    seconds: float
    context: ssl.SSLContext
    proxies: dict[str, str]


class _Adapter(HTTPAdapter):
    """requests' adapter with our own TLS context, to the server and behind a proxy, and no authorities of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs | {"ssl_context": self._context})

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return super().proxy_manager_for(*args, **kwargs | {"ssl_context": self._context})

    def cert_verify(self, conn: Any, *_: Any, **__: Any) -> None:
        """Verification is the context's; requests would load certifi's bundle into it."""
        conn.cert_reqs = "CERT_REQUIRED"


def _new_context(route: Route, environ: Mapping[str, str]) -> ssl.SSLContext | Failure:
    chosen = authorities(route.ca_bundle, environ)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and reads no SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(chosen.file, chosen.folder)
    except (OSError, ValueError):
        return Failure(UNTRUSTED, f"the authorities in {chosen.file or chosen.folder} cannot be read")
    return context


def _exchange(asked: _Asked) -> Answer | Failure:
    request, seconds = asked.request, asked.seconds
    with requests.Session() as session:
        session.trust_env = False
        session.headers.clear()
        session.mount("https://", _Adapter(asked.context))
        prepared = session.prepare_request(
            requests.Request(request.method, _url(request), headers=_headers(request), data=request.body)
        )
        response = session.send(
            prepared,
            stream=True,
            allow_redirects=False,
            timeout=(min(CONNECT_SECONDS, seconds), seconds),
            proxies=asked.proxies,
        )
        with response:
            return _read(response)


def _url(request: Request) -> str:
    return f"{request.endpoint.scheme}://{request.endpoint.authority}{request.target}"


def _headers(request: Request) -> dict[str, str]:
    ours = {"User-Agent": f"secrets-exec/{__version__}", "Accept-Encoding": "identity", "Connection": "close"}
    return {**ours, **dict(request.headers)}


def _read(response: requests.Response) -> Answer | Failure:
    parts, size = [], 0
    for part in response.raw.stream(_PIECE, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            return Failure(TOO_LARGE, f"the answer is larger than {LARGEST_ANSWER >> 20} MiB")
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(response.status_code, headers, b"".join(parts))


def failure(error: BaseException) -> Failure:
    """What a library's exception means, in our own words: its text may hold a credential."""
    chain = list(_chain(error))
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure(UNTRUSTED, f"its certificate is not to be trusted: {_verdict(cause.verify_code)}")
        if isinstance(cause, OSError) and cause.errno in _EXHAUSTED:
            return Failure(REFUSED, "the system has no descriptor or memory left")
    for types, kind, what in _MEANINGS:
        if any(isinstance(cause, types) for cause in chain):
            return Failure(kind, what)
    return Failure(SENSELESS, "what it sends is no HTTP")


# The first row that fits a cause decides: what is special stands above what is general.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((MemoryError,), REFUSED, "the system has no memory left"),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), UNREACHABLE, "its name cannot be resolved"),
    ((urllib3.exceptions.ConnectTimeoutError,), TIMED_OUT, f"no connection within {CONNECT_SECONDS:g} s"),
    (
        (urllib3.exceptions.ReadTimeoutError, TimeoutError),
        TIMED_OUT,
        "it began to answer, or not, and stopped",
    ),
    ((urllib3.exceptions.ProxyError,), UNREACHABLE, "the proxy does not answer, or does not let us through"),
    ((http.client.IncompleteRead, urllib3.exceptions.IncompleteRead), TRUNCATED, "its answer is cut short"),
    ((urllib3.exceptions.DecodeError,), SENSELESS, "its answer is compressed in a broken way"),
    ((ssl.SSLEOFError, ssl.SSLZeroReturnError), UNREACHABLE, "the connection was closed during TLS"),
    ((ssl.SSLError,), UNTRUSTED, "TLS 1.2 or newer cannot be agreed on"),
    ((ConnectionRefusedError,), UNREACHABLE, "the connection is refused"),
    ((ConnectionError,), UNREACHABLE, "the connection was closed before an answer"),
    ((http.client.HTTPException,), SENSELESS, "what it sends is no HTTP"),
    ((urllib3.exceptions.NewConnectionError, OSError), UNREACHABLE, "no way leads there"),
)
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        cause = waiting.pop(0)
        if cause in seen:
            continue
        seen.append(cause)
        yield cause
        related = (cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args)
        waiting += [other for other in related if isinstance(other, BaseException)]


def _verdict(code: int) -> str:
    return VERDICTS.get(code, f"OpenSSL's verdict is {code}")
