"""The application's Python settings are handed on to the command, and do not change what the launcher runs."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import PACKAGES, PATIENCE

from envinject.__main__ import _SETTINGS

_MODULE = [sys.executable, "-m", "envinject"]
_SAFE_MODULE = [sys.executable, "-P", "-m", "envinject"]
_SCRIPT = [str(Path(sysconfig.get_path("scripts"), "secrets-exec"))]

_HOSTILE = "import os\nos.write(2, b'taken over by ' + __name__.encode())\nos._exit(99)\n"
_MODULES = ("requests", "urllib3", "pycurl", "json", "click", "tomllib", "dotenv", "psutil", "signal", "ssl", "socket")

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder whose modules end whoever imports them."""
    folder = tmp_path / "app"
    folder.mkdir()
    for name in _MODULES:
        (folder / f"{name}.py").write_text(_HOSTILE)
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a command with a manifest that needs TOML, dotenv and JSON, and print the child's environment."""
    (tmp_path / "x.env").write_text("KEY=hello\n")
    (tmp_path / "m.toml").write_text('[secrets]\nGREETING = "dotenv://x.env#KEY"\n')

    def run(launcher: list[str], cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[bytes]:
        command = [*launcher, "-f", str(tmp_path / "m.toml"), "--", "cat", "/proc/self/environ"]
        return subprocess.run(
            command, env={**os.environ, **environ}, cwd=cwd, capture_output=True, timeout=PATIENCE, check=False
        )

    return run


@pytest.mark.parametrize("launcher", [_MODULE, _SAFE_MODULE, _SCRIPT], ids=["module", "safe module", "script"])
@pytest.mark.parametrize("path", ["{}", "{}:", "/nowhere:{}", "."], ids=["alone", "first", "last", "relative"])
def test_modules_on_pythonpath_are_not_ours(run: Run, hostile: Path, launcher: list[str], path: str) -> None:
    if not Path(launcher[0]).exists():
        pytest.skip("the console script is not installed")
    given = path.format(hostile)
    done = run(launcher, hostile, PYTHONPATH=given)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"PYTHONPATH={given}".encode() in done.stdout.split(b"\0")
    assert b"GREETING=hello" in done.stdout.split(b"\0")


@pytest.mark.parametrize("command", ["--version", "--help", "check", "plan", "providers"])
def test_nor_for_the_other_commands(hostile: Path, command: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(hostile), "SECRETS_EXEC_SET": "X=env://HOME"}
    done = subprocess.run([*_MODULE, command], cwd=hostile, env=environ, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (0, b"")


def test_modules_in_the_working_folder_are_not_ours(run: Run, tmp_path: Path) -> None:
    """All that has the name of a standard module, but those that the interpreter itself loads to find us."""
    folder = tmp_path / "everything"
    folder.mkdir()
    (folder / "first.py").write_text("import sys; print(*sys.modules)")
    loaded = subprocess.run([sys.executable, "-m", "first"], cwd=folder, capture_output=True, text=True, check=True)
    names = sys.stdlib_module_names - set(loaded.stdout.split())
    assert {"__future__", "signal", "enum", "re", "json", "tomllib", "socket"} <= names
    for name in names:
        (folder / f"{name}.py").write_text(_HOSTILE)
    done = run(_MODULE, folder)
    assert (done.returncode, done.stderr) == (0, b"")


_VALUES = {
    "PYTHONHOME": sys.base_prefix,
    "PYTHONPATH": "/nowhere",
    "PYTHONPLATLIBDIR": sys.platlibdir,
    "PYTHONUSERBASE": "/nowhere",
    "PYTHONPYCACHEPREFIX": "/nowhere",
    "PYTHONEXECUTABLE": sys.executable,
    "PYTHONWARNINGS": "error",
}


@pytest.mark.parametrize("name", _SETTINGS)
def test_every_setting_is_handed_on_and_not_followed(run: Run, name: str) -> None:
    value = _VALUES.get(name, "1")
    done = run(_SAFE_MODULE, **{name: value})
    assert done.returncode == 0, done.stderr
    assert f"{name}={value}".encode() in done.stdout.split(b"\0")


def test_the_launcher_itself_runs_without_them(tmp_path: Path) -> None:
    """The first start follows them, which nobody can prevent; the second, which does the work, does not."""
    probe = "import sys; open('starts', 'a').write(f'{sys.flags.ignore_environment} {sys.flags.dev_mode}\\n')"
    (tmp_path / "sitecustomize.py").write_text(f"{probe}\n")
    environ = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDEVMODE": "1"}
    subprocess.run([*_SAFE_MODULE, "--version"], env=environ, check=True, capture_output=True, timeout=PATIENCE)
    assert Path("starts").read_text() == "0 True\n"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1"},
        {"PYTHONPATH": "", "PYTHONWARNINGS": ""},
        {"PYTHON_VERSION": "3.11", "PYTHON_PIP_VERSION": "24", "PYTHONSTARTUP": "/nowhere"},
    ],
    ids=["none", "harmless", "empty", "of an image"],
)
def test_harmless_settings_cost_no_second_start(environ: dict[str, str]) -> None:
    assert _executions(environ) == 1


def test_others_cost_exactly_one() -> None:
    assert _executions({"PYTHONPATH": "/nowhere", "PYTHONWARNINGS": "error"}) == 2


def _executions(environ: dict[str, str]) -> int:
    """How often the launcher's process executes a program, by the kernel's own log of it."""
    strace = ["strace", "-qq", "-e", "trace=execve", "-e", "signal=none", "-o", "calls"]
    try:
        done = subprocess.run(
            [*strace, *_SAFE_MODULE, "--version"], env={**os.environ, **environ}, capture_output=True, timeout=60
        )
    except FileNotFoundError:
        done = None
    if done is None or done.returncode:
        pytest.skip("strace is not installed or not permitted")
    return len([line for line in Path("calls").read_text().splitlines() if line.endswith("= 0")])


def test_bytecode_is_not_written_where_that_was_asked_for(run: Run, tmp_path: Path) -> None:
    """A second start hands the wish on, though it is a Python setting too."""
    cache = tmp_path / "cache"
    settings = {"PYTHONWARNINGS": "error", "PYTHONDONTWRITEBYTECODE": "1"}
    done = run([sys.executable, "-X", f"pycache_prefix={cache}", *_SAFE_MODULE[1:]], **settings)
    assert done.returncode == 0
    assert not cache.exists()


def test_a_launcher_that_lies_on_pythonpath_runs_from_there(run: Run, tmp_path: Path) -> None:
    """`pip install --target`, as in some containers: without the setting there would be no launcher at all."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True, timeout=60)
    done = run([str(bare / "bin" / "python"), "-P", "-m", "envinject"], PYTHONPATH=os.pathsep.join(PACKAGES))
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"GREETING=hello" in done.stdout.split(b"\0")
