"""The plain part of JSON is read exactly as the library reads it; the rest, and every mistake, is the library's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envinject import jsontext
from envinject.jsonplain import Beyond, read

_REFUSED = object()
"""What is not plain, or no JSON: nothing equals it but itself."""


class _Number(str):
    """A number's text, which is no text."""

    def __eq__(self, other: object) -> bool:
        return type(other) is _Number and str.__eq__(self, other)

    __hash__ = str.__hash__


def _by_hand(text: str) -> Any:
    try:
        return read(text, _Number)
    except (Beyond, RecursionError):
        return _REFUSED


def _by_library(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    def refuse(_name: str) -> None:
        raise ValueError

    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number, parse_constant=refuse, object_pairs_hook=unique)
    except (ValueError, RecursionError):
        return _REFUSED


_PIECES = st.sampled_from(
    [*'"\\{}[],: \n\t\r\f\0-01aé٣', '"a"', '"b"', "\\n", '\\"', "\\u0041", "01", "1.5", "1e9", "\ud800"]
) | st.sampled_from(["true", "false", "null", "nul", "NaN", "Infinity", "-Infinity"])
_DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=1000)
@given(
    st.lists(_PIECES, max_size=12).map("".join)
    | st.text(max_size=12)
    | _DOCUMENTS.map(lambda one: json.dumps(one, ensure_ascii=False))
)
@example('{"a": 1, "a": 2}')
@example("[" * 100_000)
@example('"\\')
@example('"\\"')
@example("1 2")
@example("")
def test_what_is_read_is_what_the_library_reads(text: str) -> None:
    found = _by_hand(text)
    if found is not _REFUSED:
        assert found == _by_library(text)


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(categories=["L", "N", "P"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(categories=["L"])), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(_PLAIN, st.sampled_from([None, 1]))
def test_whatever_is_plain_is_read(document: Any, indent: int | None) -> None:
    assert _by_hand(json.dumps(document, ensure_ascii=False, indent=indent)) is not _REFUSED


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the process began: nothing read, no library loaded."""
    monkeypatch.setattr(jsontext._Reading, "left", 1000)
    monkeypatch.setattr(jsontext._Reading, "decode", None)


@pytest.mark.usefixtures("anew")
def test_documents_are_read_by_hand_until_that_would_take_longer_than_the_library() -> None:
    for _ in range(9):
        assert jsontext.parse('"' + "x" * 108 + '"') == "x" * 108
    assert jsontext._Reading.decode is None
    assert jsontext.parse('"' + "x" * 108 + '"') == "x" * 108
    assert jsontext._Reading.decode is not None


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("source", ["1.50", '"\\u00e9"', "{", '{"a":1,"a":2}', "NaN"])
def test_what_is_not_plain_comes_out_of_the_library_as_ever(source: str) -> None:
    def outcome() -> Any:
        try:
            return jsontext.parse(source)
        except jsontext.NotJSON as error:
            return str(error)

    first, again = outcome(), outcome()
    assert jsontext._Reading.decode is not None
    assert first == again
