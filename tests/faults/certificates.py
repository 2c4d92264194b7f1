"""An authority of the tests' own, and certificates of every kind that a server should not have."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LOOPBACK = ("127.0.0.1", "localhost", "store.test", "evil.test")


class Certificates:
    """Makes a server's TLS contexts, each once. `file` holds the authority that launchers are told to trust."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._stranger = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))
        self.context: Callable[..., ssl.SSLContext] = cache(self._context)

    def _context(self, kind: str = "good", *protocols: str) -> ssl.SSLContext:
        """A context of a kind, which speaks the protocols (ALPN names)."""
        context: ssl.SSLContext = getattr(self, f"_{kind}")()
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def _good(self) -> ssl.SSLContext:
        return _with(self._authority.issue_cert(*LOOPBACK))

    def _expired(self) -> ssl.SSLContext:
        now = datetime.now(UTC)
        return _with(
            self._authority.issue_cert(*LOOPBACK, not_before=now - timedelta(days=9), not_after=now - timedelta(days=1))
        )

    def _early(self) -> ssl.SSLContext:
        now = datetime.now(UTC)
        return _with(
            self._authority.issue_cert(*LOOPBACK, not_before=now + timedelta(days=1), not_after=now + timedelta(days=9))
        )

    def _elsewhere(self) -> ssl.SSLContext:
        return _with(self._authority.issue_cert("store.example", "127.0.0.9"))

    def _common_name(self) -> ssl.SSLContext:
        return _with(self._authority.issue_cert("store.example", common_name="127.0.0.1"))

    def _unknown(self) -> ssl.SSLContext:
        return _with(self._stranger.issue_cert(*LOOPBACK))

    def _self_signed(self) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return _of_file(private + certificate.public_bytes(pem))

    def _gap(self) -> ssl.SSLContext:
        """A certificate of an authority in between, which the server does not show."""
        leaf = self._authority.create_child_ca().issue_cert(*LOOPBACK)
        return _of_file(leaf.private_key_pem.bytes() + leaf.cert_chain_pems[0].bytes())

    def _between(self) -> ssl.SSLContext:
        """A certificate of an authority in between, with the whole chain."""
        return _with(self._authority.create_child_ca().issue_cert(*LOOPBACK))

    def _old(self) -> ssl.SSLContext:
        """TLS 1.1 and nothing newer."""
        context = self._good()
        context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context

    def _newest(self) -> ssl.SSLContext:
        context = self._good()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def _only_1_2(self) -> ssl.SSLContext:
        context = self._good()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _wants_ours(self) -> ssl.SSLContext:
        """Asks for a certificate of the client's."""
        context = self._good()
        context.verify_mode = ssl.CERT_REQUIRED
        self._authority.configure_trust(context)
        return context


def _with(leaf: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


def _of_file(pems: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        path = Path(folder, "all.pem")
        path.write_bytes(pems)
        context.load_cert_chain(path)
    return context
