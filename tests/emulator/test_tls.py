"""The emulator over TLS, with an authority of its own."""

from __future__ import annotations

import http.client
import socket
import ssl
import sys
from urllib.parse import urlsplit

import pytest

from envinject.emulator import CannotStart, tls_context
from envinject.emulator.server import NAMES

VENDORS = [
    "iam.kakaocloud.com",
    "secrets-manager-service.kr-central-2.kakaocloud.com",
    "secrets-manager.kr-central-2.kakaocloud.com",
    "ocapi-kr.ncloud.com",
    "ocapi-jp.ncloud.com",
    "secretmanager.apigw.ntruss.com",
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tls_context(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def emulator(start, made):
    return start({}, tls=made[0])


@pytest.fixture
def trusting(made):
    return ssl.create_default_context(cafile=str(made[1]))


def test_a_client_that_trusts_the_authority_is_served(emulator, trusting):
    assert emulator.url.startswith("https://127.0.0.1:")
    connection = http.client.HTTPSConnection(urlsplit(emulator.url).netloc, context=trusting)
    for _ in range(2):
        connection.request("GET", "/latest/meta-data")
        assert connection.getresponse().read() == b"Path Not found."
    connection.close()


def test_the_certificate_is_for_loopback_and_for_the_vendors_names():
    assert {"127.0.0.1", "::1", "localhost", *VENDORS} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_in_the_certificate(emulator, trusting, name):
    parts = urlsplit(emulator.url)
    with (
        socket.create_connection((parts.hostname, parts.port)) as connection,
        trusting.wrap_socket(connection, server_hostname=name) as secured,
    ):
        assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_a_client_that_does_not_trust_it_hangs_up_and_the_next_one_is_served(emulator, trusting, capsys):
    distrusting = ssl.create_default_context()
    connection = http.client.HTTPSConnection(urlsplit(emulator.url).netloc, context=distrusting)
    with pytest.raises(ssl.SSLCertVerificationError):
        connection.request("GET", "/")
    connection.close()
    test_a_client_that_trusts_the_authority_is_served(emulator, trusting)
    emulator.close()
    assert capsys.readouterr().err == ""


def test_a_client_that_says_nothing_keeps_no_one_else_waiting(emulator, trusting):
    parts = urlsplit(emulator.url)
    with socket.create_connection((parts.hostname, parts.port)) as silent:
        test_a_client_that_trusts_the_authority_is_served(emulator, trusting)
        emulator.close()
        assert silent.recv(1) == b""


def test_without_trustme_it_is_told_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(CannotStart, match="trustme") as caught:
        tls_context(tmp_path)
    assert "envinject[emulator]" in caught.value.hint
