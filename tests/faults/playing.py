"""Plays a scenario: hostile servers, the real launcher as a process, and everything that must hold afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple

from .canaries import Canary
from .certificates import Certificates
from .scenarios import Scenario
from .server import Asked, Host, Proxy, Store, good, plain
from .worlds import NAME, Machine

LAUNCHER = [sys.executable, "-P", "-m", "envinject"]
CHILD = [
    sys.executable,
    "-ISc",
    "import hashlib, json, os; print(json.dumps({name.decode('latin-1'): hashlib.sha256(value).hexdigest()"
    " for name, value in os.environb.items()}))",
]
"""The command: it tells the digest of each of its variables."""

WAYS = ("curl", "curl over HTTP/2", "requests")
CREDENTIALS = {
    "kakaocloud": ("KAKAOCLOUD_APPLICATION_CREDENTIAL_ID", "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET"),
    "ncloud": ("NCLOUD_ACCESS_KEY_ID", "NCLOUD_SECRET_ACCESS_KEY"),
}
_PATIENCE = 60.0
_SNAPSHOTS = 4
_OURS = frozenset(
    """
    host user-agent accept accept-encoding connection content-type content-length x-auth-token
    x-ncp-apigw-timestamp x-ncp-iam-access-key x-ncp-apigw-signature-v2 proxy-connection proxy-authorization
    """.split()
)


class Played(NamedTuple):
    """What came of a scenario."""

    code: int
    output: bytes
    errors: bytes
    seconds: float
    child: Mapping[str, str] | None
    requests: int
    exchanges: int
    problems: Sequence[str]


class Stage:
    """Servers and folders of one scenario. `way` says over which transport and protocol it is played."""

    def __init__(self, scenario: Scenario, way: str, certificates: Certificates, folder: Path) -> None:
        self.scenario = scenario
        self.way = way
        self.certificates = certificates
        self.folder = folder
        self.hosts: dict[str, Host] = {}
        self.machine: Machine | None = None
        self.lines: set[bytes] = set()
        """Argument lists of all processes, seen while requests were under way."""
        self._snapshots = 0
        self._asked = threading.Event()
        self.values = {id_: Canary(f"value of {id_}", "") for id_ in scenario.ids}
        self.token = Canary("token")
        self.secret_key = Canary("secret key")
        self.access_key = Canary("access key", "")
        self.wrong = Canary("another's value", "")
        self.netrc = Canary("netrc", "")
        self.store = Store(
            scenario.provider,
            {id_: self.value(id_) for id_ in scenario.ids},
            self.token.text,
            self.access_key.text,
            self.secret_key.text,
            self.wrong.text,
            given_token=self.token.text if scenario.credentials == "token" else "",
            clock=scenario.clock,
            rejected=scenario.rejected,
        )

    def value(self, id_: str) -> str:
        """The value of a secret: what the scenario says, its canary filled in."""
        return self.scenario.value.replace("CANARY", self.values[id_].core)

    def play(self) -> Played:
        """Run the launcher to its end."""
        for name in ("home", "work", "tmp"):
            (self.folder / name).mkdir()
        self._write("home/.netrc", f"default login me password {self.netrc.text}\n", 0o600)
        with ExitStack() as stack:
            self._open(stack)
            self._write("work/secrets.toml", self._manifest())
            before = self._files()
            started = time.monotonic()
            code, output, errors = self._launch()
            seconds = time.monotonic() - started
        child = json.loads(output) if output else None
        counted = {role: len(host.received) for role, host in self.hosts.items()}
        played = Played(code, output, errors, seconds, child, counted["store"], counted["iam"], ())
        return played._replace(problems=[*self._problems(played), *self._leaks(played, before)])

    # The world

    def _open(self, stack: ExitStack) -> None:
        scenario = self.scenario
        protocols = ("h2", "http/1.1") if self.way == "curl over HTTP/2" else ()
        if scenario.world:
            addresses = ["127.0.0.1", "127.0.0.1", "127.0.0.1", scenario.world.at]
            self.machine = stack.enter_context(Machine(scenario.world, addresses))
        self._host(stack, "evil", {})
        self._host(stack, "plain evil", {}, doors=[plain])
        self._host(stack, "iam", {"": scenario.iam}, doors=scenario.iam_doors, protocols=protocols)
        self._host(
            stack,
            "store",
            {"": scenario.store, **scenario.by_id},
            doors=scenario.doors,
            protocols=scenario.protocols or protocols,
            listens=scenario.listens,
            accepts=scenario.accepts,
            streams=scenario.streams,
        )
        if scenario.proxy:
            proxy = Proxy(
                "proxy",
                self.store,
                self.certificates,
                {"": scenario.proxy},
                doors=scenario.proxy_doors or [plain],
                listens=scenario.proxy_listens,
                seen=self._seen,
            )
            self.hosts["proxy"] = stack.enter_context(proxy)
        ports = {role: host.port for role, host in self.hosts.items()}
        self.store.authorities |= {
            "EVIL": f"127.0.0.1:{ports['evil']}",
            "PLAINEVIL": f"127.0.0.1:{ports['plain evil']}",
            "SELF": f"127.0.0.1:{ports['store']}",
            "IAM": f"127.0.0.1:{ports['iam']}",
            "PROXY": f"127.0.0.1:{ports.get('proxy', 0)}",
        }

    def _host(self, stack: ExitStack, role: str, script: Mapping[str, Sequence[object]], **how: Any) -> None:
        acts = {key: list(value) or [good] for key, value in script.items()}
        if self.machine:
            how["listener"] = self.machine.listeners.pop(0)
        if self.scenario.world and role == "store":
            how["name"] = self.scenario.world.endpoint
        host = Host(role, self.store, self.certificates, acts, seen=self._seen, **how)
        self.hosts[role] = stack.enter_context(host)

    def _seen(self, _asked: Asked) -> None:
        self._asked.set()
        self._snapshots += 1
        if self._snapshots <= _SNAPSHOTS:
            self.lines |= set(_argument_lists())

    def _manifest(self) -> str:
        scenario = self.scenario
        lines = ["[providers.acme]", f'type = "{scenario.provider}"', f'endpoint = "{self.hosts["store"].url}"']
        lines += [f'iam_endpoint = "{self.hosts["iam"].url}"'] if scenario.provider == "kakaocloud" else []
        lines += [f'timeout = "{scenario.attempt}"', *scenario.settings]
        lines += ["[secrets]", *scenario.secrets]
        lines += ["[options]", f'timeout = "{scenario.timeout}"', f'outage = "{scenario.outage}"', *scenario.options]
        return "\n".join(lines) + "\n"

    def _environ(self) -> dict[str, str]:
        evil = f"http://{self.store.authorities['PLAINEVIL']}"
        names = CREDENTIALS[self.scenario.provider]
        kept = ("PATH", "PYTHONDONTWRITEBYTECODE", "COVERAGE_PROCESS_START")
        environ = {name: os.environ[name] for name in kept if name in os.environ}
        environ |= {
            "HOME": str(self.folder / "home"),
            "TMPDIR": str(self.folder / "tmp"),
            "SECRETS_EXEC_TRANSPORT": self.way.partition(" ")[0],
            "SSL_CERT_FILE": str(self.certificates.file),
            "SSLKEYLOGFILE": str(self.folder / "tmp" / "keys"),
            "ALL_PROXY": evil,
            "http_proxy": evil,
            "SECRETS_EXEC_ALLOW_ENDPOINT": NAME,
            "INHERITED": "as it was",
        }
        if self.scenario.credentials == "token":
            environ["KAKAOCLOUD_TOKEN"] = self.token.text
        elif self.scenario.credentials == "keys":
            environ |= dict(zip(names, (self.access_key.text, self.secret_key.text), strict=True))
        for name, text in self.scenario.environ.items():
            environ[name] = self.store.fill_places(text)
        return environ

    def _launch(self) -> tuple[int, bytes, bytes]:
        launcher = subprocess.Popen(
            [*(self.machine.enter if self.machine else ()), *LAUNCHER, *self.scenario.words, "--", *CHILD],
            env=self._environ(),
            cwd=self.folder / "work",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with launcher:
            try:
                if self.scenario.signal:
                    self._wait_for_contact()
                    launcher.send_signal(signal.Signals[self.scenario.signal])
                output, errors = launcher.communicate(timeout=_PATIENCE)
            except BaseException:
                launcher.kill()
                raise
        return launcher.returncode, output, errors

    def _wait_for_contact(self) -> None:
        """Until the launcher is in the middle of it."""
        ends = time.monotonic() + _PATIENCE
        while not self._is_contacted():
            assert time.monotonic() < ends, "the launcher never came"
            self._asked.wait(0.01)

    def _is_contacted(self) -> bool:
        if self.scenario.requests:
            return self._asked.is_set()
        return bool(self.hosts["store"].connections or (self.machine and self.machine.questions))

    def _write(self, name: str, text: str, mode: int = 0o644) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(mode)

    def _files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

    # What must hold

    def _problems(self, played: Played) -> Iterator[str]:
        scenario = self.scenario
        if played.code != scenario.code:
            yield f"the exit code is {played.code}, not {scenario.code}"
        if (played.child is not None) != (scenario.code == 0):
            yield "the child was started" if played.child else "the child was not started"
        if not _allows(scenario.requests, played.requests):
            yield f"{played.requests} requests, not {scenario.requests}"
        if not _allows(scenario.exchanges, played.exchanges):
            yield f"{played.exchanges} token exchanges, not {scenario.exchanges}"
        if not _allows(scenario.connections, self.hosts["store"].connections):
            yield f"{self.hosts['store'].connections} connections, not {scenario.connections}"
        if played.seconds > scenario.within:
            yield f"it took {played.seconds:.1f} s, not {scenario.within:g}"
        yield from self._wrong_messages(played)
        yield from self._wrong_variables(played)
        yield from self._wrong_requests()

    def _wrong_messages(self, played: Played) -> Iterator[str]:
        scenario, text = self.scenario, played.errors.decode("latin-1")
        lines = text.splitlines()
        if not all(line.isascii() and line.isprintable() for line in lines) or not text.endswith("\n" if lines else ""):
            yield "a message is not printable ASCII"
        if not all(line.startswith(("secrets-exec: ", "  where: ", "  hint:  ")) for line in lines):
            yield "a line is not of our own form"
        if "Traceback" in text or "a bug in" in text:
            yield "a traceback, or a bug, is told"
        yield from (f"'{words}' is not told" for words in scenario.says if not re.search(words, text))
        if scenario.code in (0, *range(129, 160)):
            retries = [line for line in lines if "trying again" in line]
            if lines != retries[:1]:
                yield "more is told than a first retry"
            return
        if not 1 <= len(lines) <= scenario.lines:
            yield f"{len(lines)} lines are told, not 1 to {scenario.lines}"
        yield from (f"the message does not name {name}" for name in scenario.names if name not in text)

    def _wrong_variables(self, played: Played) -> Iterator[str]:
        if played.child is None:
            return
        told = {"INHERITED": "as it was", **self._expected()}
        for name, value in told.items():
            if played.child.get(name) != hashlib.sha256(value.encode()).hexdigest():
                yield f"{name} is not what it should be"
        asked_for = {name for name in played.child if name.startswith("SECRET")}
        yield from (f"{name} was never asked for" for name in asked_for - told.keys())
        hidden = {"KAKAOCLOUD_TOKEN", *CREDENTIALS["kakaocloud"], *CREDENTIALS["ncloud"]}
        yield from (f"the child has {name}" for name in hidden & played.child.keys())

    def _expected(self) -> Mapping[str, str]:
        scenario = self.scenario
        if scenario.sets is None:
            return {name: self.value(id_) for name, id_ in scenario.variables.items()}
        return {name: text.replace("CANARY", self.values[scenario.ids[0]].core) for name, text in scenario.sets.items()}

    def _wrong_requests(self) -> Iterator[str]:
        for role in ("evil", "plain evil"):
            if self.hosts[role].connections:
                yield f"the host '{role}' was contacted"
        for asked in self._requests():
            names = {name.lower() for name, _ in asked.headers}
            yield from (f"a request to {asked.host} has the header {name}" for name in names - _OURS)
            if asked.header("proxy-authorization") and asked.host != "proxy":
                yield "a host got the proxy's credentials"
            if asked.host == "proxy" and asked.method != "CONNECT":
                yield f"the proxy was asked to {asked.method}"
            if asked.header("accept-encoding") != "identity" and asked.host != "proxy":
                yield "another encoding than identity was asked for"

    def _requests(self) -> Iterator[Asked]:
        return (asked for host in self.hosts.values() for asked in host.received)

    def _leaks(self, played: Played, before: Mapping[str, bytes]) -> Iterator[str]:
        after = self._files()
        yield from (f"the file {name} was written" for name in after.keys() - before.keys())
        yield from (f"the file {name} was changed" for name in before if after.get(name) != before[name])
        places = {"standard output": played.output, "standard error": played.errors}
        places["an argument list"] = b"\n".join(self.lines)
        places |= {name: data for name, data in after.items() if name != "home/.netrc"}
        for role, host in self.hosts.items():
            places[f"a request to {role}"] = b"\n".join(map(_as_bytes, host.received))
        ours: list[tuple[Canary, Sequence[str]]] = [
            (self.token, ["store"]),
            (self.secret_key, ["iam"]),
            (self.access_key, ["iam"] if self.scenario.provider == "kakaocloud" else ["store"]),
            (self.wrong, []),
            (self.netrc, []),
            *((canary, []) for canary in self.values.values()),
        ]
        for canary, roles in ours:
            for place, data in places.items():
                if place.removeprefix("a request to ") not in roles:
                    yield from (f"{place} holds the {canary.kind}, as {form}" for form in canary.found_in(data))


def _allows(wanted: int | tuple[int, int | None] | None, number: int) -> bool:
    if wanted is None or isinstance(wanted, int):
        return wanted in (None, number)
    least, most = wanted
    return least <= number and (most is None or number <= most)


def _as_bytes(asked: Asked) -> bytes:
    headers = "\n".join(f"{name}: {value}" for name, value in asked.headers)
    return f"{asked.method} {asked.target}\n{headers}\n".encode() + asked.body


def _argument_lists() -> Iterator[bytes]:
    """Of every process that we can see."""
    if not os.path.isdir("/proc/self"):
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                yield Path("/proc", name, "cmdline").read_bytes()
