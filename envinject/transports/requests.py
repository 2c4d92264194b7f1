"""The portable transport: requests, in daemon threads, a fresh connection for each request.

A kept connection could hand one secret's answer to another's request, so none is kept.
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
import time

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
    ends_in_its_head,
    is_refused_plain,
    proxy_for,
)
from .coding import whole
from .trust import VERDICTS, authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from . import Measure, Request, Route, Tag, Warn

_PIECE = 1 << 16
_LARGEST_EXCHANGE = 4 * LARGEST_ANSWER
"""Bytes of an answer with its headers, its trailers and the frames of its chunks."""
_CUT_SHORT = "its answer is cut short"


class RequestsTransport:
    """Sends each request in a thread of its own; a thread that is done takes the next request."""

    def __init__(self, environ: Mapping[str, str], warn: Warn, measure: Measure | None = None) -> None:
        self._environ = environ
        self._warn = warn
        self._measure = measure
        self._threads = 0
        self._outstanding = 0
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._came: queue.SimpleQueue[tuple[Tag, Answer | Failure]] = queue.SimpleQueue()
        self._contexts: dict[Route, ssl.SSLContext | Failure] = {}

    def send(self, tag: Tag, request: Request, seconds: float) -> None:
        """Hand the request to a thread; an abandoned one keeps its thread, so there may be more of them."""
        self._outstanding += 1
        ready = self._ready(tag, request, seconds)
        if isinstance(ready, Failure):
            self._came.put((tag, ready))
        else:
            self._asked.put(ready)

    def _ready(self, tag: Tag, request: Request, seconds: float) -> _Asked | Failure:
        if is_refused_plain(request.endpoint):
            return Failure(SENSELESS, "plain http is for loopback only")
        context = self._context(request)
        if isinstance(context, Failure):
            return context
        if self._outstanding > self._threads and not self._start_thread() and not self._threads:
            return Failure(REFUSED, "the system starts no thread")
        return _Asked(tag, request, seconds, context, self._proxies(request))

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

    def _start_thread(self) -> bool:
        """One more thread, if the system lets us; without it the others do its work, later."""
        thread = threading.Thread(target=self._work, daemon=True)
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # signals are the main thread's
        try:
            thread.start()
        except RuntimeError:
            return False
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._threads += 1
        return True

    def _work(self) -> None:
        while (asked := self._asked.get()) is not None:
            _passed.moments = {"began": time.monotonic()}
            try:
                outcome = _exchange(asked)
            except Exception as error:  # the boundary to foreign code: whatever it raises becomes our own words
                outcome = failure(error)
            if self._measure is not None:
                from ..timeline import Phases  # only where somebody wants to know

                self._measure(asked.tag, Phases(**_passed.moments))
            self._came.put((asked.tag, outcome))

    def _proxies(self, request: Request) -> dict[str, str]:
        proxy, exempt = proxy_for(request, self._environ)
        if not proxy or requests.utils.should_bypass_proxies(_url(request), exempt):
            return {}
        return {"https": proxy}

    def _context(self, request: Request) -> ssl.SSLContext | Failure | None:
        if request.endpoint.scheme != "https":
            return None
        route = request.route
        if route not in self._contexts:
            self._contexts[route] = _new_context(route, self._environ, self._warn)
        return self._contexts[route]


class _Passed(threading.local):
    """When this thread's exchange has come how far: a library's own classes have no other way to tell."""

    moments: dict[str, float]


_passed = _Passed()


class _Asked(Record):
    """A request on its way to a thread."""

    tag: Tag
    request: Request
    seconds: float
    context: ssl.SSLContext | None
    proxies: dict[str, str]


class _Bounded:
    """What a server sends in one exchange, to be read up to a limit: no library limits interim answers and trailers."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._left = _LARGEST_EXCHANGE
        self.has_ended = False

    def read(self, size: int = -1) -> bytes:
        return self._counted(self._file.read(size))

    def readline(self, size: int = -1) -> bytes:
        line = self._counted(self._file.readline(size))
        self.has_ended = not line
        return line

    def _counted(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise http.client.HTTPException
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _Response(http.client.HTTPResponse):
    """The library's own reading, made strict: what it would guess at or leave out is no HTTP."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp: Any = _Bounded(self.fp)
        self._sent = self.fp

    def _read_status(self) -> tuple[str, int, str]:
        """The status line, after all interim answers but 101; the library itself knows 100 alone."""
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # it is not in the type's stub
            if status < 102 or status >= 200:
                return version, status, reason
            http.client.parse_headers(self.fp)

    def begin(self) -> None:
        super().begin()
        _passed.moments["answered"] = time.monotonic()
        if self._sent.has_ended:  # within the headers, which the library takes for their end
            raise http.client.IncompleteRead(b"")
        length = self.headers.get("content-length", "0").strip()
        senseless = any("\0" in text for text in self.headers.values())
        if senseless or self.headers.defects or not (length.isdigit() and length.isascii()):
            raise http.client.HTTPException
        if len(length) > len(str(LARGEST_ANSWER)) or int(length) > LARGEST_ANSWER:
            raise _TooLarge


class _TooLarge(Exception):
    """An answer announces more than it may have."""


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _passed.moments["connected"] = time.monotonic()
        return made


class _SecureConnection(urllib3.connection.HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _passed.moments["connected"] = time.monotonic()
        return made

    def connect(self) -> None:
        super().connect()
        _passed.moments["secured"] = time.monotonic()


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Context(ssl.SSLContext):
    """A context whose connections tell an end without TLS's goodbye from an end."""

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*args, **kwargs | {"suppress_ragged_eofs": False})


class _Adapter(HTTPAdapter):
    """requests' adapter with our own TLS context, to the server and behind a proxy, and no authorities of its own."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs | {"ssl_context": self._context})
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        ours = {"ssl_context": self._context, "proxy_ssl_context": self._context}
        manager = super().proxy_manager_for(*args, **kwargs | ours)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def cert_verify(self, conn: Any, *_: Any, **__: Any) -> None:
        """Verification is the context's; requests would load certifi's bundle into it."""
        conn.cert_reqs = "CERT_REQUIRED"


_POOLS = {"http": _Pool, "https": _SecurePool}


def _new_context(route: Route, environ: Mapping[str, str], warn: Warn) -> ssl.SSLContext | Failure:
    chosen = authorities(route.ca_bundle, environ, warn)
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and reads no SSLKEYLOGFILE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(chosen.file, chosen.folder, chosen.pem and chosen.pem.decode())
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _EXHAUSTED:
            return _NOTHING_LEFT
        return Failure(UNTRUSTED, f"the authorities in {chosen.file or chosen.folder} cannot be read")
    return context


def _exchange(asked: _Asked) -> Answer | Failure:
    request, seconds = asked.request, asked.seconds
    with requests.Session() as session:
        session.trust_env = False
        session.headers.clear()
        session.mount(f"{request.endpoint.scheme}://", _Adapter(asked.context))
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
    for part in response.raw.stream(_PIECE, decode_content=False):
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            return _ANSWER_TOO_LARGE
    headers = {name.lower(): value for name, value in response.headers.items()}
    body = b"".join(parts)
    if ends_in_its_head(response.status_code, headers, body):
        return Failure(TRUNCATED, _CUT_SHORT)
    return whole(Answer(response.status_code, headers, body))


def failure(error: BaseException) -> Failure:
    """What a library's exception means, in our own words: its text may hold a credential."""
    chain = list(_chain(error))
    if any(isinstance(cause, _TooLarge) for cause in chain):
        return _ANSWER_TOO_LARGE
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            whose = "the proxy's" if any(isinstance(other, _PROXY) for other in chain) else "its"
            return Failure(UNTRUSTED, f"{whose} certificate is not to be trusted: {_verdict(cause.verify_code)}")
        if isinstance(cause, OSError) and cause.errno in _EXHAUSTED:
            return _NOTHING_LEFT
    for types, kind, what in _MEANINGS:
        if any(isinstance(cause, types) for cause in chain):
            return Failure(kind, what)
    if any(isinstance(cause, OSError) and not isinstance(cause, requests.RequestException) for cause in chain):
        return Failure(UNREACHABLE, "no way leads there")
    if any(isinstance(cause, _IMPOSSIBLE) for cause in chain):
        return Failure(SENSELESS, "the HTTP library cannot make this exchange")
    return UNKNOWN


UNKNOWN = Failure(SENSELESS, "what it sends cannot be read")
"""What an exception means that nobody has thought of."""

_PROXY = (urllib3.exceptions.ProxyError, requests.exceptions.ProxyError)

# The first row that fits a cause decides: what is special stands above what is general, what comes from the
# system above what a library says of it.
_MEANINGS: tuple[tuple[tuple[type[BaseException], ...], str, str], ...] = (
    ((MemoryError,), REFUSED, "the system has no memory left"),
    (
        (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError),
        UNREACHABLE,
        "the connection was closed during TLS",
    ),
    (
        (ssl.SSLError, urllib3.exceptions.SSLError, requests.exceptions.SSLError),
        UNTRUSTED,
        "TLS 1.2 or newer cannot be agreed on",
    ),
    (_PROXY, UNREACHABLE, "the proxy does not answer, or does not let us through"),
    ((socket.gaierror, urllib3.exceptions.NameResolutionError), UNREACHABLE, "its name cannot be resolved"),
    ((ConnectionRefusedError,), UNREACHABLE, "the connection is refused"),
    ((urllib3.exceptions.NewConnectionError,), UNREACHABLE, "no way leads there"),
    (
        (urllib3.exceptions.ConnectTimeoutError, requests.exceptions.ConnectTimeout),
        TIMED_OUT,
        f"no connection within {CONNECT_SECONDS:g} s",
    ),
    (
        (TimeoutError, urllib3.exceptions.TimeoutError, requests.exceptions.Timeout),
        TIMED_OUT,
        "it began to answer, or not, and stopped",
    ),
    ((urllib3.exceptions.InvalidChunkLength,), SENSELESS, "what it sends is no HTTP"),
    ((http.client.IncompleteRead,), TRUNCATED, _CUT_SHORT),
    (
        (urllib3.exceptions.DecodeError, requests.exceptions.ContentDecodingError),
        SENSELESS,
        "its answer is compressed in a broken way",
    ),
    ((ConnectionError,), UNREACHABLE, "the connection was closed before an answer"),
    (
        (
            http.client.HTTPException,
            urllib3.exceptions.ResponseNotChunked,
            urllib3.exceptions.BodyNotHttplibCompatible,
            urllib3.exceptions.HeaderParsingError,
        ),
        SENSELESS,
        "what it sends is no HTTP",
    ),
    (
        (urllib3.exceptions.ProtocolError, requests.exceptions.ChunkedEncodingError),
        TRUNCATED,
        _CUT_SHORT,
    ),
    (
        (
            urllib3.exceptions.LocationValueError,
            urllib3.exceptions.ProxySchemeUnsupported,
            urllib3.exceptions.InvalidHeader,
            requests.exceptions.URLRequired,
            requests.exceptions.MissingSchema,
            requests.exceptions.InvalidSchema,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
        ),
        SENSELESS,
        "the URL of it or of the proxy, or a header, cannot be sent",
    ),
)
_IMPOSSIBLE = (
    urllib3.exceptions.PoolError,
    urllib3.exceptions.ResponseError,
    urllib3.exceptions.TimeoutStateError,
    urllib3.exceptions.UnrewindableBodyError,
    requests.exceptions.ConnectionError,
    requests.exceptions.HTTPError,
    requests.exceptions.InvalidJSONError,
    requests.exceptions.RetryError,
    requests.exceptions.StreamConsumedError,
    requests.exceptions.TooManyRedirects,
    requests.exceptions.UnrewindableBodyError,
)
"""What says nothing by itself, or cannot come to pass in the way that we use these libraries."""

_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
_ANSWER_TOO_LARGE = Failure(TOO_LARGE, f"the answer is larger than {LARGEST_ANSWER >> 20} MiB")
_NOTHING_LEFT = Failure(REFUSED, "the system has no descriptor or memory left")


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
