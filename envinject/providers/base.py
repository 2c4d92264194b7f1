"""What a provider is: references go in, secrets come out, and the engine does all the I/O.

A provider is written as *flows*: generators that yield what they need done (`Call`, `ReadFile`, `Once`) and
receive its outcome, top to bottom, with no socket, no thread, no retry and no clock of their own.
"""

from __future__ import annotations

import os

from .. import jsontext
from ..errors import Denied, ManifestError, NotFound, SecretsExecError, StoreError, Unavailable
from ..record import Record
from ..secret import Secret
from ..transports import RETRIED_FAILURES, Route
from ..url import parse_endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
    from typing import Any, ClassVar, TypeVar

    from ..jsontext import Json
    from ..reference import SecretRef
    from ..transports import Answer, Request
    from ..url import Endpoint

    T = TypeVar("T")
    Found = Mapping[SecretRef, Secret | SecretsExecError]
    Flow = Generator["Call | ReadFile | Once", Any, T]

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass (docs/faults.md)."""

ATTEMPT_SECONDS = 10.0
_LARGEST_FILE = 1 << 20
_CLOCK_TOLERANCE = 30
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/")


class Call(Record):
    """One HTTP exchange; the engine answers it with an `Answer`, or throws the error of the last attempt.

    `build` makes the request to `endpoint` anew for each attempt, from Unix time in seconds, since a signature
    holds the time. Answers of a status in `retried` are tried again unless `is_final` says that this one will not
    pass, and so are failures of a kind in `failures`. `attempts` bounds the attempts; None leaves that to the
    policy. `seconds` bounds each.
    """

    endpoint: Endpoint
    build: Callable[[float], Request]
    retried: frozenset[int] = RETRIED
    failures: frozenset[str] = RETRIED_FAILURES
    is_final: Callable[[Answer], bool] | None = None
    attempts: int | None = None
    seconds: float = ATTEMPT_SECONDS

    def __init__(
        self,
        endpoint: Endpoint,
        build: Callable[[float], Request],
        retried: frozenset[int] = RETRIED,
        failures: frozenset[str] = RETRIED_FAILURES,
        is_final: Callable[[Answer], bool] | None = None,
        attempts: int | None = None,
        seconds: float = ATTEMPT_SECONDS,
    ) -> None:
        fields = self.__dict__  # by hand, since there are thousands
        fields["endpoint"], fields["build"], fields["retried"], fields["failures"] = endpoint, build, retried, failures
        fields["is_final"], fields["attempts"], fields["seconds"] = is_final, attempts, seconds


class ReadFile(Record):
    """A regular file's bytes; the engine throws NotFound, Denied or StoreError when it cannot be read."""

    path: str
    limit: int = _LARGEST_FILE


class Once(Record):
    """A flow that runs once for all flows of this provider that ask for it by this key.

    A timeline shows the key, so it is a word that says what is waited for, and no secret.
    """

    key: Hashable
    flow: Callable[[], Flow[Any]]


class Credential(Record):
    """A setting that is never written into a manifest: `NAME_env` names a variable, `NAME_file` a file.

    `variables` are read when neither is set, the first that is not empty.
    """

    name: str
    variables: tuple[str, ...]


class Setting(Record):
    """A setting of a provider. `kind` is one of text, choice, flag, seconds, count, endpoint, path."""

    name: str
    kind: str
    about: str
    choices: tuple[str, ...] = ()


COMMON_HTTP = (
    Setting("endpoint", "endpoint", "the store's address, in place of the provider's own"),
    Setting("ca_bundle", "path", "a file of the authorities to trust, in place of the system's"),
    Setting("timeout", "seconds", "of one attempt (10s)"),
    Setting("concurrency", "count", "requests under way at once (as many as the run's)"),
    Setting("proxy", "text", "URL of an HTTP proxy; empty for none"),
)


class Provider:
    """A store that we can fetch from. A subclass sets the class attributes and writes `read`.

    `name` is the provider's name in the manifest; `settings` are checked and typed after `SETTINGS` and
    `CREDENTIALS`; `environ` is the launcher's environment.
    """

    type: ClassVar[str]
    about: ClassVar[str]
    SETTINGS: ClassVar[tuple[Setting, ...]] = ()
    CREDENTIALS: ClassVar[tuple[Credential, ...]] = ()
    COORDINATES: ClassVar[Mapping[str, str]] = {}
    """Which of version and stage it has, and what they may be, in words."""
    DOMAINS: ClassVar[tuple[str, ...]] = ()
    """Where an endpoint may lie without being allowed by whoever starts the command."""

    def __init__(self, name: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.name = name
        self.settings = settings
        self.environ = environ

    @property
    def concurrency(self) -> int | None:
        """Requests of this provider that may be under way at once; None for as many as the run's."""
        return self.settings.get("concurrency")

    @property
    def credential_names(self) -> frozenset[str]:
        """The variables that may hold its credentials: those of the settings, and the default ones."""
        chosen = (self.settings.get(f"{credential.name}_env") for credential in self.CREDENTIALS)
        default = (name for credential in self.CREDENTIALS for name in credential.variables)
        return frozenset((*filter(None, chosen), *default))

    def identity(self) -> Flow[Secret | None]:
        """Who reads, as far as this machine can tell without asking: an access key's id, or a token. No I/O but files.

        What was read as one is not shown to another (the cache is bound to it).
        """
        return None
        yield  # a flow is a generator, also one that needs nothing done

    def origin(self) -> Flow[str]:
        """Where its credentials were found: variables and files by name, never a value; empty where it needs none.

        No I/O but files. Raises: Denied when there are none.
        """
        return ""
        yield  # a flow is a generator, also one that needs nothing done

    def target(self, ref: SecretRef, folder: str) -> SecretRef:  # noqa: ARG002  # for subclasses with paths
        """The whole reference that is read for `ref`, with defaults filled in; equal ones are read once.

        `folder` is where the reference was written down. Raises: ManifestError, without a place.
        """
        for name in ("version", "stage"):
            value = getattr(ref, name)
            if value is not None and not (name in self.COORDINATES and self.accepts(name, value)):
                raise self._no_such(name, value)
        return ref.whole if ref.provider == self.name else ref.whole.replace(provider=self.name)

    def accepts(self, coordinate: str, value: str) -> bool:
        """Whether a version or stage, one of COORDINATES, has a form that this store knows."""
        raise NotImplementedError

    def batches(self, refs: Sequence[SecretRef]) -> Sequence[tuple[SecretRef, ...]]:
        """Which references one `read` serves together; each alone unless a store can do better."""
        return [(ref,) for ref in refs]

    def read(self, refs: tuple[SecretRef, ...]) -> Flow[Found]:
        """A flow that ends with what was found for each reference."""
        raise NotImplementedError

    def _no_such(self, name: str, value: str) -> ManifestError:
        has = [f"{other} ({form})" for other, form in self.COORDINATES.items()]
        if name in self.COORDINATES:
            return ManifestError(f"{name} '{value}' is none of {self.type}", hint=f"it has {has[0]}")
        instead = f"it has {has[0]} instead" if has else "it has neither version nor stage"
        return ManifestError(f"{self.type} has no {name}", hint=instead)


class HTTPProvider(Provider):
    """A provider that speaks HTTP: routes, credentials, and answers that are no success."""

    def __init__(self, name: str, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        super().__init__(name, settings, environ)
        self.route = Route(settings.get("ca_bundle"), settings.get("proxy"))
        """Whom this provider trusts, and through whom it goes."""
        self._known: dict[tuple[str, str], Endpoint] = {}

    def endpoints(self) -> Sequence[Endpoint]:
        """The servers that it may talk to, the store first: what `doctor` looks at."""
        return ()

    def origin(self) -> Flow[str]:
        """Every credential that is there. Raises: Denied when there is none."""
        found = []
        for credential in self.CREDENTIALS:
            if (yield from self.credential(credential.name)) is not None:
                found.append(self.found_at(credential.name))
        if self.CREDENTIALS and not found:
            places = " or ".join(self.places(credential.name) for credential in self.CREDENTIALS)
            raise Denied(f"no credentials for {self.name}", hint=f"set {places}")
        return " and ".join(found)

    def endpoint(self, setting: str, default: str) -> Endpoint:
        """A setting's endpoint or the default one, without the `/api/v1` that some documents put behind it."""
        key = setting, default
        if key not in self._known:  # each secret asks
            endpoint: Endpoint | None = self.settings.get(setting) or parse_endpoint(default)
            assert endpoint is not None, "a default endpoint is well formed"  # for the type checker
            self._known[key] = endpoint.replace(path=endpoint.path.removesuffix("/api/v1"))
        return self._known[key]

    def call(self, endpoint: Endpoint, build: Callable[[float], Request], **how: Any) -> Call:
        """A call with this provider's time for an attempt."""
        return Call(endpoint, build, **{"seconds": self.settings.get("timeout", ATTEMPT_SECONDS), **how})

    def credential(self, name: str) -> Flow[Secret | None]:
        """The credential of that name from where the settings or the defaults say; None when not there.

        Raises: Denied when it cannot be one, without showing it, and when its file cannot be read.
        """
        if path := self.settings.get(f"{name}_file"):
            return (yield from self._credential_file(name, path))
        for variable in self.variables(name):
            if text := self.environ.get(variable, ""):
                return checked(text, f"the variable {variable}")
        return None

    def _credential_file(self, name: str, path: str) -> Flow[Secret]:
        try:
            data: bytes = yield ReadFile(path)
        except (NotFound, StoreError) as error:  # never a secret's own: a default must not stand in for it
            problem = error.what
        else:
            text = data.decode("latin-1").removesuffix("\n").removesuffix("\r")
            return checked(text, f"the file {path}")
        raise Denied(f"no {name} for {self.name}: {problem}", hint=f"mend {name}_file, or the file")

    def variables(self, name: str) -> tuple[str, ...]:
        """The variables that may hold the credential of that name."""
        if f"{name}_file" in self.settings:
            return ()
        if variable := self.settings.get(f"{name}_env"):
            return (variable,)
        return next(credential.variables for credential in self.CREDENTIALS if credential.name == name)

    def places(self, name: str) -> str:
        """Where the credential of that name may stand, for a hint."""
        return self.settings.get(f"{name}_file") or " or ".join(self.variables(name))

    def found_at(self, name: str) -> str:
        """Where the credential of that name stands, which is there."""
        if path := self.settings.get(f"{name}_file"):
            return f"the file {path}"
        return next((f"the variable {one}" for one in self.variables(name) if self.environ.get(one)), "nowhere")

    def refusal(self, answer: Answer, *, code: str = "", request_id: str = "", hint: str = "") -> SecretsExecError:
        """The error of an answer that is no success, in our own words and its checked metadata."""
        facts = [str(answer.status)]
        facts += [f"code {code}"] if _is_safe(code) else []
        facts += [f"request id {request_id}"] if _is_safe(request_id) else []
        facts += [f"{answer.attempts} attempts"] if answer.attempts > 1 else []
        facts += [answer.given_up] if answer.given_up else []
        kind, words, default_hint = _REFUSALS.get(answer.status) or _by_class(answer.status)
        if answer.status == 404 and answer.body and not self.members(answer):
            return self.nonsense("its 404 is not the store's")  # nothing that a default covers
        what = f"{self.type} {words} ({', '.join(facts)})"
        return kind(what, hint="; ".join(filter(None, (hint or default_hint, self._clock(answer)))))

    def nonsense(self, why: str) -> StoreError:
        """The error of an answer that makes no sense."""
        return StoreError(
            f"{self.type}'s answer makes no sense: {why}",
            hint="is the endpoint right, and is no proxy or login page between?",
        )

    def parsed(self, answer: Answer) -> Json:
        """The answer's body. Raises: StoreError when it is no JSON."""
        try:
            return jsontext.parse(answer.body)
        except jsontext.NotJSON as error:
            why = "it is empty" if not answer.body else error.args[0]
            why = "it is an HTML page" if answer.body.lstrip()[:1] == b"<" else why
        raise self.nonsense(why)

    def members(self, answer: Answer, *path: str) -> dict[str, Json]:
        """The object under `path` in an answer that may be anything; empty when there is none."""
        try:
            value = jsontext.parse(answer.body)
        except jsontext.NotJSON:
            return {}
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        return value if isinstance(value, dict) else {}

    def _clock(self, answer: Answer) -> str:
        if answer.status != 401:
            return ""
        ahead = clock_difference(answer)
        if ahead is None:
            return "the answer holds no date to compare this machine's clock with"
        if abs(ahead) <= _CLOCK_TOLERANCE:
            return "this machine's clock agrees with the store's"
        return f"this machine's clock is {abs(ahead)} s {'ahead of' if ahead > 0 else 'behind'} the store's: set it"


def clock_difference(answer: Answer) -> int | None:
    """How far this machine's clock is ahead of the answer's `Date`, in seconds; None without a date."""
    from email.utils import mktime_tz, parsedate_tz  # cost milliseconds, needed only for a refusal

    parsed = parsedate_tz(answer.headers.get("date", "")[:64])
    try:
        return round(answer.received - mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError):
        return None


def as_text(value: Json) -> str:
    """A store's code or id, which may be a string or a number; empty for anything else."""
    return str(value) if isinstance(value, str) else ""


def check_id(ref: SecretRef, forbidden: Mapping[str, str]) -> None:
    """Hold an id to letters, digits, `.`, `-` and `_`, beginning with no dot and without `..`.

    `forbidden` has more to say about some characters. Raises: ManifestError.
    """
    for character, hint in forbidden.items():
        if character in ref.id:
            raise ManifestError(f"the id holds '{character}'", hint=hint)
    plain = ref.id.translate({ord(c): "x" for c in ".-_"})
    if not (plain.isalnum() and plain.isascii() and len(ref.id) <= 128) or ref.id[0] == "." or ".." in ref.id:
        raise ManifestError(
            f"'{ref.id[:128]}' is no id of {ref.provider}" if ref.id else "the id is empty",
            hint="an id is made of letters, digits, '.', '-' and '_', and is shown in the store's console",
        )


def absolute(ref: SecretRef, folder: str) -> SecretRef:
    """The reference with its id made a path that is seen from `folder`, an absolute one. Raises: ManifestError.

    `..` stays: it is for the system to say what it means behind a symlink.
    """
    if not ref.id or "\0" in ref.id:
        raise ManifestError("the path of the file is empty or holds a NUL byte", hint="write the path of a file")
    return ref.replace(id=os.path.join(folder, ref.id))


def checked(text: str, place: str) -> Secret:
    """A credential that can stand in a header. Raises: Denied, without showing it."""
    if not text:
        raise Denied(f"the credential in {place} is empty")
    if not (text.isascii() and text.isprintable() and text.strip() == text):
        raise Denied(
            f"the credential in {place} holds a newline, a space at an end or a character that is not ASCII",
            hint="store it anew, without a line end",
        )
    return Secret(text.encode())


def _is_safe(text: str) -> bool:
    return 0 < len(text) <= 64 and _SAFE.issuperset(text)


_REFUSALS: Mapping[int, tuple[type[SecretsExecError], str, str]] = {
    401: (Denied, "refuses the credentials", "check the credentials"),
    403: (Denied, "does not allow reading this secret", "grant the credentials' owner the right to read it"),
    404: (NotFound, "knows no such secret or version", "check id and version in the store's console"),
    408: (Unavailable, "timed out", "try again"),
    425: (Unavailable, "asks to come later", "try again"),
    429: (Unavailable, "has had too many requests", "try again later, or fetch with a lower concurrency"),
}


def _by_class(status: int) -> tuple[type[SecretsExecError], str, str]:
    if status >= 500:
        return Unavailable, "has trouble of its own", "try again later"
    if 300 <= status < 400:
        return (
            StoreError,
            "answers with a redirect, which is never followed",
            "set the endpoint to the store itself",
        )
    return StoreError, "does not accept the request", "is the endpoint the store's own?"
