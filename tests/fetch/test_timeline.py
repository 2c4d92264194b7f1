"""What the engine tells a timeline: each flow on a track of its own, in time without gaps; and nothing without one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from scripted import Run, Toy, ok, status

from envinject.reference import SecretRef
from envinject.timeline import (
    ASKS,
    CONNECTS,
    PAUSES,
    READS,
    RECEIVES,
    SECURES,
    WAITS,
    Attempt,
    Phases,
    Span,
    Timeline,
    Track,
)
from envinject.transports import UNREACHABLE, Failure


def timed(run: Run) -> Timeline:
    run.timeline = Timeline(0.0)
    return run.timeline


def spans(track: Track) -> list[tuple[str, float, float]]:
    return [(span.kind, span.begins, span.ends) for span in track.spans()]


def test_a_secret_has_a_track_from_its_turn_to_its_end(run: Callable[..., Run]) -> None:
    one = run(lambda _request, _number: (2.0, ok()))
    timeline = timed(one)
    one([(Toy(), "a")])

    (track,) = timeline.tracks
    assert (track.name, track.seconds) == ("toy://a", 2.0)
    assert [exchange.host for exchange in track.exchanges] == ["toy.example.com"]
    assert [attempt.outcome for attempt in track.attempts] == ["200"]
    assert spans(track) == [(ASKS, 0.0, 2.0)]


def test_what_others_wait_for_has_a_track_of_its_own(run: Callable[..., Run]) -> None:
    one = run(lambda request, _number: (3.0 if request.target == "/shared" else 1.0, ok()))
    timeline = timed(one)
    toy = Toy(once="tokens")
    one([(toy, "a"), (toy, "b")])

    a, b, tokens = timeline.tracks
    assert [track.name for track in timeline.tracks] == ["toy://a", "toy://b", "toy: tokens"]
    assert spans(a) == spans(b) == [(WAITS, 0.0, 3.0), (ASKS, 3.0, 4.0)]
    assert spans(tokens) == [(ASKS, 0.0, 3.0)]
    assert timeline.ends == 4.0


def test_a_retry_shows_its_pause_and_each_outcome(run: Callable[..., Run]) -> None:
    came = [Failure(UNREACHABLE, "no way"), status(503), ok()]
    one = run(lambda _request, number: (1.0, came[number - 1]))
    timeline = timed(one)
    one([(Toy(), "a")])

    (track,) = timeline.tracks
    assert [attempt.outcome for attempt in track.attempts] == ["unreachable", "503", "200"]
    assert [kind for kind, _, _ in spans(track)] == [ASKS, PAUSES, ASKS, PAUSES, ASKS]
    assert track.spans()[0].detail == "unreachable"


def test_a_turn_that_is_waited_for_is_seen(run: Callable[..., Run]) -> None:
    one = run(lambda _request, _number: (1.0, ok()))
    timeline = timed(one)
    toy = Toy(concurrency=1)
    one([(toy, "a"), (toy, "b")])

    assert [spans(track) for track in timeline.tracks] == [
        [(ASKS, 0.0, 1.0)],
        [(WAITS, 0.0, 1.0), (ASKS, 1.0, 2.0)],
    ]


def test_a_request_without_an_answer_ends_at_the_deadline(run: Callable[..., Run]) -> None:
    one = run([None], timeout=5.0)
    timeline = timed(one)
    one([(Toy(), "a")])

    (track,) = timeline.tracks
    assert (track.ends, track.attempts[0].outcome) == (5.0, "no answer")


def test_a_flow_that_asks_nobody_reads_here() -> None:
    track = Track("files", (), {})
    track.advanced(1.0)
    track.advanced(2.0)
    track.ended(3.0)
    assert track.spans() == [Span(READS, 1.0, 3.0)]


def test_the_transports_times_divide_an_attempt() -> None:
    timeline = Timeline(0.0)
    track = timeline.track("p", ())
    track.advanced(0.0)
    track.opened(0.0, "host")
    track.sent(1.0, 7)
    timeline.measured(7, Phases(2.0, 3.0, 4.0, 5.0))
    timeline.measured(8, Phases(2.0))
    track.came(6.0, "200")
    track.ended(6.0)
    assert spans(track) == [
        (WAITS, 0.0, 1.0),
        (WAITS, 1.0, 2.0),
        (CONNECTS, 2.0, 3.0),
        (SECURES, 3.0, 4.0),
        (ASKS, 4.0, 5.0),
        (RECEIVES, 5.0, 6.0),
    ]


_moment = st.none() | st.floats(0, 10)


@given(st.floats(0, 10), _moment, st.floats(0, 10), _moment, _moment, _moment)
def test_an_attempts_spans_have_no_gap_and_stay_within_it(
    sent: float,
    ended: float | None,
    began: float,
    connected: float | None,
    secured: float | None,
    answered: float | None,
) -> None:
    attempt = Attempt(sent)
    attempt.ended = None if ended is None else max(sent, ended)
    attempt.phases = Phases(began, connected, secured, answered)
    found = list(attempt.spans(now=20.0))

    assert found[0].begins == sent
    assert found[-1].ends == (20.0 if attempt.ended is None else attempt.ended)
    assert all(one.ends == other.begins for one, other in pairwise(found))
    assert all(span.begins <= span.ends for span in found)


def test_without_a_timeline_nothing_is_kept(run: Callable[..., Run]) -> None:
    one = run([ok()])
    one([(Toy(), "a")])
    assert one.timeline is None


def test_a_references_track_is_found() -> None:
    timeline = Timeline(0.0)
    toy = Toy()
    ref = SecretRef(toy.name, "a")
    track = timeline.track(toy.name, (ref,))
    assert timeline.of(ref) is track
    assert timeline.of(ref.replace(id="b")) is None
