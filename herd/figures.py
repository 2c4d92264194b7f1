"""What a rush came to, in figures that can be compared."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """One rush. Times in seconds since its begin; `last_start` is when the last launcher had all its secrets.

    `crashes` counts launchers that gave up and were started again; `failed` those that were not.
    """

    launchers: int
    started: int
    failed: int
    crashes: int
    last_start: float
    requests: int
    successes: int
    peak: int

    @property
    def requests_per_success(self) -> float:
        """Requests for each answer that held a secret; 1 is as good as it gets."""
        return self.requests / self.successes if self.successes else float("inf")


def together(rushes: Sequence[Figures]) -> Figures:
    """Several rushes as one: everything counted together, the latest last start, the highest peak."""
    return Figures(
        launchers=sum(each.launchers for each in rushes),
        started=sum(each.started for each in rushes),
        failed=sum(each.failed for each in rushes),
        crashes=sum(each.crashes for each in rushes),
        last_start=max(each.last_start for each in rushes),
        requests=sum(each.requests for each in rushes),
        successes=sum(each.successes for each in rushes),
        peak=max(each.peak for each in rushes),
    )


def busiest_second(times: Iterable[float]) -> int:
    """The largest number of times that lie within one second; they come in order."""
    most, recent = 0, deque[float]()
    for time in times:
        recent.append(time)
        while recent[0] <= time - 1:
            recent.popleft()
        most = max(most, len(recent))
    return most
