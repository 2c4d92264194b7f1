"""The launcher in all the ways in which it comes to its exec, and a command that is still running."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from launching import LAUNCHER, NOBODY, TRANSPORTS, Answer, Store, Way, kakao_value, launcher_for_nobody
from terminal import Terminal


@pytest.fixture
def literal(tmp_path: Path) -> Path:
    """A manifest that sets GREETING and needs nothing."""
    path = tmp_path / "literal.toml"
    path.write_text('[env]\nGREETING = "hello"\n')
    return path


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    """A terminal with a person."""
    opened = Terminal()
    yield opened
    opened.close()


@pytest.fixture
def store() -> Iterator[Callable[[Answer], Store]]:
    """Start a store that answers so."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(Store(answer))


_REPLACING = ["literals", "started anew", *TRANSPORTS]


@pytest.fixture(params=[*_REPLACING, "supervised"])
def way(request: pytest.FixtureRequest, make_way: Callable[[str], Way]) -> Way:
    """A launcher that has nothing to fetch, one that starts itself anew first, one per transport, one that stays."""
    return make_way(request.param)


@pytest.fixture(params=_REPLACING)
def replacing(request: pytest.FixtureRequest, make_way: Callable[[str], Way]) -> Way:
    """The same without the one that stays."""
    return make_way(request.param)


@pytest.fixture(params=["replace", "supervise"])
def mode(request: pytest.FixtureRequest, literal: Path) -> list[str]:
    """The launcher's words up to the command, in both modes."""
    return [*LAUNCHER, *["--supervise"] * (request.param == "supervise"), "-f", str(literal), "--"]


@pytest.fixture
def supervised(literal: Path) -> list[str]:
    """The words, up to the command, of a launcher that stays."""
    return [*LAUNCHER, "--supervise", "-f", str(literal), "--"]


@pytest.fixture
def make_way(store: Callable[[Answer], Store], literal: Path, tmp_path: Path) -> Callable[[str], Way]:
    """Give the way of that name."""
    return lambda name: _way(name, store, literal, tmp_path)


def _way(name: str, store: Callable[[Answer], Store], literal: Path, tmp_path: Path) -> Way:
    if name == "literals":
        return Way([*LAUNCHER, "-f", str(literal), "--"], {})
    if name == "supervised":
        return Way([*LAUNCHER, "--supervise", "-f", str(literal), "--"], {}, stays=True)
    if name == "started anew":
        return Way([*LAUNCHER, "-f", str(literal), "--"], {"PYTHONWARNINGS": "error"})
    cloud = tmp_path / "cloud.toml"
    cloud.write_text(store(lambda _: kakao_value('"hello"')).manifest('GREETING = "kakaocloud://1"'))
    return Way([*LAUNCHER, "-f", str(cloud), "--"], {"KAKAOCLOUD_TOKEN": "t", "SECRETS_EXEC_TRANSPORT": name})


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start a process that is gone after the test, with pipes for its output."""
    started: list[subprocess.Popen[bytes]] = []

    def run(command: list[Any], **how: Any) -> subprocess.Popen[bytes]:
        settings: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, **settings | how)
        started.append(process)
        return process

    yield run
    for process in started:
        below = _below(process)
        process.kill()
        for descendant in below:  # which a supervisor that is killed leaves behind
            with suppress(psutil.NoSuchProcess):
                descendant.kill()
        process.communicate()


def _below(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    try:
        return psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can read, with a manifest `m.toml` that sets GREETING."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "m.toml").write_text('[env]\nGREETING = "hello"\n')
        yield folder


@pytest.fixture
def as_nobody(open_folder: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the launcher as user 65534, in `open_folder`, with nothing but PATH in its environment."""
    launcher = launcher_for_nobody()
    if launcher is None:
        pytest.skip("needs root, and a Python that other users can run")

    def run(*words: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        given = {"PATH": "/usr/bin:/bin"} | (environ or {})
        who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.run([*launcher, *words], cwd=open_folder, env=given, capture_output=True, timeout=60, **who)

    return run
