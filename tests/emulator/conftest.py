"""A started emulator, a client that knows nothing of ours, and a clock that a test moves."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from envinject.emulator import Emulator, parse_seed

NOON = 1_800_000_000.0


class Clock:
    """The time, as long as nobody moves it."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Answer(NamedTuple):
    """An answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Callable[..., Emulator]]:
    """Start an emulator of a seed's document."""
    with ExitStack() as stack:

        def start(document: dict[str, Any], **options: Any) -> Emulator:
            return stack.enter_context(Emulator(parse_seed(document), **({"clock": clock} | options)))

        yield start


@pytest.fixture
def send() -> Callable[..., Answer]:
    """Send one request, on a connection of its own."""
    return _send


@pytest.fixture
def sign(clock: Clock) -> Callable[..., dict[str, str]]:
    """The headers of a NAVER Cloud request, by default of the credential set `fake-access`."""

    def sign(
        target: str,
        *,
        method: str = "GET",
        access_key: str = "fake-access",
        secret_key: str = "fake-secret",
        timestamp: str | None = None,
    ) -> dict[str, str]:
        timestamp = timestamp or str(int(clock.now * 1000))
        message = f"{method} {target}\n{timestamp}\n{access_key}".encode()
        digest = hmac.new(secret_key.encode(), message, hashlib.sha256).digest()
        return {
            "x-ncp-apigw-timestamp": timestamp,
            "x-ncp-iam-access-key": access_key,
            "x-ncp-apigw-signature-v2": base64.b64encode(digest).decode(),
        }

    return sign


def _send(
    emulator: Emulator, method: str, target: str, headers: dict[str, str] | None = None, body: bytes | None = None
) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(emulator.url).netloc)
    try:
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()
    return answer
