"""A bug is 70, asks for a report and shows nothing that it was working on; a system that has nothing left is 71."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import PACKAGES, PATIENCE

_CANARY = "canary-5c1e"

_PROVIDER = """
import errno, sys
from envinject.providers.base import Provider
from envinject.errors import SecretsExecError

{at_import}

class Acme(Provider):
    type = "acme"
    about = "other people's provider"

    def read(self, refs):
        value = {canary!r}
        {in_read}
        yield
"""

_RAISED = {
    "text": "raise RuntimeError(value)",
    "a key": "{}[value]",
    "a document": "import json; json.loads(value)",
    "bytes": "(value.encode() + b'\\xff').decode()",
    "a cause": "raise ValueError(value) from KeyError(value)",
    "several": "raise ExceptionGroup(value, [ValueError(value)])",
    "an exit": "sys.exit(value)",
    "the end of a generator": "raise GeneratorExit(value)",
    "a missing file": "open('/nowhere/' + value)",
    "recursion": "self.read = lambda refs: self.read(refs); self.read(value)",
}

_EXHAUSTED = {
    "memory": "raise MemoryError(value)",
    "descriptors": "raise OSError(errno.EMFILE, value)",
    "files": "raise OSError(errno.ENFILE, value)",
    "the system's memory": "raise OSError(errno.ENOMEM, value)",
}


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Install a provider that raises, in a folder of its own, and run the launcher with a secret of it."""
    site = tmp_path / "site"
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[envinject.providers]\nacme = acme_provider:Acme\n")
    manifest = tmp_path / "m.toml"
    manifest.write_text('[secrets]\nX = "acme://1"\n')

    def run(*words: str, in_read: str = "", at_import: str = "", **environ: str) -> subprocess.CompletedProcess[bytes]:
        (site / "acme_provider.py").write_text(_PROVIDER.format(canary=_CANARY, in_read=in_read, at_import=at_import))
        code = f"import sys; sys.path[:0] = {[str(site), *PACKAGES]}; from envinject.__main__ import main; main()"
        command = [sys.executable, "-P", "-c", code, *(words or ("-f", str(manifest), "--", "touch", "started"))]
        if words and words[0].startswith("-"):
            command += ["-f", str(manifest), "--", "touch", "started"]
        return subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, timeout=PATIENCE, check=False
        )

    return run


def _assert_contained(done: subprocess.CompletedProcess[bytes], code: int) -> None:
    assert (done.returncode, done.stdout) == (code, b"")
    assert not Path("started").exists()
    assert _CANARY.encode() not in done.stderr
    assert b"Traceback" not in done.stderr


def test_other_peoples_providers_work(broken: Any) -> None:
    """The ground for what follows: without a bug the same provider serves a secret."""
    done = broken(in_read="from envinject.secret import Secret; return {ref: Secret(b'fine') for ref in refs}")
    assert (done.returncode, done.stderr) == (0, b"")
    assert Path("started").exists()


@pytest.mark.parametrize("raised", _RAISED.values(), ids=_RAISED)
def test_a_bug_is_70_and_asks_for_a_report(broken: Any, raised: str) -> None:
    done = broken(in_read=raised)
    _assert_contained(done, 70)
    assert b"secrets-exec: error: a bug in secrets-exec: " in done.stderr
    assert b"please report it with the output of --debug" in done.stderr
    assert b".py" not in done.stderr


@pytest.mark.parametrize("raised", _RAISED.values(), ids=_RAISED)
@pytest.mark.parametrize("by", ["word", "variable"])
def test_debug_shows_where_and_nothing_else(broken: Any, raised: str, by: str) -> None:
    done = broken("--debug", in_read=raised) if by == "word" else broken(in_read=raised, SECRETS_EXEC_DEBUG="1")
    _assert_contained(done, 70)
    (where,) = [line for line in done.stderr.decode().splitlines() if line.startswith("  where: ")]
    assert "run.py:" in where
    assert "acme_provider.py:" in where
    assert "raise" not in where


def test_frames_are_json_where_messages_are(broken: Any) -> None:
    done = broken("--debug", "--log-format=json", in_read=_RAISED["text"])
    _assert_contained(done, 70)
    message = [json.loads(line) for line in done.stderr.splitlines()][-1]
    assert message["exit_code"] == 70
    assert "acme_provider.py:" in message["where"]


@pytest.mark.parametrize("raised", _EXHAUSTED.values(), ids=_EXHAUSTED)
def test_a_system_that_has_nothing_left_is_71_and_no_bug(broken: Any, raised: str) -> None:
    done = broken(in_read=raised)
    _assert_contained(done, 71)
    assert b"bug" not in done.stderr


def test_an_error_of_a_providers_own_is_told_in_its_words(broken: Any) -> None:
    done = broken(in_read='raise SecretsExecError("the acme store is on fire", hint="call somebody")')
    _assert_contained(done, 70)
    assert b"secrets-exec: error: the acme store is on fire\n" in done.stderr
    assert b"hint:  call somebody\n" in done.stderr


@pytest.mark.parametrize(
    "broken_import",
    [
        "import no_such_module",
        "raise ImportError(open)",
        f"raise RuntimeError({_CANARY!r})",
        f"raise OSError(2, {_CANARY!r})",
        f"{_CANARY!r} = 1",
    ],
    ids=["missing", "own", "any", "system", "syntax"],
)
def test_a_provider_that_cannot_be_imported_stops_the_run_by_name(broken: Any, broken_import: str) -> None:
    done = broken(at_import=broken_import)
    _assert_contained(done, 78)
    assert b"the provider type 'acme' cannot be imported from acme_provider:Acme" in done.stderr


def test_a_bug_in_another_command_is_70_too(broken: Any) -> None:
    done = broken("providers", at_import=f"class Provider(Provider): SETTINGS = [{_CANARY!r}]")
    _assert_contained(done, 70)
