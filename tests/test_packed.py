"""The modules of a start, compiled into one file that the wheel brings: the same modules, found without looking."""

from __future__ import annotations
import __future__

import ast
import marshal
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType

import pytest
from launching import PACKAGES, PATIENCE, Store, kakao_value

from envinject.packed import file_name

ROOT = Path(__file__).parents[1]

_TOLD = """\
import atexit, os, sys
def tell(*_):
    own = [module for name, module in sys.modules.items() if name.startswith("envinject")]
    for module in own:
        loader = type(module.__spec__.loader).__name__ if module.__spec__ else "none"
        print(module.__name__, loader, module.__file__, file=sys.stderr)
sys.addaudithook(lambda event, _: tell() if event == "os.exec" else None)
"""
"""Goes before the script, and tells before the command takes over where each module has come from."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as pip builds it from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run([sys.executable, *words], check=True, timeout=PATIENCE * 4, stdin=subprocess.DEVNULL)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """A folder with what the wheel brings, without any bytecode."""
    folder = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(installed: Path) -> Iterator[Run]:
    """Run the script that the wheel brings; where modules come from is told on standard error."""
    (script,) = installed.glob("*.data/scripts/secrets-exec")
    paths = [str(installed), *PACKAGES[1:]]

    def run(*words: str, before: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        code = f"import sys; sys.path[:0] = {paths!r}\n{before}\n{script.read_text()}"
        command = [sys.executable, "-P", "-B", "-S", "-c", code, *words]
        return subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    yield run
    assert not list(installed.rglob("*.pyc"))


def _sources(told: str) -> dict[str, tuple[str, str]]:
    """The loader and the file of each module that was told."""
    rows = (line.split(maxsplit=2) for line in told.splitlines() if line.startswith("envinject"))
    return {name: (loader, path) for name, loader, path in rows}


def test_a_start_finds_its_modules_in_the_file(run: Run, installed: Path, manifest: Callable[..., Path]) -> None:
    pytest.importorskip("pycurl", reason="the other transport is not of the file")
    with Store(lambda _: kakao_value('"fetched"')) as store:
        path = manifest(store.manifest('X = "kakaocloud://1"'))
        done = run("-f", str(path), "--", "printenv", "X", before=_TOLD, KAKAOCLOUD_TOKEN="t")
    found = _sources(done.stderr)

    assert (done.returncode, done.stdout) == (0, "fetched\n")
    assert {name for name, (loader, _) in found.items() if loader != "Finder"} == {"envinject", "envinject.packed"}
    assert "envinject.fetch.engine" in found
    for _, path_told in found.values():
        assert Path(path_told).is_relative_to(installed)
        assert Path(path_told).is_file()


def test_what_is_not_in_it_is_found_beside_it(run: Run, manifest: Callable[..., Path]) -> None:
    done = run("plan", "-f", str(manifest('[env]\nX = "x"\n')), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"X"' in done.stdout


@pytest.mark.parametrize("how", ["none", "another's", "empty", "cut short"])
def test_without_a_file_for_this_interpreter_the_modules_are_read(
    run: Run, installed: Path, manifest: Callable[..., Path], how: str
) -> None:
    packed = installed / "envinject" / file_name()
    if how == "none":
        packed.unlink()
    elif how == "empty":
        packed.write_bytes(b"")
    elif how == "cut short":
        packed.write_bytes(packed.read_bytes()[:-9])
    else:
        packed.rename(packed.with_name("start.cpython-27.pack"))
    done = run("-f", str(manifest('[env]\nX = "x"\n')), "--", "printenv", "X", before=_TOLD)

    assert (done.returncode, done.stdout) == (0, "x\n")
    assert "Finder" not in {loader for loader, _ in _sources(done.stderr).values()}


def test_bytecode_of_a_release_that_is_not_final_is_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    final = file_name()
    monkeypatch.setattr(sys, "version_info", (*sys.version_info[:3], "beta", 1))
    assert file_name() != final
    assert f"{sys.hexversion:x}" in file_name()


def test_errors_and_frames_are_the_same(run: Run, manifest: Callable[..., Path]) -> None:
    done = run("--debug", "-f", str(manifest("[env]\nX = 1.5\n")), "--", "true")
    assert done.returncode == 78
    assert "secrets.toml:2" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_file_names_no_folder_of_who_built_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        data = archive.read(f"envinject/{file_name()}")
    assert str(ROOT).encode() not in data


def test_each_module_of_the_file_is_of_the_same_build(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = _loaded(archive.read(f"envinject/{file_name()}"))
        modules = {}
        for name, (is_package, _) in packed.items():
            path = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
            tree = _Unannotated().visit(ast.parse(archive.read(path), path))
            flags = __future__.annotations.compiler_flag
            modules[name] = (is_package, compile(tree, path, "exec", flags, dont_inherit=True))
    assert packed == modules


class _Unannotated(ast.NodeTransformer):
    """Takes away what a start makes and never looks at; what annotates the fields of a class is looked at."""

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module == "__future__" else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def _loaded(packed: bytes) -> dict[str, tuple[bool, CodeType]]:
    """What the file has: whether each module is a package, and its code."""
    head = 4 + int.from_bytes(packed[:4], "little")
    index = marshal.loads(packed[4:head])
    code = packed[head:]
    return {name: (is_package, marshal.loads(code[begin:end])) for name, (is_package, begin, end) in index.items()}


def test_a_tree_for_development_gets_no_file() -> None:
    assert not list((ROOT / "envinject").glob("*.pack"))
