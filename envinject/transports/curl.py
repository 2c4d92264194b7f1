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
from .coding import whole
from .libcurl import load
from .trust import VERDICTS, authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from . import Ending, Measure, Request, Route, Tag, Warn
    from .trust import Authorities

_HTTP_2 = 3
"""What INFO_HTTP_VERSION says of HTTP/2 (CURL_HTTP_VERSION_2_0)."""

_CONNECTIONS = 4
"""Connections to one host beyond its stream limit, where it speaks HTTP/2."""

_QUICK_EXIT, _SINCE = 322, 0x075700
"""CURLOPT_QUICK_EXIT, which pycurl has no name for: do not wait for a name that is being resolved (libcurl 7.87)."""

_LEAD_SECONDS = 1.0
"""How long the first request to a host may go alone, to find out what the host speaks."""

_UNTOLD = (0, 1)
_OTHER_HOST = 62
"""What libcurl's own comparison of names means; OpenSSL has no verdict then."""
_CLOSED = ("SYSCALL", "Recv failure", "Send failure", "unexpected eof", "ZERO_RETURN", "closed")
_PROXY_CODES = (7, 56, 97)
_PROXY_SIGNS = ("CONNECT", "over proxy")
_UNRESOLVED = (5, 6)
_NAME_SECONDS = 60
_IN_TLS = "SSL routines"
_BROKEN = (55, 56)
_NO_HTTP_SIGNS = ("hunk", "Too large response headers")
_NO_PROXY_SIGN = "Unsupported proxy"
_HTTP_PROXIES = ("http", "https", "")
_ANY_OTHER = "other://proxy"
"""A proxy that libcurl refuses, in place of those that it knows and we do not."""

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

_NO_HTTP = Failure(SENSELESS, "what it sends is no HTTP")
_ALWAYS = ("Accept-Encoding: identity", "Expect:")

_left: list[Any] = []
"""What was under way at the end: kept, so that nothing waits for it."""


class CurlTransport:
    """Sends everything at once from one thread; libcurl's own events say when to look at it again."""

    def __init__(
        self,
        environ: Mapping[str, str],
        warn: Warn,
        measure: Measure | None = None,
        ending: Ending | None = None,
    ) -> None:
        os.environ.pop("SSLKEYLOGFILE", None)  # libcurl reads it by itself; the child's environment is apart
        self._curl = load()
        self._environ = environ
        self._warn = warn
        self._measure = measure
        self._poll = select.poll()
        self._endings = {} if ending is None else ending.descriptors()
        for descriptor in self._endings:
            self._poll.register(descriptor, select.POLLIN)
        self._wakes: float | None = None
        self._under_way: dict[Any, _Exchange] = {}
        self._by_tag: dict[Tag, Any] = {}
        self._models: dict[tuple[str, str, Route], Any] = {}
        self._refused: list[tuple[Tag, Answer | Failure]] = []
        self._trusted: dict[Route, Authorities] = {}
        self._shares: dict[str, bool] = {}
        self._leads: dict[str, _Lead] = {}
        self._sessions: list[Any] = []
        """TLS sessions that nobody uses now. libcurl keeps five of a host in one, and forgets the others."""
        self._unresolved: set[str] = set()
        self._is_resolving = False
        self._multi = self._curl.CurlMulti()
        self._multi.setopt(self._curl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(self._curl.M_TIMERFUNCTION, self._wake)

    def send(self, tag: Tag, request: Request, seconds: float) -> None:
        """Begin. Nothing is sent before `wait`."""
        if is_refused_plain(request.endpoint):
            self._refused.append((tag, Failure(SENSELESS, "plain http is for loopback only")))
            return
        exchange = _Exchange(tag, request, time.monotonic() + seconds)
        authority = exchange.authority
        if authority in self._leads:
            self._leads[authority].held.append(exchange)
        elif request.endpoint.scheme == "https" and authority not in self._shares:
            self._leads[authority] = lead = _Lead(time.monotonic() + _LEAD_SECONDS)
            self._begin(exchange, lead)
        else:
            self._begin(exchange)

    def wait(self, seconds: float) -> Sequence[tuple[Tag, Answer | Failure]]:
        """What has come since. A signal that asks to end does so here, by its handler or its descriptor."""
        ends = time.monotonic() + seconds
        came, self._refused = self._refused, []
        while True:
            came += self._finished()
            now = time.monotonic()
            self._follow(now)
            if came or now >= ends:
                return came
            wakes = ends if self._wakes is None else self._wakes
            wakes = min(ends, wakes, *(lead.ends for lead in self._leads.values()))
            events = self._poll.poll(max(0.0, wakes - now) * 1000)
            for descriptor, event in events:
                if descriptor in self._endings:
                    self._endings[descriptor]()
                self._multi.socket_action(descriptor, self._direction(event))
            if not events and self._wakes is not None and time.monotonic() >= self._wakes:
                self._wakes = None
                self._multi.socket_action(self._curl.SOCKET_TIMEOUT, 0)

    def abandon(self, tag: Tag) -> None:
        """End the exchange and its connection."""
        handle = self._by_tag.pop(tag, None)
        if handle is not None:
            del self._under_way[handle]
            self._remove(handle)
            self._without(handle)
        for lead in self._leads.values():
            lead.held = [exchange for exchange in lead.held if exchange.tag != tag]

    def close(self) -> None:
        """Let go of everything. libcurl would wait for a name that is being resolved, so then nothing is freed."""
        if self._under_way or self._is_resolving:
            _left.append(self)
            return
        for handle in self._models.values():
            handle.close()
        self._multi.close()

    def _remove(self, handle: Any) -> None:
        """Take it out; a name that it has not resolved by now is looked up by a thread of libcurl's all the same."""
        self._is_resolving = self._is_resolving or not handle.getinfo(self._curl.NAMELOOKUP_TIME)
        self._multi.remove_handle(handle)

    # Who goes first

    def _begin(self, exchange: _Exchange, lead: _Lead | None = None) -> None:
        handle = self._handle(exchange)
        self._under_way[handle] = exchange
        self._by_tag[exchange.tag] = handle
        self._set(handle, exchange, is_lead=lead is not None)
        if lead is not None:
            lead.handle = handle
            handle.setopt(self._curl.VERBOSE, 1)
            handle.setopt(self._curl.DEBUGFUNCTION, lambda kind, data: self._hear(lead, kind, data))
        self._multi.add_handle(handle)

    def _hear(self, lead: _Lead, kind: int, data: bytes) -> None:
        """What libcurl would print: the request line tells which protocol was agreed on."""
        if kind == self._curl.INFOTYPE_HEADER_OUT and not data.startswith(b"CONNECT "):
            lead.shares = data.partition(b"\r\n")[0].endswith(b" HTTP/2")

    def _follow(self, now: float) -> None:
        """Let the others begin once the first one knows what its host speaks, or takes too long to find out."""
        for authority, lead in list(self._leads.items()):
            if lead.shares is not None:
                self._learn(authority, shares=lead.shares)
            if lead.shares is not None or now >= lead.ends:
                del self._leads[authority]
                for exchange in lead.held:
                    self._begin(exchange)

    def _without(self, handle: Any) -> None:
        """Let another one go first, where the first one has come to nothing."""
        for authority, lead in list(self._leads.items()):
            if lead.handle is handle and lead.shares is None:
                if lead.held:
                    self._begin(lead.held.pop(0), lead)
                else:
                    del self._leads[authority]

    def _learn(self, authority: str, *, shares: bool) -> None:
        """Keep in mind whether a host's answers name their requests; one that did not once is not trusted to."""
        self._shares[authority] = shares and self._shares.get(authority, True)
        self._multi.setopt(self._curl.M_MAX_HOST_CONNECTIONS, _CONNECTIONS if all(self._shares.values()) else 0)

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
                if code in _UNRESOLVED:  # libcurl would remember that too
                    self._unresolved.add(self._under_way[handle].authority)
                came.append(self._outcome(handle, self._failure(handle, code, text)))
        return came

    def _outcome(self, handle: Any, failure: Failure | None) -> tuple[Tag, Answer | Failure]:
        exchange = self._under_way.pop(handle)
        del self._by_tag[exchange.tag]
        outcome = failure or self._answer(handle, exchange)
        if self._measure is not None:
            self._tell_times(handle, exchange.tag, self._measure)
        self._remove(handle)
        self._without(handle)
        handle.close()
        if exchange.sessions is not None:
            self._sessions.append(exchange.sessions)
        return exchange.tag, outcome

    def _tell_times(self, handle: Any, tag: Tag, measure: Measure) -> None:
        """What libcurl has measured, from its begin of the exchange on; 0 stands for what did not happen."""
        from ..timeline import Phases  # only where somebody wants to know

        curl = self._curl
        began = time.monotonic() - handle.getinfo(curl.TOTAL_TIME)
        has_answer = handle.getinfo(curl.RESPONSE_CODE) > 0
        moments = {"answered": handle.getinfo(curl.STARTTRANSFER_TIME) if has_answer else 0}
        if not has_answer or handle.getinfo(curl.NUM_CONNECTS) > 0:
            moments |= {"connected": handle.getinfo(curl.CONNECT_TIME), "secured": handle.getinfo(curl.APPCONNECT_TIME)}
        measure(tag, Phases(began, **{name: began + seconds for name, seconds in moments.items() if seconds}))

    def _answer(self, handle: Any, exchange: _Exchange) -> Answer | Failure:
        """The answer, unless it came over a connection that had carried another's answer and names no request."""
        names_its_request = handle.getinfo(self._curl.INFO_HTTP_VERSION) >= _HTTP_2
        self._learn(exchange.authority, shares=names_its_request)
        if not names_its_request and handle.getinfo(self._curl.NUM_CONNECTS) == 0:
            return Failure(TRUNCATED, "it changed the protocol on a connection in use")
        head = _Head(exchange.head)
        status, body = handle.getinfo(self._curl.RESPONSE_CODE), b"".join(exchange.body)
        if not head.makes_sense:
            return _NO_HTTP
        if not head.is_whole or (not names_its_request and ends_in_its_head(status, head.headers, body)):
            return Failure(*_MEANINGS[18])
        return whole(Answer(status, head.headers, body))

    # What libcurl is told

    def _handle(self, exchange: _Exchange) -> Any:
        """A handle with all that the requests to one host by one route have in common."""
        request = exchange.request
        key = (request.endpoint.scheme, exchange.authority, request.route)
        if key not in self._models:
            self._models[key] = self._model(request)
        return self._models[key].duphandle()

    def _model(self, request: Request) -> Any:
        curl, handle = self._curl, self._curl.Curl()
        proxy, exempt = proxy_for(request, self._environ)
        options = {
            curl.PATH_AS_IS: 1,
            curl.PROTOCOLS: curl.PROTO_HTTPS if request.endpoint.scheme == "https" else curl.PROTO_HTTP,
            curl.FOLLOWLOCATION: 0,
            curl.NETRC: curl.NETRC_IGNORED,
            curl.NOSIGNAL: 1,
            curl.PROXY: proxy if proxy.rpartition("://")[0].lower() in _HTTP_PROXIES else _ANY_OTHER,
            curl.NOPROXY: exempt,
            curl.USERAGENT: f"secrets-exec/{__version__}",
            curl.MAXFILESIZE_LARGE: LARGEST_ANSWER,
            curl.CONNECTTIMEOUT_MS: int(2 * CONNECT_SECONDS * 1000),
            curl.DNS_CACHE_TIMEOUT: _NAME_SECONDS,
            curl.HTTP_VERSION: curl.CURL_HTTP_VERSION_2TLS,
            curl.SSLVERSION: curl.SSLVERSION_TLSv1_2,
            curl.PROXY_SSLVERSION: curl.SSLVERSION_TLSv1_2,
            curl.SSL_VERIFYPEER: 1,
            curl.SSL_VERIFYHOST: 2,
        }
        if curl.version_info()[2] >= _SINCE:
            options[_QUICK_EXIT] = 1
        trusted = self._trusted_by(request.route)
        for option in (curl.CAINFO, curl.PROXY_CAINFO):
            handle.setopt(option, trusted.file)
        for option in (curl.CAPATH, curl.PROXY_CAPATH):
            handle.setopt(option, trusted.folder)
        if trusted.pem:
            for option in (curl.CAINFO_BLOB, curl.PROXY_CAINFO_BLOB):
                handle.setopt(option, trusted.pem)
        for option, value in options.items():
            handle.setopt(option, value)
        return handle

    def _trusted_by(self, route: Route) -> Authorities:
        if route not in self._trusted:
            self._trusted[route] = authorities(route.ca_bundle, self._environ, self._warn)
        return self._trusted[route]

    def _set(self, handle: Any, exchange: _Exchange, *, is_lead: bool) -> None:
        """What is of this one request. The connection of a lead is kept, for those that share it or nobody."""
        curl, request = self._curl, exchange.request
        authority, seconds = exchange.authority, max(0.0, exchange.ends - time.monotonic())
        shares = self._shares.get(authority, False)
        headers = [f"{name}: {value}" for name, value in request.headers]
        handle.setopt(curl.URL, f"{request.endpoint.scheme}://{authority}{request.target}")
        handle.setopt(curl.HTTPHEADER, [*headers, *_ALWAYS])
        handle.setopt(curl.TIMEOUT_MS, int(seconds * 1000) + 1)
        if seconds < 2 * CONNECT_SECONDS:
            handle.setopt(curl.CONNECTTIMEOUT_MS, int(seconds * 1000) + 1)
        if authority in self._unresolved:
            handle.setopt(curl.DNS_CACHE_TIMEOUT, 0)
        if shares:
            handle.setopt(curl.PIPEWAIT, 1)
        else:
            handle.setopt(curl.FRESH_CONNECT, 1)
            if not is_lead:
                exchange.sessions = self._sessions.pop() if self._sessions else self._new_sessions()
                handle.setopt(curl.SHARE, exchange.sessions)
                handle.setopt(curl.FORBID_REUSE, 1)
        handle.setopt(curl.HEADERFUNCTION, exchange.head.append)
        handle.setopt(curl.WRITEFUNCTION, exchange.write)
        if request.body:
            handle.setopt(curl.POSTFIELDS, request.body)
        if request.method != "GET":
            handle.setopt(curl.CUSTOMREQUEST, request.method)

    def _new_sessions(self) -> Any:
        """Where the TLS session of a connection is kept for a later one, which is then secured at half the cost."""
        sessions = self._curl.CurlShare()
        sessions.setopt(self._curl.SH_SHARE, self._curl.LOCK_DATA_SSL_SESSION)
        return sessions

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
        if _NO_PROXY_SIGN in text:
            return Failure(SENSELESS, "the proxy's URL is none of an HTTP proxy")
        if code in _PROXY_CODES and any(sign in text for sign in _PROXY_SIGNS):
            return Failure(*_MEANINGS[97])
        if code in _BROKEN and _IN_TLS in text and not any(sign in text for sign in _CLOSED):
            return Failure(*_MEANINGS[35])
        if code in _BROKEN and any(sign in text for sign in _NO_HTTP_SIGNS):
            return _NO_HTTP
        return Failure(*_MEANINGS[code]) if code in _MEANINGS else _NO_HTTP


class _Lead:
    """The first request to a host goes alone until it is known whether connections to that host can be shared.

    libcurl itself would let all others wait for the end of its answer, where they cannot.
    """

    def __init__(self, ends: float) -> None:
        self.ends = ends
        self.handle: Any = None
        self.shares: bool | None = None
        self.held: list[_Exchange] = []


class _Exchange:
    """A request under way until `ends`, and what has come of its answer."""

    def __init__(self, tag: Tag, request: Request, ends: float) -> None:
        self.tag = tag
        self.request = request
        self.authority = request.endpoint.authority
        self.ends = ends
        self.sessions: Any = None
        self.head: list[bytes] = []
        """Every line so far that is of no body."""
        self.body: list[bytes] = []
        self._size = 0

    def write(self, part: bytes) -> int:
        """A piece of the body; less than its length, which ends the exchange, when all are too many."""
        self._size += len(part)
        if self._size > LARGEST_ANSWER:
            return -1
        self.body.append(part)
        return len(part)


class _Head:
    """The lines of an answer up to its body, read. Those of 1xx answers before it do not count, nor do trailers."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self.headers: dict[str, str] = {}
        self.makes_sense = True
        self.is_whole = False
        headers = self.headers
        for line in lines:
            if line.startswith(b"HTTP/"):
                headers.clear()
                self.is_whole = False
                status = line.partition(b" ")[2].split(b" ")[0].strip()
                self.makes_sense = len(status) == 3 and status.isdigit()
            elif not self.is_whole:
                name, colon, value = line.decode("latin-1").partition(":")
                if colon:
                    name, value = name.strip().lower(), value.strip()
                    self.makes_sense = self.makes_sense and bool(name)
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
                elif not line.strip():
                    self.is_whole = True
