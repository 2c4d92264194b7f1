"""An engine in a time of its own: a transport that answers by a script, and the only clock is what it moves."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from envinject.errors import SecretsExecError, Unavailable
from envinject.fetch.engine import Clock, Engine
from envinject.fetch.policy import Policy
from envinject.log import Log
from envinject.providers.base import Call, Once, Provider
from envinject.reference import SecretRef
from envinject.secret import Secret
from envinject.timeline import Timeline
from envinject.transports import Answer, Failure, Request
from envinject.url import parse_endpoint

if TYPE_CHECKING:
    from envinject.providers.base import Flow, Found

NOON = 1_800_000_000.0

Came = Answer | Failure


def ok(body: bytes = b"value") -> Answer:
    return Answer(200, {}, body)


def status(number: int, **headers: str) -> Answer:
    """An answer; header names are written with `_`."""
    return Answer(number, {name.replace("_", "-"): value for name, value in headers.items()}, b"")


class Sent(NamedTuple):
    """A request that was handed to the transport, and when."""

    tag: int
    at: float
    request: Request


class Scripted:
    """A transport: `script(request, n)` says after how many seconds the n-th request comes to what; None is never."""

    def __init__(self, script: Callable[[Request, int], tuple[float, Came] | None]) -> None:
        self.now = 0.0
        self.sent: list[Sent] = []
        self.abandoned: list[int] = []
        self.closed = 0
        self.waits = 0
        self.most: dict[str, int] = {}
        """The most requests under way at once, by host; under "" of all of them."""
        self._script = script
        self._due: dict[int, tuple[float, Came] | None] = {}

    def send(self, tag: int, request: Request, seconds: float) -> None:
        del seconds
        self.sent.append(Sent(tag, self.now, request))
        came = self._script(request, len(self.sent))
        self._due[tag] = came and (self.now + came[0], came[1])
        hosts = [sent.request.endpoint.host for sent in self.sent[-2000:] if sent.tag in self._due]
        for name, count in (("", len(self._due)), (request.endpoint.host, hosts.count(request.endpoint.host))):
            self.most[name] = max(self.most.get(name, 0), count)

    def wait(self, seconds: float) -> Sequence[tuple[int, Came]]:
        self.waits += 1
        assert self.waits < 20_000, "the engine goes round and round"
        first = min((due[0] for due in self._due.values() if due), default=float("inf"))
        self.now = max(self.now, min(first, self.now + seconds))
        came = [(tag, due[1]) for tag, due in self._due.items() if due and due[0] <= self.now]
        for tag, _ in came:
            del self._due[tag]
        return came

    def abandon(self, tag: int) -> None:
        self.abandoned.append(tag)
        self._due.pop(tag)

    def close(self) -> None:
        self.closed += 1


class Toy(Provider):
    """A provider for tests: one call for each reference, perhaps after something that is shared."""

    type = "toy"

    def __init__(self, name: str = "toy", *, concurrency: int = 16, once: Hashable = None, **how: Any) -> None:
        super().__init__(name, {"concurrency": concurrency}, {})
        self.built: list[float] = []
        """The wall time that each request was built at."""
        self._once = once
        self._how = how

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        (ref,) = refs
        if self._once is not None:
            yield Once(self._once, lambda: self._call("/shared"))
        answer = yield from self._call(f"/{ref.id}")
        return {ref: Secret(answer.body) if answer.status == 200 else self._refused(answer)}

    def _call(self, target: str) -> Flow[Answer]:
        endpoint = parse_endpoint(f"https://{self.name}.example.com")
        assert endpoint is not None

        def build(now: float) -> Request:
            self.built.append(now)
            return Request("GET", endpoint, target)

        answer: Answer = yield Call(endpoint, build, **self._how)
        return answer

    def _refused(self, answer: Answer) -> SecretsExecError:
        return Unavailable(f"{answer.status} after {answer.attempts}: {answer.given_up}")


class Run:
    """One run of the engine, and what came of it: `values` by id are bytes or errors."""

    def __init__(self, transport: Scripted, *, timeout: float, outage: float, chance: float) -> None:
        self.transport = transport
        self.wall: Callable[[], float] = lambda: NOON + transport.now
        """What the clock on the wall shows; it may be set while the run goes on."""
        self.timeout = timeout
        self.outage = outage
        self.chance = chance
        self.opened = 0
        self.timeline: Timeline | None = None

    def __call__(
        self, reads: Iterable[tuple[Provider, str]], *, concurrency: int = 16, verbosity: int = 0
    ) -> dict[str, bytes | SecretsExecError]:
        wanted = [(provider, (SecretRef(provider.name, id),)) for provider, id in reads]
        rules = Policy(0.0, len(wanted), timeout=self.timeout, outage=self.outage, chance=lambda: self.chance)
        clock = Clock(lambda: self.transport.now, self.wall)
        how: dict[str, Any] = {"concurrency": concurrency, "timeline": self.timeline}
        engine = Engine(self._open, rules, clock, Log(verbosity), **how)
        found = engine.run(wanted)
        assert len(found) == len(wanted)
        return {ref.id: value.reveal() if isinstance(value, Secret) else value for ref, value in found.items()}

    def _open(self) -> Scripted:
        self.opened += 1
        return self.transport
