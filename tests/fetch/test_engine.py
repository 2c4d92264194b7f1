"""The engine: each distinct thing once, many at a time, within one deadline."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import NOON, Came, Run, Scripted, Toy, ok, status

from envinject.errors import (
    NotFound,
    SecretsExecError,
    StoreError,
    SystemRefused,
    Unavailable,
)
from envinject.providers.base import Once, ReadFile
from envinject.secret import Secret
from envinject.transports import (
    REFUSED,
    SENSELESS,
    TIMED_OUT,
    TOO_LARGE,
    TRUNCATED,
    UNREACHABLE,
    UNTRUSTED,
    Failure,
)

DOWN = Failure(UNREACHABLE, "the connection is refused")


def ids(count: int) -> list[str]:
    return [f"id-{number}" for number in range(count)]


def echo(request, _number):
    """Every request has its own answer, at once."""
    return 0.0, ok(request.target.encode())


# Once each, many at a time


def test_each_reference_gets_its_own_answer(run):
    toy = Toy()
    found = run(echo)((toy, id) for id in ids(200))
    assert found == {id: f"/{id}".encode() for id in ids(200)}


def test_a_hundred_secrets_at_50_ms_sixteen_at_a_time_take_seven_rounds(run):
    began = run(lambda *_: (0.05, ok()))
    began((Toy(), id) for id in ids(100))
    assert began.transport.now == pytest.approx(7 * 0.05)


@pytest.mark.parametrize("concurrency", [1, 2, 7, 16, 100])
def test_so_many_are_under_way_and_never_more(run, concurrency):
    began = run(lambda _, number: (0.01 * (number % 5 + 1), ok()))
    began([(Toy(concurrency=1000), id) for id in ids(100)], concurrency=concurrency)
    assert began.transport.most[""] == concurrency


def test_a_provider_has_a_bound_of_its_own(run):
    narrow, wide = Toy("narrow", concurrency=2), Toy("wide", concurrency=30)
    began = run(lambda _, number: (0.01 * (number % 5 + 1), ok()))
    began([(provider, id) for id in ids(50) for provider in (narrow, wide)], concurrency=20)
    assert began.transport.most["narrow.example.com"] == 2
    assert began.transport.most["wide.example.com"] > 10
    assert began.transport.most[""] == 20


def test_a_slow_provider_does_not_keep_the_others_waiting(run):
    def script(request, _number):
        return 60.0 if request.endpoint.host.startswith("slow") else 0.01, ok()

    began = run(script)
    slow, fast = Toy("slow", concurrency=4, seconds=100.0), Toy("fast")
    began([(slow, id) for id in ids(4)] + [(fast, f"fast-{id}") for id in ids(40)])
    assert max(sent.at for sent in began.transport.sent) < 1


def test_what_is_asked_for_late_is_not_starved_by_what_was_asked_for_first(run):
    class Twohosted(Toy):
        def _call(self, target):
            if target != "/id-0":
                return (yield from super()._call(target))
            yield from super()._call("/first")
            return (yield from Toy("other", once=None)._call("/second"))

    began = run(lambda *_: (0.1, ok()))
    began([(Twohosted(), id) for id in ids(200)])
    assert [sent.at for sent in began.transport.sent if sent.request.target == "/second"] == [0.1]


def test_what_began_first_goes_first_whether_it_was_sent_before_or_not(run):
    def script(request, number):
        return 0.1, status(503) if number == 1 else ok(request.target.encode())

    began = run(script, chance=0.0)
    began([(Toy(), id) for id in ids(5)], concurrency=1)
    targets = [sent.request.target for sent in began.transport.sent]
    assert targets == ["/id-0", "/id-0", "/id-1", "/id-2", "/id-3", "/id-4"]


def test_no_transport_is_opened_when_nothing_is_to_be_sent(run):
    class Local(Toy):
        def read(self, refs):
            return {refs[0]: Secret(b"here")}
            yield

    began = run([])
    assert began([(Local(), "a")]) == {"a": b"here"}
    assert began.opened == 0


def test_one_transport_is_opened_and_closed(run):
    began = run(echo)
    began([(Toy(f"p{number}"), f"{number}") for number in range(5)])
    assert (began.opened, began.transport.closed) == (1, 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_the_transport_is_closed_whatever_ends_the_run(run, error):
    class Broken(Toy):
        def read(self, refs):
            yield from super().read(refs)
            raise error

    began = run(echo)
    with pytest.raises(error):
        began([(Broken(), "a")])
    assert began.transport.closed == 1


# Shared flows


def test_what_is_shared_is_done_once_however_many_ask(run):
    began = run(echo)
    toy = Toy(once="token")
    found = began((toy, id) for id in ids(50))
    targets = [sent.request.target for sent in began.transport.sent]
    assert targets[0] == "/shared"
    assert targets.count("/shared") == 1
    assert len(found) == len(targets) - 1 == 50


def test_what_others_wait_for_goes_first(run):
    class Renews(Toy):
        def read(self, refs):
            yield from self._call(f"/{refs[0].id}")
            yield Once("renewal", lambda: self._call("/shared"))
            return {refs[0]: Secret(b"")}

    began = run(lambda *_: (0.1, ok()))
    began([(Renews(), id) for id in ids(200)], concurrency=4)
    assert [sent.request.target for sent in began.transport.sent].index("/shared") <= 8


def test_each_provider_has_its_own(run):
    began = run(echo)
    began(
        [(provider, f"{provider.name}-{id}") for provider in (Toy("a", once="t"), Toy("b", once="t")) for id in ids(5)]
    )
    shared = [sent.request.endpoint.host for sent in began.transport.sent if sent.request.target == "/shared"]
    assert sorted(shared) == ["a.example.com", "b.example.com"]


def test_an_error_of_what_is_shared_is_everybodys(run):
    began = run([Failure(SENSELESS, "what it sends is no HTTP")])
    found = began([(Toy(once="token"), id) for id in ids(5)])
    assert {type(value) for value in found.values()} == {StoreError}
    assert len(began.transport.sent) == 1


def test_who_asks_after_it_is_done_gets_the_same(run):
    class Twice(Toy):
        def read(self, refs):
            first = yield Once("a", lambda: self._call("/a"))
            yield from self._call("/between")
            second = yield Once("a", lambda: self._call("/a"))
            return {refs[0]: Secret(b"same" if first is second else b"another")}

    began = run(echo)
    assert began([(Twice(), "x")]) == {"x": b"same"}
    assert [sent.request.target for sent in began.transport.sent] == ["/a", "/between"]


# Files


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda _: None, NotFound),
        (lambda path: path.mkdir(), StoreError),
        (lambda path: path.write_bytes(b"x" * ((1 << 20) + 1)), StoreError),
    ],
    ids=["missing", "folder", "too large"],
)
def test_a_file_that_cannot_be_read_is_an_error_of_the_flow(run, tmp_path, make, error):
    class Reads(Toy):
        def read(self, refs):
            try:
                yield ReadFile(str(tmp_path / "x"))
            except SecretsExecError as problem:
                return {refs[0]: problem}

    make(tmp_path / "x")
    assert isinstance(run([])([(Reads(), "x")])["x"], error)


# What is tried again


@pytest.mark.parametrize(
    "came", [*(status(n) for n in (408, 425, 429, 500, 502, 503, 504))], ids=lambda a: str(a.status)
)
def test_a_status_that_may_pass_is_tried_again(run, came):
    began = run([came, came, ok()])
    assert began([(Toy(), "a")]) == {"a": b"value"}
    assert len(began.transport.sent) == 3


@pytest.mark.parametrize("number", [301, 302, 307, 400, 401, 403, 404, 409, 410, 413, 422, 501, 505])
def test_a_status_that_will_not_pass_is_not(run, number):
    began = run([status(number), ok()])
    assert isinstance(began([(Toy(), "a")])["a"], Unavailable)
    assert len(began.transport.sent) == 1


@pytest.mark.parametrize("kind", [UNREACHABLE, TIMED_OUT, TRUNCATED])
def test_a_failure_that_may_pass_is_tried_again(run, kind):
    began = run([Failure(kind, "why"), ok()])
    assert began([(Toy(), "a")]) == {"a": b"value"}


@pytest.mark.parametrize(
    ("kind", "error"),
    [(UNTRUSTED, StoreError), (SENSELESS, StoreError), (TOO_LARGE, StoreError), (REFUSED, SystemRefused)],
)
def test_a_failure_that_will_not_pass_is_not(run, kind, error):
    began = run([Failure(kind, "why it failed"), ok()])
    problem = began([(Toy(), "a")])["a"]
    assert type(problem) is error
    assert problem.what == "toy.example.com: why it failed"
    assert len(began.transport.sent) == 1


def test_every_attempt_is_built_anew_at_its_own_time(run):
    toy = Toy()
    began = run([status(503), DOWN, ok()], chance=1.0)
    began([(toy, "a")])
    assert toy.built == [NOON, NOON + 0.5, NOON + 1.5]


def test_a_call_may_be_final_though_its_status_may_pass(run):
    began = run([status(429, code="quota"), ok()])
    found = began([(Toy(is_final=lambda answer: answer.headers["code"] == "quota"), "a")])
    assert str(found["a"]) == "429 after 1: "
    assert len(began.transport.sent) == 1


def test_a_call_may_bound_its_attempts_without_using_up_the_runs(run):
    began = run(lambda *_: (0.0, DOWN))
    found = began([(Toy("once", attempts=1), f"o{id}") for id in ids(50)] + [(Toy("more"), "a")])
    sent = [sent.request.endpoint.host for sent in began.transport.sent]
    assert sent.count("once.example.com") == 50
    assert str(found["a"]).startswith("more.example.com: the connection is refused (")


def test_a_bounded_call_takes_the_answer_that_it_gets(run):
    began = run([status(503), status(503), ok()])
    assert str(began([(Toy(attempts=2), "a")])["a"]) == "503 after 2: "


def test_a_call_says_which_statuses_and_failures_may_pass(run):
    how = {"retried": frozenset({503}), "failures": frozenset({UNREACHABLE})}
    for came in (status(500), Failure(TRUNCATED, "cut short")):
        began = run([came, ok()])
        assert isinstance(began([(Toy(**how), "a")])["a"], SecretsExecError)
        assert len(began.transport.sent) == 1


def test_many_that_fail_at_the_same_moment_are_all_tried_again(run):
    began = run(lambda _, number: (0.1, status(503) if number <= 16 else ok()), chance=1.0)
    found = began([(Toy(), id) for id in ids(16)])
    assert set(found.values()) == {b"value"}
    assert [sent.at for sent in began.transport.sent[16:]] == [0.6] * 16


def test_the_runs_retries_are_bounded(run):
    began = run(lambda *_: (0.0, status(500)), chance=0.0)
    found = began([(Toy(), id) for id in ids(5)])
    assert len(began.transport.sent) == 5 + 3 * 5 + 10
    assert {str(value).partition(": ")[2] for value in found.values()} == {"this run has used up its retries"}


def test_an_answer_tells_how_often_it_was_asked_for_and_why_not_once_more(run):
    began = run([status(503), status(503), status(503, retry_after="300")])
    found = began([(Toy(), "a")])
    assert str(found["a"]) == "503 after 3: it asks to wait 300 s, the deadline is in 119 s"


# Time


def test_an_attempt_that_takes_too_long_is_abandoned_and_tried_again(run):
    began = run([None, ok()], chance=0.0)
    assert began([(Toy(seconds=10.0), "a")]) == {"a": b"value"}
    assert [sent.at for sent in began.transport.sent] == [0.0, 10.0]
    assert began.transport.abandoned == [1]


def test_an_answer_that_comes_after_its_attempt_was_abandoned_is_nobodys(run):
    class Late(Scripted):
        def abandon(self, tag):
            """As a thread does that knows nothing of it: the answer comes all the same."""

    def script(_request, number):
        return 10.5 if number == 1 else 1.0, ok(b"late" if number == 1 else b"in time")

    began = run(script, chance=0.0)
    began.transport = Late(script)
    assert began([(Toy(), "a"), (Toy(), "b")], concurrency=1) == {"a": b"in time", "b": b"in time"}


def test_no_run_takes_longer_than_its_deadline(run):
    began = run(lambda *_: (5.0, status(429)), timeout=60.0)
    found = began([(Toy(), id) for id in ids(40)])
    assert began.transport.now == 60.0
    for value in found.values():
        assert isinstance(value, Unavailable)
        assert value.what.endswith("the deadline of the start has passed")


def test_at_the_deadline_the_last_problem_is_told(run):
    found = run([status(503), None], timeout=20.0, outage=100.0)([(Toy(seconds=60.0), "a")])
    assert found["a"].what == "toy.example.com: answered 503 (2 attempts); the deadline of the start has passed"


def test_a_host_that_never_answers_is_given_up_after_the_outage(run):
    began = run(lambda *_: None)
    found = began([(Toy(), id) for id in ids(40)])
    assert began.transport.now == 30.0
    for value in found.values():
        assert isinstance(value, Unavailable)
        assert value.what.endswith("no answer at all for 30 s")
    assert len(began.transport.abandoned) == len(began.transport.sent)


def test_a_host_that_refuses_every_connection_is_given_up_after_the_outage(run):
    began = run(lambda *_: (0.0, DOWN))
    (problem,) = began([(Toy(), "a")]).values()
    assert began.transport.now == 30.0
    assert problem.what.startswith("toy.example.com: the connection is refused (")


def test_another_host_goes_on_when_one_is_given_up(run):
    def script(request, _number):
        if request.endpoint.host.startswith("dead"):
            return 0.0, DOWN
        answered = sum(sent.request.endpoint.host.startswith("alive") for sent in began.transport.sent)
        return 5.0, ok() if answered > 9 else status(429)

    began = run(script, chance=1.0)
    found = began([(Toy("dead"), id) for id in ids(4)] + [(Toy("alive"), f"a{id}") for id in ids(4)])
    assert {id: type(value) for id, value in found.items() if id.startswith("id")} == dict.fromkeys(ids(4), Unavailable)
    assert {value for id, value in found.items() if id.startswith("a")} == {b"value"}
    assert began.transport.now > 35
    dead = [sent.at for sent in began.transport.sent if sent.request.endpoint.host.startswith("dead")]
    assert 15 < max(dead) < 30, "what was to be sent again later is given up as well"


def test_a_429_is_an_answer_and_no_outage(run):
    began = run(lambda _, number: (0.1, ok() if number > 10 else status(429, retry_after="9")), chance=0.0)
    assert began([(Toy(), "a")]) == {"a": b"value"}
    assert began.transport.now > 90


def test_a_retry_after_is_waited_for_by_everybody_at_that_host(run):
    def script(_request, number):
        return 0.1, status(429, retry_after="7") if number == 1 else ok()

    began = run(script, chance=0.0)
    began([(Toy(), id) for id in ids(10)], concurrency=1)
    assert [round(sent.at, 3) for sent in began.transport.sent[:3]] == [0.0, 7.1, 7.2]


def test_after_a_429_one_request_at_a_time_until_one_succeeds_then_one_more_each(run):
    def script(_request, number):
        return 0.1, status(429) if number <= 4 else ok()

    began = run(script, chance=0.0)
    began([(Toy(), id) for id in ids(12)], concurrency=4)
    at = [round(sent.at, 3) for sent in began.transport.sent]
    assert at == [0.0] * 4 + [0.1] + [0.2] * 2 + [0.3] * 4 + [0.4] * 4 + [0.5]


def test_a_request_that_gets_no_answer_does_not_keep_the_gate_shut(run):
    began = run([status(429), None, ok()], chance=0.0)
    assert began([(Toy(seconds=10.0), id) for id in ids(3)], concurrency=1) == dict.fromkeys(ids(3), b"value")
    assert began.transport.now == 10.0


def test_a_wait_beyond_the_deadline_ends_at_once(run):
    began = run([status(429, retry_after="3600")])
    (problem,) = began([(Toy(), "a")]).values()
    assert began.transport.now == 0.0
    assert str(problem) == "429 after 1: it asks to wait 3600 s, the deadline is in 120 s"


def test_what_a_given_up_host_is_asked_for_next_is_given_up_at_once(run):
    class Insists(Toy):
        def read(self, refs):
            try:
                yield from self._call("/first")
            except Unavailable:
                return {refs[0]: (yield from self._call("/second"))}

    began = run(lambda *_: None)
    began([(Insists(), "a")])
    assert began.transport.now == 30.0
    assert {sent.request.target for sent in began.transport.sent} == {"/first"}


# What is told


def test_the_first_retry_is_told_with_what_why_and_how_long(run, capfd):
    began = run([DOWN, status(503), status(503), ok()], chance=1.0)
    began([(Toy(), "a")])
    assert capfd.readouterr().err == (
        "secrets-exec: notice: toy.example.com: the connection is refused; trying again in 0.5 s"
        " (the start may take 120 s more)\n"
    )


def test_every_retry_is_told_to_who_wants_details_and_none_to_who_wants_quiet(run, capfd):
    script = [DOWN, status(503), ok()]
    run(script)([(Toy(), "a")], verbosity=2)
    assert len(capfd.readouterr().err.splitlines()) == 2
    run(script)([(Toy(), "a")], verbosity=-1)
    assert capfd.readouterr().err == ""


# The clock on the wall


@pytest.mark.parametrize("step", [-86400.0, 86400.0], ids=["a day back", "a day on"])
def test_a_step_of_the_wall_clock_changes_no_wait_and_each_attempt_is_signed_with_the_new_time(run, step):
    began, toy = run([status(503, retry_after="3"), DOWN, ok()], chance=0.0), Toy()
    began.wall = lambda: NOON + step * len(began.transport.sent)
    assert began([(toy, "a")]) == {"a": b"value"}
    assert [sent.at for sent in began.transport.sent] == [0.0, 3.0, 3.0]
    assert toy.built == [NOON, NOON + step, NOON + 2 * step]


@pytest.mark.parametrize("step", [-86400.0, 86400.0], ids=["a day back", "a day on"])
def test_nor_does_it_move_the_deadline(run, step):
    began = run(lambda *_: None, timeout=20.0, outage=100.0)
    began.wall = lambda: NOON + step * len(began.transport.sent)
    began([(Toy(seconds=5.0), "a")])
    assert began.transport.now == 20.0


@pytest.mark.parametrize("step", [-86400.0, 86400.0], ids=["a day back", "a day on"])
def test_a_date_to_wait_for_is_seen_from_the_stores_own_clock_when_ours_has_stepped(run, step):
    late, noon = "Fri, 15 Jan 2027 08:00:09 GMT", "Fri, 15 Jan 2027 08:00:00 GMT"
    began = run([status(503, retry_after=late, date=noon), ok()], chance=0.0)
    began.wall = lambda: NOON + step * len(began.transport.sent)
    began([(Toy(), "a")])
    assert began.transport.sent[-1].at == 9.0


# Growth


def steps(count: int, concurrency: int) -> int:
    """The function calls, ours and the interpreter's, that so many reads take."""
    calls = 0

    def count_one(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    def script(_request: object, number: int) -> tuple[float, Came]:
        return 0.001 * (number % 97), status(503) if number % 50 == 0 else ok()

    began = Run(Quick(script), timeout=1e6, outage=1e6, chance=0.5)
    reads = [(Toy(concurrency=10_000), id) for id in ids(count)]
    sys.setprofile(count_one)
    try:
        began(reads, concurrency=concurrency)
    finally:
        sys.setprofile(None)
    return calls


class Quick(Scripted):
    """A scripted transport that hands over one answer at a time, in a number of steps that does not grow."""

    def send(self, tag, request, _seconds):
        self.sent.append(tag)
        self._due[tag] = self._script(request, tag)

    def wait(self, seconds):
        if not self._due:
            self.now += seconds
            return []
        tag = next(iter(self._due))
        self.now += 0.001
        return [(tag, self._due.pop(tag)[1])]


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [16, 1000])
def test_ten_times_the_secrets_take_ten_times_the_steps(concurrency):
    assert steps(10_000, concurrency) < 11 * steps(1_000, concurrency)


# Laws

OUTCOMES = st.one_of(
    st.none(),
    st.tuples(
        st.floats(0.01, 40),
        st.one_of(
            st.sampled_from([ok(), status(404), status(500), status(429), status(503, retry_after="5")]),
            st.sampled_from([DOWN, Failure(TRUNCATED, "cut short"), Failure(UNTRUSTED, "unknown")]),
            st.text(max_size=5).map(lambda text: status(429, retry_after=text)),
        ),
    ),
)


@given(
    script=st.lists(OUTCOMES, min_size=1, max_size=40),
    count=st.integers(1, 12),
    concurrency=st.integers(1, 20),
    chance=st.floats(0.05, 1),
    timeout=st.floats(0.1, 200),
)
def test_whatever_happens_everything_ends_by_the_deadline(script, count, concurrency, chance, timeout):
    transport = Scripted(lambda _, number: script[number % len(script)])
    began = Run(transport, timeout=timeout, outage=30.0, chance=chance)
    providers = [Toy("a", concurrency=3), Toy("b", once="shared")]
    found = began(
        [(provider, f"{provider.name}-{id}") for id in ids(count) for provider in providers],
        concurrency=concurrency,
        verbosity=-1,
    )
    assert transport.now <= timeout + 1e-6
    assert transport.most.get("", 0) <= concurrency
    assert transport.most.get("a.example.com", 0) <= 3
    assert transport.closed == 1
    assert len(found) == 2 * count
    for value in found.values():
        assert isinstance(value, bytes | SecretsExecError)
