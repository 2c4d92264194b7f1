"""Reads a seed, the file that says what the emulated clouds hold. Its format is in docs/emulator.md.

All that is wrong with a seed is told at once, by its place in the file and never with a value.
"""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from pathlib import Path

from .state import (
    SECRET_STATUSES,
    STAGES,
    VERSION_STATUSES,
    Credential,
    Fail,
    KakaoCloud,
    KakaoCredential,
    KakaoSecret,
    KakaoVersion,
    NaverCloud,
    NaverCredential,
    NaverSecret,
    Seed,
    ServerRole,
    Traffic,
)
from .table import Table

_VALUES = ("value", "value_json")
_MISSING_STAGES = ("error", "absent", "null", "empty")
_TOKEN_LIFETIME = 12 * 60 * 60.0
_ROLE_LIFETIME = 60 * 60.0


class SeedError(ValueError):
    """A seed makes no sense. `problems` says each thing that is wrong with it, in a sentence of its own."""

    def __init__(self, where: str, problems: list[str]) -> None:
        super().__init__("\n".join(f"{where}: {problem}" for problem in problems))
        self.where = where
        self.problems = problems


def load_seed(path: Path | str) -> Seed:
    """Read a seed file: JSON when its name ends in `.json`, else TOML. Raises: SeedError."""
    path = Path(path)
    try:
        text = path.read_bytes().decode()
        document = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        problem = _unreadable(error)
    else:
        return parse_seed(document, path.name)
    raise SeedError(path.name, [problem])  # outside of the handler: a parser's error holds the file


def parse_seed(document: object, where: str = "seed") -> Seed:
    """The seed that a document describes, as TOML or JSON is read into. Raises: SeedError."""
    problems: list[str] = []
    top = Table(document, "", problems)
    shared = _traffic(top, Traffic())
    kakaocloud, ncloud = top.table("kakaocloud"), top.table("ncloud")
    traffic = {
        "kakaocloud": _traffic(kakaocloud, shared),
        "ncloud": _traffic(ncloud, shared),
        "metadata": Traffic(shared.delay),
    }
    seed = Seed(_kakaocloud(kakaocloud), _ncloud(ncloud), traffic)
    top.finish()
    if problems:
        raise SeedError(where, problems)
    return seed


def _unreadable(error: Exception) -> str:
    match error:
        case OSError():
            return f"cannot be read: {error.strerror}"
        case UnicodeDecodeError():
            return "is not UTF-8"
        case json.JSONDecodeError():
            return f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        case tomllib.TOMLDecodeError():
            return f"is not TOML: {error}"
    return "is not JSON that can be read: a number is too long or it is nested too deeply"


def _traffic(table: Table, default: Traffic) -> Traffic:
    return Traffic(
        delay=table.seconds("delay", default.delay),
        rate_limit=table.positive("rate_limit", default.rate_limit),
    )


# --- KakaoCloud ---


def _kakaocloud(table: Table) -> KakaoCloud:
    secrets = [_kakao_secret(each) for each in table.tables("secrets", "id")]
    credentials = [_kakao_credential(each) for each in table.tables("credentials", "name")]
    _check_unique(table, "secrets", "id", (secret.id for secret in secrets))
    _check_unique(table, "credentials", "id", (credential.id for credential in credentials))
    _check_readers(table, credentials, {secret.id for secret in secrets})
    cloud = KakaoCloud(
        credentials={credential.id: credential for credential in credentials},
        secrets={secret.id: secret for secret in secrets},
        token_lifetime=table.seconds("token_lifetime", _TOKEN_LIFETIME),
    )
    table.finish()
    return cloud


def _kakao_credential(table: Table) -> KakaoCredential:
    credential = KakaoCredential(
        name=table.text("name"),
        id=table.text("id"),
        secret=table.text("secret"),
        token=table.optional("token"),
        secrets=_readable(table),
    )
    table.finish()
    return credential


def _kakao_secret(table: Table) -> KakaoSecret:
    id = table.text("id")
    versions = {version.version: version for version in _kakao_versions(table)}
    secret = KakaoSecret(
        id=id,
        name=table.text("name", id),
        description=table.text("description", ""),
        versions=versions,
        default_version=table.integer("default_version", _newest(versions.values()), 1),
        fail=_fail(table),
    )
    if secret.default_version not in versions:
        table.note("default_version", "is none of the versions")
    table.finish(_VALUES)
    return secret


def _kakao_versions(table: Table) -> list[KakaoVersion]:
    """The versions of a secret; a value without a version's table around it is version 1."""
    tables = table.tables("versions", "version")
    if tables and any(value in table for value in _VALUES):
        table.note("value", "is in a version, where there are versions")
    if not tables:
        return [KakaoVersion(1, "Active", _json_value(table))]
    versions = [_kakao_version(each) for each in tables]
    _check_unique(table, "versions", "version", (version.version for version in versions))
    return versions


def _kakao_version(table: Table) -> KakaoVersion:
    version = KakaoVersion(
        version=table.integer("version", None, 1),
        status=table.choice("status", VERSION_STATUSES, "Active"),
        text=_json_value(table),
    )
    table.finish(_VALUES)
    return version


def _json_value(table: Table) -> str:
    """The value of a secret as JSON text: `value_json` as it is written, `value` converted."""
    if ("value" in table) == ("value_json" in table):
        table.note("value", "or value_json must be there, and not both")
    return table.raw_json("value_json") if "value_json" in table else table.json("value")


def _newest(versions: Iterable[KakaoVersion]) -> int:
    """The number of the newest active version, or of the newest when none is active."""
    return max((version.status == "Active", version.version) for version in versions)[1]


# --- NAVER Cloud ---


def _ncloud(table: Table) -> NaverCloud:
    missing_stage = table.choice("missing_stage", _MISSING_STAGES, "error")
    secrets = [_naver_secret(each, missing_stage) for each in table.tables("secrets", "id")]
    credentials = [_naver_credential(each) for each in table.tables("credentials", "name")]
    role = _server_role(table.table("server_role")) if "server_role" in table else None
    everyone = [*credentials, role.credential] if role else credentials
    _check_unique(table, "secrets", "id", (secret.id for secret in secrets))
    _check_unique(table, "credentials", "access_key", (credential.access_key for credential in everyone))
    _check_readers(table, everyone, {secret.id for secret in secrets})
    cloud = NaverCloud(
        credentials={credential.access_key: credential for credential in everyone},
        secrets={secret.id: secret for secret in secrets},
        denial=table.choice("denial", (401, 403), 403),
        server_role=role,
    )
    table.finish()
    return cloud


def _naver_credential(table: Table) -> NaverCredential:
    credential = NaverCredential(
        name=table.text("name"),
        access_key=table.text("access_key"),
        secret_key=table.text("secret_key"),
        secrets=_readable(table),
    )
    table.finish()
    return credential


def _server_role(table: Table) -> ServerRole:
    id = table.text("id")
    credential = NaverCredential(
        name=table.text("name", id),
        access_key=table.text("access_key"),
        secret_key=table.text("secret_key"),
        secrets=_readable(table),
    )
    role = ServerRole(
        id=id,
        credential=credential,
        metadata=table.choice("metadata", ("any", "v1", "v2"), "any"),
        lifetime=table.seconds("lifetime", _ROLE_LIFETIME),
    )
    table.finish()
    return role


def _naver_secret(table: Table, missing_stage: str) -> NaverSecret:
    id = table.text("id")
    secret = NaverSecret(
        id=id,
        name=table.text("name", id),
        status=table.choice("status", SECRET_STATUSES, "ENABLE"),
        keys=table.choice("keys", ("isolated", "global"), "isolated"),
        region=table.choice("region", ("KR", "JP"), "KR"),
        stages={stage: table.text_or_json(stage) for stage in STAGES if stage in table},
        missing_stage=table.choice("missing_stage", _MISSING_STAGES, missing_stage),
        rotation_targets=table.texts("rotation_targets") or (),
        fail=_fail(table),
    )
    if (secret.keys, secret.region) == ("global", "JP"):
        table.note("keys", "can be global in the region KR only")
    table.finish(STAGES)
    return secret


# --- Both ---


def _fail(table: Table) -> Fail | None:
    if "fail" not in table:
        return None
    inner = table.table("fail")
    fail = Fail(
        status=inner.integer("status", None, 200, 599),
        times=inner.integer("times", None, 1) if "times" in inner else None,
        retry_after=inner.header("retry_after", "") or None,
        code=inner.header("code", ""),
        body=inner.optional("body"),
        content_type=inner.header("content_type", "text/html"),
    )
    inner.finish(("times",))
    return fail


def _readable(table: Table) -> frozenset[str] | None:
    ids = table.texts("secrets")
    return None if ids is None else frozenset(ids)


def _check_unique(table: Table, key: str, field: str, values: Iterable[object]) -> None:
    for value, times in Counter(values).items():
        if times > 1 and value:
            table.note(key, f"has {times} entries with the same {field}")


def _check_readers(table: Table, credentials: Iterable[Credential], ids: Collection[str]) -> None:
    for credential in credentials:
        for id in sorted((credential.secrets or frozenset()) - set(ids)):
            near = get_close_matches(id, ids, 1)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            table.note("credentials", f"let {credential.name} read '{id}', which is no secret's id{meant}")
