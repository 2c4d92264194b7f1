"""What every provider has in common, and every one that speaks HTTP."""

from __future__ import annotations

import gzip
import json
import os
import socket
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from loopback import Proxy, answer, reset

from envinject.errors import Denied, NotFound, StoreError, Unavailable
from envinject.fetch import fetch
from envinject.log import Log
from envinject.manifest import load
from envinject.providers.base import COMMON_HTTP, HTTPProvider, Provider, clock_difference
from envinject.transports import Answer

CANARY = "c4n4ry"
CREDENTIALS = {"KAKAOCLOUD_TOKEN": "token", "NCLOUD_ACCESS_KEY": "access", "NCLOUD_SECRET_KEY": "secret"}
NOON = 1_800_000_000.0

VALUES = {
    "kakaocloud": b'{"version":{"secret":"v"}}',
    "ncloud": b'{"code":"SUCCESS","data":{"decryptedSecretValue":{"value":"v","valueStage":"ACTIVE"}}}',
}
VALUE_PATHS = {"kakaocloud": "/api/v1/secrets/a/versions/value", "ncloud": "/api/v1/secrets/a/active"}


@pytest.fixture(params=VALUES)
def kind(request):
    """Each provider that speaks HTTP, in turn."""
    return request.param


@pytest.fixture
def value(kind):
    """The body that an answer of this provider has for the value `v`."""
    return VALUES[kind]


@pytest.fixture
def one(read, kind):
    """What comes of reading the secret `a` of a provider."""

    def one(endpoint, environ=None, *, options=None, allowed=(), **settings):
        providers = {"p": {"type": kind, "endpoint": endpoint, **settings}}
        secrets = {"A": {"provider": "p", "id": "a", "default": "stands in for what is not found"}}
        return read(secrets, providers, {**CREDENTIALS, **(environ or {})}, options=options, allowed=allowed)["A"]

    return one


# Answers


def test_a_truncated_answer_is_asked_for_again(one, store, kind, value):
    cut = answer(200, value).replace(b"}}", b"}")
    server = store({VALUE_PATHS[kind]: [cut, cut, answer(200, value)]})
    assert one(server.url) == b"v"
    assert len(server.received) == 3


def test_a_connection_that_is_reset_is_made_again(one, store, kind, value):
    server = store({VALUE_PATHS[kind]: [reset, b"", answer(200, value)]})
    assert one(server.url) == b"v"


def test_a_compressed_answer_is_read_though_nobody_asked_for_it(one, store, value):
    server = store(otherwise=answer(200, gzip.compress(value), {"Content-Encoding": "gzip"}))
    assert one(server.url) == b"v"
    assert server.received[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(answer(200, b" " * ((1 << 20) + 1)), id="too large"),
        pytest.param(answer(200, gzip.compress(bytes(1 << 24)), {"Content-Encoding": "gzip"}), id="bomb"),
        pytest.param(answer(200, b"\xff\xff", {"Content-Encoding": "gzip"}), id="broken gzip"),
        pytest.param(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", id="large header"),
        pytest.param(CANARY.encode() + b"\r\n\r\n", id="no HTTP"),
    ],
)
def test_an_answer_that_cannot_be_is_69_at_once(one, store, body):
    server = store(otherwise=body)
    problem = one(server.url)
    assert isinstance(problem, StoreError)
    assert CANARY not in problem.what + problem.hint
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed_and_says_so(one, store, status):
    evil = store()
    server = store(otherwise=answer(status, b"", {"Location": f"{evil.url}/{CANARY}"}))
    problem = one(server.url)
    assert isinstance(problem, StoreError)
    assert "redirect" in problem.what
    assert CANARY not in problem.what + problem.hint
    assert len(server.received) == 1
    assert evil.connections == 0


# Ways that lead nowhere


def test_a_port_where_nobody_listens_is_75(one):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    problem = one(f"http://127.0.0.1:{port}", options={"outage": "200ms"})
    assert isinstance(problem, Unavailable)
    assert "refused" in problem.what


def test_a_name_that_is_none_is_75(one):
    problem = one("https://no-such-host.invalid", options={"outage": "200ms"}, allowed=["no-such-host.invalid"])
    assert isinstance(problem, Unavailable)
    assert "cannot be resolved" in problem.what


def test_an_attempt_takes_no_longer_than_the_providers_timeout(one, store, kind, value):
    def later(connection, _request):
        connection.recv(1)  # the client goes when its time is over

    server = store({VALUE_PATHS[kind]: [later, answer(200, value)]})
    assert one(server.url, timeout="200ms") == b"v"


# TLS


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def ca_file(authority, tmp_path):
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def secured(store, value):
    """Start a server behind TLS with a certificate of an authority."""

    def secured(authority, *names, **how):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*(names or ("127.0.0.1",)), **how).configure_cert(context)
        return store(otherwise=answer(200, value), context=context)

    return secured


def test_an_authority_may_be_named_relative_to_the_manifest(one, secured, authority, ca_file):
    assert one(secured(authority).url, ca_bundle=ca_file.name) == b"v"


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_may_be_named_by_the_environment(one, secured, authority, ca_file, variable):
    assert one(secured(authority).url, {variable: str(ca_file)}) == b"v"


LONG_AGO = datetime.now(UTC) - timedelta(days=30)


@pytest.mark.parametrize(
    ("names", "how", "is_ours"),
    [
        pytest.param((), {}, False, id="unknown authority"),
        pytest.param(("other.example.com",), {}, True, id="another host"),
        pytest.param((), {"not_before": LONG_AGO, "not_after": LONG_AGO + timedelta(days=1)}, True, id="expired"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_is_69_at_once(one, secured, authority, ca_file, names, how, is_ours):
    server = secured(authority if is_ours else trustme.CA(), *names, **how)
    problem = one(server.url, ca_bundle=str(ca_file))
    assert isinstance(problem, StoreError)
    assert "certificate" in problem.what
    assert "ca_bundle" in problem.hint
    assert (server.connections, server.received) == (1, [])


def test_a_bundle_that_cannot_be_read_is_69_and_no_other_is_taken(one, secured, authority, ca_file):
    server = secured(authority)
    problem = one(server.url, {"SSL_CERT_FILE": str(ca_file)}, ca_bundle="missing.pem")
    assert isinstance(problem, StoreError)
    assert "missing.pem" in problem.what
    assert server.connections == 0


# Proxies


@pytest.mark.parametrize("environ", [{"NO_PROXY": "127.0.0.1"}, {"no_proxy": "*"}, None], ids=["one", "all", "setting"])
def test_there_are_three_ways_around_a_proxy(one, secured, authority, ca_file, environ):
    server = secured(authority)
    with Proxy(server.port) as proxy:
        settings = {} if environ else {"proxy": ""}
        given = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_file), **(environ or {})}
        assert one(server.url, given, **settings) == b"v"
        assert proxy.connections == 0


@pytest.mark.parametrize("by", ["variable", "setting"])
def test_a_proxy_is_named_by_a_variable_or_a_setting(one, secured, authority, ca_file, by):
    server = secured(authority)
    with Proxy(server.port) as proxy:
        environ = {"HTTPS_PROXY": proxy.url} if by == "variable" else {}
        settings = {"proxy": proxy.url} if by == "setting" else {}
        assert one(server.url, {"SSL_CERT_FILE": str(ca_file), **environ}, **settings) == b"v"
        assert proxy.targets == [f"127.0.0.1:{server.port}"]


def test_a_proxy_that_refuses_is_75_and_not_gone_around(one, secured, authority, ca_file):
    server = secured(authority)
    with Proxy(server.port, status=407) as proxy:
        environ = {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_file)}
        problem = one(server.url, environ, options={"outage": "200ms"})
    assert isinstance(problem, Unavailable)
    assert "proxy" in problem.what
    assert server.connections == 0


# What is read, and what is not


def test_netrc_and_cookies_are_not_for_us(read, store, kind, value):
    netrc = Path.home() / ".netrc"
    netrc.write_text(f"default login someone password {CANARY}\n")
    netrc.chmod(0o600)
    server = store(otherwise=answer(200, value, {"Set-Cookie": f"a={CANARY}"}))
    secrets = {f"A{number}": f"p://a{number}" for number in range(20)}
    read(secrets, {"p": {"type": kind, "endpoint": server.url, "concurrency": 1}}, CREDENTIALS)
    assert len(server.received) == 20
    assert CANARY not in repr(server.received)


def test_a_credential_is_never_part_of_a_target(one, store, value):
    server = store(otherwise=answer(200, value))
    one(server.url)
    (request,) = server.received
    assert not set(CREDENTIALS.values()) & set(request.target.split("/"))


def test_the_same_secret_is_fetched_once_whatever_its_variables_make_of_it(read, store, kind, value):
    server = store(otherwise=answer(200, value))
    secrets = {f"A{number}": {"provider": "p", "id": "a", "key": f"k{number}"} for number in range(18)}
    secrets |= {"WHOLE": "p://a", "EXPANDED": {"provider": "p", "id": "a", "expand": True}}
    read(secrets, {"p": {"type": kind, "endpoint": server.url}}, CREDENTIALS)
    assert len(server.received) == 1


def test_a_hundred_secrets_are_fetched_sixteen_at_a_time(read, store, kind, value):
    server = store(otherwise=answer(200, value), gather=16)
    secrets = {f"A{number}": f"p://a{number}" for number in range(96)}
    found = read(secrets, {"p": {"type": kind, "endpoint": server.url}}, CREDENTIALS)
    assert set(found.values()) == {b"v"}
    assert server.most == 16


# Through the launcher


@pytest.fixture
def started(launch, manifest, kind):
    """Run the launcher with three secrets of a provider, of which each would start with a default."""

    def started(environ, **settings):
        providers = {kind: settings}
        secrets = {name: {"provider": kind, "id": name} for name in ("A", "B", "C")}
        path = manifest(json.dumps({"providers": providers, "secrets": secrets}), "m.json")
        environ = {"SECRETS_EXEC_TRANSPORT": "requests", **environ}
        return launch("-f", path, "--", sys.executable, "-c", "print('started')", environ=environ)

    return started


def test_missing_credentials_are_77_and_told_once(started, store):
    server = store()
    done = started({}, endpoint=server.url)
    assert (done.returncode, done.stdout) == (77, b"")
    assert done.stderr.count(b"no credentials for") == 1
    assert done.stderr.count(b"hint:") == 1
    for name in (b"A", b"B", b"C"):
        assert name in done.stderr
    assert server.connections == 0


def test_the_child_is_started_with_the_values_and_without_the_credentials(launch, manifest, store, kind, value):
    server = store(otherwise=answer(200, value))
    document = {"providers": {kind: {"endpoint": server.url}}, "secrets": {"A": f"{kind}://a"}}
    path = manifest(json.dumps(document), "m.json")
    environ = {"SECRETS_EXEC_TRANSPORT": "requests", **CREDENTIALS}
    done = launch("-f", path, "--", "env", "-0", environ=environ)
    child = dict(line.split(b"=", 1) for line in done.stdout.split(b"\0") if line)
    assert (done.returncode, done.stderr) == (0, b"")
    assert child[b"A"] == b"v"
    assert not {name.encode() for name in CREDENTIALS if kind[:4] in name.lower()} & child.keys()


LOADED = """
import sys
from envinject.__main__ import _code
code = _code(sys.argv[1:])
heavy = {"requests", "urllib3", "pycurl", "http.client", "ssl", "_ssl", "socket", "certifi", "psutil", "yaml"}
print(code, *sorted(heavy & sys.modules.keys()))
"""


def test_a_manifest_of_local_providers_imports_no_http_library(manifest, tmp_path):
    (tmp_path / "x.env").write_text("KEY=value\n")
    secrets = {"A": "dotenv://x.env#KEY", "B": "env://HOME", "C": "file://x.env"}
    path = manifest(json.dumps({"secrets": secrets, "env": {"LITERAL": "x"}}), "m.json")
    command = [sys.executable, "-P", "-c", LOADED, "run", "-f", str(path), "--dry-run", "-q"]
    done = subprocess.run(command, env=os.environ, capture_output=True, timeout=60, check=False)
    assert done.stdout == b"0\n", done.stderr


# The base classes themselves


def test_a_provider_of_somebody_else_needs_no_more_than_read(tmp_path):
    class Constant(Provider):
        type = "constant"
        about = "for this test"

        def read(self, refs):
            return dict.fromkeys(refs, NotFound("nothing here"))
            yield

    provider = Constant("c", {}, {})
    assert (provider.concurrency, provider.credential_names) == (None, frozenset())
    path = tmp_path / "m.toml"
    path.write_text('[secrets]\nA = "env://HOME"\n')
    loaded = load([str(path)], {}, warn=print)
    entry = loaded.entries[0].replace(target=loaded.entries[0].target.replace(provider="c"))
    entry = entry.replace(ref=entry.ref.replace(provider="c"))
    found = fetch(loaded.replace(entries=(entry,), providers={"c": provider}), {}, Log(), 0.0)
    assert isinstance(found[entry.target], NotFound)


def test_the_settings_that_all_http_providers_have_are_those_that_are_promised():
    assert {setting.name for setting in COMMON_HTTP} == {"endpoint", "ca_bundle", "timeout", "concurrency", "proxy"}


def test_a_default_endpoint_is_well_formed_or_a_bug():
    with pytest.raises(AssertionError):
        HTTPProvider("p", {}, {}).endpoint("endpoint", "https://not an endpoint")


@pytest.mark.parametrize(
    ("date", "ahead"),
    [
        ("Fri, 15 Jan 2027 08:00:00 GMT", 0),
        ("Fri, 15 Jan 2027 07:59:00 GMT", 60),
        ("Fri, 15 Jan 2027 08:01:00 GMT", -60),
        ("Fri, 15 Jan 2027 09:00:00 +0100", 0),
        ("", None),
        ("now", None),
        ("Fri, 99 Jan 99999 99:99:99 GMT", None),
        ("x" * 100_000, None),
    ],
)
def test_the_difference_of_clocks_is_that_to_the_answers_date(date, ahead):
    assert clock_difference(Answer(401, {"date": date}, b"", received=NOON)) == ahead


def test_denied_is_what_a_403_is_for_every_provider(one, store):
    assert isinstance(one(store(otherwise=answer(403)).url), Denied)
