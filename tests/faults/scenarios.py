"""What can go wrong between the launcher and a store, one record each, and what the launcher makes of it.

docs/scenarios.md is made from it (page.py).
"""

from __future__ import annotations

import gzip
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import http2 as two
from .server import (
    GOOD_BODIES,
    Act,
    Door,
    Exchange,
    Reply,
    breaks_tls,
    good,
    hangs_up,
    hangs_up_after_tls,
    is_silent,
    is_silent_after_tls,
    passes,
    resets,
    resets_after_hello,
    resets_after_tls,
    says,
    says_and_ends,
    silence,
    tls,
)
from .worlds import ALIVE, ALIVE_6, DEAD, DEAD_6, NAME, NOWHERE, World

Count = int | tuple[int, int | None] | None
"""Exactly so many, from so many to so many, or any number."""

KAKAO, NAVER = "kakaocloud", "ncloud"
MIB = 1 << 20
ABOUT_CONTENT = ("Bodies", "Shapes", "Values", "Refusals", "Clocks")
"""Groups about what is in an answer, which are not played over HTTP/2 too."""
AWKWARD = "CANARY\"\\'%é\t$\n"


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What the servers do, and what must come of it.

    `CANARY` in `value` and `sets` is what must never be told. `secrets` are lines of the manifest. `only` is the
    protocol that it is about, None where it can be played over HTTP/1.1 and HTTP/2 alike.
    """

    name: str
    group: str
    does: str

    # What the servers do
    provider: str = KAKAO
    credentials: str = "token"
    """`token`, `keys`, or `none`."""
    store: tuple[Act, ...] = (good,)
    by_id: Mapping[str, tuple[Act, ...]] = field(default_factory=dict)
    iam: tuple[Act, ...] = (good,)
    doors: tuple[Door, ...] = ()
    iam_doors: tuple[Door, ...] = ()
    proxy: tuple[Act, ...] = ()
    proxy_doors: tuple[Door, ...] = ()
    proxy_listens: bool = True
    listens: bool = True
    """Whether the store takes connections; else the system refuses them."""
    accepts: bool = True
    """Whether it says hello to one that was taken."""
    protocols: tuple[str, ...] = ()
    streams: int = 100
    clock: float = 0.0
    rejected: int = 0
    world: World | None = None
    """The machine of its own that it is played on."""
    signal: str = ""
    """Sent to the launcher when it has begun to fetch."""

    # What is asked
    secrets: tuple[str, ...] = ('SECRET = "acme://one"',)
    value: str = AWKWARD
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)
    timeout: str = "20s"
    outage: str = "15s"
    attempt: str = "5s"

    # What must come of it
    code: int = 0
    requests: Count = 1
    exchanges: Count = 0
    connections: Count = None
    within: float = 25.0
    says: tuple[str, ...] = ()
    sets: Mapping[str, str] | None = None
    names: tuple[str, ...] = ("SECRET", "acme", "secrets.toml")
    """What the message names beside `says`: variable, provider, manifest."""
    lines: int = 20
    only: str | None = None
    slow: bool = False

    @property
    def variables(self) -> Mapping[str, str]:
        """The id that each variable's reference names."""
        found = (re.match(r'(\w+) *= .*?(?:acme://|id = ")([\w.-]+)', line) for line in self.secrets)
        return {match.group(1): match.group(2) for match in found if match}

    @property
    def ids(self) -> Sequence[str]:
        """The secrets that are asked for."""
        return list(dict.fromkeys(self.variables.values()))

    @property
    def protocol(self) -> str | None:
        """The protocol that it is about; None for any."""
        if self.only:
            return self.only
        acts = (*self.store, *self.iam, *(act for acts in self.by_id.values() for act in acts))
        is_plain = all(act is good or (isinstance(act, Reply) and act.framed) for act in acts)
        return None if is_plain and not (self.doors or self.iam_doors or self.proxy or self.world) else "HTTP/1.1"

    @property
    def is_slow(self) -> bool:
        """Whether it takes more than a second or two: it is left out of the quick tests."""
        return self.slow or (self.code == 75 and self.timeout != "20s")

    def ways(self) -> Iterator[str]:
        """The transports, and protocols, over which it is played."""
        if self.protocol != "HTTP/2":
            yield from ("curl", "requests")
        if self.protocol == "HTTP/2" or (self.protocol is None and self.group not in ABOUT_CONTENT):
            yield "curl over HTTP/2"


# How acts are written


def status(number: int, *headers: tuple[str, str], body: bytes = b"", **how: Any) -> Reply:
    """An answer of a status."""
    return Reply(number, headers, body, **how)


def raw(data: bytes) -> Act:
    """Bytes as they are, and a polite end."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)

    return act


def cut(data: bytes) -> Act:
    """Bytes as they are, and an end without TLS's goodbye."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.cut()

    return act


def reset(data: bytes = b"") -> Act:
    """Bytes as they are, and a reset."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.reset()

    return act


def hang(data: bytes = b"") -> Act:
    """Bytes as they are, and silence."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.silence()

    return act


def talk(first: bytes, then: bytes) -> Act:
    """Bytes as they are, and more when something has been said to them."""

    def act(exchange: Exchange) -> None:
        exchange.send(first)
        exchange.connection.recv(1 << 16)
        exchange.send(then)

    return act


def drip(data: bytes, drop: bytes) -> Act:
    """Bytes as they are, then one drop after the other, 50 a second, for ever."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.drip(drop)

    return act


def pour(data: bytes, drop: bytes) -> Act:
    """Bytes as they are, then as many more as the client takes."""

    def act(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.pour(drop)

    return act


def later(seconds: float) -> Act:
    """A good answer, after a time."""

    def act(exchange: Exchange) -> Reply:
        time.sleep(seconds)  # what a slow server does
        return good(exchange)

    return act


def dies(seconds: float) -> Act:
    """The server is killed, and is back after a time."""

    def act(exchange: Exchange) -> None:
        exchange.host.die(seconds)
        exchange.reset()

    return act


def body(data: bytes, *headers: tuple[str, str], **how: Any) -> Reply:
    """A 200 with a body."""
    return Reply(200, headers, data, **how)


def naver_body(inner: bytes) -> Reply:
    """A 200 in NAVER Cloud's shape, with something of one's own as the value's object."""
    return body(b'{"code":"SUCCESS","data":{"decryptedSecretValue":%s}}' % inner)


def kakao_value(value: bytes) -> Reply:
    """A 200 in KakaoCloud's shape, with JSON of one's own as the value."""
    return body(b'{"version":{"secret":%s}}' % value)


HEAD = b"HTTP/1.1 200 OK\r\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
KAKAO_BODY = GOOD_BODIES[KAKAO]
EMPTY_KAKAO_BODY = b'{"version":{"secret":"x"}}'


def made(name: str, group: str, does: str, code: int = 0, *store: Act, **how: Any) -> Scenario:
    """A scenario whose store does these things."""
    return Scenario(name=name, group=group, does=does, code=code, store=store or (good,), **how)


def waits(name: str, group: str, does: str, *store: Act, **how: Any) -> Scenario:
    """A scenario in which the launcher waits until its deadline: 75, no child, not much later than that."""
    settings: dict[str, Any] = {"timeout": "2s", "attempt": "700ms", "requests": (1, 14), "within": 8.0}
    return made(name, group, does, 75, *store, **settings | how)


# The table


def statuses() -> Iterator[Scenario]:
    """What each status means."""
    group = "Statuses"
    refused = "answers {} with nothing but a status"
    meanings = {77: (401, 403), 66: (404,), 75: (501, 505, 506, 507, 508, 510, 511, 520, 521, 525, 530, 599)}
    other = (201, 202, 203, 204, 205, 206, 207, 208, 226, 299, 300, 304, 305, 306, 399)
    other += (400, 402, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 426)
    other += (428, 431, 444, 451, 495, 499)
    for code, numbers in {**meanings, 69: other}.items():
        for number in numbers:
            provider = NAVER if number % 2 else KAKAO
            how = {"provider": provider, "credentials": "keys" if provider == NAVER else "token"}
            yield made(f"status {number}", group, refused.format(number), code, status(number), **how)
    for number in (408, 425, 429, 500, 502, 503, 504):
        does = f"answers {number} once, then as it should"
        yield made(f"status {number} once", group, does, 0, status(number), good, requests=2)
    for number, provider in ((429, KAKAO), (500, NAVER), (503, KAKAO), (504, NAVER)):
        how = {"provider": provider, "credentials": "keys" if provider == NAVER else "token"}
        yield waits(
            f"status {number} for ever",
            group,
            f"answers {number} for ever",
            status(number),
            requests=(2, 14),
            **how,
        )
    yield made(
        "status 429 of a quota",
        group,
        "answers 429 with NAVER Cloud's error code 400: the quota is used up",
        75,
        status(429, body=b'{"error":{"errorCode":"400","message":"Quota Exceeded"}}'),
        provider=NAVER,
        credentials="keys",
    )
    yield made(
        "status 429 of a throttle",
        group,
        "answers 429 with NAVER Cloud's error code 420, then as it should: signed anew",
        0,
        status(429, body=b'{"error":{"errorCode":"420","message":"Rate Limited"}}'),
        good,
        provider=NAVER,
        credentials="keys",
        requests=2,
    )
    for number in (600, 999):
        yield made(f"status {number}", group, refused.format(number), 75, status(number), only="HTTP/1.1")
    yield made("early hints", group, "sends 103 before the answer", 0, _early(103))
    yield made("processing", group, "sends 102 three times before the answer", 0, _early(102, 102, 102))
    yield made("continue", group, "sends 100 before the answer, though nobody asked", 0, _early(100), only="HTTP/1.1")
    switch = status(101, ("Upgrade", "h2c"), ("Connection", "Upgrade"))
    yield made("switching protocols", group, "answers 101 and means it", 69, _raw_of(switch), only="HTTP/1.1")
    for name, line in {
        "status of two digits": b"HTTP/1.1 42 OK",
        "status of four digits": b"HTTP/1.1 2000 OK",
        "status 000": b"HTTP/1.1 000 OK",
        "status 099": b"HTTP/1.1 099 OK",
        "status that is negative": b"HTTP/1.1 -200 OK",
        "status that is a word": b"HTTP/1.1 OK OK",
        "status with a letter": b"HTTP/1.1 20O OK",
        "no status": b"HTTP/1.1",
        "version that nobody knows": b"HTTP/7.3 200 OK",
        "protocol that nobody knows": b"ICY 200 OK",
        "no status line": b"Content-Type: application/json",
    }.items():
        text = line.decode()
        data = line + b"\r\nContent-Length: 26\r\n\r\n" + EMPTY_KAKAO_BODY
        yield made(name, group, f"answers '{text}' and a good body", 69, raw(data))
    data = GOOD % 26 + EMPTY_KAKAO_BODY
    yield made("HTTP/1.0", group, "answers in HTTP/1.0", 0, raw(data.replace(b"1.1", b"1.0")), value="x")
    yield made("no reason", group, "answers without a reason phrase", 0, raw(data.replace(b" OK", b"")), value="x")
    yield made("bare line feeds", group, "ends lines with LF alone", 0, raw(data.replace(b"\r", b"")), value="x")


def _early(*numbers: int) -> Reply:
    early = tuple(status(number, ("Link", "<https://@EVIL@/>; rel=preload")) for number in numbers)
    return Reply(200, (), b"@BODY@", early=early)


def _raw_of(reply: Reply) -> Act:
    def act(exchange: Exchange) -> None:
        exchange.reply(reply)
        exchange.send(KAKAO_BODY)

    return act


def retry_after() -> Iterator[Scenario]:
    """`Retry-After` in all its forms."""
    group = "Retry-After"
    for name, value in {
        "zero": "0",
        "zeros": "0000",
        "a negative number": "-30",
        "a number with a sign": "+1",
        "a fraction": "1.5",
        "nothing": "",
        "a word": "soon",
        "a word that is a number to some": "Infinity",
        "a number that is none": "NaN",
        "an exponent": "1e9",
        "digits of another script": "\u0661\u0662".encode().decode("latin-1"),
        "a date that is past": "@DATE-3600@",
        "a date that is long past": "Sun, 06 Nov 1994 08:49:37 GMT",
        "a date of the old form": "Sunday, 06-Nov-94 08:49:37 GMT",
        "a date of C": "Sun Nov  6 08:49:37 1994",
        "a date of ISO 8601": "1994-11-06T08:49:37Z",
        "a date that does not exist": "Fri, 99 Foo 2026 99:99:99 GMT",
        "a date of the year 0": "Sat, 01 Jan 0000 00:00:00 GMT",
        "a very long text": "9 " * 4000,
        "a list of nothing": ", , ,",
    }.items():
        reply = status(503, ("Retry-After", value))
        yield made(f"Retry-After: {name}", group, f"503 with {name}, then good", 0, reply, good, requests=2)
    for name, value in {
        "one second": "1",
        "a date a second ahead": "@DATE+1@",
    }.items():
        reply = status(429, ("Retry-After", value))
        yield made(f"Retry-After: {name}", group, f"429 with {name}, then good", 0, reply, good, requests=2, slow=True)
    for name, value in {
        "an hour": "3600",
        "a number of 400 digits": "9" * 400,
        "a date an hour ahead": "@DATE+3600@",
        "a date in the far future": "Fri, 31 Dec 9999 23:59:59 GMT",
    }.items():
        reply = status(503, ("Retry-After", value))
        yield made(f"Retry-After: {name}", group, f"503 with {name}", 75, reply, says=("asks to wait",), within=15.0)
    twice = status(429, ("Retry-After", "0"), ("Retry-After", "7200"))
    yield made("Retry-After: doubled", group, "429 with 0 and 7200 in two headers", 75, twice, says=("7200 s",))
    listed = status(429, ("Retry-After", "7200, 0"))
    yield made("Retry-After: listed", group, "429 with 7200 and 0 in one header", 75, listed, says=("7200 s",))
    skewed = status(503, ("Retry-After", "@DATE-3600@"), ("Date", "@DATE-3600@"))
    yield made(
        "Retry-After: of another clock",
        group,
        "503 with a date that is now by the store's clock, which is an hour behind, then good",
        0,
        skewed,
        good,
        requests=2,
    )


def redirects() -> Iterator[Scenario]:
    """Redirects are never followed, wherever they lead."""
    group = "Redirects"
    for number in (301, 302, 303, 307, 308):
        for name, place in {
            "another path": "https://@SELF@/api/v1/secrets/two/versions/value",
            "another host": "https://@EVIL@/api/v1/secrets/one/versions/value",
        }.items():
            reply = status(number, ("Location", place))
            yield made(f"{number} to {name}", group, f"answers {number} to {name}", 69, reply, says=("redirect",))
    for name, place in {
        "a relative path": "../other",
        "itself": "https://@SELF@/api/v1/secrets/one/versions/value",
        "plain http": "http://@PLAINEVIL@/",
        "another host, by //": "//@EVIL@/",
        "another host, behind ours as a user": "https://@SELF@@@EVIL@/",
        "another host, behind a backslash": "https://@EVIL@\\\\@@SELF@/",
        "a file": "file:///etc/passwd",
        "a dict server": "dict://@PLAINEVIL@/d:x",
        "a gopher server": "gopher://@PLAINEVIL@/_x",
        "an FTP server": "ftp://@PLAINEVIL@/x",
        "a data URL": "data:application/json,{}",
        "a script": "javascript:alert(1)",
        "nowhere": "",
        "a port that is none": "https://127.0.0.1:99999/",
        "a very long place": "https://@EVIL@/" + "a" * 30_000,
        "a place with a canary": "https://@EVIL@/?token=@TOKEN@",
    }.items():
        reply = status(302, ("Location", place.replace("@@@", "@\u0000").replace("@@", "@").replace("\u0000", "@")))
        yield made(f"302 to {name}", group, f"answers 302 to {name}", 69, reply, says=("redirect",))
    two_places = status(302, ("Location", "https://@SELF@/"), ("Location", "https://@EVIL@/"))
    yield made("302 to two places", group, "answers 302 with two places", 69, two_places)
    yield made("302 without a place", group, "answers 302 without a place", 69, status(302))
    proxied = status(305, ("Location", "http://@PLAINEVIL@/"))
    yield made("305 to a proxy", group, "answers 305 with a proxy's address", 69, proxied)
    for number in (302, 307, 308):
        reply = status(number, ("Location", "https://@EVIL@/identity/v3/auth/tokens"))
        yield made(
            f"{number} of the token service",
            group,
            f"the token service answers {number} to another host, which would get the access key",
            69,
            iam=(reply,),
            credentials="keys",
            requests=0,
            exchanges=1,
        )
    for name, header in {
        "Refresh": ("Refresh", "0; url=https://@EVIL@/"),
        "Alt-Svc": ("Alt-Svc", 'h2="@EVIL@"; ma=86400, h3="@EVIL@"'),
        "Content-Location": ("Content-Location", "https://@EVIL@/"),
        "Link": ("Link", "<https://@EVIL@/>; rel=preconnect"),
        "Strict-Transport-Security": ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
        "Set-Cookie": ("Set-Cookie", "session=c00kie; Path=/; Domain=127.0.0.1"),
        "WWW-Authenticate": ("WWW-Authenticate", 'Basic realm="x", Negotiate, NTLM'),
        "Location": ("Location", "https://@EVIL@/"),
    }.items():
        yield made(
            f"{name} with a 503",
            group,
            f"503 with {name}, then good: no other host is asked, nothing is sent back",
            0,
            status(503, header),
            status(503, header),
            good,
            requests=3,
        )
    page = b'<html><head><meta http-equiv="refresh" content="0; url=https://@EVIL@/"></head></html>'
    yield made("a page that redirects", group, "200 with an HTML page that redirects", 69, body(page), says=("HTML",))


def connections() -> Iterator[Scenario]:
    """Connections that are not there, or break."""
    group = "Connections"
    many: dict[str, Any] = {"requests": 0, "connections": (2, 14)}
    yield waits("nobody listens", group, "refuses every connection", listens=False, requests=0)
    yield waits("every connection is reset", group, "resets every connection", doors=(resets,), **many)
    yield waits("every connection is ended", group, "ends every connection at once", doors=(hangs_up,), **many)
    for name, door, does in (
        ("reset at once", resets, "resets the first connection at once"),
        ("ended at once", hangs_up, "ends the first connection at once"),
        ("reset in TLS", resets_after_hello, "resets the first connection after the ClientHello"),
        ("ended in TLS", says_and_ends(b""), "ends the first connection after the ClientHello"),
        ("cut in TLS", says_and_ends(b"\x16\x03\x03\x00\x7a\x02"), "sends the beginning of a ServerHello, and ends"),
        ("reset after TLS", resets_after_tls, "resets the first connection after the handshake"),
        ("ended after TLS", hangs_up_after_tls, "ends the first connection after the handshake"),
    ):
        yield made(name, group, f"{does}, then works", 0, doors=(door, tls()), connections=2)
    half = GOOD % 400 + b'{"version":'
    for name, act, does in (
        ("reset after the request", reset(), "resets the connection when it has the request"),
        ("ended after the request", raw(b""), "ends the connection when it has the request"),
        ("cut after the request", cut(b""), "the same, without TLS's goodbye"),
        ("reset in the status line", reset(b"HTTP/1.1 2"), "resets the connection within the status line"),
        ("reset in the headers", reset(HEAD + b"Content-Le"), "resets the connection within the headers"),
        ("ended in the headers", raw(HEAD + b"Content-Le"), "ends the connection within the headers"),
        ("ended before the empty line", raw(HEAD + b"Content-Length: 26\r\n"), "ends the connection between headers"),
        ("reset in the body", reset(half), "resets the connection within the body"),
        ("body shorter than told", raw(half), "ends the connection before the body is whole"),
        ("body cut", cut(half), "the same, without TLS's goodbye"),
        ("reset before the body", reset(GOOD % 400), "resets the connection before the body"),
        (
            "chunk cut",
            raw(HEAD + b'Transfer-Encoding: chunked\r\n\r\n40\r\n{"version":'),
            "ends the connection within a chunk",
        ),
        (
            "no last chunk",
            raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1a\r\n" + EMPTY_KAKAO_BODY + b"\r\n"),
            "ends the connection before the last chunk",
        ),
    ):
        yield made(name, group, f"{does}; then works", 0, act, good, requests=2)
    yield waits("body cut for ever", group, "ends every connection within the body", raw(half), requests=(2, 14))
    yield made(
        "killed and started anew",
        group,
        "is killed in the middle of it, refuses connections for 300 ms, and is there again",
        0,
        dies(0.3),
        good,
        requests=2,
        slow=True,
    )
    yield made(
        "killed and started anew under load",
        group,
        "the same with 20 secrets under way",
        0,
        by_id={"s7": (dies(0.3), good)},
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
        requests=(20, 80),
        slow=True,
        only="HTTP/1.1",
    )


def framing() -> Iterator[Scenario]:
    """Answers whose length is a matter of opinion."""
    group = "Framing"
    x = EMPTY_KAKAO_BODY
    fine: dict[str, Any] = {"value": "x"}
    yield made("to the end", group, "gives no length and ends the connection", 0, raw(HEAD + b"\r\n" + x), **fine)
    yield made(
        "to the end, without a goodbye",
        group,
        "gives no length and cuts the connection without TLS's goodbye, in the middle of a value; then works",
        0,
        cut(HEAD + b'\r\n{"version":{"secret":"@VALUE@'),
        good,
        requests=2,
    )
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
    whole = chunked + b"".join(b"1\r\n%c\r\n" % byte for byte in x) + b"0\r\n\r\n"
    yield made("chunks of one byte", group, "sends the body in chunks of one byte", 0, raw(whole), **fine)
    extension = chunked + b"1a;evil=https://@EVIL@/\r\n" + x + b"\r\n0\r\nX-Trailer: x\r\n\r\n"
    yield made("chunk extension and trailer", group, "adds a chunk extension and a trailer", 0, raw(extension), **fine)
    coding = chunked + b"1a\r\n" + x + b"\r\n0\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n"
    yield made("trailers that contradict", group, "says 'gzip' and another length in trailers", 0, raw(coding), **fine)
    yield made("length too short", group, "tells a length that is less than the body's", 69, raw(GOOD % 20 + x))
    for name, does, data in (
        ("length that is a word", "tells a length that is no number", HEAD + b"Content-Length: many\r\n\r\n" + x),
        ("length that is negative", "tells a negative length", HEAD + b"Content-Length: -26\r\n\r\n" + x),
        ("two lengths", "tells two lengths that differ", HEAD + b"Content-Length: 26\r\nContent-Length: 5\r\n\r\n" + x),
        ("chunk size that is a word", "sends a chunk size that is no number", chunked + b"many\r\n" + x),
        ("chunk size that is negative", "sends a negative chunk size", chunked + b"-1a\r\n" + x),
        (
            "transfer coding that nobody knows",
            "uses a transfer coding that nobody knows",
            HEAD + b"Transfer-Encoding: x\r\n\r\n",
        ),
        ("length of 400 digits", "tells a length of 400 digits", HEAD + b"Content-Length: " + b"9" * 400 + b"\r\n\r\n"),
    ):
        yield made(name, group, does, 69, raw(data))
    same = HEAD + b"Content-Length: 26\r\nContent-Length: 26\r\n\r\n" + x
    yield made("the same length twice", group, "tells the same length twice", 0, raw(same), **fine)
    both = HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n1a\r\n" + x + b"\r\n0\r\n\r\n"
    yield made("a length and chunks", group, "tells a length and sends chunks, which count", 0, raw(both), **fine)
    huge = chunked + b"7fffffffffffffff\r\n" + x
    yield made(
        "huge chunk",
        group,
        "announces a chunk of 8 EiB, sends 26 bytes and ends; then works",
        0,
        raw(huge),
        good,
        requests=2,
    )
    for name, does, header in (
        ("folded header", "folds a header over two lines", b"X-A: a\r\n b\r\n"),
        ("header that is not ASCII", "sends a header in UTF-8", "X-A: é漢字\r\n".encode()),
        ("header of 20 KB", "sends a header of 20 KB", b"X-A: " + b"a" * 20_000 + b"\r\n"),
        ("80 headers", "sends 80 headers", b"".join(b"X-%d: a\r\n" % n for n in range(80))),
    ):
        yield made(name, group, does, 0, raw(HEAD + header + b"Content-Length: 26\r\n\r\n" + x), **fine)
    for name, does, header in (
        ("header with a NUL", "sends a header with a NUL in it", b"X-A: a\0b\r\n"),
        ("header without a colon", "sends a header without a colon", b"X-A\r\n"),
        ("header without a name", "sends a header without a name", b": a\r\n"),
    ):
        yield made(name, group, does, 69, raw(HEAD + header + b"Content-Length: 26\r\n\r\n" + x))
    yield made(
        "header of 2 MB", group, "sends a header of 2 MB", 69, raw(HEAD + b"X-A: " + b"a" * 2 * MIB + b"\r\n\r\n")
    )
    yield made(
        "endless 100 Continue",
        group,
        "pours 100 Continue without an end",
        69,
        pour(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
    )
    yield made("endless headers", group, "sends headers without an end", 69, pour(HEAD, b"X-A: b\r\n" * 500))
    yield made("endless header", group, "sends one header without an end", 69, pour(HEAD + b"X-A: ", b"a" * 8192))
    yield made(
        "endless status line", group, "sends a status line without an end", 69, pour(b"HTTP/1.1 200 ", b"a" * 8192)
    )
    yield made(
        "endless trailers",
        group,
        "sends trailers without an end",
        69,
        pour(chunked + b"1a\r\n" + x + b"\r\n0\r\n", b"X-A: b\r\n" * 500),
    )


def hangs() -> Iterator[Scenario]:
    """Servers that stop, at every step, or go on for ever."""
    group = "Hangs"
    none: dict[str, Any] = {"requests": 0}
    yield waits("never accepts", group, "never accepts a connection", accepts=False, **none)
    yield waits("hangs before TLS", group, "accepts, and says nothing", doors=(is_silent,), **none)
    yield waits(
        "hangs in TLS",
        group,
        "says nothing after the beginning of a ServerHello",
        doors=(says(b"\x16\x03\x03\x00\x7a\x02"),),
        **none,
    )
    yield waits("hangs after TLS", group, "says nothing after the handshake", doors=(is_silent_after_tls,), **none)
    yield waits("hangs after the request", group, "says nothing after the request", hang())
    yield waits("hangs in the status line", group, "stops within the status line", hang(b"HTTP/1."))
    yield waits("hangs in the headers", group, "stops within the headers", hang(HEAD + b"Content-Le"))
    yield waits("hangs before the body", group, "stops before the body", hang(GOOD % 26))
    yield waits("hangs in the body", group, "stops within the body", hang(GOOD % 400 + b'{"version":'))
    yield waits(
        "hangs in a chunk", group, "stops within a chunk", hang(HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{")
    )
    yield waits(
        "never the last chunk",
        group,
        "sends the whole body, and never the last chunk",
        hang(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1a\r\n" + EMPTY_KAKAO_BODY + b"\r\n"),
    )
    yield waits(
        "100 Continue for ever", group, "sends 100 Continue for ever", drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")
    )
    yield waits(
        "drips the status line", group, "sends a byte of the status line at a time", drip(b"HTTP/1.1 200 ", b"O")
    )
    yield waits("drips headers", group, "sends a byte of a header at a time", drip(HEAD + b"X-A: ", b"a"))
    yield waits("drips the body", group, "sends a byte of the body at a time", drip(GOOD % 100_000, b" "))
    yield waits(
        "drips chunks",
        group,
        "sends a chunk of one byte at a time",
        drip(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    )
    yield waits("drips to the end", group, "sends a byte at a time, and told no length", drip(HEAD + b"\r\n", b" "))
    yield made(
        "hangs once",
        group,
        "says nothing to the first request, answers the second",
        0,
        hang(),
        good,
        requests=2,
        attempt="700ms",
        slow=True,
    )
    yield made("answers after 300 ms", group, "takes 300 ms for its answer", 0, later(0.3))
    yield made(
        "the first of twenty hangs",
        group,
        "says nothing to the first request, answers the other 19 at once, and the first one when it comes again",
        0,
        by_id={"s0": (hang(), good)},
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
        requests=21,
        attempt="1s",
        timeout="5s",
        only="HTTP/1.1",
        slow=True,
    )
    yield waits(
        "an outage",
        group,
        "says nothing at all: the shorter clock of an outage counts, not the deadline",
        hang(),
        timeout="60s",
        outage="1500ms",
        says=("no answer at all for 1.5 s",),
        slow=True,
    )
    yield waits(
        "one of twenty hangs",
        group,
        "answers 19 of 20 requests: no child without the last one",
        by_id={"s7": (hang(),)},
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
        requests=(20, 40),
        only="HTTP/1.1",
    )
    for name, number in (("SIGTERM", 143), ("SIGINT", 130), ("SIGHUP", 129), ("SIGQUIT", 131)):
        yield made(
            f"{name} while it hangs",
            group,
            f"says nothing; the launcher gets {name}",
            number,
            hang(),
            signal=name,
            within=10.0,
        )
    yield made(
        "SIGTERM while TLS hangs",
        group,
        "says nothing before TLS; the launcher gets SIGTERM",
        143,
        doors=(is_silent,),
        signal="SIGTERM",
        requests=0,
        within=10.0,
    )
    yield made(
        "SIGTERM while it waits to try again",
        group,
        "asks for 15 s of patience; the launcher gets SIGTERM",
        143,
        status(429, ("Retry-After", "15")),
        signal="SIGTERM",
        within=10.0,
    )


def bodies() -> Iterator[Scenario]:
    """Bodies that are no answer."""
    group = "Bodies"
    senseless: dict[str, tuple[str, bytes]] = {
        "nothing": ("nothing at all", b""),
        "spaces": ("spaces", b" " * 100),
        "HTML": ("a login page", b"<!DOCTYPE html><html><body>Sign in</body></html>"),
        "XML": ("XML", b'<?xml version="1.0"?><version><secret>@VALUE@</secret></version>'),
        "text": ("the value itself, and no JSON", b"@VALUE@"),
        "half of it": ("JSON that ends early", b'{"version":{"secret":"@VALUE@'),
        "two of them": ("two JSON documents", b"@BODY@@BODY@"),
        "something behind it": ("JSON and a word behind it", b"@BODY@ x"),
        "single quotes": ("JSON in single quotes", b"{'version':{'secret':'x'}}"),
        "a comment": ("JSON with a comment", b'{"version":{"secret":"x"}/* x */}'),
        "a trailing comma": ("JSON with a comma too many", b'{"version":{"secret":"x"},}'),
        "a prefix": ("JSON behind a guard against scripts", b")]}',\n@BODY@"),
        "JSONP": ("JSON in a function call", b"callback(@BODY@)"),
        "a control character": ("a string with a raw control character", b'{"version":{"secret":"a\x01b"}}'),
        "NUL bytes": ("NUL bytes", b"\0" * 64),
        "a NUL behind it": ("JSON and a NUL", b"@BODY@\0"),
        "NaN": ("NaN", b'{"version":{"secret":NaN}}'),
        "Infinity": ("-Infinity", b'{"version":{"secret":{"a":-Infinity}}}'),
        "a key twice": ("a key twice", b'{"version":{"secret":"x"},"version":{"secret":"@VALUE@"}}'),
        "a key twice, deep": ("a key twice within", b'{"version":{"secret":"x","secret":"@VALUE@"}}'),
        "a key twice in the value": ("a key twice within the value", b'{"version":{"secret":{"a":1,"a":"@VALUE@"}}}'),
        "100,000 brackets": ("100,000 brackets that open", b"[" * 100_000),
        "100,000 levels": ("100,000 levels of arrays", b"[" * 100_000 + b"]" * 100_000),
        "100,000 levels of objects": ("100,000 levels of objects", b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
        "a number without end": ("a number of a million digits", b"9" * 1_000_000),
    }
    for name, (does, data) in senseless.items():
        yield made(f"body: {name}", group, f"answers 200 with {does}", 69, body(data))
    for name, wrap in {
        "UTF-16": lambda data: data.decode().encode("utf-16"),
        "UTF-16 without a mark": lambda data: data.decode().encode("utf-16-le"),
        "UTF-32": lambda data: data.decode().encode("utf-32"),
        "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
        "Latin-1": lambda data: data.decode().encode("latin-1"),
        "EUC-KR": lambda data: data.replace("é".encode(), "가".encode("euc-kr")),
        "invalid UTF-8": lambda data: data[:-4] + b"\xff\xfe" + data[-4:],
        "half a character": lambda data: data[:-4] + b"\xe2\x82" + data[-4:],
        "a surrogate as UTF-8": lambda data: data[:-4] + b"\xed\xa0\x80" + data[-4:],
        "overlong UTF-8": lambda data: data[:-4] + b"\xc0\xaf" + data[-4:],
    }.items():
        yield made(f"body: {name}", group, f"answers 200 with the body in {name}", 69, body(b"@BODY@", wrap=wrap))
    exact, more = _filled(MIB), _filled(MIB + 1)
    yield made("body: 1 MiB", group, "answers with 1 MiB exactly, most of it spaces", 0, body(b"@BODY@", wrap=exact))
    yield made("body: 1 MiB and a byte", group, "answers with one byte more", 69, body(b"@BODY@", wrap=more))
    yield made("body: 64 MB", group, "answers with 64 MB", 69, pour(GOOD % (64 * MIB), b" " * 65536))
    chunks = pour(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2000\r\n" + b" " * 8192 + b"\r\n")
    yield made("body: endless", group, "answers with chunks without an end", 69, chunks)
    yield made(
        "body: endless, no length", group, "answers without a length or an end", 69, pour(HEAD + b"\r\n", b" " * 8192)
    )
    for name, header in {
        "text/html": "text/html",
        "another charset": "application/json; charset=utf-16",
        "an image": "image/png",
        "nothing": "",
        "garbage": ';;;="',
    }.items():
        yield made(
            f"content type: {name}",
            group,
            f"tells {name} as the type of a good body",
            0,
            body(b"@BODY@", ("Content-Type", header)),
        )
    many = b'{"version":{"secret":"x"},%s}' % b",".join(b'"k%d":0' % n for n in range(50_000))
    yield made("body: 50,000 keys", group, "answers with 50,000 keys more than it should", 0, body(many), value="x")


def _filled(size: int) -> Callable[[bytes], bytes]:
    """What makes a body that long, by spaces at its end."""
    return lambda data: data + b" " * (size - len(data))


def codings() -> Iterator[Scenario]:
    """Compression that nobody asked for."""
    group = "Compression"
    compressed = ("Content-Encoding", "gzip")
    yield made("gzip", group, "compresses a good body", 0, body(b"@BODY@", compressed, wrap=gzip.compress))
    yield made(
        "deflate",
        group,
        "compresses a good body",
        0,
        body(b"@BODY@", ("Content-Encoding", "deflate"), wrap=zlib.compress),
    )
    yield made(
        "identity", group, "says 'identity' of a good body", 0, body(b"@BODY@", ("Content-Encoding", "identity"))
    )
    bomb = gzip.compress(b" " * (64 * MIB))
    yield made("gzip bomb", group, "sends 64 KB that become 64 MiB", 69, body(bomb, compressed))
    nested = gzip.compress(gzip.compress(b" " * (64 * MIB)))
    twice = ("Content-Encoding", "gzip, gzip")
    yield made("nested gzip bomb", group, "sends a bomb within a bomb", 69, body(nested, twice))
    seven = b"@BODY@"
    listed = ("Content-Encoding", ", ".join(["gzip"] * 7))
    yield made("seven codings", group, "tells seven codings", 69, body(seven, listed))
    # Sources of these bytes: RFC 7932 and RFC 8878; an empty stream, and a bomb of 1 MiB of spaces in brotli.
    brotli = bytes.fromhex("a1 f8 ff 7f 00 24 40 e2 b1 40 f0 ff 07".replace(" ", ""))
    yield made("brotli", group, "sends brotli", 69, body(brotli, ("Content-Encoding", "br")))
    zstandard = bytes.fromhex("28b52ffd2400010000 99e9d851".replace(" ", ""))
    yield made("zstandard", group, "sends zstandard", 69, body(zstandard, ("Content-Encoding", "zstd")))
    yield made("gzip, and is not", group, "says 'gzip' of a plain body", 69, body(b"@BODY@", compressed))
    half = body(b"@BODY@", compressed, wrap=lambda data: gzip.compress(data)[:-9])
    yield made("gzip that is cut", group, "sends half of a compressed body", 69, half)
    yield made(
        "gzip, unsaid", group, "compresses a good body and does not say so", 69, body(b"@BODY@", wrap=gzip.compress)
    )
    refused = status(403, ("Content-Encoding", "br"), body=brotli)
    yield made(
        "a refusal in brotli", group, "refuses, with a body that nobody can read: the status counts", 77, refused
    )
    unknown = ("Content-Encoding", "rot13")
    yield made(
        "content coding that nobody knows", group, "tells a coding that nobody knows", 69, body(b"@BODY@", unknown)
    )


def shapes() -> Iterator[Scenario]:
    """JSON of a wrong shape, at every level."""
    group = "Shapes"
    for name, data in {
        "null": b"null",
        "true": b"true",
        "a number": b"42",
        "a string": b'"@VALUE@"',
        "an array": b'["@VALUE@"]',
        "an empty object": b"{}",
        "another object": b'{"result":"@VALUE@"}',
        "an error, though 200": b'{"error":{"code":"x","message":"@VALUE@"}}',
        "version null": b'{"version":null}',
        "version a string": b'{"version":"@VALUE@"}',
        "version an array": b'{"version":[{"secret":"@VALUE@"}]}',
        "version empty": b'{"version":{}}',
        "version with another key": b'{"version":{"value":"@VALUE@"}}',
        "keys in capitals": b'{"Version":{"Secret":"@VALUE@"}}',
        "NAVER Cloud's": GOOD_BODIES[NAVER].replace(b'"data"', b'"payload"'),
    }.items():
        yield made(f"KakaoCloud: {name}", group, f"answers {name}", 69, body(data))
    for name, data in {"secret null": b'{"version":{"secret":null}}', "data null": b'{"data":null}'}.items():
        yield made(f"KakaoCloud: {name}", group, f"answers {name}, which counts as not found", 66, body(data))
    envelope = body(b'{"code":"OK","message":"","data":"@VALUE@","requestId":"r"}')
    yield made("KakaoCloud: the older shape", group, "answers in the older API's shape", 0, envelope)
    for name, data, sets in (
        ("a number", b"1.50", "1.50"),
        ("a number beyond floats", b"1e400", "1e400"),
        ("thirty digits", b"123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", b"true", "true"),
        ("an object", b'{"b": 1.0, "a": [null, "@VALUE@"]}', None),
        ("an empty string", b'""', ""),
    ):
        sets_ = {"SECRET": sets if sets is not None else '{"b":1.0,"a":[null,"CANARY"]}'}
        yield made(
            f"value: {name}", group, f"holds {name} as the value", 0, kakao_value(data), value="CANARY", sets=sets_
        )
    naver: dict[str, Any] = {"provider": NAVER, "credentials": "keys"}
    for name, data in {
        "null": b"null",
        "an array": b"[]",
        "no code": b'{"data":{"decryptedSecretValue":{"value":"@VALUE@","valueStage":"ACTIVE"}}}',
        "another code": b'{"code":"PARTIAL","data":{"decryptedSecretValue":{"value":"@VALUE@","valueStage":"ACTIVE"}}}',
        "code in small letters": b'{"code":"success","data":{"decryptedSecretValue":{"value":"@VALUE@"}}}',
        "code 0": b'{"code":0,"data":{"decryptedSecretValue":{"value":"@VALUE@","valueStage":"ACTIVE"}}}',
        "no data": b'{"code":"SUCCESS"}',
        "data null": b'{"code":"SUCCESS","data":null}',
        "data an array": b'{"code":"SUCCESS","data":["@VALUE@"]}',
        "data a string": b'{"code":"SUCCESS","data":"@VALUE@"}',
        "data empty": b'{"code":"SUCCESS","data":{}}',
        "KakaoCloud's": GOOD_BODIES[KAKAO],
        "an error, though 200": b'{"error":{"errorCode":"300","message":"@VALUE@"}}',
    }.items():
        yield made(f"NAVER Cloud: {name}", group, f"answers {name}", 69, body(data), **naver)
    for name, inner in {
        "value object a string": b'"@VALUE@"',
        "value object an array": b'["@VALUE@"]',
        "value object a number": b"7",
        "no stage": b'{"value":"@VALUE@"}',
        "stage null": b'{"value":"@VALUE@","valueStage":null}',
        "stage a number": b'{"value":"@VALUE@","valueStage":1}',
        "another stage": b'{"value":"@VALUE@","valueStage":"PREVIOUS"}',
        "a stage that nobody knows": b'{"value":"@VALUE@","valueStage":"CURRENT"}',
        "value a number": b'{"value":42,"valueStage":"ACTIVE"}',
        "value true": b'{"value":true,"valueStage":"ACTIVE"}',
        "value an object": b'{"value":{"a":"@VALUE@"},"valueStage":"ACTIVE"}',
        "value an array": b'{"value":["@VALUE@"],"valueStage":"ACTIVE"}',
    }.items():
        yield made(f"NAVER Cloud: {name}", group, f"answers with {name}", 69, naver_body(inner), **naver)
    for name, inner in {
        "value object null": b"null",
        "value null": b'{"value":null,"valueStage":"ACTIVE"}',
        "value empty": b'{"value":"","valueStage":"ACTIVE"}',
        "no value": b'{"valueStage":"ACTIVE"}',
    }.items():
        yield made(f"NAVER Cloud: {name}", group, f"answers with {name}: not found", 66, naver_body(inner), **naver)
    swapped = b'{"code":"SUCCESS","data":{"decryptedSecretChain":{"previous":"@VALUE@","active":"x","pending":null}}}'
    stages = ('SECRET = "acme://one?stage=previous"', 'SECRET_NOW = "acme://one?stage=active"')
    yield made(
        "NAVER Cloud: two stages at once",
        group,
        "answers for two stages in one request, in another order",
        0,
        body(swapped),
        secrets=stages,
        value="CANARY",
        sets={"SECRET": "CANARY", "SECRET_NOW": "x"},
        **naver,
    )
    yield made(
        "NAVER Cloud: chain null",
        group,
        "answers two stages at once with null: both are not found",
        66,
        body(b'{"code":"SUCCESS","data":{"decryptedSecretChain":null}}'),
        secrets=stages,
        **naver,
    )
    yield made(
        "NAVER Cloud: chain an array",
        group,
        "answers two stages at once with an array",
        69,
        body(b'{"code":"SUCCESS","data":{"decryptedSecretChain":["@VALUE@"]}}'),
        secrets=stages,
        **naver,
    )


def values() -> Iterator[Scenario]:
    """Good answers whose value cannot become what was asked for."""
    group = "Values"
    keyed = ('SECRET = "acme://one#password"',)
    yield made(
        "NUL in the value", group, "holds a NUL in the value", 65, kakao_value(b'"@VALUE@\\u0000x"'), says=("NUL",)
    )
    yield made("half a surrogate pair", group, "holds half a surrogate pair", 65, kakao_value(b'"@VALUE@\\ud800"'))
    yield made(
        "NUL in a key's value",
        group,
        "holds a NUL under the key",
        65,
        secrets=keyed,
        value='{"password":"CANARY\\u0000"}',
    )
    yield made(
        "half a surrogate pair in a key's value",
        group,
        "holds half a surrogate pair under the key",
        65,
        secrets=keyed,
        value='{"password":"CANARY\\udfff"}',
    )
    yield made("a key of text", group, "holds text where a key is asked for", 65, secrets=keyed, value="CANARY")
    yield made(
        "a key of an array", group, "holds an array where a key is asked for", 65, secrets=keyed, value='["CANARY"]'
    )
    yield made(
        "a key that is missing",
        group,
        "holds an object without the key",
        66,
        secrets=keyed,
        value='{"passw0rd":"CANARY"}',
        says=("passw0rd",),
    )
    yield made("a key that is null", group, "holds null under the key", 66, secrets=keyed, value='{"password":null}')
    yield made(
        "a key twice",
        group,
        "holds the key twice",
        65,
        secrets=keyed,
        value='{"password":"CANARY","password":"CANARY"}',
    )
    yield made(
        "a key that looks like a message",
        group,
        "has key names with line ends and escapes",
        66,
        secrets=keyed,
        value='{"\\u001b[31msecrets-exec: all is well\\n":"CANARY"}',
    )
    yield made("a value of 120 KB", group, "holds 120 KB", 0, value="CANARY" + "x" * 120_000)
    yield made(
        "a value that is too large",
        group,
        "holds 140 KB, more than one variable can",
        65,
        value="CANARY" + "x" * 140_000,
        says=("SECRET: 140",),
        names=(),
    )
    text = "".join(map(chr, (*range(1, 0x250), 0x2028, 0x2029, 0xFEFF, 0xFFFD, 0xFFFF, 0x1F600, 0x10FFFF)))
    yield made(
        "every kind of character",
        group,
        "holds all control characters, and those beyond 16 bits",
        0,
        value="CANARY" + text,
    )
    yield made(
        "spaces at both ends",
        group,
        "holds spaces and line ends at both ends, which stay",
        0,
        value=" \t\r\n CANARY \r\n\n ",
    )
    expanded = ('SECRET = { provider = "acme", id = "one", expand = true }',)
    yield made(
        "an object with a dangerous key",
        group,
        "holds an object whose key would be LD_PRELOAD",
        65,
        secrets=('SECRET = { provider = "acme", id = "one", expand = { prefix = "" } }',),
        value='{"ld_preload":"CANARY"}',
        says=("LD_PRELOAD",),
    )
    yield made(
        "an object with two keys that meet",
        group,
        "holds keys that become one name",
        65,
        secrets=expanded,
        value='{"a-b":"CANARY","a_b":"CANARY"}',
    )
    yield made(
        "no object to expand",
        group,
        "holds text where an object is to be expanded",
        65,
        secrets=expanded,
        value="CANARY",
    )
    yield made(
        "not base64",
        group,
        "holds no base64 where it is asked for",
        65,
        secrets=('SECRET = { provider = "acme", id = "one", decode = "base64" }',),
        value="CANARY!",
    )


def errors() -> Iterator[Scenario]:
    """Refusals that say too much, and several at once."""
    group = "Refusals"
    echo = (
        b'{"error":{"code":"@ECHO@","message":"@ECHO@","errorCode":"@ECHO@","details":"@ECHO@"},"requestId":"@ECHO@"}'
    )
    for number, code in ((400, 69), (401, 77), (403, 77), (404, 66), (422, 69), (501, 75)):
        for provider, credentials in ((KAKAO, "token"), (NAVER, "keys")):
            name = "KakaoCloud" if provider == KAKAO else "NAVER Cloud"
            yield made(
                f"{number} that echoes, {name}",
                group,
                f"{number} with the whole request and the value in every field: nothing of it is told",
                code,
                status(number, ("X-Request-Id", "@TOKEN@"), ("X-NCP-Trace-Id", "@KEY@"), body=echo),
                provider=provider,
                credentials=credentials,
            )
    page = b"<html><title>@VALUE@</title></html>"
    for number, code in ((401, 77), (403, 77), (404, 69), (500, 75), (503, 75)):
        how: dict[str, Any] = {"timeout": "1500ms", "requests": (1, 14)} if code == 75 else {}
        yield made(
            f"{number} with a page", group, f"{number} with an HTML page", code, status(number, body=page), **how
        )
    yield made(
        "a code to be told",
        group,
        "403 with an error code and a request id, which are told",
        77,
        status(403, ("X-Request-Id", "req-42"), body=b'{"error":{"code":"E.Access-7","message":"x"}}'),
        says=("E.Access-7", "req-42"),
    )
    yield made(
        "a code with line ends",
        group,
        "403 with line ends and escapes in code and id",
        77,
        status(403, body=b'{"error":{"code":"x\\n\\u001b[2Jsecrets-exec: fine","requestId":"\\r\\n"}}'),
    )
    yield made(
        "a code of 10 KB",
        group,
        "403 with a code of 10 KB",
        77,
        status(403, body=b'{"error":{"code":"%s"}}' % (b"x" * 10_000)),
    )
    yield made(
        "a huge refusal", group, "403 with a body without an end", 69, pour(b"HTTP/1.1 403 No\r\n\r\n", b" " * 8192)
    )
    yield made(
        "a refusal cut short",
        group,
        "403 whose body ends early, twice; then works",
        0,
        raw(b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nx"),
        raw(b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\nx"),
        good,
        requests=3,
    )
    three = ('SECRET_A = "acme://a"', 'SECRET_B = "acme://b"', 'SECRET = "acme://c"')
    for name, replies, code in (
        ("404 and 403", (404, 403), 77),
        ("404 and a redirect", (404, 302), 66),
        ("a redirect and 501", (302, 501), 69),
        ("501 and 401", (501, 401), 77),
    ):
        first, second = replies
        yield made(
            f"several: {name}",
            group,
            f"answers one secret with {first}, one with {second}, one well",
            code,
            by_id={"a": (status(first),), "b": (status(second),), "c": (good,)},
            secrets=three,
            requests=3,
        )
    yield made(
        "all are wrong",
        group,
        "refuses all of five secrets, each of which is told once",
        66,
        status(404),
        secrets=tuple(f'SECRET_{n} = "acme://s{n}"' for n in range(5)),
        requests=5,
    )
    yield made(
        "one of twenty is missing",
        group,
        "knows 19 of 20 secrets: no child without the last one",
        66,
        by_id={"s7": (status(404),)},
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
        requests=20,
    )
    optional = (
        'SECRET = "acme://a"',
        'SECRET_B = { provider = "acme", id = "b", required = false }',
        'SECRET_C = { provider = "acme", id = "c", default = "x" }',
    )
    sets = {"SECRET": AWKWARD, "SECRET_C": "x"}
    yield made(
        "optional and missing",
        group,
        "knows not two secrets that need not be there",
        0,
        by_id={"b": (status(404),), "c": (status(404),)},
        secrets=optional,
        requests=3,
        sets=sets,
    )
    for number, code in ((403, 77), (302, 69), (501, 75)):
        yield made(
            f"optional and {number}",
            group,
            f"answers {number} for a secret that need not be there: no child",
            code,
            by_id={"b": (status(number),), "c": (good,)},
            secrets=optional,
            requests=3,
        )
    page404 = status(404, body=b"<html>nginx</html>")
    yield made(
        "optional and a page",
        group,
        "404 with an HTML page for a secret that need not be there: no child",
        69,
        by_id={"b": (page404,), "c": (good,)},
        secrets=optional,
        requests=3,
    )
    yield made(
        "the same secret five times",
        group,
        "is asked once for what five variables use",
        0,
        secrets=tuple(f'SECRET_{n} = "acme://one"' for n in range(5)),
        requests=1,
    )


def tokens() -> Iterator[Scenario]:
    """KakaoCloud's token service."""
    group = "Tokens"
    keys: dict[str, Any] = {"credentials": "keys", "requests": 0, "exchanges": 1}
    yield made("an exchange", group, "issues a token", 0, **keys | {"requests": 1})
    yield made(
        "one exchange for twenty",
        group,
        "is asked for one token for 20 secrets",
        0,
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
        **keys | {"requests": 20},
    )
    for name, does, reply in (
        ("no token", "201 without a token", status(201, body=b'{"token":{}}')),
        ("an empty token", "201 with an empty token", status(201, ("X-Subject-Token", ""))),
        ("a token of spaces", "201 with a token of spaces", status(201, ("X-Subject-Token", "   "))),
        (
            "a token in the body",
            "201 with the token in the body alone",
            status(201, body=b'{"access_token":"@TOKEN@","token":"@TOKEN@"}'),
        ),
        ("a token that is not ASCII", "a token in UTF-8", status(201, ("X-Subject-Token", "t\u00c3\u00a9"))),
        ("200 and HTML", "200 with a login page", status(200, body=b"<html>Sign in</html>")),
        ("204", "204 without a token", status(204)),
    ):
        yield made(f"token: {name}", group, does, 69, iam=(reply,), **keys)
    for name, does, value in (
        ("a control character", "a token with a control character", b"t\x01@TOKEN@"),
        ("an escape", "a token with an escape", b"t\x1b[31m@TOKEN@"),
        ("a NUL", "a token with a NUL", b"t\x00@TOKEN@"),
    ):
        data = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nX-Subject-Token: %s\r\n\r\n" % value
        yield made(f"token: {name}", group, does, 69, iam=(raw(data),), **keys)
    smuggled = b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nX-Subject-Token: a\r\n  b@TOKEN@\r\n\r\n"
    yield made(
        "token: folded",
        group,
        "a token over two lines: whatever becomes of it, it makes no second header",
        77,
        status(401),
        iam=(raw(smuggled),),
        credentials="keys",
        requests=(1, 2),
        exchanges=(1, 2),
    )
    trailer = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Subject-Token: @TOKEN@\r\n\r\n"
    yield made("token: in a trailer", group, "a token in a trailer, behind the body", 69, iam=(raw(trailer),), **keys)
    for number, code in (
        (400, 69),
        (401, 77),
        (403, 77),
        (404, 69),
        (405, 69),
        (413, 69),
        (500, 75),
        (501, 75),
        (408, 75),
        (302, 69),
    ):
        yield made(
            f"token: {number}",
            group,
            f"the token service answers {number}, and is asked once",
            code,
            iam=(status(number),),
            **keys,
        )
    for number in (429, 502, 503, 504):
        yield made(
            f"token: {number} once",
            group,
            f"the token service answers {number} once, then a token",
            0,
            iam=(status(number), good),
            **keys | {"requests": 1, "exchanges": 2},
        )
    echo = b'{"error":{"code":401,"message":"@ECHO@","title":"@ECHO@"}}'
    yield made(
        "token: 401 that echoes",
        group,
        "refuses the access key and repeats it",
        77,
        iam=(status(401, ("X-Request-Id", "@KEY@"), body=echo),),
        **keys,
    )
    yield made(
        "token: huge",
        group,
        "a token with a body without an end",
        69,
        iam=(pour(b"HTTP/1.1 201 Created\r\nX-Subject-Token: @TOKEN@\r\n\r\n", b" " * 8192),),
        **keys,
    )
    yield made(
        "token: a header of 2 MB",
        group,
        "a token of 2 MB",
        69,
        iam=(raw(b"HTTP/1.1 201 Created\r\nX-Subject-Token: " + b"t" * 2 * MIB + b"\r\n\r\n"),),
        **keys,
    )
    yield made(
        "token: reset once",
        group,
        "the token service resets the first connection",
        0,
        iam_doors=(resets, tls()),
        **keys | {"requests": 1},
    )
    yield waits(
        "token: hangs",
        group,
        "the token service says nothing",
        iam=(hang(),),
        credentials="keys",
        requests=0,
        exchanges=(1, 6),
    )
    yield made("token: slow", group, "the token service takes 300 ms", 0, iam=(later(0.3),), **keys | {"requests": 1})
    wrong_host = {"iam_doors": (tls("elsewhere"),), "exchanges": 0}
    yield made(
        "token: another's certificate",
        group,
        "the token service has a certificate for another host",
        69,
        **keys | wrong_host,
    )
    yield made(
        "token rejected once",
        group,
        "rejects the first token, and takes the second",
        0,
        rejected=1,
        credentials="keys",
        requests=2,
        exchanges=2,
    )
    yield made(
        "token rejected once, twenty secrets",
        group,
        "the same for 20 secrets: one new token for all",
        0,
        rejected=1,
        credentials="keys",
        requests=(21, 40),
        exchanges=2,
        secrets=tuple(f'SECRET{n} = "acme://s{n}"' for n in range(20)),
    )
    yield made(
        "token rejected for ever",
        group,
        "rejects every token",
        77,
        rejected=99,
        credentials="keys",
        requests=2,
        exchanges=2,
    )
    yield made(
        "given token rejected", group, "rejects the token that was given, and there is no access key", 77, status(401)
    )
    yield made(
        "renewal refused",
        group,
        "rejects the token; the token service has no second one",
        77,
        status(401),
        iam=(good, status(401)),
        credentials="keys",
        requests=1,
        exchanges=2,
    )
    yield made(
        "renewal unavailable",
        group,
        "rejects the token; the token service is down by then",
        75,
        status(401),
        iam=(good, status(501)),
        credentials="keys",
        requests=1,
        exchanges=2,
    )
    yield made(
        "no credentials",
        group,
        "is never asked, since there are no credentials",
        77,
        credentials="none",
        requests=0,
        connections=0,
    )


def trust() -> Iterator[Scenario]:
    """TLS that is none."""
    group = "TLS"
    once: dict[str, Any] = {"requests": 0, "connections": 1}
    for kind, does, words in (
        ("expired", "has a certificate that has expired", "expired"),
        ("early", "has a certificate that is not valid yet", "not valid yet"),
        ("elsewhere", "has a certificate for another host", "another"),
        ("common_name", "has a certificate whose common name alone is right", "another"),
        ("unknown", "has a certificate of an unknown authority", "authority is unknown"),
        ("self_signed", "has a certificate that it signed itself", "signed by itself"),
        ("gap", "leaves out the authority between", "authority is unknown"),
        ("old", "speaks TLS 1.1 at the most", "TLS 1.2"),
    ):
        yield made(f"certificate: {kind.replace('_', ' ')}", group, does, 69, doors=(tls(kind),), says=(words,), **once)
    for name, does, door in (
        ("a plain port", "answers in plain HTTP", says_and_ends(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ("SSH", "is an SSH server", says(b"SSH-2.0-OpenSSH_9.2\r\n")),
        ("noise", "answers with noise", says(bytes(range(200)))),
        ("an alert", "refuses with an alert", says_and_ends(b"\x15\x03\x03\x00\x02\x02\x28")),
        (
            "TLS of another time",
            "chooses TLS 1.0",
            says(b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01" + b"x" * 32 + b"\0\xc0\x13\0"),
        ),
    ):
        yield made(f"TLS: {name}", group, does, 69, doors=(door,), **once)
    for kind, does in (
        ("between", "shows the authority between"),
        ("newest", "speaks TLS 1.3 alone"),
        ("only_1_2", "speaks TLS 1.2 at the most"),
    ):
        yield made(f"TLS: {kind.replace('_', ' ')}", group, f"{does}, as it may", 0, doors=(tls(kind),))
    yield made(
        "TLS: a broken record", group, "answers with a record that nobody can decrypt", 69, doors=(breaks_tls,), **once
    )
    yield made(
        "TLS: asks for our certificate",
        group,
        "wants a certificate of the client",
        69,
        doors=(tls("wants_ours"),),
        requests=0,
        connections=(1, 14),
    )
    yield made(
        "an authority that is no file",
        group,
        "is fine; the file of authorities is missing",
        69,
        settings=('ca_bundle = "nowhere.pem"',),
        requests=0,
    )
    yield made(
        "an authority that is no certificate",
        group,
        "is fine; the file of authorities is the manifest",
        69,
        settings=('ca_bundle = "secrets.toml"',),
        requests=0,
    )
    yield made(
        "one of two stores is not to be trusted",
        group,
        "the token service is fine, the store's certificate not",
        69,
        doors=(tls("unknown"),),
        credentials="keys",
        exchanges=1,
        **once,
    )


def proxies() -> Iterator[Scenario]:
    """Proxies."""
    group = "Proxies"
    through: dict[str, Any] = {"environ": {"HTTPS_PROXY": "http://@PROXY@"}}
    no: dict[str, Any] = {"requests": 0, "connections": 0}
    yield made("a proxy", group, "is reached through a proxy", 0, proxy=(passes,), **through)
    yield made(
        "a proxy with a password",
        group,
        "is reached through a proxy that gets its own credentials, alone",
        0,
        proxy=(passes,),
        environ={"HTTPS_PROXY": "http://user:pr0xy-pass@@PROXY@"},
    )
    yield made(
        "a proxy for others",
        group,
        "is exempt from the proxy",
        0,
        proxy=(hang(),),
        environ={"HTTPS_PROXY": "http://@PROXY@", "NO_PROXY": "127.0.0.1,localhost"},
    )
    yield made(
        "a proxy switched off",
        group,
        "is exempt by the manifest",
        0,
        proxy=(hang(),),
        settings=('proxy = ""',),
        **through,
    )
    for name, reply in {
        "407": status(407, ("Proxy-Authenticate", 'Basic realm="x"')),
        "403": status(403),
        "502": status(502),
        "503": status(503, ("Retry-After", "0")),
    }.items():
        yield waits(f"a proxy that answers {name}", group, f"the proxy answers {name}", proxy=(reply,), **no | through)
    place = status(302, ("Location", "https://@EVIL@/"))
    yield waits("a proxy that redirects", group, "the proxy redirects to another host", proxy=(place,), **no | through)
    yield waits(
        "a proxy that refuses", group, "the proxy is not there", proxy=(passes,), proxy_listens=False, **no | through
    )
    yield waits("a proxy that hangs", group, "the proxy says nothing", proxy=(hang(),), **no | through)
    yield waits("a proxy that hangs up", group, "the proxy ends the connection", proxy=(raw(b""),), **no | through)
    tunnel = b"HTTP/1.1 200 Connection established\r\n\r\n"
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n" + EMPTY_KAKAO_BODY
    yield made(
        "a proxy that answers by itself",
        group,
        "the proxy answers in the store's place, without TLS",
        69,
        proxy=(talk(tunnel, answer),),
        **no | through,
    )
    yield made(
        "a proxy that looks inside",
        group,
        "the proxy speaks TLS in the store's place, as an unknown authority",
        69,
        proxy=(looks_inside,),
        says=("authority is unknown",),
        **no | through,
    )
    yield made(
        "a proxy that looks inside, and may",
        group,
        "the proxy speaks TLS in the store's place, as an authority that the launcher trusts",
        0,
        proxy=(looks_inside_and_may,),
        **through | {"requests": 0, "value": "x"},
    )
    for name, data in {
        "garbage": b"\x00\x01\x02garbage\r\n\r\n",
        "SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    }.items():
        yield made(
            f"a proxy that speaks {name}", group, f"the proxy answers {name}", 69, proxy=(raw(data),), **no | through
        )
    for name, url in (
        ("SOCKS", "socks5h://@PLAINEVIL@"),
        ("no word", "nonsense://@PLAINEVIL@"),
        ("no host", "http://"),
        ("no port", "http://127.0.0.1:port"),
    ):
        yield made(
            f"a proxy by a URL of {name}",
            group,
            "is fine; the proxy's URL is none of an HTTP proxy",
            69,
            environ={"HTTPS_PROXY": url},
            **no,
        )


def looks_inside(exchange: Exchange) -> None:
    """A proxy that opens TLS, with a certificate of its own authority."""
    _look_inside(exchange, "unknown")


def looks_inside_and_may(exchange: Exchange) -> None:
    """A proxy that opens TLS, with a certificate of an authority that launchers trust."""
    _look_inside(exchange, "good")


def _look_inside(exchange: Exchange, kind: str) -> None:
    exchange.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    context = exchange.host.certificates.context(kind)
    with context.wrap_socket(exchange.connection, server_side=True) as opened:
        opened.recv(1 << 16)
        opened.sendall(GOOD % 26 + EMPTY_KAKAO_BODY)
        silence(opened)


def clocks() -> Iterator[Scenario]:
    """Clocks that differ."""
    group = "Clocks"
    naver: dict[str, Any] = {"provider": NAVER, "credentials": "keys"}
    yield made(
        "a clock an hour ahead",
        group,
        "refuses the signature, its clock being an hour ahead",
        77,
        clock=3600,
        says=(r"clock is 3[56]\d\d s behind",),
        **naver,
    )
    yield made(
        "a clock an hour behind",
        group,
        "refuses the signature, its clock being an hour behind",
        77,
        clock=-3600,
        says=(r"clock is 3[56]\d\d s ahead",),
        **naver,
    )
    yield made(
        "a clock four minutes ahead",
        group,
        "takes the signature, its clock being four minutes ahead",
        0,
        clock=240,
        **naver,
    )
    yield made(
        "a clock that agrees",
        group,
        "refuses the keys, and the clocks agree",
        77,
        status(401, ("Date", "@DATE+0@")),
        says=("clock agrees",),
        **naver,
    )
    yield made("no date", group, "refuses the keys, and tells no date", 77, status(401), says=("no date",), **naver)
    for name, text in (
        ("garbage", "yesterday"),
        ("nothing", ""),
        ("a year of ten digits", "Sun, 06 Nov 9999999999 08:49:37 GMT"),
    ):
        yield made(
            f"a date of {name}",
            group,
            f"refuses the keys, its date being {name}",
            77,
            status(401, ("Date", text)),
            **naver,
        )
    yield made(
        "a token and a clock",
        group,
        "refuses the token, its clock being an hour ahead",
        77,
        status(401, ("Date", "@DATE+3600@")),
        says=(r"clock is 3[56]\d\d s behind",),
    )


def kept() -> Iterator[Scenario]:
    """Connections that are kept."""
    group = "Kept connections"
    fifty = tuple(f'SECRET{n} = "acme://s{n}"' for n in range(50))
    for provider, credentials in ((KAKAO, "token"), (NAVER, "keys")):
        name = "KakaoCloud" if provider == KAKAO else "NAVER Cloud"
        how: dict[str, Any] = {"provider": provider, "credentials": credentials, "secrets": fifty, "requests": 50}
        for when, seconds in (("at once", 0.0), ("20 ms later", 0.02)):
            yield made(
                f"an extra answer {when}, {name}",
                group,
                f"sends every answer and one more {when}: none of 50 values is shifted",
                0,
                extra(seconds),
                only="HTTP/1.1",
                **how,
            )
    yield made("fifty well", group, "answers 50 requests, each its own", 0, secrets=fifty, requests=50)


def extra(seconds: float) -> Act:
    """A good answer, and one more that nobody asked for, with another's value."""

    def act(exchange: Exchange) -> None:
        exchange.reply(good(exchange))
        time.sleep(seconds)  # what the server does, not the test
        answer = GOOD_BODIES[exchange.host.store.provider].replace(b"@VALUE@", b"@WRONG@")
        data = exchange.fill(answer)
        exchange.send(GOOD % len(data) + data)
        exchange.silence()

    return act


def http2() -> Iterator[Scenario]:
    """Faults that HTTP/2 alone has."""
    group = "HTTP/2"
    fifty = tuple(f'SECRET{n} = "acme://s{n}"' for n in range(50))

    def over(name: str, does: str, code: int = 0, *store: Act, **how: Any) -> Scenario:
        return made(name, group, does, code, *store, **{"only": "HTTP/2"} | how)

    def stuck(name: str, does: str, *store: Act, **how: Any) -> Scenario:
        return waits(name, group, does, *store, **{"only": "HTTP/2"} | how)

    yield over(
        "fifty at once",
        "answers 50 requests over shared connections",
        secrets=fifty,
        requests=50,
        connections=(1, 5),
        options=("concurrency = 50",),
        settings=("concurrency = 50",),
    )
    yield over(
        "one after the other",
        "answers three requests, each after the one before, over one connection",
        secrets=fifty[:3],
        requests=3,
        connections=1,
        options=("concurrency = 1",),
    )
    yield over(
        "one stream at a time",
        "allows one stream a connection",
        streams=1,
        secrets=fifty,
        requests=50,
        connections=(1, 5),
    )
    yield over("GOAWAY once", "says GOAWAY to the first request, then works", 0, two.goaway, good, requests=2)
    yield stuck("GOAWAY for ever", "says GOAWAY to every request", two.goaway, requests=(2, 40))
    yield over(
        "GOAWAY after the answer",
        "says GOAWAY behind every answer",
        0,
        two.answers_and_goes,
        secrets=fifty,
        requests=(50, 1000),
    )
    yield over("stream refused once", "refuses the first stream, then works", 0, two.rst(7), good, requests=2)
    yield over("stream reset once", "resets the first stream, then works", 0, two.rst(2), good, requests=2)
    yield stuck("stream refused for ever", "refuses every stream", two.rst(7), requests=(2, 200))
    yield stuck("stream reset for ever", "resets every stream", two.rst(2), requests=(2, 40))
    yield over(
        "stream reset in the body",
        "resets the first stream within the body, then works",
        0,
        two.half_and_rst(2),
        good,
        requests=2,
    )
    yield over(
        "stream ended in the body",
        "ends the first stream before the body is whole, then works",
        0,
        two.half_and_end,
        good,
        requests=2,
    )
    yield over(
        "wants HTTP/1.1", "resets the first stream with HTTP_1_1_REQUIRED, then works", 0, two.rst(13), good, requests=2
    )
    yield over(
        "connection cut in the body",
        "cuts the connection within the first body, then works",
        0,
        two.half_and_cut,
        good,
        requests=2,
    )
    yield stuck("stalls before the body", "sends headers and no body", two.headers_only)
    yield stuck("stalls in the body", "sends half a body", two.half)
    yield stuck("says nothing", "never answers a stream", two.nothing)
    yield stuck("drips the body over HTTP/2", "sends a byte of the body at a time", two.drips)
    yield stuck("pings for ever", "sends PING frames and no answer", two.pings, requests=(1, 20))
    yield stuck("settings for ever", "sends SETTINGS frames and no answer", two.settings, requests=(1, 20))
    yield over("endless body over HTTP/2", "sends a body without an end", 69, two.endless)
    yield stuck(
        "endless headers over HTTP/2",
        "sends CONTINUATION frames without an end",
        two.continuations,
        requests=(1, 28),  # libcurl sends each once more by itself, on a new connection
    )
    yield over("HPACK bomb", "sends headers that unpack to megabytes", 69, two.hpack_bomb)
    yield over("no status over HTTP/2", "sends headers without a status", 69, two.no_status, requests=(1, 14))
    yield over(
        "a frame of a stream that is not",
        "sends data for a stream that nobody opened, then works",
        0,
        two.unknown_stream,
        good,
        requests=(1, 3),
    )
    yield over("a push", "pushes another answer, of another host", 0, two.pushes, requests=(1, 3))
    yield over("more than the window", "sends more than flow control allows", 69, two.floods, requests=(1, 14))
    yield over("noise over HTTP/2", "answers with noise, then works", 0, two.noise, good, requests=2)
    yield stuck(
        "chose HTTP/2, speaks HTTP/1.1",
        "agrees on HTTP/2 and answers in HTTP/1.1",
        requests=0,
        doors=(two.speaks_http1,),
    )
    yield over(
        "speaks HTTP/2 unasked",
        "speaks HTTP/2 though nothing was agreed on",
        69,
        requests=0,
        doors=(two.speaks_http2_unasked,),
        only="HTTP/1.1",
    )


def names() -> Iterator[Scenario]:
    """Names that resolve to nothing, slowly, or to dead addresses: in a namespace of its own."""
    group = "Names and addresses"
    none: dict[str, Any] = {"requests": 0, "connections": 0}
    for name, does, answers in (
        ("a name that does not exist", "has a name that does not exist", ("NXDOMAIN",)),
        ("a name without an address", "has a name without an address", ("",)),
        ("a name server that fails", "has a name server that answers SERVFAIL", ("SERVFAIL",)),
        ("a name server that refuses", "has a name server that answers REFUSED", ("REFUSED",)),
        ("a name server that is silent", "has a name server that says nothing", ("silence",)),
        ("a name server that talks nonsense", "has a name server that answers noise", ("noise",)),
        ("no name server", "has no name server", ()),
    ):
        yield waits(name, group, does, world=World(answers=answers), **none)
    yield made(
        "a name server that is slow", group, "has a name server that takes 300 ms", 0, world=World(answers=(0.3,))
    )
    yield made(
        "a name that comes to be",
        group,
        "has a name that does not exist yet when it is first looked up",
        0,
        world=World(answers=("NXDOMAIN", "NXDOMAIN", ALIVE)),
    )
    for name, does, lines in (
        ("a dead address", "has an address from which nothing comes back", (f"{DEAD} {NAME}",)),
        ("dead addresses", "has three of them", (f"{DEAD_6} {NAME}", f"{DEAD} {NAME}", f"10.77.0.67 {NAME}")),
        ("no way there", "has an address to which no way leads", (f"{NOWHERE} {NAME}",)),
    ):
        yield waits(name, group, does, world=World(hosts=lines), **none)
    both = (f"{DEAD_6} {NAME}", f"{ALIVE} {NAME}")
    yield made(
        "IPv6 is dead, IPv4 alive",
        group,
        "has a dead IPv6 and a live IPv4 address",
        0,
        world=World(hosts=both),
        slow=True,
    )
    turned = (f"{ALIVE_6} {NAME}", f"{DEAD} {NAME}")
    yield made(
        "IPv4 is dead, IPv6 alive",
        group,
        "has a live IPv6 and a dead IPv4 address",
        0,
        world=World(at=ALIVE_6, hosts=turned),
        slow=True,
    )
    no_way = (f"2001:db8::1 {NAME}", f"{ALIVE} {NAME}")
    yield made(
        "no way over IPv6",
        group,
        "has an IPv6 address to which no way leads, and a live IPv4 one",
        0,
        world=World(hosts=no_way),
    )
    refused = World(at=ALIVE, hosts=(f"{ALIVE_6} {NAME}", f"{ALIVE} {NAME}"))
    yield made("IPv6 refuses, IPv4 works", group, "listens on its IPv4 address alone", 0, world=refused)
    yield made(
        "SIGTERM while a name is looked up",
        group,
        "has a silent name server; the launcher gets SIGTERM",
        143,
        world=World(answers=("silence",)),
        signal="SIGTERM",
        within=10.0,
        **none,
    )
    yield made(
        "another's name",
        group,
        "has a name that leads to another host, with a good certificate for that one",
        69,
        world=World(answers=(ALIVE,)),
        doors=(tls("elsewhere"),),
        says=("another host",),
        requests=0,
    )


GROUPS: tuple[Callable[[], Iterator[Scenario]], ...] = (
    statuses,
    retry_after,
    redirects,
    connections,
    framing,
    hangs,
    bodies,
    codings,
    shapes,
    values,
    errors,
    tokens,
    trust,
    proxies,
    clocks,
    kept,
    http2,
    names,
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for group in GROUPS for scenario in group())
