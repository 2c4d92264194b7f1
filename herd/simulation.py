"""Thousands of launchers on one simulated clock: the real engine, policy and provider, no socket and no sleep.

The store is the emulator's token bucket behind a network that takes the same time for everything. All chance comes from
one seed, so the same rush gives the same figures.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from envinject.emulator.faults import Faults
from envinject.emulator.seed import parse_seed
from envinject.fetch.engine import Clock, Engine
from envinject.fetch.policy import Policy
from envinject.log import QUIET, Log
from envinject.manifest import Options
from envinject.providers.kakaocloud import KakaoCloud
from envinject.reference import SecretRef
from envinject.secret import Secret
from envinject.transports import Answer, Failure, Request

from .figures import Figures, busiest_second

_EPOCH = 1_800_000_000.0
_CONCURRENCY = 16
_FOUND = Answer(200, {"content-type": "application/json"}, b'{"version":{"secret":"fake"}}')
_THROTTLED = Answer(429, {"retry-after": "1"}, b"")
_CREDENTIALS = {"KAKAOCLOUD_TOKEN": "fake-token"}
_PROVIDER = "kakaocloud"


@dataclass(frozen=True, slots=True)
class Rush:
    """Who starts, against what. Times in seconds.

    Every launcher starts within `splay`. `restart` is how long after it gave up a launcher is started again; None is
    never. `policy` is made with the arguments of `Policy`.
    """

    launchers: int = 1000
    secrets: int = 5
    rate: float = 50
    splay: float = 0.0
    timeout: float = Options.timeout
    restart: float | None = None
    round_trip: float = 0.02
    policy: Callable[..., Policy] = Policy

    @property
    def least(self) -> float:
        """How long the limit alone makes it take: the bucket is full at the begin."""
        return max(0.0, (self.launchers * self.secrets - self.rate) / self.rate)


def simulate(rush: Rush, seed: int = 1) -> Figures:
    """Let it happen, and count."""
    return _World(rush, Random(seed)).figures()


class _World:
    """The one clock, and what will happen on it."""

    def __init__(self, rush: Rush, random: Random) -> None:
        self.rush = rush
        self.random = random
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbered = 0
        self._faults = Faults(parse_seed({_PROVIDER: {"rate_limit": rush.rate}}), lambda: self.now)
        self._asked: list[float] = []
        self._successes = 0
        self._ended: list[float] = []
        self._crashes = 0

    def figures(self) -> Figures:
        """Run to the end."""
        for _ in range(self.rush.launchers):
            self.at(self.random.uniform(0, self.rush.splay), self._launch)
        while self._events:
            self.now, _, act, given = heapq.heappop(self._events)
            act(*given)
        return Figures(
            launchers=self.rush.launchers,
            started=len(self._ended),
            failed=self.rush.launchers - len(self._ended),
            crashes=self._crashes,
            last_start=max(self._ended, default=0.0),
            requests=len(self._asked),
            successes=self._successes,
            peak=busiest_second(self._asked),
        )

    def at(self, time: float, act: Callable[..., None], *given: Any) -> None:
        """Have it done then; things of one time happen in the order in which they were said."""
        self._numbered += 1
        heapq.heappush(self._events, (max(time, self.now), self._numbered, act, given))

    def ask(self, transport: _Transport, tag: int) -> None:
        """A request arrives at the store."""
        self._asked.append(self.now)
        throttled = self._faults.throttled(_PROVIDER)
        self._successes += not throttled
        answer = _THROTTLED if throttled else _FOUND
        self.at(self.now + self.rush.round_trip / 2, transport.receive, tag, answer)

    def ended(self, found: Mapping[SecretRef, object]) -> None:
        """A launcher has all its secrets, or gives up."""
        if all(isinstance(outcome, Secret) for outcome in found.values()):
            self._ended.append(self.now)
        elif self.rush.restart is not None:
            self._crashes += 1
            self.at(self.now + self.rush.restart, self._launch)

    def _launch(self) -> None:
        _Launcher(self).step()


class _SteppedEngine(Engine):
    """The engine, but whoever has the clock makes its steps: `run` gives at once what will be filled by them."""

    def step(self) -> bool:
        return super()._step()

    def _step(self) -> bool:
        return False


class _Launcher:
    """One start: the engine with its own policy, and when it wants to go on."""

    def __init__(self, world: _World) -> None:
        rush = world.rush
        self._world = world
        self._transport = _Transport(world, self)
        self._wakes = 0.0
        clock = Clock(lambda: world.now, lambda: _EPOCH + world.now)
        policy = rush.policy(
            world.now, rush.secrets, timeout=rush.timeout, outage=Options.outage, chance=world.random.random
        )
        self._engine = _SteppedEngine(lambda: self._transport, policy, clock, Log(QUIET), concurrency=_CONCURRENCY)
        provider = KakaoCloud(_PROVIDER, {}, _CREDENTIALS)
        refs = [SecretRef(_PROVIDER, f"s{number}") for number in range(rush.secrets)]
        self._found = self._engine.run([(provider, (ref,)) for ref in refs])

    def step(self, due: float | None = None) -> None:
        """Go on until there is nothing to do but wait; `due` says for which time that was planned, if it was."""
        if self._transport.is_closed or due not in (None, self._wakes):
            return
        self._transport.waits = None
        while self._transport.waits is None:
            if not self._engine.step():
                self._transport.close()
                self._world.ended(self._found)
                return
        self._wakes = self._world.now + self._transport.waits
        self._world.at(self._wakes, self.step, self._wakes)


class _Transport:
    """A network that takes its time. `waits` is how long the engine wants to wait, None while it does not."""

    def __init__(self, world: _World, launcher: _Launcher) -> None:
        self._world = world
        self._launcher = launcher
        self._come: list[tuple[int, Answer | Failure]] = []
        self.waits: float | None = None
        self.is_closed = False

    def send(self, tag: int, request: Request, seconds: float) -> None:
        del request, seconds
        self._world.at(self._world.now + self._world.rush.round_trip / 2, self._world.ask, self, tag)

    def wait(self, seconds: float) -> Sequence[tuple[int, Answer | Failure]]:
        come, self._come = self._come, []
        if not come:
            self.waits = seconds
        return come

    def receive(self, tag: int, answer: Answer) -> None:
        """An answer arrives; the engine, which was waiting, goes on."""
        self._come.append((tag, answer))
        self._launcher.step()

    def abandon(self, tag: int) -> None:
        """An answer to it may still come: the engine does not know it any more."""

    def close(self) -> None:
        self.is_closed = True
