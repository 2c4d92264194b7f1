"""Endpoints: a strict reading of `https://host[:port][/path]`, and the URL built of the parts that were checked.

Libraries disagree about where a host ends (`https://evil.test\\@api.example.com/`), so what does not match one
plain ASCII pattern is no endpoint at all.
"""

from __future__ import annotations

from .record import Record

_PORTS = {"https": 443, "http": 80}
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")


class Endpoint(Record):
    """A server and a path prefix on it: `path` is empty or begins, and does not end, with `/`."""

    scheme: str
    host: str
    port: int
    path: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def authority(self) -> str:
        """`host`, with the port where it is not the scheme's own, as the Host header has it."""
        return self.host if self.port == _PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, by name or address."""
        return self.host in ("localhost", "[::1]") or _is_loopback_address(self.host.split("."))

    def lies_in(self, domains: tuple[str, ...]) -> bool:
        """Whether the host is one of the domains, or beneath one of them."""
        return any(self.host == domain or self.host.endswith(f".{domain}") for domain in domains)


def parse_endpoint(text: str) -> Endpoint | None:
    """Read an endpoint; None when the text is none. A trailing `/` is dropped."""
    scheme, separator, rest = text.partition("://")
    authority, slash, path = rest.partition("/")
    scheme = scheme.lower()
    host, port = _split(authority.lower())
    if not text.isascii() or scheme not in _PORTS or not separator or not _is_host(host):
        return None
    if not (port is None or (port.isdigit() and len(port) < 6 and 0 < int(port) < 65536)):
        return None
    path = f"{slash}{path}".rstrip("/")
    if not _PATH.issuperset(path) or {"", ".", ".."} & set(path.split("/")[1:]):
        return None
    return Endpoint(scheme, host, int(port) if port else _PORTS[scheme], path)


def _split(authority: str) -> tuple[str, str | None]:
    if authority.startswith("[::1]"):
        host, rest = "[::1]", authority[5:]
    else:
        host, colon, port = authority.partition(":")
        rest = colon + port
    if not rest:
        return host, None
    return host, rest[1:] if rest[0] == ":" else "-"


def _is_loopback_address(parts: list[str]) -> bool:
    """Whether these are the four numbers of an address in 127.0.0.0/8: a resolver may look up anything else."""
    numbers = [int(part) for part in parts if part.isdigit() and len(part) <= 3]
    return len(numbers) == len(parts) == 4 and numbers[0] == 127 and max(numbers) < 256


def _is_host(host: str) -> bool:
    if host == "[::1]":
        return True
    labels = host.split(".")
    return _HOST.issuperset(host) and len(host) < 254 and all(0 < len(label) < 64 for label in labels)
