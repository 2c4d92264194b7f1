"""The comparison of inits: it works over the reference and an init that is here, sees faults, and leaves no process."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from inits.__main__ import markdown, plain
from inits.candidates import INITS, ours
from inits.trials import ROWS

ROOT = Path(__file__).parent.parent
SIGNALS, CODES, IGNORED = (
    "each signal reaches the child once",
    "the child's exit code, 0 to 255",
    "ignored signals (nohup)",
)
SUSPEND, SESSION = "Ctrl-Z and fg", "left in another session"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the inits are Linux programs")


def compare(*rows: str, candidate: str, environ: dict[str, str] | None = None, template: str = "") -> dict[str, str]:
    """The results of these rows for one candidate, as the table has them."""
    run = _run(*rows, candidate=candidate, environ=environ, template=template)
    lines = [line for line in run.stdout.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    assert cells[0][-1] == candidate
    return dict(cells[2:])


def _run(
    *rows: str, candidate: str, environ: dict[str, str] | None = None, template: str = ""
) -> subprocess.CompletedProcess[str]:
    words = [word for row in rows for word in ("--row", row)] + (["--ours", template] if template else [])
    command = [sys.executable, "-m", "inits", "--markdown", "--candidate", candidate, *words]
    given = {**os.environ, **(environ or {})}
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done


def an_init() -> str:
    found = [each.name for each in INITS if shutil.which(each.words[0])]
    if not found:
        pytest.skip("no init is installed; on Debian: apt-get install tini")
    return found[0]


def test_the_reference_is_as_good_as_it_gets() -> None:
    results = compare(SIGNALS, CODES, IGNORED, SUSPEND, candidate="env")
    assert results == {SIGNALS: results[SIGNALS], CODES: "all", IGNORED: "kept", SUSPEND: "works"}
    assert results[SIGNALS].startswith("all ")


def test_an_init_passes_on_signals_and_exit_codes() -> None:
    results = compare(SIGNALS, CODES, candidate=an_init())
    assert results[SIGNALS].startswith("all ")
    assert results[CODES] == "all"


def test_a_wrapper_with_faults_is_seen() -> None:
    template = shlex.join(["sh", "-c", '"$@"; exit 0', "sh"])
    results = compare(SIGNALS, CODES, candidate="secrets-exec", template=template)
    assert results[CODES].startswith("not 1 2 42 ")
    assert results[SIGNALS] == "dies of HUP"


@pytest.mark.slow
def test_no_process_is_left(tmp_path: Path) -> None:
    assert compare(SESSION, candidate="env", environ={"TMPDIR": str(tmp_path)}) == {SESSION: "left"}
    ours_alone = [
        each for each in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(each.info["cmdline"] or ())
    ]
    assert ours_alone == []


def test_what_is_missing_is_told_with_how_to_install_it(tmp_path: Path) -> None:
    for program in ("env", "sh"):
        (tmp_path / program).symlink_to(shutil.which(program) or "")
    told = _run(CODES, candidate="env", environ={"PATH": str(tmp_path)}).stderr
    assert "missing: tini, dumb-init, catatonit; on Debian: apt-get install tini dumb-init catatonit" in told


def test_every_row_says_what_it_does() -> None:
    assert [row for row, trial in ROWS.items() if not trial.__doc__] == []


def test_our_words_are_a_template() -> None:
    candidate = ours("m.toml", ["x", "--supervise", "-f", "{manifest}", "--"])
    assert candidate.words == ("x", "--supervise", "-f", "m.toml", "--")
    assert candidate.deadly == ("x", "--supervise", "--pdeathsig", "KILL", "-f", "m.toml", "--")
    assert candidate.asks_version == ("x", "--version")


def test_a_table_is_for_a_terminal_or_for_a_page() -> None:
    table = (["", "env"], [["init | pager", "works"]])
    assert plain(*table) == ["              env", "init | pager  works"]
    assert markdown(*table) == ["|  | env |", "| --- | --- |", "| init \\| pager | works |"]
