"""Who is compared: each program in each of its modes, as the words that come before the command."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

PATIENCE = 10.0
OURS = (sys.executable, "-P", "-m", "envinject", "--supervise", "-f", "{manifest}", "--")
"""Our own words; `{manifest}` becomes a manifest with one literal."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program that starts a command. `execs`: it becomes the command, so there is no wrapper to look at.

    `deadly` are the words that have a KILL of the wrapper end the child too; none where there is no such option
    (tini's -p is about the death of tini's own parent).
    """

    name: str
    words: tuple[str, ...]
    asks_version: tuple[str, ...]
    deadly: tuple[str, ...] = ()
    execs: bool = False

    def works(self) -> bool:
        """Whether it starts a command here."""
        try:
            return subprocess.run([*self.words, "true"], capture_output=True, timeout=PATIENCE).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

    def version(self) -> str:
        """What it says its version is; "-" if it says none."""
        told = subprocess.run(self.asks_version, capture_output=True, text=True, timeout=PATIENCE)
        found = re.search(r"\d+(\.\d+)+", told.stdout + told.stderr)
        return found[0] if found else "-"


ENV = Candidate("env", ("env",), ("env", "--version"), execs=True)
_TINI, _DUMB_INIT, _CATATONIT = (name.split() for name in ("tini --version", "dumb-init --version", "catatonit -V"))
INITS = (
    Candidate("tini", ("tini", "--"), (*_TINI,)),
    Candidate("tini -g", ("tini", "-g", "--"), (*_TINI,)),
    Candidate("dumb-init", ("dumb-init", "--"), (*_DUMB_INIT,)),
    Candidate("dumb-init -c", ("dumb-init", "-c", "--"), (*_DUMB_INIT,)),
    Candidate("catatonit", ("catatonit", "--"), (*_CATATONIT,)),
    Candidate("catatonit -g", ("catatonit", "-g", "--"), (*_CATATONIT,)),
)


def ours(manifest: str, template: Sequence[str] = OURS) -> Candidate:
    """Ours, as the words of a template say."""
    words = tuple(word.replace("{manifest}", manifest) for word in template)
    before = words.index("--supervise") + 1 if "--supervise" in words else 0
    deadly = (*words[:before], "--pdeathsig", "KILL", *words[before:]) if before else ()
    return Candidate("secrets-exec", words, (*words[: max(before - 1, 1)], "--version"), deadly=deadly)


def missing() -> list[str]:
    """The Debian packages that are not installed; each has the name of its program."""
    programs = dict.fromkeys(each.words[0] for each in INITS)
    return [program for program in programs if not shutil.which(program)]


def installed() -> list[Candidate]:
    """The reference, then every init that is here."""
    gone = missing()
    return [ENV, *(each for each in INITS if each.words[0] not in gone)]
