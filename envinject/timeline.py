"""When what happened in a fetch: the engine and the transport tell, `picture` draws. Names and hosts, never a value.

Times are seconds of the monotonic clock.
"""

from __future__ import annotations

from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Sequence

    from .reference import SecretRef

WAITS, CONNECTS, SECURES, ASKS = "waits", "connects", "secures", "asks"
RECEIVES, PAUSES, READS = "receives", "pauses", "reads"
KINDS = {
    WAITS: "waits for a library, a token, or its turn",
    CONNECTS: "looks the host up and connects",
    SECURES: "agrees on TLS",
    ASKS: "has asked, and waits for the first byte",
    RECEIVES: "receives the answer",
    PAUSES: "waits for the next attempt",
    READS: "reads on this machine",
}
"""What time goes by with, and how that is told."""


class Phases(Record):
    """How far one attempt had come at what time, as its transport knows it; None for what did not happen.

    `began` is when the transport turned to it, `connected` when a connection was there, `secured` when TLS was agreed
    on, `answered` when the first byte of the answer was there. An attempt on a connection in use has neither
    `connected` nor `secured`.
    """

    began: float
    connected: float | None = None
    secured: float | None = None
    answered: float | None = None


class Span(Record):
    """A time that went by with one thing; `detail` says more, such as `503`."""

    kind: str
    begins: float
    ends: float
    detail: str = ""


class Attempt:
    """One request of an exchange: when it was sent, and what came, a status or a kind of failure."""

    def __init__(self, sent: float) -> None:
        self.sent = sent
        self.ended: float | None = None
        self.outcome = ""
        self.phases: Phases | None = None
        self.pause: float | None = None
        """Until when the next attempt waits."""

    def spans(self, now: float) -> Iterator[Span]:
        """What its time went by with; one that is under way ends `now`."""
        ends = now if self.ended is None else self.ended
        if self.phases is None:
            yield Span(ASKS, self.sent, ends, self.outcome)
            return
        moments = (self.phases.began, self.phases.connected, self.phases.secured, self.phases.answered)
        at = self.sent
        for kind, moment in zip((WAITS, CONNECTS, SECURES, ASKS), moments, strict=True):
            if moment is not None and at < moment:
                yield Span(kind, at, min(moment, ends), self.outcome)
                at = min(moment, ends)
        yield Span(ASKS if self.phases.answered is None else RECEIVES, at, ends, self.outcome)


class Exchange:
    """A call to a host, from when it was asked for."""

    def __init__(self, host: str, opened: float) -> None:
        self.host = host
        self.opened = opened
        self.attempts: list[Attempt] = []


class Track:
    """What one flow went through: the reading of a secret, or something that several of them wait for."""

    def __init__(self, provider: str, of: Sequence[SecretRef] | Hashable, by_tag: dict[int, Attempt]) -> None:
        self.provider = provider
        self.refs: Sequence[SecretRef] = of if isinstance(of, tuple) else ()
        self.name = " ".join(map(str, self.refs)) or f"{provider}: {of}"
        self.exchanges: list[Exchange] = []
        self.begins: float | None = None
        self.ends: float | None = None
        self._by_tag = by_tag

    # What the engine tells

    def advanced(self, at: float) -> None:
        """It was its turn."""
        self.begins = at if self.begins is None else self.begins

    def opened(self, at: float, host: str) -> None:
        """It wants something of a host."""
        self.exchanges.append(Exchange(host, at))

    def sent(self, at: float, tag: int) -> None:
        """A request was handed to the transport."""
        attempt = self._by_tag[tag] = Attempt(at)
        self.exchanges[-1].attempts.append(attempt)

    def came(self, at: float, outcome: str) -> None:
        """The last request is over."""
        last = self.exchanges[-1].attempts[-1]
        last.ended, last.outcome = at, outcome

    def delayed(self, until: float) -> None:
        """The next attempt is not made before."""
        self.exchanges[-1].attempts[-1].pause = until

    def ended(self, at: float) -> None:
        """Nothing more happens."""
        self.ends = at

    # What can be seen of it

    @property
    def attempts(self) -> list[Attempt]:
        """Every request that was sent for it."""
        return [attempt for exchange in self.exchanges for attempt in exchange.attempts]

    @property
    def seconds(self) -> float:
        """From its first turn to its end."""
        return 0.0 if self.begins is None or self.ends is None else self.ends - self.begins

    def spans(self) -> list[Span]:
        """What its time went by with, in order, without gaps."""
        if self.begins is None or self.ends is None:
            return []
        if not self.exchanges:
            return [Span(READS, self.begins, self.ends)]
        found: list[Span] = []
        at, pause = self.begins, None
        for attempt in self.attempts:
            if pause is not None:
                found.append(Span(PAUSES, at, min(pause, attempt.sent)))
                at = found[-1].ends
            found.append(Span(WAITS, at, attempt.sent))
            found += attempt.spans(self.ends)
            at, pause = found[-1].ends, attempt.pause
        found.append(Span(WAITS if pause is None else PAUSES, at, self.ends))
        return [span for span in found if span.begins < span.ends]


class Timeline:
    """Everything that happened since `started`, in the order in which it began."""

    def __init__(self, started: float) -> None:
        self.started = started
        self.tracks: list[Track] = []
        self._by_tag: dict[int, Attempt] = {}
        self._by_ref: dict[SecretRef, Track] = {}

    def track(self, provider: str, of: Sequence[SecretRef] | Hashable) -> Track:
        """A new track: `of` are the references that are read, a tuple, or the word for what others wait for."""
        track = Track(provider, of, self._by_tag)
        self.tracks.append(track)
        self._by_ref.update(dict.fromkeys(track.refs, track))
        return track

    def measured(self, tag: int, phases: Phases) -> None:
        """A transport tells how far an attempt had come; it may do so from a thread of its own."""
        if tag in self._by_tag:
            self._by_tag[tag].phases = phases

    def of(self, ref: SecretRef) -> Track | None:
        """The track on which a secret was read; None when none was, since its value came from elsewhere."""
        return self._by_ref.get(ref)

    @property
    def ends(self) -> float:
        """When the last of it ended."""
        return max((track.ends for track in self.tracks if track.ends is not None), default=self.started)
