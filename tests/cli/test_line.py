"""The short way reads any list of words as click does, and leaves to click what is not as it should be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from envinject.cli.app import ClickCommand
from envinject.cli.commands import COMMANDS
from envinject.cli.line import read
from envinject.cli.options import settle

_FLAGS = sorted({flag for row in COMMANDS.values() for option in row.options for flag in option.flags})
_VALUES = ["", "x", "-", "--", "-x", "--set", "a=b", "1", "\udcff", "-qv", "=", "run"]


def _words() -> st.SearchStrategy[list[str]]:
    flag, value = st.sampled_from(_FLAGS), st.sampled_from(_VALUES)
    letters = st.text(st.sampled_from("fPjqvhV-=x"), max_size=4)
    word = st.one_of(
        flag,
        value,
        st.builds("{}={}".format, flag, value),
        st.builds("{}{}".format, flag, value),
        letters.map(lambda text: f"-{text}"),
        st.sampled_from(["--help", "-h", "--version", "--hel", "--no-such"]),
        st.text(max_size=6),
    )
    return st.lists(word, max_size=6)


Read = tuple[dict[str, Any], Sequence[str]]


def _by_click(name: str, words: Sequence[str]) -> Read | None:
    """As click reads it; None where it refuses, or shows its help."""
    row = COMMANDS[name]
    command = ClickCommand(name, row)
    command.params[-1].callback = lambda context, _option, asked: context.exit() if asked else None
    try:
        with command.make_context(name, list(words)) as context:
            found = dict(context.params)
    except (click.UsageError, click.exceptions.Exit):
        return None
    words = found.pop("command", ())
    return settle(row.options, found, {}), tuple(words)


def _by_us(name: str, words: Sequence[str]) -> Read | None:
    row = COMMANDS[name]
    found = read(row, words)
    return found and (settle(row.options, found[0], {}), tuple(found[1]))


@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=400)
@given(words=_words())
@example(words=["-q-"])
@example(words=["-q=x"])
@example(words=["-f=x"])
@example(words=["-vvqf", "--"])
@example(words=["-f"])
@example(words=["--manifest="])
@example(words=["--quiet=yes"])
@example(words=["--", "--", "-q"])
def test_both_ways_read_any_words_alike(name: str, words: list[str]) -> None:
    assert _by_us(name, words) == _by_click(name, words)


def test_what_makes_sense_needs_no_click() -> None:
    found = read(COMMANDS["run"], ["-qvf", "a", "-fb", "--manifest=c", "--timeout", "--", "--dry-run", "--", "x", "-q"])
    given = {"quiet": True, "verbose": 1, "manifest": ("a", "b", "c"), "timeout": "--", "dry_run": True}
    assert found == (given, ["x", "-q"])
