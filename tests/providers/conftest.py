"""Secrets read from servers on loopback, by the very path that the launcher takes: manifest, engine, sockets."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from loopback import Proxy, Server

from envinject.emulator import Emulator, parse_seed, tls_context
from envinject.errors import SecretsExecError
from envinject.fetch import fetch
from envinject.log import Log
from envinject.manifest import load
from envinject.secret import Secret

REFUSED_IDS = [
    "",
    ".",
    "..",
    "../x",
    "a..b",
    ".hidden",
    "a/b",
    "a%2Fb",
    "a b",
    "a\nb",
    "a\0b",
    "a\x7fb",
    "a*",
    "****",
    "a?b",
    "a#b",
    "a&b",
    "a\\b",
    "é",
    "\u0661",
    "x" * 129,
]
"""What no cloud's secret is called; a server would see another path."""

Outcome = bytes | SecretsExecError
Read = Callable[..., dict[str, Outcome]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read secrets: `read({"NAME": "kakao://id"}, {"kakao": {...}}, environ)` gives values and errors by name."""

    def read(
        secrets: Mapping[str, Any],
        providers: Mapping[str, Mapping[str, Any]] | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        allowed: Collection[str] = (),
    ) -> dict[str, Outcome]:
        document = {"providers": providers or {}, "secrets": secrets, "options": {"timeout": "30s", **(options or {})}}
        path = tmp_path / "read.json"
        path.write_text(json.dumps(document))
        given = {"HOME": str(Path.home()), "SECRETS_EXEC_TRANSPORT": "requests", **(environ or {})}
        manifest = load([str(path)], given, allowed_hosts=allowed, warn=_no_warning)
        encoded = {os.fsencode(name): os.fsencode(value) for name, value in given.items()}
        found = fetch(manifest, encoded, Log(), time.monotonic())
        return {entry.name: _seen(found[entry.target]) for entry in manifest.entries}

    return read


def _no_warning(what: str, _hint: str) -> None:
    raise AssertionError(what)


def _seen(found: Secret | SecretsExecError) -> Outcome:
    return found.reveal() if isinstance(found, Secret) else found


@pytest.fixture
def emulator() -> Iterator[Callable[..., Emulator]]:
    """Start an emulator of a seed's document."""
    with ExitStack() as stack:

        def emulator(document: dict[str, Any], **options: Any) -> Emulator:
            return stack.enter_context(Emulator(parse_seed(document), **options))

        yield emulator


@pytest.fixture
def store() -> Iterator[Callable[..., Server]]:
    """Start a server that answers by a script."""
    with ExitStack() as stack:

        def store(*args: Any, **how: Any) -> Server:
            return stack.enter_context(Server(*args, **how))

        yield store


class Cloud(NamedTuple):
    """Both clouds under their real names: an emulator behind TLS, and a proxy that leads every host to it."""

    emulator: Emulator
    proxy: Proxy
    environ: dict[str, str]

    @property
    def asked(self) -> list[tuple[str, str]]:
        """Host and target of each request, in order."""
        return [(request.host, request.target) for request in self.emulator.requests]


@pytest.fixture
def cloud(emulator: Callable[..., Emulator], tmp_path: Path) -> Iterator[Callable[..., Cloud]]:
    """Start both clouds of a seed's document; `environ` is what a launcher needs to find them."""
    context, ca_file = tls_context(tmp_path)
    with ExitStack() as stack:

        def cloud(document: dict[str, Any], **options: Any) -> Cloud:
            started = emulator(document, tls=context, **options)
            proxy = stack.enter_context(Proxy(int(started.url.rpartition(":")[2])))
            return Cloud(started, proxy, {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(ca_file)})

        yield cloud


@pytest.fixture(params=REFUSED_IDS, ids=repr)
def refused_id(request: pytest.FixtureRequest) -> str:
    """Each id that is outside of the grammar."""
    return str(request.param)
