"""Errors: their exit codes, which of several decides, and the near word."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject import errors
from envinject.errors import Failures, SecretsExecError, suggest

CODES = {
    "UsageError": 64,
    "BadValue": 65,
    "NotFound": 66,
    "StoreError": 69,
    "SecretsExecError": 70,
    "SystemRefused": 71,
    "Unavailable": 75,
    "Denied": 77,
    "ManifestError": 78,
    "CommandUnusable": 126,
    "CommandNotFound": 127,
}
KINDS = [getattr(errors, name) for name in CODES]
ORDER = ["ManifestError", "Denied", "NotFound", "BadValue", "StoreError", "SystemRefused", "Unavailable"]


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_the_exit_code_of_each_error_is_the_contracts(name, code):
    assert getattr(errors, name).exit_code == code


def test_every_error_stands_in_the_tree_at_the_top_of_the_file():
    tree = errors.__doc__ or ""
    own = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, SecretsExecError)]
    assert {kind.__name__ for kind in own} == set(CODES)
    for kind in own:
        assert kind.__name__ in tree


def test_an_error_tells_what_where_and_a_hint():
    error = errors.BadValue("a NUL byte", where="DB", hint="leave it out")
    assert (error.what, error.where, error.hint, str(error)) == ("a NUL byte", "DB", "leave it out", "a NUL byte")


def test_an_error_can_be_told_of_another_place_and_stays_as_it_was():
    error = errors.NotFound("gone", where="here", hint="look")
    other = error.at("there")
    assert (type(other), other.what, other.where, other.hint) == (errors.NotFound, "gone", "there", "look")
    assert error.where == "here"


@pytest.mark.parametrize(("first", "second"), list(pairwise(ORDER)))
def test_of_two_failures_the_one_decides_that_a_retry_cannot_mend(first, second):
    one, other = getattr(errors, first)("x"), getattr(errors, second)("x")
    assert Failures([one, other]).exit_code == Failures([other, one]).exit_code == one.exit_code


@given(st.lists(st.sampled_from(KINDS), min_size=1))
def test_several_failures_have_the_code_of_one_of_them_and_keep_their_order(kinds):
    several = Failures(kind("x") for kind in kinds)
    assert several.exit_code in {kind.exit_code for kind in kinds}
    assert [type(error) for error in several.errors] == kinds


@pytest.mark.parametrize(
    ("word", "known", "suggestion"),
    [
        ("pasword", ["host", "password", "user"], "did you mean 'password'? "),
        ("verison", ("version", "stage"), "did you mean 'version'? "),
        ("x", ["host", "password"], ""),
        ("anything", [], ""),
        ("", ["host"], ""),
    ],
)
def test_the_near_word_is_suggested_and_no_far_one(word, known, suggestion):
    assert suggest(word, known) == suggestion


def test_a_suggestion_among_very_many_or_very_long_words_takes_no_time():
    started = time.monotonic()
    many = [f"key-number-{i}" for i in range(100_000)]
    long = ["ab" * 100_000, "ba" * 100_000]
    for _ in range(20):
        suggest("key-numbre", many)
        suggest("ab" * 100_000 + "c", long)
    assert time.monotonic() - started < 20
