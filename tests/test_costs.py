"""What a start costs, counted: instructions, system calls, files that are opened. Time is for `make bench`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from launching import PATIENCE, Store, kakao_value

import envinject
from bench import costs
from bench.processes import NOTHING, Program

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="counted with tools for Linux")

_LAUNCHER = (str(Path(sys.executable).with_name("secrets-exec")),)
_PASS = Program("pass", (sys.executable, "-c", "pass"), is_launcher=False)

needs_valgrind = pytest.mark.skipif(not costs.can_count(), reason="valgrind is not installed")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


@pytest.fixture
def start(manifest: Callable[..., Path]) -> Callable[..., Program]:
    """The launcher with a manifest of this text, and a command that does nothing."""

    def program(text: str, **environ: str) -> Program:
        words = (*_LAUNCHER, "-f", str(manifest(text)), "--")
        return Program("start", words, {**os.environ, "PYTHONDONTWRITEBYTECODE": "", **environ})

    return program


# Instructions


def _times_pass(program: Program) -> float:
    """Instructions, as a multiple of those of the interpreter that does nothing; the first run writes the bytecode."""
    subprocess.run(program.command, env=program.environ, cwd=program.folder, timeout=PATIENCE, check=True)
    bare = Program(_PASS.name, _PASS.words, program.environ, is_launcher=False)
    return costs.instructions(program) / costs.instructions(bare)


@needs_valgrind
@pytest.mark.slow
def test_a_run_of_literals_has_less_than_twice_the_instructions_of_the_interpreter(
    start: Callable[..., Program],
) -> None:
    lines = "\n".join(f'V{number} = "value"' for number in range(10))
    assert _times_pass(start(f"[env]\n{lines}\n")) < 1.55


@needs_valgrind
@pytest.mark.slow
def test_ten_cloud_secrets_have_less_than_two_and_a_half_times_those_of_the_bare_interpreter(
    start: Callable[..., Program],
) -> None:
    pytest.importorskip("pycurl")
    with Store(lambda _: kakao_value('"x"')) as store:
        lines = "\n".join(f'V{number} = "kakaocloud://{number}"' for number in range(10))
        assert _times_pass(start(store.manifest(lines), KAKAOCLOUD_TOKEN="t")) < 2.4


@needs_valgrind
@pytest.mark.slow
@pytest.mark.parametrize(("word", "times"), [("--version", 1.2), ("--help", 4.9)])
def test_words_of_ours_have_no_more_instructions_than_this(word: str, times: float) -> None:
    program = Program(word, (*_LAUNCHER, word), {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}, is_launcher=False)
    assert _times_pass(program) < times


# System calls


class Called(NamedTuple):
    """System calls of one start, up to its command: how many, and the files that were opened."""

    number: int
    opened: list[str]


def _called(program: Program, folder: Path) -> Called:
    subprocess.run(program.command, env=program.environ, timeout=PATIENCE, check=True)
    trace = folder / "trace"
    words = ["strace", "-f", "-o", str(trace), *program.command]
    subprocess.run(words, env=program.environ, timeout=PATIENCE, check=True)
    lines = [line.partition(" ")[2].strip() for line in trace.read_text().splitlines()]
    execs = [number for number, line in enumerate(lines) if line.startswith("execve(") and line.endswith(" = 0")]
    ours = lines[: execs[-1]]
    opened = [line.split('"')[1] for line in ours if line.startswith("openat(") and " = -1 " not in line]
    return Called(len(ours), opened)


def _is_of_the_interpreter(path: str) -> bool:
    """Whether a file is the interpreter's, its library's, the system's linker's, or one of our modules."""
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {sys.prefix, sys.base_prefix, str(Path(envinject.__file__).parents[1])}
    beside = ("/lib", "/usr/lib", "/usr/share/locale", "/etc/ld.so", "/etc/localtime", "/proc/self")
    return path.startswith((*places, *beside))


@needs_strace
@pytest.mark.slow
def test_a_run_of_literals_opens_its_manifest_and_nothing_else(start: Callable[..., Program], tmp_path: Path) -> None:
    called = _called(start('[env]\nX = "x"\n'), tmp_path)
    others = [path for path in called.opened if not _is_of_the_interpreter(path)]
    assert [path for path in others if path != NOTHING and not path.endswith("secrets.toml")] == []
    assert not any("/tomllib" in path or "/click" in path or "/json" in path for path in called.opened)


@needs_strace
@pytest.mark.slow
def test_more_literals_are_not_more_system_calls(start: Callable[..., Program], tmp_path: Path) -> None:
    one = _called(start('[env]\nX = "x"\n'), tmp_path)
    lines = "\n".join(f'X{number} = "x"' for number in range(200))
    many = _called(start(f"[env]\n{lines}\n"), tmp_path)
    assert abs(many.number - one.number) < 40  # the heap that grows


@needs_strace
@pytest.mark.slow
def test_a_cloud_run_opens_no_bundle_of_authorities(start: Callable[..., Program], tmp_path: Path) -> None:
    pytest.importorskip("pycurl")
    with Store(lambda _: kakao_value('"x"')) as store:
        manifest = store.manifest('A = "kakaocloud://1"\nB = "kakaocloud://2"')
        called = _called(start(manifest, KAKAOCLOUD_TOKEN="t"), tmp_path)
    others = [path for path in called.opened if not _is_of_the_interpreter(path)]
    known = ("secrets.toml", "openssl.cnf", "/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/ssl/certs")
    assert [path for path in others if path != NOTHING and not path.endswith(known)] == []
    assert others.count("/etc/ssl/certs") <= 1  # is it a hashed one?
