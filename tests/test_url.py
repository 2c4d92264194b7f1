"""Endpoints: one strict reading, so that no library can see another host in them than we do."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envinject.url import Endpoint, parse_endpoint


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("https://api.example.com", Endpoint("https", "api.example.com", 443)),
        ("https://api.example.com/", Endpoint("https", "api.example.com", 443)),
        ("HTTPS://API.Example.COM:443", Endpoint("https", "api.example.com", 443)),
        ("https://api.example.com:8443/gateway/v1/", Endpoint("https", "api.example.com", 8443, "/gateway/v1")),
        ("http://127.0.0.1:8080", Endpoint("http", "127.0.0.1", 8080)),
        ("http://[::1]", Endpoint("http", "[::1]", 80)),
        ("https://[::1]:8443/a", Endpoint("https", "[::1]", 8443, "/a")),
        ("https://localhost/A_b~c.d-e", Endpoint("https", "localhost", 443, "/A_b~c.d-e")),
    ],
)
def test_an_endpoint_is_scheme_host_port_and_path(text, endpoint):
    assert parse_endpoint(text) == endpoint


@pytest.mark.parametrize(
    "text",
    [
        "", "https", "https:", "https://", "https:///a", "//a", "ftp://a", "api.example.com", "https:a",
        "https://evil.test\\@api.example.com/", "https://api.example.com\\@evil.test",
        "https://user@api.example.com", "https://user:password@api.example.com", "https://@a", "https://:@a",
        "https://api.example.com:", "https://a:0", "https://a:65536", "https://a:000080", "https://a:-1",
        "https://a:٣", "https://a:80:80", "https://a:80@b", "https://a:1e2",
        "https://a?x=1", "https://a/?x", "https://a/#x", "https://a#b", "https://a/%2e%2e/b",
        "https://a/../b", "https://a/./b", "https://a//b", "https://a/b/..", "https://a/b;c", "https://a/b c",
        "https://a b", "https://a\tb", "https://a\n", " https://a", "https://a ", "https://a\0b",
        "https://.a", "https://a.", "https://a..b", "https://a_b", "https://*.a", "https://" + "a" * 64,
        "https://" + "a." * 127 + "a", "https://[::2]", "https://[::1", "https://[::1]x", "https://[::1%25eth0]",
        "https://bücher.example", "https://例え.jp", "https://\u212aakaocloud.com",
        "https://a/비밀",
    ],
)  # fmt: skip
def test_whatever_else_is_no_endpoint(text):
    assert parse_endpoint(text) is None


@given(st.text() | st.from_regex(r"https?://[a-zA-Z0-9.\[\]:@\\/?#%_-]{0,40}", fullmatch=True))
@example("https://evil.test\\@api.example.com/")
def test_what_we_read_is_what_other_libraries_read(text):
    endpoint = parse_endpoint(text)
    if endpoint is None:
        return
    assert parse_endpoint(str(endpoint)) == endpoint
    split = urlsplit(text)
    assert (split.scheme, split.hostname, split.port or {"https": 443, "http": 80}[split.scheme]) == (
        endpoint.scheme,
        endpoint.host.strip("[]"),
        endpoint.port,
    )
    assert (split.username, split.password, split.query, split.fragment) == (None, None, "", "")
    assert split.path.rstrip("/") == endpoint.path


@pytest.mark.parametrize(
    ("text", "authority"),
    [
        ("https://a.b:443", "a.b"),
        ("http://127.0.0.1:80", "127.0.0.1"),
        ("https://a.b:80", "a.b:80"),
        ("http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_the_authority_leaves_out_the_schemes_own_port(text, authority):
    assert parse_endpoint(text).authority == authority


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.1.2", "[::1]"])
def test_loopback_is_this_machine(host):
    assert parse_endpoint(f"http://{host}:1").is_loopback


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1.evil.test", "127.evil.test", "localhost.evil.test", "evil-localhost", "0.0.0.0", "10.0.0.1",
        "127", "127.1", "127.0.0.0.1", "127.0.0.256", "127.999.1.1", "127.0.0.1234", "1127.0.0.1", "169.254.169.254",
    ],
)  # fmt: skip
def test_a_host_that_only_looks_like_loopback_is_not(host):
    assert not parse_endpoint(f"http://{host}").is_loopback


@pytest.mark.parametrize("host", ["example.com", "a.example.com", "a.b.example.com"])
def test_a_domain_holds_itself_and_what_is_beneath(host):
    assert parse_endpoint(f"https://{host}").lies_in(("example.org", "example.com"))


@pytest.mark.parametrize("host", ["example.com.evil.test", "evilexample.com", "com", "example.co", "a.example.comx"])
def test_a_domain_holds_nothing_that_only_looks_like_it(host):
    assert not parse_endpoint(f"https://{host}").lies_in(("example.org", "example.com"))
