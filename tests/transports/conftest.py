"""Both transports, driven as the engine drives them, and whom they trust."""

from __future__ import annotations

import importlib.util
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from envinject.transports import Answer, Failure, Request, Route, open_transport
from envinject.url import parse_endpoint

if TYPE_CHECKING:
    from envinject.transports import Measure, Transport

LONG = 15.0
"""Seconds that no test needs; to wait so long is to hang."""

Outcome = Answer | Failure


class Driver:
    """A transport, and the seconds that it takes at most are a test's failure."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._tag = 0

    def send(self, request: Request, seconds: float = LONG) -> int:
        self._tag += 1
        self.transport.send(self._tag, request, seconds)
        return self._tag

    def outcomes(self, tags: set[int]) -> dict[int, Outcome]:
        """Wait until there is an outcome of each."""
        found: dict[int, Outcome] = {}
        ends = time.monotonic() + LONG
        while missing := tags - found.keys():
            assert time.monotonic() < ends, f"no outcome of {missing}"
            found.update(self.transport.wait(1.0))
        return found

    def exchange(self, request: Request, seconds: float = LONG) -> Outcome:
        """Send one request and wait for what comes of it."""
        tag = self.send(request, seconds)
        return self.outcomes({tag})[tag]


@pytest.fixture(params=["requests", "curl"])
def transport_name(request: pytest.FixtureRequest) -> str:
    """Each transport in turn."""
    if request.param == "curl" and importlib.util.find_spec("pycurl") is None:
        pytest.skip("pycurl is not installed")
    return str(request.param)


@pytest.fixture
def drive(transport_name: str) -> Iterator[Callable[..., Driver]]:
    """Open a transport for a launcher's environment: `drive({"HTTPS_PROXY": ...})`."""
    opened: list[Transport] = []

    def drive(environ: Mapping[str, str] | None = None, measure: Measure | None = None) -> Driver:
        transport = open_transport({"SECRETS_EXEC_TRANSPORT": transport_name, **(environ or {})}, pytest.fail, measure)
        opened.append(transport)
        return Driver(transport)

    yield drive
    for transport in opened:
        transport.close()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The authority's own certificate, in a file."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """A server's context with a certificate for some names: `tls("localhost", expires_at=...)`."""

    def tls(*names: str, of: trustme.CA = authority, **how: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        of.issue_cert(*(names or ("127.0.0.1", "localhost")), **how).configure_cert(context)
        return context

    return tls


@pytest.fixture
def get() -> Callable[..., Request]:
    """A GET of a URL's origin and a target: `get(server.url, "/a?b=c", ca_bundle=...)`."""

    def get(url: str, target: str = "/", *, proxy: str | None = None, ca_bundle: str | None = None) -> Request:
        endpoint = parse_endpoint(url)
        assert endpoint is not None
        return Request("GET", endpoint, target, (("Accept", "application/json"),), route=Route(ca_bundle, proxy))

    return get
