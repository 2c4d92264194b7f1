"""One server looked at, step by step, up to where the way ends."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
import trustme
from loopback import Proxy, Server, answer, drip, hang, reset

from envinject.transports import SENSELESS, TIMED_OUT, UNREACHABLE, UNTRUSTED, Route
from envinject.transports.probe import Sight, look, look_at
from envinject.url import parse_endpoint

TLS = Callable[..., ssl.SSLContext]


def _look(url: str, ca_file: str | None = None, *, proxy: str | None = None, **environ: str) -> Sight:
    endpoint = parse_endpoint(url)
    assert endpoint is not None
    return look(endpoint, Route(ca_file, proxy), environ)


def _kind(sight: Sight) -> str:
    assert sight.problem is not None
    assert sight.problem.what.isascii()
    return sight.problem.kind


def test_the_whole_way_is_told(tls: TLS, ca_file: str) -> None:
    dated = answer(401, b"", {"Date": formatdate(time.time() - 90, usegmt=True)})
    with Server({"/": [dated]}, context=tls()) as server:
        sight = _look(server.url, ca_file)

    assert sight.problem is None
    assert (sight.addresses, sight.address) == (("127.0.0.1",), "127.0.0.1")
    assert sight.tls in ("TLSv1.2", "TLSv1.3")
    assert (sight.status, sight.trusted, sight.proxy) == (401, ca_file, "")
    assert sight.ahead is not None
    assert 88 <= sight.ahead <= 92
    seconds = [sight.name_seconds, sight.connect_seconds, sight.tls_seconds, sight.answer_seconds]
    assert all(each is not None and 0 <= each < 15 for each in seconds)
    assert len(sight.chain) == 2
    assert all(one.subject and one.issuer and one.expires > time.time() for one in sight.chain)


def test_no_credential_and_no_body_is_sent(tls: TLS, ca_file: str) -> None:
    with Server({"/x": [answer()]}, context=tls()) as server:
        _look(f"{server.url}/x", ca_file, HTTPS_TOKEN="canary")
    (asked,) = server.received
    assert (asked.method, asked.target, asked.body) == ("HEAD", "/x", b"")
    assert set(asked.headers) == {"host", "user-agent", "connection"}


def test_plain_http_on_this_machine_has_no_tls() -> None:
    with Server({"/": [answer(404)]}) as server:
        sight = _look(server.url)
    assert (sight.status, sight.tls, sight.chain, sight.ahead) == (404, "", (), None)


def test_plain_http_elsewhere_is_not_spoken() -> None:
    assert _kind(_look("http://secrets.example.test")) == SENSELESS


def test_a_name_that_nobody_knows() -> None:
    sight = _look("https://secrets.invalid")
    assert (_kind(sight), sight.addresses) == (UNREACHABLE, ())


def test_a_port_that_nobody_listens_on(unused: int) -> None:
    sight = _look(f"https://127.0.0.1:{unused}")
    assert (_kind(sight), sight.addresses, sight.connect_seconds) == (UNREACHABLE, ("127.0.0.1",), None)


@pytest.fixture
def unused() -> int:
    with Server({}) as server:
        return server.port


def test_a_certificate_that_is_not_trusted_is_shown_and_nothing_is_asked(tls: TLS) -> None:
    stranger = trustme.CA()
    authority = trustme.CA()
    with Server({"/": [answer()]}, context=tls(of=stranger)) as server:
        sight = _look(server.url, SSL_CERT_FILE=_written(authority))
    assert _kind(sight) == UNTRUSTED
    assert sight.problem is not None
    assert "its authority is unknown" in sight.problem.what
    assert sight.chain[0].issuer.startswith("trustme")
    assert (sight.status, server.received) == (None, [])


def _written(authority: trustme.CA) -> str:
    authority.cert_pem.write_to_path("other.pem")
    return "other.pem"


@pytest.mark.parametrize(
    ("names", "how", "verdict"),
    [
        (("other.example.test",), {}, "it is for another"),
        (
            ("127.0.0.1",),
            {"not_before": datetime(2001, 1, 1, tzinfo=UTC), "not_after": datetime(2002, 1, 1, tzinfo=UTC)},
            "it has expired",
        ),
    ],
    ids=["another host", "expired"],
)
def test_the_verdict_is_in_our_own_words(
    tls: TLS, ca_file: str, names: tuple[str, ...], how: dict, verdict: str
) -> None:
    with Server({"/": [answer()]}, context=tls(*names, **how)) as server:
        sight = _look(server.url, ca_file)
    assert sight.problem is not None
    assert (sight.problem.kind, verdict in sight.problem.what) == (UNTRUSTED, True)
    assert sight.chain


def test_the_expiry_is_that_of_the_certificate(tls: TLS, ca_file: str) -> None:
    ends = datetime.now(UTC) + timedelta(days=5)
    with Server({"/": [answer()]}, context=tls(not_after=ends)) as server:
        sight = _look(server.url, ca_file)
    assert abs(sight.chain[0].expires - ends.timestamp()) < 2


def test_authorities_that_cannot_be_read() -> None:
    with Server({"/": [answer()]}) as server:
        sight = _look(server.url.replace("http", "https"), "missing.pem")
    assert sight.problem is not None
    assert sight.problem.what == "the authorities in missing.pem cannot be read"


def test_a_server_that_speaks_no_tls() -> None:
    with Server({"/": [answer()]}) as server:
        sight = _look(server.url.replace("http", "https"))
    assert _kind(sight) in (UNTRUSTED, UNREACHABLE, TIMED_OUT)
    assert sight.status is None


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (b"220 smtp.example.test\r\n\r\n", SENSELESS),
        (b"HTTP/1.1 canary X\r\n\r\n", SENSELESS),
        (b"\xff\xfe", SENSELESS),
        (b"", SENSELESS),
        (reset, UNREACHABLE),
        pytest.param(hang, TIMED_OUT, marks=pytest.mark.slow),
        pytest.param(drip(b"HTTP/1.1 200 X\r\nX: "), TIMED_OUT, marks=pytest.mark.slow, id="drip"),
    ],
)
def test_an_answer_that_is_none(step, kind: str) -> None:
    with Server({"/": [step]}) as server:
        sight = _look(server.url)
    assert _kind(sight) == kind
    assert "canary" not in repr(sight)


def test_the_way_leads_through_the_proxy(tls: TLS, ca_file: str) -> None:
    with Server({"/": [answer(401)]}, context=tls("store.example.test")) as server, Proxy(server.port) as proxy:
        url = f"http://user:canary@127.0.0.1:{proxy.port}"
        sight = _look("https://store.example.test", ca_file, HTTPS_PROXY=url)
    assert (sight.status, sight.problem, sight.proxy) == (401, None, f"127.0.0.1:{proxy.port}")
    assert proxy.targets == ["store.example.test:443"]
    assert "canary" not in repr(sight)
    assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")


def test_a_proxy_that_refuses(ca_file: str) -> None:
    with Proxy(1, status=407) as proxy:
        sight = _look("https://store.example.test", ca_file, proxy=f"http://127.0.0.1:{proxy.port}")
    assert sight.problem is not None
    assert sight.problem.what == "the proxy does not let us through (407)"


@pytest.mark.parametrize("exempt", ["127.0.0.1", "example.test, 127.0.0.1", "*", ".0.0.1"])
def test_an_exempt_host_needs_no_proxy(tls: TLS, ca_file: str, exempt: str) -> None:
    with Server({"/": [answer(401)]}, context=tls()) as server:
        sight = _look(server.url, ca_file, HTTPS_PROXY="http://127.0.0.1:1", NO_PROXY=exempt)
    assert (sight.status, sight.proxy) == (401, "")


@pytest.mark.parametrize("url", ["http://[::1", "http://x:canary", "http://"])
def test_a_proxy_that_is_none(url: str) -> None:
    sight = _look("https://store.example.test", HTTPS_PROXY=url)
    assert _kind(sight) == SENSELESS
    assert "canary" not in repr(sight)


def test_many_are_looked_at_at_once_and_not_for_ever() -> None:
    with Server({}, otherwise=hang) as silent, Server({"/": [answer()]}) as quick:
        ends = [parse_endpoint(silent.url), parse_endpoint(quick.url)]
        targets = [(end, Route()) for end in ends if end is not None]
        begins = time.monotonic()
        found = look_at(targets, {}, 0.5)
        assert time.monotonic() - begins < 4
    assert found[targets[1]].status == 200
    late = found[targets[0]].problem
    assert late is not None
    assert (late.kind, late.what) == (TIMED_OUT, "no end within 0.5 s")
