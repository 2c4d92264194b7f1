"""No core dump of ours while secrets are in our memory; the child may have its own.

A limit of one byte keeps the kernel from writing a file and from calling a handler alike (core(5)). prctl(2) would do
it too, but to call it from here costs more than the whole start of a small program.
"""

from __future__ import annotations

import resource

_ONE_BYTE = 1

_given: list[tuple[int, int]] = []


def forbid() -> None:
    """From now on this process leaves no core dump, where its hard limit lets it say so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if soft != _ONE_BYTE and hard != 0:
        resource.setrlimit(resource.RLIMIT_CORE, (_ONE_BYTE, hard))
        _given.append((soft, hard))


def give_back() -> None:
    """The limit as it was given to us, for the program that takes our place."""
    while _given:
        resource.setrlimit(resource.RLIMIT_CORE, _given.pop())
