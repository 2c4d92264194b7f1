"""Time launchers, judge the budgets, write the results. What cannot be had here is left out, and told."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import budgets, build, machine, page
from .run import Bench, How

RESULTS, PLOT = build.ROOT / "bench" / "RESULTS.md", build.ROOT / "docs" / "bench.svg"
_SECONDS, _QUICK_SECONDS = 12.0, 3.0


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the budgets, and write the page and the plot after a run of everything; the exit code."""
    given = _parser().parse_args(words)
    if given.build:
        return _build()
    seconds = given.seconds or (_QUICK_SECONDS if given.quick else _SECONDS)
    began, load = time.monotonic(), os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bench = Bench(How(seconds, quick=given.quick, only=given.only), Path(folder), _tell)
        try:
            bench.run()
            described = machine.describe(bench.built.python, load)
        except build.Missing as error:
            _tell(f"nothing can be measured here: {error}")
            return 1
    verdicts = budgets.judge(bench.measured, budgets.table(quick=given.quick))
    if given.only:
        verdicts = [each for each in verdicts if each.measured is not None]
    print("; ".join(f"{what} {said}" for what, said in described.items()) + "\n")
    print("\n".join(page.verdict_lines(verdicts)))
    print(f"\n{page.tally(verdicts)}")
    for why in bench.measured.missing:
        print(f"not run: {why}")
    if not given.quick and not given.only:
        _write(bench, page.page(bench, described, verdicts, time.strftime("%Y-%m-%d")))
    _tell(f"\nThis took {time.monotonic() - began:.0f} s.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the budgets' main rows, in two minutes; writes no file")
    parser.add_argument("--build", action="store_true", help="only build what is measured, but for other people's")
    parser.add_argument("--only", metavar="TEXT", default="", help="only what has this in its name; writes no file")
    parser.add_argument("--seconds", type=float, metavar="S", help="for each cell (12; quick, 3)")
    return parser


def _build() -> int:
    try:
        build.tool()
        for program in ("server", "limit"):
            build.go(program)
    except build.Missing as error:
        _tell(f"it cannot be built here: {error}")
        return 1
    return 0


def _write(bench: Bench, text: str) -> None:
    RESULTS.write_text(text)
    if drawn := page.picture(bench.measured):
        PLOT.write_text(drawn)
    _tell(f"written: {', '.join(str(path.relative_to(build.ROOT)) for path in (RESULTS, PLOT))}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
