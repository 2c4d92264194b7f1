"""Durations as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject.duration import LONGEST, parse_duration

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "": 1}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("30", 30), ("2m", 120), ("1h", 3600), ("1.5s", 1.5), (".5s", 0.5), ("168h", 604800)],
)
def test_a_number_and_a_unit_make_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "s", "ms", "0", "0s", "0.0", "-1s", "+1s", "1 s", " 1s", "1s ", "1d", "1S", "1sm", "1mm", "1e3",
        "1e3s", "1_000", "1,5s", "1.2.3s", "inf", "nan", "0x10", "169h", "1m30s", "٣s", "½h", "1\n", "s1", "9" * 400,
    ],
)  # fmt: skip
def test_what_is_no_duration_of_at_most_a_week_is_none(text):
    assert parse_duration(text) is None


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_every_whole_number_with_a_unit_is_its_product_or_too_long(number, unit):
    seconds = number * UNITS[unit]
    expected = pytest.approx(seconds) if seconds <= LONGEST else None
    assert parse_duration(f"{number}{unit}") == expected


@given(st.text())
def test_any_text_is_seconds_within_bounds_or_none(text):
    seconds = parse_duration(text)
    assert seconds is None or 0 < seconds <= LONGEST
