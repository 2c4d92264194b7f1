"""Several manifests as one: later wins, field by field; and which files are read when none is named."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import environment_of, model, problem, problems, read, read_files

from envinject.errors import Failures
from envinject.manifest import DEFAULT_FILES


def write(*texts):
    """Manifests m0.toml, m1.toml, ...; their names."""
    names = [f"m{i}.toml" for i in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        Path(name).write_text(text)
    return names


def merged(*texts, **how):
    return read_files(*write(*texts), **how)


def merge_problems(*texts, **how):
    with pytest.raises(Failures) as caught:
        merged(*texts, **how)
    return caught.value.errors


def only_entry(*texts):
    (entry,) = merged(*texts).entries
    return entry


# Field by field

BASE = """
[providers.kakao]
type = "kakaocloud"
timeout = "5s"
concurrency = 4
[secrets]
A = { provider = "kakao", id = "a", version = 1, key = "k", required = false, default = "d" }
B = "kakao://b"
[env]
C = "base"
D = "d"
[options]
timeout = "10s"
inherit = ["A"]
"""


def test_a_later_manifest_changes_the_fields_that_it_has_and_no_others():
    later = """
        [providers.kakao]
        timeout = "6s"
        [secrets.A]
        version = 2
        [env]
        C = "later"
        [options]
        inherit = ["B"]
    """
    manifest = merged(BASE, later)
    assert manifest.providers["kakao"].settings == {"timeout": 6, "concurrency": 4}
    first, second = manifest.entries
    assert str(first.ref) == "kakao://a?version=2#k"
    assert (first.required, first.default.reveal()) == (False, b"d")
    assert str(second.ref) == "kakao://b"
    assert model(manifest)["literals"] == [("C", b"later"), ("D", b"d")]
    assert (manifest.options.timeout, manifest.options.inherit) == (10, ("B",))


def test_a_short_form_replaces_the_coordinates_and_keeps_the_other_fields():
    entry = only_entry(
        '[secrets]\nA = { provider = "kakaocloud", id = "a", version = 1, key = "k", required = false }',
        '[secrets]\nA = "ncloud://n?stage=previous"',
    )
    assert str(entry.ref) == "ncloud://n?stage=previous"
    assert entry.required is False


def test_a_long_form_goes_over_a_short_one_field_by_field():
    entry = only_entry('[secrets]\nA = "kakaocloud://a?version=1#k"', '[secrets.A]\nid = "b"\nexpand = true')
    assert str(entry.ref) == "kakaocloud://b?version=1#k"
    assert entry.expansion.prefix == "A_"


def test_a_table_within_a_field_is_replaced_whole():
    entry = only_entry(
        '[secrets.A]\nprovider = "env"\nid = "X"\nexpand = { prefix = "P_", keys = ["a"] }',
        '[secrets.A.expand]\ncase = "keep"',
    )
    assert (entry.expansion.prefix, entry.expansion.case, entry.expansion.keys) == ("A_", "keep", None)


def test_what_replaces_a_fault_mends_it():
    assert only_entry('[secrets]\nA = "no reference"', '[secrets]\nA = "env://X"').ref.id == "X"
    assert only_entry('[secrets.A]\nprovider = "nosuch"\nid = "X"', '[secrets.A]\nprovider = "env"').ref.id == "X"


def test_a_secret_over_a_literal_replaces_it_and_the_other_way_round():
    manifest = merged(BASE, '[secrets]\nC = "env://X"\n[env]\nB = "b"')
    assert [entry.name for entry in manifest.entries] == ["A", "C"]
    assert [literal.name for literal in manifest.literals] == ["D", "B"]


def test_one_manifest_cannot_define_a_name_twice():
    error = problem('[secrets]\nA = "env://X"\n[env]\nA = "a"\n')
    assert (error.what, error.where) == ("A stands in [secrets] and in [env]", "secrets.toml:4, env.A")


def test_a_name_keeps_the_place_where_it_was_first_said():
    manifest = merged('[secrets]\nA = "env://A"\nB = "env://B"', '[secrets]\nC = "env://C"\nA = "env://D"')
    assert [(entry.name, entry.ref.id) for entry in manifest.entries] == [("A", "D"), ("B", "B"), ("C", "C")]


def test_an_error_names_the_manifest_that_says_it():
    errors = merge_problems('[secrets]\nA = "env://A"\n\nB = "env://B"\n', '\n[secrets]\nA = "nosuch://a"\nX = 1\n')
    assert [error.where for error in errors] == ["m1.toml:3, secrets.A", "m1.toml:4, secrets.X"]


def test_paths_are_seen_from_the_manifest_that_names_them():
    for name, text in {
        "a/m.toml": '[secrets.X]\nprovider = "file"\nid = "x"\n[secrets.Y]\nprovider = "file"\nid = "y"',
        "b/m.toml": '[secrets.Y]\nid = "z"',
    }.items():
        os.makedirs(os.path.dirname(name))
        Path(name).write_text(text)
    manifest = read_files("a/m.toml", "b/m.toml")
    assert [os.path.relpath(entry.target.id) for entry in manifest.entries] == ["a/x", "b/z"]


def test_formats_can_be_mixed():
    Path("a.toml").write_text('[secrets.A]\nprovider = "env"\nid = "X"')
    Path("b.json").write_text('{"secrets": {"A": {"key": "k"}}}')
    Path("c.yaml").write_text("secrets:\n  A:\n    required: false\n")
    (entry,) = read_files("a.toml", "b.json", "c.yaml").entries
    assert (str(entry.ref), entry.required) == ("env://X#k", False)


def test_the_same_manifest_twice_is_the_same_as_once():
    (name,) = write(BASE)
    assert model(read_files(name, name)) == model(read_files(name))


@pytest.mark.parametrize("table", ["providers", "secrets", "env", "options"])
@pytest.mark.parametrize("value", ["1", '"x"', "[]", "true"])
def test_a_table_must_be_one(table, value):
    error = problem(f"\n{table} = {value}")
    assert (error.what, error.where) == (f"'{table}' is no table", f"secrets.toml:2, {table}")


def test_faults_of_every_level_come_together():
    text = """
        manifest = 2
        secretz = {}
        [providers.kakao]
        type = "kakocloud"
        [options]
        timout = 1
        [secrets]
        A = "no reference"
        B = "env://X"
        C = "nosuch://c"
        D = 1
        [env]
        E = 1
    """
    assert [error.where.partition(", ")[2] for error in problems(text)] == [
        "secretz", "manifest", "providers.kakao.type", "options.timout", "secrets.A", "secrets.C", "secrets.D", "env.E",
    ]  # fmt: skip


# Laws of merging, with literals

names = st.sampled_from("ABCDE")
layers = st.lists(
    st.dictionaries(names, st.sampled_from(["1", "2", "3", "env://X"]), max_size=5), min_size=1, max_size=4
)


def flattened(layer):
    """A layer as a manifest: references are secrets."""
    tables = {"secrets": {}, "env": {}}
    for name, value in layer.items():
        tables["secrets" if "://" in value else "env"][name] = value
    return json.dumps(tables)


@given(layers)
def test_the_last_manifest_that_has_a_name_decides_on_it(layers):
    files = [f"{i}.json" for i in range(len(layers))]
    for file, layer in zip(files, layers, strict=True):
        Path(file).write_text(flattened(layer))
    manifest = read_files(*files)
    found = {literal.name: literal.value.reveal().decode() for literal in manifest.literals}
    found |= {entry.name: str(entry.ref) for entry in manifest.entries}
    expected = {}
    for layer in layers:
        expected |= layer
    assert found == expected


fields = st.dictionaries(
    st.sampled_from(["id", "key", "description", "default"]), st.sampled_from(["x", "y", "z"]), max_size=4
)


@given(st.lists(fields, min_size=1, max_size=4))
def test_of_each_field_of_a_secret_the_last_one_counts(layers):
    layers = [{"provider": "env", "id": "first"}, *layers]
    files = [f"{i}.json" for i in range(len(layers))]
    for file, layer in zip(files, layers, strict=True):
        Path(file).write_text(json.dumps({"secrets": {"A": layer}}))
    (entry,) = read_files(*files).entries
    expected = {}
    for layer in layers:
        expected |= layer
    assert (entry.ref.id, entry.ref.key) == (expected["id"], expected.get("key"))
    assert entry.description == expected.get("description", "")
    assert (entry.default and entry.default.reveal().decode()) == expected.get("default")


# Which files


@pytest.mark.parametrize("first", range(len(DEFAULT_FILES)))
def test_without_a_name_the_first_of_the_known_ones_in_the_working_folder_is_read(first):
    assert DEFAULT_FILES == ("secrets.toml", "secrets.yaml", "secrets.yml", "secrets.json")
    for name in DEFAULT_FILES[first:]:
        Path(name).write_text({"toml": f'env.A = "{name}"'}.get(name[8:], f'{{"env": {{"A": "{name}"}}}}'))
    assert model(read_files())["literals"] == [("A", DEFAULT_FILES[first].encode())]


def test_a_known_name_that_cannot_be_read_is_an_error_and_not_passed_over():
    os.symlink("nowhere", "secrets.toml")
    Path("secrets.json").write_text("{}")
    with pytest.raises(Failures, match="1 errors"):
        read_files()


def test_no_manifest_at_all_is_an_error_that_tells_what_was_looked_for():
    with pytest.raises(Failures) as caught:
        read_files()
    (error,) = caught.value.errors
    assert error.exit_code == 78
    assert error.where == f"{os.getcwd()}: none of secrets.toml, secrets.yaml, secrets.yml, secrets.json"


def test_the_options_of_the_environment_and_the_command_line_name_manifests_in_order(launch):
    Path("secrets.toml").write_text('env.A = "default"\nenv.D = "default"')
    names = write('env.A = "0"\nenv.B = "0"', 'env.A = "1"\nenv.C = "1"')
    variable = {"SECRETS_EXEC_MANIFEST": os.pathsep.join(names)}
    by_default = environment_of(launch("--", "env", "-0"))
    by_variable = environment_of(launch("--", "env", "-0", environ=variable))
    by_option = environment_of(launch("-f", names[1], "-f", names[0], "--", "env", "-0", environ=variable))
    shown = [
        {name: found[name] for name in (b"A", b"B", b"C", b"D") if name in found}
        for found in (by_default, by_variable, by_option)
    ]
    assert shown == [
        {b"A": b"default", b"D": b"default"},
        {b"A": b"1", b"B": b"0", b"C": b"1"},
        {b"A": b"0", b"B": b"0", b"C": b"1"},
    ]


# Variables from elsewhere


def test_variables_from_elsewhere_go_over_the_manifests():
    variables = {"--env-file x": {"C": "env://X", "D": "plain", "E": "postgres://a/b"}, "--set": {"D": "kakao://d"}}
    manifest = merged(BASE, variables=variables)
    assert [(entry.name, str(entry.ref)) for entry in manifest.entries][2:] == [("C", "env://X"), ("D", "kakao://d")]
    assert model(manifest)["literals"] == [("E", b"postgres://a/b")]


def test_variables_from_elsewhere_need_no_manifest():
    manifest = read_files(variables={"--set": {"A": "file://a"}})
    assert manifest.entries[0].target.id == os.path.abspath("a")


def test_but_a_manifest_in_the_working_folder_is_read_with_them():
    Path("secrets.toml").write_text('env.B = "b"')
    manifest = read_files(variables={"--set": {"A": "file://a"}})
    assert (len(manifest.entries), len(manifest.literals)) == (1, 1)


def test_a_fault_in_a_variable_from_elsewhere_is_told_with_where_it_was_said():
    with pytest.raises(Failures) as caught:
        read_files(variables={"--set": {"A": "kakaocloud://a?stage=x", "PATH": "env://X", "B": "kakaocloud://a#"}})
    assert [error.where for error in caught.value.errors] == [
        "--set, secrets.A, kakaocloud://a?stage=x",
        "--set, secrets.PATH",
        "--set, secrets.B",
    ]


def test_a_reference_in_the_environment_file_is_resolved_and_everything_else_is_a_literal(launch):
    Path("x").write_text("from a file")
    Path(".env").write_text("A=file://x\nB=plain\nC='postgres://u:p@h/d?x=1'\nD=${HOME}\n# E=e\nexport F=f\n")
    found = environment_of(launch("--env-file", ".env", "--", "env", "-0"))
    assert {name: found.get(name) for name in (b"A", b"B", b"C", b"D", b"E", b"F")} == {
        b"A": b"from a file", b"B": b"plain", b"C": b"postgres://u:p@h/d?x=1", b"D": b"${HOME}", b"E": None, b"F": b"f",
    }  # fmt: skip


def test_read_is_the_same_whatever_reads_it(launch):
    text = '[secrets]\nA = "env://HOME"\n[env]\nB = "b"'
    read(text)
    found = environment_of(launch("--pristine", "--", "env", "-0"))
    assert found == {b"A": os.environb[b"HOME"], b"B": b"b"}
