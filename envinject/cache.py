"""The last-known-good cache, off by default: what a wholly fresh start read, for the day the store is out of reach.

One file holds one generation: every value of one start. AES-256-GCM seals it, and what it was read for (manifest,
endpoints, identity) is part of the seal, so that it opens for the same question only.
"""

from __future__ import annotations

import os
import stat
import time

from .errors import ManifestError, NotFound, SecretsExecError, Unavailable
from .files import read_regular
from .log import counted
from .record import Record
from .secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from .log import Log
    from .providers.base import Found
    from .reference import SecretRef

MAX_AGE_SECONDS = 24 * 3600.0
_MAGIC = b"secrets-exec cache 1\n"
_TIME_BYTES, _NONCE_BYTES, _KEY_BYTES = 8, 12, 32
_LARGEST = 64 << 20
_CLOCK_TOLERANCE = 300


class CacheSettings(Record):
    """The manifest's `[cache]`: where the file is, where its key is, and for how many seconds it is good."""

    path: str
    key_file: str | None = None
    key_env: str | None = None
    max_age: float = MAX_AGE_SECONDS


class Generation(Record):
    """What one start read: a value for each reference, None where the store had none, and when (Unix time)."""

    values: Mapping[str, Secret | None]
    written: float


class Cache:
    """One cache file. `question` is everything that its values depend on; another question does not open it."""

    def __init__(self, settings: CacheSettings, environ: Mapping[str, str], question: bytes, log: Log) -> None:
        _aesgcm()
        self._settings = settings
        self._key = _key(settings, environ)
        self._question = question
        self._log = log

    def settle(self, found: Found, optional: Collection[SecretRef]) -> Found:
        """What the start goes on with, after everything was asked for; `optional` ones may be missing.

        All fresh: it is written down. Something out of reach and nothing else wrong: the last generation, whole.
        Anything else wrong (denied, gone, untrusted, senseless): the file goes, and the errors stay.
        """
        errors = [
            outcome
            for ref, outcome in found.items()
            if isinstance(outcome, SecretsExecError) and not (isinstance(outcome, NotFound) and ref in optional)
        ]
        if not errors:
            self._write(found)
            return found
        if all(isinstance(error, Unavailable) for error in errors):
            return self.last(list(found)) or found
        self._forget()
        return found

    def last(self, refs: Sequence[SecretRef]) -> Found | None:
        """The last generation's values for these references; None, and said why, when there is none to use."""
        generation = self._read()
        if generation is None:
            return None
        age = max(0.0, time.time() - generation.written)
        if age > self._settings.max_age:
            self._log.warning(f"the cache is {_told(age)} old, which is more than its max_age: it is not used")
            return None
        if any(str(ref) not in generation.values for ref in refs):
            self._log.warning("the cache lacks some of the secrets: it is not used")
            return None
        come = f"{counted(len(refs), 'secret')} {'comes' if len(refs) == 1 else 'come'}"
        self._log.warning(f"the store is out of reach: {come} from the cache, {_told(age)} old")
        return {ref: generation.values[str(ref)] or NotFound("the store had no such secret") for ref in refs}

    # The file

    def _write(self, found: Found) -> None:
        from binascii import b2a_base64

        from .jsontext import compact

        values = {
            str(ref): b2a_base64(value.reveal(), newline=False).decode() if isinstance(value, Secret) else None
            for ref, value in found.items()
        }
        written = int(time.time()).to_bytes(_TIME_BYTES)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._cipher().encrypt(nonce, compact({**values}).encode(), self._bound(written))
        try:
            _replace(self._settings.path, _MAGIC + written + nonce + sealed)
        except OSError as error:
            self._log.warning(
                f"the cache cannot be written: {os.strerror(error.errno or 0)}", where=self._settings.path
            )

    def _read(self) -> Generation | None:
        from cryptography.exceptions import InvalidTag

        try:
            data = _own_file(self._settings.path)
        except NotFound:
            self._log.warning("there is no cache yet", where=self._settings.path)
            return None
        except SecretsExecError as error:
            self._log.warning(f"the cache is not used: {error.what}", where=self._settings.path, hint=error.hint)
            return None
        head = len(_MAGIC)
        written, nonce = data[head : head + _TIME_BYTES], data[head + _TIME_BYTES : head + _TIME_BYTES + _NONCE_BYTES]
        try:
            text = self._cipher().decrypt(nonce, data[head + _TIME_BYTES + _NONCE_BYTES :], self._bound(written))
        except (InvalidTag, ValueError):
            text = None
        if text is None or not data.startswith(_MAGIC) or int.from_bytes(written) > time.time() + _CLOCK_TOLERANCE:
            hint = "it was sealed with another key, for another manifest, endpoint or identity, or was changed"
            self._log.warning("the cache does not open: it is not used", where=self._settings.path, hint=hint)
            return None
        return Generation(_values(text), float(int.from_bytes(written)))

    def _forget(self) -> None:
        try:
            os.unlink(self._settings.path)
        except FileNotFoundError:
            return
        except OSError:
            self._log.warning("the cache should go and cannot be removed", where=self._settings.path)
            return
        self._log.warning("the store refuses what the cache holds: the cache is removed", where=self._settings.path)

    def _bound(self, written: bytes) -> bytes:
        return _MAGIC + written + self._question

    def _cipher(self) -> AESGCM:
        return _aesgcm()(self._key.reveal())


def _aesgcm() -> type[AESGCM]:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM
    except ImportError:
        pass
    raise ManifestError("the cache needs the package cryptography", hint="pip install 'envinject[cache]'")


def _key(settings: CacheSettings, environ: Mapping[str, str]) -> Secret:
    """The 32 bytes of the key, written as base64 or as hex. Raises: ManifestError, without showing it."""
    if settings.key_file is not None:
        place = f"the file {settings.key_file}"
        try:
            text = read_regular(settings.key_file, 1 << 12)
        except SecretsExecError as error:
            raise ManifestError(error.what, where="cache.key_file", hint=_MAKE_KEY) from None
    else:
        place = f"the variable {settings.key_env}"
        text = os.fsencode(environ.get(settings.key_env or "", ""))
    key = _decoded(text.strip())
    if key is None:
        raise ManifestError(f"{place} holds no key of the cache", where="cache", hint=_MAKE_KEY)
    return Secret(key)


_MAKE_KEY = "a key is 32 random bytes in base64: openssl rand -base64 32"


def _decoded(text: bytes) -> bytes | None:
    from binascii import Error, a2b_base64, unhexlify

    try:
        key = unhexlify(text) if len(text) == 2 * _KEY_BYTES else a2b_base64(text, strict_mode=True)
    except (Error, ValueError):
        return None
    return key if len(key) == _KEY_BYTES else None


def _replace(path: str, data: bytes) -> None:
    """Put a file in the place of another at once, readable by its owner only. Raises: OSError."""
    new = f"{path}.{os.getpid()}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(new, path)
    except OSError:
        os.unlink(new)
        raise


def _own_file(path: str) -> bytes:
    """The file's bytes, if it is ours alone. Raises: SecretsExecError."""
    data = read_regular(path, _LARGEST)
    status = os.stat(path)
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise ManifestError("others may read or write it", hint="chmod 600, and let it belong to this user")
    return data


def _values(text: bytes) -> dict[str, Secret | None]:
    from binascii import a2b_base64

    from .jsontext import parse

    document = parse(text)
    assert isinstance(document, dict), "we wrote an object and nobody changed it"  # for the type checker
    return {ref: Secret(a2b_base64(value)) if isinstance(value, str) else None for ref, value in document.items()}


def _told(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.0f} h"
    )
