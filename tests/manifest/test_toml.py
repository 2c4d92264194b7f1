"""The plain part of TOML is read exactly as tomllib reads it; the rest, and every mistake, is tomllib's."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envinject.manifest.tomltext import parse_plain

_MANIFESTS = sorted(path for path in Path(__file__).parents[2].glob("examples/**/*.toml") if path.name != "seed.toml")


def _by_library(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _texts() -> st.SearchStrategy[str]:
    """Documents of plain pieces, in any order, with pieces that are not plain or not TOML between them."""
    key = st.sampled_from(["a", "b", "A_1", "x-y", "1", "_", "-", "a.b", '"a"', "é", "", "a b"])
    text = st.text(st.sampled_from("ab \t#='\"\\nu,]}[{é\n"), max_size=6)
    plain = st.one_of(
        st.sampled_from(['"a"', "'a'", '""', "''", '"a#b"', "'\\n'", '"\\n\\\\\\""', "true", "false", "0", "42"]),
        text.map('"{}"'.format),
        text.map("'{}'".format),
        st.sampled_from(
            ["01", "-1", "+1", "1_0", "1.5", "1e3", "inf", "0x1", "1979-05-27", '"""a"""', "'''a'''", "", "x"]
        ),
        st.integers(0, 10**20).map(str),
        st.sampled_from(['"\\u0041"', '"\\x41"', '"\\e"', "'", '"', "'a", '"a', '"a\\"', "truefalse", "true,"]),
    )
    pair = st.builds("{}{}={}{}".format, key, st.sampled_from(["", " ", "\t"]), st.sampled_from(["", " ", "\n"]), plain)

    def containers(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        comma = st.sampled_from([",", ", ", ",\n", " , ", ",#c\n", ""])
        last = st.sampled_from(["", ",", " ", "\n", ",\n", " # c\n"])
        array = st.builds(lambda parts, by, end: f"[{by.join(parts)}{end}]", st.lists(inner, max_size=3), comma, last)
        pairs = st.lists(st.builds("{} = {}".format, key, inner), max_size=3)
        table = st.builds(lambda parts, by, end: f"{{{by.join(parts)}{end}}}", pairs, comma, last)
        return array | table

    value = st.recursive(plain, containers, max_leaves=6)
    header = st.builds("[{}]".format, st.lists(key, min_size=1, max_size=3).map(".".join))
    line = st.one_of(
        pair,
        st.builds("{} = {}".format, key, value),
        st.builds("{} = {} # c".format, key, value),
        header,
        st.sampled_from(["", "# c", "  ", "[[a]]", "[ a . b ]", "[a", "[]", "[a] b", "a", "=", "\x00", "#\x7f", "\r"]),
    )
    end = st.sampled_from(["\n", "\r\n", "", " \n", "\n\n"])
    return st.lists(st.builds("{}{}".format, line, end), max_size=8).map("".join)


@settings(max_examples=1500)
@given(_texts() | st.text(max_size=20))
@example("[a.b]\n[a]\nb = 1\n")
@example("[a]\n[a.b]\n[a]\n")
@example("a = {b = 1}\n[a.c]\n")
@example("a = [1,\n2 # c\n,]")
@example("a = 1 b = 2")
@example("a = {b = 1,}")
@example('a = "b\\')
@example('a = "\\')
@example("[a")
@example("a")
@example("false")
@example("[a")
@example("a = " + "[" * 5000)
def test_what_is_read_is_what_the_library_reads(text: str) -> None:
    found = parse_plain(text)
    if found is not None:
        assert repr(found) == repr(_by_library(text))


_KEYS = st.text(st.sampled_from("abcXYZ019_-"), min_size=1, max_size=8)
_VALUES = st.recursive(
    st.booleans()
    | st.integers(0, 10**18 - 1)
    | st.text(st.characters(exclude_characters="\x7f", min_codepoint=32), max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_written(one)}" for key, one in value.items()) + " }"
    return str(value)


@given(st.dictionaries(_KEYS, st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=4))
def test_whatever_is_plain_is_read(tables: dict[str, dict[str, Any]]) -> None:
    lines = [
        f"{line}  # more"
        for name, table in tables.items()
        for line in (f"[{name}]", *(f"{key} = {_written(value)}" for key, value in table.items()))
    ]
    assert parse_plain("\n".join(lines)) == tables


@pytest.mark.parametrize("path", _MANIFESTS, ids=lambda path: path.name)
def test_every_manifest_of_the_examples_is_plain(path: Path) -> None:
    assert parse_plain(path.read_text()) == tomllib.loads(path.read_text())
