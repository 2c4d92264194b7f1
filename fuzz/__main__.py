"""`make fuzz`: tries the seeds of every target, then inputs made of them by chance, for a bounded time.

Needs atheris for the second part, and says so where it is not. Exit code 1 when there is a finding.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

TARGETS = ("manifests", "references", "answers", "plain")
CORPUS = Path(__file__).parent / "corpus"
WORDS = Path(__file__).parent / "words.dict"

_LONGEST_INPUT = 4096
_SECONDS_FOR_ONE = 5
_MEGABYTES = 1024


def main(words: Sequence[str] | None = None) -> int:
    """Try the targets; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--work", type=Path, default=Path("build/fuzz"), help="where inputs are kept (build/fuzz)")
    parser.add_argument("--input", type=Path, help="try this one input of the one TARGET")
    given = parser.parse_args(words)
    targets = given.targets or TARGETS
    if unknown := sorted(set(targets) - set(TARGETS)):
        parser.error(f"there is no target {', '.join(unknown)}")
    if given.input:
        _try(targets[0], [given.input])
        return 0
    for target in targets:
        _try(target, sorted((CORPUS / target).iterdir()))
    if find_spec("atheris") is None:
        print("fuzz: skipped but for the seeds: atheris is not installed; it has wheels for CPython on Linux x86-64")
        return 0
    return max(_fuzz_apart(target, given.seconds, given.work) for target in targets)


def _try(target: str, inputs: Sequence[Path]) -> None:
    module = importlib.import_module(f"fuzz.{target}")
    for path in inputs:
        module.try_one(path.read_bytes())
    print(f"fuzz: {target}: {len(inputs)} inputs tried", flush=True)


def _fuzz_apart(target: str, seconds: int, work: Path) -> int:
    """Fuzz in a process of its own, since libFuzzer ends the one that it is in."""
    corpus = work / target
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [
        f"-max_total_time={seconds}",
        f"-timeout={_SECONDS_FOR_ONE}",
        f"-max_len={_LONGEST_INPUT}",
        f"-rss_limit_mb={_MEGABYTES}",
        f"-dict={WORDS}",
        f"-artifact_prefix={work}/{target}-",
        "-print_final_stats=1",
        "-verbosity=0",
        str(corpus),
        str(CORPUS / target),
    ]
    print(f"fuzz: {target}: for {seconds} s", flush=True)
    command = [sys.executable, "-m", "fuzz.fuzzer", target, *flags]
    done = subprocess.run(command, capture_output=True, text=True, errors="backslashreplace", check=False)
    if done.returncode:
        print(f"{done.stdout}{done.stderr}fuzz: {target}: a finding, kept as {work}/{target}-*", flush=True)
        return 1
    tried = re.search(r"number_of_executed_units: *(\d+)", done.stderr)
    print(f"fuzz: {target}: {tried[1] if tried else 'no'} inputs tried, nothing found", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
