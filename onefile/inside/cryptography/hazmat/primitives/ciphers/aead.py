"""Sealing by AES-256-GCM (NIST SP 800-38D), with the functions that cryptography has for it."""

import _secrets_exec

from cryptography.exceptions import InvalidTag


class AESGCM:
    """One key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def encrypt(self, nonce: bytes, data: bytes, bound: bytes) -> bytes:
        """The data sealed, with its tag; `bound` is part of the seal. Raises: ValueError."""
        sealed = _secrets_exec.cipher(True, self._key, nonce, data, bound)
        if sealed is None:
            raise ValueError("AES-256-GCM takes no such key or nonce")
        return bytes(sealed)

    def decrypt(self, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """The data. Raises: InvalidTag."""
        data = _secrets_exec.cipher(False, self._key, nonce, sealed, bound)
        if data is None:
            raise InvalidTag
        return bytes(data)
