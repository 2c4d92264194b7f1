"""Medians, their spread, and ratios pair by pair. Times of a program are kept by the round that they are of."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Times = Mapping[int, float]
"""Seconds, by the number of the round."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The median of several values, and the quartiles beside it: half of the values lie between those."""

    median: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def figure(values: Iterable[float]) -> Figure:
    """What several values come to. Raises: ValueError when there is none."""
    ordered = sorted(values)
    if not ordered:
        raise ValueError("no values")
    return Figure(statistics.median(ordered), quantile(ordered, 0.25), quantile(ordered, 0.75), len(ordered))


def quantile(ordered: list[float], part: float) -> float:
    """The value below which that part of the values lies; between two of them, in proportion."""
    place = part * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    between = ordered[below] + (place - below) * (ordered[above] - ordered[below])
    return min(between, ordered[above])


def ratio(ours: Times, theirs: Times) -> float:
    """The ratio of the medians: what a budget is judged by."""
    return statistics.median(ours.values()) / statistics.median(theirs.values())


def pairs(ours: Times, theirs: Times) -> Figure:
    """The ratios of those that ran in the same round, one after the other, so under the same load of the machine."""
    return figure(ours[number] / theirs[number] for number in ours.keys() & theirs.keys())
