"""The budgets: what a start may cost at most, and whether it does. Ratios are those of medians in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .clouds import CLOUDS, KAKAOCLOUD
from .figures import ratio
from .launchers import (
    DOTENV,
    ENV,
    FILE,
    GO,
    GO_1,
    GO_FRESH,
    HELP,
    LITERALS,
    NAIVE,
    ONE_FILE,
    OURS,
    PASS,
    VERSION,
    WIDE,
    WIDE_1,
    WIDE_FILE,
)
from .rounds import Results

STARTS = "starts"
"""The cell of what needs no cloud."""

INSTRUCTIONS, CPU, MEMORY, RESIDENT, GROWTH = (
    "instructions",
    "expansion, CPU",
    "expansion, memory",
    "resident",
    "growth",
)
"""What is measured once, and not as a cell."""

_NAMES = {"kakaocloud": "KakaoCloud", "ncloud": "NAVER"}


def cell(cloud: str, number: int, delay: int) -> str:
    """The name of a cell: a cloud, so many secrets, so many milliseconds."""
    return f"{cloud} {number} @ {delay} ms"


def bare(cloud: str) -> str:
    """The cell of one secret without bytecode."""
    return f"{cloud} without bytecode"


@dataclass(slots=True)
class Measured:
    """All that was measured: the times of each cell, what is no time, and what is missing, with its reason."""

    cells: dict[str, Results] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def ratio(self, name: str, ours: str, theirs: str) -> float | None:
        """Ours as a multiple of theirs in a cell; None where one of them was not timed."""
        times = self.cells.get(name, {})
        if not times.get(ours) or not times.get(theirs):
            return None
        return ratio(times[ours], times[theirs])


@dataclass(frozen=True, slots=True)
class Budget:
    """One row: the work, how much it may be of what, and where that stands in what was measured."""

    work: str
    most: float
    unit: str
    look: Callable[[Measured], float | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A budget with what was measured; None when it was not."""

    budget: Budget
    measured: float | None

    @property
    def holds(self) -> bool | None:
        """Whether it is kept; None when nobody knows."""
        return None if self.measured is None else self.measured <= self.budget.most

    @property
    def word(self) -> str:
        """The last column."""
        if self.measured is None:
            return "not measured"
        return "holds" if self.holds else f"no: {self.measured / self.budget.most:.2f} times the budget"


def judge(measured: Measured, budgets: Sequence[Budget]) -> list[Verdict]:
    """Each budget with what was measured."""
    return [Verdict(budget, budget.look(measured)) for budget in budgets]


def _compared(name: str, ours: str, theirs: str) -> Callable[[Measured], float | None]:
    return lambda measured: measured.ratio(name, ours, theirs)


def _valued(name: str) -> Callable[[Measured], float | None]:
    return lambda measured: measured.values.get(name)


def table(*, quick: bool = False) -> list[Budget]:
    """Every budget; quick, those of one cloud where many secrets are read."""
    many = (*_many(100, quick=quick), *_many(1000, quick=quick))
    return [*_starts(), *_one(), *_ten(), *many, *_one_file(quick=quick), *_others()]


def _starts() -> Iterator[Budget]:
    for kind, what in ((LITERALS, "10 literals"), (ENV, "10 from env"), (FILE, "10 files"), (DOTENV, "10 from dotenv")):
        yield Budget(what, 1.8, PASS, _compared(STARTS, kind, PASS))
    yield Budget("--version", 1.3, PASS, _compared(STARTS, VERSION, PASS))
    yield Budget("--help", 4.0, PASS, _compared(STARTS, HELP, PASS))


def _one() -> Iterator[Budget]:
    for cloud in CLOUDS:
        name, work = cell(cloud, 1, 0), f"1 of {_NAMES[cloud]}, no delay"
        yield Budget(work, 2.6, PASS, _compared(name, OURS, PASS))
        yield Budget(work, 0.25, NAIVE, _compared(name, OURS, NAIVE))
    for cloud in CLOUDS:
        work = f"1 of {_NAMES[cloud]}, no bytecode anywhere"
        yield Budget(work, 3.5, PASS, _compared(bare(cloud), OURS, PASS))
        yield Budget(work, 0.15, NAIVE, _compared(bare(cloud), OURS, NAIVE))


def _ten() -> Iterator[Budget]:
    for cloud in CLOUDS:
        name, work = cell(cloud, 10, 20), f"10 of {_NAMES[cloud]} at 20 ms"
        yield Budget(work, 0.28, NAIVE, _compared(name, OURS, NAIVE))
        yield Budget(work, 1.8, GO, _compared(name, OURS, GO))


_MANY = {100: (0.14, 1.7, 1.3), 1000: (0.09, 1.2, 1.3)}
"""At most so much of naive, of Go over HTTP/2, of Go over HTTP/1.1. With 16 requests at once, which is the default,
the delays alone would be more than that: these rows are about `-j`, with as many as Go has."""


def _many(number: int, *, quick: bool) -> Iterator[Budget]:
    of_naive, of_go, of_go_1 = _MANY[number]
    for cloud in (KAKAOCLOUD,) if quick else CLOUDS:
        name, work = cell(cloud, number, 20), f"{number:,} of {_NAMES[cloud]} at 20 ms"
        yield Budget(f"{work}, -j, HTTP/2", of_naive, NAIVE, _compared(name, WIDE, NAIVE))
        yield Budget(f"{work}, -j, HTTP/1.1", of_naive, NAIVE, _compared(name, WIDE_1, NAIVE))
        yield Budget(f"{work}, -j, HTTP/2", of_go, GO, _compared(name, WIDE, GO))
        yield Budget(f"{work}, -j, HTTP/1.1", of_go_1, GO_1, _compared(name, WIDE_1, GO_1))
        yield Budget(f"{work}, -j, HTTP/1.1", of_go_1, GO_FRESH, _compared(name, WIDE_1, GO_FRESH))


def _one_file(*, quick: bool) -> Iterator[Budget]:
    for cloud in (KAKAOCLOUD,) if quick else CLOUDS:
        for number, delay, ours, most in ((1, 0, ONE_FILE, 2.0), (1, 20, ONE_FILE, 1.5), (100, 20, WIDE_FILE, 1.4)):
            if quick and (number, delay) == (1, 20):
                continue
            how = ", -j" if ours == WIDE_FILE else ""
            work = f"one file: {number} of {_NAMES[cloud]} at {delay} ms{how}"
            yield Budget(work, most, GO, _compared(cell(cloud, number, delay), ours, GO))


def _others() -> Iterator[Budget]:
    yield Budget("expansion and merge, 1,000 secrets of 20 keys", 50.0, "ms of CPU", _valued(CPU))
    yield Budget("expansion and merge, 1,000 secrets of 20 keys", 40.0, "MiB", _valued(MEMORY))
    yield Budget("--supervise, resident (RSS)", 1.15, "python -I -S that waits", _valued(RESIDENT))
    yield Budget("instructions with 10 secrets", 2.2, PASS, _valued(INSTRUCTIONS))
    yield Budget("each secret from 5,000 to 10,000", 1.25, "each from 1,000 to 5,000", _valued(GROWTH))
