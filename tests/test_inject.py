"""From fetched secrets to variables: keys, decoding, defaults, expansion, names, conflicts; seen from the child too."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import environment_of, made, outcome, read, values

from envinject import inject, placement
from envinject.errors import BadValue, Denied, Failures, NotFound, StoreError, Unavailable
from envinject.inject import injections, put
from envinject.providers import CREDENTIAL_NAMES
from envinject.secret import Secret

CANARY = "canary-5f3a91"


def problems(text, *, environ=None, name="secrets.toml"):
    """What is wrong with the variables of a manifest whose local secrets are read."""
    with pytest.raises(Failures) as caught:
        made(text, name, environ=environ)
    assert all(CANARY not in error.what + error.where + error.hint for error in caught.value.errors)
    assert [error.what for error in caught.value.errors if not error.where] == []
    return caught.value.errors


def told(text, **how):
    return [error.what for error in problems(text, **how)]


def secret(value, **fields):
    """The value of the one variable that a manifest with these fields makes of a file with this content."""
    Path("x").write_bytes(value if isinstance(value, bytes) else value.encode())
    text = json.dumps({"secrets": {"A": {"provider": "file", "id": "x"} | fields}})
    return values(text, "m.json").get("A")


def fault(value, **fields):
    """The one thing that is wrong with it."""
    with pytest.raises(Failures) as caught:
        secret(value, **fields)
    (error,) = caught.value.errors
    assert error.where.startswith("A, m.json:1, file://x")
    assert error.hint
    assert CANARY not in error.what + error.where + error.hint
    return error


# Values are byte-exact


@given(st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0")))
def test_a_whole_value_arrives_byte_for_byte(text):
    assert secret(text) == text.encode()


@pytest.mark.parametrize("value", ["", "\n", " a \r\n", "null", "true", '{"a": 1}', '"quoted"', "\ufeffa"])
def test_without_a_key_nothing_is_parsed_or_trimmed(value):
    assert secret(value) == value.encode()


@pytest.mark.parametrize("value", [b"\xff", b"a\xed\xa0\x80", b"\xc0\x80", "비밀".encode("euc-kr")])
def test_what_is_not_utf_8_needs_decoding(value):
    error = fault(value + CANARY.encode())
    assert (type(error), error.what) == (BadValue, "the value of A is not UTF-8 text")
    assert error.hint == 'as = "file" hands it over as a file; or store it as base64 and set decode = "base64"'


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (b"a\0b", {}),
        (b"\0", {}),
        (b'{"k": "a\\u0000"}', {"key": "k"}),
        (base64.b64encode(b"a\0b"), {"decode": "base64"}),
    ],
    ids=["whole", "alone", "in JSON", "decoded"],
)
def test_a_nul_byte_is_an_error(value, fields):
    error = fault(value, **fields)
    assert (type(error), error.what) == (BadValue, "the value of A holds a NUL byte")


# Keys

DOCUMENT = """{"s": " text\\n", "n": 1e400, "f": 1.0, "i": 123456789012345678901234567890, "z": -0, "t": true, "e": "",
  "o": {"b": [1.0, null, "\\u00e9"], "a": {}}, "l": ["x", {"k": "y"}], "j": "{\\"a\\": 1}", "a/b": "slash",
  "null": null}"""


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("s", b" text\n"),
        ("n", b"1e400"),
        ("f", b"1.0"),
        ("i", b"123456789012345678901234567890"),
        ("z", b"-0"),
        ("t", b"true"),
        ("e", b""),
        ("o", '{"b":[1.0,null,"é"],"a":{}}'.encode()),
        ("l", b'["x",{"k":"y"}]'),
        ("j", b'{"a": 1}'),
        ("a/b", b"slash"),
        ("/a~1b", b"slash"),
        ("/l/1/k", b"y"),
        ("/o/b/0", b"1.0"),
    ],
)
def test_a_key_picks_the_text_of_a_value(key, value):
    assert secret(DOCUMENT, key=key) == value


@pytest.mark.parametrize(
    ("value", "key", "kind", "what"),
    [
        (DOCUMENT, "x", NotFound, "no key 'x' in this secret"),
        (DOCUMENT, "/o/x", NotFound, "no key 'x' in this secret at '/o'"),
        (DOCUMENT, "null", NotFound, "the key 'null' is null, which counts as not found"),
        (DOCUMENT, "/o/b/1", NotFound, "the key '/o/b/1' is null, which counts as not found"),
        (DOCUMENT, "/s/x", BadValue, "no key 'x' can be in this secret at '/s': it is text, not a JSON object"),
        ("null", "k", NotFound, "no key 'k' in this secret: null is there, which counts as not found"),
        ("[]", "k", BadValue, "no key 'k' can be in this secret: it is an array, not a JSON object"),
        (CANARY, "k", BadValue, "no key 'k' can be in this secret: it is not JSON"),
        (f'{{"k": "{CANARY}"', "k", BadValue, "no key 'k' can be in this secret: it is not JSON"),
        ('{"a": 1, "a": 2}', "k", BadValue, "no key 'k' can be in this secret: an object in it has a key twice"),
        (CANARY.encode() + b"\xff", "k", BadValue, "no key 'k' can be in this secret: it is not UTF-8"),
        ('{"k": "\\ud800"}', "k", BadValue, "the value holds half a surrogate pair, which no UTF-8 text can hold"),
        ("[" * 200_000, "k", BadValue, "no key 'k' can be in this secret: it is nested too deeply"),
    ],
)  # fmt: skip
def test_a_key_that_gives_no_value_is_told_without_the_content(value, key, kind, what):
    error = fault(value, key=key)
    assert (type(error), error.what) == (kind, what)


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_value_nested_as_deeply_as_can_be_read_is_a_value_or_an_error_and_no_bug(size):
    Path("x").write_text('{"k":' * size + "1" + "}" * size)
    text = '[secrets]\nA = "file://x#k"\n[secrets.B]\nprovider = "file"\nid = "x"\nexpand = { nested = "flatten" }'
    with pytest.raises(Failures) as caught:
        made(text)
    assert caught.value.exit_code == 65


# Decoding


@given(st.binary().filter(lambda data: 0 not in data))
def test_base64_gives_the_bytes_back_whatever_they_are(data):
    assert secret(base64.b64encode(data), decode="base64") == data
    assert secret(base64.encodebytes(data), decode="base64") == data


@pytest.mark.parametrize("value", ["aGVsbG8=", "aGVs bG8=\n", "\taGVs\r\nbG8="])
def test_spaces_and_line_ends_in_base64_do_not_matter(value):
    assert secret(value, decode="base64") == b"hello"


@pytest.mark.parametrize(
    "value", ["aGVsbG8", "aGVsbG8==", "aGVsb-8_", "=", "a", "aGVs=bG8", "aGVsbG8=x", "aGVsbG8=aGVsbG8=", "é", CANARY]
)
def test_what_is_not_base64_is_a_bad_value(value):
    error = fault(value, decode="base64")
    assert (type(error), error.what) == (BadValue, "the value is not base64")
    assert error.__context__ is None


def test_a_key_is_picked_before_it_is_decoded_and_decoded_before_it_is_expanded():
    inner = base64.b64encode(b'{"a": "1"}').decode()
    Path("x").write_text(json.dumps({"k": inner}))
    text = '[secrets.A]\nprovider = "file"\nid = "x"\nkey = "k"\ndecode = "base64"\n'
    assert values(text) == {"A": b'{"a": "1"}'}
    assert values(text + "expand = true") == {"A_A": b"1"}


# required and default


MISSING = {
    "the secret": {"id": "nowhere"},
    "the key": {"key": "x"},
    "the value, which is null": {"key": "null"},
}


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
def test_what_is_not_found_stops_the_start_unless_it_is_not_required_or_has_a_default(missing):
    with pytest.raises(Failures) as caught:
        secret(DOCUMENT, **missing)
    assert caught.value.exit_code == 66
    assert secret(DOCUMENT, required=False, **missing) is None
    assert secret(DOCUMENT, default="d", **missing) == b"d"
    assert secret(DOCUMENT, default="", **missing) == b""
    assert secret(DOCUMENT, default="d", required=True, **missing) == b"d"


def test_a_default_is_not_used_when_there_is_a_value():
    assert secret("", default="d") == b""
    assert secret(DOCUMENT, default="d", key="e") == b""


def test_a_default_is_text_that_is_not_decoded():
    assert secret(DOCUMENT, id="nowhere", default="plain", decode="base64") == b"plain"


@pytest.mark.parametrize("fields", [{"required": False}, {"default": "d"}], ids=["not required", "default"])
@pytest.mark.parametrize(
    ("value", "more", "kind"),
    [
        (CANARY, {"key": "k"}, BadValue),
        ("[]", {"key": "k"}, BadValue),
        ("?", {"decode": "base64"}, BadValue),
        (b"\xff", {}, BadValue),
        (b"\0", {}, BadValue),
        ("x" * ((1 << 20) + 1), {}, StoreError),
        ("", {"id": "."}, StoreError),
    ],
    ids=["no JSON", "no object", "no base64", "no UTF-8", "NUL", "too large", "no file"],
)
def test_but_bad_data_still_stops_the_start(value, more, kind, fields):
    with pytest.raises(Failures) as caught:
        secret(value, **more, **fields)
    assert [type(error) for error in caught.value.errors] == [kind]


@pytest.mark.parametrize("error", [Denied("no"), Unavailable("later"), StoreError("what?"), BadValue("bad")])
def test_nor_is_a_denial_or_an_outage_covered(error):
    manifest = read('[secrets]\nA = { provider = "env", id = "X", required = false, default = "d" }')
    found = {entry.target: error for entry in manifest.entries}
    with pytest.raises(Failures) as caught:
        injections(manifest, found, {})
    (told_error,) = caught.value.errors
    assert (type(told_error), told_error.what) == (type(error), error.what)
    assert told_error.where == "A, secrets.toml:2, env://X"


# Expansion


def test_a_secret_expands_to_variables_in_its_place():
    Path("x").write_text('{"host": "h", "port": 5432}')
    text = '[secrets]\nFIRST = "file://x#host"\nDB = { provider = "file", id = "x", expand = true }\nLAST = "file://x#port"'
    assert list(values(text).items()) == [("FIRST", b"h"), ("DB_HOST", b"h"), ("DB_PORT", b"5432"), ("LAST", b"5432")]


def test_a_key_that_holds_an_object_can_be_expanded():
    Path("x").write_text('{"db": {"host": "h"}}')
    assert values('[secrets.A]\nprovider = "file"\nid = "x"\nkey = "db"\nexpand = true') == {"A_HOST": b"h"}


def test_a_secret_that_is_not_required_and_not_there_expands_to_nothing():
    assert values('[secrets.A]\nprovider = "file"\nid = "x"\nexpand = true\nrequired = false') == {}


def test_what_is_wrong_with_an_expansion_is_told_all_at_once_with_the_variable_and_the_place():
    Path("x").write_text('{"a-b": "1", "a_b": "2", "n": null}')
    errors = problems('[secrets.A]\nprovider = "file"\nid = "x"\nexpand = { keys = ["a-b", "a_b", "n", "z"] }')
    assert [type(error) for error in errors] == [NotFound, NotFound, BadValue]
    assert {error.where for error in errors} == {"A, secrets.toml:1, file://x"}


# Files


@given(st.binary())
def test_a_file_holds_any_bytes_and_its_variable_a_path(data):
    Path("x").write_bytes(data)
    (one,) = made('secrets.A = { provider = "file", id = "x", as = "file" }')
    assert (one.value.reveal(), one.text.reveal()) == (data, b"/proc/self/fd/64")


def test_what_is_made_of_a_files_path_is_no_secret():
    Path("x").write_text("v")
    text = '[secrets]\nA = { provider = "file", id = "x", as = "file" }\nB = "file://x"\n'
    text += '[env]\nC = { template = "${A}" }\nD = { template = "${A}${B}" }\n'
    assert {one.name: one.is_secret for one in made(text)} == {"A": True, "B": True, "C": False, "D": True}


def test_the_paths_that_are_decided_are_those_of_the_variables():
    Path("x").write_text("v")
    manifest = read('[secrets]\nA = { provider = "file", id = "x", as = "file" }\n[env]\nB = { template = "<${A}>" }\n')
    found = {entry.target: Secret(b"v") for entry in manifest.entries}
    environ = put(injections(manifest, found, {}, {"A": "/there/a"}), {}, "override")
    assert environ == {b"A": b"/there/a", b"B": b"</there/a>"}


@pytest.mark.parametrize("kind", ["memfd", "tmpfs"])
def test_without_such_files_in_the_system_they_are_refused_before_anything_is_read(kind, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")  # another system
    manifest = read(f'secrets.A = {{ provider = "env", id = "X", as = "file", file = "{kind}" }}')
    (error,) = placement.problems(manifest.entries, supervised=True)
    assert (error.exit_code, error.what) == (64, 'as = "file" needs Linux')
    assert error.where == "A, secrets.toml:1"
    assert error.hint


# Names that collide


def test_two_secrets_that_make_one_variable_are_an_error_that_names_both():
    Path("x").write_text('{"b": "1"}')
    text = '[secrets]\nA = { provider = "file", id = "x", expand = true }\nA_B = "file://x"\n'
    (error,) = problems(text)
    assert error.what == "A_B would be set twice"
    assert error.where == "A, secrets.toml:2, file://x, key 'b'; A_B, secrets.toml:3, file://x"


def test_an_expansion_and_a_literal_collide_too():
    Path("x").write_text('{"b": "1"}')
    text = '[secrets]\nA = { provider = "file", id = "x", expand = true }\n[env]\nA_B = "literal"\n'
    (error,) = problems(text)
    assert error.where == "A, secrets.toml:2, file://x, key 'b'; A_B, secrets.toml:4, env.A_B"


# Names that programs take orders from

DANGEROUS = [
    "PATH",
    "LD_PRELOAD",
    "PYTHONPATH",
    "NODE_OPTIONS",
    "http_proxy",
    "SECRETS_EXEC_X",
    *sorted(CREDENTIAL_NAMES),
]


def expanding(name, settings="", allowed=()):
    """A manifest whose expansion makes a variable of that name, with `settings` and names that are allowed."""
    Path("x").write_text(json.dumps({name: "v", "other": "o"}))
    allow = f"options.allow_names = {json.dumps(list(allowed))}\n" if allowed else ""
    return f'{allow}[secrets.A]\nprovider = "file"\nid = "x"\nexpand = {{ prefix = "", case = "keep"{settings} }}'


@pytest.mark.parametrize("name", DANGEROUS)
def test_an_expansion_cannot_make_names_that_programs_take_orders_from(name):
    (error,) = problems(expanding(name))
    assert type(error) is BadValue
    assert error.what == f"the key '{name}' makes {name}, which changes how programs run"
    assert error.where.endswith(f"file://x, key '{name}'")


@pytest.mark.parametrize("name", ["PATH", "LD_PRELOAD", "KAKAOCLOUD_TOKEN"])
def test_allowing_a_name_is_not_enough_when_whoever_writes_the_secret_chose_it(name):
    assert len(problems(expanding(name, allowed=[name]))) == 1
    assert len(problems(expanding(name, f', keys = ["{name}", "other"]'))) == 1
    assert len(problems(expanding(name, f', keys = ["{name[:-1]}?", "other"]', [name]))) == 1
    assert values(expanding(name, f', keys = ["{name}", "other"]', [name]))[name] == b"v"


def test_a_renamed_key_may_make_an_allowed_name():
    assert values(expanding("p", ', rename = { p = "PATH" }', ["PATH"]))["PATH"] == b"v"


def test_a_key_that_the_manifest_does_not_name_cannot_be_flattened_into_an_allowed_name():
    Path("x").write_text('{"ld": {"preload": "evil.so"}}')
    text = 'options.allow_names = ["LD_PRELOAD"]\n[secrets.A]\nprovider = "file"\nid = "x"\n'
    text += 'expand = { prefix = "", nested = "flatten", keys = ["ld"] }'
    assert told(text) == ["the key 'ld/preload' makes LD_PRELOAD, which changes how programs run"]


def test_an_omitted_key_makes_no_name():
    assert values(expanding("PATH", ', omit = ["PATH"]')) == {"other": b"o"}


def test_the_prefix_protects():
    Path("x").write_text('{"PATH": "1", "LD_PRELOAD": "2"}')
    assert set(values('[secrets.A]\nprovider = "file"\nid = "x"\nexpand = true')) == {"A_PATH", "A_LD_PRELOAD"}


# All at once


def test_all_problems_are_told_in_the_manifests_order_and_nothing_is_given():
    for name, content in {"j": '{"k": 1}', "b": b"\xff", "n": b"\0"}.items():
        Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())
    text = """
        [secrets]
        FINE = "file://j"
        A = "file://nowhere"
        B = "file://b"
        C = "file://j#x"
        D = { provider = "file", id = "j", decode = "base64" }
        E = { provider = "file", id = "n", expand = true }
        F = "file://n"
        G = "env://UNSET"
    """
    errors = problems(text)
    assert [(type(error).__name__, error.where.split(",")[0]) for error in errors] == [
        ("NotFound", "A"), ("BadValue", "B"), ("NotFound", "C"), ("BadValue", "D"), ("BadValue", "E"),
        ("BadValue", "F"), ("NotFound", "G"),
    ]  # fmt: skip
    assert [error.where.split(", ")[1] for error in errors] == [f"secrets.toml:{line}" for line in range(4, 11)]


def test_a_run_with_problems_starts_nothing_and_its_code_is_the_one_that_a_retry_cannot_mend(
    launch, manifest, tmp_path
):
    (tmp_path / "x").write_text(CANARY)
    text = '[secrets]\nA = "file://nowhere"\nB = "file://x#k"\nC = "file://x"\n'
    done = launch("-f", manifest(text), "-v", "--debug", "--", "touch", "started")
    assert (done.returncode, done.stdout) == (66, b"")
    assert done.stderr.count(b"error:") == 2
    assert CANARY.encode() not in done.stderr
    assert not os.path.exists("started")


names = st.sampled_from(["A", "B", "C", "D"])
outcomes = st.one_of(
    st.binary(max_size=8).map(Secret),
    st.sampled_from(['{"k": "v"}', '{"k": null}', "{}", "[]", '"t"']).map(lambda text: Secret(text.encode())),
    st.sampled_from([NotFound("n"), Denied("d"), Unavailable("u"), StoreError("s")]),
)
fields = st.fixed_dictionaries(
    {"provider": st.just("env")},
    optional={
        "key": st.just("k"),
        "required": st.booleans(),
        "default": st.just("d"),
        "decode": st.just("base64"),
        "expand": st.sampled_from([True, {"prefix": ""}, {"keys": ["k"]}, {"nested": "flatten"}]),
    },
)


@given(st.dictionaries(names, st.tuples(fields, outcomes), min_size=1))
def test_whatever_was_found_gives_variables_or_our_errors_and_never_both(entries):
    secrets = {name: given | {"id": name} for name, (given, _) in entries.items()}
    manifest = outcome(lambda: read(json.dumps({"secrets": secrets}), "m.json"), Failures)
    if isinstance(manifest, Failures):  # expand with a default
        return
    found = {entry.target: entries[entry.name][1] for entry in manifest.entries}
    result = outcome(lambda: injections(manifest, found, {}), Failures)
    if isinstance(result, Failures):
        assert all(error.where.split(",")[0] in entries for error in result.errors)
        return
    assert len({one.name for one in result}) == len(result)
    assert all(b"\0" not in one.value.reveal() for one in result)


# Into the environment


@pytest.mark.parametrize(
    ("rule", "value"), [("override", b"ours"), ("keep", b"theirs"), ("error", None)], ids=["override", "keep", "error"]
)
def test_a_name_that_is_inherited_too_is_overridden_kept_or_an_error(rule, value):
    one = made('[env]\nA = "ours"\nB = "b"\n')
    result = outcome(lambda: put(one, {b"A": b"theirs", b"C": b"c"}, rule), Failures)
    if value is None:
        (error,) = result.errors
        assert (error.what, error.where) == ("A is in the inherited environment already", "A, secrets.toml:2, env.A")
        assert error.exit_code == 65
    else:
        assert result == {b"A": value, b"B": b"b", b"C": b"c"}


variables = st.dictionaries(st.sampled_from(["A", "B", "C", "D"]), st.sampled_from(["1", "2", ""]))


@given(variables, variables, st.sampled_from(["override", "keep"]))
def test_the_environment_holds_every_name_once_and_no_other(injected, inherited, rule):
    one = made(json.dumps({"env": injected}), "m.json")
    given = {name.encode(): value.encode() for name, value in inherited.items()}
    expected = inherited | injected if rule == "override" else injected | inherited
    assert put(one, given, rule) == {name.encode(): value.encode() for name, value in expected.items()}


def test_what_is_put_leaves_the_inherited_mapping_as_it_was():
    given = {b"A": b"1"}
    put(made('env.A = "2"'), given, "override")
    assert given == {b"A": b"1"}


# What the child gets

CHILD = '[secrets]\nA = "env://SOURCE"\n[env]\nB = "literal"\n'


def child(launch, manifest, text=CHILD, *words, **environ):
    """The child's environment, without what every test has."""
    found = environment_of(launch("-f", manifest(text), *words, "--", "env", "-0", environ={"SOURCE": "s", **environ}))
    return {name: value for name, value in found.items() if name not in os.environb}


def test_the_child_inherits_all_and_gets_what_is_injected(launch, manifest):
    assert child(launch, manifest, X="x") == {b"SOURCE": b"s", b"X": b"x", b"A": b"s", b"B": b"literal"}


@pytest.mark.parametrize("words", [("--pristine",), ()], ids=["option", "manifest"])
def test_pristine_inherits_nothing(launch, manifest, words):
    text = CHILD if words else f"options.inherit = false\n{CHILD}"
    done = launch("-f", manifest(text), *words, "--", "env", "-0", environ={"SOURCE": "s"})
    assert environment_of(done) == {b"A": b"s", b"B": b"literal"}


@pytest.mark.parametrize("words", [("--preserve-env", "X*", "--preserve-env", "Y"), ()], ids=["option", "manifest"])
def test_some_are_inherited_by_globs(launch, manifest, words):
    text = CHILD if words else f'options.inherit = ["X*", "Y"]\n{CHILD}'
    done = launch(
        "-f", manifest(text), *words, "--", "env", "-0", environ={"SOURCE": "s", "X1": "1", "X": "2", "Z": "3"}
    )
    assert environment_of(done) == {b"X1": b"1", b"X": b"2", b"A": b"s", b"B": b"literal"}


def test_preserved_names_go_over_pristine(launch, manifest):
    done = launch(
        "-f", manifest("env.B = 'b'"), "--pristine", "--preserve-env", "X", "--", "env", "-0", environ={"X": "1"}
    )
    assert environment_of(done) == {b"X": b"1", b"B": b"b"}


@pytest.mark.parametrize("rule", ["override", "keep", "error"])
@pytest.mark.parametrize("by", ["option", "manifest", "variable"])
def test_a_conflict_is_settled_by_the_rule_wherever_it_is_said(launch, manifest, rule, by):
    text = f'options.on_conflict = "{rule}"\n{CHILD}' if by == "manifest" else CHILD
    words = ("--on-conflict", rule) if by == "option" else ()
    environ = {"SOURCE": "s", "B": "theirs"} | ({"SECRETS_EXEC_ON_CONFLICT": rule} if by == "variable" else {})
    done = launch("-f", manifest(text), *words, "--", "env", "-0", environ=environ)
    if rule == "error":
        assert (done.returncode, done.stdout) == (65, b"")
        assert b"B is in the inherited environment already" in done.stderr
        assert b"theirs" not in done.stderr
    else:
        assert environment_of(done)[b"B"] == {"override": b"literal", "keep": b"theirs"}[rule]


def test_what_is_not_inherited_is_no_conflict(launch, manifest):
    done = launch(
        "-f",
        manifest(CHILD),
        "--pristine",
        "--on-conflict",
        "error",
        "--",
        "env",
        "-0",
        environ={"SOURCE": "s", "B": "x"},
    )
    assert environment_of(done) == {b"A": b"s", b"B": b"literal"}


def test_a_kept_variable_need_not_be_there_to_be_fetched(launch, manifest):
    text = '[secrets]\nA = "file://nowhere"\n'
    done = launch("-f", manifest(text), "--on-conflict", "keep", "--", "env", "-0", environ={"A": "theirs"})
    assert environment_of(done)[b"A"] == b"theirs"


def test_our_own_variables_do_not_reach_the_child(launch, manifest):
    found = child(launch, manifest, CHILD, SECRETS_EXEC_TIMEOUT="5s", SECRETS_EXEC_ANYTHING="x", SECRETS_EXECX="kept")
    assert found == {b"SOURCE": b"s", b"SECRETS_EXECX": b"kept", b"A": b"s", b"B": b"literal"}


KAKAO = '[providers.kakaocloud]\ntoken_env = "MY_TOKEN"\n'
GIVEN = {"MY_TOKEN": "t", "KAKAOCLOUD_TOKEN": "u", "NCLOUD_ACCESS_KEY": "v"}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ("", {b"NCLOUD_ACCESS_KEY"}),
        ("keep_credentials = false", {b"NCLOUD_ACCESS_KEY"}),
        ("keep_credentials = true", {b"MY_TOKEN", b"KAKAOCLOUD_TOKEN", b"NCLOUD_ACCESS_KEY"}),
        ('keep_credentials = ["MY_TOKEN"]', {b"MY_TOKEN", b"NCLOUD_ACCESS_KEY"}),
        ('keep_credentials = ["MY_*"]', {b"NCLOUD_ACCESS_KEY"}),
        ("keep_credentials = []", {b"NCLOUD_ACCESS_KEY"}),
        ("keep_credentials = true\ninherit = false", set()),
        ('inherit = ["*"]', {b"NCLOUD_ACCESS_KEY"}),
    ],
)
def test_the_credentials_of_the_manifests_providers_reach_the_child_only_when_kept(launch, manifest, options, names):
    found = child(launch, manifest, f"{KAKAO}[options]\n{options}\n", **GIVEN)
    assert {name for name in found if name.decode() in GIVEN} == names


def test_a_credential_may_be_injected_when_its_name_is_allowed(launch, manifest):
    text = f'{KAKAO}[options]\nallow_names = ["MY_TOKEN"]\n[env]\nMY_TOKEN = "another"\n'
    assert child(launch, manifest, text, **GIVEN)[b"MY_TOKEN"] == b"another"


def test_the_environment_provider_sees_what_the_child_does_not(launch, manifest):
    text = '[secrets]\nA = "env://KAKAOCLOUD_TOKEN"\n[providers.kakaocloud]\n'
    found = child(launch, manifest, text, KAKAOCLOUD_TOKEN="u")
    assert (found[b"A"], b"KAKAOCLOUD_TOKEN" in found) == (b"u", False)


# Where things come from


_LISTS_MODULES = """
import sys, time
from envinject.fetch import fetch
from envinject.inject import injections
from envinject.log import Log
from envinject.manifest import load
manifest = load(sys.argv[1:], {"X": "1"}, warn=print)
made = injections(manifest, fetch(manifest, {b"X": b"1"}, Log(), time.monotonic()), {})
print("envinject.manifest.lines" in sys.modules, made[0].where, "envinject.manifest.lines" in sys.modules)
"""


@pytest.mark.parametrize(
    ("name", "text"), [("m.toml", 'secrets.A = "env://X"'), ("m.json", '{"secrets": {"A": "env://X"}}')]
)
def test_finding_a_line_costs_a_pass_over_the_manifest_and_is_left_until_it_is_told(name, text):
    Path(name).write_text(text)
    listed = subprocess.check_output([sys.executable, "-c", _LISTS_MODULES, name], text=True)
    assert listed == f"False A, {name}:1, env://X True\n"


def test_an_injection_tells_where_it_comes_from():
    Path("x").write_text('{"a": 1}')
    text = '[secrets]\nA = "file://x"\nB = { provider = "file", id = "x", expand = true }\n[env]\nC = "c"'
    found = made(text)
    assert [(one.name, one.where, one.key, one.entry and one.entry.name) for one in found] == [
        ("A", "A, secrets.toml:2, file://x", None, "A"),
        ("B_A", "B, secrets.toml:3, file://x, key 'a'", "a", "B"),
        ("C", "C, secrets.toml:5, env.C", None, None),
    ]
    assert isinstance(found[0], inject.Injection)
