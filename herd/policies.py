"""What others do when they are throttled, for contrast: no gate, each request for itself."""

from __future__ import annotations

from typing import Any

from envinject.fetch.policy import GiveUp, Host, Policy, Retry

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 20.0


class _Ungated(Host):
    def admits(self, now: float) -> bool:  # noqa: ARG002  # the base class's signature
        return True


class _Simple(Policy):
    """One wait for each failed attempt; nothing is learnt from the others."""

    def __init__(self, now: float, distinct: int, **how: Any) -> None:
        super().__init__(now, distinct, **how)
        self.chance = how["chance"]
        self._only_host = _Ungated()

    def host(self, name: str) -> Host:  # noqa: ARG002  # the base class's signature
        return self._only_host

    def after_status(
        self, host: Host, attempt: int, now: float, status: int, retry_after: float | None
    ) -> Retry | GiveUp:
        del host, status
        at = now + self.wait(attempt, retry_after or 0.0)
        return Retry(at) if at < self.deadline else GiveUp("the deadline has passed")

    def wait(self, attempt: int, asked: float) -> float:
        """Seconds until the next attempt."""
        raise NotImplementedError


class NoJitter(_Simple):
    """Exponential backoff, the same for everybody."""

    def wait(self, attempt: int, asked: float) -> float:
        del asked
        return _backoff(attempt)


class Exactly(_Simple):
    """`Retry-After`, to the point."""

    def wait(self, attempt: int, asked: float) -> float:
        del attempt
        return asked


class FullJitter(_Simple):
    """A random time up to that of the exponential backoff."""

    def wait(self, attempt: int, asked: float) -> float:
        del asked
        return float(self.chance() * _backoff(attempt))


def _backoff(attempt: int) -> float:
    return min(_LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt - 1, 16))
