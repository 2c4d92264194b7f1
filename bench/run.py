"""The order of things: build, time every cell in turn, count what time does not show."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from . import bare, budgets, build, costs, peers
from .budgets import Measured
from .clouds import CLOUDS, HTTP_1, HTTP_2, KAKAOCLOUD, Server
from .figures import figure
from .launchers import (
    DOTENV,
    ENV,
    FILE,
    HELP,
    LITERALS,
    NAIVE,
    OURS,
    PASS,
    VERSION,
    Built,
    Clouds,
    Locals,
    bare_python,
)
from .processes import Failed, Program, check, timed
from .rounds import FEWEST, measure

NUMBERS, DELAYS = (1, 10, 100, 1000), (0, 20, 50)
GROWING = (1000, 2000, 5000, 10_000)
PEERS_AT = 20
"""The delay, in milliseconds, at which peers with a store of their own are timed."""

LOCAL_PEERS, GROWTH = "local files", "growth"
"""Cells that no budget compares."""

_QUICK = {KAKAOCLOUD: ((1, 0), (10, 20), (100, 20), (1000, 20)), "ncloud": ((1, 0), (10, 20))}
_QUICK_ROUNDS = 3
_LOAD = 20_000
_RUNS = 3


Prepare = Callable[[], list[Program]]


@dataclass(frozen=True, slots=True)
class How:
    """How much is measured: `seconds` for each cell; `only` the cells that have this in their name."""

    seconds: float
    quick: bool = False
    only: str = ""


@dataclass(slots=True)
class Extras:
    """Figures beside the cells, for the page: rows of a table each."""

    instructions: dict[str, int] = field(default_factory=dict)
    peaks: dict[str, list[float]] = field(default_factory=dict)
    residents: dict[str, tuple[float, float]] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    shares: dict[str, tuple[float, float]] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)


class Bench:
    """One run of everything, with what it finds. `tell` is called with a line of progress."""

    def __init__(self, how: How, folder: Path, tell: Callable[[str], None]) -> None:
        self.how = how
        self.measured = Measured()
        self.extras = Extras()
        self._folder = folder
        self._tell = tell
        self._installed: dict[str, Path] = {}

    def run(self) -> None:
        """Build and measure. Raises: Missing, when what is timed itself cannot be built."""
        self.built = Built(build.tool(), build.go("server"), build.go("limit"))
        if not self.how.quick:
            self._install()
        with ExitStack() as stack:
            self._servers = {
                delay: stack.enter_context(self._server(delay)) for delay in ((0, 20) if self.how.quick else DELAYS)
            }
            self._at = {delay: Clouds(self.built, server) for delay, server in self._servers.items()}
            self._local = Locals(self.built, self._new_folder("local"))
            for name, seconds, prepare in self._cells():
                self._time(name, seconds, prepare)
            self._without_bytecode()
            self._growth()
            self._costs()
            if not self.how.quick and not self.how.only:
                self._server_itself()

    def _server(self, delay: int) -> Server:
        return Server(self.built.server, self._new_folder(f"{delay}ms"), delay)

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir()
        return folder

    def _install(self) -> None:
        for peer in (*peers.WITH_VAULT, *peers.WITH_FILES):
            self._tell(f"installing {peer.name}")
            try:
                programs = peer.install()
                self.extras.peers[peer.name] = f"{build.version(programs, peer.package)}, {peer.registry}; {peer.about}"
                self._installed[peer.name] = programs
            except build.Missing as error:
                self._miss(f"{peer.name} could not be installed: {error}")

    def _miss(self, why: str) -> None:
        self.measured.missing.append(why)
        self._tell(why)

    def _wants(self, name: str) -> bool:
        return self.how.only in name

    # What is timed in turn

    def _cells(self) -> Iterator[tuple[str, float, Prepare]]:
        """The name of each cell, its time, and what prepares those that take part."""
        yield budgets.STARTS, self.how.seconds, self._starts
        if not self.how.quick:
            yield LOCAL_PEERS, 2 * self.how.seconds, self._with_files
        for cloud in CLOUDS:
            chosen = _QUICK[cloud] if self.how.quick else tuple((n, delay) for delay in DELAYS for n in NUMBERS)
            for number, delay in chosen:
                prepare = partial(self._of_cloud, cloud, number, delay)
                yield budgets.cell(cloud, number, delay), self.how.seconds, prepare

    def _starts(self) -> list[Program]:
        kinds = [self._local.work(kind) for kind in (LITERALS, ENV, FILE, DOTENV)]
        return [bare_python(self.built.python), *kinds, self._local.told(VERSION), self._local.told(HELP)]

    def _with_files(self) -> list[Program]:
        ours = self._local.work(DOTENV).called(OURS)
        theirs = [
            peers.with_files(peer, self._installed[peer.name], self._local)
            for peer in peers.WITH_FILES
            if peer.name in self._installed
        ]
        return [bare_python(self.built.python), ours, *theirs]

    def _of_cloud(self, cloud: str, number: int, delay: int) -> list[Program]:
        at = self._at[delay]
        programs = [at.ours(cloud, number), at.naive(cloud, number), at.limit(cloud, number)]
        programs += [at.ours(cloud, number, HTTP_1), at.limit(cloud, number, HTTP_1)] if number >= 10 else []
        programs += [*at.wide(cloud, number), *at.wide(cloud, number, HTTP_1), *at.one_file(cloud, number)]
        programs += [at.limit(cloud, number, HTTP_1, fresh=True)] if number >= 100 else []
        programs += [bare_python(self.built.python)] if number == 1 else []
        if cloud == KAKAOCLOUD and delay == PEERS_AT:
            programs += [
                peers.with_vault(peer, self._installed[peer.name], self._servers[delay], number)
                for peer in peers.WITH_VAULT
                if peer.name in self._installed
            ]
        return programs

    def _time(self, name: str, seconds: float, prepare: Prepare) -> None:
        if not self._wants(name):
            return
        began = time.monotonic()
        try:
            self.measured.cells[name] = measure(
                prepare(),
                seconds,
                lambda why: self._miss(f"{name}: {why}"),
                _QUICK_ROUNDS if self.how.quick else FEWEST,
            )
        except Failed as error:
            self._miss(f"{name}: {error}")
        self._tell(f"{name}: {time.monotonic() - began:.0f} s")

    def _without_bytecode(self) -> None:
        for cloud in CLOUDS:
            name = budgets.bare(cloud)
            if not self._wants(name):
                continue
            at = self._at[0]
            programs = [bare_python(self.built.python), at.ours(cloud, 1), at.naive(cloud, 1)]
            try:
                times = bare.measure(programs, self.built, self.how.seconds, self._miss)
                self.measured.cells[name] = times
            except (bare.Skipped, Failed, build.Missing) as error:
                self._miss(f"{name}: {error}")
            self._tell(name)

    def _growth(self) -> None:
        self._time(GROWTH, self.how.seconds, self._growing)
        times = self.measured.cells.get(GROWTH, {})
        if len(times) >= len(GROWING) - 1:
            few, some, many = (statistics.median(times[name].values()) for name in ("1,000", "5,000", "10,000"))
            self.measured.values[budgets.GROWTH] = ((many - some) / 5000) / ((some - few) / 4000)

    def _growing(self) -> list[Program]:
        numbers = [number for number in GROWING if not self.how.quick or number != 2000]
        return [self._at[0].growing(KAKAOCLOUD, number) for number in numbers]

    # What is counted

    def _costs(self) -> None:
        for name, count in (
            ("expansion", self._expansion),
            ("resident", self._resident),
            ("instructions", self._instructions),
            ("memory", self._peaks),
        ):
            if self._wants(name) and not (self.how.quick and name == "memory"):
                try:
                    count()
                except (Failed, build.Missing, OSError) as error:
                    self._miss(f"{name}: {error}")
                self._tell(name)

    def _expansion(self) -> None:
        told = costs.expansion(self.built.python, 3 if self.how.quick else 7)
        self.measured.values[budgets.CPU] = figure(each["cpu"] for each in told).median
        self.measured.values[budgets.MEMORY] = figure(each["memory"] for each in told).median

    def _resident(self) -> None:
        if sys.platform != "linux":
            raise Failed("--supervise is for Linux")
        literals = self._local.work(LITERALS)
        head, *options = literals.words
        supervised = (head, "--supervise", *options, "sleep", "1000")
        python = self.built.python
        found = self.extras.residents
        found["secrets-exec --supervise"] = costs.resident(supervised, dict(literals.environ))
        found["python -I -S that waits for a signal"] = costs.resident(costs.waiting(python), build.environ())
        (ours, _), (theirs, _) = found.values()
        self.measured.values[budgets.RESIDENT] = ours / theirs

    def _instructions(self) -> None:
        if not costs.can_count():
            raise Failed("not counted, valgrind is not installed")
        at, found = self._at[0], self.extras.instructions
        programs = [bare_python(self.built.python), at.ours(KAKAOCLOUD, 10).called(f"{OURS}, 10 secrets")]
        if not self.how.quick:
            programs += [at.ours(KAKAOCLOUD, 1).called(f"{OURS}, 1 secret"), self._local.work(LITERALS)]
            programs += [at.naive(KAKAOCLOUD, 10).called(f"{NAIVE}, 10 secrets")]
        for program in programs:
            found[program.name] = costs.instructions(program)
        self.measured.values[budgets.INSTRUCTIONS] = found[f"{OURS}, 10 secrets"] / found[PASS]

    def _peaks(self) -> None:
        at = self._at[0]
        found = {PASS: [bare_python(self.built.python)]}
        for number in (10, 1000):
            for program in (at.ours(KAKAOCLOUD, number), at.naive(KAKAOCLOUD, number), at.limit(KAKAOCLOUD, number)):
                found.setdefault(program.name, []).append(program)
        for name, programs in found.items():
            self.extras.peaks[name] = [self._peak(program) for program in programs]

    def _peak(self, program: Program) -> float:
        return figure(costs.peak(program, self.built.python) for _ in range(_RUNS)).median

    def _server_itself(self) -> None:
        """What the server could do, and how much of the processor it takes while a launcher reads 1,000 secrets."""
        at, server = self._at[0], self._servers[0]
        for cloud in CLOUDS:
            for protocol, name in ((HTTP_2, "HTTP/2"), (HTTP_1, "HTTP/1.1")):
                self.extras.rates[f"{cloud}, {name}"] = at.load(cloud, _LOAD, protocol)
        for program in (at.ours(KAKAOCLOUD, 10), at.naive(KAKAOCLOUD, 10), at.limit(KAKAOCLOUD, 10)):
            before = server.requests()
            check(program)
            self.extras.requests[program.name] = server.requests() - before
        for program in (
            at.ours(KAKAOCLOUD, 1000),
            at.ours(KAKAOCLOUD, 1000, HTTP_1),
            *at.wide(KAKAOCLOUD, 1000),
            at.limit(KAKAOCLOUD, 1000),
            at.limit(KAKAOCLOUD, 1000, HTTP_1),
            at.naive(KAKAOCLOUD, 1000),
        ):
            before_cpu = server.cpu()
            lasted = sum(timed(program) for _ in range(_RUNS))
            self.extras.shares[program.name] = (1000 * _RUNS / lasted, (server.cpu() - before_cpu) / lasted)
        self._tell("the server itself")
