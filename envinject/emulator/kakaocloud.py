"""KakaoCloud Secrets Manager, both generations. Request in, response out, no state.

Sources: the vendor's `kc-sdk-go` v2 (the current generation) and its page "Retrieve secret" (the classic
one). The strings in `code` are published nowhere: those here are our own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from .iam import authenticated
from .message import Refused, Request, Response, Routes, json_response
from .state import KakaoCloud, KakaoCredential, KakaoSecret, KakaoVersion

PAGE = 10
"""The size of a page of a list when the request does not say."""

LARGEST_PAGE = 100

_CREATED = "2026-01-02T03:04:05Z"
_FILTERS = ("name", "id", "status", "default_version", "kms_key_name", "created_by")

_WORDS = {
    400: ("BadRequest", "The request is not valid."),
    401: ("Unauthorized", "The request you have made requires authentication."),
    403: ("Forbidden", "You are not authorized to perform the requested action."),
    404: ("NotFound", "The requested resource could not be found."),
    405: ("MethodNotAllowed", "The method is not allowed for this resource."),
    429: ("TooManyRequests", "Too many requests."),
    500: ("InternalServerError", "An unexpected error occurred."),
}


def current(cloud: KakaoCloud, request: Request) -> Response:
    """Answer as the current generation does: the version is in the path, a value is any JSON."""
    return _answer(cloud, request, _CURRENT, current_error)


def classic(cloud: KakaoCloud, request: Request) -> Response:
    """Answer as the generation of the documentation page does: `?version=N`, a value is a string."""
    return _answer(cloud, request, _CLASSIC, classic_error)


def current_error(refused: Refused, _request: Request) -> Response:
    """A refusal in the current generation's shape."""
    code, message = _words(refused)
    return _error(refused, {"error": {"code": code, "message": message}})


def classic_error(refused: Refused, request: Request) -> Response:
    """A refusal in the classic generation's shape, which is that of its answers, without `data`."""
    code, message = _words(refused)
    return _error(refused, {"code": code, "message": message, "requestId": request.id})


def _answer(
    cloud: KakaoCloud,
    request: Request,
    routes: Routes[Callable[..., Response]],
    error: Callable[[Refused, Request], Response],
) -> Response:
    credential = ""
    try:
        handler, segments = routes.find(request)
        reader = authenticated(cloud, request)
        credential = reader.name
        response = handler(cloud, reader, request, **segments)
    except Refused as refused:
        response = error(refused, request)
    return replace(response, credential=credential)


def _list(cloud: KakaoCloud, reader: KakaoCredential, request: Request) -> Response:
    secrets = [_described(secret, reader) for secret in cloud.secrets.values()]
    wanted = {name: value for name, value in request.query.items() if name in _FILTERS}
    found = [s for s in secrets if all(str(s[name]) == value for name, value in wanted.items())]
    page, pagination = _page(request, found)
    return json_response(200, {"pagination": pagination, "secrets": page})


def _describe(cloud: KakaoCloud, reader: KakaoCredential, _request: Request, id: str) -> Response:
    return json_response(200, {"secret": _described(_secret(cloud, reader, id), reader)})


def _list_versions(cloud: KakaoCloud, reader: KakaoCredential, request: Request, id: str) -> Response:
    versions = _secret(cloud, reader, id).versions.values()
    page, pagination = _page(request, [_described_version(version) for version in versions])
    return json_response(200, {"versions": page, "pagination": pagination})


def _current_value(
    cloud: KakaoCloud, reader: KakaoCredential, request: Request, id: str, version: str | None = None
) -> Response:
    secret = _secret(cloud, reader, id)
    if "version" in request.query:
        raise Refused(400, note="?version= belongs to the classic generation; this one has it in the path")
    text = _readable(secret, version).text
    # The text goes in as the seed wrote it: decoding and encoding it would change 1.0, 1e400 and spaces.
    body = f'{{"version":{{"secret":{text}}}}}'.encode("utf-8", "backslashreplace")
    return Response(200, body, secret=secret.id)


def _classic_value(cloud: KakaoCloud, reader: KakaoCredential, request: Request, id: str) -> Response:
    secret = _secret(cloud, reader, id)
    text = _readable(secret, request.query.get("version")).text
    data = json.loads(text) if text.lstrip().startswith('"') else text
    answer = {"code": "OK", "message": "success", "data": data, "requestId": request.id}
    return replace(json_response(200, answer), secret=secret.id)


def _secret(cloud: KakaoCloud, reader: KakaoCredential, id: str) -> KakaoSecret:
    secret = cloud.secrets.get(id)
    if secret is None:
        raise Refused(404, note="no such secret")
    if not reader.may_read(id):
        raise Refused(403, note="the seed does not let this credential set read this secret")
    return secret


def _readable(secret: KakaoSecret, number: str | None) -> KakaoVersion:
    version = secret.versions.get(secret.default_version if number is None else _positive(number))
    if version is None:
        raise Refused(404, note="no such version")
    if version.status != "Active":
        raise Refused(400, "The version is not active.", code="VersionNotActive", note=version.status)
    return version


def _described(secret: KakaoSecret, reader: KakaoCredential) -> dict[str, object]:
    accessible = reader.may_read(secret.id)
    return {
        "name": secret.name,
        "id": secret.id if accessible else "*" * len(secret.id),
        "description": secret.description,
        "status": secret.status,
        "kms_key_name": "emulated-key",
        "algorithm": "AES-256-GCM",
        "default_version": secret.default_version,
        "is_deletion_allowed": True,
        "created_at": _CREATED,
        "created_by": "emulator",
        "version_quota": 100,
        "version_count": len(secret.versions),
        "is_version_creation_allowed": True,
        "is_access_control_enabled": not accessible,
        "is_accessible": accessible,
    }


def _described_version(version: KakaoVersion) -> dict[str, object]:
    return {
        "version": version.version,
        "status": version.status,
        "kms_key_name": "emulated-key",
        "kms_key_version": 1,
        "created_at": _CREATED,
        "resolved_destruction_at": _CREATED if version.status == "Destroyed" else None,
    }


def _page(request: Request, items: list[dict[str, object]]) -> tuple[list[dict[str, object]], dict[str, int]]:
    offset = _whole(request.query.get("offset", "0"))
    limit = min(_positive(request.query.get("limit", str(PAGE))), LARGEST_PAGE)
    return items[offset : offset + limit], {"offset": offset, "limit": limit, "total": len(items)}


def _positive(text: str) -> int:
    if (number := _whole(text)) > 0:
        return number
    raise Refused(400, note="a number that must be positive is not")


def _whole(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise Refused(400, note="a number is no number")


def _words(refused: Refused) -> tuple[str, str]:
    code, message = _WORDS.get(refused.status) or _WORDS[500]
    return refused.code or code, refused.message or message


def _error(refused: Refused, document: object) -> Response:
    return json_response(refused.status, document, refused.headers, refused.note)


_CURRENT: Routes[Callable[..., Response]] = Routes(
    {
        "GET /api/v1/secrets": _list,
        "GET /api/v1/secrets/{id}": _describe,
        "GET /api/v1/secrets/{id}/versions": _list_versions,
        "GET /api/v1/secrets/{id}/versions/value": _current_value,
        "GET /api/v1/secrets/{id}/versions/{version}/value": _current_value,
    }
)
_CLASSIC: Routes[Callable[..., Response]] = Routes(
    {
        "GET /api/v1/secrets/{id}/versions/value": _classic_value,
    }
)
