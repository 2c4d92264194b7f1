"""NAVER Cloud Platform Secret Manager, on the host of region-isolated keys and on the older one of global keys.

Sources: the vendor's pages 'Secret Manager overview', 'Get Secret Stage Value', 'Get Secret Value', its Go SDK
(signature, credentials), its pages on metadata (Server Role).
"""

from __future__ import annotations

from .. import jsontext
from ..errors import Denied, ManifestError, NotFound, SecretsExecError, StoreError, Unavailable
from ..record import Record
from ..secret import Secret
from ..transports import Request, Route
from ..url import parse_endpoint
from .base import (
    COMMON_HTTP,
    Call,
    Credential,
    HTTPProvider,
    Once,
    ReadFile,
    Setting,
    as_text,
    check_id,
    checked,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..jsontext import Json
    from ..reference import SecretRef
    from ..transports import Answer
    from ..url import Endpoint
    from .base import Flow, Found

_ISOLATED = {
    "KR": "https://ocapi-kr.ncloud.com/secretmanager",
    "JP": "https://ocapi-jp.ncloud.com/secretmanager",
}
_GLOBAL = "https://secretmanager.apigw.ntruss.com"
_STAGES = ("previous", "active", "pending")
_QUOTA_EXCEEDED = "400"
_NO_SUCH_PATH = "300"

_METADATA = "http://169.254.169.254"
_METADATA_VARIABLES = ("NCLOUD_METADATA_API_ENDPOINT", "NCLOUD_METADATA_ENDPOINT")
_METADATA_SECONDS = 2.0
_ROLES = "/latest/meta-data/iam/security-credentials"


class Keys(Record):
    """An access key, its secret key, and in words where they were found."""

    access: Secret
    secret: Secret
    origin: str


def sign(method: str, target: str, timestamp: int, keys: Keys) -> str:
    """The signature (v2) of a request: Base64 of HMAC-SHA256 over method, target, time and access key.

    `target` is path and query exactly as sent; `timestamp` is Unix time in milliseconds.
    """
    from binascii import b2a_base64

    from ..hashes import hmac_sha256  # the launch path of the other providers does without it

    message = f"{method} {target}\n{timestamp}\n".encode() + keys.access.reveal()
    return b2a_base64(hmac_sha256(keys.secret.reveal(), message), newline=False).decode()


class NCloud(HTTPProvider):
    """Reads the stages of a secret with signed requests; every attempt is signed anew."""

    type = "ncloud"
    about = "NAVER Cloud Platform Secret Manager"
    DOMAINS = ("ncloud.com", "ntruss.com", "gov-ntruss.com", "fin-ntruss.com")
    COORDINATES = {"stage": "previous, active or pending"}
    CREDENTIALS = (
        Credential("access_key", ("NCLOUD_ACCESS_KEY_ID", "NCLOUD_ACCESS_KEY")),
        Credential("secret_key", ("NCLOUD_SECRET_ACCESS_KEY", "NCLOUD_SECRET_KEY")),
    )
    SETTINGS = (
        *COMMON_HTTP,
        Setting("region", "choice", "KR", ("KR", "JP")),
        Setting("keys", "choice", "the kind of KMS keys, which decides the host", ("auto", "isolated", "global")),
        Setting("profile", "text", "the section of ~/.ncloud/configure"),
        Setting("server_role", "flag", "ask the server's metadata for the keys of its role"),
    )

    def accepts(self, coordinate: str, value: str) -> bool:
        return coordinate == "stage" and value in _STAGES

    def target(self, ref: SecretRef, folder: str) -> SecretRef:
        check_id(ref, {})
        if self.settings.get("keys", "auto") not in ("auto", *self._hosts()):
            raise ManifestError("the region JP has no global keys", hint="leave 'keys' out")
        return super().target(ref if ref.stage else ref.replace(stage="active"), folder)

    def batches(self, refs: Sequence[SecretRef]) -> Sequence[tuple[SecretRef, ...]]:
        """One call can serve all the stages of a secret."""
        stages: dict[str, list[SecretRef]] = {}
        for ref in refs:
            stages.setdefault(ref.id, []).append(ref)
        return [tuple(group) for group in stages.values()]

    def identity(self) -> Flow[Secret | None]:
        """The access key, wherever it stands on this machine; a server's role has none of its own."""
        access = yield from self.credential("access_key")
        found = None if access else (yield from self._configured_keys())
        return found.access if found else access

    def origin(self) -> Flow[str]:
        """Where the key pair stands; the metadata of a server's role is asked when a secret is read, and not here."""
        keys = yield from self._own_keys()
        if keys is None and not self.settings.get("server_role"):
            raise self._no_keys()
        return "the server's role" if keys is None else keys.origin

    def endpoints(self) -> Sequence[Endpoint]:
        """Each host that may know a secret."""
        return tuple(self._endpoints())

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """One GET from each host that may know the secret, until one does."""
        keys: Keys = yield Once("keys", self._keys)
        what = refs[0].stage if len(refs) == 1 else "values"
        path = f"/api/v1/secrets/{refs[0].id}/{what}"
        for endpoint in self._endpoints():
            answer: Answer = yield self._signed(endpoint, endpoint.path + path, keys)
            if answer.status != 404:
                break
        if answer.status != 200:
            error = self._refused(answer, keys)
            return dict.fromkeys(refs, error)
        if len(refs) == 1:
            return {refs[0]: self._stage(refs[0], answer)}
        return self._chain(refs, answer)

    def _signed(self, endpoint: Endpoint, target: str, keys: Keys) -> Call:
        def build(now: float) -> Request:
            timestamp = int(now * 1000)
            headers = (
                ("x-ncp-apigw-timestamp", str(timestamp)),
                ("x-ncp-iam-access-key", keys.access.reveal().decode()),
                ("x-ncp-apigw-signature-v2", sign("GET", target, timestamp, keys)),
                ("Accept", "application/json"),
            )
            return Request("GET", endpoint, target, headers, route=self.route)

        return self.call(endpoint, build, is_final=self._is_quota)

    def _hosts(self) -> dict[str, str]:
        """Where the vendor has secrets, by the kind of their KMS keys."""
        region = self.settings.get("region", "KR")
        return {"isolated": _ISOLATED[region]} | ({"global": _GLOBAL} if region == "KR" else {})

    def _endpoints(self) -> Iterator[Endpoint]:
        keys = self.settings.get("keys", "auto")
        if "endpoint" in self.settings:
            yield self.endpoint("endpoint", _GLOBAL)
            return
        for kind, url in self._hosts().items():
            if keys in ("auto", kind):
                yield self.endpoint("endpoint", url)

    # Credentials

    def _keys(self) -> Flow[Keys]:
        found = yield from self._own_keys()
        if found is None and self.settings.get("server_role"):
            found = yield from self._role_keys()
        if found is None:
            raise self._no_keys()
        return found

    def _own_keys(self) -> Flow[Keys | None]:
        """The keys that stand on this machine, if there are any."""
        access = yield from self.credential("access_key")
        secret = yield from self.credential("secret_key")
        if access and secret:
            return Keys(access, secret, f"{self.found_at('access_key')} and {self.found_at('secret_key')}")
        if access or secret:
            missing = "secret_key" if access else "access_key"
            raise Denied(f"half of the key pair for {self.name} is missing", hint=f"set {self.places(missing)}")
        return (yield from self._configured_keys())

    def _no_keys(self) -> Denied:
        places = f"set {self.places('access_key')} and {self.places('secret_key')}, or write ~/.ncloud/configure"
        if profile := self.settings.get("profile"):
            places += f" with a section [{profile}]"
        role = "" if self.settings.get("server_role") else ", or set server_role = true on a server that has a role"
        return Denied(f"no credentials for {self.name}", hint=places + role)

    def _configured_keys(self) -> Flow[Keys | None]:
        home = self.environ.get("HOME")
        if not home:
            return None
        try:
            data: bytes = yield ReadFile(f"{home}/.ncloud/configure")
        except NotFound:
            return None
        section = _section(data.decode("utf-8-sig", "replace"), self.settings.get("profile"))
        access, secret = section.get("ncloud_access_key_id", ""), section.get("ncloud_secret_access_key", "")
        if not (access and secret):
            return None
        place = "the file ~/.ncloud/configure"
        return Keys(checked(access, place), checked(secret, place), "~/.ncloud/configure")

    def _role_keys(self) -> Flow[Keys]:
        endpoint = self._metadata_endpoint()
        answer = yield from self._metadata(endpoint, "/latest/api/token", "PUT")
        token = _word(answer)  # version 1 has none
        answer = yield from self._metadata(endpoint, _ROLES, token=token)
        role = _word(answer)
        if not role.replace("-", "").replace("_", "").isalnum():
            raise Denied("this server has no role", hint="give it one in the console (Server Role), or set keys")
        answer = yield from self._metadata(endpoint, f"{_ROLES}/{role}", token=token)
        body = self.members(answer)
        access, secret = body.get("AccessKeyId"), body.get("SecretAccessKey")
        if answer.status != 200 or not (isinstance(access, str) and isinstance(secret, str) and access and secret):
            raise Denied("the server's metadata holds no key pair for its role", hint="is the role still active?")
        place = "the server's metadata"
        return Keys(checked(access, place), checked(secret, place), "the server's role")

    def _metadata(self, endpoint: Endpoint, path: str, method: str = "GET", *, token: str = "") -> Flow[Answer]:
        headers: tuple[tuple[str, str], ...] = (("X-NCP-METADATA-TOKEN", token),) if token else ()
        if method == "PUT":
            headers = (("X-NCP-METADATA-TOKEN-TTL-SECONDS", "300"),)
        request = Request(method, endpoint, endpoint.path + path, headers, route=Route(proxy=""))
        try:
            answer: Answer = yield Call(endpoint, lambda _now: request, attempts=1, seconds=_METADATA_SECONDS)
        except (Unavailable, StoreError):
            raise Denied(
                "the server's metadata cannot be reached, so there are no keys of a role",
                hint="server_role works on a NAVER Cloud server only; elsewhere set keys",
            ) from None
        return answer

    def _metadata_endpoint(self) -> Endpoint:
        text = next(filter(None, map(self.environ.get, _METADATA_VARIABLES)), _METADATA)
        endpoint = parse_endpoint(text)
        if endpoint is None or not (endpoint.is_loopback or endpoint.host == "169.254.169.254"):
            raise Denied(
                f"{' or '.join(_METADATA_VARIABLES)} names no metadata service",
                hint=f"leave it out for {_METADATA}",
            )
        return endpoint

    # Answers

    def _is_quota(self, answer: Answer) -> bool:
        code = as_text(self.members(answer, "error").get("errorCode"))
        return answer.status == 429 and code == _QUOTA_EXCEEDED

    def _data(self, answer: Answer, name: str) -> dict[str, Json]:
        body = self.parsed(answer)
        if not isinstance(body, dict) or body.get("code") != "SUCCESS":
            raise self.nonsense("it does not say SUCCESS")
        data = body.get("data")
        if not isinstance(data, dict) or name not in data:
            raise self.nonsense(f"it has no data.{name}")
        found = data[name]
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self.nonsense(f"its data.{name} is {jsontext.kind(found)}")
        return found

    def _stage(self, ref: SecretRef, answer: Answer) -> Secret | SecretsExecError:
        try:
            found = self._data(answer, "decryptedSecretValue")
            came, value = found.get("valueStage"), found.get("value")
            is_of_stage = isinstance(came, str) and came.lower() == ref.stage
            is_absent = came is None and value in (None, "")
            if not (is_of_stage or is_absent):
                raise self.nonsense("it is of another stage than the one asked for")
            return self._value(ref, value)
        except SecretsExecError as error:
            return error

    def _chain(self, refs: tuple[SecretRef, ...], answer: Answer) -> Found:
        try:
            chain = self._data(answer, "decryptedSecretChain")
        except SecretsExecError as error:
            return dict.fromkeys(refs, error)
        found: dict[SecretRef, Secret | SecretsExecError] = {}
        for ref in refs:
            try:
                found[ref] = self._value(ref, chain.get(ref.stage or ""))
            except SecretsExecError as error:
                found[ref] = error
        return found

    def _value(self, ref: SecretRef, value: Json) -> Secret:
        if value is None or value == "":
            raise NotFound(
                f"this secret has no value in its stage '{ref.stage}'",
                hint=f"its stages are: {', '.join(_STAGES)}",
            )
        if not isinstance(value, str) or isinstance(value, jsontext.Number):
            raise self.nonsense(f"the value is {jsontext.kind(value)}, not text")
        data = jsontext.to_bytes(value)
        assert data is not None, "text has bytes"  # for the type checker
        return Secret(data, revision=f"stage={ref.stage}")  # the answer says so too

    def _refused(self, answer: Answer, keys: Keys) -> SecretsExecError:
        error = self.members(answer, "error")
        code = as_text(error.get("errorCode"))
        hint = ""
        if answer.status == 401:
            what = "what the keys may do (the store says: permission)" if code == "210" else "the keys"
            hint = f"check {what}, found in {keys.origin}"
        elif answer.status == 404 and code == _NO_SUCH_PATH:  # the gateway's, nothing that a default covers
            return StoreError(
                f"{self.type} has no secrets under this endpoint (404, code {code})",
                hint="the path belongs to the endpoint, such as /secretmanager",
            )
        elif answer.status == 404:
            hint = self._other_host()
        elif code in ("INVALID_STATUS", "UNPROCESSABLE_ENTITY"):
            hint = "the secret may be disabled, or its deletion requested: look at its status in the console"
        return self.refusal(answer, code=code, request_id=answer.headers.get("x-ncp-trace-id", ""), hint=hint)

    def _other_host(self) -> str:
        asked = [endpoint.host for endpoint in self._endpoints()]
        hosts = ((url.split("/")[2], kind) for kind, url in self._hosts().items())
        others = [f'{host} (keys = "{kind}")' for host, kind in hosts if host not in asked]
        may_know = f"; {' or '.join(others)} may know it" if others else ""
        return f"check the id; asked {' and '.join(asked)}{may_know}"


def _word(answer: Answer) -> str:
    """The one word that the metadata service answers with; empty when it does not."""
    text = answer.body.decode("latin-1").strip()
    return text if answer.status == 200 and text.isascii() and text.isprintable() else ""


def _section(text: str, profile: str | None) -> dict[str, str]:
    """The settings of a profile; without one those above all sections, else of `[DEFAULT]`.

    Lenient, since the vendor's own readers differ: no section at all is common; a value may hold `=`.
    """
    sections: dict[str, dict[str, str]] = {"": {}}
    current = sections[""]
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            current = sections.setdefault(line[1:-1].strip(), {})
        elif "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            current[name.strip()] = value.strip()
    if profile is not None:
        return sections.get(profile, {})
    return sections[""] or sections.get("DEFAULT") or sections.get("default") or {}
