"""What each way through the launcher imports, and that arrows between modules only go down."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest
from launching import PATIENCE, TRANSPORTS, Store, kakao_value

import envinject

_FOLDER = Path(envinject.__file__).parent
_FOREIGN = {
    "certifi",
    "charset_normalizer",
    "click",
    "cryptography",
    "curl",
    "dotenv",
    "idna",
    "psutil",
    "pycurl",
    "requests",
    "rich",
    "trustme",
    "urllib3",
    "yaml",
}
"""What other people's packages may be imported anywhere."""

_COSTLY = {
    "argparse",
    "asyncio",
    "concurrent",
    "dataclasses",
    "datetime",
    "http",
    "importlib.metadata",
    "json",
    "logging",
}
_COSTLY |= {"multiprocessing", "pathlib", "re", "signal", "ssl", "subprocess", "tomllib", "typing"}
"""Of the standard library, what a start does without: 5 to 50 ms each."""


class Loaded(NamedTuple):
    """The modules that one run imported: ours, other people's packages, and the costly ones of the library."""

    ours: set[str]
    foreign: set[str]
    costly: set[str]


def _loaded(*words: str, **environ: str) -> Loaded:
    command = [sys.executable, "-X", "importtime", "-P", "-m", "envinject", *words]
    settled = {"LC_ALL": "C.UTF-8", **environ}  # in the C locale an interpreter changes its own, which we undo
    done = subprocess.run(command, env={**os.environ, **settled}, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    names = {line.rpartition("|")[2].strip() for line in lines}
    return Loaded(
        {name.removeprefix("envinject.") for name in names if name.startswith("envinject.")},
        {name.partition(".")[0] for name in names} & _FOREIGN,
        {costly for costly in _COSTLY if any(name == costly or name.startswith(f"{costly}.") for name in names)},
    )


_START = {"cli", "cli.commands", "cli.line", "cli.options", "environ", "errors", "log", "record"}
_HANDLERS = {"child", "child.signals"}
_RUN = {"run", "inject", "child", "child.command", "child.dumps", "child.ending", "child.replace"}
_RUN |= {"files", "reference", "secret"}
_RUN |= {"manifest", "manifest.document", "manifest.fields", "manifest.merge", "manifest.model"}
_RUN |= {"manifest.reader", "manifest.tomltext", "providers"}
_PARENT = _HANDLERS | {"child.program", "child.supervise"}
_FETCH = {"fetch", "fetch.engine", "fetch.policy", "jsonplain", "jsontext", "providers.base", "transports", "url"}


def test_the_version_imports_the_command_line_alone() -> None:
    assert _loaded("--version") == Loaded(_START | {"cli.output"}, set(), set())


def test_help_imports_the_command_line_and_click() -> None:
    found = _loaded("--help")
    assert (found.ours, found.foreign) == (_START | {"cli.app", "cli.output"}, {"click"})


def test_literals_import_no_provider_and_no_transport(manifest: Callable[..., Path]) -> None:
    path = manifest('[env]\nX = "x"\n')
    assert _loaded("-f", str(path), "--", "true") == Loaded(_START | _RUN, set(), set())


@pytest.mark.parametrize(
    ("reference", "provider", "package"),
    [
        ("env://HOME", "providers.env", set()),
        ("file://secret", "providers.file", set()),
        ("dotenv://x.env#KEY", "providers.dotenv", set()),
        ("dotenv://escaped.env#KEY", "providers.dotenv", {"dotenv"}),
    ],
    ids=["env", "file", "dotenv", "dotenv with escapes"],
)
def test_a_local_provider_imports_itself_and_no_transport(
    manifest: Callable[..., Path], reference: str, provider: str, package: set[str]
) -> None:
    path = manifest(f'[secrets]\nX = "{reference}"\n')
    (path.parent / "secret").write_text("s")
    (path.parent / "x.env").write_text("# plain\nexport KEY='s'\n")
    (path.parent / "escaped.env").write_text('KEY="\\n"\n')
    found = _loaded("-f", str(path), "--", "true")
    assert found.ours == _START | _RUN | _FETCH | {provider}
    assert found.foreign == package
    assert "ssl" not in found.costly


@pytest.mark.parametrize(("name", "package"), [("m.json", set()), ("m.yaml", {"yaml"})], ids=["JSON", "YAML"])
def test_a_format_imports_its_parser(manifest: Callable[..., Path], name: str, package: set[str]) -> None:
    pytest.importorskip("yaml" if package else "json")
    found = _loaded("-f", str(manifest('{"env": {"X": "x"}}', name)), "--", "true")
    assert found.foreign == package


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_cloud_run_imports_its_provider_and_one_transport(manifest: Callable[..., Path], transport: str) -> None:
    with Store(lambda _: kakao_value('"x"')) as store:
        path = manifest(store.manifest('X = "kakaocloud://1"'))
        environ = {"KAKAOCLOUD_TOKEN": "t", "SECRETS_EXEC_TRANSPORT": transport}
        found = _loaded("-f", str(path), "--", "true", **environ)
    ours = {
        "curl": {"transports.curl", "transports.libcurl", "loading"},
        "requests": {"transports.requests", *_HANDLERS},
    }[transport]
    theirs = {"curl": set(), "requests": {"requests", "urllib3", "charset_normalizer", "idna", "certifi"}}[transport]
    assert (
        found.ours == _START | _RUN | _FETCH | {"providers.kakaocloud", "transports.coding", "transports.trust"} | ours
    )
    assert found.foreign - {"pycurl", "curl"} == theirs
    assert transport == "requests" or not found.costly


def test_a_supervised_run_imports_what_forks_as_well(manifest: Callable[..., Path]) -> None:
    """Both processes tell; what the parent becomes is no longer the launcher."""
    found = _loaded("--supervise", "-f", str(manifest('[env]\nX = "x"\n')), "--", "true")
    assert found == Loaded(_START | _RUN | _PARENT | {"child.descriptors"}, set(), {"signal"})


@pytest.mark.parametrize(
    ("how", "words", "more", "costly"),
    [
        ("", [], {"child.memfd"}, set()),
        ("", ["--supervise"], {"child.memfd", *_PARENT}, {"signal"}),
        (', file = "tmpfs"', ["--supervise"], {"child.memfd", "child.tmpfs", *_PARENT}, {"signal"}),
    ],
    ids=["memfd", "supervised", "tmpfs"],
)
def test_files_import_what_makes_them(
    manifest: Callable[..., Path], how: str, words: list[str], more: set[str], costly: set[str]
) -> None:
    path = manifest(f'[secrets]\nX = {{ provider = "env", id = "HOME", as = "file"{how} }}\n')
    found = _loaded(*words, "-f", str(path), "--", "true")
    expected = _START | _RUN | _FETCH | {"providers.env", "placement", "child.descriptors"} | more
    ours = found.ours - {"child.supervisor"}  # where another test has left something to remove
    assert Loaded(ours, found.foreign, found.costly) == Loaded(expected, set(), costly)


@pytest.mark.parametrize("command", ["check", "plan"])
def test_reports_import_no_provider_that_is_not_named(manifest: Callable[..., Path], command: str) -> None:
    found = _loaded(command, "-f", str(manifest('[env]\nX = "x"\n')))
    assert found.ours == _START | _RUN | _HANDLERS | {"cli.output", "inheritance", "report", "sheet", "manifest.lines"}
    assert not found.foreign


def test_a_shell_that_completes_waits_for_little(manifest: Callable[..., Path]) -> None:
    found = _loaded("completion", "--words", "variables", "-f", str(manifest('[secrets]\nX = "ncloud://1"\n')))
    assert not found.foreign | found.costly - {"signal"}
    assert not any(name.startswith(("providers.", "fetch", "run", "cli.completion.")) for name in found.ours)


def test_values_are_handed_out_without_click(manifest: Callable[..., Path]) -> None:
    path = manifest('[env]\nX = "x"\n')
    ours = _START | _RUN | _HANDLERS | {"audit", "cli.output", "outlets", "outlets.export", "outlets.formats"}
    assert _loaded("export", "-f", str(path), "--format", "shell") == Loaded(ours, set(), {"signal"})


# Arrows


_FLOORS = [
    {"errors", "secret", "record", "packed", "loading"},
    {"reference", "expand", "template", "environ", "child", "log", "jsontext", "jsonplain", "files", "url", "duration"}
    | {"timeline", "picture", "sheet", "hashes"},
    {"transports"},
    {"providers.base"},
    {"providers.dotenv", "providers.env", "providers.file", "providers.kakaocloud", "providers.ncloud"},
    {"providers"},
    {"manifest", "fetch", "inject", "groups", "placement", "cache", "audit", "progress"},
    {"run"},
    {"inheritance", "report", "changes", "doctor", "outlets", "schema", "drafts", "copying"},
    {"emulator"},
    {"cli"},
    {"__main__"},
]
"""From the ground up. A module stands on the floor of the longest name that it begins with."""

_KEPT_OFF = {"re", "enum", "typing", "dataclasses", "pathlib", "logging"}
"""What costs milliseconds and the launch path does without (record.py instead of dataclasses)."""

_OFF_THE_PATH = ("emulator", "manifest.lines", "cli.app", "transports.requests")
"""Modules that may import those all the same: not of the launch path, or beside a library that does so anyway."""


class Arrow(NamedTuple):
    """One module imports another: while `loading`, later while `running`, or for `typing` alone."""

    source: str
    target: str
    when: str


def _modules() -> dict[str, Path]:
    return {
        ".".join(path.relative_to(_FOLDER).with_suffix("").parts).removesuffix(".__init__") or "": path
        for path in _FOLDER.rglob("*.py")
    }


_MODULES = {("" if name == "__init__" else name): path for name, path in _modules().items()}


def _imports(node: ast.AST, when: str = "loading") -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    """Every import, and when it happens: see Arrow."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, when
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from _imports(ast.Module(child.body, []), "typing")
            yield from _imports(ast.Module(child.orelse, []), when)
        else:
            is_function = isinstance(child, ast.FunctionDef)
            yield from _imports(child, "running" if is_function else when)


def _arrows() -> Iterator[Arrow]:
    for source, path in _MODULES.items():
        package = source.split(".") if path.name == "__init__.py" else source.split(".")[:-1]
        for node, when in _imports(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = package[: len(package) - (node.level - 1)]
                names = [*base, *(node.module.split(".") if node.module else [])]
                for alias in node.names:
                    full = ".".join(filter(None, [*names, alias.name]))
                    target = full if full in _MODULES else ".".join(filter(None, names))
                    if target != source:
                        yield Arrow(source, target, when)


_ARROWS = sorted(set(_arrows()))


def _floor(module: str) -> int:
    floors = [
        (len(name), number)
        for number, names in enumerate(_FLOORS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert floors, f"{module} has no floor: give it one in _FLOORS"
    return max(floors)[1]


def test_the_arrows_are_found_at_all() -> None:
    assert Arrow("__main__", "cli.line", "running") in _ARROWS
    assert Arrow("run", "manifest", "typing") in _ARROWS
    assert len(_ARROWS) > 100


def test_every_module_has_a_floor() -> None:
    assert all(_floor(module) >= 0 for module in _MODULES if module)


def test_arrows_only_go_down() -> None:
    arrows = [arrow for arrow in _ARROWS if arrow.source and arrow.target]
    assert [arrow for arrow in arrows if _floor(arrow.source) < _floor(arrow.target)] == []


def test_imports_form_no_cycle() -> None:
    """Of what is imported while a module is loaded; a package may load its own parts when they are needed."""
    graph: dict[str, set[str]] = {}
    for arrow in _ARROWS:
        if arrow.when == "loading":
            graph.setdefault(arrow.source, set()).add(arrow.target)
    TopologicalSorter(graph).prepare()


def test_other_peoples_packages_are_imported_in_one_place_each() -> None:
    places: dict[str, set[str]] = {}
    for module, path in _MODULES.items():
        for node, when in _imports(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            for name in names if isinstance(node, ast.Import) or not node.level else []:
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and when != "typing":
                    places.setdefault(top, set()).add(module)
    expected = {
        "_secrets_exec": {"child.supervise"},  # of the one file
        "certifi": {"transports.trust"},
        "click": {"cli.app", "cli.prompts"},
        "cryptography": {"cache"},
        "dotenv": {"providers.dotenv"},
        "psutil": {"child.descendants"},
        "pycurl": {"transports.libcurl"},
        "requests": {"transports.requests"},
        "program": {"child.watcher"},  # ours: what stays is a program that knows no package
        "rich": {"cli.pretty"},
        "supervisor": {"child.watcher"},  # as `program`
        "trustme": {"emulator.server"},
        "urllib3": {"transports.requests"},
        "yaml": {"manifest.yamltext"},
    }
    assert {top: where for top, where in places.items() if where != expected.get(top)} == {}


@pytest.mark.parametrize("module", [name for name in _MODULES if name and not name.startswith(_OFF_THE_PATH)])
def test_a_module_of_the_launch_path_does_without_what_costs_milliseconds(module: str) -> None:
    found = set()
    for node, when in _imports(ast.parse(_MODULES[module].read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        if when != "typing":
            found |= {name.partition(".")[0] for name in names} & _KEPT_OFF
    assert not found
