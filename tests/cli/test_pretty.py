"""Answers on a real terminal: colour, unless NO_COLOR; its width; no markup. And plain text in a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import LAUNCHER, PATIENCE, seen_through

from envinject.cli.pretty import pretty
from envinject.sheet import BAD, GOOD, Line, Table, plain

pytest.importorskip("rich")

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _seen(*words: str, columns: int = 100, **environ: str) -> str:
    """What the launcher writes on a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    given = {**os.environ, "TERM": "xterm-256color", **environ}
    process = subprocess.Popen([*LAUNCHER, *words], stdin=subprocess.DEVNULL, stdout=theirs, env=given)
    os.close(theirs)
    seen = seen_through(ours)
    process.wait(PATIENCE)
    return seen.decode().replace("\r\n", "\n")


@pytest.fixture
def path() -> str:
    lines = [f'NAME_{number} = "env://A_RATHER_LONG_NAME_OF_A_VARIABLE_{number}"' for number in range(3)]
    lines.append('MARKUP = { provider = "env", id = "[red]x[/red][link=http://x]", required = false }')
    Path("secrets.toml").write_text("[secrets]\n" + "\n".join(lines) + "\n")
    return "secrets.toml"


_COMMANDS = pytest.mark.parametrize("command", ["check", "plan", "providers", "doctor"])


@_COMMANDS
@pytest.mark.usefixtures("path")
def test_there_is_colour_on_a_terminal(command: str) -> None:
    assert _COLOUR.search(_seen(command))


@_COMMANDS
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("environ", [{"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": ""}], ids=str)
def test_there_is_none_where_it_is_not_wanted(command: str, environ: dict[str, str]) -> None:
    seen = _seen(command, **environ)
    assert "\x1b" not in seen
    assert seen


@_COMMANDS
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"}], ids=str)
def test_there_is_none_in_a_pipe(launch: Launch, command: str, environ: dict[str, str]) -> None:
    done = launch(command, environ={"TERM": "xterm-256color", **environ})
    assert b"\x1b" not in done.stdout
    assert done.stdout.isascii()


@_COMMANDS
@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("columns", [40, 70, 200])
def test_the_width_is_respected(command: str, columns: int) -> None:
    for seen in (_seen(command, columns=columns), _seen(command, columns=99, COLUMNS=str(columns))):
        assert max(len(_COLOUR.sub("", line)) for line in seen.splitlines()) <= columns


@pytest.mark.usefixtures("path")
def test_a_cell_is_no_markup() -> None:
    assert "env://[red]x[/red][link=http://x]" in _COLOUR.sub("", _seen("plan", columns=200))


@pytest.mark.usefixtures("path")
def test_json_is_json_on_a_terminal() -> None:
    assert "\x1b" not in _seen("plan", "--json")


@pytest.mark.usefixtures("path")
def test_without_rich_it_is_plain_text(launch: Launch) -> None:
    without = f"import sys; sys.modules['rich'] = None; sys.argv[1:] = ['plan']; sys.path.insert(0, {sys.path[0]!r})"
    code = f"{without}; from envinject.__main__ import main; main()"
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm"}
    done = subprocess.run([sys.executable, "-c", code], stdout=theirs, env=environ, timeout=PATIENCE, check=False)
    os.close(theirs)
    seen = seen_through(ours).replace(b"\r\n", b"\n")
    assert done.returncode == 0
    assert seen == launch("plan").stdout


_texts = st.text(max_size=30)


@given(
    st.lists(st.tuples(_texts, _texts, st.sampled_from(["ok", "fail"])), max_size=5),
    _texts,
    st.integers(30, 120),
    st.booleans(),
)
def test_whatever_is_in_a_sheet_nothing_moves_the_cursor(
    rows: list[tuple[str, str, str]], text: str, width: int, colour: bool
) -> None:
    sheet = [Table(("A", "B", "C"), rows, {"ok": GOOD, "fail": BAD}), Line(text, BAD)]
    shown = pretty(sheet, width, colour=colour)
    assert shown is not None
    for line in (*_COLOUR.sub("", shown).splitlines(), *plain(sheet).splitlines()):
        assert line.isascii()
        assert line.isprintable()
    assert colour or "\x1b" not in shown


def test_tones_have_their_colours() -> None:
    shown = pretty([Table(("R",), [("ok",), ("fail",)], {"ok": GOOD, "fail": BAD})], 80, colour=True)
    assert shown is not None
    assert "\x1b[32mok" in shown
    assert "\x1b[1;31mfail" in shown
