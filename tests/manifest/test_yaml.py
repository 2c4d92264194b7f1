"""YAML, the plain part of it: nothing is expanded, and a scalar is what was written."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from reading import model, problem, problems, read

from envinject.errors import ManifestError
from envinject.manifest.yamltext import parse_yaml


@pytest.fixture(params=["libyaml", "pure Python"], autouse=True)
def parser(request, monkeypatch):
    """Every test with both of PyYAML's parsers: which one is used depends on how it was built."""
    if request.param == "pure Python":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    elif not yaml.__with_libyaml__:
        pytest.skip("this PyYAML is built without libyaml")


def literal(text):
    """The one literal of a manifest in YAML."""
    ((name, value),) = model(read(f"env:\n  A: {text}\n", "m.yaml"))["literals"]
    assert name == "A"
    return value.decode()


@pytest.mark.parametrize(
    "text",
    [
        "no", "yes", "on", "off", "true", "True", "NULL", "null", "~", "007", "0o7", "0x1F", "1e3", "1_000", "1.0",
        "-0", "+1", ".5", ".inf", ".NaN", "12:30:45", "2026-07-01", "2026-07-01T10:00:00Z", "=",
        "123456789012345678901234567890",
    ],
)  # fmt: skip
def test_a_scalar_without_quotes_is_the_text_that_was_written(text):
    assert literal(text) == text
    assert literal(f'"{text}"') == text
    assert literal(f"'{text}'") == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\\nb\\t\\x41\\u00e9\\U0001F511"', "a\nb\tAé🔑"),
        ("'it''s'", "it's"),
        ("a b  # comment", "a b"),
        ("a#b", "a#b"),
        ("http://x:1/y?z=1&w", "http://x:1/y?z=1&w"),
        ("|\n    a\n     b\n    ", "a\n b\n"),
        ("|-\n    a\n    b", "a\nb"),
        (">\n    a\n    b", "a b\n"),
        ("a\n    b", "a b"),
        ("", ""),
        ('""', ""),
        ("비밀", "비밀"),
    ],
)
def test_every_style_of_a_scalar_is_read(text, value):
    assert literal(text) == value


def test_ids_and_versions_keep_their_zeros_and_their_letters():
    text = """
secrets:
  A: {provider: ncloud, id: 007, stage: active}
  B: {provider: ncloud, id: 1e3}
  C: {provider: kakaocloud, id: 0o7, version: 12}
  D: {provider: env, id: no, key: 2026-07-01}
"""
    assert [str(entry.ref) for entry in read(text, "m.yaml").entries] == [
        "ncloud://007?stage=active",
        "ncloud://1e3",
        "kakaocloud://0o7?version=12",
        "env://no#2026-07-01",
    ]


def test_true_false_and_numbers_are_understood_where_the_manifest_means_them():
    text = """
providers:
  naver: {type: ncloud, server_role: true, concurrency: 3, timeout: 500ms}
secrets:
  A: {provider: naver, id: a, required: false}
options: {timeout: 30, inherit: false, keep_credentials: true}
"""
    manifest = read(text, "m.yaml")
    assert manifest.providers["naver"].settings == {"server_role": True, "concurrency": 3, "timeout": 0.5}
    assert manifest.entries[0].required is False
    options = manifest.options
    assert (options.timeout, options.inherit, options.keep_credentials) == (30, False, True)


@pytest.mark.parametrize("text", ["yes", "no", "on", "True", "FALSE", "1", "~", '"true"', "'false'", ""])
def test_nothing_but_true_and_false_is_true_or_false(text):
    error = problem(
        f"secrets:\n  A: {{provider: env, id: a}}\n  B:\n    provider: env\n    id: a\n    required: {text}\n", "m.yaml"
    )
    assert (error.what, error.where) == ("'required' must be true or false", "m.yaml:6, secrets.B.required")


REFUSED = {
    "an anchor": ("env:\n  A: &x a\n", "an anchor or alias", 2),
    "an alias": ("env:\n  A: *x\n", "an anchor or alias", 2),
    "an anchor of a table": ("env: &x\n  A: a\n", "an anchor or alias", 1),
    "an anchor of a key": ("env:\n  &x A: a\n", "an anchor or alias", 2),
    "a tag": ("env:\n  A: !!str a\n", "a tag", 2),
    "a tag of its own": ("env:\n  A: !secret a\n", "a tag", 2),
    "a tag that says nothing": ("env:\n  A: ! a\n", "a tag", 2),
    "a tag that makes a Python object": ("env:\n  A: !!python/object/apply:os.system [true]\n", "a tag", 2),
    "a tag of a table": ("env: !!map\n  A: a\n", "a tag", 1),
    "binary": ("env:\n  A: !!binary aGk=\n", "a tag", 2),
    "a merge key": ("env:\n  A: a\n  <<: {B: b}\n", "a key that is no plain text", 3),
    "a merge key in quotes": ('env:\n  "<<": {B: b}\n', "a key that is no plain text", 2),
    "a list as a key": ("env:\n  ? [a]\n  : b\n", "a key that is no plain text", 2),
    "a table as a key": ("env:\n  {a: b}: c\n", "a key that is no plain text", 2),
    "a key twice": ("env:\n  A: a\n  B: b\n  A: c\n", "a second time", 4),
    "a key twice, once in quotes": ("env:\n  A: a\n  'A': c\n", "a second time", 3),
    "a table twice": ("env:\n  A: a\nsecrets: {}\nenv: {}\n", "a second time", 4),
    "a second document": ("env: {}\n---\nenv: {}\n", "a second document", 2),
    "an empty second document": ("env: {}\n---\n", "a second document", 2),
}  # fmt: skip


@pytest.mark.parametrize(("text", "what", "line"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_is_refused_with_its_line(text, what, line):
    error = problem(text, "m.yaml")
    assert what in error.what
    assert error.where == f"m.yaml:{line}"
    assert error.hint


def test_a_second_document_that_never_is_reached_is_refused_before_anything_else():
    assert "second document" in problem("nonsense: 1\n---\nmore: 1\n", "m.yaml").what


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "%YAML 1.1\n---\n{}\n", "---\n{}\n...\n", "{}\n...\n"])
def test_an_empty_document_with_or_without_markers_is_an_empty_manifest(text):
    assert read(text, "m.yaml").entries == ()


def test_a_merge_bomb_is_refused_at_its_first_anchor():
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}" for i in range(1, 9)]
    started = time.monotonic()
    assert problem("\n".join(lines), "m.yaml").where == "m.yaml:1"
    assert time.monotonic() - started < 10


def test_a_deep_document_is_refused_at_the_line_where_it_is_too_deep():
    text = "".join(f"{'  ' * i}a:\n" for i in range(40))
    assert problem(text, "m.yaml").where == "m.yaml:34"


@pytest.mark.parametrize(
    "secret", ["canary: [", "canary: *x", "&canary x", "!canary x", "'canary", '"\\canary"', "- canary\nx"]
)
def test_a_value_is_not_shown_in_an_error(secret):
    (error,) = problems(f"env:\n  A: {secret}\n", "m.yaml")
    assert "canary" not in error.what + error.where + error.hint


texts = st.text(st.characters(exclude_categories=("Cs", "Cc", "Co", "Cn"), exclude_characters="\u2028\u2029\ufeff"))
trees = st.recursive(
    texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(texts.filter(lambda key: key != "<<"), trees, max_size=4))
def test_json_is_yaml_and_reads_the_same(tree):
    found, lines = parse_yaml(json.dumps(tree, ensure_ascii=False), "m.yaml")
    assert found == tree
    assert set(lines.values()) <= {1}


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


@given(st.dictionaries(texts.filter(lambda key: key != "<<"), texts, max_size=5))
def test_every_key_is_found_on_its_line(members):
    text = "secrets:\n" + "".join(f"  {quoted(k)}:\n    {quoted(v)}\n" for k, v in members.items())
    found, lines = parse_yaml(text, "m.yaml") if members else ({"secrets": {}}, {("secrets",): 1})
    assert found == {"secrets": members}
    assert lines == {("secrets",): 1} | {("secrets", key): 2 * i for i, key in enumerate(members, 1)}


@given(st.text())
def test_any_text_is_a_tree_or_a_manifest_error(text):
    try:
        parse_yaml(text, "m.yaml")
    except ManifestError as error:
        told = error
    else:
        return
    assert told.where.startswith("m.yaml")
    assert told.__context__ is None
