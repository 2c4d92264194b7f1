"""The zipapp: a launcher for images that have Python. Run where nothing can be written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from emulated import CREDENTIALS, EXAMPLES, ROOT, Emulated, emulated
from launching import PATIENCE, TRANSPORTS, works

ARCHIVE = ROOT / "dist" / "secrets-exec.pyz"
MANIFEST = EXAMPLES / "mixed" / "secrets.toml"
APPLICATION = [sys.executable, str(EXAMPLES / "app" / "app.py")]
NAMES = "API_TOKEN API_URL DB_USER DB_PASSWORD OLD_PASSWORD LOG_LEVEL".split()

READ_ONLY = r"""
import subprocess, sys
def mount(*words):
    return subprocess.run(["mount", *words], stderr=subprocess.DEVNULL).returncode
hidden, command = sys.argv[1].split(), sys.argv[2:]
for folder in hidden:
    mount("-t", "tmpfs", "none", folder)
places = [line.split()[1] for line in open("/proc/self/mounts") if line.split()[1].split("/")[1] not in ("proc", "sys")]
for place in places:
    mount("-o", "remount,bind,ro", place)
try:
    open("/tmp/written", "w")
except OSError:
    sys.exit(subprocess.run(command).returncode)
sys.exit("this can be written")
"""
"""Runs a command where every file system is read-only, and the content of some folders is hidden."""

_ENVIRON = dict(os.environ)
_FINDER = ROOT / ".ci" / "python"

pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="there is no dist/secrets-exec.pyz: make zipapp")
read_only = pytest.mark.skipif(
    os.geteuid() != 0 or not works(["unshare", "--mount", "true"]), reason="needs root, and mounts of its own"
)


@pytest.fixture(scope="module")
def clouds() -> Iterator[Emulated]:
    with emulated() as running:
        yield running


@pytest.fixture
def over(clouds: Emulated, tmp_path: Path) -> Path:
    """The manifest of the emulated clouds, with the authority's file beside it."""
    (tmp_path / "ca.pem").write_bytes(clouds.authority)
    path = tmp_path / "clouds.toml"
    path.write_text(clouds.trusting(str(tmp_path / "ca.pem")))
    return path


Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def run() -> Run:
    """Run the zipapp; where `hidden` is given, read-only, and without the content of these folders."""

    def run(
        *words: str | Path,
        hidden: str | None = None,
        python: str = sys.executable,
        environ: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        command = [python, str(ARCHIVE if cwd is None else ARCHIVE.relative_to(cwd)), *map(str, words)]
        if hidden is not None:
            command = ["unshare", "--mount", sys.executable, "-c", READ_ONLY, hidden, *command]
        given = {**os.environ, **CREDENTIALS, **(environ or {})}
        return subprocess.run(command, env=given, capture_output=True, timeout=PATIENCE, check=False, cwd=cwd)

    return run


@read_only
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_example_runs_where_nothing_can_be_written(run: Run, over: Path, transport: str) -> None:
    environ = {"SECRETS_EXEC_TRANSPORT": transport}

    ran = run("-f", MANIFEST, "-f", over, "--", *APPLICATION, hidden="", environ=environ)

    assert (ran.stderr, ran.returncode) == (b"", 0)
    told = {line.split()[0].decode() for line in ran.stdout.splitlines() if b" bytes" in line}
    assert told >= set(NAMES)
    assert b"credentials of the clouds: none are here" in ran.stdout


@read_only
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_authorities_inside_are_read_where_the_system_has_none(
    run: Run, clouds: Emulated, over: Path, transport: str
) -> None:
    over.write_text(clouds.trusting(None))
    places = ("/etc/ssl", "/etc/pki", "/usr/local/etc/ssl")
    hidden = " ".join(place for place in places if os.path.isdir(place))
    environ = {"SECRETS_EXEC_TRANSPORT": transport}

    ran = run("-f", MANIFEST, "-f", over, "--", *APPLICATION, hidden=hidden, environ=environ)

    assert (ran.stdout, ran.returncode) == (b"", 69)
    assert ran.stderr.count(b"warning: this system has no certificate authorities") == 1
    assert b"its authority is unknown" in ran.stderr


@pytest.mark.parametrize("options", [[], ["--mask"], ["--watch", "9m"]], ids=str)
def test_it_stays_as_a_parent_too(run: Run, options: list[str]) -> None:
    ran = run("--supervise", *options, "--set", "X=env://HOME", "--", "sh", "-c", 'test -n "$X" && exit 7')

    assert (ran.stderr, ran.returncode) == (b"", 7)


def test_it_may_be_called_by_a_relative_path(run: Run) -> None:
    ran = run("--supervise", "--set", "X=env://HOME", "--", "sh", "-c", 'test -n "$X" && exit 7', cwd=ARCHIVE.parent)

    assert (ran.stderr, ran.returncode) == (b"", 7)


def test_it_runs_by_itself() -> None:
    ran = subprocess.run([ARCHIVE, "--version"], capture_output=True, check=True)

    assert ran.stdout.startswith(b"secrets-exec ")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_runs_with_every_python_that_is_supported(run: Run, over: Path, version: str) -> None:
    """Also with one that its bytecode is not for, and that has none of our packages."""
    found = subprocess.run([_FINDER, version], env=_ENVIRON, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip(f"there is no Python {version} here")
    environ = {"SECRETS_EXEC_TRANSPORT": "requests"}

    ran = run("-f", MANIFEST, "-f", over, "--", "env", python=found.stdout.strip(), environ=environ)

    assert (ran.stderr, ran.returncode) == (b"", 0)
    assert b"API_TOKEN=fake-api-token" in ran.stdout.splitlines()


def test_it_copies_itself_into_a_folder(run: Run, tmp_path: Path) -> None:
    ran = run("copy", tmp_path)

    assert ran.returncode == 0
    assert (tmp_path / "secrets-exec").read_bytes() == ARCHIVE.read_bytes()
    assert subprocess.run([tmp_path / "secrets-exec", "--version"], capture_output=True, check=True).stdout


def test_a_copy_is_told_in_json_too(run: Run, tmp_path: Path) -> None:
    told = json.loads(run("copy", "--json", tmp_path).stdout)
    assert told == {"shape": 1, "path": str(tmp_path / "secrets-exec"), "bytes": ARCHIVE.stat().st_size}


def test_every_module_lies_beside_its_bytecode() -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = set(archive.namelist())

    assert {f"{name}c" for name in names if name.endswith(".py")} == {name for name in names if name.endswith(".pyc")}
    assert "envinject/__main__.py" in names
