"""Runs of the engine, and patience with machines that are busy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from scripted import Came, Run, Scripted

from envinject.transports import Request

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture
def run() -> Callable[..., Run]:
    """An engine on a scripted transport: `run(script)(reads)`. A script may be a list of what comes, at once."""

    def run(
        script: Callable[[Request, int], tuple[float, Came] | None] | list[Came | None],
        *,
        timeout: float = 120.0,
        outage: float = 30.0,
        chance: float = 0.5,
    ) -> Run:
        def listed(_request: Request, number: int) -> tuple[float, Came] | None:
            assert isinstance(script, list)
            came = script[min(number, len(script)) - 1]
            return came and (0.0, came)

        return Run(Scripted(script if callable(script) else listed), timeout=timeout, outage=outage, chance=chance)

    return run
