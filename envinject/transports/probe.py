"""One server looked at, for `doctor`: its name, the way to it, its TLS, its clock. No credential is sent to it.

Blocking, in daemon threads, with sockets of its own: a transport says what came, and not how far the way leads.
"""

from __future__ import annotations

import queue
import signal
import socket
import ssl
import threading
import time
from email.utils import mktime_tz, parsedate_tz
from urllib.parse import unquote, urlsplit

from .. import __version__
from ..record import Record
from . import (
    CONNECT_SECONDS,
    REFUSED,
    SENSELESS,
    TIMED_OUT,
    UNREACHABLE,
    UNTRUSTED,
    Failure,
    Request,
    Route,
    is_refused_plain,
    proxy_for,
)
from .trust import VERDICTS, authorities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..url import Endpoint

    Target = tuple[Endpoint, Route]

_ANSWER_SECONDS = 5.0
_LARGEST_HEAD = 1 << 16
_LONGEST_NAME = 100
_MOST_CERTIFICATES = 10


class Certificate(Record):
    """One certificate of a chain: whose it is, who issued it, and until when it is good (Unix time)."""

    subject: str
    issuer: str
    expires: float


class Sight(Record):
    """What was seen of a server, as far as the way led; `problem` says why not further.

    `ahead` is how many seconds this machine's clock is ahead of the server's. `trusted` is where the authorities are.
    `chain` begins with the server's own certificate; of one that is not trusted it is what the server showed.
    """

    proxy: str = ""
    addresses: tuple[str, ...] = ()
    name_seconds: float | None = None
    address: str = ""
    connect_seconds: float | None = None
    tls: str = ""
    tls_seconds: float | None = None
    chain: tuple[Certificate, ...] = ()
    trusted: str = ""
    status: int | None = None
    answer_seconds: float | None = None
    ahead: int | None = None
    problem: Failure | None = None


def look_at(targets: Iterable[Target], environ: Mapping[str, str], seconds: float) -> dict[Target, Sight]:
    """Look at all of them at once. What takes longer than `seconds` is told as a failure, and left alone."""
    came: queue.SimpleQueue[tuple[Target, Sight]] = queue.SimpleQueue()
    wanted = dict.fromkeys(targets)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # signals are the main thread's
    try:
        for target in wanted:
            try:
                threading.Thread(target=_look, args=(target, environ, came), daemon=True).start()
            except RuntimeError:
                came.put((target, Sight(problem=Failure(REFUSED, "the system starts no thread"))))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    late = Sight(problem=Failure(TIMED_OUT, f"no end within {seconds:g} s"))
    found = dict.fromkeys(wanted, late)
    ends = time.monotonic() + seconds
    try:
        for _ in wanted:
            target, sight = came.get(timeout=max(0.0, ends - time.monotonic()))
            found[target] = sight
    except queue.Empty:
        pass
    return found


def _look(target: Target, environ: Mapping[str, str], came: queue.SimpleQueue[tuple[Target, Sight]]) -> None:
    came.put((target, look(*target, environ)))


def look(endpoint: Endpoint, route: Route, environ: Mapping[str, str]) -> Sight:
    """Look at one, step by step."""
    way = _Way(endpoint, route, environ)
    try:
        way.go()
    except _Ended as end:
        way.seen["problem"] = end.args[0]
    return Sight(**way.seen)


class _Ended(Exception):
    """The way leads no further; its argument is the Failure."""


class _Way:
    """The steps to one server, and what is `seen` on the way."""

    def __init__(self, endpoint: Endpoint, route: Route, environ: Mapping[str, str]) -> None:
        self.seen: dict[str, Any] = {}
        self._endpoint = endpoint
        self._host = endpoint.host.strip("[]")
        self._route = route
        self._environ = environ

    def go(self) -> None:
        if is_refused_plain(self._endpoint):
            raise _Ended(Failure(SENSELESS, "plain http is for loopback only"))
        proxy = self._proxy()
        if proxy is not None:
            self.seen["proxy"] = f"{proxy.hostname}:{proxy.port or 80}"
        host, port = (proxy.hostname, proxy.port or 80) if proxy else (self._host, self._endpoint.port)
        self._resolve(host, port)
        if proxy is not None and proxy.scheme != "http":
            return  # TLS to the proxy, and in it to the store: that is left to the transport
        with self._connected(port) as link:
            if proxy is not None:
                self._tunnel(link, proxy)
            if self._endpoint.scheme == "https":
                with self._secured(link, port, proxy) as secured:
                    self._ask(secured)
            else:
                self._ask(link)

    def _proxy(self) -> Any:
        url, exempt = proxy_for(Request("GET", self._endpoint, "/", route=self._route), self._environ)
        if not url or _is_exempt(self._host, exempt):
            return None
        try:
            parts = urlsplit(url if "://" in url else f"http://{url}")
            if parts.hostname and parts.port != 0:
                return parts
        except ValueError:
            pass
        raise _Ended(Failure(SENSELESS, "the proxy's URL is none of an HTTP proxy"))

    def _resolve(self, host: str, port: int) -> None:
        begins = time.monotonic()
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        self.seen["name_seconds"] = time.monotonic() - begins
        if not found:
            whose = "the proxy's name" if self.seen.get("proxy") else "its name"
            raise _Ended(Failure(UNREACHABLE, f"{whose} cannot be resolved"))
        self.seen["addresses"] = tuple(dict.fromkeys(str(row[4][0]) for row in found))

    def _connected(self, port: int) -> socket.socket:
        problem = Failure(UNREACHABLE, "no way leads there")
        for address in self.seen["addresses"]:
            begins = time.monotonic()
            try:
                link = socket.create_connection((address, port), CONNECT_SECONDS)
            except ConnectionRefusedError:
                problem = Failure(UNREACHABLE, "the connection is refused")
            except TimeoutError:
                problem = Failure(TIMED_OUT, f"no connection within {CONNECT_SECONDS:g} s")
            except OSError:
                continue
            else:
                self.seen |= {"address": address, "connect_seconds": time.monotonic() - begins}
                link.settimeout(_ANSWER_SECONDS)
                return link
        raise _Ended(problem)

    def _tunnel(self, link: socket.socket, proxy: Any) -> None:
        authority = f"{self._endpoint.host}:{self._endpoint.port}"
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        if proxy.username:
            from base64 import b64encode

            pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
            lines.append(f"Proxy-Authorization: Basic {b64encode(pair.encode()).decode()}")
        status, _ = self._exchange(link, lines)
        if not 200 <= status < 300:
            raise _Ended(Failure(UNREACHABLE, f"the proxy does not let us through ({status})"))

    def _secured(self, link: socket.socket, port: int, proxy: Any) -> ssl.SSLSocket:
        context = self._context()
        begins = time.monotonic()
        try:
            secured = context.wrap_socket(link, server_hostname=self._host)
        except ssl.SSLCertVerificationError as error:
            verdict = VERDICTS.get(error.verify_code, f"OpenSSL's verdict is {error.verify_code}")
            problem = Failure(UNTRUSTED, f"its certificate is not to be trusted: {verdict}")
        except TimeoutError:
            problem = Failure(TIMED_OUT, f"no TLS within {_ANSWER_SECONDS:g} s")
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, ConnectionError):
            problem = Failure(UNREACHABLE, "the connection was closed during TLS")
        except (OSError, ValueError):
            problem = Failure(UNTRUSTED, "TLS 1.2 or newer cannot be agreed on")
        else:
            self.seen |= {"tls_seconds": time.monotonic() - begins, "tls": secured.version() or ""}
            self.seen["chain"] = _chain(secured, "get_verified_chain")
            return secured
        if problem.kind == UNTRUSTED:
            self._look_at_stranger(port, proxy)
        raise _Ended(problem)

    def _context(self) -> ssl.SSLContext:
        """As the transports have it: the same authorities, TLS 1.2 or newer."""
        chosen = authorities(self._route.ca_bundle, self._environ, lambda _what, _hint: None)  # told as a finding
        self.seen["trusted"] = " and ".join(filter(None, (chosen.file, chosen.folder))) or "the launcher itself"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(chosen.file, chosen.folder, chosen.pem.decode() if chosen.pem else None)
        except (OSError, ValueError):
            what = f"the authorities in {self.seen['trusted']} cannot be read"
            raise _Ended(Failure(UNTRUSTED, what)) from None
        return context

    def _look_at_stranger(self, port: int, proxy: Any) -> None:
        """Whose certificate a server shows that nobody trusts: on a connection of its own; nothing is sent over it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        try:
            with socket.create_connection((self.seen["address"], port), CONNECT_SECONDS) as link:
                link.settimeout(_ANSWER_SECONDS)
                if proxy is not None:
                    self._tunnel(link, proxy)
                with context.wrap_socket(link, server_hostname=self._host) as secured:
                    self.seen |= {"chain": _chain(secured, "get_unverified_chain"), "tls": secured.version() or ""}
        except (OSError, ValueError, _Ended):
            return

    def _ask(self, link: socket.socket) -> None:
        begins, before = time.monotonic(), time.time()
        path = self._endpoint.path or "/"
        status, head = self._exchange(
            link,
            [
                f"HEAD {path} HTTP/1.1",
                f"Host: {self._endpoint.authority}",
                f"User-Agent: secrets-exec/{__version__}",
                "Connection: close",
            ],
        )
        self.seen |= {"status": status, "answer_seconds": time.monotonic() - begins}
        self.seen["ahead"] = _ahead(head, (before + time.time()) / 2)

    def _exchange(self, link: socket.socket, lines: list[str]) -> tuple[int, list[str]]:
        """Send a head, and read the status and the lines of the one that comes."""
        data, ends = b"", time.monotonic() + _ANSWER_SECONDS
        try:
            link.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            while b"\r\n\r\n" not in data and len(data) < _LARGEST_HEAD:
                link.settimeout(max(0.001, ends - time.monotonic()))
                part = link.recv(1 << 12)
                if not part:
                    break
                data += part
        except TimeoutError:
            raise _Ended(Failure(TIMED_OUT, f"no answer within {_ANSWER_SECONDS:g} s")) from None
        except (OSError, ValueError):
            raise _Ended(Failure(UNREACHABLE, "the connection was closed before an answer")) from None
        first, *rest = data.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        words = first.split()
        if len(words) < 2 or not words[0].startswith("HTTP/") or not (words[1].isdigit() and len(words[1]) == 3):
            raise _Ended(Failure(SENSELESS, "what it sends is no HTTP"))
        return int(words[1]), rest


def _is_exempt(host: str, exempt: str) -> bool:
    """Whether a host is among those of NO_PROXY: itself, or beneath one of them."""
    names = [name.strip().lower().lstrip(".").partition(":")[0] for name in exempt.split(",")]
    return "*" in names or any(name and (host == name or host.endswith(f".{name}")) for name in names)


def _ahead(head: Iterable[str], now: float) -> int | None:
    """How far `now` is ahead of the head's Date, which is cut to whole seconds."""
    fields = (line.partition(":") for line in head)
    date = next((value.strip() for name, _, value in fields if name.strip().lower() == "date"), "")
    parsed = parsedate_tz(date[:64])
    try:
        return round(now - mktime_tz(parsed) - 0.5) if parsed else None
    except (ValueError, OverflowError):
        return None


def _chain(secured: ssl.SSLSocket, which: str) -> tuple[Certificate, ...]:
    """A chain of certificates, its own first; the ssl module gives more than that one only to its own insides."""
    inside = getattr(secured, "_sslobj", None)
    try:
        infos = [one.get_info() for one in getattr(inside, which)() or ()]
    except AttributeError:
        infos = [secured.getpeercert() or {}]
    return tuple(_certificate(info) for info in infos[:_MOST_CERTIFICATES] if info)


def _certificate(info: Mapping[str, Any]) -> Certificate:
    try:
        expires = float(ssl.cert_time_to_seconds(info["notAfter"]))
    except (KeyError, ValueError):
        expires = 0.0
    return Certificate(_name(info.get("subject", ())), _name(info.get("issuer", ())), expires)


def _name(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """What a certificate calls somebody: the common name, else the organisation."""
    found = {name: value for part in parts for name, value in part}
    return (found.get("commonName") or found.get("organizationName") or "nobody")[:_LONGEST_NAME]
