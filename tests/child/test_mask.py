"""A stream shows names instead of values, however they are written and wherever they are cut."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject.child.mask import SHORTEST, Mask

PASSWORD = b'p/s+w\xc3\xb6rd"1&%'
VALUES = [("PASSWORD", PASSWORD), ("TOKEN", b"token-4711"), ("LONG", b"token-4711-and-more")]


def masked(text: bytes, values: list[tuple[str, bytes]] = VALUES, size: int | None = None) -> bytes:
    """What is shown of a text that comes in pieces of a size."""
    mask, size = Mask(values), size or max(1, len(text))
    shown = [mask.feed(text[at : at + size]) for at in range(0, len(text), size)]
    return b"".join([*shown, mask.end()])


TEXT = PASSWORD.decode()
FORMS = {
    "as it is": PASSWORD,
    "JSON": json.dumps(TEXT)[1:-1].encode(),
    "JSON in UTF-8": json.dumps(TEXT, ensure_ascii=False)[1:-1].encode(),
    "JSON with \\/": json.dumps(TEXT)[1:-1].replace("/", "\\/").encode(),
    "a URL": quote(TEXT, safe="").encode(),
    "a path": quote(TEXT).encode(),
    "a query": quote_plus(TEXT).encode(),
    "a URL with small digits": b"p%2fs%2bw%c3%b6rd%221%26%25",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_value_is_replaced_by_its_name_however_it_is_written_and_cut(form: bytes, size: int) -> None:
    assert masked(b"user=me password=" + form + b" ok\n", size=size) == b"user=me password=[PASSWORD] ok\n"


@pytest.mark.parametrize("before", [b"", b"a", b"ab", b"abc"], ids=len)
@pytest.mark.parametrize("after", [b"", b"a", b"ab", b"abc"], ids=len)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_in_base64_it_is_found_at_every_offset(before: bytes, after: bytes, encode) -> None:
    shown = masked(encode(before + PASSWORD + after))
    assert b"[PASSWORD]" in shown
    assert len(shown) <= len(b"[PASSWORD]") + 4 * (len(before) + len(after)) // 3 + 8


def test_the_longest_goes_first_and_a_name_stands_once_for_what_overlaps() -> None:
    assert masked(b"token-4711-and-more token-4711 token-4711-and") == b"[LONG] [TOKEN] [TOKEN]-and"
    values = [("A", b"abcdef"), ("B", b"efghijk")]
    assert masked(b"abcdefghijk.abcdef.efghijk", values) == b"[B].[A].[B]"
    assert masked(b"abcdefghijk", values, size=1) in (b"[A]", b"[B]")


def test_a_value_that_repeats_itself_is_covered_without_an_end() -> None:
    mask = Mask([("A", b"aaaaaa")])
    shown = b"".join(mask.feed(b"a" * 1000) for _ in range(10))
    assert (shown, len(mask.held)) == (b"[A]", 5)
    assert mask.feed(b"b") + mask.end() == b"b"


def test_neighbours_have_a_name_each() -> None:
    values = [("A", b"abcdef"), ("B", b"ghijkl")]
    for size in (1, 5, 6, 7, 12):
        assert masked(b"abcdefghijklabcdef", values, size) == b"[A][B][A]"


def test_short_values_are_left_alone() -> None:
    assert masked(b"abcde", [("A", b"abcde")]) == b"abcde"
    assert masked(b"abcdef", [("A", b"abcdef")]) == b"[A]"


def test_of_two_names_for_one_value_the_first_is_shown() -> None:
    assert masked(b"secret", [("A", b"secret"), ("B", b"secret")]) == b"[A]"


def test_a_value_with_a_line_end_is_found_without_it() -> None:
    assert masked(b"(secret)(secret\n)", [("A", b"secret\n")]) == b"([A])([A])"


# Pauses


def test_a_prompt_that_may_be_the_begin_of_a_value_is_shown_in_a_pause() -> None:
    mask = Mask(VALUES)
    assert mask.feed(b"enter to") == b"enter "
    assert mask.waits
    assert mask.pause() == b"to"
    assert not mask.waits
    assert mask.pause() == b""
    assert mask.feed(b"day") == b"day"


def test_the_rest_of_a_value_is_masked_after_its_begin_was_shown() -> None:
    mask = Mask(VALUES)
    shown = [mask.feed(b"tok"), mask.pause(), mask.feed(b"en-4711 x"), mask.end()]
    assert shown == [b"", b"tok", b"[TOKEN] x", b""]


def test_a_long_begin_of_a_value_is_held_through_a_pause() -> None:
    mask = Mask([("A", b"a-long-secret")])
    assert [mask.feed(b"see a-long-"), mask.pause()] == [b"see ", b""]
    assert mask.feed(b"secret") + mask.end() == b"[A]"


def test_a_value_that_may_be_a_longer_one_is_named_in_a_pause() -> None:
    mask = Mask(VALUES)
    assert [mask.feed(b"token-4711"), mask.pause(), mask.feed(b"-and-more."), mask.end()] == [
        b"",
        b"[TOKEN]",
        b".",
        b"",
    ]


# Laws

ALPHABET = st.sampled_from([b"a", b"b", b"ab", b"aab", b"\n", b"x"])
TEXTS = st.lists(ALPHABET, max_size=60).map(b"".join)
LAW_VALUES = st.lists(st.lists(st.sampled_from([b"a", b"b"]), min_size=SHORTEST, max_size=12).map(b"".join), max_size=4)


@given(TEXTS, LAW_VALUES, st.lists(st.integers(1, 9), min_size=1, max_size=9), st.booleans())
def test_no_value_is_ever_shown_however_it_comes(text, values, sizes, pausing):
    mask, shown, at = Mask([("N", value) for value in values]), b"", 0
    while at < len(text):
        size = sizes[at % len(sizes)]
        shown += mask.feed(text[at : at + size])
        if pausing:
            shown += mask.pause()
        at += size
    shown += mask.end()
    assert not any(value in shown for value in values)
    if not any(value in text for value in values):
        assert shown == text


@given(TEXTS, LAW_VALUES, st.integers(1, 9))
def test_how_it_is_cut_makes_no_difference_to_what_is_covered(text, values, size):
    named = [("N", value) for value in values]
    whole, pieces = masked(text, named), masked(text, named, size)
    assert whole == pieces


@given(st.binary(max_size=200))
def test_without_values_everything_is_shown_at_once(data):
    mask = Mask([])
    assert mask.feed(data) == data
    assert not mask.waits
