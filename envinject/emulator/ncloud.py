"""NAVER Cloud Secret Manager, on each of its hosts. Request in, response out, no state.

Sources: api.ncloud-docs.com (secretmanager-*, common-ncpapi); the signature is that of
the vendor's SDKs, and on purpose not computed with the client's code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import replace

from .message import Refused, Request, Response, Routes, json_response
from .state import STAGES, NaverCloud, NaverCredential, NaverSecret

PAGE = 10
"""The size of a page of the list; the real one's is not published."""

LARGEST_SKEW = 300
"""How many seconds a request's timestamp may be off."""

_REGISTERED = 1767323045000
_UNREADABLE = ("DISABLE", "REVOKE", "DESTROYED")

# errorCode: status, message. The numbers are the API gateway's, the others the service's.
_ERRORS = {
    "100": (400, "Bad Request Exception"),
    "200": (401, "Authentication Failed"),
    "210": (401, "Permission Denied"),
    "230": (403, "Forbidden"),
    "300": (404, "Not Found Exception"),
    "400": (429, "Quota Exceeded"),
    "410": (429, "Throttle Limited"),
    "420": (429, "Rate Limited"),
    "430": (413, "Request Entity Too Large"),
    "500": (503, "Endpoint Error"),
    "510": (504, "Endpoint Timeout"),
    "900": (500, "Unexpected Error"),
    "INVALID_REQUEST": (400, "Invalid request"),
    "INVALID_STATUS": (400, "Invalid status"),
    "UNAUTHORIZED": (401, "Unauthorized"),
    "FORBIDDEN": (403, "Forbidden"),
    "NOT_FOUND": (404, "Not found"),
    "UNPROCESSABLE_ENTITY": (422, "Invalid status"),
    "INTERNAL_SERVER_ERROR": (500, "Server internal error"),
}
_CODE_OF_STATUS = {
    400: "100",
    401: "200",
    403: "230",
    404: "300",
    405: "100",
    413: "430",
    429: "420",
    503: "500",
    504: "510",
}
_DETAILS = {"300": "URL not found."}


def secret_manager(cloud: NaverCloud, request: Request, *, keys: str, region: str) -> Response:
    """Answer as the host of the secrets whose KMS keys are of that kind (isolated or global)."""
    credential = ""
    try:
        handler, segments = _ROUTES.find(request)
        reader = _authenticated(cloud, request)
        credential = reader.name
        here = {s.id: s for s in cloud.secrets.values() if (s.keys, s.region) == (keys, region)}
        response = handler(_Shelf(here, reader, cloud.denial), request, **segments)
    except Refused as refused:
        return replace(secret_manager_error(refused, request), credential=credential)
    return replace(response, credential=credential, headers=_trace(request))


def secret_manager_error(refused: Refused, request: Request) -> Response:
    """A refusal in the shape that the gateway and the service share."""
    code = refused.code or _CODE_OF_STATUS.get(refused.status, "900")
    _, message = _ERRORS.get(code, _ERRORS["900"])
    error = {"errorCode": code, "message": message}
    if details := refused.message or _DETAILS.get(code):
        error["details"] = details
    return json_response(refused.status, {"error": error}, _trace(request) + refused.headers, refused.note)


def signature(method: str, target: str, timestamp: str, access_key: str, secret_key: str) -> str:
    """The API gateway's signature, version 2, of a request with that target (path and query as sent)."""
    message = f"{method} {target}\n{timestamp}\n{access_key}".encode("latin-1", "replace")
    return base64.b64encode(hmac.digest(secret_key.encode(), message, hashlib.sha256)).decode()


def _refused(code: str, details: str = "", note: str = "") -> Refused:
    return Refused(_ERRORS[code][0], details, code=code, note=note or details)


def _trace(request: Request) -> tuple[tuple[str, str], ...]:
    return (("x-ncp-trace-id", request.id),)


def _authenticated(cloud: NaverCloud, request: Request) -> NaverCredential:
    names = ("x-ncp-apigw-timestamp", "x-ncp-iam-access-key", "x-ncp-apigw-signature-v2")
    timestamp, access_key, signed = (request.headers.get(name, "") for name in names)
    if missing := [name for name in names if not request.headers.get(name)]:
        raise _refused("200", "Authentication information are missing.", f"no {missing[0]}")
    credential = cloud.credentials.get(access_key)
    if credential is None:
        raise _unauthenticated("unknown access key")
    expected = signature(request.method, request.target, timestamp, access_key, credential.secret_key)
    if not hmac.compare_digest(signed.encode(), expected.encode()):
        raise _unauthenticated(f"the signature is not that of {credential.name} for this target")
    if abs(request.time - _seconds(timestamp)) > LARGEST_SKEW:
        raise _unauthenticated(f"the timestamp is more than {LARGEST_SKEW // 60} minutes off")
    return credential


def _unauthenticated(note: str) -> Refused:
    return _refused("200", "Invalid authentication information.", note)


def _seconds(timestamp: str) -> float:
    if is_number(timestamp):
        return int(timestamp) / 1000
    raise _unauthenticated("the timestamp is no number")


def is_number(text: str) -> bool:
    """Whether a header or parameter is a whole number of a sane length."""
    return text.isascii() and text.isdigit() and len(text) < 16


class _Shelf:
    """The secrets that one host knows, in the hands of one reader."""

    def __init__(self, secrets: Mapping[str, NaverSecret], reader: NaverCredential, denial: int) -> None:
        self.secrets = secrets
        self._reader = reader
        self._denial = denial

    def secret(self, id: str) -> NaverSecret:
        """The secret with that id. Raises: Refused when it is not here or not for this reader."""
        secret = self.secrets.get(id)
        if secret is None:
            raise _refused("NOT_FOUND", "", "no such secret on this host")
        if not self._reader.may_read(id):
            code = "210" if self._denial == 401 else "FORBIDDEN"
            raise _refused(code, "", "the seed does not let this credential set read this secret")
        return secret

    def readable(self, id: str) -> NaverSecret:
        """The secret with that id. Raises: Refused also when its status does not let a value be read."""
        secret = self.secret(id)
        if secret.status in _UNREADABLE:
            raise _refused("INVALID_STATUS", "", f"the secret's status is {secret.status}")
        return secret


def _list(shelf: _Shelf, request: Request) -> Response:
    number = _page_number(request.query.get("pageNo", "1"))
    secrets = [_summary(secret) for secret in shelf.secrets.values()]
    page = {
        "totalPageNo": -(-len(secrets) // PAGE),
        "currentPageNo": number,
        "totalCount": len(secrets),
        "secretList": secrets[(number - 1) * PAGE : number * PAGE],
    }
    return _success(page)


def _page_number(text: str) -> int:
    if is_number(text):
        return max(1, int(text))  # the vendor's own example asks for page 0
    raise _refused("INVALID_REQUEST", "pageNo is not a number")


def _describe(shelf: _Shelf, _request: Request, id: str) -> Response:
    more = {
        "memo": "",
        "updateDate": _REGISTERED,
        "autoRotationYN": "N",
        "rotationPhase": "NONE",
        "protectionKey": {"type": "DEFAULT"},
    }
    return _success(_summary(shelf.secret(id)) | more)


def _summary(secret: NaverSecret) -> dict[str, object]:
    return {
        "secretId": secret.id,
        "secretName": secret.name,
        "secretStatus": secret.status,
        "secretType": "BASIC",
        "region": secret.region,
        "registerDate": _REGISTERED,
    }


def _value(shelf: _Shelf, _request: Request, id: str, stage: str) -> Response:
    if stage not in STAGES:
        raise Refused(404, note="no such stage; in the path they are lower case")
    secret = shelf.readable(id)
    if stage not in secret.stages and secret.missing_stage == "error":
        raise _refused("NOT_FOUND", "", f"the secret has no stage {stage}")
    value = {**_held(secret, stage, "value"), "valueStage": stage.upper()}
    return _values_success(secret, {"decryptedSecretValue": value})


def _values(shelf: _Shelf, _request: Request, id: str) -> Response:
    secret = shelf.readable(id)
    chain: dict[str, str | None] = {}
    for stage in STAGES:
        chain |= _held(secret, stage, stage)
    return _values_success(secret, {"decryptedSecretChain": chain})


def _held(secret: NaverSecret, stage: str, name: str) -> dict[str, str | None]:
    """The value of a stage under a name; what stands for it when there is none, perhaps nothing at all."""
    if stage in secret.stages:
        return {name: secret.stages[stage]}
    stand_ins: dict[str, dict[str, str | None]] = {"null": {name: None}, "empty": {name: ""}}
    return stand_ins.get(secret.missing_stage, {})


def _values_success(secret: NaverSecret, data: dict[str, object]) -> Response:
    targets = {"rotationTargets": list(secret.rotation_targets)}
    return replace(_success(data | targets), secret=secret.id)


def _success(data: object) -> Response:
    return json_response(200, {"code": "SUCCESS", "data": data})


_ROUTES: Routes[Callable[..., Response]] = Routes(
    {
        "GET /api/v1/secrets": _list,
        "GET /api/v1/secrets/{id}": _describe,
        "GET /api/v1/secrets/{id}/values": _values,
        "GET /api/v1/secrets/{id}/{stage}": _value,
    }
)
