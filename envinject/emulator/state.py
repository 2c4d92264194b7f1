"""What the emulated clouds know: immutable, read from a seed. No values, keys or tokens in any `repr`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION_STATUSES = ("Active", "Deactivated", "Destroyed")
"""What a version of a KakaoCloud secret can be; only the first can be read."""

SECRET_STATUSES = ("ENABLE", "DISABLE", "REVOKE", "ROTATING", "DESTROYED")
"""What a secret of NAVER Cloud can be."""

STAGES = ("previous", "active", "pending")
"""The stages of a secret of NAVER Cloud, in the order of their chain."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How a provider bears requests: seconds of delay before each answer, requests a second at most."""

    delay: float = 0.0
    rate_limit: float | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """A forced answer instead of a secret's value, the first `times` times, or always.

    Without a `body` the answer has the error shape of the API that was asked.
    """

    status: int
    times: int | None = None
    retry_after: str | None = None
    code: str = ""
    body: str | None = field(default=None, repr=False)
    content_type: str = "text/html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential set, by the name it has in the log. `secrets` are the ids it may read, None means all."""

    name: str
    secrets: frozenset[str] | None = None

    def may_read(self, secret: str) -> bool:
        """Whether this credential set may read the secret with that id."""
        return self.secrets is None or secret in self.secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class KakaoCredential(Credential):
    """An IAM access key, and perhaps a token that is accepted without an exchange."""

    id: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class KakaoVersion:
    """One version of a secret. `text` is its value as JSON, exactly as the seed wrote it."""

    version: int
    status: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KakaoSecret:
    """A secret and its versions, by number."""

    id: str
    name: str
    description: str
    versions: Mapping[int, KakaoVersion]
    default_version: int
    fail: Fail | None = None

    @property
    def status(self) -> str:
        """A secret none of whose versions is active is deactivated."""
        active = any(version.status == "Active" for version in self.versions.values())
        return "Active" if active else "Deactivated"


@dataclass(frozen=True, slots=True)
class KakaoCloud:
    """KakaoCloud: access keys and secrets by id, `token_lifetime` in seconds."""

    credentials: Mapping[str, KakaoCredential] = field(repr=False)
    secrets: Mapping[str, KakaoSecret]
    token_lifetime: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NaverCredential(Credential):
    """An access key and its secret key."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NaverSecret:
    """A secret and its stages; `missing_stage` says how a stage that is not among them is answered."""

    id: str
    name: str
    status: str
    keys: str
    region: str
    stages: Mapping[str, str | None] = field(repr=False)
    missing_stage: str
    rotation_targets: tuple[str, ...] = ()
    fail: Fail | None = None


@dataclass(frozen=True, slots=True)
class ServerRole:
    """The role of the server that we pretend to be; `metadata` is the version it speaks: any, v1 or v2."""

    id: str
    credential: NaverCredential
    metadata: str
    lifetime: float


@dataclass(frozen=True, slots=True)
class NaverCloud:
    """NAVER Cloud: credentials by access key (the Server Role's too), secrets by id.

    `denial` is the status of a refused permission: 401 (the gateway's) or 403 (the service's).
    """

    credentials: Mapping[str, NaverCredential] = field(repr=False)
    secrets: Mapping[str, NaverSecret]
    denial: int
    server_role: ServerRole | None


@dataclass(frozen=True, slots=True)
class Seed:
    """Both clouds, and how each provider (`kakaocloud`, `ncloud`, `metadata`) bears requests."""

    kakaocloud: KakaoCloud
    ncloud: NaverCloud
    traffic: Mapping[str, Traffic]
