"""One line for each reading of secrets: what it holds, never a value; and what a place that takes none does."""

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

_KEYS = [
    "shape",
    "time",
    "pid",
    "uid",
    "action",
    "manifests",
    "profile",
    "variables",
    "command",
    "dry_run",
    "exit_code",
]
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
    assert (line["action"], line["dry_run"], line["exit_code"]) == ("run", False, 0)
    assert line["command"].endswith("/sh")
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


# Of the other commands


_VALUES_OUT = [["export", "--format", "json"], ["get", "env://X"]]
_LOOKS = [["check", "--fetch"], ["plan", "--fetch"], ["doctor"]]
_of_each = pytest.mark.parametrize("command", [*_VALUES_OUT, *_LOOKS], ids=" ".join)


@_of_each
def test_whatever_reads_secrets_writes_one_line_that_says_which_command_it_was(
    launch: Launch, command: list[str]
) -> None:
    data = _write(f'{_OPTIONS}[secrets]\nA = "env://X"\n')
    done = launch(*command, environ={"X": "canary"})
    assert done.returncode == 0
    (line,) = _lines()
    name = None if command[0] == "get" else "A"
    assert list(line) == _KEYS
    assert line["variables"] == [{"name": name, "reference": "env://X", "read": None}]
    assert line["manifests"] == [{"file": "secrets.toml", "sha256": hashlib.sha256(data).hexdigest()}]
    assert (line["action"], line["command"], line["exit_code"]) == (command[0], None, 0)
    assert line["dry_run"] == (command in _LOOKS)


@pytest.mark.parametrize("command", [["check"], ["plan"], ["doctor", "--offline"], ["providers"]], ids=" ".join)
def test_what_reads_no_secret_writes_no_line(launch: Launch, command: list[str]) -> None:
    with Store(lambda _: http(500)) as store:
        _write(_OPTIONS + store.manifest('A = "kakaocloud://1"'))
        launch(*command, environ={"KAKAOCLOUD_TOKEN": "t"})
    assert not Path("audit.log").exists()


@_of_each
def test_what_they_cannot_read_has_its_exit_code(launch: Launch, command: list[str]) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "env://X"\n')
    assert launch(*command).returncode == 66
    (line,) = _lines()
    assert (line["exit_code"], line["variables"][0]["exit_code"]) == (66, 66)


def test_a_value_that_a_format_cannot_hold_is_told(launch: Launch) -> None:
    _write(f'{_OPTIONS}[secrets]\nA = "env://X"\n')
    assert launch("export", "--format", "docker", environ={"X": "a\nb"}).returncode == 65
    assert [line["exit_code"] for line in _lines()] == [65]


def test_a_key_that_is_not_there_is_told(launch: Launch) -> None:
    _write(_OPTIONS)
    assert launch("get", "env://X#key", environ={"X": '{"other": "canary"}'}).returncode == 66
    assert [line["exit_code"] for line in _lines()] == [66]


@pytest.mark.parametrize("required", [False, True])
@_of_each
def test_no_value_is_handed_out_without_a_line_that_is_required(
    launch: Launch, command: list[str], required: bool
) -> None:
    options = (_REQUIRED if required else _OPTIONS).replace("audit.log", "missing/audit.log")
    _write(f'{options}[secrets]\nA = "env://X"\n')
    done = launch(*command, environ={"X": "canary"})
    assert done.returncode == (71 if required else 0)
    assert b"the audit line cannot be written: " in done.stderr + done.stdout
    assert (b"canary" in done.stdout) == (command in _VALUES_OUT and not required)


def test_get_without_a_manifest_that_asks_for_it_writes_no_line(launch: Launch) -> None:
    Path("other.toml").write_text('[env]\nA = "x"\n')
    _write(_OPTIONS)
    assert launch("get", "-f", "other.toml", "env://HOME").returncode == 0
    assert not Path("audit.log").exists()


def test_the_providers_of_a_manifest_have_their_names_in_the_line_of_get(launch: Launch) -> None:
    Path("a").write_text("canary")
    Path("sub").mkdir()
    Path("sub/m.toml").write_text(f'{_OPTIONS}[providers.mine]\ntype = "file"\n[secrets]\nB = "mine://b"\n')
    assert launch("get", "-f", "sub/m.toml", "mine://a").stdout == b"canary"
    (line,) = _lines("sub/audit.log")
    assert [row["reference"] for row in line["variables"]] == ["mine://a"]


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
    audit = Audit(manifest, Log(), path=b"/bin/tr\nue", sockets=Sockets(syslog=path, journald=path))
    audit.found = {entry.target: Secret(b"canary", revision="version=3") for entry in manifest.entries}
    return audit, manifest


def test_syslog_gets_a_message_of_the_form_of_libc(listener: socket.socket) -> None:
    audit, _ = _audit("syslog", listener)
    audit.succeeded()
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
    audit.failed(77)
    fields = dict(line.split(b"=", 1) for line in listener.recv(1 << 20).splitlines())
    line = json.loads(fields[b"MESSAGE"])
    assert (list(line), line["exit_code"]) == (_KEYS, 77)
    assert line["variables"][0]["exit_code"] == 77
    assert fields[b"SYSLOG_IDENTIFIER"] == b"secrets-exec"
    assert fields[b"SECRETS_EXEC_ACTION"] == b"run"
    assert fields[b"SECRETS_EXEC_EXIT_CODE"] == b"77"
    assert fields[b"SECRETS_EXEC_COMMAND"] == rb"/bin/tr\nue"
    assert fields[b"SECRETS_EXEC_MANIFEST_SHA256"] == line["manifests"][0]["sha256"].encode()


@pytest.mark.parametrize(("where", "secrets", "wide"), [("syslog", 200, 1), ("journald", 1000, 200)])
def test_a_message_that_is_too_long_goes_without_its_variables(
    listener: socket.socket, where: str, secrets: int, wide: int
) -> None:
    audit, _ = _audit(where, listener, secrets=secrets, name="A" * wide)
    audit.succeeded()
    message = listener.recv(1 << 22)
    line = json.loads(message[message.index(b"{") :].splitlines()[0])
    assert len(message) < 8192
    assert (line["variables"], line["variables_left_out"]) == ([], secrets)


def test_a_journal_takes_more_than_syslog_does(listener: socket.socket) -> None:
    audit, _ = _audit("journald", listener, secrets=200)
    audit.succeeded()
    message = listener.recv(1 << 22)
    assert len(json.loads(message[message.index(b"{") :].splitlines()[0])["variables"]) == 200


@pytest.mark.parametrize("where", ["syslog", "journald"])
def test_nobody_who_listens_warns_or_stops(
    listener: socket.socket, where: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = listener.getsockname()
    listener.close()
    with pytest.raises(SystemRefused):
        _audit_of(where, path, required=True).succeeded()
    _audit_of(where, path, required=False).succeeded()
    assert "warning: the audit line cannot be written: " in capfd.readouterr().err


def _audit_of(where: str, path: str, *, required: bool) -> Audit:
    manifest = read(f'[options]\naudit = "{where}"\naudit_required = {str(required).lower()}\n[env]\nA = "x"\n')
    return Audit(manifest, Log(), sockets=Sockets(path, path))


@pytest.mark.slow
def test_a_listener_that_takes_nothing_is_not_waited_for(listener: socket.socket) -> None:
    """A queue of datagrams is short: who does not read it blocks its senders."""
    audit, _ = _audit("syslog", listener)
    before = time.monotonic()

    def fill() -> None:
        for _ in range(2000):
            audit.succeeded()

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
