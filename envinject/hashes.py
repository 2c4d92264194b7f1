"""SHA-256, HMAC and BLAKE2b from the interpreter's own code.

By itself `hashlib` also loads OpenSSL, a second one beside libcurl's, which takes longer than signing a request and
sending it. It does without where there is none, and so it finds none here.
"""

from __future__ import annotations

from .loading import Instead, find_spec

_OPENSSL = "_hashlib"
_OWN = ("_md5", "_sha1")
"""Some systems build their interpreter without hashes of its own; then neither of these is there."""

with Instead({_OPENSSL: None} if all(map(find_spec, _OWN)) else {}):
    import hashlib
    import hmac

sha256 = hashlib.sha256
blake2b = hashlib.blake2b


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of HMAC-SHA256 (RFC 2104)."""
    return hmac.digest(key, message, sha256)
