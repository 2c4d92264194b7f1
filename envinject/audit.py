"""The audit trail: a line of JSON each time that secrets are read, of names, references, versions. Never a value.

Sources: RFC 3164 and the format in which libc writes to /dev/log; systemd's 'Native Journal Protocol'.
"""

from __future__ import annotations

import errno
import os
import stat
import time

from .errors import Failures, SecretsExecError, SystemRefused
from .manifest import REFERENCE, Entry
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Self

    from .log import Log
    from .manifest import Composed, Literal, Manifest
    from .providers.base import Found

SYSLOG, JOURNALD = "syslog", "journald"
RUN = "run"
SHAPE = 1
"""The version of a line's JSON."""

_LONGEST_OF_SYSLOG = 8192
"""Bytes of a message that every syslog server takes whole (rsyslog's default); a journal takes more."""

_PRIORITY = 10 << 3 | 6
"""authpriv, info: a file that not everybody may read, with most servers."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SECONDS = 2.0


class Sockets(Record):
    """Where the system takes messages."""

    syslog: str = "/dev/log"
    journald: str = "/run/systemd/journal/socket"


class Audit:
    """What is to be told of one reading of secrets, where the manifest asks for that.

    `action` is our own command; `path` that of the command which starts, empty without one; `dry` tells that values go
    nowhere; `found` is what has been read. As a context, it tells how its block ended.
    """

    def __init__(
        self,
        manifest: Manifest,
        log: Log,
        *,
        action: str = RUN,
        path: bytes = b"",
        dry: bool = False,
        sockets: Sockets | None = None,
    ) -> None:
        self.found: Found = {}
        self._manifest = manifest
        self._log = log
        self._action = action
        self._path = path
        self._dry = dry
        self._sockets = sockets or Sockets()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, problem: object, _trace: object) -> None:
        """Raises: SystemRefused, as `succeeded`."""
        if problem is None:
            self.succeeded()
        elif isinstance(problem, SecretsExecError | Failures):
            self.failed(problem.exit_code)

    def succeeded(self) -> None:
        """Write that everything was there. Raises: SystemRefused when it cannot be written and has to be."""
        self._write(0, is_required=self._manifest.options.audit_required)

    def failed(self, exit_code: int) -> None:
        """Write that it ends with this code; where that cannot be written, the code stays."""
        self._write(exit_code, is_required=False)

    def _write(self, exit_code: int, *, is_required: bool) -> None:
        where = self._manifest.options.audit
        if where is None:
            return
        problem = self._written(where, exit_code)
        if problem is None:
            return
        what = f"the audit line cannot be written: {problem}"
        if is_required:
            hint = "mend that; audit_required = false goes on without it"
            raise SystemRefused(what, where=f"options.audit, {where}", hint=hint)
        self._log.warning(what, where=f"options.audit, {where}")

    def _written(self, where: str, exit_code: int) -> str | None:
        """What hinders the writing; None when it is done."""
        line = self._line(exit_code)
        try:
            if where == SYSLOG:
                _send(self._sockets.syslog, *(_of_syslog(each) for each in (line, _shortened(line))))
            elif where == JOURNALD:
                _send(self._sockets.journald, *(_of_journald(each) for each in (line, _shortened(line))))
            else:
                _append(where, _json(line).encode() + b"\n")
        except TimeoutError:
            return "nobody takes it"
        except OSError as error:
            return os.strerror(error.errno or 0) if error.errno else str(error.args[0])
        except ValueError:
            return "it is no path"
        return None

    def _line(self, exit_code: int) -> dict[str, Any]:
        manifest = self._manifest
        variables: list[Entry | Literal | Composed] = [*manifest.entries, *manifest.literals, *manifest.templates]
        return {
            "shape": SHAPE,
            "time": _utc(time.time()),
            "pid": os.getpid(),
            "uid": os.getuid(),
            "action": self._action,
            "manifests": [
                {"file": document.name, "sha256": _digest(document.data.reveal())}
                for document in manifest.sources
                if document.data is not None
            ],
            "profile": manifest.profile,
            "variables": [self._told(one) for one in variables],
            "command": os.fsdecode(self._path) or None,
            "dry_run": self._dry,
            "exit_code": exit_code,
        }

    def _told(self, one: Entry | Literal | Composed) -> dict[str, Any]:
        if not isinstance(one, Entry):
            return {"name": one.name, "reference": None, "read": None}
        name = None if one.node.document.name == REFERENCE else one.label  # what `get` reads becomes no variable
        outcome = self.found.get(one.target)
        row = {"name": name, "reference": str(one.shown), "read": None}
        if isinstance(outcome, SecretsExecError):
            return row | {"exit_code": outcome.exit_code}
        return row | {"read": outcome.revision or None} if outcome is not None else row


def _digest(data: bytes) -> str:
    from .hashes import sha256  # only where something is audited

    return sha256(data).hexdigest()


def _utc(now: float) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03}Z"


def _json(line: Mapping[str, Any]) -> str:
    import json  # only where something is audited

    return json.dumps(line, separators=(",", ":"))  # ASCII, on one line, whatever a name holds


def _shortened(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line without its variables, for who takes no message of its length; how many there are is told."""
    return {**line, "variables": [], "variables_left_out": len(line["variables"])}


# A file


def _append(path: str, data: bytes) -> None:
    """Append to a regular file in one write, so that lines of many starts do not mix. Raises: OSError, ValueError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("it is no regular file")
        if os.write(descriptor, data) < len(data):
            _end_line(descriptor)
            raise OSError(errno.ENOSPC, "")
    finally:
        os.close(descriptor)


def _end_line(descriptor: int) -> None:
    """After a part of a line: let the next one begin on its own, if there is room for as much."""
    try:
        os.write(descriptor, b"\n")
    except OSError:
        return


# The system's own


def _of_syslog(line: Mapping[str, Any]) -> bytes:
    now = time.localtime()
    stamp = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02}"
    message = f"<{_PRIORITY}>{stamp} secrets-exec[{os.getpid()}]: {_json(line)}".encode()
    return message if len(message) <= _LONGEST_OF_SYSLOG or "variables_left_out" in line else b""


def _of_journald(line: Mapping[str, Any]) -> bytes:
    """The message, and the fields that are worth a search; their values are JSON's text, so without line ends."""
    fields = {
        "MESSAGE": _json(line),
        "PRIORITY": "6",
        "SYSLOG_IDENTIFIER": "secrets-exec",
        "SECRETS_EXEC_SHAPE": str(SHAPE),
        "SECRETS_EXEC_ACTION": line["action"],
        "SECRETS_EXEC_EXIT_CODE": str(line["exit_code"]),
        "SECRETS_EXEC_PROFILE": _text(line["profile"]),
        "SECRETS_EXEC_COMMAND": _text(line["command"]),
        "SECRETS_EXEC_MANIFEST_SHA256": " ".join(one["sha256"] for one in line["manifests"]),
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items()).encode()


def _text(value: str | None) -> str:
    import json

    return json.dumps(value or "")[1:-1]


def _send(path: str, whole: bytes, shortened: bytes) -> None:
    """Hand a message over, whole if it may be so long. Raises: OSError, TimeoutError."""
    import socket  # only where it is asked for

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.settimeout(_SECONDS)
        link.connect(path)
        try:
            link.send(whole or shortened)
        except OSError as error:
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS):
                raise
            link.send(shortened)
