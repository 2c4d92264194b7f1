"""When a request may be sent, and whether one that failed is sent again (security.md, section 2).

A state machine of its own: time and chance come in as arguments, no socket, no secret, no sleep.
"""

from __future__ import annotations

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TIMEOUT_SECONDS = 120.0
OUTAGE_SECONDS = 30.0
_FIRST_WAIT = 0.5
_LONGEST_WAIT = 20.0
_LONGEST_THROTTLED_WAIT = 60.0
_MANY_THROTTLED = 5
_RETRIES_PER_SECRET, _RETRIES_MORE = 3, 10
_THROTTLED = 429


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
        """An answer came, so the host is there. A 429 closes the gate to one, each other answer opens it by one."""
        self.under_way -= 1
        self.silent_since = None
        if status == _THROTTLED:
            self.throttled += 1
            self.window = 1
            return
        self.throttled = 0
        if self.window is not None:
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
        """Whether to try again after an answer that may pass. `attempt` counts from 1."""
        wait = self._wait(host, attempt)
        remaining = max(0.0, self.deadline - now)
        if retry_after is not None:
            if retry_after > remaining:
                return GiveUp(f"it asks to wait {_told(retry_after)}, the deadline is in {remaining:.0f} s")
            wait += retry_after
        again = self._again(now, wait, counted=status != _THROTTLED)
        if status == _THROTTLED and isinstance(again, Retry):
            host.opens = max(host.opens, again.at)
        return again

    def after_failure(self, host: Host, attempt: int, now: float) -> Retry | GiveUp:
        """Whether to try again after no answer. `attempt` counts from 1."""
        return self._again(now, self._wait(host, attempt), counted=True)

    def _wait(self, host: Host, attempt: int) -> float:
        longest = _LONGEST_THROTTLED_WAIT if host.throttled >= _MANY_THROTTLED else _LONGEST_WAIT
        return self._chance() * min(longest, _FIRST_WAIT * 2.0 ** min(attempt - 1, 16))

    def _again(self, now: float, wait: float, *, counted: bool) -> Retry | GiveUp:
        remaining = self.deadline - now
        if remaining <= 0:
            return GiveUp("the deadline has passed")
        if counted:
            if self._budget == 0:
                return GiveUp("this run has used up its retries")
            self._budget -= 1
        return Retry(now + min(wait, remaining))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that a `Retry-After` asks for, from 0 on; None without one, or with one that says nothing.

    `now` is Unix time. A date is compared with the answer's own `Date` where it has one, so that a wrong
    clock here does no harm. Of a doubled header the longest wait counts. Source: RFC 9110, 10.2.3.
    """
    text = headers.get("retry-after", "").strip()
    parts = [part.strip() for part in text.split(",")]
    if all(part.isdigit() and part.isascii() for part in parts):
        return max(float(part[:16]) for part in parts)
    date = _date(text)
    if date is None:
        return None
    return max(0.0, date - (_date(headers.get("date", "")) or now))


def _date(text: str) -> float | None:
    from email.utils import mktime_tz, parsedate_tz  # cost milliseconds, needed only for a date

    try:
        parsed = parsedate_tz(text[:64])
        return float(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def _told(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 1e6 else "for ever"
