"""KakaoCloud Secrets Manager, in both generations of its API.

Sources: the vendor's page 'Retrieve secret' (generation "classic"), its Go SDK v2 (generation "current"), its page
'API preparation' (tokens). Answers are read by their shape, whichever generation was asked.
"""

from __future__ import annotations

from .. import jsontext
from ..errors import Denied, NotFound, SecretsExecError, StoreError
from ..secret import Secret
from ..transports import TIMED_OUT, UNREACHABLE, Request
from .base import COMMON_HTTP, Credential, HTTPProvider, Once, Setting, as_text, check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..jsontext import Json
    from ..reference import SecretRef
    from ..transports import Answer
    from ..url import Endpoint
    from .base import Flow, Found

_REGION = "kr-central-2"
_IAM = "https://iam.kakaocloud.com"
_CURRENT = "https://secrets-manager-service.{region}.kakaocloud.com"
_CLASSIC = "https://secrets-manager.{region}.kakaocloud.com"
_TOKENS = "/identity/v3/auth/tokens"
_EXCHANGE_RETRIED = frozenset({429, 502, 503, 504})
_EXCHANGE_FAILURES = frozenset({UNREACHABLE, TIMED_OUT})
"""What an exchange is tried again for: less than a read is, since each makes a token."""


class _Tokens:
    """The token that reads begin with, and the one that they go on with after a renewal."""

    def __init__(self, token: Secret) -> None:
        self.first = token
        self.current = token


class KakaoCloud(HTTPProvider):
    """Reads values with a token, which is given or exchanged once per run for an access key."""

    type = "kakaocloud"
    about = "KakaoCloud Secrets Manager"
    DOMAINS = ("kakaocloud.com",)
    COORDINATES = {"version": "a positive integer"}
    CREDENTIALS = (
        Credential("token", ("KAKAOCLOUD_TOKEN",)),
        Credential("access_key_id", ("KAKAOCLOUD_APPLICATION_CREDENTIAL_ID",)),
        Credential("secret_access_key", ("KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET",)),
    )
    SETTINGS = (
        *COMMON_HTTP,
        Setting("region", "choice", _REGION, ("kr-central-1", _REGION, "kr-central-3")),
        Setting(
            "api",
            "choice",
            "the generation of the API; by the endpoint's host when not set",
            ("current", "classic"),
        ),
        Setting("iam_endpoint", "endpoint", "where tokens are issued"),
    )

    def accepts(self, coordinate: str, value: str) -> bool:
        return coordinate == "version" and value.isdigit() and value.isascii() and value[0] != "0" and len(value) < 19

    def target(self, ref: SecretRef, folder: str) -> SecretRef:
        masked = "the store masks the ids of secrets that you may not read: ask for the right, or for the id"
        check_id(ref, {"*": masked})
        return super().target(ref, folder)

    def identity(self) -> Flow[Secret | None]:
        """The token that is given, else the access key's id."""
        given = yield from self.credential("token")
        return given or (yield from self.credential("access_key_id"))

    def origin(self) -> Flow[str]:
        """The token's place, else those of the access key's halves."""
        if (yield from self.credential("token")) is not None:
            return self.found_at("token")
        key_id = yield from self.credential("access_key_id")
        key = yield from self.credential("secret_access_key")
        if key_id is None or key is None:
            raise self._missing(key_id, key)
        return f"{self.found_at('access_key_id')} and {self.found_at('secret_access_key')}"

    def endpoints(self) -> Sequence[Endpoint]:
        """The store, and where tokens are issued unless one is given."""
        has_token = "token_file" in self.settings or any(map(self.environ.get, self.variables("token")))
        return (self._endpoint(), *(() if has_token else (self.endpoint("iam_endpoint", _IAM),)))

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """One GET; after a 401 one more with a new token, which all reads share."""
        (ref,) = refs
        tokens: _Tokens = yield Once("tokens", self._first)
        used = tokens.current
        endpoint = self._endpoint()

        def build(_now: float) -> Request:
            nonlocal used
            used = tokens.current  # what waited until now goes with the new one at once
            return self._request(endpoint, ref, used)

        answer: Answer = yield self.call(endpoint, build)
        if answer.status == 401 and used is tokens.first and (yield from self.credential("access_key_id")):
            yield Once("renewal", lambda: self._renew(tokens))
            answer = yield self.call(endpoint, build)
        return {ref: self._secret(answer)}

    def _first(self) -> Flow[_Tokens]:
        given = yield from self.credential("token")
        return _Tokens(given or (yield from self._exchange()))

    def _renew(self, tokens: _Tokens) -> Flow[None]:
        tokens.current = yield from self._exchange()

    def _exchange(self) -> Flow[Secret]:
        key_id = yield from self.credential("access_key_id")
        key = yield from self.credential("secret_access_key")
        if key_id is None or key is None:
            raise self._missing(key_id, key)
        endpoint = self.endpoint("iam_endpoint", _IAM)
        request = self._exchange_request(endpoint, key_id, key)
        answer: Answer = yield self.call(
            endpoint, lambda _now: request, retried=_EXCHANGE_RETRIED, failures=_EXCHANGE_FAILURES
        )
        value = answer.headers.get("x-subject-token", "")
        if not 200 <= answer.status < 300:
            raise self._refused_exchange(answer)
        if not (value and value.isascii() and value.isprintable()):
            raise self.nonsense("the token exchange succeeded, but its X-Subject-Token holds no token")
        return Secret(value.encode())

    def _missing(self, key_id: Secret | None, key: Secret | None) -> Denied:
        if key_id is None and key is None:
            where = f"{self.places('access_key_id')} and {self.places('secret_access_key')}"
            return Denied(f"no credentials for {self.name}", hint=f"set {self.places('token')}, or {where}")
        missing = "access_key_id" if key_id is None else "secret_access_key"
        return Denied(f"half of the access key for {self.name} is missing", hint=f"set {self.places(missing)}")

    def _refused_exchange(self, answer: Answer) -> SecretsExecError:
        error = self.members(answer, "error")
        hint = f"check {self.places('access_key_id')} and {self.places('secret_access_key')}"
        refusal = self.refusal(answer, code=as_text(error.get("code")), hint=hint)
        if isinstance(refusal, NotFound):  # the token service itself is not there: nothing that a default covers
            return StoreError(f"{self.type} has no token service at this endpoint", hint="check iam_endpoint")
        return refusal

    def _exchange_request(self, endpoint: Endpoint, key_id: Secret, key: Secret) -> Request:
        credential = {"id": key_id.reveal().decode(), "secret": key.reveal().decode()}
        identity: Json = {"methods": ["application_credential"], "application_credential": {**credential}}
        path = endpoint.path.removesuffix("/auth/tokens").removesuffix("/identity/v3")
        body = jsontext.compact({"auth": {"identity": identity}}).encode()
        headers = (("Content-Type", "application/json"), ("Accept", "application/json"))
        return Request("POST", endpoint, path + _TOKENS, headers, body, self.route)

    def _endpoint(self) -> Endpoint:
        default = _CLASSIC if self.settings.get("api") == "classic" else _CURRENT
        return self.endpoint("endpoint", default.format(region=self.settings.get("region", _REGION)))

    def _request(self, endpoint: Endpoint, ref: SecretRef, token: Secret) -> Request:
        api = self.settings.get("api") or ("classic" if endpoint.host.startswith("secrets-manager.") else "current")
        headers: tuple[tuple[str, str], ...] = (
            ("X-Auth-Token", token.reveal().decode()),
            ("Accept", "application/json"),
        )
        if api == "classic":
            headers = (*headers, ("Content-Type", "application/json"))
        in_path = f"/{ref.version}" if ref.version and api == "current" else ""
        query = f"?version={ref.version}" if ref.version and api == "classic" else ""
        target = f"{endpoint.path}/api/v1/secrets/{ref.id}/versions{in_path}/value{query}"
        return Request("GET", endpoint, target, headers, route=self.route)

    def _secret(self, answer: Answer) -> Secret | SecretsExecError:
        if answer.status != 200:
            return self._refused(answer)
        try:
            value, revision = self._value(answer)
            data = jsontext.to_bytes(value)
        except SecretsExecError as error:
            return error
        if data is None:
            return NotFound("the value of this secret is null, which counts as not found")
        return Secret(data, revision=revision)

    def _value(self, answer: Answer) -> tuple[Json, str]:
        """The value, and which version it is of where the answer says so: no document promises that it does."""
        body = self.parsed(answer)
        if isinstance(body, dict):
            version = body.get("version")
            if isinstance(version, dict) and "secret" in version:
                number = as_text(version.get("version"))
                return version["secret"], f"version={number}" if self.accepts("version", number) else ""
            if "data" in body:
                return body["data"], ""
        raise self.nonsense("it has neither version.secret nor data")

    def _refused(self, answer: Answer) -> SecretsExecError:
        error = self.members(answer, "error") or self.members(answer)
        request_id = as_text(error.get("requestId")) or answer.headers.get("x-request-id", "")
        hint = f"check {self.places('token')} or the access key" if answer.status == 401 else ""
        return self.refusal(answer, code=as_text(error.get("code")), request_id=request_id, hint=hint)
