"""When a request may be sent, and whether one that failed is sent again (docs/faults.md).

A state machine of its own: time and chance come in as arguments, no socket, no secret, no sleep.
"""

from __future__ import annotations

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0
_LONGEST_THROTTLED_WAIT = 60.0
_MANY_THROTTLED = 5
_STEPS_OF_A_429, _STEPS_OF_429S = 2, 3
_RETRIES_PER_SECRET, _RETRIES_MORE = 3, 10
_THROTTLED = 429
_LONGEST_HEADER = 1000


class Retry(Record):
    """Send again at that time, in the seconds of the monotonic clock."""

    at: float


class GiveUp(Record):
    """Do not send again; `why` ends a sentence of an error, and is empty where nothing is to be added."""

    why: str


class Host:
    """What is known of one host: since when it is silent, and how many requests it may have at once."""

    def __init__(self) -> None:
        self.silent_since: float | None = None
        self.opens = 0.0
        self.window: int | None = None
        self.under_way = 0
        self.throttled = 0

    def admits(self, now: float) -> bool:
        """Whether a request may be sent now."""
        return now >= self.opens and (self.window is None or self.under_way < self.window)

    def sent(self, now: float) -> None:
        """A request was sent: silence counts from the first one that the host has not answered."""
        self.under_way += 1
        if self.silent_since is None:
            self.silent_since = now

    def answered(self, status: int) -> None:
        """An answer came, so the host is there. A 429 closes the gate to one, each success after it opens it by one.

        What was sent before the gate closed tells nothing about it, nor does a server's error: of many that were
        under way together one 429 counts.
        """
        was_admitted = self.window is None or self.under_way <= self.window
        self.under_way -= 1
        self.silent_since = None
        if status == _THROTTLED:
            self.throttled += was_admitted
            self.window = 1
            return
        self.throttled = 0
        if self.window is not None and was_admitted and status < 500:
            self.window += 1

    def failed(self) -> None:
        """A request got no answer."""
        self.under_way -= 1


class Policy:
    """The rules of one run, from `now` on: one deadline, one retry budget, one gate per host."""

    def __init__(
        self, now: float, distinct: int, *, timeout: float, outage: float, chance: Callable[[], float]
    ) -> None:
        self.deadline = now + timeout
        self.outage = outage
        self._chance = chance
        self._budget = _RETRIES_PER_SECRET * distinct + _RETRIES_MORE
        self._hosts: dict[str, Host] = {}

    def host(self, name: str) -> Host:
        """The state of a host."""
        return self._hosts.setdefault(name, Host())

    def silent_at(self, host: Host) -> float:
        """When the host will have been silent for too long; at the latest when the whole start will have been."""
        return self.deadline if host.silent_since is None else min(self.deadline, host.silent_since + self.outage)

    def after_status(
        self, host: Host, attempt: int, now: float, status: int, retry_after: float | None
    ) -> Retry | GiveUp:
        """Whether to try again after an answer that may pass. `attempt` counts from 1.

        Nobody goes to the host while it asks to wait, or wants fewer requests.
        """
        if retry_after is not None and now + retry_after >= self.deadline:
            remaining = max(0.0, self.deadline - now)
            return GiveUp(f"it asks to wait {_told(retry_after)}, the deadline is in {remaining:.0f} s")
        again = self._again(host, attempt, now, asked=retry_after or 0.0, counted=status != _THROTTLED)
        if isinstance(again, Retry) and (status == _THROTTLED or retry_after is not None):
            host.opens = max(host.opens, again.at)
        return again

    def after_failure(self, host: Host, attempt: int, now: float) -> Retry | GiveUp:
        """Whether to try again after no answer. `attempt` counts from 1."""
        return self._again(host, attempt, now, asked=0.0, counted=True)

    def _again(self, host: Host, attempt: int, now: float, *, asked: float, counted: bool) -> Retry | GiveUp:
        left = self.deadline - now - asked
        if left <= 0:
            return GiveUp("the deadline has passed")
        if counted:
            if self._budget == 0:
                return GiveUp("this run has used up its retries")
            self._budget -= 1
        return Retry(now + asked + min(left / 2, self._chance() * _longest_wait(host, attempt)))


def _longest_wait(host: Host, attempt: int) -> float:
    """The upper end of our own wait, in seconds, before what is left of the time cuts it.

    A 429 was meant for all of the run's requests, so it lengthens the first waits of the others too.
    """
    longest = _LONGEST_THROTTLED_WAIT if host.throttled >= _MANY_THROTTLED else _LONGEST_WAIT
    steps = max(attempt - 1, min(_STEPS_OF_A_429 * host.throttled, _STEPS_OF_429S))
    return min(longest, _FIRST_WAIT * 2.0 ** min(steps, 16))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that a `Retry-After` asks for, from 0 on; None without one, or with one that says nothing.

    `now` is Unix time. A date is compared with the answer's own `Date` where it has one, so that a wrong
    clock here does no harm. Of several the longest counts. Source: RFC 9110, 10.2.3.
    """
    parts = headers.get("retry-after", "")[:_LONGEST_HEADER].split(",")  # a date's weekday is a part that says nothing
    waits = (_seconds(part.strip(), headers, now) for part in parts)
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(text: str, headers: Mapping[str, str], now: float) -> float | None:
    if text.isdigit() and text.isascii():
        return float(text)
    date = _date(text)
    return None if date is None else max(0.0, date - (_date(headers.get("date", "")) or now))


def _date(text: str) -> float | None:
    from email.utils import mktime_tz, parsedate_tz  # cost milliseconds, needed only for a date

    try:
        parsed = parsedate_tz(text[:64])
        return float(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 1e6 else "for ever"
