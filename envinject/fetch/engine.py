"""The engine: runs the providers' flows, sends what they ask for, many at a time, each distinct thing once.

One thread and no locks: a transport hands answers over, everything else happens between two waits.
"""

from __future__ import annotations

from bisect import insort

from ..errors import SecretsExecError, StoreError, SystemRefused, Unavailable
from ..files import read_regular
from ..providers.base import Call, Once, ReadFile
from ..record import Record
from ..transports import REFUSED, RETRIED_FAILURES, TIMED_OUT, UNREACHABLE, UNTRUSTED, Answer, Failure
from .policy import Retry, retry_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from typing import Any, TypeVar

    T = TypeVar("T")

    from ..log import Log
    from ..progress import Progress
    from ..providers.base import Flow, Found, Provider
    from ..reference import SecretRef
    from ..secret import Secret
    from ..timeline import Timeline, Track
    from ..transports import Transport
    from .policy import Host, Policy

_LONGEST_SLEEP = 3600.0


class Clock(Record):
    """Where time comes from: `monotonic` for waiting, `wall` (Unix time) for signatures. Both in seconds."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


class _Task:
    """A flow under way, who it belongs to, what to do with its end, and whether others wait for that.

    `track` is where its times are told; None when nobody wants to know.
    """

    def __init__(
        self,
        provider: Provider,
        flow: Flow[Any],
        done: Callable[[Any], None],
        *,
        is_shared: bool,
        track: Track | None = None,
    ) -> None:
        self.provider = provider
        self.flow = flow
        self.done = done
        self.is_shared = is_shared
        self.track = track


class _Shared:
    """The outcome of a flow that runs once, or the tasks that wait for it."""

    def __init__(self) -> None:
        self.tasks: list[_Task] = []
        self.is_done = False
        self.outcome: Any = None


class _Exchange:
    """A call under way: how often it was sent, lastly under which tag, and why that was in vain."""

    def __init__(self, number: int, task: _Task, call: Call, lane: _Lane) -> None:
        self.number = number
        self.task = task
        self.call = call
        self.lane = lane
        self.attempt = 0
        self.tag = 0
        self.problem = "no answer yet"

    @property
    def turn(self) -> tuple[bool, int, _Exchange]:
        """Sorts what is to be sent: what others wait for, then what began earlier, whether sent before or not."""
        return not self.task.is_shared, self.number, self


class _Lane:
    """What one provider wants of one host: `open` is all of it, `waiting` the turns of what is to be sent now.

    `under_way` is how many were sent.
    """

    def __init__(self, provider: Provider, host: Host) -> None:
        self.provider = provider
        self.host = host
        self.open: set[_Exchange] = set()
        self.waiting: list[tuple[bool, int, _Exchange]] = []
        self.under_way = 0


class Engine:
    """One run's fetching. `open_transport` is called when the first request is to be sent, not earlier."""

    def __init__(
        self,
        open_transport: Callable[[], Transport],
        policy: Policy,
        clock: Clock,
        log: Log,
        *,
        concurrency: int,
        progress: Progress | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._policy = policy
        self._clock = clock
        self._log = log
        self._concurrency = concurrency
        self._progress = progress
        self._timeline = timeline
        self._found: dict[SecretRef, Secret | SecretsExecError] = {}
        self._wanted = 0
        self._runnable: list[tuple[_Task, Any]] = []
        self._shared: dict[tuple[str, Hashable], _Shared] = {}
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._delayed: list[tuple[float, int, _Exchange]] = []
        self._sent: dict[int, _Exchange] = {}
        self._ends: list[tuple[float, int]] = []
        self._under_way: dict[str, int] = {}
        self._calls = 0
        self.requests = 0
        """How many requests were sent so far; the last one's tag."""
        self._told = False

    def run(self, reads: Iterable[tuple[Provider, tuple[SecretRef, ...]]]) -> Found:
        """Read everything; what was found for each reference, a secret or the error that stands for it."""
        for provider, refs in reads:
            self._wanted += len(refs)
            flow, track = provider.read(refs), self._track(provider, refs)
            self._start(_Task(provider, flow, _collector(refs, self._found), is_shared=False, track=track))
        try:
            while self._step():
                pass
        finally:
            if self._transport is not None:
                self._transport.close()
            if self._progress is not None:
                self._progress.clear()
        return self._found

    def _step(self) -> bool:
        runnable, self._runnable = self._runnable, []
        for task, outcome in runnable:
            self._advance(task, outcome)
        now = self._clock.monotonic()
        self._expire(now)
        self._wake(now)
        self._send(now)
        if self._runnable:
            return True
        if self._progress is not None and now >= self._progress.due:
            self._progress.show(self._state(now), now)
        if not any(lane.open for lane in self._lanes.values()):
            return False
        self._receive(self._next_event(now) - now)
        return True

    def _state(self, now: float) -> str:
        hosts = sorted(authority for (_name, authority), lane in self._lanes.items() if lane.open)
        left = max(0.0, self._policy.deadline - now)
        return f"fetched {len(self._found)} of {self._wanted}, waiting for {', '.join(hosts)}, {left:.0f} s left"

    # Flows

    def _start(self, task: _Task) -> None:
        self._runnable.append((task, None))

    def _track(self, provider: Provider, of: Hashable) -> Track | None:
        return None if self._timeline is None else self._timeline.track(provider.name, of)

    def _advance(self, task: _Task, outcome: Any) -> None:
        if task.track is not None:
            task.track.advanced(self._clock.monotonic())
        try:
            if isinstance(outcome, SecretsExecError):
                wanted = task.flow.throw(outcome.at(outcome.where))
            else:
                wanted = task.flow.send(outcome)
        except StopIteration as end:
            self._end(task, end.value)
        except SecretsExecError as error:
            self._end(task, error.at(error.where))
        else:
            self._serve(task, wanted)

    def _end(self, task: _Task, outcome: Any) -> None:
        if task.track is not None:
            task.track.ended(self._clock.monotonic())
        task.done(outcome)

    def _serve(self, task: _Task, wanted: Call | ReadFile | Once) -> None:
        if isinstance(wanted, Call):
            self._open(task, wanted)
        elif isinstance(wanted, Once):
            self._share(task, wanted)
        else:
            self._runnable.append((task, _read(wanted)))

    def _share(self, task: _Task, wanted: Once) -> None:
        key = (task.provider.name, wanted.key)
        if key not in self._shared:
            begun = self._shared[key] = _Shared()

            def finish(outcome: Any) -> None:
                self._finish(begun, outcome, str(key))

            track = self._track(task.provider, wanted.key)
            self._start(_Task(task.provider, wanted.flow(), finish, is_shared=True, track=track))
        shared = self._shared[key]
        if shared.is_done:
            self._runnable.append((task, shared.outcome))
        else:
            shared.tasks.append(task)

    def _finish(self, shared: _Shared, outcome: Any, cause: str) -> None:
        if isinstance(outcome, SecretsExecError) and not outcome.cause:
            outcome = outcome.of(cause)
        shared.is_done, shared.outcome = True, outcome
        self._runnable += [(task, outcome) for task in shared.tasks]

    # Requests

    def _open(self, task: _Task, call: Call) -> None:
        authority = call.endpoint.authority
        key = (task.provider.name, authority)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(task.provider, self._policy.host(authority))
        self._calls += 1
        exchange = _Exchange(self._calls, task, call, lane)
        lane.open.add(exchange)
        insort(lane.waiting, exchange.turn)
        if task.track is not None:
            task.track.opened(self._clock.monotonic(), authority)

    def _close(self, exchange: _Exchange, outcome: Answer | SecretsExecError) -> None:
        exchange.lane.open.remove(exchange)
        self._runnable.append((exchange.task, outcome))

    def _send(self, now: float) -> None:
        """Send what may be sent; the lane goes first that has the fewest under way, so that none is starved."""
        while len(self._sent) < self._concurrency:
            lanes = [lane for lane in self._lanes.values() if self._admits(lane, now)]
            if not lanes:
                return
            lane = min(lanes, key=lambda lane: lane.under_way)
            self._attempt(lane.waiting.pop(0)[-1], now)

    def _admits(self, lane: _Lane, now: float) -> bool:
        if not (lane.waiting and lane.host.admits(now)):
            return False
        most = lane.provider.concurrency
        return most is None or self._under_way.get(lane.provider.name, 0) < most

    def _attempt(self, exchange: _Exchange, now: float) -> None:
        call, lane, name = exchange.call, exchange.lane, exchange.lane.provider.name
        lane.host.sent(now)
        lane.under_way += 1
        self._under_way[name] = self._under_way.get(name, 0) + 1
        self.requests += 1
        exchange.attempt += 1
        exchange.tag = self.requests
        self._sent[exchange.tag] = exchange
        if exchange.task.track is not None:
            exchange.task.track.sent(now, exchange.tag)
        insort(self._ends, (now + call.seconds, exchange.tag))
        self._opened().send(exchange.tag, call.build(self._clock.wall()), call.seconds)

    def _opened(self) -> Transport:
        if self._transport is None:
            self._transport = self._open_transport()
        return self._transport

    def _receive(self, seconds: float) -> None:
        for tag, outcome in self._opened().wait(min(max(0.0, seconds), _LONGEST_SLEEP)):
            if tag not in self._sent:  # abandoned before
                continue
            exchange = self._release(tag)
            if exchange.task.track is not None:
                exchange.task.track.came(self._clock.monotonic(), _told(outcome))
            if isinstance(outcome, Failure):
                exchange.lane.host.failed()
                self._failed(exchange, outcome)
            else:
                exchange.lane.host.answered(outcome.status)
                self._answered(exchange, outcome)

    def _release(self, tag: int) -> _Exchange:
        exchange = self._sent.pop(tag)
        exchange.lane.under_way -= 1
        self._under_way[exchange.lane.provider.name] -= 1
        return exchange

    def _answered(self, exchange: _Exchange, answer: Answer) -> None:
        call, now, wall = exchange.call, self._clock.monotonic(), self._clock.wall()
        answer = Answer(answer.status, answer.headers, answer.body, wall, exchange.attempt)
        if answer.status in call.retried and _may_repeat(exchange) and not (call.is_final and call.is_final(answer)):
            asked = retry_after(answer.headers, wall)
            again = self._policy.after_status(exchange.lane.host, exchange.attempt, now, answer.status, asked)
            if isinstance(again, Retry):
                self._delay(exchange, again.at, now, f"answered {answer.status}")
                return
            answer = answer.replace(given_up=again.why)
        self._close(exchange, answer)

    def _failed(self, exchange: _Exchange, failure: Failure) -> None:
        why = ""
        if failure.kind in exchange.call.failures and _may_repeat(exchange):
            now = self._clock.monotonic()
            again = self._policy.after_failure(exchange.lane.host, exchange.attempt, now)
            if isinstance(again, Retry):
                self._delay(exchange, again.at, now, failure.what)
                return
            why = again.why
        self._close(exchange, _error(exchange, failure, why))

    # Time

    def _delay(self, exchange: _Exchange, at: float, now: float, problem: str) -> None:
        told = self._log.detail if self._told else self._log.notice
        self._told = True
        if self._progress is not None:
            self._progress.clear()
        told(
            f"{exchange.call.endpoint.authority}: {problem}; trying again in {at - now:.1f} s"
            f" (the start may take {max(0.0, self._policy.deadline - now):.0f} s more)"
        )
        exchange.problem = problem
        if exchange.task.track is not None:
            exchange.task.track.delayed(at)
        insort(self._delayed, (at, exchange.number, exchange))

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            exchange = self._delayed.pop(0)[-1]
            if exchange in exchange.lane.open:
                insort(exchange.lane.waiting, exchange.turn)

    def _expire(self, now: float) -> None:
        for lane in self._lanes.values():
            if lane.open and now >= self._policy.silent_at(lane.host):
                self._give_up(lane, now)
        while self._ends and (self._ends[0][0] <= now or self._ends[0][1] not in self._sent):
            tag = self._ends.pop(0)[1]
            if tag in self._sent:
                exchange = self._abandon(tag)
                self._failed(exchange, Failure(TIMED_OUT, f"no answer within {exchange.call.seconds:g} s"))

    def _give_up(self, lane: _Lane, now: float) -> None:
        if now >= self._policy.deadline:
            why, hint = "the deadline of the start has passed", "is the store reachable? See also --timeout"
        else:
            why, hint = f"no answer at all for {self._policy.outage:g} s", "is the store reachable from here?"
        for _, _, exchange in sorted(one.turn for one in lane.open):
            if exchange.tag in self._sent:
                self._abandon(exchange.tag)
            error = Unavailable(_what(exchange, exchange.problem, why), hint=hint, cause=why)
            self._close(exchange, error)
        lane.waiting.clear()

    def _abandon(self, tag: int) -> _Exchange:
        self._opened().abandon(tag)
        exchange = self._release(tag)
        exchange.lane.host.failed()
        if exchange.task.track is not None:
            exchange.task.track.came(self._clock.monotonic(), "no answer")
        return exchange

    def _next_event(self, now: float) -> float:
        times = [self._policy.deadline]
        times += [self._progress.due] if self._progress is not None else []
        times += [self._ends[0][0]] if self._ends else []
        times += [self._delayed[0][0]] if self._delayed else []
        for lane in self._lanes.values():
            times += [self._policy.silent_at(lane.host)] if lane.open else []
            times += [lane.host.opens] if lane.waiting and lane.host.opens > now else []
        return min(times)


def run_locally(flow: Flow[T]) -> T:
    """The end of a flow that needs nothing but files. Raises: SecretsExecError."""
    outcome: Any = None
    try:
        while True:
            wanted = flow.throw(outcome) if isinstance(outcome, SecretsExecError) else flow.send(outcome)
            if not isinstance(wanted, ReadFile):
                raise TypeError("the flow asks for more than files")
            outcome = _read(wanted)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]  # a flow's end has the type that the flow says


def _may_repeat(exchange: _Exchange) -> bool:
    return exchange.attempt != exchange.call.attempts


def _collector(refs: tuple[SecretRef, ...], found: dict[SecretRef, Secret | SecretsExecError]) -> Callable[[Any], None]:
    def collect(outcome: Mapping[SecretRef, Secret | SecretsExecError] | SecretsExecError) -> None:
        found.update(dict.fromkeys(refs, outcome) if isinstance(outcome, SecretsExecError) else outcome)

    return collect


def _read(wanted: ReadFile) -> bytes | SecretsExecError:
    try:
        return read_regular(wanted.path, wanted.limit)
    except SecretsExecError as error:
        return error


def _told(outcome: Answer | Failure) -> str:
    """What came, for a timeline: a status, or a kind of failure."""
    return outcome.kind if isinstance(outcome, Failure) else str(outcome.status)


def _what(exchange: _Exchange, what: str, why: str) -> str:
    tries = f" ({exchange.attempt} attempts)" if exchange.attempt > 1 else ""
    return f"{exchange.call.endpoint.authority}: {what}{tries}{f'; {why}' if why else ''}"


def _error(exchange: _Exchange, failure: Failure, why: str) -> SecretsExecError:
    what = _what(exchange, failure.what, why)
    cause = f"{exchange.call.endpoint.authority} {failure.kind}" if failure.kind in _OF_THE_HOST else ""
    if failure.kind in RETRIED_FAILURES:
        return Unavailable(what, hint="is the store reachable from here? Try again later", cause=cause)
    if failure.kind == REFUSED:
        return SystemRefused(what, cause=cause)
    return StoreError(
        what, cause=cause, hint=_MEND.get(failure.kind, "is the endpoint right, and is no proxy between?")
    )


_OF_THE_HOST = frozenset({UNREACHABLE, TIMED_OUT, UNTRUSTED, REFUSED})
"""Failures that are not of one answer: what fails so for one secret fails so for its neighbours."""

_MEND = {UNTRUSTED: "give the authority's file as ca_bundle or SSL_CERT_FILE; verification cannot be switched off"}
