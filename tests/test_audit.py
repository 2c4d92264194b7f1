"""One line for each start: what it holds, that it never holds a value, and what a place that takes none does."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from launching import Asked, Store, http
from reading import problem, read

from envinject.audit import Audit, Sockets
from envinject.errors import Denied, SystemRefused
from envinject.log import Log
from envinject.manifest import Manifest
from envinject.secret import Secret

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_KEYS = ["shape", "time", "pid", "uid", "manifests", "profile", "variables", "command", "dry_run", "exit_code"]
_OPTIONS = '[options]\naudit = "audit.log"\n'
_REQUIRED = f"{_OPTIONS}audit_required = true\n"


def _lines(path: str = "audit.log") -> list[Any]:
    text = Path(path).read_text()
    assert "canary" not in text
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def _write(text: str) -> bytes:
    Path("secrets.toml").write_text(text)
    return text.encode()


# Of a start


def test_a_start_writes_one_line_and_becomes_the_command(launch: Launch) -> None:
    Path("a").write_text("canary-value")
    data = _write(
        f'{_OPTIONS}[secrets]\nA = "file://a"\nB = {{ provider = "env", id = "JSON", expand = true }}\n'
        '[env]\nC = "canary-literal"\nD = { template = "${A}" }\n'
    )
    before = time.time()
    environ = {"JSON": '{"x": "canary-1"}'}
    done = launch("--", "sh", "-c", "echo $$ $A", "canary-argument", environ=environ)
    assert (done.returncode, done.stderr) == (0, b"")
    pid, value = done.stdout.split()

    (line,) = _lines()
    assert value == b"canary-value"
    assert list(line) == _KEYS
    assert line["variables"] == [
        {"name": "A", "reference": "file://a", "read": None},
        {"name": "B_*", "reference": "env://JSON", "read": None},
        {"name": "C", "reference": None, "read": None},
        {"name": "D", "reference": None, "read": None},
    ]
    assert line["manifests"] == [{"file": "secrets.toml", "sha256": hashlib.sha256(data).hexdigest()}]
    assert (line["shape"], line["pid"], line["uid"], line["profile"]) == (1, int(pid), os.getuid(), None)
    assert (line["command"], line["dry_run"], line["exit_code"]) == ("/bin/sh", False, 0) or line["command"].endswith(
        "/sh"
    )
    written = time.mktime(time.strptime(line["time"].partition(".")[0], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert before - 2 < written < time.time() + 2
    assert Path("audit.log").stat().st_mode & 0o777 == 0o600


def test_lines_are_appended_also_with_a_profile_and_several_manifests(launch: Launch) -> None:
    _write('[env]\nA = "x"\n[profiles.prod.options]\naudit = "audit.log"\n')
    Path("more.toml").write_text('\ufeff[env]\nB = "y"\n')
    words = ["-f", "secrets.toml", "-f", "more.toml"]
    assert launch(*words, "--", "true").returncode == 0
    assert not Path("audit.log").exists()
    for _ in range(2):
        assert launch(*words, "-P", "prod", "--", "true").returncode == 0
    first, second = _lines()
    assert first["profile"] == second["profile"] == "prod"
    digests = [hashlib.sha256(Path(name).read_bytes()).hexdigest() for name in words[1::2]]
    assert [one["sha256"] for one in first["manifests"]] == digests


def test_the_version_that_was_read_stands_there(launch: Launch) -> None:
    def answer(_asked: Asked) -> bytes:
        return http(200, b'{"version": {"version": 7, "secret": "canary"}}')

    with Store(answer) as store:
        _write(_OPTIONS + store.manifest('A = "kakaocloud://a"'))
        assert launch("--", "true", environ={"KAKAOCLOUD_TOKEN": "canary-token"}).returncode == 0
    (row,) = _lines()[0]["variables"]
    assert row == {"name": "A", "reference": "kakaocloud://a", "read": "version=7"}


def test_a_fetch_that_fails_is_told_with_its_exit_code(launch: Launch) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "env://HOME"\nB = "env://NOT_THERE"\n')
    done = launch("--", "true")
    assert done.returncode == 66
    (line,) = _lines()
    assert (line["exit_code"], line["command"] is None) == (66, False)
    assert [row.get("exit_code") for row in line["variables"]] == [None, 66]


@pytest.mark.parametrize(
    ("words", "secret", "code"),
    [
        (["--", "no-such-command"], "env://HOME", 127),
        (["--", "/"], "env://HOME", 126),
        (["--on-conflict", "error", "--", "true"], "env://HOME", 65),
    ],
    ids=["no command", "unusable command", "conflict"],
)
def test_whatever_stops_a_start_with_a_manifest_is_told(
    launch: Launch, words: list[str], secret: str, code: int
) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "{secret}"\n')
    assert launch(*words, environ={"A": "inherited"}).returncode == code
    assert [line["exit_code"] for line in _lines()] == [code]


@pytest.mark.parametrize("words", [["--nonsense", "--", "true"], ["-f", "missing.toml", "--", "true"], ["-v"]])
def test_without_a_manifest_there_is_no_line(launch: Launch, words: list[str]) -> None:
    _write(f'{_OPTIONS}[env]\nA = "x"\n')
    assert launch(*words).returncode in (64, 78)
    assert not Path("audit.log").exists()


@pytest.mark.parametrize("command", [["check", "--fetch"], ["plan", "--fetch"]], ids=" ".join)
def test_what_starts_nothing_writes_nothing(launch: Launch, command: list[str]) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "env://HOME"\n')
    assert launch(*command).returncode == 0
    assert not Path("audit.log").exists()


def test_a_dry_run_reads_and_says_so(launch: Launch) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "env://HOME"\n')
    assert launch("--dry-run").returncode == 0
    (line,) = _lines()
    assert (line["dry_run"], line["command"]) == (True, None)


def test_a_supervised_start_writes_one_line(launch: Launch) -> None:
    _write(f'{_OPTIONS}[env]\nA = "x"\n')
    done = launch("--supervise", "--", "sh", "-c", "echo $$")
    assert [line["pid"] for line in _lines()] == [int(done.stdout)]


@pytest.mark.slow
def test_the_lines_of_many_starts_do_not_mix(launch: Launch) -> None:
    _write(_OPTIONS + "[env]\n" + "".join(f'A{number} = "x"\n' for number in range(200)))
    with ThreadPoolExecutor(8) as pool:
        assert {done.returncode for done in pool.map(lambda _: launch("--", "true"), range(24))} == {0}
    assert len(_lines()) == 24


def test_the_path_is_seen_from_the_manifests_folder(launch: Launch) -> None:
    Path("sub").mkdir()
    Path("sub/m.toml").write_text(f'{_OPTIONS}[env]\nA = "x"\n')
    assert launch("-f", "sub/m.toml", "--", "true").returncode == 0
    assert _lines("sub/audit.log")


def test_names_of_any_characters_are_one_line_of_ascii(launch: Launch) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = {{ provider = "env", id = "x\\n\\u001b\\u202e값", default = "d" }}\n')
    os.symlink("/bin/true", os.fsencode("t\nr\udcffue".encode("utf-8", "surrogateescape")))
    assert launch("--", "./t\nr\udcffue").returncode == 0
    data = Path("audit.log").read_bytes()
    assert data.isascii()
    assert data.count(b"\n") == 1


# Places that take no line


def _full(path: str) -> None:
    """A folder is not there, a symlink is not followed, a pipe is no file."""
    if path == "link.log":
        Path(path).symlink_to("elsewhere.log")
    if path == "pipe.log":
        os.mkfifo(path)


@pytest.mark.parametrize("path", ["missing/audit.log", "link.log", "pipe.log", ".", "a\\u0000b", "/dev/full"])
@pytest.mark.parametrize("required", [False, True])
def test_what_cannot_be_written_warns_or_stops(launch: Launch, path: str, required: bool) -> None:
    _full(path)
    options = f'[options]\naudit = "{path}"\naudit_required = {str(required).lower()}\n'
    _write(f'{options}[env]\nA = "x"\n')
    done = launch("--", "echo", "ran")
    assert b"the audit line cannot be written: " in done.stderr
    assert (done.returncode, done.stdout) == ((71, b"") if required else (0, b"ran\n"))
    assert not Path("elsewhere.log").exists()


@pytest.mark.parametrize("room", [0, 40])
@pytest.mark.parametrize("required", [False, True])
def test_a_full_disk_stops_nothing_unless_the_line_is_required(launch: Launch, room: int, required: bool) -> None:
    """The limit of a file's size stands for the disk's end: the write stops at it."""
    _write(f'{_REQUIRED if required else _OPTIONS}[env]\nA = "x"\n')
    Path("audit.log").write_text('{"an": "earlier line"}\n')
    size = Path("audit.log").stat().st_size

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + room, size + room))

    done = launch("--", "echo", "ran", preexec_fn=limit)
    assert b"the audit line cannot be written: " in done.stderr
    assert (done.returncode, done.stdout) == ((71, b"") if required else (0, b"ran\n"))
    assert Path("audit.log").stat().st_size == size + room


def test_a_file_of_a_secret_that_cannot_be_filled_is_told(launch: Launch) -> None:
    Path("a").write_text("canary" * 5000)
    _write(f'{_OPTIONS}[secrets]\nA = {{ provider = "file", id = "a", as = "file" }}\n')

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))

    assert launch("--", "true", preexec_fn=limit).returncode == 71
    assert [line["exit_code"] for line in _lines()] == [71]


def test_a_failed_start_keeps_its_own_exit_code(launch: Launch) -> None:
    _write(_REQUIRED.replace("audit.log", "missing/audit.log") + '[secrets]\nA = "env://NOT_THERE"\n')
    done = launch("--", "true")
    assert done.returncode == 66
    assert b"warning: the audit line cannot be written: " in done.stderr


# The system's own places


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.settimeout(10)
        yield listener


def _audit(where: str, listener: socket.socket, *, secrets: int = 1, name: str = "A") -> tuple[Audit, Manifest]:
    rows = "".join(f'{name}{number} = "kakaocloud://secret-{number}"\n' for number in range(secrets))
    options = f'[options]\naudit = "{where}"\naudit_required = true\n'
    manifest = read(f"{options}[secrets]\n{rows}")
    path = listener.getsockname()
    audit = Audit(manifest, b"/bin/tr\nue", sockets=Sockets(syslog=path, journald=path))
    audit.found = {entry.target: Secret(b"canary", revision="version=3") for entry in manifest.entries}
    return audit, manifest


def test_syslog_gets_a_message_of_the_form_of_libc(listener: socket.socket) -> None:
    audit, _ = _audit("syslog", listener)
    audit.started(Log())
    message = listener.recv(1 << 20)
    assert b"canary" not in message
    head, _, body = message.partition(b": ")
    priority, stamp, tag = head[:4], head[4:19], head[20:]
    assert (priority, tag) == (b"<86>", f"secrets-exec[{os.getpid()}]".encode())
    assert (
        abs(
            time.mktime(time.strptime(f"{time.localtime().tm_year} {stamp.decode()}", "%Y %b %d %H:%M:%S"))
            - time.time()
        )
        < 5
    )
    line = json.loads(body)
    assert (list(line), line["exit_code"], line["command"]) == (_KEYS, 0, "/bin/tr\nue")
    assert line["variables"][0]["read"] == "version=3"


def test_the_journal_gets_its_native_fields(listener: socket.socket) -> None:
    audit, manifest = _audit("journald", listener)
    audit.found = {manifest.entries[0].target: Denied("no")}
    audit.failed(77, Log())
    fields = dict(line.split(b"=", 1) for line in listener.recv(1 << 20).splitlines())
    line = json.loads(fields[b"MESSAGE"])
    assert (list(line), line["exit_code"]) == (_KEYS, 77)
    assert line["variables"][0]["exit_code"] == 77
    assert fields[b"SYSLOG_IDENTIFIER"] == b"secrets-exec"
    assert fields[b"SECRETS_EXEC_EXIT_CODE"] == b"77"
    assert fields[b"SECRETS_EXEC_COMMAND"] == rb"/bin/tr\nue"
    assert fields[b"SECRETS_EXEC_MANIFEST_SHA256"] == line["manifests"][0]["sha256"].encode()


@pytest.mark.parametrize(("where", "secrets", "wide"), [("syslog", 200, 1), ("journald", 1000, 200)])
def test_a_message_that_is_too_long_goes_without_its_variables(
    listener: socket.socket, where: str, secrets: int, wide: int
) -> None:
    audit, _ = _audit(where, listener, secrets=secrets, name="A" * wide)
    audit.started(Log())
    message = listener.recv(1 << 22)
    line = json.loads(message[message.index(b"{") :].splitlines()[0])
    assert len(message) < 8192
    assert (line["variables"], line["variables_left_out"]) == ([], secrets)


def test_a_journal_takes_more_than_syslog_does(listener: socket.socket) -> None:
    audit, _ = _audit("journald", listener, secrets=200)
    audit.started(Log())
    message = listener.recv(1 << 22)
    assert len(json.loads(message[message.index(b"{") :].splitlines()[0])["variables"]) == 200


@pytest.mark.parametrize("where", ["syslog", "journald"])
def test_nobody_who_listens_warns_or_stops(
    listener: socket.socket, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = listener.getsockname()
    listener.close()
    with pytest.raises(SystemRefused):
        _audit_of(where, path, required=True).started(Log())
    _audit_of(where, path, required=False).started(Log())
    assert "warning: the audit line cannot be written: " in capfd.readouterr().err


def _audit_of(where: str, path: str, *, required: bool) -> Audit:
    manifest = read(f'[options]\naudit = "{where}"\naudit_required = {str(required).lower()}\n[env]\nA = "x"\n')
    return Audit(manifest, b"", sockets=Sockets(path, path))


@pytest.mark.slow
def test_a_listener_that_takes_nothing_is_not_waited_for(listener: socket.socket) -> None:
    """A queue of datagrams is short: who does not read it blocks its senders."""
    audit, _ = _audit("syslog", listener)
    before = time.monotonic()

    def fill() -> None:
        for _ in range(2000):
            audit.started(Log())

    with pytest.raises(SystemRefused, match="nobody takes it"):
        fill()
    assert time.monotonic() - before < 20


# In a manifest


def test_the_options_are_checked() -> None:
    assert "no audit that could be required" in problem("[options]\naudit_required = true\n").what
    assert "is empty" in problem('[options]\naudit = ""\n').what
    assert "must be text" in problem("[options]\naudit = true\n").what
    assert read("").options.audit is None
    for word in ("syslog", "journald"):
        assert read(f'[options]\naudit = "{word}"\n').options.audit == word
    assert read('[options]\naudit = "x"\n').options.audit == str(Path("x").absolute())


def test_the_bytes_of_a_manifest_show_in_no_text_form() -> None:
    manifest = read('[env]\nA = "canary"\n')
    assert "canary" not in repr(manifest.sources)
    assert b"canary" in manifest.sources[0].data.reveal()
