"""Whom to trust: the one place that chooses certificate authorities, for every transport alike."""

from __future__ import annotations

import os

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import Warn

_SYSTEM_FOLDERS = ("/etc/ssl/certs", "/etc/pki/tls/certs", "/system/etc/security/cacerts")
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
)

VERDICTS = {
    9: "it is not valid yet",
    10: "it has expired",
    18: "it is signed by itself",
    19: "its authority is unknown",
    20: "its authority is unknown",
    62: "it is for another host",
    64: "it is for another address",
}
"""OpenSSL's numbers for what is wrong with a certificate (x509_vfy.h), in our own words."""


class Authorities(Record):
    """A file of certificates, a folder of them by hash, or both; where there is neither, the certificates as PEM."""

    file: str | None = None
    folder: str | None = None
    pem: bytes | None = None


def authorities(ca_bundle: str | None, environ: Mapping[str, str], warn: Warn) -> Authorities:
    """What to trust: `ca_bundle`, else SSL_CERT_FILE and SSL_CERT_DIR, else REQUESTS_CA_BUNDLE, else the system's.

    A hashed folder is preferred to a bundle, which takes 20 to 40 ms to read. Where the system has neither,
    certifi's bundle serves, which is as old as what it came with: that is told.
    """
    if ca_bundle:
        return _either(ca_bundle)
    file, folder = environ.get("SSL_CERT_FILE") or None, environ.get("SSL_CERT_DIR") or None
    if file or folder:
        return Authorities(file, folder)
    if bundle := environ.get("REQUESTS_CA_BUNDLE"):
        return _either(bundle)
    for folder in _SYSTEM_FOLDERS:
        if _is_hashed(folder):
            return Authorities(folder=folder)
    for file in _SYSTEM_FILES:
        if os.path.isfile(file):
            return Authorities(file)
    import certifi  # only where the system has no authorities of its own

    warn(
        "this system has no certificate authorities: those that came with secrets-exec are trusted",
        "install ca-certificates; or name a file of them in SSL_CERT_FILE or ca_bundle",
    )
    return Authorities(pem=certifi.contents().encode())  # its path may be in an archive, or nowhere


def _either(path: str) -> Authorities:
    return Authorities(folder=path) if os.path.isdir(path) else Authorities(path)


def _is_hashed(folder: str) -> bool:
    """Whether OpenSSL can look authorities up in a folder: by names of eight hex digits, `.0`."""
    try:
        with os.scandir(folder) as entries:
            return any(len(entry.name) == 10 and entry.name.endswith(".0") for entry in entries)
    except OSError:
        return False
