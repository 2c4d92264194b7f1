"""Fields: each has one type in all three formats, and a wrong one is told with its place and what to write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import outcome, problem, problems, read

from envinject.errors import Failures

FORMATS = {
    "m.toml": lambda table, field, value: f"[{table}]\n{field} = {value}\n",
    "m.json": lambda table, field, value: json.dumps({table: {field: "?"}}).replace('"?"', value),
    "m.yaml": lambda table, field, value: f"{table}:\n  {field}: {value}\n",
}
each_format = pytest.mark.parametrize("name", FORMATS)


def option(name, field, value):
    """An option that is read from a manifest of that name."""
    return getattr(read(FORMATS[name]("options", field, value), name).options, field)


def fault(name, field, value):
    """What is wrong with an option."""
    error = problem(FORMATS[name]("options", field, value), name)
    assert error.where.endswith(f", options.{field}")
    return error


@each_format
@pytest.mark.parametrize(
    ("value", "seconds"),
    [('"30s"', 30), ('"500ms"', 0.5), ('"2m"', 120), ("30", 30), ("1.5", 1.5), ('"30"', 30), ("604800", 604800)],
)
def test_a_duration_is_text_with_a_unit_or_a_number_of_seconds(name, value, seconds):
    assert option(name, "timeout", value) == pytest.approx(seconds)


@each_format
@pytest.mark.parametrize(
    "value", ['"soon"', "0", "-1", '"-1s"', '""', "true", "[]", "1e9", "604801", '"1d"', "0x" + "f" * 5000]
)
def test_anything_else_is_no_duration(name, value):
    if name == "m.json" and value.startswith("0x"):
        value = "1" * 4000
    error = fault(name, "timeout", value)
    assert error.what == "'timeout' must be a duration"
    assert "30s" in error.hint


@each_format
@pytest.mark.parametrize("value", ["1", "16", "1000"])
def test_a_count_is_a_whole_number_from_1_to_1000(name, value):
    assert option(name, "concurrency", value) == int(value)


@each_format
@pytest.mark.parametrize("value", ["0", "-1", "1001", "1.0", '"16"', "true", "[1]", "9" * 4000, '"many"'])
def test_anything_else_is_no_count(name, value):
    assert fault(name, "concurrency", value).what == "'concurrency' must be a whole number from 1 to 1000"


@each_format
@pytest.mark.parametrize(
    ("value", "expected"), [("true", True), ("false", False), ("[]", ()), ('["A*", "B"]', ("A*", "B"))]
)
@pytest.mark.parametrize("field", ["inherit", "keep_credentials"])
def test_all_or_nothing_or_some_is_a_flag_or_a_list(name, field, value, expected):
    assert option(name, field, value) == expected


@each_format
@pytest.mark.parametrize(
    ("value", "what"),
    [
        ('"true"', "must be true or false"),
        ('"LANG"', "must be true or false"),
        ("1", "must be true or false"),
        ("[true, []]", "must be a list of texts"),
        ('["A", {}]', "must be a list of texts"),
    ],
)
def test_anything_else_is_neither(name, value, what):
    assert fault(name, "inherit", value).what == f"'inherit' {what}"


@each_format
@pytest.mark.parametrize("value", ['"A"', "true", "{}", "[[]]"])
def test_names_are_a_list_of_texts(name, value):
    error = fault(name, "allow_names", value)
    assert error.what == "'allow_names' must be a list of texts"
    assert error.hint == 'write allow_names = ["...", "..."]'


@each_format
@pytest.mark.parametrize("rule", ["override", "keep", "error"])
def test_a_choice_is_one_of_its_words(name, rule):
    assert option(name, "on_conflict", f'"{rule}"') == rule


@each_format
def test_another_word_is_refused_with_the_near_one(name):
    error = fault(name, "on_conflict", '"overide"')
    assert error.what == "'on_conflict' is none of override, keep, error"
    assert error.hint == "did you mean 'override'? write one of them"


@pytest.mark.parametrize("value", ["1", "1.5", "true", "[]", "{}", "2026-07-01", "inf", "10:00:00"])
@pytest.mark.parametrize("field", ["provider", "id", "key", "stage", "default", "decode", "as", "description"])
def test_text_must_be_in_quotes_in_toml(field, value):
    members = {"provider": '"env"', "id": '"X"', field: value}
    text = "[secrets.A]\n" + "".join(f"{name} = {member}\n" for name, member in members.items())
    found = [error for error in problems(text) if error.where.endswith(f"secrets.A.{field}")]
    assert found[0].what == f"'{field}' must be text"
    assert found[0].hint == f'put it in quotes: {field} = "..."'


@pytest.mark.parametrize("name", ["m.toml", "m.json", "m.yaml"])
def test_a_version_may_be_a_number(name):
    text = {
        "m.toml": '[secrets]\nA = { provider = "kakaocloud", id = "a", version = 12 }',
        "m.json": '{"secrets": {"A": {"provider": "kakaocloud", "id": "a", "version": 12}}}',
        "m.yaml": "secrets: {A: {provider: kakaocloud, id: a, version: 12}}",
    }[name]
    assert read(text, name).entries[0].ref.version == "12"


@pytest.mark.parametrize("value", ["1.0", "true", "[1]", "0x" + "f" * 5000, "2026-07-01"])
def test_but_no_other_thing(value):
    error = problem(f'[secrets]\nA = {{ provider = "kakaocloud", id = "a", version = {value} }}')
    assert error.what == "'version' must be text"


@pytest.mark.parametrize("value", ["0", "-3", '"x"', '"1.0"', '"01"', '" 1"', '"٣"', "99999999999999999999"])
def test_a_version_that_the_store_cannot_have_is_refused_with_what_it_has(value):
    error = problem(f'[secrets]\nA = {{ provider = "kakaocloud", id = "a", version = {value} }}')
    assert "is none of kakaocloud" in error.what or "must be text" in error.what


# Unknown fields

UNKNOWN = {
    "the manifest": ("secret = {}", "the manifest has no 'secret'", "did you mean 'secrets'? ", "secret"),
    "options": ("options.timout = 1", "[options] has no 'timout'", "did you mean 'timeout'? ", "options.timout"),
    "a secret": (
        'secrets.A = { provider = "env", id = "x", verison = 1 }',
        "a secret has no 'verison'",
        "did you mean 'version'? ",
        "secrets.A.verison",
    ),
    "expand": (
        'secrets.A = { provider = "env", id = "x", expand = { prefx = "" } }',
        "expand has no 'prefx'",
        "did you mean 'prefix'? ",
        "secrets.A.expand.prefx",
    ),
    "a provider": (
        "providers.kakaocloud.regoin = 1",
        "a provider of type kakaocloud has no 'regoin'",
        "did you mean 'region'? ",
        "providers.kakaocloud.regoin",
    ),
    "a local provider": ("providers.file.path = 1", "a provider of type file has no 'path'", "", "providers.file.path"),
}


@pytest.mark.parametrize(("text", "what", "hint", "where"), UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_key_is_an_error_with_the_near_one_and_all_that_there_are(text, what, hint, where):
    error = problem(text)
    assert (error.what, error.where) == (what, f"secrets.toml:1, {where}")
    assert error.hint.startswith(f"{hint}It knows: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(json_values)
@pytest.mark.parametrize(
    "field", ["timeout", "concurrency", "inherit", "allow_names", "on_conflict", "outage", "required_one_of"]
)
def test_any_value_of_an_option_is_taken_or_refused_at_its_place(field, value):
    found = outcome(lambda: read(json.dumps({"options": {field: value}}), "m.json"), Failures)
    if isinstance(found, Failures):
        assert all(error.where.startswith(f"m.json:1, options.{field}") for error in found.errors)
    else:
        assert getattr(found.options, field) is not None
