"""While secrets are fetched the launcher leaves no core dump; the child has the limit that was given to us."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import LAUNCHER, PATIENCE, Answer, Store, Way, works

_UNLIMITED = resource.RLIM_INFINITY


def _with_dumps() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (_UNLIMITED, _UNLIMITED))


@pytest.fixture
def dumping() -> None:
    """Skip where the system writes no core dump into the working folder."""
    pattern = Path("/proc/sys/kernel/core_pattern")
    if not pattern.exists() or pattern.read_text().startswith(("|", "/")):
        pytest.skip("this system writes no core dumps into the working folder")
    if not works(["true"], preexec_fn=_with_dumps):
        pytest.skip("the hard limit of core dumps may not be raised here")


def _cores(folder: Path) -> list[Path]:
    return list(folder.glob("core*"))


@pytest.mark.usefixtures("dumping")
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT], ids=lambda number: number.name)
def test_a_launcher_that_crashes_while_it_fetches_leaves_no_dump(
    store: Callable[[Answer], Store], start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, number: int
) -> None:
    silent = store(lambda _: None)
    manifest = tmp_path / "fetching.toml"
    manifest.write_text(silent.manifest('X = "kakaocloud://1"'))
    process = start(
        [*LAUNCHER, "-f", str(manifest), "--", "true"],
        env={**os.environ, "KAKAOCLOUD_TOKEN": "t"},
        cwd=tmp_path,
        preexec_fn=_with_dumps,
    )
    silent.arrived.get(timeout=PATIENCE)
    process.send_signal(number)
    assert process.wait(PATIENCE) == -number
    assert _cores(tmp_path) == []


@pytest.mark.usefixtures("dumping")
def test_a_child_that_crashes_leaves_its_own(way: Way, tmp_path: Path) -> None:
    command = [*way.words, "/bin/sh", "-c", "kill -SEGV $$"]
    done = subprocess.run(
        command, env={**os.environ, **way.environ}, cwd=tmp_path, preexec_fn=_with_dumps, timeout=60, check=False
    )
    assert done.returncode in (-signal.SIGSEGV, 128 + signal.SIGSEGV)
    assert _cores(tmp_path)


@pytest.mark.parametrize("limits", [(0, 0), (0, _UNLIMITED), (1, 4096), (4096, 4096), (_UNLIMITED, _UNLIMITED)])
def test_the_childs_limits_are_those_that_were_given(way: Way, limits: tuple[int, int]) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, limits)

    if not works(["true"], preexec_fn=limit):
        pytest.skip("the hard limit of core dumps may not be raised here")
    command = [*way.words, "/bin/sh", "-c", "grep core /proc/self/limits"]
    environ = {**os.environ, **way.environ}
    done = subprocess.run(command, env=environ, preexec_fn=limit, capture_output=True, timeout=60, check=True)
    told = ["unlimited" if each == _UNLIMITED else str(each) for each in limits]
    assert done.stdout.decode().split()[4:6] == told
