"""The launchers where no bytecode is, and none can be written: as in the official Python images, on a read-only root.

The interpreter's library and the installed packages are copied without `__pycache__`, and what is timed sees that copy
through a read-only mount, in a namespace of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from . import build, rounds
from .launchers import Built
from .processes import Failed, Program

_LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "*.pyc", "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "ensurepip"
)
_PACKAGES_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "pip", "pip-*")
_READ_ONLY = (
    'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/written" 2>&- && shift && exec "$@"'
)
_UNSHARE = ("unshare", "--mount", "--propagation", "private")
_PATIENCE = 900.0


class Skipped(Exception):
    """Why this cannot be measured here."""


def copy(built: Built, folder: Path) -> None:
    """Copy interpreter, library and packages without bytecode, each time anew."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "bin").mkdir(parents=True)
    library = Path(sysconfig.get_path("stdlib"))
    shutil.copytree(library, folder / "lib" / library.name, ignore=_LEFT_OUT, symlinks=True)
    interpreter = folder / "bin" / library.name
    shutil.copy(Path(sys.executable).resolve(), interpreter)
    code = "import sys, sysconfig; sys.dont_write_bytecode = True; print(sysconfig.get_path('purelib'))"
    ours = build.call([built.tool / "python", "-c", code], shown="sysconfig").strip()
    theirs = build.call([interpreter, "-I", "-B", "-c", code], shown="the copied interpreter").strip()
    if not Path(theirs).is_relative_to(folder):
        raise Skipped("the copied interpreter looks for packages elsewhere")
    shutil.copytree(ours, theirs, ignore=_PACKAGES_LEFT_OUT)
    for script in ("secrets-exec", "naive"):
        _, _, text = (built.tool / script).read_text().partition("\n")
        build.write_script(folder / "bin" / script, interpreter, text)


def moved(program: Program, built: Built, folder: Path) -> Program:
    """The same program, out of the copy."""
    interpreter = str(folder / "bin" / Path(sysconfig.get_path("stdlib")).name)
    first = program.words[0]
    own = interpreter if first == built.python else str(folder / "bin" / Path(first).name)
    return replace(program, words=(own, *program.words[1:]))


def read_only(folder: Path, words: Sequence[str]) -> list[str]:
    """A command that runs another where a folder can only be read. Raises: Skipped, where that cannot be had."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        raise Skipped("there is no unshare here")
    if subprocess.run([*_UNSHARE, "true"], capture_output=True, check=False).returncode:
        raise Skipped("namespaces are not permitted here")
    return [*_UNSHARE, "sh", "-c", _READ_ONLY, "sh", str(folder), *words]


def measure(
    programs: Sequence[Program], built: Built, seconds: float, complain: Callable[[str], None]
) -> rounds.Results:
    """The times of these programs without bytecode. Raises: Skipped, Failed, Missing."""
    job, folder = build.BUILT / "bare.json", build.BUILT / "bare"
    command = read_only(folder, [sys.executable, "-m", "bench.rounds", str(job)])
    copy(built, folder)
    rounds.write_job(job, [moved(program, built, folder) for program in programs], seconds)
    done = subprocess.run(command, cwd=build.ROOT, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    if done.returncode:
        raise Failed(f"without bytecode: {(done.stderr.strip().splitlines() or ['the mount is not read-only'])[-1]}")
    if written := next(folder.rglob("*.pyc"), None):
        raise Failed(f"without bytecode: {written.name} was written")
    times, complaints = rounds.read_times(done.stdout)
    for each in complaints:
        complain(each)
    return times
