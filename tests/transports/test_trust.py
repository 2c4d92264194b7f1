"""Whom to trust, for every transport alike."""

from __future__ import annotations

import certifi
import pytest

from envinject.transports import trust
from envinject.transports.trust import Authorities, authorities

EVERYTHING = {"SSL_CERT_FILE": "/file", "SSL_CERT_DIR": "/folder", "REQUESTS_CA_BUNDLE": "/bundle"}


def test_the_providers_bundle_goes_over_everything():
    assert authorities("/mine", EVERYTHING, pytest.fail) == Authorities(file="/mine")


def test_a_folder_is_taken_as_one(tmp_path):
    assert authorities(str(tmp_path), {}, pytest.fail) == Authorities(folder=str(tmp_path))
    assert authorities(None, {"REQUESTS_CA_BUNDLE": str(tmp_path)}, pytest.fail) == Authorities(folder=str(tmp_path))


@pytest.mark.parametrize(
    ("environ", "trusted"),
    [
        (EVERYTHING, Authorities("/file", "/folder")),
        ({**EVERYTHING, "SSL_CERT_DIR": ""}, Authorities("/file")),
        ({**EVERYTHING, "SSL_CERT_FILE": ""}, Authorities(None, "/folder")),
        ({"REQUESTS_CA_BUNDLE": "/bundle"}, Authorities("/bundle")),
    ],
)
def test_openssls_variables_go_over_the_one_of_requests(environ, trusted):
    assert authorities(None, environ, pytest.fail) == trusted


@pytest.fixture
def system(monkeypatch, tmp_path):
    """A system with one place for a folder of authorities and one for a bundle, both empty."""
    folder, file = tmp_path / "certs", tmp_path / "bundle.crt"
    monkeypatch.setattr(trust, "_SYSTEM_FOLDERS", (str(tmp_path / "missing"), str(folder)))
    monkeypatch.setattr(trust, "_SYSTEM_FILES", (str(tmp_path / "missing.crt"), str(file)))
    return folder, file


def test_a_hashed_folder_of_the_system_is_preferred_to_its_bundle(system):
    folder, file = system
    folder.mkdir()
    (folder / "0a1b2c3d.0").touch()
    file.touch()
    assert authorities(None, {}, pytest.fail) == Authorities(folder=str(folder))


def test_a_folder_without_hashes_is_of_no_use(system):
    folder, file = system
    folder.mkdir()
    (folder / "authority.pem").touch()
    file.touch()
    assert authorities(None, {}, pytest.fail) == Authorities(str(file))


@pytest.mark.usefixtures("system")
def test_where_the_system_has_none_certifis_bundle_serves_and_that_is_told():
    told = []

    chosen = authorities(None, {}, lambda what, hint: told.append((what, hint)))

    assert chosen == Authorities(pem=certifi.contents().encode())
    assert len(told) == 1
    assert "no certificate authorities" in told[0][0]
    assert "SSL_CERT_FILE" in told[0][1]


def test_empty_variables_are_none(system):
    system[1].touch()
    assert authorities("", dict.fromkeys(EVERYTHING, ""), pytest.fail) == Authorities(str(system[1]))
