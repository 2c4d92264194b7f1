"""The engine: runs the providers' flows, sends what they ask for, many at a time, each distinct thing once.

One thread and no locks: a transport hands answers over, everything else happens between two waits.
"""

from __future__ import annotations

import heapq

from ..errors import SecretsExecError, StoreError, SystemRefused, Unavailable
from ..files import read_regular
from ..providers.base import Call, Once, ReadFile
from ..record import Record
from ..transports import REFUSED, RETRIED_FAILURES, TIMED_OUT, UNTRUSTED, Answer, Failure
from .policy import GiveUp, Retry, retry_after

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping
    from typing import Any

    from ..log import Log
    from ..providers.base import Flow, Found, Provider
    from ..reference import SecretRef
    from ..secret import Secret
    from ..transports import Transport
    from .policy import Host, Policy

_LONGEST_SLEEP = 3600.0


class Clock(Record):
    """Where time comes from: `monotonic` for waiting, `wall` (Unix time) for signatures. Both in seconds."""

    monotonic: Callable[[], float]
    wall: Callable[[], float]


class _Task:
    """A flow under way, who it belongs to, and what to do with its end."""

    def __init__(self, provider: Provider, flow: Flow[Any], done: Callable[[Any], None]) -> None:
        self.provider = provider
        self.flow = flow
        self.done = done


class _Shared:
    """The outcome of a flow that runs once, or the tasks that wait for it."""

    def __init__(self) -> None:
        self.tasks: list[_Task] = []
        self.is_done = False
        self.outcome: Any = None


class _Exchange:
    """A call under way: the attempts at it so far, and when the present one is over."""

    def __init__(self, task: _Task, call: Call, host: Host) -> None:
        self.task = task
        self.call = call
        self.host = host
        self.attempt = 0
        self.ends = 0.0


class _Lane:
    """What waits to be sent to one host for one provider, in order."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.waiting: list[_Exchange] = []


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
    ) -> None:
        self._open_transport = open_transport
        self._transport: Transport | None = None
        self._policy = policy
        self._clock = clock
        self._log = log
        self._concurrency = concurrency
        self._runnable: list[tuple[_Task, Any]] = []
        self._shared: dict[tuple[str, Hashable], Any] = {}
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._delayed: list[tuple[float, int, _Exchange]] = []
        self._sent: dict[int, _Exchange] = {}
        self._under_way: dict[str, int] = {}
        self.requests = 0
        """How many requests were sent so far; the last one's tag."""
        self._told = False

    def run(self, reads: Iterable[tuple[Provider, tuple[SecretRef, ...]]]) -> Found:
        """Read everything; what was found for each reference, a secret or the error that stands for it."""
        found: dict[SecretRef, Secret | SecretsExecError] = {}
        for provider, refs in reads:
            self._start(provider, provider.read(refs), _collector(refs, found))
        try:
            while self._step():
                pass
        finally:
            if self._transport is not None:
                self._transport.close()
        return found

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
        if not (self._sent or self._delayed or any(lane.waiting for lane in self._lanes.values())):
            return False
        self._receive(self._next_event(now) - now)
        return True

    # Flows

    def _start(self, provider: Provider, flow: Flow[Any], done: Callable[[Any], None]) -> None:
        self._runnable.append((_Task(provider, flow, done), None))

    def _advance(self, task: _Task, outcome: Any) -> None:
        try:
            if isinstance(outcome, SecretsExecError):
                wanted = task.flow.throw(outcome.at(outcome.where))
            else:
                wanted = task.flow.send(outcome)
        except StopIteration as end:
            task.done(end.value)
        except SecretsExecError as error:
            task.done(error.at(error.where))
        else:
            self._serve(task, wanted)

    def _serve(self, task: _Task, wanted: Call | ReadFile | Once) -> None:
        if isinstance(wanted, Call):
            host = self._policy.host(wanted.endpoint.authority)
            self._enqueue(_Exchange(task, wanted, host))
        elif isinstance(wanted, Once):
            self._share(task, wanted)
        else:
            self._runnable.append((task, _read(wanted)))

    def _share(self, task: _Task, wanted: Once) -> None:
        key = (task.provider.name, wanted.key)
        if key not in self._shared:
            waiting = self._shared[key] = _Shared()
            self._start(task.provider, wanted.flow(), lambda outcome: self._finish(waiting, outcome))
        shared = self._shared[key]
        if shared.is_done:
            self._runnable.append((task, shared.outcome))
        else:
            shared.tasks.append(task)

    def _finish(self, shared: _Shared, outcome: Any) -> None:
        shared.is_done, shared.outcome = True, outcome
        self._runnable += [(task, outcome) for task in shared.tasks]

    # Requests

    def _enqueue(self, exchange: _Exchange) -> None:
        key = (exchange.task.provider.name, exchange.call.endpoint.authority)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(exchange.host)
        lane.waiting.append(exchange)

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            exchange = heapq.heappop(self._delayed)[2]
            if now >= self._policy.silent_at(exchange.host):
                self._give_up(exchange, now)
            else:
                self._enqueue(exchange)

    def _send(self, now: float) -> None:
        for (name, _host), lane in self._lanes.items():
            sent = 0
            for exchange in lane.waiting:
                if not (lane.host.admits(now) and self._has_room(name, exchange)):
                    break
                self._attempt(exchange, now)
                sent += 1
            del lane.waiting[:sent]

    def _has_room(self, name: str, exchange: _Exchange) -> bool:
        mine = self._under_way.get(name, 0)
        return len(self._sent) < self._concurrency and mine < exchange.task.provider.concurrency

    def _attempt(self, exchange: _Exchange, now: float) -> None:
        exchange.attempt += 1
        exchange.ends = now + exchange.call.seconds
        exchange.host.sent(now)
        name = exchange.task.provider.name
        self._under_way[name] = self._under_way.get(name, 0) + 1
        self.requests += 1
        self._sent[self.requests] = exchange
        self._opened().send(self.requests, exchange.call.build(self._clock.wall()), exchange.call.seconds)

    def _opened(self) -> Transport:
        if self._transport is None:
            self._transport = self._open_transport()
        return self._transport

    def _receive(self, seconds: float) -> None:
        for tag, outcome in self._opened().wait(min(max(0.0, seconds), _LONGEST_SLEEP)):
            exchange = self._release(tag)
            if exchange is None:  # abandoned before
                continue
            if isinstance(outcome, Failure):
                exchange.host.failed()
                self._failed(exchange, outcome)
            else:
                exchange.host.answered(outcome.status)
                self._answered(exchange, outcome)

    def _answered(self, exchange: _Exchange, answer: Answer) -> None:
        call, wall = exchange.call, self._clock.wall()
        answer = answer.replace(received=wall, attempts=exchange.attempt)
        if answer.status in call.retried and not (call.is_final and call.is_final(answer)):
            again = self._policy.after_status(
                exchange.host,
                exchange.attempt,
                self._clock.monotonic(),
                answer.status,
                retry_after(answer.headers, wall),
            )
            if self._is_retried(exchange, again, f"answered {answer.status}"):
                return
            if isinstance(again, GiveUp):
                answer = answer.replace(given_up=again.why)
        self._runnable.append((exchange.task, answer))

    def _failed(self, exchange: _Exchange, failure: Failure) -> None:
        authority = exchange.call.endpoint.authority
        why = ""
        if failure.kind in RETRIED_FAILURES:
            again = self._policy.after_failure(exchange.host, exchange.attempt, self._clock.monotonic())
            if self._is_retried(exchange, again, failure.what):
                return
            why = again.why if isinstance(again, GiveUp) else ""
        self._runnable.append((exchange.task, _error(authority, failure, exchange.attempt, why)))

    def _is_retried(self, exchange: _Exchange, again: Retry | GiveUp, what: str) -> bool:
        if isinstance(again, GiveUp) or exchange.attempt == exchange.call.attempts:
            return False
        now = self._clock.monotonic()
        told = self._log.detail if self._told else self._log.notice
        self._told = True
        told(
            f"{exchange.call.endpoint.authority}: {what}; trying again in {max(0.0, again.at - now):.1f} s"
            f" (the start may take {max(0.0, self._policy.deadline - now):.0f} s more)"
        )
        at = min(again.at, self._policy.silent_at(exchange.host))
        heapq.heappush(self._delayed, (at, self.requests, exchange))
        return True

    # Time

    def _expire(self, now: float) -> None:
        for tag, exchange in list(self._sent.items()):
            if now >= min(exchange.ends, self._policy.silent_at(exchange.host)):
                self._abandon(tag, exchange, now)
        for lane in self._lanes.values():
            if lane.waiting and now >= self._policy.silent_at(lane.host):
                expired, lane.waiting = lane.waiting, []
                for exchange in expired:
                    self._give_up(exchange, now)

    def _abandon(self, tag: int, exchange: _Exchange, now: float) -> None:
        self._opened().abandon(tag)
        self._release(tag)
        exchange.host.failed()
        if now >= self._policy.silent_at(exchange.host):
            self._give_up(exchange, now)
        else:
            self._failed(exchange, Failure(TIMED_OUT, f"no answer within {exchange.call.seconds:g} s"))

    def _release(self, tag: int) -> _Exchange | None:
        exchange = self._sent.pop(tag, None)
        if exchange is not None:
            self._under_way[exchange.task.provider.name] -= 1
        return exchange

    def _give_up(self, exchange: _Exchange, now: float) -> None:
        authority = exchange.call.endpoint.authority
        if now >= self._policy.deadline:
            error = Unavailable(
                f"{authority}: the deadline of the start has passed",
                hint="is the store reachable? See also --timeout",
            )
        else:
            error = Unavailable(
                f"{authority}: no answer at all for {self._policy.outage:g} s",
                hint="is the store reachable from here?",
            )
        self._runnable.append((exchange.task, error))

    def _next_event(self, now: float) -> float:
        times = [self._policy.deadline]
        times += [min(exchange.ends, self._policy.silent_at(exchange.host)) for exchange in self._sent.values()]
        times += [self._delayed[0][0]] if self._delayed else []
        for lane in self._lanes.values():
            if lane.waiting:
                times.append(self._policy.silent_at(lane.host))
                times += [lane.host.opens] if lane.host.opens > now else []
        return min(times)


def _collector(refs: tuple[SecretRef, ...], found: dict[SecretRef, Secret | SecretsExecError]) -> Callable[[Any], None]:
    def collect(outcome: Mapping[SecretRef, Secret | SecretsExecError] | SecretsExecError) -> None:
        found.update(dict.fromkeys(refs, outcome) if isinstance(outcome, SecretsExecError) else outcome)

    return collect


def _read(wanted: ReadFile) -> bytes | SecretsExecError:
    try:
        return read_regular(wanted.path, wanted.limit)
    except SecretsExecError as error:
        return error


def _error(authority: str, failure: Failure, attempts: int, why: str) -> SecretsExecError:
    tries = f" ({attempts} attempts)" if attempts > 1 else ""
    what = f"{authority}: {failure.what}{tries}{f'; {why}' if why else ''}"
    if failure.kind in RETRIED_FAILURES:
        return Unavailable(what, hint="is the store reachable from here? Try again later")
    if failure.kind == REFUSED:
        return SystemRefused(what)
    return StoreError(what, hint=_MEND.get(failure.kind, "is the endpoint right, and is no proxy between?"))


_MEND = {UNTRUSTED: "give the authority's file as ca_bundle or SSL_CERT_FILE; verification cannot be switched off"}
