"""Strict JSON and its text: what the source wrote, nothing invented, nothing quoted in an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import outcome

from envinject import jsontext
from envinject.errors import BadValue, NotFound
from envinject.jsontext import NotJSON, Number

CANARY = "canary-5f3a91"

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text()
)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,40})(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,5})?", fullmatch=True)
dressings = st.sampled_from([{}, {"indent": 2}, {"separators": (" , ", " : ")}, {"ensure_ascii": True}])


def same(document):
    """A document as we read it: numbers are texts."""
    match document:
        case dict():
            return {key: same(value) for key, value in document.items()}
        case list():
            return [same(value) for value in document]
        case bool() | str() | None:
            return document
        case _:
            return json.dumps(document)


# Reading


@given(documents, dressings)
def test_what_the_standard_library_writes_is_read_as_it_was(document, dressing):
    assert jsontext.parse(json.dumps(document, **dressing)) == same(document)
    assert jsontext.parse(json.dumps(document, **dressing).encode()) == same(document)


@given(documents)
def test_compact_is_the_source_without_its_insignificant_spaces(document):
    compact = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    for source in (compact, json.dumps(document, ensure_ascii=False, indent=1), f" \t\r\n{compact}\n"):
        assert jsontext.compact(jsontext.parse(source)) == compact


@given(numbers)
@example("1e400")
@example("1.0")
@example("-0")
@example("1E+2")
@example("123456789012345678901234567890")
@example("0.10000000000000000000000000000000000001")
def test_a_number_is_exactly_what_the_source_wrote(text):
    number = jsontext.parse(text)
    assert isinstance(number, Number)
    assert jsontext.to_bytes(number) == text.encode()
    assert jsontext.compact(jsontext.parse(f'{{"n": [ {text} ]}}')) == f'{{"n":[{text}]}}'


def test_an_integer_of_more_digits_than_the_interpreter_converts_is_fine():
    assert jsontext.to_bytes(jsontext.parse("7" * 100_000)) == b"7" * 100_000


def test_unicode_is_unescaped_in_the_compact_form_and_control_characters_stay_escaped():
    source = rb'{"\ube44\ubc00": "\ud83d\udd11 \u00e9 \/ \" \\ \n \u0000 \u001f \u007f"}'
    expected = '{"비밀":"🔑 é / \\" \\\\ \\n \\u0000 \\u001f \x7f"}'
    assert jsontext.compact(jsontext.parse(source)) == expected


def test_the_order_of_keys_is_kept():
    assert jsontext.compact(jsontext.parse('{"b": 1, "a": 2, "": 3, "B": 4}')) == '{"b":1,"a":2,"":3,"B":4}'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "it is not JSON", id="empty"),
        pytest.param(" ", "it is not JSON", id="blank"),
        pytest.param("{", "it is not JSON", id="unclosed"),
        pytest.param("{'a': 1}", "it is not JSON", id="single quotes"),
        pytest.param('{"a": 1,}', "it is not JSON", id="trailing comma"),
        pytest.param("{a: 1}", "it is not JSON", id="unquoted key"),
        pytest.param("{1: 1}", "it is not JSON", id="number as key"),
        pytest.param('{"a": 1} {"b": 2}', "it is not JSON", id="two documents"),
        pytest.param('{"a": 1} // no', "it is not JSON", id="comment"),
        pytest.param("01", "it is not JSON", id="leading zero"),
        pytest.param("+1", "it is not JSON", id="plus"),
        pytest.param(".5", "it is not JSON", id="no digit before the point"),
        pytest.param("5.", "it is not JSON", id="no digit behind the point"),
        pytest.param("0x10", "it is not JSON", id="hex"),
        pytest.param("True", "it is not JSON", id="Python"),
        pytest.param('"a\nb"', "it is not JSON", id="raw newline"),
        pytest.param('"\0"', "it is not JSON", id="raw NUL"),
        pytest.param(r'"\x41"', "it is not JSON", id="no such escape"),
        pytest.param('"\\u00e"', "it is not JSON", id="short escape"),
        pytest.param("\ufeff{}", "it is not JSON", id="byte order mark"),
        pytest.param("\u00a0{}", "it is not JSON", id="a space that is none"),
        pytest.param("NaN", "it holds NaN or Infinity, which JSON has not", id="NaN"),
        pytest.param('{"a": [-Infinity]}', "it holds NaN or Infinity, which JSON has not", id="infinity"),
        pytest.param('{"a": 1, "b": 2, "a": 3}', "an object in it has a key twice", id="key twice"),
        pytest.param('[{"a": {"b": 1, "\\u0062": 2}}]', "an object in it has a key twice", id="key twice, escaped"),
        pytest.param("[" * 200_000, "it is nested too deeply", id="deep"),
        pytest.param('{"a":' * 100_000 + "1" + "}" * 100_000, "it is nested too deeply", id="deep objects"),
        pytest.param(b"\xff\xfe{\x00}\x00", "it is not UTF-8", id="UTF-16"),
        pytest.param(b'"\xe9"', "it is not UTF-8", id="Latin-1"),
        pytest.param(b'"\xed\xa0\x80"', "it is not UTF-8", id="raw surrogate"),
        pytest.param(b'"\xc0\x80"', "it is not UTF-8", id="overlong"),
    ],
)
def test_what_is_not_json_is_told_in_our_own_words(text, why):
    with pytest.raises(NotJSON) as caught:
        jsontext.parse(text)
    assert caught.value.args == (why,)


@given(st.binary() | st.text())
@example(f'{{"{CANARY}": 1, "{CANARY}": 2}}')
@example(f'"{CANARY}')
@example(CANARY.encode() + b"\xff")
def test_an_error_holds_no_piece_of_the_document(data):
    error = outcome(lambda: jsontext.parse(data), NotJSON)
    if isinstance(error, NotJSON):
        assert (error.__cause__, error.__context__) == (None, None)
        assert CANARY not in str(error)


# Text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('"plain"', b"plain"),
        ('""', b""),
        ('" a\\n"', b" a\n"),
        ('"{\\"a\\": 1}"', b'{"a": 1}'),
        ('"\\u0000"', b"\0"),
        ('"비밀"', "비밀".encode()),
        ("true", b"true"),
        ("false", b"false"),
        ("null", None),
        ("-0", b"-0"),
        ("1.0", b"1.0"),
        ("1e400", b"1e400"),
        ("{}", b"{}"),
        ("[]", b"[]"),
        ('{"b": [1.0, "é", null, true], "a": {}}', '{"b":[1.0,"é",null,true],"a":{}}'.encode()),
    ],
)
def test_the_text_of_a_value(source, text):
    assert jsontext.to_bytes(jsontext.parse(source)) == text


@pytest.mark.parametrize("source", [r'"\ud800"', r'"a\udfffb"', r'{"a": ["\ud800"]}', r'{"\udc80": 1}'])
def test_half_a_surrogate_pair_has_no_text(source):
    with pytest.raises(BadValue, match="half a surrogate pair") as caught:
        jsontext.to_bytes(jsontext.parse(source))
    assert caught.value.__context__ is None


def test_nesting_that_can_be_read_but_not_written_is_a_bad_value_and_no_bug():
    deep: jsontext.Json = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(BadValue, match="nested too deeply"):
        jsontext.to_bytes(deep)
    while deep:  # taken apart by hand: the interpreter would go as deep to free it
        deep = deep.pop()


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("1", "a number"),
        ('"1"', "text"),
        ("true", "true or false"),
        ("null", "null"),
        ("[1]", "an array"),
        ('{"a": 1}', "an object"),
    ],
)
def test_the_kind_of_a_value_tells_nothing_of_its_content(source, kind):
    assert jsontext.kind(jsontext.parse(source)) == kind


# Keys

DOCUMENT = {
    "user": "app",
    "": "empty key",
    "a/b": "slash",
    "m~n": "tilde",
    "0": "a key, no index",
    "hosts": ["a", {"name": "b"}],
    "none": None,
    "deep": {"": {"x": "y"}},
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "app"),
        ("", "empty key"),
        ("a/b", "slash"),
        ("m~n", "tilde"),
        ("none", None),
        ("/user", "app"),
        ("/", "empty key"),
        ("/a~1b", "slash"),
        ("/m~0n", "tilde"),
        ("/0", "a key, no index"),
        ("/hosts/0", "a"),
        ("/hosts/1/name", "b"),
        ("/deep//x", "y"),
    ],
)
def test_a_key_or_a_json_pointer_finds_its_value(key, value):
    assert jsontext.look_up(DOCUMENT, key) == value


@pytest.mark.parametrize(
    ("key", "what"),
    [
        ("usr", "no key 'usr' in this secret"),
        ("user/x", "no key 'user/x' in this secret"),
        ("/usr", "no key 'usr' in this secret"),
        ("/deep/x", "no key 'x' in this secret at '/deep'"),
        ("/hosts/2", "no element '2' in this secret at '/hosts'"),
        ("/hosts/-", "no element '-' in this secret"),
        ("/hosts/01", "no element '01' in this secret"),
        ("/hosts/+1", "no element '+1' in this secret"),
        ("/hosts/\u0660", "no element '\u0660' in this secret"),
        ("/hosts/" + "9" * 5000, "no element"),
        ("/none/x", "no key 'x' in this secret at '/none'"),
    ],
)
def test_what_is_not_there_is_not_found(key, what):
    with pytest.raises(NotFound) as caught:
        jsontext.look_up(DOCUMENT, key)
    assert what in caught.value.what


def test_null_has_no_keys_and_counts_as_not_found():
    with pytest.raises(NotFound):
        jsontext.look_up(None, "a")


@pytest.mark.parametrize(
    ("document", "key", "what"),
    [
        (CANARY, "a", "it is text, not a JSON object"),
        (True, "a", "it is true or false, not a JSON object"),
        (Number("1"), "a", "it is a number, not a JSON object"),
        ({"a": CANARY}, "/a/b", "no key 'b' can be in this secret at '/a': it is text"),
        ([CANARY], "/0/b", "no key 'b' can be in this secret at '/0': it is text"),
        ([CANARY], "0", "no key '0' can be in this secret: it is an array, not a JSON object"),
        ([CANARY], "password", "no key 'password' can be in this secret: it is an array"),
    ],
)
def test_what_has_no_keys_is_told_by_its_kind_and_never_by_its_content(document, key, what):
    with pytest.raises(BadValue) as caught:
        jsontext.look_up(document, key)
    assert what in caught.value.what
    assert CANARY not in caught.value.what + caught.value.hint


def test_a_missing_key_suggests_the_near_one_and_lists_them():
    with pytest.raises(NotFound) as caught:
        jsontext.look_up({"user": 1, "password": 2, "host": 3}, "pasword")
    assert caught.value.hint == "did you mean 'password'? The keys are: host, password, user"


def test_the_list_of_keys_is_short_however_many_and_long_they_are():
    with pytest.raises(NotFound) as caught:
        jsontext.look_up({f"{i:05}{'x' * 1000}": None for i in range(5000)}, "y")
    assert len(caught.value.hint) < 3000
    assert caught.value.hint.endswith(", ...")


def test_an_empty_object_has_nothing_to_list():
    with pytest.raises(NotFound) as caught:
        jsontext.look_up({}, "a")
    assert caught.value.hint == "the object is empty"


@given(st.lists(st.text(), min_size=1))
def test_a_pointer_is_read_as_rfc_6901_writes_it(steps):
    text = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    assert jsontext.pointer(text) == tuple(steps)


@pytest.mark.parametrize("text", ["/~", "/a~", "/~2", "/~~0", "/a/~b"])
def test_a_tilde_that_escapes_nothing_is_no_pointer(text):
    with pytest.raises(ValueError, match="~0"):
        jsontext.pointer(text)
