"""Hashes without the interpreter's OpenSSL: each in an interpreter of its own, since a module is loaded once."""

from __future__ import annotations

import subprocess
import sys

from launching import PACKAGES, PATIENCE

from envinject.hashes import hmac_sha256

_TOLD = """
from envinject.hashes import blake2b, hmac_sha256, sha256
print(hmac_sha256(b"key", b"message").hex(), sha256(b"x").hexdigest()[:8], blake2b(b"x").hexdigest()[:8])
print("_hashlib" in sys.modules)
"""
_EXPECTED = "6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a 2d711642 0909377a"  # by openssl(1), b2sum


def _said(code: str) -> tuple[str, str]:
    """What an interpreter prints that has run `code` first; and what it says on standard error."""
    code = f"import sys; sys.path[:0] = {PACKAGES!r}\n{code}{_TOLD}"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    return done.stdout, done.stderr


def test_a_message_is_signed_as_the_standard_has_it() -> None:
    """RFC 4231, test cases 2 and 6."""
    assert hmac_sha256(b"Jefe", b"what do ya want for nothing?").hex() == (
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    )
    assert hmac_sha256(b"\xaa" * 131, b"Test Using Larger Than Block-Size Key - Hash Key First").hex() == (
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    )


def test_no_openssl_is_loaded() -> None:
    assert _said("") == (f"{_EXPECTED}\nFalse\n", "")


def test_what_was_loaded_before_is_used() -> None:
    assert _said("import hashlib\n") == (f"{_EXPECTED}\nTrue\n", "")


def test_an_interpreter_without_hashes_of_its_own_takes_openssls() -> None:
    without = """
import importlib.machinery
class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name in ("_md5", "_sha1", "_sha2", "_sha256", "_sha512", "_sha3"):
            return None
        return super().find_spec(name, path, target)
sys.meta_path[:] = [Finder if one is importlib.machinery.PathFinder else one for one in sys.meta_path]
"""
    told, problems = _said(without)
    assert (told, problems) == (f"{_EXPECTED}\nTrue\n", "")
