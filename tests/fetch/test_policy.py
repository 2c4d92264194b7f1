"""When a request may be sent, and whether one that failed is sent again. No socket, no sleep."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envinject.fetch.policy import GiveUp, Host, Policy, Retry, retry_after
from envinject.manifest import Options

START = 1000.0
NOON = 1_800_000_000.0
RETRIED = (408, 425, 429, 500, 502, 503, 504)


def policy(*, distinct: int = 1, timeout: float = 120.0, outage: float = 30.0, chance: float = 0.5) -> Policy:
    return Policy(START, distinct, timeout=timeout, outage=outage, chance=lambda: chance)


def http_date(time: float) -> str:
    return format_datetime(datetime.fromtimestamp(time, UTC), usegmt=True)


# Waits


@pytest.mark.parametrize(
    ("attempt", "longest"), [(1, 0.5), (2, 1), (3, 2), (4, 4), (5, 8), (6, 16), (7, 20), (8, 20), (1000, 20)]
)
def test_the_wait_is_any_up_to_half_a_second_doubled_and_20_at_most(attempt, longest):
    for chance in (0.0, 0.25, 1.0):
        again = policy(chance=chance).after_failure(Host(), attempt, START)
        assert again == Retry(START + chance * longest)
        for status in RETRIED:
            assert policy(chance=chance).after_status(Host(), attempt, START, status, None) == again


def test_after_five_429_in_a_row_the_wait_may_be_a_minute():
    rules, host = policy(chance=1.0), Host()
    for times, longest in enumerate([20, 20, 20, 20, 60, 60], 1):
        host.sent(START)
        host.answered(429)
        assert rules.after_status(host, 20, START, 429, None) == Retry(START + longest), times
    host.sent(START)
    host.answered(200)
    assert rules.after_status(host, 20, START, 429, None) == Retry(START + 20)


def test_what_a_store_asks_for_is_waited_for_and_jitter_besides():
    assert policy(chance=0.5).after_status(Host(), 1, START, 503, 7.0) == Retry(START + 7.25)


def test_a_wait_beyond_the_deadline_fails_at_once_and_says_so():
    for status in RETRIED:
        for asked in (120.0, 121.0, 1e9):
            assert isinstance(policy().after_status(Host(), 1, START, status, asked), GiveUp)
    given_up = policy().after_status(Host(), 1, START + 80, 429, 300.0)
    assert given_up == GiveUp("it asks to wait 300 s, the deadline is in 40 s")
    assert "for ever" in policy().after_status(Host(), 1, START, 429, float("inf")).why


def test_our_own_wait_is_cut_to_half_of_what_is_left():
    rules = policy(chance=1.0)
    assert rules.after_failure(Host(), 9, START + 119) == Retry(START + 119.5)
    assert rules.after_status(Host(), 9, START, 503, 119.0) == Retry(START + 119.5)


@pytest.mark.parametrize(("complaints", "longest"), [(0, 0.5), (1, 2), (2, 4), (3, 4), (4, 4)])
def test_complaints_of_a_host_lengthen_the_first_waits_of_all_its_requests(complaints, longest):
    rules, host = policy(chance=1.0), Host()
    for _ in range(complaints):
        host.sent(START)
        host.answered(429)
    assert rules.after_status(host, 1, START, 429, None) == Retry(START + longest)
    assert rules.after_status(host, 5, START, 429, None) == Retry(START + 8)


def test_of_429s_to_requests_that_were_under_way_together_one_counts():
    host = Host()
    for _ in range(16):
        host.sent(START)
    for _ in range(15):
        host.answered(429)
    assert host.throttled == 1


def test_nothing_is_tried_again_after_the_deadline():
    for now in (START + 120, START + 500):
        assert policy().after_failure(Host(), 1, now) == GiveUp("the deadline has passed")
        assert policy().after_status(Host(), 1, now, 429, None) == GiveUp("the deadline has passed")
        assert isinstance(policy().after_status(Host(), 1, now, 429, 0.0), GiveUp)


# The budget


@pytest.mark.parametrize("distinct", [0, 1, 20])
def test_a_run_has_three_retries_for_each_secret_and_ten_more(distinct):
    rules = policy(distinct=distinct)
    for times in range(3 * distinct + 10):
        again = rules.after_failure(Host(), 1, START) if times % 2 else rules.after_status(Host(), 1, START, 503, None)
        assert isinstance(again, Retry)
    assert rules.after_failure(Host(), 1, START) == GiveUp("this run has used up its retries")
    assert rules.after_status(Host(), 1, START, 500, None) == GiveUp("this run has used up its retries")


def test_a_429_does_not_count():
    rules = policy(distinct=0)
    for _ in range(50):
        assert isinstance(rules.after_status(Host(), 1, START, 429, None), Retry)
    for _ in range(10):
        assert isinstance(rules.after_failure(Host(), 1, START), Retry)
    assert isinstance(rules.after_failure(Host(), 1, START), GiveUp)
    assert isinstance(rules.after_status(Host(), 1, START, 429, None), Retry)


# The gate


def test_a_host_that_never_complained_may_have_everything():
    host = Host()
    for _ in range(1000):
        assert host.admits(START)
        host.sent(START)


def closed(under_way: int = 0) -> Host:
    """A host that answered 429 while so many other requests were under way."""
    host = Host()
    for _ in range(under_way + 1):
        host.sent(START)
    host.answered(429)
    return host


def admitted(host: Host, now: float = START) -> int:
    """How many more requests may be sent now; sends them."""
    count = 0
    while host.admits(now) and count < 100:
        host.sent(now)
        count += 1
    return count


def test_after_a_429_one_at_a_time_then_one_more_for_each_success():
    host = closed()
    assert admitted(host) == 1
    for under_way in range(1, 10):
        host.answered(200)
        assert admitted(host) == 2, "the one that ended, and one more"
        assert host.under_way == under_way + 1


@pytest.mark.parametrize("status", [200, 201, 400, 401, 403, 404])
def test_whatever_is_no_complaint_opens_the_gate(status):
    host = closed()
    assert admitted(host) == 1
    host.answered(status)
    assert admitted(host) == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_servers_error_and_no_answer_leave_the_gate_as_it_is(status):
    host = closed()
    assert admitted(host) == 1
    host.answered(status)
    assert admitted(host) == 1
    host.failed()
    assert admitted(host) == 1


def test_what_was_sent_before_a_429_tells_nothing_about_the_gate():
    host = closed(under_way=15)
    for _ in range(14):
        host.answered(200)
        assert admitted(host) == 0
    host.answered(200)
    assert admitted(host) == 2


def test_another_429_closes_the_gate_again():
    host = closed()
    admitted(host)
    host.answered(200)
    admitted(host)
    host.answered(429)
    assert admitted(host) == 0
    host.answered(200)
    assert admitted(host) == 2


def test_all_that_wait_for_a_host_wait_for_the_same_gate():
    rules, host = policy(chance=1.0), closed()
    rules.after_status(host, 1, START, 429, 9.0)
    assert host.opens == START + 11.0
    rules.after_status(host, 1, START, 429, 2.0)
    assert host.opens == START + 11.0
    assert not host.admits(START + 10.9)
    assert host.admits(START + 11.0)


@pytest.mark.parametrize(("retry_after", "opens"), [(None, 0.0), (5.0, START + 5.0)])
def test_a_503_closes_the_gate_only_when_it_says_for_how_long(retry_after, opens):
    rules, host = policy(chance=0.0), Host()
    rules.after_status(host, 1, START, 503, retry_after)
    assert host.opens == opens


def test_each_host_has_its_own_gate():
    rules = policy()
    assert rules.host("a") is rules.host("a")
    assert rules.host("a") is not rules.host("b")


# Silence


def test_silence_counts_from_the_first_request_without_an_answer():
    rules, host = policy(outage=30), Host()
    assert rules.silent_at(host) == rules.deadline
    host.sent(START + 1)
    host.sent(START + 9)
    host.failed()
    host.sent(START + 20)
    assert rules.silent_at(host) == START + 31


@pytest.mark.parametrize("status", [200, 401, 429, 503])
def test_any_answer_ends_the_silence(status):
    rules, host = policy(outage=30), Host()
    host.sent(START)
    host.answered(status)
    assert rules.silent_at(host) == rules.deadline
    host.sent(START + 40)
    assert rules.silent_at(host) == START + 70


def test_silence_is_over_at_the_deadline_at_the_latest():
    rules, host = policy(outage=30), Host()
    host.sent(START + 110)
    assert rules.silent_at(host) == rules.deadline


def test_the_figures_are_those_that_are_promised():
    assert (Options.timeout, Options.outage) == (120.0, 30.0)


# Retry-After


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("007", 7),
        ("5, 10", 10),
        ("10,5", 10),
        ("9" * 400, float("inf")),
        (http_date(NOON + 60), 60),
        (http_date(NOON - 60), 0),
        (f"{http_date(NOON + 5)}, {http_date(NOON + 50)}", 50),
        (f"{http_date(NOON + 50)}, 5", 50),
        ("Friday, 15-Jan-27 08:00:30 GMT", 30),
        ("Fri Jan 15 08:00:30 2027", 30),
        ("Fri, 01 Jan 9999 00:00:00 GMT", 251_570_764_800),
        ("", None),
        ("-5", None),
        ("+5", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("NaN", None),
        ("\u0661", None),
        ("\u00b2", None),
        ("Fri, 15 Jan 2027", None),
        ("Fri, 99 Foo 2027 08:00:30 GMT", None),
        ("2027-01-15T08:00:30Z", None),
    ],
)
def test_retry_after_in_all_its_forms(text, seconds):
    assert retry_after({"retry-after": text}, NOON) == seconds


def test_without_the_header_nothing_is_asked_for():
    assert retry_after({}, NOON) is None


def test_a_date_is_compared_with_the_stores_own_clock():
    headers = {"retry-after": http_date(NOON + 60), "date": http_date(NOON + 40)}
    assert retry_after(headers, now=5.0) == 20
    assert retry_after({**headers, "date": "yesterday"}, NOON) == 60


# Laws

TEXTS = st.one_of(
    st.text(max_size=80),
    st.text(alphabet="0123456789,-+. :GMTJanFebWed", max_size=80),
    st.integers().map(str),
    st.floats().map(str),
    st.integers(-(10**10), 10**12).map(lambda time: http_date(time % 250_000_000_000)),
    st.lists(st.sampled_from(["5", "-1", http_date(NOON), "x", ""]), max_size=5).map(",".join),
)


@given(text=TEXTS, date=TEXTS, attempt=st.integers(1, 10**6), chance=st.floats(0, 1), elapsed=st.floats(0, 200))
@example(text="Wed, 21 Oct 2026 07:28:00 +99999999999999", date="", attempt=1, chance=1.0, elapsed=0.0)
def test_any_header_gives_a_wait_within_what_remains_or_an_end(text, date, attempt, chance, elapsed):
    asked = retry_after({"retry-after": text, "date": date}, NOON)
    assert asked is None or asked >= 0
    for status in (429, 503):
        rules, host = policy(chance=chance), Host()
        now = START + elapsed
        again = rules.after_status(host, attempt, now, status, asked)
        if isinstance(again, Retry):
            assert now <= again.at <= rules.deadline
            assert again.at - now >= min(asked or 0.0, rules.deadline - now) - 1e-6
            assert host.opens <= rules.deadline
        else:
            assert again.why


@given(st.lists(st.sampled_from([200, 404, 429, 500, 503, None]), max_size=60), st.integers(1, 30))
def test_the_gate_never_shuts_for_ever_and_never_forgets_a_429(answers, at_once):
    """Whatever a host answers, in whatever order: somebody may always be sent when nobody is under way."""
    host, refused = Host(), False
    for answer in answers:
        while host.under_way < at_once and host.admits(START):
            host.sent(START)
        assert host.under_way > 0
        if answer is None:
            host.failed()
        else:
            host.answered(answer)
        refused = refused or answer == 429
        assert host.under_way >= 0
        assert (host.window is not None) == refused
        if answer == 429:
            assert host.window == 1


@given(st.integers(0, 50), st.lists(st.booleans(), min_size=250, max_size=250))
def test_no_run_retries_more_than_its_budget(distinct, kinds):
    rules, host = policy(distinct=distinct), Host()
    outcomes = [
        rules.after_failure(host, 1, START) if kind else rules.after_status(host, 1, START, 503, None) for kind in kinds
    ]
    assert sum(isinstance(outcome, Retry) for outcome in outcomes) == min(250, 3 * distinct + 10)
