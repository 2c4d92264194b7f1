"""Transports: requests in, answers as they come out. Nothing above knows which one runs.

A transport holds sockets and perhaps threads. It knows nothing of secrets, retries or signatures.
"""

from __future__ import annotations

from ..errors import UsageError
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Protocol

    from ..timeline import Phases
    from ..url import Endpoint

    Warn = Callable[[str, str], None]
    """Takes what there is to warn of, and a hint."""

CONNECT_SECONDS = 3.0
"""The time to connect to one address; the next address is tried after it."""

METADATA_HOST = "169.254.169.254"
"""Where a cloud's server asks about itself: link-local, and always plain http."""

LARGEST_ANSWER = 1 << 20
"""Bytes of an answer's body, after decompression."""


class Route(Record):
    """How a provider's servers are reached: whom to trust, through whom.

    `ca_bundle` is the path of a file of authorities; None for the system's. `proxy` is the URL of an HTTP
    proxy, `""` for none, None for what the environment says.
    """

    ca_bundle: str | None = None
    proxy: str | None = None


class Request(Record):
    """One HTTP request. `target` is sent as it stands; header and body may hold credentials."""

    method: str
    endpoint: Endpoint
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    route: Route = Route()

    def __init__(
        self,
        method: str,
        endpoint: Endpoint,
        target: str,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
        route: Route = Route(),  # noqa: B008  # it does not change
    ) -> None:
        fields = self.__dict__  # by hand, since there are thousands; and so below
        fields["method"], fields["endpoint"], fields["target"] = method, endpoint, target
        fields["headers"], fields["body"], fields["route"] = headers, body, route

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.endpoint.authority}{self.target}>"


class Answer(Record):
    """One HTTP answer, whole. `headers` has lower-case names; `received` is Unix time in seconds.

    `attempts` is the number of times that the request was sent for it; `given_up` says why not once more.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    received: float = 0.0
    attempts: int = 1
    given_up: str = ""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        received: float = 0.0,
        attempts: int = 1,
        given_up: str = "",
    ) -> None:
        fields = self.__dict__
        fields["status"], fields["headers"], fields["body"] = status, headers, body
        fields["received"], fields["attempts"], fields["given_up"] = received, attempts, given_up

    def __repr__(self) -> str:
        return f"<Answer {self.status}>"


# Why no answer came.
UNREACHABLE, TIMED_OUT, TRUNCATED = "unreachable", "timed out", "truncated"
UNTRUSTED, SENSELESS, TOO_LARGE, REFUSED = "untrusted", "senseless", "too large", "refused"

RETRIED_FAILURES = frozenset({UNREACHABLE, TIMED_OUT, TRUNCATED})


class Failure(Record):
    """No answer: `kind` is one of the words above, `what` says it in our own words."""

    kind: str
    what: str


if TYPE_CHECKING:
    Tag = int
    """The engine's number of an attempt."""

    Measure = Callable[[Tag, Phases], None]
    """Who wants to know how far an attempt had come at what time; told before the attempt's outcome."""

    class Ending(Protocol):
        """How signals that ask to end do so while a transport waits: `child/ending.py`."""

        def descriptors(self) -> Mapping[int, Callable[[], object]]:
            """What to look at beside sockets, and what to call once it can be read."""

        def handlers(self) -> None:
            """Have handlers instead, for a wait that they interrupt."""

    class Transport(Protocol):
        """What every transport does (`tests/transports/test_contract.py` holds it to this)."""

        def send(self, tag: Tag, request: Request, seconds: float) -> None:
            """Begin; the attempt may take so long. Never blocks, never raises for what a network does."""

        def wait(self, seconds: float) -> Sequence[tuple[Tag, Answer | Failure]]:
            """What has come since, at the latest after `seconds`; may be nothing. Signals are handled."""

        def abandon(self, tag: Tag) -> None:
            """Nobody waits for this attempt any more."""

        def close(self) -> None:
            """Let go of everything, at once, whatever is under way."""


def is_refused_plain(endpoint: Endpoint) -> bool:
    """Whether an endpoint would be spoken to without TLS though it is neither this machine nor its metadata."""
    return endpoint.scheme != "https" and not (endpoint.is_loopback or endpoint.host == METADATA_HOST)


def proxy_for(request: Request, environ: Mapping[str, str]) -> tuple[str, str]:
    """The URL of the proxy for a request, empty for none, and the hosts that are exempt from it (`NO_PROXY`).

    Plain http never leaves this machine, so it has no proxy.
    """
    if request.endpoint.scheme != "https":
        return "", ""
    if request.route.proxy is not None:
        return request.route.proxy, ""
    proxy = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    return proxy, environ.get("NO_PROXY") or environ.get("no_proxy") or ""


def ends_in_its_head(status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a success over HTTP/1 has nothing that says how long it is, and no body: no library notices that."""
    return status == 200 and not body and "content-length" not in headers and "transfer-encoding" not in headers


def open_transport(
    environ: Mapping[str, str], warn: Warn, measure: Measure | None = None, ending: Ending | None = None
) -> Transport:
    """The transport of this run, imported now and not earlier. `environ` is the launcher's environment.

    SECRETS_EXEC_TRANSPORT names it; without that it is curl where pycurl is installed. `measure` is told of times,
    `ending` is asked how the waiting is to be ended by signals.
    Raises: UsageError when the one that is named is not there.
    """
    name = environ.get("SECRETS_EXEC_TRANSPORT", "")
    if name not in ("", "curl", "requests"):
        raise UsageError("SECRETS_EXEC_TRANSPORT names no transport", hint="it is curl or requests")
    if name != "requests":
        try:
            from .curl import CurlTransport

            return CurlTransport(environ, warn, measure, ending)
        except ImportError:
            pass
        if name:
            raise UsageError("the transport curl needs pycurl", hint="pip install pycurl, or leave the variable out")
    from .requests import RequestsTransport

    if ending is not None:
        ending.handlers()
    return RequestsTransport(environ, warn, measure)
