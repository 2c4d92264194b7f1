"""A provider's flow, driven by hand: no engine, no network, answers as they are said."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from envinject.errors import SecretsExecError, Unavailable
from envinject.fetch.policy import retry_after
from envinject.providers.base import Call, Once
from envinject.transports import Answer, Request

from .canary import check

NOW = 1_800_000_000.0


class Driver:
    """Drives the flows of one provider. `answers` come one after the other, then the last one again and again.

    An answer of status 0 stands for none. `read` gives the bytes of a file, or the error that stands for it.
    """

    def __init__(self, answers: list[Answer], read: Callable[[str], bytes | SecretsExecError]) -> None:
        self._answers = iter(answers)
        self._last = answers[-1] if answers else Answer(404, {}, b"")
        self._read = read
        self._shared: dict[Hashable, Any] = {}

    def end(self, flow: Any) -> Any:
        """What the flow ends with: its value, or the error that it raises."""
        outcome: Any = None
        try:
            while True:
                failed = isinstance(outcome, SecretsExecError)
                wanted = flow.throw(outcome.at(outcome.where)) if failed else flow.send(outcome)
                outcome = self._serve(wanted)
        except StopIteration as done:
            return done.value
        except SecretsExecError as error:
            check(error)
            return error

    def _serve(self, wanted: Any) -> Any:
        if isinstance(wanted, Once):
            if wanted.key not in self._shared:
                self._shared[wanted.key] = self.end(wanted.flow())
            return self._shared[wanted.key]
        if isinstance(wanted, Call):
            return self._exchange(wanted)
        return self._read(wanted.path)

    def _exchange(self, call: Call) -> Answer | SecretsExecError:
        _check_request(call.build(NOW), call)
        answer = next(self._answers, self._last)
        if answer.status == 0:
            return Unavailable("no answer")
        if call.is_final:
            call.is_final(answer)
        wait = retry_after(answer.headers, NOW)
        if wait is not None and not (wait >= 0 and not math.isnan(wait)):
            raise AssertionError("a time to wait that is none")
        return answer


def _check_request(request: Request, call: Call) -> None:
    """What an answer before it said goes into no line of a request where it would begin another."""
    lines = [request.method, request.target, *_flat(request.headers)]
    if not all(line.isascii() and line.isprintable() for line in lines) or " " in request.target:
        raise AssertionError("a request that is none")
    if request.endpoint != call.endpoint:
        raise AssertionError("a request to somewhere else")


def _flat(headers: tuple[tuple[str, str], ...]) -> Iterator[str]:
    for header in headers:
        yield from header
