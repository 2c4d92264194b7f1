"""The portable transport: what a library's exception becomes, and what becomes of threads."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
import subprocess
import sys
import threading

import pytest
import requests
import urllib3
from loopback import Server, answer, hang

from envinject.transports import (
    REFUSED,
    RETRIED_FAILURES,
    SENSELESS,
    TIMED_OUT,
    TRUNCATED,
    UNREACHABLE,
    UNTRUSTED,
    Failure,
)
from envinject.transports.requests import UNKNOWN, failure

CANARY = "c4n4ry"
BASES = {urllib3.exceptions.HTTPError, requests.exceptions.RequestException}
"""What says nothing but that a library raised it."""


@pytest.fixture
def transport_name() -> str:
    return "requests"


def exceptions_of(module: object) -> set[type[Exception]]:
    found = {value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Exception)}
    return {one for one in found if not issubclass(one, Warning) and one.__module__.startswith(("requests", "urllib3"))}


EXCEPTIONS = sorted(
    (exceptions_of(requests.exceptions) | exceptions_of(urllib3.exceptions)) - BASES,
    key=lambda one: (one.__module__, one.__name__),
)


def raised(one: type[BaseException], *args: object) -> BaseException:
    """An exception of that class, whatever its constructor wants, with a text that must not be told."""
    error = one.__new__(one, *args or (CANARY,))
    error.args = args or (CANARY,)
    return error


@pytest.mark.parametrize("one", EXCEPTIONS, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_exception_of_the_libraries_is_told_in_our_own_words(one):
    told = failure(raised(one))
    assert told != UNKNOWN, f"{one.__module__} has a new exception: say what it means in _MEANINGS"
    assert CANARY not in repr(told)


@pytest.mark.parametrize("one", [*sorted(BASES, key=repr), ValueError, KeyError, AttributeError, UnicodeDecodeError])
def test_what_nobody_has_thought_of_is_never_retried_nor_quoted(one):
    error = UnicodeDecodeError("utf-8", CANARY.encode(), 0, 1, CANARY) if one is UnicodeDecodeError else raised(one)
    assert failure(error) == UNKNOWN
    assert UNKNOWN.kind not in RETRIED_FAILURES


def wrapped(cause: Exception) -> Exception:
    """A cause as urllib3 and requests wrap it."""
    try:
        try:
            raise cause
        except Exception as inner:
            raise urllib3.exceptions.MaxRetryError(None, CANARY, inner) from inner  # type: ignore[arg-type]  # no pool is needed
    except Exception as error:
        return requests.exceptions.ConnectionError(error)


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (MemoryError(), REFUSED),
        (OSError(errno.EMFILE, CANARY), REFUSED),
        (OSError(errno.ENOMEM, CANARY), REFUSED),
        (OSError(errno.EHOSTUNREACH, CANARY), UNREACHABLE),
        (OSError(CANARY), UNREACHABLE),
        (socket.gaierror(socket.EAI_NONAME, CANARY), UNREACHABLE),
        (ConnectionRefusedError(errno.ECONNREFUSED, CANARY), UNREACHABLE),
        (ConnectionResetError(errno.ECONNRESET, CANARY), UNREACHABLE),
        (BrokenPipeError(errno.EPIPE, CANARY), UNREACHABLE),
        (http.client.RemoteDisconnected(CANARY), UNREACHABLE),
        (TimeoutError(CANARY), TIMED_OUT),
        (urllib3.exceptions.ConnectTimeoutError(None, CANARY), TIMED_OUT),
        (urllib3.exceptions.NewConnectionError(None, CANARY), UNREACHABLE),  # type: ignore[arg-type]  # nor is a connection
        (urllib3.exceptions.ProxyError(CANARY, TimeoutError()), UNREACHABLE),
        (http.client.IncompleteRead(CANARY.encode(), 9), TRUNCATED),
        (urllib3.exceptions.ProtocolError(CANARY), TRUNCATED),
        (urllib3.exceptions.ProtocolError(CANARY, http.client.BadStatusLine(CANARY)), SENSELESS),
        (http.client.LineTooLong(CANARY), SENSELESS),
        (urllib3.exceptions.DecodeError(CANARY), SENSELESS),
        (requests.exceptions.InvalidHeader(CANARY), SENSELESS),
        (requests.exceptions.InvalidProxyURL(CANARY), SENSELESS),
        (ssl.SSLEOFError(8, CANARY), UNREACHABLE),
        (ssl.SSLError(1, CANARY), UNTRUSTED),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_the_cause_decides_however_deep_it_lies(cause, kind):
    for error in (cause, wrapped(cause)):
        told = failure(error)
        assert told.kind == kind
        assert CANARY not in told.what


def test_a_circle_of_causes_ends():
    one, other = OSError(), ValueError()
    one.__cause__, other.__cause__ = other, one
    assert failure(one).kind == UNREACHABLE


# Threads


def ours() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "_work" in thread.name]


def test_a_thread_that_is_done_takes_the_next_request(drive, get):
    with Server(otherwise=answer(200, b"ok")) as server:
        driver = drive()
        for _ in range(10):
            driver.exchange(get(server.url))
        assert len(ours()) == 1
        assert all(thread.daemon for thread in ours())
        driver.transport.close()
        for thread in ours():
            thread.join(10)
        assert ours() == []


def test_an_abandoned_request_takes_no_thread_from_the_others(drive, get):
    with Server({"/hangs": [hang]}, otherwise=answer(200, b"ok")) as server:
        driver = drive()
        for _ in range(3):
            driver.transport.abandon(driver.send(get(server.url, "/hangs")))
        assert driver.exchange(get(server.url)).body == b"ok"


def test_a_system_that_starts_no_thread_is_told(drive, get, monkeypatch):
    started = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if "_work" in thread.name:
            raise RuntimeError("can't start new thread")
        started(thread)

    with Server(otherwise=answer(200, b"ok")) as server:
        driver = drive()
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            assert driver.exchange(get(server.url)) == Failure(REFUSED, "the system starts no thread")
        assert driver.exchange(get(server.url)).body == b"ok"
        assert len(server.received) == 1
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            tags = {driver.send(get(server.url)) for _ in range(3)}
            assert all(outcome.body == b"ok" for outcome in driver.outcomes(tags).values())


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_system_without_descriptors_is_told(scheme):
    program = (
        "import resource, sys\n"
        "from envinject.transports import Request, open_transport\n"
        "from envinject.url import parse_endpoint\n"
        "transport = open_transport({'SECRETS_EXEC_TRANSPORT': 'requests'}, print)\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "transport.send(1, Request('GET', parse_endpoint(sys.argv[1]), '/'), 10)\n"
        "print(transport.wait(10)[0][1].kind)\n"
    )
    with Server() as server:
        command = [sys.executable, "-P", "-c", program, f"{scheme}://127.0.0.1:{server.port}"]
        done = subprocess.run(command, env=os.environ, capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (f"{REFUSED}\n".encode(), b"")


def test_signals_are_the_main_threads(drive, get):
    """A signal for the process must not end up in a thread that is busy in a library."""
    with Server(otherwise=hang) as server:
        driver = drive()
        driver.send(get(server.url))
        (thread,) = ours()
        with open(f"/proc/self/task/{thread.native_id}/status", encoding="ascii") as status:
            blocked = next(line.split()[1] for line in status if line.startswith("SigBlk"))
    assert int(blocked, 16) & (1 << 14)  # SIGTERM is 15


def test_a_name_that_names_no_transport_is_told(drive):
    from envinject.errors import UsageError

    with pytest.raises(UsageError, match="names no transport"):
        drive({"SECRETS_EXEC_TRANSPORT": "carrier-pigeon"})
