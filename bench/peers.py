"""Peers that install from the registries: how each is had, and the words that have it do the same work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import build
from .clouds import HTTP_2, VAULT_TOKEN, Server
from .launchers import Locals, values, variables
from .processes import Program

PYPI, NPM = "PyPI", "npm"

_SECRETSPEC = """\
import os
import sys

from secretspec import SecretSpec

resolved = SecretSpec.builder().with_path(sys.argv[1]).with_provider(sys.argv[2]).with_reason("start").load()
resolved.set_as_env()
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""A launcher made of secretspec's SDK, since its own is not on PyPI."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A program of others: where it is from, and the words that come before the command.

    `words` get the folder of its programs, and what it is to work on. `about` says what it is.
    """

    name: str
    registry: str
    package: str
    about: str
    words: Callable[[Path, Work], tuple[str, ...]]
    environ: Mapping[str, str] = field(default_factory=dict)

    def install(self) -> Path:
        """Its folder of programs. Raises: Missing."""
        return build.from_pypi(self.package) if self.registry == PYPI else build.from_npm(self.package)


@dataclass(frozen=True, slots=True)
class Work:
    """What a peer reads: a folder for its own files; the variables' names; a server of Vault's API or local files."""

    folder: Path
    names: Sequence[str]
    endpoint: str = ""
    authorities: str = ""
    dotenv: str = ""
    files: str = ""


def _vault_cli(programs: Path, work: Work) -> tuple[str, ...]:
    config = work.folder / "vault.yml"
    config.write_text(f"url: {work.endpoint}\ntoken: {VAULT_TOKEN}\nca_bundle: {work.authorities}\n")
    wanted = [word for name in work.names for word in ("--envvar", f"secret/{name}:value={name}")]
    return (str(programs / "vault-cli"), "--config-file", str(config), "env", *wanted, "--")


def _secretspec(programs: Path, work: Work) -> tuple[str, ...]:
    spec, script = work.folder / f"secretspec-{len(work.names)}.toml", work.folder / "secretspec-launcher"
    lines = ["[project]", 'name = "bench"', 'revision = "1.0"', "[profiles.default]"]
    lines += [f'{name} = {{ description = "one of many", required = true }}' for name in work.names]
    spec.write_text("\n".join(lines) + "\n")
    build.write_script(script, programs / "python", _SECRETSPEC)
    return (str(script), str(spec), f"vault://{work.endpoint.partition('://')[2]}/secret")


def _dotenv_run(programs: Path, work: Work) -> tuple[str, ...]:
    return (str(programs / "dotenv"), "-f", work.dotenv, "run", "--")


def _dotenvx(programs: Path, work: Work) -> tuple[str, ...]:
    return (str(programs / "dotenvx"), "run", "--quiet", "-f", work.dotenv, "--")


def _env_cmd(programs: Path, work: Work) -> tuple[str, ...]:
    return (str(programs / "env-cmd"), "-f", work.dotenv)


def _dotenv_cli(programs: Path, work: Work) -> tuple[str, ...]:
    return (str(programs / "dotenv"), "-e", work.dotenv, "--")


def _varlock(programs: Path, _work: Work) -> tuple[str, ...]:
    return (str(programs / "varlock"), "run", "--no-redact-stdout", "--")  # it reads the working folder's .env


def _envdir(programs: Path, work: Work) -> tuple[str, ...]:
    return (str(programs / "envdir"), work.files)


_NO_TELEMETRY = {"VARLOCK_TELEMETRY_DISABLED": "1"}

WITH_VAULT = (
    Peer("vault-cli", PYPI, "vault-cli", "Vault, Python; one request after another", _vault_cli),
    Peer("secretspec", PYPI, "secretspec", "Vault, Rust beneath Python; its SDK and an exec", _secretspec),
)
WITH_FILES = (
    Peer("dotenv run", PYPI, "python-dotenv[cli]", "a dotenv file, Python", _dotenv_run),
    Peer("envdir", PYPI, "envdir", "a folder of files, Python", _envdir),
    Peer("dotenvx", NPM, "@dotenvx/dotenvx", "a dotenv file, Node", _dotenvx),
    Peer("env-cmd", NPM, "env-cmd", "a dotenv file, Node", _env_cmd),
    Peer("dotenv-cli", NPM, "dotenv-cli", "a dotenv file, Node", _dotenv_cli),
    Peer("varlock", NPM, "varlock@latest", "a dotenv file, Node; stays as a parent", _varlock, _NO_TELEMETRY),
)


def with_vault(peer: Peer, programs: Path, server: Server, number: int) -> Program:
    """A peer with so many secrets of the server's Vault."""
    names = variables(number)
    work = Work(server.folder, names, server.endpoints[HTTP_2], server.authorities)
    given = build.environ() | {"VAULT_TOKEN": VAULT_TOKEN, "SSL_CERT_FILE": server.authorities, **peer.environ}
    return Program(peer.name, peer.words(programs, work), given, str(server.folder), values(names))


def with_files(peer: Peer, programs: Path, locals_: Locals) -> Program:
    """A peer with ten local variables."""
    work = Work(locals_.folder, variables(10), dotenv=str(locals_.dotenv_file), files=str(locals_.files))
    return locals_.peer(peer.name, peer.words(programs, work), {"PWD": str(locals_.folder), **peer.environ})
