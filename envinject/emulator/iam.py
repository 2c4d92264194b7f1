"""KakaoCloud IAM: OpenStack Keystone v3, with application credentials only. Request in, response out.

Nothing is remembered: a token says itself whose it is and until when, sealed with its access key's secret. So
it outlives a restart of the emulator, as it would one of the real service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus

from .message import Refused, Request, Response, Routes, json_response
from .state import KakaoCloud, KakaoCredential

_TOKEN_PREFIX = "gAAAAA"
_SEAL_SIZE = 16


def iam(cloud: KakaoCloud, request: Request) -> Response:
    """Answer as IAM does: issue a token, or say whose it is."""
    try:
        handler, _ = _ROUTES.find(request)
        return handler(cloud, request)
    except Refused as refused:
        return iam_error(refused, request)


def iam_error(refused: Refused, _request: Request) -> Response:
    """A refusal in Keystone's shape."""
    title = HTTPStatus(refused.status).phrase if refused.status in set(HTTPStatus) else "Error"
    message = "The request you have made requires authentication." if refused.status == 401 else f"{title}."
    error = {"code": refused.status, "message": message, "title": title}
    return json_response(refused.status, {"error": error}, refused.headers, refused.note)


def authenticated(cloud: KakaoCloud, request: Request) -> KakaoCredential:
    """Whose token a request carries. Raises: Refused when it carries none that holds."""
    text = request.headers.get("x-auth-token")
    if not text:
        raise Refused(401, note="no X-Auth-Token")
    return _token(cloud, text, request.time).credential


def _issue(cloud: KakaoCloud, request: Request) -> Response:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused(400, note="Content-Type: application/json is mandatory")
    credential = _presented(cloud, request.body)
    token = _Token(credential, request.time, request.time + cloud.token_lifetime)
    return _token_response(201, token, _written(token))


def _validate(cloud: KakaoCloud, request: Request) -> Response:
    authenticated(cloud, request)
    subject = request.headers.get("x-subject-token", "")
    try:
        token = _token(cloud, subject, request.time)
    except Refused as refused:
        raise Refused(404, note=f"the subject token: {refused.note}") from None
    return _token_response(200, token, subject)


def _presented(cloud: KakaoCloud, body: bytes) -> KakaoCredential:
    identity = _within(_document(body), "auth", "identity")
    methods = _within(identity, "methods")
    if not (isinstance(methods, list) and "application_credential" in methods):
        raise Refused(400, note="auth.identity.methods does not list application_credential")
    given = _within(identity, "application_credential")
    id, secret = _within(given, "id"), _within(given, "secret")
    if not (isinstance(id, str) and isinstance(secret, str)):
        raise Refused(400, note="auth.identity.application_credential needs an id and a secret")
    credential = cloud.credentials.get(id)
    if credential is None:
        raise Refused(401, note="unknown access key")
    if not hmac.compare_digest(credential.secret.encode(), secret.encode("utf-8", "replace")):
        raise Refused(401, note=f"wrong secret access key of {credential.name}")
    return credential


def _document(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        pass
    raise Refused(400, note="the body is not JSON")


def _within(document: object, *keys: str) -> object:
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def _token_response(status: int, token: _Token, text: str) -> Response:
    project = {"id": "0123abcd", "name": "emulated", "domain": {"id": "4567cdef", "name": "emulator"}}
    description = {
        "methods": ["application_credential"],
        "issued_at": _rfc3339(token.issued),
        "expires_at": _rfc3339(token.expires),
        "project": project,
        "roles": [{"id": "89ab", "name": "Secrets Manager Manager"}],
        "user": {"id": "cdef", "name": token.credential.name, "domain": project["domain"]},
    }
    response = json_response(status, {"token": description}, (("X-Subject-Token", text),))
    return replace(response, credential=token.credential.name)


def _rfc3339(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class _Token:
    credential: KakaoCredential
    issued: float
    expires: float


def _written(token: _Token) -> str:
    claim = f"{token.issued!r} {token.expires!r} {token.credential.id}".encode()
    return _TOKEN_PREFIX + base64.urlsafe_b64encode(_seal(token.credential, claim) + claim).decode()


def _token(cloud: KakaoCloud, text: str, now: float) -> _Token:
    """Read a token. Raises: Refused when it is not one of ours or has expired."""
    for credential in cloud.credentials.values():
        if credential.token == text:
            return _Token(credential, now, now + cloud.token_lifetime)
    token = _read(cloud, text)
    if token is None:
        raise Refused(401, note="unknown token")
    if now >= token.expires:
        raise Refused(401, note=f"expired token of {token.credential.name}")
    return token


def _read(cloud: KakaoCloud, text: str) -> _Token | None:
    try:
        data = base64.urlsafe_b64decode(text.removeprefix(_TOKEN_PREFIX).encode("ascii"))
        seal, claim = data[:_SEAL_SIZE], data[_SEAL_SIZE:]
        issued, expires, id = claim.decode().split(" ", 2)
        credential = cloud.credentials[id]
        if hmac.compare_digest(seal, _seal(credential, claim)):
            return _Token(credential, float(issued), float(expires))
    except (ValueError, KeyError):
        pass
    return None


def _seal(credential: KakaoCredential, claim: bytes) -> bytes:
    return hmac.digest(credential.secret.encode(), claim, hashlib.sha256)[:_SEAL_SIZE]


_ROUTES: Routes[Callable[[KakaoCloud, Request], Response]] = Routes(
    {"POST /identity/v3/auth/tokens": _issue, "GET /identity/v3/auth/tokens": _validate}
)
