"""Whom to trust, for every transport alike."""

from __future__ import annotations

import certifi
import pytest

from envinject.transports import trust
from envinject.transports.trust import Authorities, authorities

EVERYTHING = {"SSL_CERT_FILE": "/file", "SSL_CERT_DIR": "/folder", "REQUESTS_CA_BUNDLE": "/bundle"}


def test_the_providers_bundle_goes_over_everything():
    assert authorities("/mine", EVERYTHING) == Authorities(file="/mine")


def test_a_folder_is_taken_as_one(tmp_path):
    assert authorities(str(tmp_path), {}) == Authorities(folder=str(tmp_path))
    assert authorities(None, {"REQUESTS_CA_BUNDLE": str(tmp_path)}) == Authorities(folder=str(tmp_path))


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
    assert authorities(None, environ) == trusted


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
    assert authorities(None, {}) == Authorities(folder=str(folder))


def test_a_folder_without_hashes_is_of_no_use(system):
    folder, file = system
    folder.mkdir()
    (folder / "authority.pem").touch()
    file.touch()
    assert authorities(None, {}) == Authorities(str(file))


@pytest.mark.usefixtures("system")
def test_where_the_system_has_none_certifis_bundle_serves():
    assert authorities(None, {}) == Authorities(certifi.where())


def test_empty_variables_are_none(system):
    system[1].touch()
    assert authorities("", dict.fromkeys(EVERYTHING, "")) == Authorities(str(system[1]))
