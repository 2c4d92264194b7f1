"""A NAVER Cloud server's metadata about its Server Role, versions 1 and 2. Request in, response out, no state.

Source: api.ncloud-docs.com (compute-vmetadata-*).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from .message import Refused, Request, Response, Routes, json_response
from .ncloud import is_number
from .state import NaverCloud, ServerRole

LONGEST_TOKEN = 21600
"""How many seconds a token may hold; the real limit is not published, this is the vendor's example."""


def metadata(cloud: NaverCloud, request: Request) -> Response:
    """Answer as a server's link-local metadata service, versions 1 and 2, does about its Server Role."""
    try:
        handler, segments = _ROUTES.find(request)
        if cloud.server_role is None:
            raise Refused(404, note="the seed has no ncloud.server_role")
        return handler(cloud.server_role, request, **segments)
    except Refused as refused:
        return metadata_error(refused, request)


def metadata_error(refused: Refused, _request: Request) -> Response:
    """A refusal as metadata services write them: plain text."""
    texts = {400: "Bad Request.", 401: "Unauthorized.", 404: "Path Not found.", 405: "Method Not Allowed."}
    text = texts.get(refused.status, "Error.")
    return Response(refused.status, text.encode(), "text/plain", refused.headers, note=refused.note)


def _issue_token(role: ServerRole, request: Request) -> Response:
    if role.metadata == "v1":
        raise Refused(404, note="this server speaks metadata v1 only")
    seconds = request.headers.get("x-ncp-metadata-token-ttl-seconds", "")
    if not (is_number(seconds) and 0 < int(seconds) <= LONGEST_TOKEN):
        raise Refused(400, note="X-NCP-METADATA-TOKEN-TTL-SECONDS is not between 1 and 21600")
    return Response(200, _metadata_token(role, request.time + int(seconds)).encode(), "text/plain")


def _role_name(role: ServerRole, request: Request) -> Response:
    _check_token(role, request)
    return Response(200, role.id.encode(), "text/plain")


def _role_credentials(role: ServerRole, request: Request, id: str) -> Response:
    _check_token(role, request)
    if id != role.id:
        raise Refused(404, note="the server has another role")
    credentials = {
        "Code": "Success",
        "LastUpdated": _rfc3339(request.time),
        "Type": "NCP-HMAC",
        "AccessKeyId": role.credential.access_key,
        "SecretAccessKey": role.credential.secret_key,
        "Token": "",
        "Expiration": _rfc3339(request.time + role.lifetime),
    }
    return replace(json_response(200, credentials), credential=role.credential.name)


def _check_token(role: ServerRole, request: Request) -> None:
    token = request.headers.get("x-ncp-metadata-token")
    if role.metadata == "v1" or (role.metadata == "any" and token is None):
        return
    if token is None:
        raise Refused(401, note="this server speaks metadata v2 only, and there is no X-NCP-METADATA-TOKEN")
    expires = _seconds_since_epoch(token.partition(".")[0])
    if not hmac.compare_digest(token.encode(), _metadata_token(role, expires).encode()):
        raise Refused(401, note="unknown metadata token")
    if request.time >= expires:
        raise Refused(401, note="expired metadata token")


def _metadata_token(role: ServerRole, expires: float) -> str:
    """A token that says itself until when it holds, in milliseconds, sealed with the role's secret key."""
    milliseconds = str(round(expires * 1000))
    seal = hmac.digest(role.credential.secret_key.encode(), milliseconds.encode(), hashlib.sha256)
    return f"{milliseconds}.{seal.hex()}"


def _seconds_since_epoch(milliseconds: str) -> float:
    return int(milliseconds) / 1000 if is_number(milliseconds) else 0.0


def _rfc3339(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_ROUTES: Routes[Callable[..., Response]] = Routes(
    {
        "PUT /api/token": _issue_token,
        "GET /meta-data/iam/security-credentials": _role_name,
        "GET /meta-data/iam/security-credentials/": _role_name,  # as the vendor's SDKs ask
        "GET /meta-data/iam/security-credentials/{id}": _role_credentials,
    }
)
