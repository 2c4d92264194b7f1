"""Who is timed with which work: ours, the naive one, the Go one; and the files that they read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import build
from .clouds import CREDENTIALS, HTTP_1, HTTP_2, KAKAOCLOUD, Server
from .processes import Program

PASS = "python -c pass"
OURS, OURS_1 = "secrets-exec", "secrets-exec, HTTP/1.1"
WIDE, WIDE_1 = "secrets-exec -j N", "secrets-exec -j N, HTTP/1.1"
ONE_FILE, WIDE_FILE = "one file", "one file -j N"
NAIVE = "naive"
GO, GO_1, GO_FRESH = "Go", "Go, HTTP/1.1", "Go, HTTP/1.1, a connection each"
LITERALS, ENV, FILE, DOTENV = "literals", "env", "file", "dotenv"
VERSION, HELP = "--version", "--help"

_CONNECTIONS = {HTTP_2: 4, HTTP_1: 64}
"""Of the Go launcher at most, by what is offered: where it was quickest."""

_AT_ONCE = 16
"""Requests that ours has under way when nothing is said."""

MOST = 1000
"""Secrets that a manifest may have."""

_Tables = dict[str, dict[str, dict[str, str]] | dict[str, str]]

LOCALS = 10
"""Variables of a work that no cloud takes part in."""


@dataclass(frozen=True, slots=True)
class Built:
    """What was built: the folder of the launcher's programs, and the Go programs."""

    tool: Path
    server: Path
    limit: Path

    @property
    def python(self) -> str:
        """The interpreter that the launcher runs in."""
        return str(self.tool / "python")


def variables(number: int) -> list[str]:
    """The names of so many variables. The ids of their secrets are the same."""
    return [f"S{index}" for index in range(number)]


def values(names: Iterable[str]) -> dict[str, str]:
    """What the server has under these ids."""
    return {name: f"fake-{name}" for name in names}


def bare_python(python: str) -> Program:
    """The interpreter that does nothing, started as a script's is: it looks at its settings and imports `site`."""
    return Program(PASS, (python, "-c", "pass"), build.environ(), is_launcher=False)


class Clouds:
    """Launchers with secrets of one server's clouds."""

    def __init__(self, built: Built, server: Server) -> None:
        self._built = built
        self._server = server
        self._folder = server.folder
        self._environ = build.environ() | CREDENTIALS

    def ours(self, cloud: str, number: int, protocol: str = HTTP_2) -> Program:
        """Our own, with a manifest in TOML as users write it."""
        manifest = self._manifest_file(cloud, number, protocol)
        name = OURS if protocol == HTTP_2 else OURS_1
        return self._program(name, number, *self._ours(manifest))

    def wide(self, cloud: str, number: int, protocol: str = HTTP_2) -> list[Program]:
        """Our own with as many requests at once as the Go launcher has; nothing where that is no difference."""
        if number <= _AT_ONCE:
            return []
        at_once = number if protocol == HTTP_2 else min(number, _CONNECTIONS[HTTP_1])
        words = self._ours(self._manifest_file(cloud, number, protocol), "-j", str(at_once))
        return [self._program(WIDE if protocol == HTTP_2 else WIDE_1, number, *words)]

    def one_file(self, cloud: str, number: int) -> list[Program]:
        """The executable that `make onefile` builds; nothing where it was not built."""
        if not build.ONE_FILE.exists():
            return []
        manifest = self._manifest_file(cloud, number, HTTP_2)
        words = [str(build.ONE_FILE), "-f", str(manifest), "--"]
        made = [self._program(ONE_FILE, number, *words)]
        if number > _AT_ONCE:
            made.append(self._program(WIDE_FILE, number, words[0], "-j", str(number), *words[1:]))
        return made

    def _ours(self, manifest: Path, *options: str) -> list[str]:
        return [str(self._built.tool / "secrets-exec"), *options, "-f", str(manifest), "--"]

    def _manifest_file(self, cloud: str, number: int, protocol: str) -> Path:
        manifest = self._folder / f"{cloud}-{number}-{protocol}.toml"
        manifest.write_text(_toml(self._manifest(cloud, variables(number), self._server.endpoints[protocol])))
        return manifest

    def naive(self, cloud: str, number: int) -> Program:
        """Click, requests, ten threads (naive.py)."""
        return self._program(NAIVE, number, str(self._built.tool / "naive"), self._plain(cloud, number, HTTP_2))

    def limit(self, cloud: str, number: int, protocol: str = HTTP_2, *, fresh: bool = False) -> Program:
        """The Go launcher; `fresh` with a connection for each request, as ours has over HTTP/1.1."""
        name = GO_FRESH if fresh else GO if protocol == HTTP_2 else GO_1
        options = ["-connections", str(_CONNECTIONS[protocol]), *["-fresh"] * fresh]
        return self._program(name, number, str(self._built.limit), *options, self._plain(cloud, number, protocol))

    def growing(self, cloud: str, number: int) -> Program:
        """Our own code with more secrets than a manifest may have, from several of them (growth.py)."""
        names, endpoint, manifests = variables(number), self._server.endpoints[HTTP_2], list[str]()
        for first in range(0, number, MOST):
            path = self._folder / f"growing-{cloud}-{first}.json"
            path.write_text(json.dumps(self._manifest(cloud, names[first : first + MOST], endpoint)))
            manifests.append(str(path))
        words = (self._built.python, str(Path(__file__).with_name("growth.py")), *manifests)
        return Program(f"{number:,}", words, self._environ, str(self._folder), is_launcher=False)

    def load(self, cloud: str, requests: int, protocol: str = HTTP_2) -> float:
        """How many requests a second the server answers when it is asked as fast as can be."""
        words: list[str | Path] = [self._built.limit, "-load", str(requests), self._plain(cloud, 1, protocol)]
        return float(build.call(words, shown="limit -load", given=CREDENTIALS))

    def _program(self, name: str, number: int, *words: str) -> Program:
        return Program(name, words, self._environ, str(self._folder), values(variables(number)))

    def _manifest(self, cloud: str, names: Iterable[str], endpoint: str) -> _Tables:
        settings = {"ca_bundle": self._server.authorities}
        if cloud == KAKAOCLOUD:
            settings |= {"endpoint": endpoint, "iam_endpoint": endpoint}
        else:
            settings |= {"endpoint": f"{endpoint}/secretmanager"}
        secrets = {name: f"{cloud}://{name}" for name in names}
        return {"providers": {cloud: settings}, "secrets": secrets}

    def _plain(self, cloud: str, number: int, protocol: str) -> str:
        """The manifest of the naive and the Go launcher."""
        path = self._folder / f"plain-{cloud}-{number}-{protocol}.json"
        secrets = {name: name for name in variables(number)}
        where = {"endpoint": self._server.endpoints[protocol], "ca": self._server.authorities}
        path.write_text(json.dumps({"cloud": cloud, **where, "secrets": secrets}))
        return str(path)


def _toml(manifest: _Tables, before: str = "") -> str:
    """Tables of tables of strings as TOML; the strings need no escapes."""
    lines = []
    for name, table in manifest.items():
        texts = {key: value for key, value in table.items() if isinstance(value, str)}
        if texts:
            lines += [f"[{before}{name}]", *(f'{key} = "{value}"' for key, value in texts.items())]
        for key, inner in table.items():
            if not isinstance(inner, str):
                lines.append(_toml({key: inner}, f"{before}{name}."))
    return "\n".join(lines) + "\n"


class Locals:
    """Our own with work that needs no cloud: ten variables each."""

    def __init__(self, built: Built, folder: Path) -> None:
        self.tool = built.tool
        self.folder = folder
        self.dotenv_file = folder / ".env"
        self._names = variables(LOCALS)
        self._values = values(self._names)
        self.dotenv_file.write_text("".join(f"{name}={value}\n" for name, value in self._values.items()))
        self.files = folder / "files"
        self.files.mkdir(exist_ok=True)
        for name, value in self._values.items():
            (self.files / name).write_text(value)

    def work(self, kind: str) -> Program:
        """Literals, or the secrets of one local provider."""
        environ, table = build.environ(), "secrets"
        match kind:
            case "literals":
                table, lines = "env", self._values
            case "env":
                environ |= {f"GIVEN_{name}": value for name, value in self._values.items()}
                lines = {name: f"env://GIVEN_{name}" for name in self._names}
            case "file":
                lines = {name: f"file://{self.files}/{name}" for name in self._names}
            case _:
                lines = {name: f"dotenv://{self.dotenv_file}#{name}" for name in self._names}
        manifest = self.folder / f"{kind}.toml"
        manifest.write_text(_toml({table: lines}))
        words = (str(self.tool / "secrets-exec"), "-f", str(manifest), "--")
        return Program(kind, words, environ, str(self.folder), self._values)

    def peer(self, name: str, words: tuple[str, ...], more: dict[str, str]) -> Program:
        """A peer with the same ten variables."""
        return Program(name, words, build.environ() | more, str(self.folder), self._values)

    def told(self, option: str) -> Program:
        """`--version` or `--help`."""
        return Program(option, (str(self.tool / "secrets-exec"), option), build.environ(), is_launcher=False)
