"""dotenv files: `#KEY` picks one, without it the file is one object."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envinject.errors import BadValue, Failures, NotFound, StoreError
from envinject.providers import dotenv
from envinject.providers.dotenv import parse

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("A=1\nB=two words\n", {"A": "1", "B": "two words"}),
        ("export A=1\n", {"A": "1"}),
        ("A = 1\n", {"A": "1"}),
        ("# a comment\n\nA=1 # another\n", {"A": "1"}),
        ("A='$HOME ${HOME} $(id)'\n", {"A": "$HOME ${HOME} $(id)"}),
        ('A="$HOME ${HOME:-x}"\n', {"A": "$HOME ${HOME:-x}"}),
        ("A=${B}\nB=1\n", {"A": "${B}", "B": "1"}),
        ('A="two\\nlines"\n', {"A": "two\nlines"}),
        ("A='two\\nlines'\n", {"A": "two\\nlines"}),
        ('A="over\ntwo lines"\n', {"A": "over\ntwo lines"}),
        ("A=\n", {"A": ""}),
        ("A=''\n", {"A": ""}),
        ("A\n", {"A": None}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("A=a=b==\n", {"A": "a=b=="}),
        ("A=1", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=é😀\n", {"A": "é😀"}),
        ("\ufeffA=1\n", {"A": "1"}),
        ("", {}),
    ],
)
def test_the_syntax_is_that_of_dotenv_without_interpolation(text, variables):
    assert parse(text.encode()) == variables


_LINES = st.lists(
    st.builds(
        "{}{}{}{}{}".format,
        st.sampled_from(["", "export ", "export  ", " ", "\t", "# "]),
        st.sampled_from(["A", "B", "a.b", "'A'", "é", "", "A B", "export"]),
        st.sampled_from(["=", "=", "=", " = ", "= ", ""]),
        st.text(st.sampled_from("ab =#'\"\\n$\t\r\f\x85\xa0é\ufeff"), max_size=8)
        | st.sampled_from(["'a b'", '"a"', "a b"]),
        st.sampled_from(["", " ", " # c", "#c", "\t"]),
    ),
    max_size=4,
)


@settings(max_examples=1500)
@given(_LINES.map("\n".join) | st.text(max_size=20))
@example("export=1")
@example("A='")
@example('A="a"b"')
@example("\ufeffA=1")
def test_a_plain_file_is_read_as_the_library_reads_it(text):
    found = dotenv._plain(text)
    if found is not None:
        assert list(found.items()) == list(dotenv._by_library(text).items())


def test_an_ordinary_file_is_plain():
    text = "# c\n\nexport A=1\nB=two words\nC='a # b'\nD=\"${x}\"\nE=\nF=https://h/p?a=b&c\n"
    assert dotenv._plain(text) == {
        "A": "1",
        "B": "two words",
        "C": "a # b",
        "D": "${x}",
        "E": "",
        "F": "https://h/p?a=b&c",
    }


def test_no_environment_is_looked_at(monkeypatch):
    monkeypatch.setenv("B", "of the process")
    assert parse(b"A=${B}\n") == {"A": "${B}"}


def test_the_whole_file_is_one_object(read, tmp_path):
    (tmp_path / "x.env").write_text('B=2\nA="a \\"quoted\\" \\n one"\nC\n')
    assert json.loads(read({"ALL": "dotenv://x.env"})["ALL"]) == {"B": "2", "A": 'a "quoted" \n one', "C": None}


@pytest.mark.parametrize(("text", "line"), [(f"A=1\n{CANARY} b = x\n", 2), (f"A='{CANARY}\nB=1\n", 1), ("=x\n", 1)])
def test_a_line_that_is_none_is_told_by_its_number_and_not_quoted(read, tmp_path, text, line):
    (tmp_path / "x.env").write_text(text)
    problem = read({"A": "dotenv://x.env#A"})["A"]
    assert isinstance(problem, BadValue)
    assert f"line {line} " in problem.what
    assert CANARY not in problem.what + problem.hint


def test_a_file_that_is_no_utf_8_is_bad_data(read, tmp_path):
    (tmp_path / "x.env").write_bytes(b"A=\xff\n")
    assert isinstance(read({"A": "dotenv://x.env#A"})["A"], BadValue)


def test_a_file_that_is_not_there_is_not_found(read):
    assert isinstance(read({"A": "dotenv://missing.env#A"})["A"], NotFound)


def test_a_folder_is_69(read, tmp_path):
    (tmp_path / "x.env").mkdir()
    assert isinstance(read({"A": "dotenv://x.env#A"})["A"], StoreError)


def test_a_path_is_seen_from_the_manifests_folder(read, tmp_path):
    (tmp_path / "x.env").write_text("A=right\n")
    (tmp_path / "folder" / "x.env").write_text("A=wrong\n")
    assert read({"A": "dotenv://x.env"}) == {"A": b'{"A":"right"}'}


@pytest.mark.parametrize("query", ["?version=1", "?stage=active"])
def test_there_is_neither_version_nor_stage(read, query):
    with pytest.raises(Failures):
        read({"A": f"dotenv://x.env{query}"})


def test_a_key_is_picked_and_a_file_is_expanded(launch, manifest, tmp_path):
    (tmp_path / "x.env").write_text("ONE=1\nTWO='${ONE}'\nNOTHING\n")
    path = manifest(
        '[secrets]\nA = "dotenv://x.env#TWO"\n'
        'ALL = { provider = "dotenv", id = "x.env", expand = { prefix = "P_", omit = ["NOTHING"] } }\n'
    )
    done = launch("-f", path, "--", "sh", "-c", 'echo "$A $P_ONE $P_TWO"')
    assert (done.stdout, done.stderr) == (b"${ONE} 1 ${ONE}\n", b"")


def test_a_key_that_is_not_in_the_file_is_66_and_one_without_a_value_too(launch, manifest, tmp_path):
    (tmp_path / "x.env").write_text("PASSWORD=x\nEMPTY\n")
    path = manifest('[secrets]\nA = "dotenv://x.env#PASSWROD"\nB = "dotenv://x.env#EMPTY"\n')
    done = launch("-f", path, "--", "true")
    assert done.returncode == 66
    assert b"did you mean 'PASSWORD'?" in done.stderr
    assert done.stderr.count(b"error:") == 2
