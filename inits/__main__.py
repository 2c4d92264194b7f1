"""Print what the inits do in the same trials, side by side. What is not installed is left out, and told."""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from .candidates import OURS, Candidate, installed, missing, ours
from .processes import adopt_orphans
from .trials import ROWS, outcome

_LITERAL = '[env]\nGREETING = "hello"\n'


def main(words: Sequence[str] | None = None) -> int:
    """Try every row with every candidate, and print the table; the exit code."""
    given = _parser().parse_args(words)
    rows = [row for row in ROWS if not given.row or any(part in row for part in given.row)]
    adopt_orphans()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="inits-") as folder:
        manifest = Path(folder, "literal.toml")
        manifest.write_text(_LITERAL)
        candidates = _candidates(given.candidate, ours(str(manifest), shlex.split(given.ours)))
        versions = ", ".join(_versions(candidates))
        table = [[row, *(_tried(row, each) for each in candidates)] for row in rows]
    heading = ["", *(each.name for each in candidates)]
    print(f"Linux {platform.release().partition('-')[0]}, {os.cpu_count()} processors; {versions}.\n")
    print("\n".join(markdown(heading, table) if given.markdown else plain(heading, table)))
    _tell(f"\nThis took {time.monotonic() - began:.0f} s.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m inits", description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="the table for the documentation")
    parser.add_argument("--row", action="append", metavar="TEXT", help="only the rows that have this in their name")
    parser.add_argument("--candidate", action="append", metavar="NAME", help="only this one")
    parser.add_argument("--ours", metavar="TEMPLATE", default=shlex.join(OURS), help="our own words (%(default)s)")
    return parser


def _candidates(names: Sequence[str] | None, own: Candidate) -> list[Candidate]:
    """Those that are here and are asked for. Tells which are missing."""
    if packages := missing():
        _tell(f"missing: {', '.join(packages)}; on Debian: apt-get install {' '.join(packages)}")
    asked = [each for each in [*installed(), own] if not names or each.name in names]
    if own in asked and not own.works():
        _tell(f"left out, since it does not start a command here: {shlex.join(own.words)}")
        asked.remove(own)
    return asked


def _versions(candidates: Sequence[Candidate]) -> list[str]:
    """One for each program, not for each of its modes."""
    programs = {each.name.split()[0]: each for each in candidates}
    return [f"{name} {each.version()}" for name, each in programs.items()]


def _tried(row: str, candidate: Candidate) -> str:
    began = time.monotonic()
    result = outcome(row, candidate)
    _tell(f"{row}: {candidate.name}: {result} ({time.monotonic() - began:.1f} s)")
    return result


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def plain(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The table for a terminal."""
    lines = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The table for a page."""
    lines = [heading, ["---"] * len(heading), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
