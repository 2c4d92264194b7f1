"""Fetching: every distinct secret once, many at a time, within one deadline."""

from __future__ import annotations

import os
import time

from ..environ import decoded
from ..transports import open_transport
from .engine import Clock, Engine
from .policy import Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..log import Log
    from ..manifest import Manifest
    from ..providers.base import Found, Provider
    from ..reference import SecretRef

__all__ = ["fetch"]


def fetch(manifest: Manifest, given: Mapping[bytes, bytes], log: Log, started: float) -> Found:
    """What every entry's target holds: a secret, or the error that stands for it.

    `given` is the launcher's environment; `started` is when the start began, by the monotonic clock.
    """
    wanted: dict[str, dict[SecretRef, None]] = {}
    for entry in manifest.entries:
        wanted.setdefault(entry.ref.provider, {})[entry.target] = None
    reads: list[tuple[Provider, tuple[SecretRef, ...]]] = []
    for name, targets in wanted.items():
        provider = manifest.providers[name]
        reads += ((provider, batch) for batch in provider.batches(list(targets)))
    distinct = sum(len(targets) for targets in wanted.values())
    options = manifest.options
    policy = Policy(started, distinct, timeout=options.timeout, outage=options.outage, chance=_chance)
    engine = Engine(
        lambda: open_transport(decoded(given)),
        policy,
        Clock(time.monotonic, time.time),
        log,
        concurrency=options.concurrency,
    )
    found = engine.run(reads)
    if distinct:
        log.step(f"read {distinct} secrets with {engine.requests} requests in {time.monotonic() - started:.3f} s")
    return found


def _chance() -> float:
    """A random number from 0 to 1; the module `random` costs more to import than this run has to roll."""
    return int.from_bytes(os.urandom(7)) / (1 << 56)
