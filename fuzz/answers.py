"""Answers of the stores: any status, headers and body is read, or refused in our own words.

An input is a byte that chooses who asks, then answers with a record separator (0x1E) between them. An answer is a line
with a status (0 is none at all), lines of headers, an empty line, and a body.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from envinject import jsontext
from envinject.errors import Failures, SecretsExecError
from envinject.expand import CASES, NESTED, Expansion, expand
from envinject.providers.kakaocloud import KakaoCloud
from envinject.providers.ncloud import NCloud
from envinject.reference import SecretRef
from envinject.secret import Secret
from envinject.transports import Answer

from .canary import CANARY, check, holds_canary, marked
from .flows import NOW, Driver

_TOKEN = {"KAKAOCLOUD_TOKEN": CANARY}
_ACCESS_KEY = {"KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "id", "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": CANARY}
_KEYS = {"NCLOUD_ACCESS_KEY_ID": "id", "NCLOUD_SECRET_ACCESS_KEY": CANARY}
_ONE = ("active",)
_ALL = ("previous", "active", "pending")

_WHO: tuple[tuple[type, dict[str, Any], dict[str, str], tuple[str, ...]], ...] = (
    (KakaoCloud, {}, _TOKEN, ()),
    (KakaoCloud, {"api": "classic"}, _TOKEN, ()),
    (KakaoCloud, {}, _ACCESS_KEY, ()),
    (KakaoCloud, {}, _TOKEN | _ACCESS_KEY, ()),
    (NCloud, {}, _KEYS, _ONE),
    (NCloud, {}, _KEYS, _ALL),
    (NCloud, {"keys": "isolated", "region": "JP"}, _KEYS, _ALL),
    (NCloud, {"server_role": True}, {}, _ONE),
    (NCloud, {}, {"HOME": "/home"}, _ONE),
)
_MOST_ANSWERS = 8


def try_one(data: bytes) -> None:
    """See above."""
    kind, settings, environ, stages = _WHO[data[0] % len(_WHO)] if data else _WHO[0]
    pieces = marked(data[1:]).split(b"\x1e")[:_MOST_ANSWERS]
    provider = kind("store", settings, environ)
    refs = tuple(SecretRef("store", "5ec", stage=stage) for stage in stages) or (SecretRef("store", "5ec"),)
    configured = pieces.pop(0) if "HOME" in environ else b""
    found = Driver([_answer(piece) for piece in pieces], lambda _path: configured).end(provider.read(refs))
    if isinstance(found, SecretsExecError):
        return
    if found.keys() != set(refs):
        raise AssertionError("not every reference has an outcome")
    for outcome in found.values():
        _check_outcome(outcome)


def _answer(piece: bytes) -> Answer:
    head, _, body = piece.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    headers = (line.partition(":") for line in lines)
    digits = first[:3] if first[:3].isdigit() and first.isascii() else "200"
    return Answer(int(digits), {name.strip().lower(): text.strip() for name, _, text in headers}, body, NOW, 2)


def _check_outcome(outcome: Secret | SecretsExecError) -> None:
    if isinstance(outcome, SecretsExecError):
        check(outcome)
        return
    if holds_canary(f"{outcome!r} {outcome}"):
        raise AssertionError("a value that shows itself")
    for case in CASES:
        for nested in NESTED:  # keys of an object are told in errors, so the canary may be
            with suppress(SecretsExecError, Failures):
                expand(outcome, Expansion("X_", case, nested=nested))
    with suppress(SecretsExecError, jsontext.NotJSON):
        _look_up(jsontext.parse(outcome.reveal()))


def _look_up(document: Any) -> None:
    keys = list(document)[:3] if isinstance(document, dict) else []
    for key in (*keys, "/0", "/a/b", "missing"):
        with suppress(SecretsExecError, ValueError):  # a key of the object need not be a JSON Pointer
            jsontext.to_bytes(jsontext.look_up(document, key))
