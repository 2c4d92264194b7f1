"""The whole run: all or nothing, every problem at once, in the manifest's order, and the code that decides."""

from __future__ import annotations

import base64
import itertools
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import Asked, Store, http, kakao_value, unused_port

from envinject.emulator import Emulator, parse_seed

Done = subprocess.CompletedProcess[bytes]
Launch = Callable[..., Done]

_CHILD = ["touch", "started"]

# What the store below answers to an id, and the code that this alone ends with.
_ANSWERS = {
    "fine": (kakao_value('{"user": "u", "password": "p"}'), 0),
    "denied": (http(403, b"{}"), 77),
    "missing": (http(404, b'{"error": {"code": "NotFound"}}'), 66),
    "text": (kakao_value('"no object"'), 65),
    "html": (http(200, b"<html>log in</html>"), 69),
    "moved": (http(302, b"", "Location: https://elsewhere.test/"), 69),
    "later": (http(503, b"{}", "Retry-After: 3600"), 75),
}
_FAILING = {id: code for id, (_, code) in _ANSWERS.items() if code}
_ORDER = [77, 66, 65, 69, 75]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")

    def answer(asked: Asked) -> bytes:
        return _ANSWERS[asked.target.split("/")[4]][0]

    with Store(answer) as running:
        yield running


def _started() -> bool:
    return Path("started").exists()


def _blocks(err: bytes) -> list[list[str]]:
    """The errors that were told, each as its lines."""
    found: list[list[str]] = []
    for line in err.decode("ascii").splitlines():
        if line.startswith("secrets-exec: error: "):
            found.append([line])
        elif found:
            found[-1].append(line)
    return found


# One failure


@pytest.mark.parametrize(("id", "code"), _FAILING.items(), ids=_FAILING)
def test_one_secret_that_fails_stops_the_start_with_its_code(
    store: Store, manifest: Callable[..., Path], launch: Launch, id: str, code: int
) -> None:
    text = store.manifest(f'GOOD = "kakaocloud://fine"\nBAD = "kakaocloud://{id}#user"\nBETTER = "kakaocloud://fine"')
    done = launch("-f", manifest(text), "--", *_CHILD)
    assert (done.returncode, done.stdout, _started()) == (code, b"", False)
    ((what, where, hint),) = _blocks(done.stderr)
    assert where.startswith("  where: BAD, ")
    assert f"kakaocloud://{id}#user" in where
    assert hint.startswith("  hint:  ")
    assert what.isprintable()


@pytest.mark.parametrize(
    ("name", "content", "secret", "told"),
    [
        ("nul", b"a\0b", '{ provider = "file", id = "nul" }', "NUL"),
        ("latin", b"caf\xe9", '{ provider = "file", id = "latin" }', "UTF-8"),
        ("plain", b"text", '{ provider = "file", id = "plain", key = "k" }', "JSON"),
        ("plain", b"text", '{ provider = "file", id = "plain", expand = true }', "JSON"),
        ("list", b"[1]", '{ provider = "file", id = "list", expand = true }', "an array"),
        ("twice", b'{"a-b": 1, "a_b": 2}', '{ provider = "file", id = "twice", expand = true }', "X_A_B"),
        ("nan", b'{"a": NaN}', '{ provider = "file", id = "nan", key = "a" }', "NaN"),
        ("keys", b'{"a": 1, "a": 2}', '{ provider = "file", id = "keys", key = "a" }', "twice"),
        ("nobase", b"!!!", '{ provider = "file", id = "nobase", decode = "base64" }', "base64"),
        ("large", b"x" * 131_072, '{ provider = "file", id = "large" }', "X: 131075 bytes"),
        ("path", b'{"path": "/tmp"}', '{ provider = "file", id = "path", expand = { prefix = "" } }', "PATH"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isalpha() else "",
)
def test_a_value_that_cannot_become_a_variable_is_65(
    manifest: Callable[..., Path], launch: Launch, name: str, content: bytes, secret: str, told: str
) -> None:
    path = manifest(f"[secrets]\nX = {secret}\n")
    (path.parent / name).write_bytes(content)
    done = launch("-f", path, "--", *_CHILD)
    assert (done.returncode, done.stdout, _started()) == (65, b"", False)
    ((*lines,),) = _blocks(done.stderr)
    assert told in "".join(lines)
    assert "X" in "".join(lines)


def test_the_longest_string_that_the_system_takes_is_taken(manifest: Callable[..., Path], launch: Launch) -> None:
    path = manifest('[secrets]\nX = "file://large"\n')
    (path.parent / "large").write_bytes(b"x" * (131_072 - len("X=\0")))
    done = launch("-f", path, "--", "sh", "-c", "echo ${#X}")
    assert (done.returncode, done.stdout) == (0, b"131069\n")


def test_an_environment_that_is_too_large_is_65_and_names_the_largest(
    manifest: Callable[..., Path], launch: Launch
) -> None:
    """The smallest room that Linux gives is 128 KiB, whatever the stack's limit."""
    path = manifest('[secrets]\nA = "file://half"\nB = "file://half"\nC = "file://small"\n')
    (path.parent / "half").write_bytes(b"x" * 65_600)
    (path.parent / "small").write_bytes(b"x")
    stack = (400 << 10, resource.getrlimit(resource.RLIMIT_STACK)[1])
    done = launch("-f", path, "--", *_CHILD, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, stack))
    assert (done.returncode, done.stdout, _started()) == (65, b"", False)
    ((what, where, hint),) = _blocks(done.stderr)
    assert "the system allows 131072" in what
    assert where.startswith("  where: A: 65603 bytes, B: 65603 bytes, ")
    assert "ulimit -s" in hint


@pytest.mark.parametrize("transport", ["requests", "curl"])
def test_a_store_where_nobody_listens_is_75(manifest: Callable[..., Path], launch: Launch, transport: str) -> None:
    pytest.importorskip("pycurl" if transport == "curl" else "requests")
    text = f'[providers.kakaocloud]\nendpoint = "http://127.0.0.1:{unused_port()}"\n[secrets]\nX = "kakaocloud://1"\n'
    environ = {"KAKAOCLOUD_TOKEN": "token", "SECRETS_EXEC_TRANSPORT": transport}
    done = launch("-f", manifest(text), "--timeout", "300ms", "--", *_CHILD, environ=environ)
    assert (done.returncode, done.stdout, _started()) == (75, b"", False)


@pytest.mark.parametrize("provider", ["kakaocloud", "ncloud"])
def test_no_credentials_are_77_and_nothing_is_asked(
    manifest: Callable[..., Path], launch: Launch, provider: str
) -> None:
    with Store(lambda _: http(500)) as server:
        text = f'[providers.{provider}]\nendpoint = "{server.url}"\n[secrets]\nX = "{provider}://1"\n'
        done = launch("-f", manifest(text), "--", *_CHILD)
        assert (done.returncode, done.stdout, _started()) == (77, b"", False)
        assert b"no credentials" in done.stderr
        assert not server.requests


# Several failures


def test_three_bad_secrets_of_ten_give_three_messages_in_order_and_no_child(
    manifest: Callable[..., Path], launch: Launch
) -> None:
    seed = parse_seed(
        {
            "kakaocloud": {
                "credentials": [{"name": "k", "id": "kid", "secret": "ksecret"}],
                "secrets": [{"id": "one", "value": {"user": "u", "password": "p"}}],
            },
            "ncloud": {
                "credentials": [{"name": "n", "access_key": "na", "secret_key": "ns", "secrets": ["two"]}],
                "secrets": [{"id": "two", "active": {"user": "u"}}, {"id": "three", "active": "x"}],
            },
        }
    )
    credentials = {
        "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "kid",
        "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "ksecret",
        "NCLOUD_ACCESS_KEY_ID": "na",
        "NCLOUD_SECRET_ACCESS_KEY": "ns",
    }
    with Emulator(seed) as emulator:
        ends = emulator.endpoints
        text = f"""
[providers.kakao]
type = "kakaocloud"
endpoint = "{ends["kakaocloud"]}"
iam_endpoint = "{ends["kakaocloud-iam"]}"

[providers.naver]
type = "ncloud"
endpoint = "{ends["ncloud"]}"

[secrets]
A = "kakao://one"
B = "kakao://one#user"
C = "kakao://one?version=7#password"
D = "kakao://one?version=1#user"
E = "naver://two#user"
F = {{ provider = "naver", id = "two", stage = "active", key = "pasword" }}
G = "naver://two"
H = {{ provider = "naver", id = "three", stage = "previous" }}
I = "env://HOME"
J = {{ provider = "kakao", id = "one", expand = true }}
"""
        done = launch("-f", manifest(text), "--", *_CHILD, environ=credentials)
    assert (done.returncode, done.stdout, _started()) == (77, b"", False)
    missing, no_key, denied = _blocks(done.stderr)
    for lines, parts in (
        (
            missing,
            ["C, ", "secrets.toml:14", "kakao://one?version=7#password", "knows no such secret or version", "404"],
        ),
        (no_key, ["F, ", "secrets.toml:17", "naver://two?stage=active#pasword", "no key 'pasword'", "user"]),
        (denied, ["H, ", "secrets.toml:19", "naver://three?stage=previous", "does not allow reading", "403"]),
    ):
        assert len(lines) == 3, lines
        assert all(part in "".join(lines) for part in parts), lines


@pytest.mark.parametrize("ids", list(itertools.permutations(_FAILING, 2)), ids="-".join)
def test_of_two_failures_the_one_decides_that_a_retry_cannot_mend(
    store: Store, manifest: Callable[..., Path], launch: Launch, ids: tuple[str, str]
) -> None:
    text = store.manifest("\n".join(f'S{n} = "kakaocloud://{id}#user"' for n, id in enumerate(ids)))
    done = launch("-f", manifest(text), "--", *_CHILD)
    assert done.returncode == min((_FAILING[id] for id in ids), key=_ORDER.index)
    assert [f"S{n}, " in lines[1] for n, lines in enumerate(_blocks(done.stderr))] == [True, True]


def test_all_kinds_at_once_are_all_told(store: Store, manifest: Callable[..., Path], launch: Launch) -> None:
    text = store.manifest("\n".join(f'{id.upper()} = "kakaocloud://{id}#user"' for id in reversed(_FAILING)))
    done = launch("-f", manifest(text), "--log-format", "json", "--", *_CHILD)
    messages = [json.loads(line) for line in done.stderr.splitlines()]
    assert [message["exit_code"] for message in messages] == list(reversed(_FAILING.values()))
    assert [message["where"].split(",")[0].lower() for message in messages] == list(reversed(_FAILING))
    assert done.returncode == 77


@pytest.mark.parametrize(("command", "found"), [("no-such-command", 127), ("./folder", 126)], ids=["127", "126"])
def test_a_bad_manifest_and_a_bad_command_are_told_together_and_the_manifest_decides(
    manifest: Callable[..., Path], launch: Launch, command: str, found: int
) -> None:
    Path("folder").mkdir()
    done = launch("-f", manifest('[secrets]\nX = "nowhere://1"\n[env]\n1Y = "x"\n'), "--", command)
    assert done.returncode == 78
    assert len(_blocks(done.stderr)) == 3
    assert launch("-f", manifest('[env]\nY = "x"\n'), "--", command).returncode == found


@pytest.mark.parametrize("command", [["no-such-command"], ["true"]], ids=["bad command", "good command"])
def test_nothing_is_asked_of_a_store_before_manifest_and_command_are_right(
    store: Store, manifest: Callable[..., Path], launch: Launch, command: list[str]
) -> None:
    wrong = "" if command == ["no-such-command"] else "[env]\n1X = 'x'\n"
    done = launch("-f", manifest(store.manifest('A = "kakaocloud://fine"') + wrong), "--", *command)
    assert done.returncode == (78 if wrong else 127)
    assert not store.requests


# What covers a failure, and what does not


@pytest.mark.parametrize("field", ["required = false", 'default = "d"'])
@pytest.mark.parametrize("id", _FAILING)
def test_only_not_found_is_covered(
    store: Store, manifest: Callable[..., Path], launch: Launch, id: str, field: str
) -> None:
    text = store.manifest(f'X = {{ provider = "kakaocloud", id = "{id}", key = "user", {field} }}')
    done = launch("-f", manifest(text), "--", "sh", "-c", "echo ${X-unset}")
    expected = {"required = false": b"unset\n", 'default = "d"': b"d\n"}[field]
    if id == "missing":
        assert (done.returncode, done.stdout, done.stderr) == (0, expected, b"")
    else:
        assert (done.returncode, done.stdout) == (_FAILING[id], b"")


# Less than all


def test_a_dry_run_does_everything_but_start_the_command(
    store: Store, manifest: Callable[..., Path], launch: Launch
) -> None:
    text = store.manifest(
        'A = "kakaocloud://fine#password"\nB = { provider = "kakaocloud", id = "fine", expand = true }'
    )
    done = launch("-f", manifest(f'{text}[env]\nC = "xyz"\n'), "--dry-run", "--", *_CHILD)
    assert (done.returncode, done.stdout, _started()) == (0, b"", False)
    told = [line.partition(" from ")[0] for line in done.stderr.decode().splitlines()]
    assert told == [
        "secrets-exec: would set A: 1 byte",
        "secrets-exec: would set B_USER: 1 byte",
        "secrets-exec: would set B_PASSWORD: 1 byte",
        "secrets-exec: would set C: 3 bytes",
    ]
    assert len(store.requests) == 1


def test_a_dry_run_needs_no_command(store: Store, manifest: Callable[..., Path], launch: Launch) -> None:
    path = manifest(store.manifest('A = "kakaocloud://fine"'))
    assert launch("-f", path, "--dry-run").returncode == 0


@pytest.mark.parametrize("id", _FAILING)
def test_a_dry_run_fails_as_the_run_would(store: Store, manifest: Callable[..., Path], launch: Launch, id: str) -> None:
    path = manifest(store.manifest(f'A = "kakaocloud://{id}#user"'))
    dry, real = (launch("-f", path, *more, "--", *_CHILD) for more in (["--dry-run"], []))
    assert (dry.returncode, dry.stderr) == (real.returncode, real.stderr)


def test_only_what_is_asked_for_is_fetched(store: Store, manifest: Callable[..., Path], launch: Launch) -> None:
    text = store.manifest('A = "kakaocloud://fine#user"\nB = "kakaocloud://denied"') + '[env]\nAB = "x"\nC = "y"\n'
    done = launch("-f", manifest(text), "--only", "A*", "--", "sh", "-c", "echo $A ${B-} $AB ${C-}")
    assert (done.returncode, done.stdout) == (0, b"u x\n")


def test_what_the_inherited_environment_keeps_is_not_fetched(
    store: Store, manifest: Callable[..., Path], launch: Launch
) -> None:
    text = store.manifest('A = "kakaocloud://denied"\nB = "kakaocloud://fine#user"')
    words = ["-f", manifest(text), "--on-conflict", "keep", "--", "sh", "-c", "echo $A $B"]
    done = launch(*words, environ={"A": "mine"})
    assert (done.returncode, done.stdout) == (0, b"mine u\n")
    assert [asked.target.split("/")[4] for asked in store.requests] == ["fine"]


# More than a manifest


def test_a_manifest_can_come_by_standard_input(launch: Launch) -> None:
    done = launch("-f", "-", "--", "printenv", "X", stdin=None, input=b'[env]\nX = "piped"\n')
    assert (done.returncode, done.stdout, done.stderr) == (0, b"piped\n", b"")


def test_a_closed_standard_input_is_no_manifest(launch: Launch) -> None:
    done = launch("-f", "-", "--", *_CHILD, preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stdout, _started()) == (78, b"", False)
    assert b"standard input is closed" in done.stderr


def test_set_and_env_file_go_over_the_manifest(manifest: Callable[..., Path], launch: Launch) -> None:
    path = manifest('[env]\nA = "a"\nB = "b"\nC = "c"\n')
    Path("x.env").write_text("B=from the file\nC=from the file\n")
    words = ["-f", path, "--env-file", "x.env", "--set", "C=env://HERE", "--", "sh", "-c", "echo $A, $B, $C"]
    done = launch(*words, environ={"HERE": "from here"})
    assert (done.returncode, done.stdout) == (0, b"a, from the file, from here\n")


def test_set_alone_needs_no_manifest(launch: Launch) -> None:
    done = launch("--set", "X=env://HERE", "--", "printenv", "X", environ={"HERE": "value"})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"value\n", b"")


@pytest.mark.parametrize("content", [b"\xff=x\n", b"no assignment '\n"], ids=["no UTF-8", "no assignment"])
def test_an_env_file_that_is_none_is_78(launch: Launch, content: bytes) -> None:
    Path("x.env").write_bytes(content)
    done = launch("--env-file", "x.env", "--", *_CHILD)
    assert (done.returncode, done.stdout, _started()) == (78, b"", False)
    assert b"where: --env-file x.env" in done.stderr


def test_an_env_file_that_is_missing_is_78(launch: Launch) -> None:
    done = launch("--env-file", "x.env", "--", *_CHILD)
    assert (done.returncode, done.stdout, _started()) == (78, b"", False)
    assert b"there is no file x.env" in done.stderr


def test_a_world_writable_manifest_is_warned_about(manifest: Callable[..., Path], launch: Launch) -> None:
    path = manifest('[env]\nX = "x"\n')
    path.chmod(0o666)
    done = launch("-f", path, "--", "true")
    assert done.returncode == 0
    assert done.stderr.startswith(b"secrets-exec: warning: anybody on this machine may change")


def test_values_of_every_kind_arrive_as_the_store_has_them(manifest: Callable[..., Path], launch: Launch) -> None:
    document = (
        '{"text":" a b ","number":1.0,"huge":1e400,"long":123456789012345678901234567890,"yes":true,'
        '"list":[1,"\\u00e9"],"empty":""}'
    )
    with Store(lambda _: kakao_value(document)) as server:
        text = server.manifest('X = { provider = "kakaocloud", id = "1", expand = true }\nY = "kakaocloud://1#text"')
        done = launch("-f", manifest(text), "--", "env", "-0", environ={"KAKAOCLOUD_TOKEN": "t"})
    found = dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if pair)
    assert {name: found[name].decode() for name in found if name.startswith((b"X_", b"Y"))} == {
        b"X_TEXT": " a b ",
        b"X_NUMBER": "1.0",
        b"X_HUGE": "1e400",
        b"X_LONG": "123456789012345678901234567890",
        b"X_YES": "true",
        b"X_LIST": '[1,"é"]',
        b"X_EMPTY": "",
        b"Y": " a b ",
    }


def test_decoded_values_may_hold_any_byte_but_nul(manifest: Callable[..., Path], launch: Launch) -> None:
    value = bytes(range(1, 256))
    path = manifest('[secrets]\nX = { provider = "file", id = "coded", decode = "base64" }\n')
    (path.parent / "coded").write_bytes(base64.b64encode(value))
    done: Any = launch("-f", path, "--", "env", "-0")
    assert b"X=" + value in done.stdout.split(b"\0")
