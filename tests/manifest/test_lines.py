"""On which line a key stands, in TOML and JSON; and keys of so many parts that reading them would take seconds."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reading import model, problems, read

from envinject.manifest import lines

TOML = """\
# [secrets] in a comment, and: A = 1
manifest = 1

[providers.kakao]  # a header with a comment
region = "x"

[ providers . "my naver" ]
'region' = "x"

[secrets]
"A.B" = "x"
C = { provider = "kakao", id = "has = and [ in it" } # D = 1
E.provider = "kakao"
E.id = "e"
F = [
  "[options]",
  "G = 1",
  ["[env]"],
]

[secrets.H]
id = QQQ
[env]
I = "no key" \\\\ \\QQQ
J = 'no key'
QQQ""
provider = '''
[env]
K = 1'''
key = "#/a"
L = "'''"
M = 'QQQ'

[env]
N = ""
""".replace("QQQ", '"""')

LINES_OF_TOML = {
    ("manifest",): 2,
    ("providers",): 4,
    ("providers", "kakao"): 4,
    ("providers", "kakao", "region"): 5,
    ("providers", "my naver"): 7,
    ("providers", "my naver", "region"): 8,
    ("secrets",): 10,
    ("secrets", "A.B"): 11,
    ("secrets", "C"): 12,
    ("secrets", "E"): 13,
    ("secrets", "E", "provider"): 13,
    ("secrets", "E", "id"): 14,
    ("secrets", "F"): 15,
    ("secrets", "H"): 21,
    ("secrets", "H", "id"): 22,
    ("secrets", "H", "provider"): 27,
    ("secrets", "H", "key"): 30,
    ("secrets", "H", "L"): 31,
    ("secrets", "H", "M"): 32,
    ("env",): 34,
    ("env", "N"): 35,
}


def test_tables_and_keys_of_toml_are_found_and_nothing_in_comments_and_strings():
    tomllib.loads(TOML)
    assert lines.of_toml(TOML) == LINES_OF_TOML


def test_members_of_json_are_found_however_it_is_laid_out():
    text = """{
      "a": {"b": [1, {"c":
        2}, "d"], "e":

        "f"}, "a:b,{[": {},
      "\\u0067": [[{"h": 1}],
      [{"h": 2}]]
    }"""
    json.loads(text)
    assert lines.of_json(text) == {
        ("a",): 2,
        ("a", "b"): 2,
        ("a", "b", "1", "c"): 2,
        ("a", "e"): 3,
        ("a:b,{[",): 5,
        ("g",): 6,
        ("g", "0", "0", "h"): 6,
        ("g", "1", "0", "h"): 7,
    }


keys = st.text(st.sampled_from("ab\"'\\.#=[]{},: é\n"), max_size=5)
trees = st.recursive(
    st.integers() | keys,
    lambda inner: st.dictionaries(keys, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=8,
)


def paths(tree, path=()):
    """Every member of every object."""
    members = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, member in members:
        if isinstance(tree, dict):
            yield (*path, key)
        yield from paths(member, (*path, str(key)))


@given(st.dictionaries(keys, trees, max_size=4), st.sampled_from([None, 0, 2]))
def test_every_member_of_any_json_is_found(tree, indent):
    text = json.dumps(tree, indent=indent)
    assert set(lines.of_json(text)) == set(paths(tree))


@given(st.dictionaries(keys, keys, max_size=6))
def test_every_key_of_any_toml_is_found_on_its_line(members):
    text = "[secrets]\n" + "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in members.items())
    assert tomllib.loads(text) == {"secrets": members}
    expected = {("secrets", key): number for number, key in enumerate(members, 2)}
    assert lines.of_toml(text) == {("secrets",): 1} | expected


def test_the_first_key_that_is_repeated_in_json_is_found():
    assert lines.repeated_in_json('{"a": [{"b": 1}, {"b": 1}],\n"c": {"a": 1},\n"c": 2, "a": 3}') == (("c",), 3)
    with pytest.raises(LookupError):
        lines.repeated_in_json('{"a": [{"b": 1}, {"b": 1}], "c": {"a": 1}}')


# Lines in errors

MISTAKES = {
    "secrets.toml": """\
[providers.kakaocloud]
timeout = "soon"

[secrets]
A = "kakaocloud://a?stage=active"
B = { provider = "kakaocloud",  id = "b", verison = 1 }
C.provider = "kakaocloud"
C.id = "c"
C.required = "yes"

[secrets.D]
provider = "kakaocloud"
id = "d"
[secrets.D.expand]
case = "lower"
[env]
E = 1
""",
    "secrets.json": """\
{"providers": {"kakaocloud":
{"timeout": "soon"}},

"secrets": {
"A": "kakaocloud://a?stage=active",
"B": {"provider": "kakaocloud", "id": "b", "verison": 1},
"C": {"provider": "kakaocloud",
"id": "c",
"required": "yes"},

"D": {
"provider": "kakaocloud",
"id": "d",
"expand": {
"case": "lower"}}},
"env": {
"E": 1}}
""",
    "secrets.yaml": """\
providers: {kakaocloud: {
  timeout: soon}}

secrets:
  A: kakaocloud://a?stage=active
  B: {provider: kakaocloud, id: b, verison: 1}
  C: {provider: kakaocloud,
      id: c,
      required: "yes"}

  D:
    provider: kakaocloud
    id: d
    expand:
      case: lower
env:
  E: []
""",
}


@pytest.mark.parametrize(("name", "text"), MISTAKES.items(), ids=MISTAKES)
def test_every_error_names_the_key_path_and_the_exact_line(name, text):
    where = [error.where.removeprefix(name) for error in problems(text, name)]
    assert where == [
        ":2, providers.kakaocloud.timeout",
        ":5, secrets.A, kakaocloud://a?stage=active",
        ":6, secrets.B.verison",
        ":9, secrets.C.required",
        ":15, secrets.D.expand.case",
        ":17, env.E",
    ]


@pytest.mark.parametrize("name", ["m.toml", "m.json"])
def test_what_has_no_line_of_its_own_has_that_of_the_nearest_thing_around_it(name):
    text = {
        "m.toml": """[options]

            inherit = [
            1]
            [secrets]
            A = { provider = "file", id = "x", expand = { keys = 1 } }""",
        "m.json": """{"options": {

            "inherit": [
            1]}, "secrets": {

            "A": {"provider": "file", "id": "x", "expand": {"keys": 1}}}}""",
    }[name]
    assert [error.where for error in problems(text, name)] == [
        f"{name}:3, options.inherit",
        f"{name}:6, secrets.A.expand.keys",
    ]


def test_a_very_long_key_is_cut_in_an_error():
    (error,) = problems(f"{'k' * 100_000} = 1")
    assert len(error.what + error.where + error.hint) < 1000


def test_a_line_within_an_array_that_looks_like_a_key_is_none():
    text = "[options]\ninherit = [\n  'A=B',\n  \"C=\",\n  1]\n"
    assert [error.where for error in problems(text)] == ["secrets.toml:2, options.inherit"]


# Keys of many parts

DOTS = "." * 500
FINE = {
    "a comment": f"# {DOTS}\n",
    "a comment with words": f"# {'a.' * 500}\n",
    "a comment with an equals sign": f"# {'a.' * 500}b = 1\n",
    "a comment behind a key": f'env.A = "a" # {"a." * 500}\n',
    "a string": f'env.A = "{"a." * 500}"\n',
    "a literal string": f"env.A = '{'a.' * 500}b = 1'\n",
    "a long string": f'env.A = """\n{"a." * 500}b = 1\n"""\n',
    "a long literal string": f"env.A = '''\n{'a.' * 500}b = 1\n'''\n",
    "a quoted key": f'env."A{DOTS}" = "x"\n',
    "an array of strings": "options.inherit = [\n" + f'  "{"a." * 100}*",\n' * 5 + "]\n",
    "many keys": "".join(f"env.A{i} = 'a.b.c'\n" for i in range(500)),
    "quotes at the end of a long string": f'env.A = """a"""""\nenv.B = "{"b." * 500}"\n',
    "a quote in a comment": f'# don\'t "\nenv.A = "{DOTS}" # "{DOTS}\n',
}


@pytest.mark.parametrize("text", FINE.values(), ids=FINE)
def test_dots_that_are_in_no_key_are_no_parts(text):
    assert lines.overlong_key(text) is None
    tomllib.loads(text)


def test_a_long_comment_with_dots_does_not_stop_a_start():
    assert model(read(f"# {'a.' * 50_000}b = 1\n[env]\nA = 'a' # {DOTS}\n"))["literals"] == [("A", b"a")]


MANY = ".".join(["a"] * 100)
OVERLONG = {
    "a key": f"{MANY} = 1",
    "a quoted key": f"\"x\" . {MANY}.'b' = 1",
    "a key with spaces": f"{MANY.replace('.', ' . ')} = 1",
    "a key of empty parts": ".".join(['""'] * 100) + " = 1",
    "a header": f"[{MANY}]",
    "an array of tables": f"[[{MANY}]]",
    "an inline key": f"x = {{ y = 1, {MANY} = 1 }}",
    "an inline key behind a string": f'x = {{ y = "#", {MANY} = 1 }}',
    "an inline key behind a long string": f'x = {{ y = """\n""", {MANY} = 1 }}',
    "an inline key behind quotes that end a long string": f'x = {{ y = """a""""", {MANY} = 1 }}',
    "an inline key behind quotes that end a long literal string": f"x = {{ y = '''a''''', {MANY} = 1 }}",
    "a key in an array": f"x = [\n1,\n{{ {MANY} = 1 }}]",
}


@pytest.mark.parametrize("text", OVERLONG.values(), ids=OVERLONG)
def test_a_key_of_very_many_parts_is_found_wherever_it_stands(text):
    tomllib.loads(text)
    expected = 2 + next(i for i, line in enumerate(text.split("\n")) if line.count(".") > 90)
    assert lines.overlong_key(f"# first\n{text}\n# last\n") == expected


@pytest.mark.parametrize("parts", [1, 32, 40, 41, 100])
def test_forty_parts_are_the_most(parts):
    key = ".".join(["a"] * parts)
    assert lines.overlong_key(f"{key} = 1") == (None if parts <= 40 else 1)


@given(st.text(st.sampled_from("a.\"'#\\ \n=[]{}"), max_size=200))
def test_any_text_is_looked_through_without_an_error(text):
    assert lines.overlong_key(text * 3) is None or text.count(".") > 10
