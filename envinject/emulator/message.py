"""Requests, responses and refusals of the emulated services: plain values, no sockets.

A service is a function from a `Request` to a `Response`. What it will not grant it raises as `Refused`, which
each API then writes in its own error shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, unquote

Headers = tuple[tuple[str, str], ...]
Handler = TypeVar("Handler")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as a service sees it.

    `target` is the request target exactly as it stood on the request line; `path` is what of it lies beneath
    the service's prefix, without the query and still percent-encoded. Header names are lower case. `time` is
    the emulator's clock, in seconds since the epoch; `id` is what the answer calls its request or trace id.
    """

    method: str
    target: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    time: float
    id: str

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters, decoded; of a name given twice the last."""
        return dict(parse_qsl(self.target.partition("?")[2], keep_blank_values=True))


@dataclass(frozen=True, slots=True)
class Response:
    """One answer.

    For the log alone: `credential` is the name of the credential set that was used, `secret` the id of the
    secret whose value the body holds, `note` says in our own words why something was refused.
    """

    status: int
    body: bytes = field(repr=False)
    content_type: str = "application/json"
    headers: Headers = field(default=(), repr=False)
    credential: str = ""
    secret: str = ""
    note: str = ""


class Refused(Exception):
    """What a service will not grant.

    `code` and `message` are the API's words, by default those of the status; `note` is ours, for the log. None
    of them ever holds anything that the client sent or that the seed keeps secret.
    """

    def __init__(
        self, status: int, message: str = "", *, code: str = "", note: str = "", headers: Headers = ()
    ) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.code = code
        self.note = note
        self.headers = headers


class Routes(Generic[Handler]):
    """Handlers by method and path: `"GET /secrets/{id}"`, where `{id}` stands for one segment."""

    def __init__(self, table: Mapping[str, Handler]) -> None:
        self._table = [(*_compiled(route), handler) for route, handler in table.items()]

    def find(self, request: Request) -> tuple[Handler, dict[str, str]]:
        """The handler of a request, and the decoded segments of its path by name.

        Raises: Refused, 404 for an unknown path, 405 for a method that a known path has not.
        """
        allowed: dict[str, None] = {}
        for method, pattern, handler in self._table:
            if not (match := pattern.fullmatch(request.path)):
                continue
            if method == request.method:
                return handler, {name: unquote(segment) for name, segment in match.groupdict().items()}
            allowed[method] = None
        if allowed:
            raise Refused(405, note="no such method here", headers=(("Allow", ", ".join(allowed)),))
        raise Refused(404, note="no such path")


def json_response(status: int, document: object, headers: Headers = (), note: str = "") -> Response:
    """An answer whose body is a JSON document, in UTF-8 without needless escapes."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8", "backslashreplace")  # half a surrogate pair becomes its JSON escape again
    return Response(status, body, headers=headers, note=note)


def _compiled(route: str) -> tuple[str, re.Pattern[str]]:
    method, _, path = route.partition(" ")
    return method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path))
