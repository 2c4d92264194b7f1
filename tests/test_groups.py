"""`required_one_of`: at least one variable of each group comes out, and each alone may be missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import environment_of, made, problem, read, values

from envinject.errors import Denied, Failures, NotFound
from envinject.inject import injections
from envinject.secret import Secret

AB = '[options]\nrequired_one_of = [["A", "B"]]\n[secrets]\nA = "env://X"\nB = "env://Y"\n'


def errors(text, **how):
    with pytest.raises(Failures) as caught:
        made(text, **how)
    return caught.value.errors


def test_one_member_is_enough_and_the_others_may_be_missing():
    assert values(AB, environ={"X": "x"}) == {"A": b"x"}
    assert values(AB, environ={"Y": "y"}) == {"B": b"y"}
    assert values(AB, environ={"X": "x", "Y": "y"}) == {"A": b"x", "B": b"y"}


def test_without_any_the_group_is_told_with_why_each_is_missing():
    (error,) = errors(AB)
    assert (type(error), error.what) == (NotFound, "none of A, B was found, and one of them must be")
    assert error.where == "secrets.toml:2, options.required_one_of.0"
    assert error.hint.startswith("store one. A: the launcher's environment has no variable X")
    assert "; B: the launcher's environment has no variable Y" in error.hint


def test_every_group_is_told_beside_all_other_problems():
    text = '[options]\nrequired_one_of = [["A", "B"], ["C"]]\n[secrets]\n'
    text += "".join(f'{name} = "env://NO_{name}"\n' for name in "ABCD")
    assert [error.what[:14] for error in errors(text)] == ["the launcher's", "none of A, B w", "none of C was "]


def test_a_member_that_is_required_all_the_same_says_so():
    text = AB.replace('"env://X"', '{ provider = "env", id = "X", required = true }')
    (error,) = errors(text, environ={"Y": "y"})
    assert error.where.startswith("A, ")
    (error,) = errors(text)
    assert error.where.startswith("A, "), "what is told of the member is not told of the group again"


def test_a_default_comes_out():
    assert values(AB.replace('"env://X"', '{ provider = "env", id = "X", default = "d" }')) == {"A": b"d"}


def test_a_literal_comes_out():
    assert values(AB.replace('A = "env://X"', "") + '[env]\nA = "literal"\n') == {"A": b"literal"}


def test_a_denial_stops_the_start_whatever_else_there_is():
    manifest = read(AB)
    outcomes = {entry.target: Denied("no") if entry.name == "A" else Secret(b"b") for entry in manifest.entries}
    with pytest.raises(Failures) as caught:
        injections(manifest, outcomes, {})
    assert [each.exit_code for each in caught.value.errors] == [77]


@given(
    st.lists(st.lists(st.sampled_from("ABCD"), min_size=1, max_size=4), max_size=4),
    st.sets(st.sampled_from("ABCD")),
)
def test_a_start_fails_exactly_for_the_groups_of_which_nothing_is_there(groups, present):
    text = f"options.required_one_of = {json.dumps(groups)}\n[secrets]\n"
    text += "".join(f'{name} = {{ provider = "env", id = "X_{name}"{_optional(name, groups)} }}\n' for name in "ABCD")
    environ = {f"X_{name}": "x" for name in present}
    missed = [number for number, group in enumerate(groups) if not present & {*group}]
    if missed:
        assert [error.where.rpartition(".")[2] for error in errors(text, environ=environ)] == [str(n) for n in missed]
    else:
        assert values(text, environ=environ).keys() == present


def _optional(name, groups):
    """What is in no group would be missed for itself."""
    return "" if any(name in group for group in groups) else ", required = false"


# Members of expansions, and templates

DB = 'options.required_one_of = [["DB_PASSWORD", "DB_TOKEN"]]\n[secrets.DB]\nprovider = "file"\nid = "x"\nexpand = {}\n'


@pytest.mark.parametrize(
    "expand",
    ["true", '{ keys = ["password", "token"] }', '{ keys = ["p", "token"], rename = { p = "DB_PASSWORD" } }'],
)
@pytest.mark.parametrize("content", ['{"token": "t"}', '{"token": "t", "password": null, "p": null}'])
def test_a_key_of_an_expansion_may_be_missing_when_its_variable_is_a_member(expand, content):
    Path("x").write_text(content)
    if expand == "true" and "null" in content:
        content = content.replace(', "p": null', "")
        Path("x").write_text(content)
    assert values(DB.replace("{}", expand)) == {"DB_TOKEN": b"t"}


def test_keys_beside_the_members_must_be_there_as_ever():
    Path("x").write_text('{"token": "t"}')
    (error,) = errors(DB.replace("{}", '{ keys = ["password", "token", "host"] }'))
    assert error.what == "no key 'host' in this secret"


def test_an_expansion_without_any_is_told():
    Path("x").write_text('{"host": "h"}')
    (error,) = errors(DB.replace("{}", "true"))
    assert error.hint == "store one. DB_PASSWORD: DB has no such key; DB_TOKEN: DB has no such key"


def test_an_expansion_that_fails_is_told_alone():
    Path("x").write_text("no JSON")
    (error,) = errors(DB.replace("{}", "true"))
    assert error.exit_code == 65


URL = AB.replace('["A", "B"]', '["URL", "B"]') + '[env]\nURL = { template = "x://${C}" }\n'
URL = URL.replace("[env]", 'C = { provider = "env", id = "Z", required = false }\n[env]')


def test_a_template_may_be_missing_when_it_is_a_member():
    environ = {"X": "x", "Y": "y"}
    assert values(URL, environ=environ) == {"A": b"x", "B": b"y"}
    assert values(URL, environ={"X": "x", "Z": "z"}) == {"A": b"x", "C": b"z", "URL": b"x://z"}
    (error,) = errors(URL, environ={"X": "x"})
    assert "URL: the template needs C, which is not set; B: the launcher's environment has" in error.hint


# What is left out


def test_only_asks_for_no_group_that_it_leaves_out(launch, manifest):
    path = manifest(AB + 'C = "env://Z"\n')
    done = launch("-f", path, "--only", "C", "--", "env", "-0", environ={"Z": "z"})
    assert environment_of(done)[b"C"] == b"z"


def test_only_asks_for_what_it_leaves_of_a_group(launch, manifest):
    done = launch("-f", manifest(AB), "--only", "A", "--", "env", environ={"Y": "y"})
    assert (done.returncode, done.stdout) == (66, b"")
    assert b"A: the launcher's environment has no variable X" in done.stderr
    assert b"B: left out by --only" in done.stderr


def test_an_inherited_variable_counts_only_where_it_is_kept(launch, manifest):
    path = manifest(AB)
    assert launch("-f", path, "--on-conflict", "keep", "--", "true", environ={"B": "mine"}).returncode == 0
    assert launch("-f", path, "--", "true", environ={"B": "mine"}).returncode == 66


def test_check_tells_it_as_a_run_does(launch, manifest):
    path = manifest(AB)
    assert launch("check", "-f", path).returncode == 0
    assert launch("check", "-f", path, "--fetch").returncode == 66


# In the manifest


@pytest.mark.parametrize(
    "value", ['"A"', '["A", "B"]', "[[]]", '[["A", 1]]', '[["A"], "B"]', "true", "{}", '[[["A"]]]'], ids=str
)
def test_groups_are_lists_of_lists_of_names(value):
    error = problem(f'options.required_one_of = {value}\nsecrets.A = "env://X"\nsecrets.B = "env://Y"\n')
    assert error.what == "'required_one_of' must be a list of lists of names"
    assert error.where.startswith("secrets.toml:1, options.required_one_of")


def test_a_name_that_nobody_sets_is_told_with_the_near_one():
    error = problem(AB.replace('"A", "B"', '"A", "DB_PASWORD"') + 'DB_PASSWORD = "env://Z"\n')
    assert error.what == "required_one_of needs 'DB_PASWORD', which nobody sets"
    assert error.hint.startswith("did you mean 'DB_PASSWORD'? ")
    assert error.where == "secrets.toml:2, options.required_one_of.0"


def test_the_name_of_an_expansion_is_no_variable():
    error = problem(DB.replace('["DB_PASSWORD", "DB_TOKEN"]', '["DB", "DB_TOKEN"]').replace("{}", "true"))
    assert error.what == "required_one_of needs 'DB', which nobody sets"
    assert "an expansion's name is none" in error.hint


PROFILES = AB + "[profiles.one.secrets]\nA = false\n[profiles.none.secrets]\nA = false\nB = false\n"
PROFILES += (
    '[profiles.none_asked]\ninherits = "none"\noptions.required_one_of = []\n[profiles.more.secrets]\nC = "env://Z"'
)


def test_a_profile_may_take_a_member_out_and_bring_one_in():
    assert [entry.name for entry in read(PROFILES, profile="one").entries] == ["B"]
    text = PROFILES.replace('["A", "B"]', '["C", "B"]')
    assert not any(entry.required for entry in read(text, profile="more").entries if entry.name in "BC")
    assert [entry.required for entry in read(text).entries] == [True, False], "C is known from a profile"


def test_a_profile_that_leaves_nothing_of_a_group_is_told_how_to_mend_it():
    error = problem(PROFILES, profile="none")
    assert error.what == "none of A, B is set in this profile, and one of them must be"
    assert read(PROFILES, profile="none_asked").entries == ()
