"""The emulator itself: answers each request by the service that it is for, and logs it.

Loopback only. Neither the log nor `Emulator.requests` ever holds the value of a secret or a credential.
"""

from __future__ import annotations

import errno
import ipaddress
import json
import secrets
import signal
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self, TextIO

from .faults import Faults
from .listener import Listener
from .message import Refused, Request, Response, json_response
from .routing import HOSTS, SERVICES, Service, route
from .seed import load_seed
from .state import Fail, Seed

NAMES = ("127.0.0.1", "::1", "localhost", *HOSTS)
"""The names in the certificate that `tls_context` makes."""

SHAPE = 1
"""The version of the JSON that tells where it listens."""


class CannotStart(Exception):
    """The emulator cannot start; `hint` says how to mend that."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class LoggedRequest(NamedTuple):
    """One request as the log has it: no header but Host, no body.

    `service` is a key of `Emulator.endpoints` and `provider` its cloud, both empty for a path that no service
    has; `credential` is the name of the credential set that was used, `note` why the answer is no success.
    """

    time: float
    method: str
    target: str
    host: str
    status: int
    service: str
    provider: str
    credential: str
    note: str


class Emulator:
    """Both clouds' secret APIs on a loopback address, while its `with` block runs.

    `port` 0 takes a free one. `tls` is a server's context (see `tls_context`). `clock` gives the seconds
    since the epoch for everything: tokens, timestamps, rate limits, Date headers. `log` gets a line per
    request.

    Raises: CannotStart for a host that is not loopback and, on entering, for a port in use.
    """

    def __init__(
        self,
        seed: Seed,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        log: TextIO | None = None,
    ) -> None:
        self._seed = seed
        self._address = (_loopback(host), port)
        self._origin = f"{'https' if tls else 'http'}://{_in_url(host)}"
        self._tls = tls
        self._clock = clock
        self._log = log
        self._log_lock = threading.Lock()
        self._requests: list[LoggedRequest] = []
        self._faults = Faults(seed, clock)
        self._closing = threading.Event()
        self._listener: Listener | None = None

    def __enter__(self) -> Self:
        try:
            self._listener = Listener(self._address, self._respond, self._clock, self._tls)
        except OSError as error:
            raise _cannot_listen(self._address, error) from None
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up on everyone and stop to listen, also before the end of the `with` block."""
        self._closing.set()
        if self._listener:
            self._listener.close()

    @property
    def url(self) -> str:
        """`http://HOST:PORT` or `https://HOST:PORT`."""
        if self._listener is None:
            raise RuntimeError("the emulator has not been started: use it in a with statement")
        return f"{self._origin}:{self._listener.port}"

    @property
    def endpoints(self) -> dict[str, str]:
        """What to set as endpoint, by service."""
        return {service.name: self.url + service.endpoint for service in SERVICES}

    @property
    def requests(self) -> list[LoggedRequest]:
        """The requests so far, in the order in which they were answered."""
        return self._requests.copy()

    def _respond(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Response:
        service, path = route(headers.get("host", ""), target)
        request = Request(method, target, path, headers, body, self._clock(), secrets.token_hex(16))
        response = self._answer(service, request) if service else _nowhere()
        self._record(service, request, response)
        return response

    def _answer(self, service: Service, request: Request) -> Response:
        """The service's answer, late and wrong where the seed says so."""
        if self._closing.wait(self._seed.traffic[service.provider].delay):
            raise ConnectionAbortedError
        if self._faults.throttled(service.provider):
            return service.error(Refused(429, note="rate_limit", headers=(("Retry-After", "1"),)), request)
        response = service.answer(self._seed, request)
        if response.secret and (fail := self._faults.forced(service.provider, response.secret)):
            return replace(_failed(fail, service, request), credential=response.credential)
        return response

    def _record(self, service: Service | None, request: Request, response: Response) -> None:
        record = LoggedRequest(
            time=request.time,
            method=request.method,
            target=request.target,
            host=request.headers.get("host", ""),
            status=response.status,
            service=service.name if service else "",
            provider=service.provider if service else "",
            credential=response.credential,
            note=response.note,
        )
        with self._log_lock:
            self._requests.append(record)
            if self._log:
                _write(self._log, f"{_log_line(record)}\n")


def serve(
    seed_path: Path | str,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    tls: bool = False,
    as_json: bool = False,
    out: TextIO | None = None,
    log: TextIO | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Run an emulator until SIGINT or SIGTERM, or where `stop` is given until it is set; return 0.

    When it is ready, `out` (standard output) gets one line per endpoint and a manifest's providers, all at
    once, or as one line of JSON; `log` (standard error) gets a line per request.

    Raises: SeedError for the seed, CannotStart for everything else.
    """
    seed = load_seed(seed_path)
    with ExitStack() as stack:
        wait = stop.wait if stop else stack.enter_context(_stop_signals())
        context, ca_file = None, None
        if tls:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="secrets-exec-emulator-"))
            context, ca_file = tls_context(folder)
        emulator = stack.enter_context(Emulator(seed, host, port, tls=context, log=log or sys.stderr))
        ready = announcement(emulator.endpoints, ca_file)
        _write(out or sys.stdout, json.dumps(ready) + "\n" if as_json else _told(ready))
        wait()
    return 0


def tls_context(folder: Path | str, names: Sequence[str] = NAMES) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a new certificate for these names, and its authority's file in the folder.

    Raises: CannotStart when `trustme` is not installed.
    """
    try:
        import trustme  # an extra
    except ImportError:
        hint = "pip install 'envinject[emulator]', or leave --tls out"
        raise CannotStart("TLS needs the package trustme", hint) from None
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    authority.issue_cert(*names).configure_cert(context)
    ca_file = Path(folder, "ca.pem")
    authority.cert_pem.write_to_path(str(ca_file))
    return context, ca_file


def _loopback(host: str) -> str:
    """The address of a loopback host."""
    with suppress(ValueError):
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
        if address.is_loopback:
            return str(address)
    hint = "a seed's values are for this machine only: use 127.0.0.1, ::1 or localhost"
    raise CannotStart(f"{_printable(host)} is not a loopback address", hint)


def _in_url(host: str) -> str:
    return f"[{host.strip('[]')}]" if ":" in host else host


def _cannot_listen(address: tuple[str, int], error: OSError) -> CannotStart:
    host, port = address
    why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
    what = f"cannot listen on port {port} of {host}: {why}"
    return CannotStart(what, "choose another port, or 0 for a free one")


def _nowhere() -> Response:
    error = f"no emulated service has this path; they begin with {', '.join(s.prefix for s in SERVICES)}"
    return json_response(404, {"error": error}, note="no emulated service has this path")


def _failed(fail: Fail, service: Service, request: Request) -> Response:
    headers = (("Retry-After", fail.retry_after),) if fail.retry_after else ()
    if fail.body is None:
        return service.error(Refused(fail.status, code=fail.code, note="fail", headers=headers), request)
    return Response(fail.status, fail.body.encode(), fail.content_type, headers, note="fail")


# --- What is said ---


def announcement(endpoints: Mapping[str, str], ca_file: Path | None) -> dict[str, Any]:
    """What a client needs: `shape` (1), `endpoints` by their names, `ca_file` (None without TLS), and `providers`.

    The last are those of a manifest for this emulator, with their settings.
    """
    trust = {"ca_bundle": str(ca_file)} if ca_file else {}
    kakaocloud = {"endpoint": endpoints["kakaocloud"], "iam_endpoint": endpoints["kakaocloud-iam"], **trust}
    ncloud = {"endpoint": endpoints["ncloud"], "keys": "isolated", **trust}
    return {
        "shape": SHAPE,
        "endpoints": dict(endpoints),
        "ca_file": str(ca_file) if ca_file else None,
        "providers": {"kakaocloud": kakaocloud, "ncloud": ncloud},
    }


def _told(ready: Mapping[str, Any]) -> str:
    places = ready["endpoints"] | ({"ca-file": ready["ca_file"]} if ready["ca_file"] else {})
    lines = [f"{name:<19} {place}" for name, place in places.items()]
    for name, settings in ready["providers"].items():
        lines += ["", f"[providers.{name}]", *(f'{key} = "{value}"' for key, value in settings.items())]
    return "\n".join(lines) + "\n"


def _log_line(record: LoggedRequest) -> str:
    moment = datetime.fromtimestamp(record.time, UTC).isoformat(timespec="milliseconds")
    path = record.target.partition("?")[0]
    words = (moment, record.method, path, record.status, record.service or "-", record.credential or "-")
    return _printable(" ".join(map(str, words)) + (f" ({record.note})" if record.note else ""))


def _printable(text: str) -> str:
    return "".join(c if " " <= c <= "~" else f"\\x{ord(c):02x}" for c in text)


def _write(stream: TextIO | None, text: str) -> None:
    """Write and flush; that nobody reads it, or that it was closed from the start, is no reason to stop."""
    if stream is None:
        return
    with suppress(OSError, ValueError):
        stream.write(text)
        stream.flush()


# --- Signals ---


@contextmanager
def _stop_signals() -> Iterator[Callable[[], None]]:
    """A function that waits for SIGINT or SIGTERM. Whichever thread gets the signal, a byte ends the wait."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        handlers = {number: signal.signal(number, _leave_it_to_the_byte) for number in numbers}
        try:
            yield lambda: _await_byte(reader, numbers)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)


def _leave_it_to_the_byte(_number: int, _frame: object) -> None:
    pass


def _await_byte(reader: socket.socket, numbers: Sequence[int]) -> None:
    while reader.recv(1)[0] not in numbers:
        pass
