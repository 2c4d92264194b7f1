"""What the tests of manifests share: reading one in this process, running a command with one, and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from envinject.errors import Failures, SecretsExecError
from envinject.fetch import fetch
from envinject.inject import Injection, injections
from envinject.log import Log
from envinject.manifest import Manifest, load


def outcome(act: Callable[[], Any], *kinds: type[Exception]) -> Any:
    """What a call gives, or the exception of these kinds that it raises."""
    try:
        return act()
    except kinds as error:
        return error


def read(text: str | bytes, name: str = "secrets.toml", *, environ: Mapping[str, str] | None = None, **how: Any) -> Any:
    """The model of a manifest's text, which becomes a file in the working folder."""
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_files(name, environ=environ, **how)


def read_files(*files: str, environ: Mapping[str, str] | None = None, **how: Any) -> Manifest:
    """The model of manifest files; a warning is an error unless `warn` takes it."""
    return load(files, environ or {}, **{"warn": _no_warning} | how)


def _no_warning(what: str, hint: str) -> None:
    pytest.fail(f"warned: {what} ({hint})")


def problems(text: str | bytes, name: str = "secrets.toml", **how: Any) -> list[SecretsExecError]:
    """Everything that is wrong with a manifest's text, in order; it must be 78, and told with a way to mend it."""
    with pytest.raises(Failures) as caught:
        read(text, name, **how)
    assert {error.exit_code for error in caught.value.errors} == {78}
    assert [error.what for error in caught.value.errors if not error.hint] == []
    return list(caught.value.errors)


def problem(text: str | bytes, name: str = "secrets.toml", **how: Any) -> SecretsExecError:
    """The one thing that is wrong with a manifest's text."""
    (error,) = problems(text, name, **how)
    return error


def made(text: str, name: str = "secrets.toml", *, environ: Mapping[str, str] | None = None) -> list[Injection]:
    """The variables that a manifest's text makes, its local secrets read."""
    manifest = read(text, name, environ=environ)
    given = {key.encode(): value.encode() for key, value in (environ or {}).items()}
    return injections(manifest, fetch(manifest, given, Log(), time.monotonic()), given)


def values(text: str, name: str = "secrets.toml", *, environ: Mapping[str, str] | None = None) -> dict[str, bytes]:
    """The names and values of those variables."""
    return {one.name: one.value.reveal() for one in made(text, name, environ=environ)}


def environment_of(done: CompletedProcess[bytes]) -> dict[bytes, bytes]:
    """The variables that a launched `env -0` printed; it must have started, and nothing must have been told."""
    assert (done.returncode, done.stderr) == (0, b"")
    strings = [string for string in done.stdout.split(b"\0") if string]
    found = dict(string.split(b"=", 1) for string in strings)
    assert len(found) == len(strings), "each name occurs once"
    return found


def model(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says, without where it says so, to be compared."""
    return {
        "providers": {name: (one.type, one.settings) for name, one in manifest.providers.items()},
        "entries": [
            (entry.replace(node=None, default=None), entry.default and entry.default.reveal())
            for entry in manifest.entries
        ],
        "literals": [(literal.name, literal.value.reveal()) for literal in manifest.literals],
        "options": manifest.options,
    }
