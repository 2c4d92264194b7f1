"""Which emulated service a request is for: by its host where that is a vendor's, else by its path."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from . import iam, kakaocloud, metadata, ncloud
from .message import Refused, Request, Response
from .state import Seed


@dataclass(frozen=True, slots=True)
class Service:
    """One emulated API. `answer` never raises `Refused`; `error` writes a refusal in the API's own shape.

    `host` and `host_prefix` are where the vendor has it, `prefix` is where it is on the loopback address, and
    `endpoint` is how much of `prefix` belongs into a client's endpoint setting.
    """

    name: str
    provider: str
    answer: Callable[[Seed, Request], Response]
    error: Callable[[Refused, Request], Response]
    host: str
    prefix: str
    endpoint: str
    host_prefix: str = ""


SERVICES = (
    Service(
        "kakaocloud",
        "kakaocloud",
        lambda seed, request: kakaocloud.current(seed.kakaocloud, request),
        kakaocloud.current_error,
        host="secrets-manager-service.kr-central-2.kakaocloud.com",
        prefix="/kakaocloud",
        endpoint="/kakaocloud",
    ),
    Service(
        "kakaocloud-classic",
        "kakaocloud",
        lambda seed, request: kakaocloud.classic(seed.kakaocloud, request),
        kakaocloud.classic_error,
        host="secrets-manager.kr-central-2.kakaocloud.com",
        prefix="/kakaocloud-classic",
        endpoint="/kakaocloud-classic",
    ),
    Service(
        "kakaocloud-iam",
        "kakaocloud",
        lambda seed, request: iam.iam(seed.kakaocloud, request),
        iam.iam_error,
        host="iam.kakaocloud.com",
        prefix="/kakaocloud-iam",
        endpoint="/kakaocloud-iam",
    ),
    Service(
        "ncloud",
        "ncloud",
        lambda seed, request: ncloud.secret_manager(seed.ncloud, request, keys="isolated", region="KR"),
        ncloud.secret_manager_error,
        host="ocapi-kr.ncloud.com",
        host_prefix="/secretmanager",
        prefix="/secretmanager",
        endpoint="/secretmanager",
    ),
    Service(
        "ncloud-jp",
        "ncloud",
        lambda seed, request: ncloud.secret_manager(seed.ncloud, request, keys="isolated", region="JP"),
        ncloud.secret_manager_error,
        host="ocapi-jp.ncloud.com",
        host_prefix="/secretmanager",
        prefix="/ncloud-jp",
        endpoint="/ncloud-jp",
    ),
    Service(
        "ncloud-global",
        "ncloud",
        lambda seed, request: ncloud.secret_manager(seed.ncloud, request, keys="global", region="KR"),
        ncloud.secret_manager_error,
        host="secretmanager.apigw.ntruss.com",
        prefix="/ncloud-global",
        endpoint="/ncloud-global",
    ),
    Service(
        "metadata",
        "metadata",
        lambda seed, request: metadata.metadata(seed.ncloud, request),
        metadata.metadata_error,
        host="169.254.169.254",
        host_prefix="/latest",
        prefix="/latest",
        endpoint="",
    ),
)

HOSTS = tuple(service.host for service in SERVICES if service.provider != "metadata")
"""The vendors' host names that are served, for a certificate or a proxy."""


def route(host: str, target: str) -> tuple[Service | None, str]:
    """The service that a Host header and a request target mean, and the path beneath its prefix.

    The path is empty where a vendor's host has nothing at all under the target; that no service is meant can
    only happen on another host.
    """
    path = target.partition("?")[0]
    name = host.rpartition(":")[0] or host
    for service in SERVICES:
        if service.host == name.lower():
            return service, _beneath(path, service.host_prefix) or ""
    for service in SERVICES:
        if (rest := _beneath(path, service.prefix)) is not None:
            return service, rest
    return None, path


def _beneath(path: str, prefix: str) -> str | None:
    return path[len(prefix) :] if path == prefix or path.startswith(f"{prefix}/") else None
