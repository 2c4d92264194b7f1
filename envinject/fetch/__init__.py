"""Fetching: every distinct secret once, many at a time, within one deadline; the last good values where it may be."""

from __future__ import annotations

import os
import time

from ..child import ending
from ..environ import decoded
from ..errors import SecretsExecError, Unavailable, UsageError
from ..log import counted
from ..providers.base import HTTPProvider
from ..transports import open_transport
from .engine import Clock, Engine, run_locally
from .policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..cache import Cache
    from ..log import Log
    from ..manifest import Manifest
    from ..progress import Progress
    from ..providers.base import Found, Provider
    from ..reference import SecretRef
    from ..timeline import Timeline

__all__ = ["fetch"]

_FEW_FILES = 4096
"""From this limit of open files on, the highest concurrency there is has enough of them, as everything else has."""
_FILES_BESIDE = 4
"""Open files that fetching needs beside those of its requests: libraries, libcurl's wake-up pipes."""
_FILES_A_REQUEST = 2
"""A connection; and while its name is looked up or its certificate is checked, another file."""

_NOT_ASKED = frozenset({"timeout", "concurrency", "proxy", "ca_bundle"})
"""Settings that decide how a store is reached, and not what it answers."""


def fetch(
    manifest: Manifest,
    given: Mapping[bytes, bytes],
    log: Log,
    started: float,
    *,
    offline: bool = False,
    timeline: Timeline | None = None,
) -> Found:
    """What every entry's target holds: a secret, or the error that stands for it.

    `given` is the launcher's environment; `started` is when the start began, by the monotonic clock. `offline` asks
    no store: what is not on this machine comes from the cache. A `timeline` is told what happens when.
    Raises: ManifestError, UsageError for the cache.
    """
    targets = list(dict.fromkeys(entry.target for entry in manifest.entries))
    remote = [ref for ref in targets if isinstance(manifest.providers[ref.provider], HTTPProvider)]
    cache = _open_cache(manifest, given, log) if remote else None
    if offline:
        local = [ref for ref in targets if ref not in remote]
        return {**_read(manifest, local, given, log, started, timeline), **_from(cache, remote)}
    found = _read(manifest, targets, given, log, started, timeline)
    if cache is None:
        return found
    return {**found, **cache.settle({ref: found[ref] for ref in remote}, _optional(manifest))}


def _read(
    manifest: Manifest,
    targets: Sequence[SecretRef],
    given: Mapping[bytes, bytes],
    log: Log,
    started: float,
    timeline: Timeline | None,
) -> Found:
    wanted: dict[str, list[SecretRef]] = {}
    for ref in targets:
        wanted.setdefault(ref.provider, []).append(ref)
    reads: list[tuple[Provider, tuple[SecretRef, ...]]] = []
    for name, refs in wanted.items():
        provider = manifest.providers[name]
        reads += ((provider, batch) for batch in provider.batches(refs))
    options = manifest.options
    policy = Policy(started, len(targets), timeout=options.timeout, outage=options.outage, chance=chance)
    engine = Engine(
        lambda: open_transport(
            decoded(given),
            lambda what, hint: log.warning(what, hint=hint),
            None if timeline is None else timeline.measured,
            ending,
        ),
        policy,
        Clock(time.monotonic, time.time),
        log,
        concurrency=min(options.concurrency, _affordable()),
        progress=_progress(started) if log.is_live else None,
        timeline=timeline,
    )
    try:
        found = engine.run(reads)
    finally:
        ending.settle()
    if targets:
        seconds = time.monotonic() - started
        much = f"{counted(len(targets), 'secret')} with {counted(engine.requests, 'request')}"
        log.step(f"read {much} in {seconds:.3f} s")
    return found


def _affordable() -> int:
    """How many requests the system's limit of open files lets us have under way at once; at least one."""
    limit = os.sysconf("SC_OPEN_MAX")
    if not 0 < limit < _FEW_FILES:
        return _FEW_FILES
    from ..child.descriptors import open_descriptors  # only where they may not be enough

    free = limit - len(open_descriptors()) - _FILES_BESIDE
    return max(1, free // _FILES_A_REQUEST)


def _progress(started: float) -> Progress:
    from ..progress import Progress  # only where somebody watches

    return Progress(started)


def chance() -> float:
    """A random number from 0 to 1; the module `random` costs more to import than this run has to roll."""
    return int.from_bytes(os.urandom(7)) / (1 << 56)


def _open_cache(manifest: Manifest, given: Mapping[bytes, bytes], log: Log) -> Cache | None:
    if manifest.cache is None:
        return None
    from ..cache import Cache  # only where there is one

    return Cache(manifest.cache, decoded(given), _question(manifest), log)


def _from(cache: Cache | None, refs: Sequence[SecretRef]) -> Found:
    if refs and cache is None:
        raise UsageError("--offline needs a cache", hint="set [cache] in the manifest; see docs/cache.md")
    found = cache.last(refs) if cache else {}
    return (
        found if found is not None else dict.fromkeys(refs, Unavailable("no store is asked, and the cache has nothing"))
    )


def _optional(manifest: Manifest) -> frozenset[SecretRef]:
    needed = {entry.target for entry in manifest.entries if entry.required and entry.default is None}
    return frozenset(entry.target for entry in manifest.entries) - needed


def _question(manifest: Manifest) -> bytes:
    """A digest of all that the answers depend on: who asks which stores, as whom, for what."""
    from ..hashes import sha256  # only where there is a cache

    parts = []
    for name, provider in sorted(manifest.providers.items()):
        settings = sorted((key, str(value)) for key, value in provider.settings.items() if key not in _NOT_ASKED)
        parts.append(repr((name, provider.type, settings)).encode() + _identity(provider))
    parts += [repr((entry.name, str(entry.ref), str(entry.target))).encode() for entry in manifest.entries]
    return sha256(b"".join(sha256(part).digest() for part in parts)).digest()


def _identity(provider: Provider) -> bytes:
    try:
        identity = run_locally(provider.identity())
    except SecretsExecError:
        return b""
    return identity.reveal() if identity else b""
