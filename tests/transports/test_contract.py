"""What every transport does, and nobody above it has to know which one runs."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
from loopback import Loopback, Proxy, Server, answer, drip, hang, reset

from envinject.timeline import Phases
from envinject.transports import (
    LARGEST_ANSWER,
    SENSELESS,
    TIMED_OUT,
    TOO_LARGE,
    TRUNCATED,
    UNREACHABLE,
    UNTRUSTED,
    Answer,
    Failure,
    Request,
    Route,
)
from envinject.url import Endpoint, parse_endpoint

CANARY = "c4n4ry-of-the-server"


def kind(outcome: Answer | Failure) -> str:
    """Why no answer came; the status of one that came after all."""
    if isinstance(outcome, Answer):
        return f"answered {outcome.status}"
    assert CANARY not in outcome.what
    assert outcome.what.isascii()
    assert outcome.what.isprintable()
    return outcome.kind


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


# What is measured


def test_whoever_wants_to_know_is_told_how_far_an_attempt_had_come(drive, get, tls, ca_file):
    told: dict[int, Phases] = {}
    with Server({"/": [answer(200, b"x")]}, context=tls()) as server:
        before = time.monotonic()
        driver = drive({}, told.__setitem__)
        tag = driver.send(get(server.url, "/", ca_bundle=ca_file))
        assert kind(driver.outcomes({tag})[tag]) == "answered 200"
    phases = told[tag]
    moments = [phases.began, phases.connected, phases.secured, phases.answered]
    assert None not in moments
    assert (moments := [before - 0.01, *moments, time.monotonic()]) == sorted(moments)


def test_an_attempt_without_a_connection_has_no_later_moment(drive, get):
    told: dict[int, Phases] = {}
    driver = drive({}, told.__setitem__)
    tag = driver.send(get(f"http://127.0.0.1:{unused_port()}"))
    assert kind(driver.outcomes({tag})[tag]) == UNREACHABLE
    assert (told[tag].secured, told[tag].answered) == (None, None)


# What is sent


def test_an_answer_comes_with_its_status_its_headers_in_lower_case_and_its_body(drive, get):
    with Server({"/a": [answer(203, b"body", {"X-Some-Name": "Some Value"})]}) as server:
        outcome = drive().exchange(get(server.url, "/a"))
    assert (outcome.status, outcome.body) == (203, b"body")
    assert outcome.headers["x-some-name"] == "Some Value"


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/secrets/7a0c-41_x.y/versions/value?version=3",
        "/prefix/api/v1/secrets/4f1c/values",
        "/~user/%2F%20x?a=b&c=d%26e",
    ],
)
def test_the_target_is_sent_as_it_stands(drive, get, target):
    with Server(otherwise=answer()) as server:
        drive().exchange(get(server.url, target))
    assert server.received[0].target == target


def test_method_headers_and_body_are_sent_as_they_are(drive):
    with Server(otherwise=answer(201)) as server:
        headers = (("X-Auth-Token", "tok en"), ("Content-Type", "application/json"))
        request = Request("POST", parse_endpoint(server.url), "/t", headers, '{"a":"é"}'.encode())
        drive().exchange(request)
    (received,) = server.received
    assert (received.method, received.body) == ("POST", '{"a":"é"}'.encode())
    assert received.headers["x-auth-token"] == "tok en"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["content-length"] == "10"


def test_a_put_without_a_body_is_no_chunked_one(drive):
    with Server(otherwise=answer()) as server:
        drive().exchange(Request("PUT", parse_endpoint(server.url), "/t", (("X-TTL", "300"),)))
    assert server.received[0].method == "PUT"
    assert "transfer-encoding" not in server.received[0].headers


def test_nothing_is_sent_that_nobody_asked_for(drive, get):
    with Server(otherwise=answer()) as server:
        drive().exchange(get(server.url))
        headers = dict(server.received[0].headers)
        assert headers.pop("host") == server.url.removeprefix("http://")
    assert headers.pop("user-agent").startswith("secrets-exec/")
    assert headers.pop("accept-encoding") == "identity"
    assert headers.pop("accept") == "application/json"
    assert headers in ({}, {"connection": "close"})


def test_netrc_is_never_read(drive, get, tmp_path):
    netrc = "default login someone password netrc-canary\n"
    for place in (Path.home() / ".netrc", tmp_path / "named"):
        place.write_text(netrc)
        place.chmod(0o600)
    with Server(otherwise=answer()) as server:
        drive({"HOME": str(Path.home()), "NETRC": str(tmp_path / "named")}).exchange(get(server.url))
    assert "authorization" not in server.received[0].headers


def test_a_cookie_is_not_sent_back(drive, get):
    with Server(otherwise=answer(200, b"", {"Set-Cookie": "a=b; Path=/"})) as server:
        driver = drive()
        for _ in range(2):
            driver.exchange(get(server.url))
    assert [request.headers.get("cookie") for request in server.received] == [None, None]


# Many at once


def test_each_of_a_hundred_requests_gets_its_own_answer(drive, get):
    script = {f"/{number}": [answer(200, b"value %d" % number)] for number in range(100)}
    with Server(script) as server:
        driver = drive()
        tags = {driver.send(get(server.url, f"/{number}")): number for number in range(100)}
        outcomes = driver.outcomes(set(tags))
    assert {tags[tag]: outcome.body for tag, outcome in outcomes.items()} == {
        number: b"value %d" % number for number in range(100)
    }


@pytest.mark.parametrize("secured", [False, True], ids=["plain", "tls"])
def test_requests_are_under_way_at_the_same_time(drive, get, tls, ca_file, secured):
    with Server(otherwise=answer(), gather=20, context=tls() if secured else None) as server:
        driver = drive()
        driver.outcomes({driver.send(get(server.url, ca_bundle=ca_file), seconds=5) for _ in range(20)})
    assert server.most == 20


def test_an_http_1_connection_carries_one_request(drive, get):
    kept = answer(200, b"ok", {"Connection": "keep-alive"})
    with Server(otherwise=kept) as server:
        driver = drive()
        for _ in range(3):
            driver.exchange(get(server.url))
    assert [request.connection for request in server.received] == [1, 2, 3]


def test_a_connection_goes_on_with_the_tls_session_of_an_earlier_one(drive, get, tls, ca_file, transport_name):
    if transport_name == "requests":
        pytest.skip("urllib3 begins a TLS session for each connection")
    at_once, rounds = 12, 5
    with Server(otherwise=answer(), gather=at_once, context=tls()) as server:
        driver = drive()
        for _ in range(rounds):
            driver.outcomes({driver.send(get(server.url, ca_bundle=ca_file)) for _ in range(at_once)})
        later = at_once * (rounds - 1)
        # The very first one found out what the host speaks, and keeps its session for those that share a connection.
        assert (server.connections, server.resumed) == (at_once * rounds, later - 1)


def test_an_answer_too_many_shifts_no_other(drive, get):
    def twice(number: int) -> bytes:
        kept = {"Connection": "keep-alive"}
        return answer(200, b"value %d" % number, kept) + answer(200, b"one too many", kept)

    with Server({f"/{number}": [twice(number)] for number in range(50)}) as server:
        driver = drive()
        for round_ in range(5):
            tags = {driver.send(get(server.url, f"/{number}")): number for number in range(round_ * 10, 50)}
            for tag, outcome in driver.outcomes(set(tags)).items():
                assert outcome.body == b"value %d" % tags[tag]


# Waiting


def test_waiting_ends_when_the_seconds_are_over(drive, get):
    with Server(otherwise=hang) as server:
        driver = drive()
        assert list(driver.transport.wait(0)) == []
        driver.send(get(server.url))
        began = time.monotonic()
        while time.monotonic() - began < 0.2:
            assert list(driver.transport.wait(0.2)) == []
        assert time.monotonic() - began < 5


def test_a_signal_is_handled_while_it_waits(drive, get):
    handled: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda *_: handled.append(time.monotonic()))
    try:
        with Server(otherwise=hang) as server:
            driver = drive()
            driver.send(get(server.url))
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            began = time.monotonic()
            driver.transport.wait(1.0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert handled, "no handler ran"
    assert handled[0] - began < 0.7, "the handler ran only when the waiting was over"


def test_a_handler_that_raises_ends_the_waiting(drive, get):
    class Ended(Exception):
        pass

    def end(*_: object) -> None:
        raise Ended

    before = signal.signal(signal.SIGALRM, end)
    try:
        with Server(otherwise=hang) as server:
            driver = drive()
            driver.send(get(server.url))
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(Ended):
                driver.transport.wait(10.0)
    finally:
        signal.signal(signal.SIGALRM, before)


def test_an_abandoned_request_brings_the_others_no_harm(drive, get):
    with Server({"/hangs": [hang], "/answers": [answer(200, b"ok")]}) as server:
        driver = drive()
        tag = driver.send(get(server.url, "/hangs"))
        driver.transport.wait(0.01)
        driver.transport.abandon(tag)
        assert driver.exchange(get(server.url, "/answers")).body == b"ok"


def test_abandoning_what_is_unknown_or_done_is_nothing(drive, get):
    with Server(otherwise=answer(200, b"ok")) as server:
        driver = drive()
        driver.transport.abandon(99)
        driver.exchange(get(server.url))
        driver.transport.abandon(1)
        assert driver.exchange(get(server.url)).body == b"ok"


def test_closing_is_at_once_whatever_is_under_way(drive, get):
    with Server(otherwise=hang) as server:
        driver = drive()
        for _ in range(5):
            driver.send(get(server.url))
        driver.transport.wait(0.05)
        began = time.monotonic()
        driver.transport.close()
        assert time.monotonic() - began < 1


# Answers that are none


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_never_followed(drive, get, status):
    with Server(otherwise=answer(200, b"evil")) as evil:
        for location in (f"{evil.url}/x", f"//127.0.0.1:{evil.port}/x", "/elsewhere"):
            with Server({"/a": [answer(status, b"", {"Location": location})]}) as server:
                assert drive().exchange(get(server.url, "/a")).status == status
                assert len(server.received) == 1
        assert evil.connections == 0


def test_statuses_come_as_they_are(drive, get):
    statuses = [200, 201, 204, 206, 304, 400, 401, 403, 404, 407, 418, 429, 500, 503, 599]
    with Server({f"/{status}": [answer(status)] for status in statuses}) as server:
        driver = drive()
        assert [driver.exchange(get(server.url, f"/{status}")).status for status in statuses] == statuses


def test_an_answer_may_be_1_mib_and_no_byte_more(drive, get):
    most = b"x" * LARGEST_ANSWER
    chunked = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(17))
    script = {
        "/most": [answer(200, most)],
        "/more": [answer(200, most + b"x")],
        "/claimed": [answer(200, b"x", {"Content-Length": str(1 << 40)})],
        "/chunked": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked + b"0\r\n\r\n"],
        "/endless": [drip(b"HTTP/1.1 200 OK\r\n\r\n", most)],
    }
    with Server(script) as server:
        driver = drive()
        assert driver.exchange(get(server.url, "/most")).body == most
        assert kind(driver.exchange(get(server.url, "/more"))) == TOO_LARGE
        assert kind(driver.exchange(get(server.url, "/chunked"))) == TOO_LARGE
        assert kind(driver.exchange(get(server.url, "/endless"))) == TOO_LARGE
        assert kind(driver.exchange(get(server.url, "/claimed"))) in (TOO_LARGE, TRUNCATED)


def bomb(layers: int) -> bytes:
    """256 MiB of nothing, compressed so many times."""
    data = gzip.compress(bytes(1 << 20)) * 256
    for _ in range(layers - 1):
        data = gzip.compress(data)
    return data


@pytest.mark.parametrize("layers", [1, 2, 3, 9])
def test_a_bomb_does_not_explode(drive, get, layers):
    headers = {"Content-Encoding": ", ".join(["gzip"] * layers)}
    with Server(otherwise=answer(200, bomb(layers), headers)) as server:
        tracemalloc.start()
        try:
            assert kind(drive().exchange(get(server.url))) in (TOO_LARGE, SENSELESS)
            assert tracemalloc.get_traced_memory()[1] < 1 << 25
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_that_nobody_asked_for_is_read_or_refused_and_never_taken_as_it_is(drive, get, encoding):
    compressed = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding](b"value")
    with Server(otherwise=answer(200, compressed, {"Content-Encoding": encoding})) as server:
        outcome = drive().exchange(get(server.url))
    assert outcome == Failure(SENSELESS, "its answer is compressed") or outcome.body == b"value"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_broken_compression_makes_no_sense(drive, get, encoding):
    with Server(otherwise=answer(200, b"\xff\xff" + CANARY.encode(), {"Content-Encoding": encoding})) as server:
        assert kind(drive().exchange(get(server.url))) == SENSELESS


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        OK + b"Content-Length: 100\r\n\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n64\r\nhalf",
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["length", "between chunks", "within a chunk", "before a chunk"],
)
def test_a_body_that_ends_too_early_is_truncated(drive, get, sent):
    with Server(otherwise=sent) as server:
        assert kind(drive().exchange(get(server.url))) == TRUNCATED


@pytest.mark.parametrize(
    "step",
    [b"", reset, b"HTTP/1.1 200 O", b"HTTP/1.1 200 OK\r\nContent-Le"],
    ids=["closed", "reset", "within the status", "within a header"],
)
def test_a_connection_that_ends_before_an_answer_may_pass(drive, get, step):
    with Server(otherwise=step) as server:
        assert kind(drive().exchange(get(server.url))) in (UNREACHABLE, TRUNCATED)


@pytest.mark.parametrize(
    "sent",
    [
        f"{CANARY} is what I say\r\n\r\n".encode(),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"X: " + b"y" * (1 << 20) + b"\r\n\r\n",
        OK + b"".join(b"X-%d: y\r\n" % number for number in range(20_000)) + b"\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + CANARY.encode() + b"\r\n",
    ],
    ids=["words", "ssh", "tls", "status", "long header", "many headers", "no chunk"],
)
def test_what_is_no_http_makes_no_sense(drive, get, sent):
    with Server(otherwise=sent) as server:
        assert kind(drive().exchange(get(server.url))) in (SENSELESS, TOO_LARGE, TRUNCATED)


def test_an_interim_answer_is_not_the_answer(drive, get):
    interim = b"HTTP/1.1 100 Continue\r\nX-A: no\r\n\r\n"
    with Server(otherwise=interim * 3 + answer(200, b"ok")) as server:
        outcome = drive().exchange(get(server.url))
    assert (outcome.status, outcome.body) == (200, b"ok")
    assert "x-a" not in outcome.headers


# No answer in time


@pytest.mark.parametrize(
    "step",
    [hang, drip(b"", b""), drip(OK + b"Content-Length: 9\r\n\r\nhalf", b"")],
    ids=["nothing", "no byte", "half an answer"],
)
def test_silence_is_a_time_out(drive, get, step):
    with Server(otherwise=step) as server:
        assert kind(drive().exchange(get(server.url), seconds=0.2)) == TIMED_OUT


def test_a_port_where_nobody_listens_is_unreachable(drive, get):
    assert kind(drive().exchange(get(f"http://127.0.0.1:{unused_port()}"))) == UNREACHABLE


def test_a_name_that_is_none_is_unreachable(drive, get):
    outcome = drive().exchange(get("https://no-such-host.invalid"))
    assert outcome == Failure(UNREACHABLE, "its name cannot be resolved")


def test_the_other_address_is_tried_where_nobody_listens_on_the_first(drive, get):
    if {family for family, *_ in socket.getaddrinfo("localhost", 1, type=socket.SOCK_STREAM)} == {socket.AF_INET}:
        pytest.skip("localhost has no IPv6 address here")
    with Server(otherwise=answer(200, b"ok")) as server:
        assert drive().exchange(get(f"http://localhost:{server.port}")).body == b"ok"


@pytest.mark.parametrize("host", ["192.0.2.1", "api.kakaocloud.com", "127.0.0.1.example.com"])
def test_plain_http_never_leaves_this_machine(drive, host):
    with Proxy(1) as proxy:
        request = Request("GET", Endpoint("http", host, 80), "/", route=Route(proxy=proxy.url))
        outcome = drive({"HTTP_PROXY": proxy.url, "http_proxy": proxy.url, "ALL_PROXY": proxy.url}).exchange(request)
        assert outcome == Failure(SENSELESS, "plain http is for loopback only")
    assert proxy.connections == 0


# TLS


def hashed(folder: Path, ca_file: str) -> str:
    """A folder that holds an authority by its hash."""
    if not shutil.which("openssl"):
        pytest.skip("openssl makes the hash of a certificate's name, and is not installed")
    folder.mkdir()
    name = subprocess.check_output(["openssl", "x509", "-hash", "-noout", "-in", ca_file], text=True).strip()
    shutil.copy(ca_file, folder / f"{name}.0")
    return str(folder)


@pytest.fixture
def secure(tls):
    """A server behind TLS with a certificate for 127.0.0.1."""
    with Server(otherwise=answer(200, b"ok"), context=tls()) as server:
        yield server


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_environment_says_whom_to_trust(drive, get, secure, ca_file, variable):
    assert drive({variable: ca_file}).exchange(get(secure.url)).body == b"ok"


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"])
def test_whom_to_trust_may_be_a_folder(drive, get, secure, ca_file, tmp_path, variable):
    assert drive({variable: hashed(tmp_path / "hashed", ca_file)}).exchange(get(secure.url)).body == b"ok"


def test_ca_bundle_says_whom_to_trust_and_nobody_else(drive, get, secure, ca_file, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    trusting = get(secure.url, ca_bundle=ca_file)
    assert drive({"SSL_CERT_FILE": str(other)}).exchange(trusting).body == b"ok"
    distrusting = get(secure.url, ca_bundle=str(other))
    assert kind(drive({"SSL_CERT_FILE": ca_file}).exchange(distrusting)) == UNTRUSTED


def test_two_providers_may_trust_different_authorities(drive, get, secure, ca_file, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    driver = drive()
    assert driver.exchange(get(secure.url, ca_bundle=ca_file)).body == b"ok"
    assert kind(driver.exchange(get(secure.url, ca_bundle=str(other)))) == UNTRUSTED
    assert driver.exchange(get(secure.url, ca_bundle=ca_file)).body == b"ok"


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "no certificate"])
def test_authorities_that_cannot_be_read_are_no_reason_to_trust_others(drive, get, secure, tmp_path, content):
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    assert kind(drive().exchange(get(secure.url, ca_bundle=str(path)))) == UNTRUSTED
    assert kind(drive({"SSL_CERT_FILE": str(path)}).exchange(get(secure.url))) == UNTRUSTED
    assert secure.received == []


YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"of": trustme.CA()}, "authority is unknown"),
        ({"names": ("other.example.com",)}, "another"),
        ({"not_before": YESTERDAY - timedelta(days=1), "not_after": YESTERDAY}, "expired"),
        ({"not_before": YESTERDAY + timedelta(days=9), "not_after": YESTERDAY + timedelta(days=10)}, "not valid yet"),
    ],
    ids=["unknown authority", "another host", "expired", "not yet valid"],
)
def test_a_certificate_that_is_not_to_be_trusted_ends_it(drive, get, tls, ca_file, how, told):
    names = how.get("names", ())
    context = tls(*names, **{name: value for name, value in how.items() if name != "names"})
    with Server(otherwise=answer(200, b"ok"), context=context) as server:
        outcome = drive().exchange(get(server.url, ca_bundle=ca_file))
    assert kind(outcome) == UNTRUSTED
    assert told in outcome.what
    assert server.received == []


def test_the_name_that_was_asked_for_is_the_one_that_is_compared(drive, get, tls, ca_file):
    with Server(otherwise=answer(200, b"ok"), context=tls("localhost")) as server:
        driver = drive()
        assert driver.exchange(get(f"https://localhost:{server.port}", ca_bundle=ca_file)).body == b"ok"
        assert kind(driver.exchange(get(server.url, ca_bundle=ca_file))) == UNTRUSTED


def test_tls_older_than_1_2_is_refused(drive, get, tls, ca_file):
    context = tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with Server(otherwise=answer(200, b"ok"), context=context) as server:
        outcome = drive().exchange(get(server.url, ca_bundle=ca_file))
    assert kind(outcome) == UNTRUSTED
    assert server.received == []


class Raw(Loopback):
    """Does with every connection what it is told."""

    def __init__(self, does: Callable[[socket.socket, Any], object]) -> None:
        super().__init__()
        self._does = does

    def serve(self, connection: socket.socket, number: int) -> None:
        self._does(connection, number)


def refuse(connection: socket.socket, _number: int) -> None:
    """What a server without TLS says to a client that begins with it."""
    connection.recv(1)
    connection.sendall(answer(400))


def test_a_port_without_tls_is_not_spoken_to_without_it(drive, get):
    with Raw(refuse) as server:
        assert kind(drive().exchange(get(f"https://127.0.0.1:{server.port}"))) == UNTRUSTED


@pytest.mark.parametrize(
    "end",
    [lambda *_: None, lambda connection, _: connection.recv(1 << 16), reset],
    ids=["at once", "after the hello", "reset"],
)
def test_a_port_that_closes_during_tls_may_pass(drive, get, end):
    with Raw(end) as server:
        assert kind(drive().exchange(get(f"https://127.0.0.1:{server.port}"))) == UNREACHABLE


def test_a_port_that_says_nothing_during_tls_is_a_time_out(drive, get):
    with Raw(hang) as server:
        assert kind(drive().exchange(get(f"https://127.0.0.1:{server.port}"), seconds=0.2)) == TIMED_OUT


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "behind a proxy with TLS"])
def test_no_tls_key_is_ever_written(transport_name, secure, tls, ca_file, tmp_path, proxied):
    log = tmp_path / "keys.log"
    program = (
        "import os, sys\n"
        "from envinject.transports import Request, Route, open_transport\n"
        "from envinject.url import parse_endpoint\n"
        "transport = open_transport(dict(os.environ), print)\n"
        "route = Route(sys.argv[2], sys.argv[3])\n"
        "transport.send(1, Request('GET', parse_endpoint(sys.argv[1]), '/', route=route), 10)\n"
        "while not (came := transport.wait(10)): pass\n"
        "print(came[0][1].body)\n"
    )
    with Proxy(secure.port, context=tls()) as proxy:
        done = subprocess.run(
            [sys.executable, "-P", "-c", program, secure.url, ca_file, proxy.url if proxied else ""],
            env={**os.environ, "SSLKEYLOGFILE": str(log), "SECRETS_EXEC_TRANSPORT": transport_name},
            capture_output=True,
            timeout=60,
            check=False,
        )
    assert (done.stdout, done.stderr) == (b"b'ok'\n", b"")
    assert not log.exists()


# Proxies


@pytest.fixture
def proxy(secure):
    """A proxy that leads to the server, whatever host it is asked for."""
    with Proxy(secure.port) as proxy:
        yield proxy


STORE = "https://store.example.com"


class Way(Proxy):
    """The only way to a server."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.port)
        self.server = server


@pytest.fixture
def vendor(tls):
    """A server with the certificate of a host that is reached through a proxy alone."""
    with Server(otherwise=answer(200, b"ok"), context=tls("store.example.com")) as server, Way(server) as proxy:
        yield proxy


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_https_goes_through_the_environments_proxy(drive, get, vendor, ca_file, variable):
    assert drive({variable: vendor.url}).exchange(get(STORE, ca_bundle=ca_file)).body == b"ok"
    assert vendor.targets == ["store.example.com:443"]


def test_a_proxy_sees_no_header_of_ours_but_what_concerns_it(drive, vendor, ca_file):
    headers = (("X-Auth-Token", CANARY),)
    request = Request("GET", parse_endpoint(STORE), f"/{CANARY}", headers, route=Route(ca_file))
    drive({"HTTPS_PROXY": vendor.url}).exchange(request)
    assert CANARY not in repr(vendor.asked)
    assert vendor.server.received[0].headers["x-auth-token"] == CANARY


def test_a_proxys_user_and_password_are_for_the_proxy_alone(drive, get, vendor, ca_file):
    url = vendor.url.replace("://", "://someone:p%40ss@")
    assert drive({"HTTPS_PROXY": url}).exchange(get(STORE, ca_bundle=ca_file)).body == b"ok"
    assert vendor.asked[-1].headers["proxy-authorization"] == "Basic c29tZW9uZTpwQHNz"
    assert "proxy-authorization" not in vendor.server.received[0].headers


def test_a_proxy_without_a_scheme_is_an_http_one(drive, get, vendor, ca_file):
    outcome = drive({"HTTPS_PROXY": vendor.url.removeprefix("http://")}).exchange(get(STORE, ca_bundle=ca_file))
    assert outcome.body == b"ok"


def test_a_proxy_behind_tls_is_trusted_like_the_store(drive, get, vendor, tls, ca_file):
    with Proxy(vendor.server.port, context=tls()) as secured:
        assert drive({"HTTPS_PROXY": secured.url}).exchange(get(STORE, ca_bundle=ca_file)).body == b"ok"
    with Proxy(vendor.server.port, context=tls(of=trustme.CA())) as unknown:
        outcome = drive({"HTTPS_PROXY": unknown.url}).exchange(get(STORE, ca_bundle=ca_file))
        assert kind(outcome) == UNTRUSTED
        assert unknown.asked == []


@pytest.mark.parametrize("exempt", ["127.0.0.1", "*", "other.example.com, 127.0.0.1", "127.0.0.0/8"])
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_a_host_in_no_proxy_is_spoken_to_directly(drive, get, secure, proxy, ca_file, variable, exempt):
    environ = {"HTTPS_PROXY": proxy.url, variable: exempt}
    assert drive(environ).exchange(get(secure.url, ca_bundle=ca_file)).body == b"ok"
    assert proxy.connections == 0


@pytest.mark.parametrize("exempt", ["other.example.com", "", "example.com.evil.test"])
def test_another_host_in_no_proxy_changes_nothing(drive, get, vendor, ca_file, exempt):
    drive({"HTTPS_PROXY": vendor.url, "NO_PROXY": exempt}).exchange(get(STORE, ca_bundle=ca_file))
    assert vendor.targets == ["store.example.com:443"]


def test_a_domain_in_no_proxy_is_meant_with_all_beneath_it(drive, get, vendor, ca_file):
    driver = drive({"HTTPS_PROXY": vendor.url, "NO_PROXY": ".invalid,invalid"})
    assert kind(driver.exchange(get("https://no-such-host.invalid", ca_bundle=ca_file))) == UNREACHABLE
    assert vendor.connections == 0


def test_an_empty_proxy_means_none(drive, get, secure, proxy, ca_file):
    outcome = drive({"HTTPS_PROXY": proxy.url}).exchange(get(secure.url, ca_bundle=ca_file, proxy=""))
    assert outcome.body == b"ok"
    assert proxy.connections == 0


def test_the_providers_proxy_goes_over_the_environments(drive, get, vendor, proxy, ca_file):
    environ = {"HTTPS_PROXY": proxy.url, "NO_PROXY": "*"}
    assert drive(environ).exchange(get(STORE, ca_bundle=ca_file, proxy=vendor.url)).body == b"ok"
    assert (proxy.connections, vendor.targets) == (0, ["store.example.com:443"])


def test_the_variables_of_other_schemes_are_not_meant(drive, get, secure, proxy, ca_file):
    environ = {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url, "ALL_PROXY": proxy.url, "all_proxy": proxy.url}
    assert drive(environ).exchange(get(secure.url, ca_bundle=ca_file)).body == b"ok"
    assert proxy.connections == 0


def test_what_this_process_has_in_its_own_environment_does_not_count(
    drive, get, secure, proxy, ca_file, monkeypatch, tmp_path
):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "missing"))
    assert drive({"SSL_CERT_FILE": ca_file}).exchange(get(secure.url)).body == b"ok"
    assert proxy.connections == 0


@pytest.mark.parametrize("status", [403, 407, 502, 302])
def test_a_proxy_that_does_not_let_us_through_is_the_proxys_fault(drive, get, status, ca_file):
    with Proxy(1, status=status) as refusing:
        outcome = drive({"HTTPS_PROXY": refusing.url}).exchange(get(STORE, ca_bundle=ca_file))
    assert kind(outcome) == UNREACHABLE
    assert "proxy" in outcome.what


def test_a_proxy_that_is_not_there_is_unreachable(drive, get, ca_file):
    proxy = f"http://127.0.0.1:{unused_port()}"
    assert kind(drive({"HTTPS_PROXY": proxy}).exchange(get(STORE, ca_bundle=ca_file))) == UNREACHABLE


@pytest.mark.parametrize("proxy", ["http://", "://x", "gopher://127.0.0.1:1", f"http://{CANARY}:99999", "http://[::1"])
def test_a_proxy_that_is_none_makes_no_sense_and_is_not_gone_around(drive, get, secure, ca_file, proxy):
    outcome = drive({"HTTPS_PROXY": proxy}).exchange(get(secure.url, ca_bundle=ca_file))
    assert kind(outcome) in (SENSELESS, UNREACHABLE)
    assert secure.received == []
