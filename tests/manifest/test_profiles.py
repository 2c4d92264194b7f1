"""Profiles: the chosen one over the whole manifest, field by field, what it inherits beneath it."""

from __future__ import annotations

from pathlib import Path

import pytest
from reading import problem, problems, read, read_files

TEXT = """
[providers.acme]
type = "ncloud"
region = "KR"

[secrets]
DB = { provider = "acme", id = "db", key = "password", default = "none" }
DEBUG_TOKEN = "env://DEBUG"

[env]
LEVEL = "info"

[options]
timeout = "10s"

[profiles.base.env]
LEVEL = "warning"
PLACE = "base"

[profiles.prod]
inherits = "base"
providers.acme.region = "JP"
secrets.DB = { id = "db-prod" }
secrets.DEBUG_TOKEN = false
options.timeout = "90s"

[profiles.local.secrets]
DB = "env://LOCAL_DB"
"""


def refs(manifest):
    return {entry.name: str(entry.ref) for entry in manifest.entries}


def literals(manifest):
    return {literal.name: literal.value.reveal().decode() for literal in manifest.literals}


def test_without_a_profile_the_manifest_is_as_if_there_were_none():
    manifest = read(TEXT)
    assert refs(manifest) == {"DB": "acme://db#password", "DEBUG_TOKEN": "env://DEBUG"}
    assert (literals(manifest), manifest.options.timeout, manifest.profile) == ({"LEVEL": "info"}, 10, None)


def test_a_profile_goes_over_it_field_by_field_and_removes_with_false():
    manifest = read(TEXT, profile="prod")
    (entry,) = manifest.entries
    assert refs(manifest) == {"DB": "acme://db-prod#password"}
    assert entry.default.reveal() == b"none"
    assert manifest.providers["acme"].settings["region"] == "JP"
    assert (manifest.options.timeout, manifest.profile) == (90, "prod")
    assert literals(manifest) == {"LEVEL": "warning", "PLACE": "base"}


def test_a_short_form_in_a_profile_keeps_the_other_fields():
    (entry, _) = read(TEXT, profile="local").entries
    assert (str(entry.ref), entry.default.reveal()) == ("env://LOCAL_DB", b"none")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"secrets": {"A": "env://A"}, "profiles": {"p": {"secrets": {"A": false}, "env": {"B": "b"}}}}'),
        ("m.yaml", "secrets:\n  A: env://A\nprofiles:\n  p:\n    secrets:\n      A: false\n    env:\n      B: b\n"),
        ("m.toml", 'secrets.A = "env://A"\nprofiles.p.secrets.A = false\nprofiles.p.env.B = "b"\n'),
    ],
)
def test_every_format_has_them(name, text):
    manifest = read(text, name, profile="p")
    assert (refs(manifest), literals(manifest)) == ({}, {"B": "b"})


def test_a_literal_takes_the_place_of_a_secret_and_a_secret_that_of_a_literal():
    text = '[secrets]\nA = "env://X"\n[env]\nB = "b"\n[profiles.p]\nenv.A = "a"\nsecrets.B = "env://Y"\n'
    manifest = read(text, profile="p")
    assert (refs(manifest), literals(manifest)) == ({"B": "env://Y"}, {"A": "a"})


def test_a_literal_is_removed_too():
    assert literals(read('[env]\nA = "a"\n[profiles.p]\nenv.A = false\n', profile="p")) == {}


def test_in_several_files_the_later_one_goes_over_the_same_profile_of_the_earlier_one():
    Path("a.toml").write_text('[profiles.p]\nenv.A = "first"\nenv.B = "first"\n')
    Path("b.toml").write_text('[env]\nA = "top"\n[profiles.p]\nenv.A = "second"\n')
    assert literals(read_files("a.toml", "b.toml", profile="p")) == {"A": "second", "B": "first"}


def test_set_and_env_file_go_over_a_profile():
    manifest = read(TEXT, profile="prod", variables={"--set": {"DB": "env://MINE"}})
    assert refs(manifest)["DB"] == "env://MINE"


def test_a_provider_of_a_profile_is_known_to_set():
    text = '[profiles.p.providers.mine]\ntype = "env"\n'
    manifest = read(text, profile="p", variables={"--env-file x": {"A": "mine://HOME"}})
    assert refs(manifest) == {"A": "mine://HOME"}


# Which one it was


def test_the_chosen_one_is_told_to_the_child():
    text = '[options]\nexport_profile = "APP_PROFILE"\n[profiles.prod]\n'
    assert literals(read(text, profile="prod")) == {"APP_PROFILE": "prod"}
    assert literals(read(text)) == {}


@pytest.mark.parametrize(("name", "what"), [("2nd", "'2nd' is no variable name"), ("PATH", "PATH changes how")])
def test_its_variable_is_held_to_the_rules_of_all_names(name, what):
    error = problem(f'[options]\nexport_profile = "{name}"\n[profiles.prod]\n', profile="prod")
    assert error.what.startswith(what)


# What cannot be


@pytest.mark.parametrize("name", ["pord", "", "p" * 300])
def test_an_unknown_profile_is_told_with_the_choices(name):
    error = problem(TEXT, profile=name)
    assert error.what.startswith("there is no profile '")
    assert "The profiles are: base, prod, local" in error.hint
    assert name != "pord" or error.hint.startswith("did you mean 'prod'?")


def test_a_profile_where_there_are_none_says_so():
    assert problem("[env]\n", profile="prod").hint == "the manifest has no profiles"


def test_an_unknown_parent_is_told_with_the_choices_also_of_a_profile_that_was_not_chosen():
    error = problem('[profiles.a]\ninherits = "c"\n[profiles.b]\n')
    assert (error.what, error.where) == ("there is no profile 'c'", "secrets.toml:2, profiles.a.inherits")
    assert "The profiles are: a, b" in error.hint


@pytest.mark.parametrize(
    ("text", "circle"),
    [
        ('profiles.a.inherits = "a"', "'a' inherits 'a'"),
        ('profiles.a.inherits = "b"\nprofiles.b.inherits = "a"', "'a' inherits 'b' inherits 'a'"),
        (
            "".join(f'profiles.{child}.inherits = "{parent}"\n' for child, parent in ("xa", "ab", "bc", "ca")),
            "'a' inherits 'b' inherits 'c' inherits 'a'",
        ),
    ],
)
@pytest.mark.parametrize("profile", [None, "a"])
def test_a_circle_is_told_once_with_its_members(text, circle, profile):
    assert problem(text, profile=profile).what == f"profiles in a circle: {circle}"


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("profiles = 1", "'profiles' is no table", "profiles"),
        ("profiles.a = 1", "a profile is a table", "profiles.a"),
        ("profiles.a.secret = {}", "a profile has no 'secret'", "profiles.a.secret"),
        ("profiles.a.cache = {}", "a profile has no 'cache'", "profiles.a.cache"),
        ("profiles.a.inherits = 1", "'inherits' is the name of a profile", "profiles.a.inherits"),
    ],
)
def test_what_is_no_profile_is_told_though_it_was_not_chosen(text, what, where):
    error = problem(text)
    assert (error.what, error.where) == (what, f"secrets.toml:1, {where}")


@pytest.mark.parametrize(
    ("text", "what", "where"),
    [
        ("profiles.a.secrets = 1", "'profiles.a.secrets' is no table", "profiles.a.secrets"),
        ("profiles.a.secrets.X = false", "there is no X to remove", "profiles.a.secrets.X"),
        ('profiles.a.secrets.X = "false"', "this is no reference", "profiles.a.secrets.X"),
        ("profiles.a.secrets.X = true", "a secret is a reference or a table", "profiles.a.secrets.X"),
    ],
)
def test_what_is_wrong_in_the_chosen_one_is_told_with_its_place(text, what, where):
    error = problem(text, profile="a")
    assert error.where.startswith(f"secrets.toml:1, {where}")
    assert error.what == what or where.endswith("X")


def test_everything_wrong_is_told_at_once():
    text = 'profiles.a.secrets.X = false\nprofiles.b.inherits = "nobody"\n[env]\n"2" = "x"\n'
    assert len(problems(text, profile="a")) == 3


def test_the_command_line_and_the_environment_choose(launch, manifest):
    path = manifest('[options]\nexport_profile = "P"\n[profiles.one]\n[profiles.two]\n')
    for words, environ in ((["-P", "one"], {}), (["--profile", "one"], {"SECRETS_EXEC_PROFILE": "two"})):
        assert launch("-f", path, *words, "--", "printenv", "P", environ=environ).stdout == b"one\n"
    done = launch("-f", path, "--", "printenv", "P", "SECRETS_EXEC_PROFILE", environ={"SECRETS_EXEC_PROFILE": "two"})
    assert (done.returncode, done.stdout) == (1, b"two\n")


def test_an_unknown_one_starts_nothing(launch, manifest, tmp_path):
    done = launch("-f", manifest("[profiles.one]\n"), "-P", "two", "--", "touch", "started")
    assert done.returncode == 78
    assert b"The profiles are: one" in done.stderr
    assert not (tmp_path / "started").exists()
