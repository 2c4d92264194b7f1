"""Expansion: one JSON object becomes several variables, none invented and none lost."""

from __future__ import annotations

import json
import string
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import outcome

from envinject import jsontext
from envinject.environ import is_glob, is_name
from envinject.errors import BadValue, Failures, NotFound
from envinject.expand import Expansion, expand
from envinject.secret import Secret

CANARY = "canary-5f3a91"


def variables(document, *, required=True, **settings):
    """The names and values that a document (or its text) expands to."""
    text = document if isinstance(document, str | bytes) else json.dumps(document)
    data = text if isinstance(text, bytes) else text.encode()
    made = expand(Secret(data), Expansion(**{"prefix": "DB_"} | settings), required=required)
    return {name: value.reveal().decode() for name, _, value, _ in made}


def problems(document, **settings):
    """What is wrong with expanding a document."""
    with pytest.raises(Failures) as caught:
        variables(document, **settings)
    assert [error.what for error in caught.value.errors if not error.hint] == []
    return caught.value.errors


def told(document, **settings):
    return [error.what for error in problems(document, **settings)]


# Names


def test_a_key_becomes_the_prefix_and_its_name_in_upper_case():
    assert variables({"host": "h", "userName": "u"}) == {"DB_HOST": "h", "DB_USERNAME": "u"}


def test_case_keep_leaves_the_key_as_it_is():
    assert variables({"userName": "u"}, case="keep") == {"DB_userName": "u"}


def test_an_empty_prefix_leaves_the_key_alone():
    assert variables({"host": "h"}, prefix="") == {"HOST": "h"}


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("db-host", "DB_DB_HOST"),
        ("a.b/c d", "DB_A_B_C_D"),
        ("1st", "DB_1ST"),
        ("", "DB_"),
        ("ß", "DB__"),
        ("비밀", "DB___"),
        ("a=b\0c\nd", "DB_A_B_C_D"),
        ("\u017f", "DB__"),
    ],
)
def test_what_no_name_can_hold_becomes_an_underscore(key, name):
    assert variables({key: "v"}) == {name: "v"}


@pytest.mark.parametrize(
    ("key", "settings"),
    [("1st", {"prefix": ""}), ("", {"prefix": ""}), ("x" * 257, {}), ("a", {"rename": {"a": "no name"}})],
    ids=["digit first", "empty", "too long", "renamed"],
)
def test_a_key_that_makes_no_name_is_an_error(key, settings):
    (error,) = problems({key: CANARY}, **settings)
    assert isinstance(error, BadValue)
    assert "which is no variable name" in error.what
    assert CANARY not in error.what + error.hint


def test_rename_gives_the_full_name_without_the_prefix():
    assert variables({"host": "h", "pw": "p"}, rename={"pw": "Secret_Word"}) == {"DB_HOST": "h", "Secret_Word": "p"}


def test_two_keys_that_make_one_name_are_an_error_that_names_both():
    (error,) = problems({"db-host": "a", "db_host": "b"})
    assert isinstance(error, BadValue)
    assert error.what == "the keys 'db-host' and 'db_host' both make DB_DB_HOST"


def test_a_renamed_key_and_another_one_that_make_one_name_are_an_error_too():
    assert told({"a": "1", "b": "2"}, rename={"a": "DB_B"}) == ["the keys 'a' and 'b' both make DB_B"]


def test_keys_that_differ_in_case_only_collide_unless_the_case_is_kept():
    document = {"host": "a", "HOST": "b"}
    assert told(document) == ["the keys 'host' and 'HOST' both make DB_HOST"]
    assert variables(document, case="keep") == {"DB_host": "a", "DB_HOST": "b"}


# Which keys


def test_keys_are_the_only_ones_in_the_documents_order():
    assert list(variables({"a": "1", "b": "2", "c": "3"}, keys=("c", "a"))) == ["DB_A", "DB_C"]


def test_each_of_keys_and_rename_must_exist():
    errors = problems({"host": "h", "user": "u"}, keys=("hots", "user", "x"), rename={"usr": "U"})
    assert [type(error) for error in errors] == [NotFound] * 3
    assert [error.what for error in errors] == [f"no key '{key}' in this secret" for key in ("hots", "x", "usr")]
    assert errors[0].hint == "did you mean 'host'? The keys are: host, user"


def test_when_the_secret_is_not_required_neither_are_its_keys():
    assert variables({"host": "h"}, keys=("host", "port"), required=False) == {"DB_HOST": "h"}


def test_omit_leaves_keys_out_and_need_not_find_them():
    assert variables({"a": "1", "b": "2"}, omit=("b", "c")) == {"DB_A": "1"}


def test_an_omitted_key_may_hold_anything():
    assert variables({"a": "1", "b": None, "A": "2"}, omit=("b", "A")) == {"DB_A": "1"}


@pytest.mark.parametrize(
    ("settings", "keys"),
    [
        ({"keys": ("db_*",)}, ["db_host", "db_user"]),
        ({"keys": ("port", "db_*")}, ["db_host", "db_user", "port"]),
        ({"keys": ("?or[st]",)}, ["port"]),
        ({"keys": ("db_*",), "omit": ("*_user",)}, ["db_host"]),
        ({"keys": ("db_*",), "rename": {"db_host": "PGHOST"}}, ["db_host", "db_user"]),
        ({"omit": ("*_*", "nothing_*")}, ["port"]),
        ({"omit": ("[!d]*",)}, ["db_host", "db_user"]),
        ({"omit": ("DB_*",)}, ["db_host", "db_user", "port"]),
    ],
)
def test_keys_and_omit_take_globs_that_mind_the_case(settings, keys):
    made = expand(Secret(b'{"db_host": "h", "db_user": "u", "port": "1"}'), Expansion("X_", **settings))
    assert [key for _, key, *_ in made] == keys


def test_a_star_in_brackets_means_itself():
    document = {"a*": "1", "ab": "2"}
    assert variables(document, keys=("a[*]",)) == {"DB_A_": "1"}
    assert variables(document, omit=("a[*]",)) == {"DB_AB": "2"}


def test_a_glob_that_matches_no_key_is_not_found_as_a_missing_key_is():
    (error,) = problems({"host": "h", "user": "u"}, keys=("hots*", "user"))
    assert (type(error), error.what) == (NotFound, "no key of this secret matches 'hots*'")
    assert error.hint == "did you mean 'host'? The keys are: host, user"
    assert variables({"user": "u"}, keys=("hots*", "user"), required=False) == {"DB_USER": "u"}


def test_no_keys_at_all_is_no_variable_at_all():
    assert variables({"a": "1"}, keys=()) == {}
    assert variables({}) == {}


@pytest.mark.parametrize(
    ("settings", "listed"),
    [
        ({}, {"a": False, "b": False}),
        ({"keys": ("a", "b")}, {"a": True, "b": True}),
        ({"rename": {"b": "B"}}, {"a": False, "b": True}),
        ({"omit": ("b",)}, {"a": False}),
        ({"keys": ("[ab]",)}, {"a": False, "b": False}),
        ({"keys": ("*", "b")}, {"a": False, "b": True}),
    ],
)
def test_a_variable_tells_whether_the_manifest_named_its_key(settings, listed):
    made = expand(Secret(b'{"a": "1", "b": "2"}'), Expansion("X_", **settings))
    assert {key: is_listed for _, key, _, is_listed in made} == listed


def test_the_manifest_that_names_a_key_has_not_named_what_is_flattened_out_of_it():
    made = expand(Secret(b'{"a": {"b": 1}, "a/b": 2}'), Expansion("X_", nested="flatten", case="keep", keys=("a",)))
    assert [(name, is_listed) for name, _, _, is_listed in made] == [("X_a_b", False)]


# Values


def test_values_are_text_as_the_source_wrote_it():
    source = r'{"t": " a\n", "n": 1e400, "f": 1.0, "b": true, "e": "", "j": "{\"x\": 1}", "u": "\u00e9"}'
    expected = {"T": " a\n", "N": "1e400", "F": "1.0", "B": "true", "E": "", "J": '{"x": 1}', "U": "é"}
    assert variables(source, prefix="") == expected


def test_nested_values_are_compact_json():
    source = '{"o": {"b": [1.0, null], "a": "é"}, "l": [], "e": {}}'
    assert variables(source) == {"DB_O": '{"b":[1.0,null],"a":"é"}', "DB_L": "[]", "DB_E": "{}"}


def test_flatten_joins_the_names_of_nested_objects_and_arrays():
    document = {"db": {"hosts": ["a", {"name": "b"}], "user-name": "u"}, "top": "t"}
    expected = {"X_DB_HOSTS_0": "a", "X_DB_HOSTS_1_NAME": "b", "X_DB_USER_NAME": "u", "X_TOP": "t"}
    assert variables(document, prefix="X_", nested="flatten") == expected


def test_flatten_leaves_an_empty_object_or_array_as_json():
    assert variables({"a": {}, "b": {"c": []}}, nested="flatten") == {"DB_A": "{}", "DB_B_C": "[]"}


def test_flatten_begins_with_the_renamed_name():
    assert variables({"a": {"b": "1"}}, nested="flatten", rename={"a": "NEW"}) == {"NEW_B": "1"}


def test_flattened_names_collide_as_others_do_and_the_keys_are_told_as_paths():
    assert told({"a": {"b": "1"}, "a_b": "2"}, nested="flatten") == ["the keys 'a/b' and 'a_b' both make DB_A_B"]


def test_flatten_of_the_deepest_nesting_that_can_be_read_is_an_error_and_no_bug():
    depth = 100_000
    while True:
        source = '{"a":' * depth + "1" + "}" * depth
        try:
            jsontext.parse(source)
            break
        except jsontext.NotJSON:
            depth = depth * 9 // 10
    (error,) = problems(source, nested="flatten")
    assert isinstance(error, BadValue)
    assert len(error.what) < 1000


def test_nested_error_refuses_objects_and_arrays_by_key_and_kind():
    errors = problems({"a": {"b": CANARY}, "c": [CANARY], "d": "fine"}, nested="error")
    assert [error.what for error in errors] == ["the key 'a' holds an object", "the key 'c' holds an array"]
    assert CANARY not in "".join(error.hint for error in errors)


def test_null_counts_as_not_found():
    (error,) = problems({"a": None, "b": "1"})
    assert isinstance(error, NotFound)
    assert error.what == "the key 'a' is null, which counts as not found"
    assert variables({"a": None, "b": "1"}, required=False) == {"DB_B": "1"}


def test_half_a_surrogate_pair_is_a_bad_value_also_when_not_required():
    (error,) = problems(r'{"a": "\ud800"}', required=False)
    assert isinstance(error, BadValue)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (f'"{CANARY}"', "it is text"),
        (f'["{CANARY}"]', "it is an array"),
        ("12345678", "it is a number"),
        ("null", "it is null"),
        ("true", "it is true or false"),
        (CANARY, "it is not JSON"),
        ("", "it is not JSON"),
        (CANARY.encode() + b"\xff", "it is not UTF-8"),
        (f'{{"a": "{CANARY}", "a": "{CANARY}"}}', "an object in it has a key twice"),
    ],
)
def test_what_is_no_json_object_is_told_by_its_type_and_never_by_its_content(source, why):
    (error,) = problems(source)
    assert isinstance(error, BadValue)
    assert error.what == f"this secret cannot be expanded: {why}"
    assert CANARY not in error.hint


def test_all_that_is_wrong_is_told_at_once():
    document = {"a": None, "x" * 300: "1", "c": [1], "d-e": "1", "d_e": "2"}
    errors = problems(document, nested="error", keys=(*document, "zzz"))
    assert [type(error).__name__ for error in errors] == ["NotFound", "NotFound", "BadValue", "BadValue", "BadValue"]
    assert all(len(error.what + error.hint) < 1500 for error in errors)


# Laws

plain_keys = st.text(string.ascii_letters + string.digits + "_-. é", max_size=8)
values = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)


def expanded(document, **settings):
    """The variables of a document, by key, or the errors."""
    found = outcome(lambda: expand(Secret(json.dumps(document).encode()), Expansion(**settings)), Failures)
    return (None, found.errors) if isinstance(found, Failures) else (found, ())


@given(
    st.dictionaries(plain_keys, values, max_size=6),
    st.sampled_from(["", "X_", "pre"]),
    st.sampled_from(["upper", "keep"]),
    st.sets(plain_keys, max_size=2),
)
def test_expand_never_invents_or_loses_a_key(document, prefix, case, omit):
    made, errors = expanded(document, prefix=prefix, case=case, omit=tuple(omit))
    wanted = {key: value for key, value in document.items() if key not in omit}
    if made is None:
        assert all("no variable name" in error.what or "both make" in error.what for error in errors)
        return
    assert {key: value.reveal().decode() for _, key, value, _ in made} == wanted
    assert len({name for name, *_ in made}) == len(made)
    for name, key, _, _ in made:
        assert is_name(name)
        assert name.startswith(prefix)
        assert len(name) == len(prefix) + len(key)


@given(
    st.dictionaries(st.text("aB1_-\n.é", max_size=4), values | st.integers() | st.none(), max_size=6),
    st.sampled_from(["", "X_", "1", "a" * 255]),
    st.sampled_from(["upper", "keep"]),
)
def test_what_is_plain_expands_as_all_else_does(document, prefix, case):
    """An omitted key that is not there makes a difference to the way alone."""
    quick, one_by_one = (expanded(document, prefix=prefix, case=case, omit=omit) for omit in ((), ("no such key",)))
    assert as_told(quick) == as_told(one_by_one)


def as_told(outcome):
    made, errors = outcome
    return made and [(*row[:2], row[2].reveal(), row[3]) for row in made], [error.what for error in errors]


globs = st.text("ab*?[]!-", max_size=5)
documents = st.dictionaries(st.text("abAB*[", min_size=1, max_size=4), values, max_size=6)


@given(documents, globs)
def test_keys_and_omit_of_one_glob_divide_an_object(document, glob):
    """The names may collide, which is not the question here: so each key is a whole document."""
    for key, value in document.items():
        kept, missed = expanded({key: value}, prefix="X_", keys=(glob,))
        left, _ = expanded({key: value}, prefix="X_", omit=(glob,))
        assert bool(kept) != bool(left)
        assert bool(kept) != bool(missed)
        assert bool(kept) == (fnmatchcase(key, glob) if is_glob(glob) else key == glob)


@given(documents, st.text("abAB*[", min_size=1, max_size=4))
def test_a_key_whose_signs_stand_in_brackets_matches_itself_alone(document, key):
    escaped = "".join(f"[{each}]" if each in "*?[" else each for each in key)
    for other in document:
        made, _ = expanded({other: "v"}, prefix="X_", omit=(escaped,))
        assert bool(made) == (other != key)


trees = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_keys, inner, max_size=3))


def leaves(tree, path):
    """Every leaf and every empty container of a tree, by its path."""
    if not isinstance(tree, dict | list) or not tree:
        return {path: tree if isinstance(tree, str) else json.dumps(tree)}
    members = tree.items() if isinstance(tree, dict) else ((str(i), member) for i, member in enumerate(tree))
    return {place: leaf for key, member in members for place, leaf in leaves(member, f"{path}/{key}").items()}


@given(st.dictionaries(plain_keys, trees, max_size=4))
def test_flatten_never_invents_or_loses_a_leaf(document):
    made, errors = expanded(document, prefix="X_", nested="flatten", case="keep")
    wanted = {place: leaf for key, value in document.items() for place, leaf in leaves(value, key).items()}
    if made is None:
        assert all("both make" in error.what for error in errors)
        return
    assert {key: value.reveal().decode() for _, key, value, _ in made} == wanted


@given(st.binary() | st.text().map(str.encode), st.sampled_from(["json", "flatten", "error"]), st.booleans())
def test_any_bytes_expand_or_fail_with_our_errors(data, nested, required):
    found = outcome(lambda: expand(Secret(data), Expansion("X_", nested=nested), required=required), Failures)
    assert isinstance(found, list) or found.exit_code in (65, 66)
