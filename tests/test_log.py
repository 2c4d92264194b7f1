"""What we tell: printable ASCII on standard error, as text or as JSON, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envinject.errors import BadValue
from envinject.log import DEBUG, NORMAL, QUIET, VERBOSE, Log, counted, printable

PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
texts = st.text(st.characters(exclude_categories=()))  # with surrogates and control characters


def told(tell):
    """What `tell` writes to descriptor 2."""
    reading, writing = os.pipe()
    kept = os.dup(2)
    try:
        os.dup2(writing, 2)
        tell()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(writing)
    with open(reading, "rb") as pipe:
        return pipe.read()


def tell_all(log):
    """One message of each level."""
    log.error(BadValue("an error"))
    log.warning("a warning")
    log.notice("a notice")
    log.told("asked for")
    log.step("a step")
    log.detail("a detail")


def test_an_error_is_what_where_and_hint_on_three_lines():
    error = BadValue("no key 'pasword' in this secret", where="DB, secrets.toml:3", hint="did you mean 'password'?")
    assert told(lambda: Log().error(error)) == (
        b"secrets-exec: error: no key 'pasword' in this secret\n"
        b"  where: DB, secrets.toml:3\n"
        b"  hint:  did you mean 'password'?\n"
    )


def test_where_and_hint_are_left_out_when_there_is_nothing_to_tell():
    assert told(lambda: Log().error(BadValue("bad"))) == b"secrets-exec: error: bad\n"


@pytest.mark.parametrize(
    ("verbosity", "expected"),
    [
        (QUIET, ["error", "asked"]),
        (NORMAL, ["error", "warning", "notice", "asked"]),
        (VERBOSE, ["error", "warning", "notice", "asked", "step"]),
        (DEBUG, ["error", "warning", "notice", "asked", "step", "detail"]),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_verbosity_decides_what_is_told_but_never_hides_an_error(verbosity, expected, as_json):
    lines = told(lambda: tell_all(Log(verbosity, as_json=as_json))).decode().splitlines()
    assert len(lines) == len(expected)
    for line, word in zip(lines, expected, strict=True):
        assert word in line


@example("\x7f\x9f\u2028", "\x00", "\x1b[31m")
@given(texts, texts, texts)
def test_every_error_renders_as_printable_ascii_on_lines_of_ours(what, where, hint):
    lines = told(lambda: Log().error(BadValue(what, where=where, hint=hint))).decode("ascii").split("\n")
    assert lines.pop() == ""
    assert PRINTABLE.issuperset("".join(lines))
    assert len(lines) == 1 + bool(where) + bool(hint)
    assert lines[0].startswith("secrets-exec: error: ")


@example("\x7f\x9f\u2028", "\x00", "\x1b[31m")
@given(st.text(), st.text(), st.text())
def test_every_error_as_json_is_one_line_of_printable_ascii_that_reads_back(what, where, hint):
    error = BadValue(what, where=where, hint=hint)
    (line, end) = told(lambda: Log(as_json=True).error(error)).decode("ascii").split("\n")
    assert end == ""
    assert PRINTABLE.issuperset(line)
    message = json.loads(line)
    given = {"message": what, "where": where, "hint": hint}
    assert message == {"level": "error", "exit_code": 65} | {name: text for name, text in given.items() if text}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a\nb\tc\x1b[31m\x7f", r"a\x0ab\x09c\x1b[31m\x7f"),
        ("비밀", r"\ube44\ubc00"),
        ("\U0001f511", r"\U0001f511"),
        ("\udcff", r"\udcff"),
        ("\u2028\u202e", r"\u2028\u202e"),
    ],
)
def test_whatever_is_not_printable_ascii_is_escaped(text, shown):
    assert printable(text) == shown


def test_a_long_message_is_written_whole():
    text = "x" * 50_000
    assert told(lambda: Log().told(text)) == f"secrets-exec: {text}\n".encode()


_TELL = "from envinject.log import Log; Log().told('hello'); open('went-on', 'w').close()"


@pytest.mark.parametrize(
    "streams",
    [
        pytest.param("2>&-", id="closed"),
        pytest.param("2>/dev/full", id="full"),
        pytest.param("2</dev/null", id="for reading only"),
    ],
)
def test_standard_error_that_takes_nothing_is_nobodys_error(streams):
    done = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {streams}', sys.executable, _TELL], check=False)
    assert done.returncode == 0
    assert os.path.exists("went-on")


def test_a_descriptor_that_was_closed_and_is_now_something_else_is_not_written_to():
    code = f"import os; assert os.open('mine', os.O_CREAT | os.O_WRONLY) == 2; {_TELL}"
    subprocess.run(["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code], check=True)
    assert os.path.getsize("mine") == 0


def test_one_of_something_is_told_in_the_singular() -> None:
    assert [counted(number, "secret") for number in (0, 1, 2)] == ["0 secrets", "1 secret", "2 secrets"]
