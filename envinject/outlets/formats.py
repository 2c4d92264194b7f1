"""The formats of `export`: what each can hold, and how it is written so that its reader gets the very bytes.

Each has its reader in the tests: python-dotenv, four shells, the rules of Docker's and of GitHub's files, YAML.
"""

from __future__ import annotations

import os

from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Values = Mapping[str, bytes]

GITHUB = "github"

_LONGEST_LINE = 65_535
"""Docker reads lines into a buffer of 64 KiB, line end included (docker/cli, pkg/kvfile)."""

_LARGEST_SECRET = 1 << 20
"""Bytes of data that Kubernetes takes for one Secret."""

_LONGEST_KEY = 253
_RUNNERS_OWN = ("GITHUB_", "RUNNER_")
_NOT_TEXT = "it is not UTF-8 text"


class Format(Record):
    """`refusal(name, value)` says why it cannot hold a variable, else nothing; `write(values, name)` gives its bytes.

    `most` bounds them, where the reader does.
    """

    refusal: Callable[[str, bytes], str]
    write: Callable[[Values, str], bytes]
    most: int | None = None


# dotenv: python-dotenv reads it back, with its interpolation and without


def _not_dotenv(_name: str, value: bytes) -> str:
    if not _is_text(value):
        return _NOT_TEXT
    if b"}" in value.partition(b"${")[2]:
        return "readers put a variable in place of '${...}', and no quotes prevent that"
    return ""


def _dotenv(values: Values, _name: str) -> bytes:
    return b"".join(b"%s=%s\n" % (name.encode(), _quoted(value)) for name, value in values.items())


def _quoted(value: bytes) -> bytes:
    """In single quotes where nothing has to be escaped, which every reader understands; else in double ones."""
    if not any(part in value for part in (b"'", b"\n", b"\r", b"\\\\")) and not value.endswith(b"\\"):
        return b"'%s'" % value
    for plain, escaped in ((b"\\", rb"\\"), (b'"', rb"\""), (b"\n", rb"\n"), (b"\r", rb"\r")):
        value = value.replace(plain, escaped)
    return b'"%s"' % value


# json


def _not_json(_name: str, value: bytes) -> str:
    return "" if _is_text(value) else _NOT_TEXT


def _json(values: Values, _name: str) -> bytes:
    import json

    return json.dumps({name: value.decode() for name, value in values.items()}, indent=2).encode() + b"\n"


# shell: for eval, in every shell of the POSIX family


def _anything(_name: str, _value: bytes) -> str:
    return ""


def _shell(values: Values, _name: str) -> bytes:
    quoted = {name.encode(): value.replace(b"'", rb"'\''") for name, value in values.items()}
    return b"".join(b"export %s='%s'\n" % pair for pair in quoted.items())


# docker: an env-file, a line for each variable, everything behind '=' as it stands


def _not_docker(name: str, value: bytes) -> str:
    if not _is_text(value):
        return _NOT_TEXT
    if b"\n" in value or b"\r" in value:
        return "it has more than one line"
    if len(name) + 1 + len(value) > _LONGEST_LINE:
        return f"a line may have {_LONGEST_LINE} bytes"
    return ""


def _docker(values: Values, _name: str) -> bytes:
    return b"".join(b"%s=%s\n" % (name.encode(), value) for name, value in values.items())


# github: what is appended to $GITHUB_ENV, with a line that ends each value


def _not_github(name: str, value: bytes) -> str:
    if name == "NODE_OPTIONS" or name.startswith(_RUNNERS_OWN):
        return "the runner lets nobody set a variable of this name"
    return "" if _is_text(value) else _NOT_TEXT


def _github(values: Values, _name: str) -> bytes:
    end = _delimiter(values.values())
    return b"".join(b"%s<<%s\n%s\n%s\n" % (name.encode(), end, value, end) for name, value in values.items())


def _delimiter(values: Iterable[bytes]) -> bytes:
    """A line that is in none of the values: whoever writes a secret must not know it either."""
    everything = b"\n".join(values)
    while (end := b"secrets_exec_" + os.urandom(16).hex().encode()) in everything:
        continue
    return end


def masking(values: Iterable[bytes]) -> bytes:
    """The commands to GitHub's runner that hide values, escaped as its toolkit does."""
    lines = []
    for value in dict.fromkeys(values):
        if value.strip():
            escaped = value.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
            lines.append(b"::add-mask::%s\n" % escaped)
    return b"".join(lines)


# kubernetes: a Secret, whose data is base64


def _not_kubernetes(name: str, _value: bytes) -> str:
    return "" if len(name) <= _LONGEST_KEY else f"a key may have {_LONGEST_KEY} characters"


def _kubernetes(values: Values, name: str) -> bytes:
    from binascii import b2a_base64

    head = f'apiVersion: v1\nkind: Secret\nmetadata:\n  name: "{name}"\ntype: Opaque\ndata:'.encode()
    lines = [b'  "%s": "%s"' % (key.encode(), b2a_base64(value, newline=False)) for key, value in values.items()]
    return b"\n".join((head if lines else head + b" {}", *lines, b""))


def is_secret_name(name: str) -> bool:
    """Whether Kubernetes takes it as the name of an object: a DNS subdomain (RFC 1123)."""
    labels = name.split(".")
    return len(name) <= _LONGEST_KEY and all(
        label.isascii()
        and label.replace("-", "0").isalnum()
        and label == label.lower()
        and label[0] != "-"
        and label[-1] != "-"
        for label in labels
    )


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


FORMATS: Mapping[str, Format] = {
    "dotenv": Format(_not_dotenv, _dotenv),
    "json": Format(_not_json, _json),
    "shell": Format(_anything, _shell),
    "docker": Format(_not_docker, _docker),
    GITHUB: Format(_not_github, _github),
    "kubernetes": Format(_not_kubernetes, _kubernetes, _LARGEST_SECRET),
}
