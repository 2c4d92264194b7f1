"""One canary in every value and every credential: in the child's environment, and nowhere else.

Every provider, every error, every verbosity; looked for raw and in the forms that libraries print and send.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import psutil
import pytest
from launching import LAUNCHER, PATIENCE, TRANSPORTS, Asked, Store, eventually, http, kakao_value, unused_port

from envinject.emulator import Emulator, parse_seed

_VERBOSITIES = [["-q"], [], ["-v"], ["-vv"], ["--debug"], ["--debug", "--log-format", "json"]]
_FORMATS = [["-vv"], ["--debug", "--log-format=json"]]
"""For errors, which say the same at every verbosity; one of them is tried at each."""

_VALUE = 'Canary"Välue8c1\n7f3a5b90/+='
"""A value that looks different in every encoding, and is never a part of anything else."""

_CREDENTIAL = "CanaryCredential9d2e/+="


def _forms(canary: str) -> set[bytes]:
    """How the canary could appear: whole, and the part of it that survives truncation and wrapping."""
    found: set[bytes] = set()
    for text in {canary, *canary.splitlines()}:
        data = text.encode()
        found |= {data, data.hex().encode(), data.hex().upper().encode(), text.encode("utf-16-le")}
        found |= {json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
        found |= {repr(text)[1:-1].encode(), repr(data)[2:-1].encode(), ascii(text)[1:-1].encode()}
        found |= {urllib.parse.quote(text, safe="").encode(), urllib.parse.quote_plus(text).encode()}
        for offset in range(3):  # what of it is the same wherever a longer text holds it
            coded = base64.b64encode(b"x" * offset + data)[-(-offset * 8 // 6) : (offset + len(data)) * 8 // 6]
            found |= {coded, coded.translate(bytes.maketrans(b"+/", b"-_"))}
    assert all(len(form) >= 8 for form in found)
    return found


_NOWHERE = _forms(_VALUE) | _forms(_CREDENTIAL)


def _assert_clean(data: bytes, what: str) -> None:
    assert not (found := [form for form in _NOWHERE if form in data]), f"{found} in {what}: {data!r}"


def test_the_forms_are_found_where_they_are() -> None:
    """So that the tests below can fail."""
    for canary in (_VALUE, _CREDENTIAL):
        for dirty in (
            f"x{canary}y".encode(),
            json.dumps({"a": canary}).encode(),
            repr([canary]).encode(),
            repr({canary.encode()}).encode(),
            b"..." + canary.encode().hex().encode(),
            urllib.parse.urlencode({"a": canary}).encode(),
            *(base64.b64encode(b"u" * n + canary.encode() + b"zz") for n in range(6)),
        ):
            with pytest.raises(AssertionError):
                _assert_clean(dirty, "dirty")
    _assert_clean(b"DB_PASSWORD: 21 bytes from secrets.toml:3, kakaocloud://1", "clean")


class Scene(NamedTuple):
    """A manifest, what its run needs, and the files that hold canaries on purpose."""

    manifest: str
    environ: dict[str, str]
    words: Sequence[str] = ()
    files: Mapping[str, bytes] = MappingProxyType({})


@pytest.fixture
def play(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run the launcher on a scene and look for canaries wherever it could have left one."""

    def run(scene: Scene, *words: str, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        for name, data in scene.files.items():
            Path(name).write_bytes(data)
        Path("secrets.toml").write_text(scene.manifest)
        Path("tmp").mkdir(exist_ok=True)
        before = _files(tmp_path)
        done = subprocess.run(
            [*LAUNCHER, *words, *scene.words, "--", *command],
            env={**os.environ, "TMPDIR": str(Path("tmp").absolute()), **scene.environ},
            capture_output=True,
            timeout=PATIENCE * 2,
            check=False,
        )
        _assert_clean(done.stderr, "standard error")
        assert _files(tmp_path) == before, "no file is made or changed"
        return done

    return run


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# Every provider


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Both clouds, whose values and credentials are canaries."""
    object_ = {"user": "u", "password": _VALUE}
    seed = parse_seed(
        {
            "kakaocloud": {
                "credentials": [
                    {"name": "k", "id": f"id-{_CREDENTIAL}", "secret": f"key-{_CREDENTIAL}", "token": _CREDENTIAL}
                ],
                "secrets": [{"id": "object", "value": object_}, {"id": "text", "value": _VALUE}],
            },
            "ncloud": {
                "credentials": [{"name": "n", "access_key": f"id-{_CREDENTIAL}", "secret_key": f"key-{_CREDENTIAL}"}],
                "secrets": [
                    {"id": "object", "active": object_},
                    {"id": "text", "active": _VALUE, "previous": f"old {_VALUE}"},
                ],
            },
        }
    )
    with Emulator(seed) as running:
        yield running


_KAKAO_KEYS = {
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": f"id-{_CREDENTIAL}",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": f"key-{_CREDENTIAL}",
}
_NAVER_KEYS = {"NCLOUD_ACCESS_KEY_ID": f"id-{_CREDENTIAL}", "NCLOUD_SECRET_ACCESS_KEY": f"key-{_CREDENTIAL}"}
_TOKEN = {"KAKAOCLOUD_TOKEN": _CREDENTIAL}
_QUOTED = json.dumps(_VALUE, ensure_ascii=False).encode()
_CLOUD = """
[providers.cloud]
type = "{type}"
endpoint = "{endpoint}"
{more}
[secrets]
A = "cloud://text"
B = "cloud://object#password"
C = {{ provider = "cloud", id = "object", expand = true }}
"""


def _scenes(emulator: Emulator) -> dict[str, Scene]:
    ends = emulator.endpoints
    iam = f'iam_endpoint = "{ends["kakaocloud-iam"]}"'

    def cloud(type: str, service: str, more: str = "", **how: Any) -> Scene:
        keys = _KAKAO_KEYS if type == "kakaocloud" else _NAVER_KEYS
        return Scene(_CLOUD.format(type=type, endpoint=ends[service], more=more), **{"environ": keys} | how)

    by_files = '{0}_file = "id"\n{1}_file = "key"'
    keys = {"id": f"id-{_CREDENTIAL}\n".encode(), "key": f"key-{_CREDENTIAL}\n".encode()}
    configure = f"ncloud_access_key_id = id-{_CREDENTIAL}\nncloud_secret_access_key = key-{_CREDENTIAL}\n"
    environ = {"HOME": str(Path("home").absolute())}
    Path("home/.ncloud").mkdir(parents=True)
    Path("home/.ncloud/configure").write_text(configure)
    return {
        "kakaocloud": cloud("kakaocloud", "kakaocloud", iam),
        "kakaocloud with a token": cloud("kakaocloud", "kakaocloud", environ=_TOKEN),
        "kakaocloud with files": cloud(
            "kakaocloud",
            "kakaocloud",
            f"{iam}\n{by_files.format('access_key_id', 'secret_access_key')}",
            environ={},
            files=keys,
        ),
        "kakaocloud classic": cloud("kakaocloud", "kakaocloud-classic", f'{iam}\napi = "classic"'),
        "ncloud": cloud("ncloud", "ncloud"),
        "ncloud with files": cloud(
            "ncloud", "ncloud", by_files.format("access_key", "secret_key"), environ={}, files=keys
        ),
        "ncloud with its own file": cloud("ncloud", "ncloud", environ=environ),
        "dotenv": Scene(
            '[secrets]\nA = "dotenv://x.env#text"\nB = "dotenv://x.env#text"\n'
            'C = { provider = "dotenv", id = "x.env", expand = { rename = { text = "C_PASSWORD" } } }\n',
            {},
            files={"x.env": b"text=" + _QUOTED + b"\nuser=u\n"},
        ),
        "env": Scene(
            '[secrets]\nA = "env://FROM"\nB = "env://OBJECT#password"\n'
            'C = { provider = "env", id = "OBJECT", expand = true }\n',
            {"FROM": _VALUE, "OBJECT": json.dumps({"password": _VALUE})},
        ),
        "file": Scene(
            '[secrets]\nA = "file://text"\nB = { provider = "file", id = "coded", decode = "base64" }\n'
            'C_PASSWORD = "file://object#/password"\n',
            {},
            files={
                "text": _VALUE.encode(),
                "coded": base64.b64encode(_VALUE.encode()),
                "object": json.dumps({"password": _VALUE}).encode(),
            },
        ),
        "literal": Scene(
            f"[env]\nA = {_QUOTED.decode()}\nB = {_QUOTED.decode()}\nC_PASSWORD = {_QUOTED.decode()}\n", {}
        ),
        "env file": Scene(
            "",
            {},
            ["-f", "secrets.toml", "--env-file", "x.env"],
            {"x.env": b"".join(b"%s=%s\n" % (name, _QUOTED) for name in (b"A", b"B", b"C_PASSWORD"))},
        ),
        "default": Scene(
            "[secrets]\n"
            + "".join(
                f'{name} = {{ provider = "env", id = "NOT_THERE", default = {_QUOTED.decode()} }}\n'
                for name in ("A", "B", "C_PASSWORD")
            ),
            {},
        ),
        "template": Scene(
            '[secrets]\nFROM_OTHERS = "env://FROM"\n[env]\nA = { template = "${FROM_OTHERS}" }\n'
            'B = { template = "${A}" }\nC_PASSWORD = { template = "${B}" }\n',
            {"FROM": _VALUE},
            ["--only", "[ABC]*"],
        ),
        "profile": Scene(
            "[profiles.p.secrets]\n" + "".join(f'{name} = "env://FROM"\n' for name in ("A", "B", "C_PASSWORD")),
            {"FROM": _VALUE},
            ["-P", "p"],
        ),
        "inherited": Scene(
            "", {"FROM": _VALUE, **dict.fromkeys(("A", "B", "C_PASSWORD"), "env://FROM")}, ["--resolve-env"]
        ),
    }


_PROVIDERS = [
    "kakaocloud",
    "kakaocloud with a token",
    "kakaocloud with files",
    "kakaocloud classic",
    "ncloud",
    "ncloud with files",
    "ncloud with its own file",
    "dotenv",
    "env",
    "file",
    "literal",
    "env file",
    "default",
    "template",
    "profile",
    "inherited",
]


def test_every_scene_has_its_tests(emulator: Emulator) -> None:
    assert list(_scenes(emulator)) == _PROVIDERS


def _rounds() -> Iterator[Any]:
    """Every provider at every verbosity, with one transport; a cloud with each other transport once."""
    for provider in _PROVIDERS:
        for verbosity in _VERBOSITIES:
            for transport in TRANSPORTS if "cloud" in provider and verbosity == _VERBOSITIES[-1] else TRANSPORTS[-1:]:
                yield pytest.param(provider, verbosity, transport, id=f"{provider} {' '.join(verbosity)} {transport}")


@pytest.mark.parametrize(("provider", "verbosity", "transport"), list(_rounds()))
def test_a_value_is_in_the_childs_environment_and_nowhere_else(
    emulator: Emulator, play: Callable[..., Any], provider: str, verbosity: list[str], transport: str
) -> None:
    scene = _scenes(emulator)[provider]
    scene = scene._replace(environ={**scene.environ, "SECRETS_EXEC_TRANSPORT": transport})
    done = play(scene, *verbosity, command=["env", "-0"])
    assert done.returncode == 0, done.stderr
    found = dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if pair)
    assert [found.pop(name) for name in (b"A", b"B", b"C_PASSWORD")] == [_VALUE.encode()] * 3
    left = {name: value for name, value in found.items() if name not in (b"FROM", b"OBJECT")}
    _assert_clean(repr(left).encode(), "the rest of the environment")


_REPORTS = [["plan"], ["plan", "--json"], ["check"], ["check", "--json"], ["doctor"], ["doctor", "--json"]]


_AS_FILE = """
[secrets]
A = {{ provider = "file", id = "text", as = "file"{how} }}
B = {{ provider = "file", id = "coded", decode = "base64", as = "file"{how} }}
C = {{ provider = "env", id = "NOT_THERE", default = {default}, as = "file"{how} }}
[env]
D = {{ template = "--key=${{A}}" }}
"""


@pytest.mark.parametrize("verbosity", _VERBOSITIES, ids=" ".join)
@pytest.mark.parametrize(
    ("how", "words"),
    [("", []), ("", ["--supervise"]), (', file = "tmpfs"', ["--supervise"]), (', file = "tmpfs"', ["--watch", "1h"])],
    ids=["memfd", "memfd supervised", "tmpfs", "tmpfs watched"],
)
def test_a_value_as_a_file_is_in_that_file_and_nowhere_else(
    play: Callable[..., Any], how: str, words: list[str], verbosity: list[str]
) -> None:
    """Nor anywhere at all when the command has ended, which is why its environment comes last."""
    text = _AS_FILE.format(how=how, default=_QUOTED.decode())
    files = {"text": _VALUE.encode(), "coded": base64.b64encode(_VALUE.encode())}
    scene = Scene(text, {}, words, files)
    done = play(scene, *verbosity, command=["/bin/sh", "-c", 'cat "$A" "$B" "$C"; printf "\\0"; env -0'])
    content, *environ = done.stdout.split(b"\0")
    assert (done.returncode, content) == (0, _VALUE.encode() * 3)
    _assert_clean(b"\0".join(environ), "the environment")
    paths = [Path(os.fsdecode(pair[2:])) for pair in environ if pair[:2] in (b"A=", b"B=", b"C=")]
    assert len(paths) == 3
    assert not how or not any(path.exists() or path.parent.exists() for path in paths)


@pytest.mark.parametrize("command", [["plan"], ["plan", "--json"], ["check"]], ids=" ".join)
def test_reports_show_no_value_of_a_file(command: list[str], launch: Callable[..., Any]) -> None:
    Path("text").write_text(_VALUE)
    Path("coded").write_bytes(base64.b64encode(_VALUE.encode()))
    Path("secrets.toml").write_text(_AS_FILE.format(how="", default=_QUOTED.decode()))
    done = launch(*command, "--fetch", "--debug")
    assert done.returncode == 0, done.stderr
    _assert_clean(done.stdout + done.stderr, "the report")


@pytest.mark.parametrize("command", _REPORTS, ids=" ".join)
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_reports_show_no_value(
    emulator: Emulator, provider: str, command: list[str], launch: Callable[..., Any]
) -> None:
    scene = _scenes(emulator)[provider]
    for name, data in scene.files.items():
        Path(name).write_bytes(data)
    Path("secrets.toml").write_text(scene.manifest)
    fetch = [] if "doctor" in command else ["--fetch"]
    words = [*command, *fetch, "--debug", "--timings", "t.json", *scene.words]
    inherited = {"A": _VALUE, "C_PASSWORD": f"other {_VALUE}"}
    done = launch(*words, environ={**inherited, **scene.environ})
    assert done.returncode == 0, done.stderr
    _assert_clean(done.stdout + done.stderr, "the report")
    _assert_clean(Path("t.json").read_bytes(), "the timings")


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_pictures_and_audit_lines_hold_no_value(
    emulator: Emulator, provider: str, launch: Callable[..., Any], transport: str
) -> None:
    scene = _scenes(emulator)[provider]
    for name, data in scene.files.items():
        Path(name).write_bytes(data)
    Path("secrets.toml").write_text(f'{scene.manifest}\n[options]\naudit = "audit.log"\n')
    environ = {**scene.environ, "SECRETS_EXEC_TRANSPORT": transport}
    for picture in ("t.svg", "t.json"):
        words = ["-vv", "--timings", picture, *scene.words, "--", "printenv", "A"]
        done = launch(*words, environ=environ)
        assert done.stdout == f"{_VALUE}\n".encode()
        _assert_clean(done.stderr, "standard error")
        _assert_clean(Path(picture).read_bytes(), "the picture")
    for command in (["export", "--format", "json"], ["plan", "--fetch"]):
        assert launch(*command, *scene.words, environ=environ).returncode == 0
    assert Path("audit.log").read_bytes().count(b"\n") == 4
    _assert_clean(Path("audit.log").read_bytes(), "the audit trail")


@pytest.mark.parametrize("name", ["a 401", "a 403", "broken JSON", "no HTTP", "a header of it"])
def test_nor_do_they_where_a_store_is_hostile(launch: Callable[..., Any], transport: str, name: str) -> None:
    with Store(lambda _: _ANSWERS[name]) as store:
        Path("secrets.toml").write_text(store.manifest('X = "kakaocloud://1"') + '[options]\naudit = "audit.log"\n')
        environ = {**_TOKEN, "SECRETS_EXEC_TRANSPORT": transport}
        for words in (["doctor"], ["doctor", "--json"], ["check", "--fetch", "--json"], ["run", "-vv"]):
            command = ["--", "true"] if words[0] == "run" else []
            done = launch(*words, "--timings", "t.json", *command, environ=environ)
            assert done.returncode in (66, 69, 75, 77), done
            _assert_clean(done.stdout + done.stderr, "what is told")
            _assert_clean(Path("t.json").read_bytes(), "the picture")
    _assert_clean(Path("audit.log").read_bytes(), "the audit trail")


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_export_writes_values_to_standard_output_and_nowhere_else(
    emulator: Emulator, provider: str, launch: Callable[..., Any], tmp_path: Path
) -> None:
    scene = _scenes(emulator)[provider]
    for name, data in scene.files.items():
        Path(name).write_bytes(data)
    Path("secrets.toml").write_text(scene.manifest)
    before = _files(tmp_path)
    done = launch("export", "--format", "json", "--debug", *scene.words, environ=scene.environ)
    assert done.returncode == 0, done.stderr
    assert [json.loads(done.stdout)[name] for name in ("A", "B", "C_PASSWORD")] == [_VALUE] * 3
    _assert_clean(done.stderr, "standard error")
    assert _files(tmp_path) == before


@pytest.mark.parametrize("form", ["docker", "dotenv", "github"])
def test_a_format_that_cannot_hold_a_value_does_not_quote_it(form: str, launch: Callable[..., Any]) -> None:
    value = f"${{{_VALUE}}}".encode() + b"\xff\n"
    Path("coded").write_bytes(base64.b64encode(value))
    Path("secrets.toml").write_text('[secrets]\nA = { provider = "file", id = "coded", decode = "base64" }\n')
    done = launch("export", "--format", form, "--debug")
    assert (done.returncode, done.stdout) == (65, b"")
    _assert_clean(done.stderr, "standard error")


def test_get_writes_the_value_and_nothing_else(emulator: Emulator, launch: Callable[..., Any]) -> None:
    scene = _scenes(emulator)["kakaocloud"]
    Path("secrets.toml").write_text(scene.manifest)
    done = launch("get", "cloud://object#password", "--debug", environ=scene.environ)
    assert (done.returncode, done.stdout) == (0, _VALUE.encode())
    _assert_clean(done.stderr, "standard error")


@pytest.mark.parametrize("word", [_VALUE, f"file://{_VALUE}?x", f"no such://{_VALUE}"])
def test_get_quotes_nothing_that_may_be_a_value(word: str, launch: Callable[..., Any]) -> None:
    done = launch("get", word, "--debug")
    assert done.returncode == 64
    _assert_clean(done.stdout + done.stderr, "the refusal")


_FILES: dict[str, tuple[str, list[str]]] = {
    "a dotenv file": (f"A={_QUOTED.decode()}\nB='{_CREDENTIAL}'\n", ["init", "--from"]),
    "a broken dotenv file": (f"A='{_VALUE}\nB", ["init", "--from"]),
    "a value without quotes": (f"A={_VALUE}\n{_CREDENTIAL}\n", ["init", "--from"]),
    "a task definition": (
        json.dumps(
            {
                "containerDefinitions": [
                    {
                        "environment": [{"name": "A", "value": _VALUE}],
                        "secrets": [{"name": "B", "valueFrom": "b"}, {"name": "C"}],
                        "linuxParameters": _CREDENTIAL,
                    }
                ]
            }
        ),
        ["import"],
    ),
    "External Secrets": (
        "---\n".join(
            json.dumps(one) + "\n"
            for one in (
                {"kind": "Secret", "data": {"A": _VALUE}, "stringData": {"B": _CREDENTIAL}},
                {
                    "apiVersion": "external-secrets.io/v1",
                    "kind": "ExternalSecret",
                    "spec": {
                        "target": {"template": {"data": {"A": _VALUE}}},
                        "data": [{"secretKey": "A", "remoteRef": {"key": "a"}}],
                    },
                },
                {
                    "apiVersion": "external-secrets.io/v1",
                    "kind": "SecretStore",
                    "metadata": {"name": "s"},
                    "spec": {"provider": {"vault": {"server": f"https://u:{_CREDENTIAL}@v", "auth": {"x": _VALUE}}}},
                },
            )
        ),
        ["import"],
    ),
    "summon": (
        f"A: {_QUOTED.decode()}\nB: !var b\nC: !file {_QUOTED.decode()}\nD: !var:default='{_CREDENTIAL}' d\n",
        ["import"],
    ),
    "teller": (
        json.dumps(
            {
                "opts": {"x": _VALUE},
                "providers": {"v": {"kind": "hashicorp", "options": {"token": _CREDENTIAL}, "maps": [{"path": "p"}]}},
            }
        ),
        ["import"],
    ),
    "no file of any tool": (json.dumps({"A": _VALUE}), ["import"]),
    "broken JSON": (f'{{"A": "{_CREDENTIAL}', ["import"]),
    "broken YAML": (f"A: [{_QUOTED.decode()}", ["import"]),
}


@pytest.mark.parametrize("name", _FILES)
def test_no_value_of_a_file_gets_into_a_manifest_that_is_begun(name: str, launch: Callable[..., Any]) -> None:
    text, words = _FILES[name]
    Path("source.yml").write_text("---\n" + text if name == "External Secrets" else text)
    done = launch(*words, "source.yml", "--debug")
    assert done.returncode in (0, 78), done.stderr
    assert b"a bug" not in done.stderr
    _assert_clean(done.stdout + done.stderr, "what is told")
    if done.returncode == 0:
        _assert_clean(Path("secrets.toml").read_bytes(), "the manifest")


def test_no_value_of_the_environment_gets_into_a_manifest_that_is_begun(launch: Callable[..., Any]) -> None:
    done = launch("init", "--debug", environ={"SOMETHING": _VALUE, "OTHER": _CREDENTIAL})
    assert done.returncode == 0
    _assert_clean(done.stdout + done.stderr + Path("secrets.toml").read_bytes(), "the manifest")


@pytest.mark.parametrize("kind", ["profiles", "variables", "providers"])
def test_completion_shows_no_value(kind: str, launch: Callable[..., Any]) -> None:
    Path("secrets.toml").write_text(f"[env]\nX = {_QUOTED.decode()}\n[profiles.p.env]\nX = {_QUOTED.decode()}\n")
    done = launch("completion", "--words", kind, "--debug")
    assert (done.returncode, done.stderr) == (0, b"")
    _assert_clean(done.stdout, "the words")


# Every error: what a store may send, with the value in it, and what may be wrong with the value itself


def _object(text: str) -> bytes:
    return http(200, text.encode("utf-8", "surrogatepass"), "Content-Type: application/json")


_IN_JSON = json.dumps(_VALUE)[1:-1]
_ANSWERS: dict[str, bytes] = {
    "broken JSON": _object(f'{{"version":{{"secret":"{_IN_JSON}"'),
    "no JSON": _object(_VALUE),
    "a wrong shape": _object(f'{{"value":"{_IN_JSON}"}}'),
    "a list": _object(f'["{_IN_JSON}"]'),
    "keys twice": _object(f'{{"version":{{"secret":"{_IN_JSON}","secret":"{_IN_JSON}"}}}}'),
    "no UTF-8": http(200, b'{"version":{"secret":"' + _VALUE.encode("latin-1") + b'"}}'),
    "half a character": _object(f'{{"version":{{"secret":"{_IN_JSON}\\ud800"}}}}'),
    "no number": _object(f'{{"version":{{"secret":{{"{_IN_JSON}":NaN}}}}}}'),
    "too deep": _object(f'{{"version":{{"secret":{"[" * 20_000}"{_IN_JSON}"'),
    "HTML": http(200, f"<html>{_VALUE}</html>".encode(), "Content-Type: text/html"),
    "too large": http(200, _VALUE.encode() * 60_000),
    "cut short": http(200, _object(_VALUE))[:-4],
    "no HTTP": _VALUE.encode() * 3,
    "a header of it": http(200, b"{}", f"X-Value: {_IN_JSON}", f"Content-Encoding: {_CREDENTIAL}"),
    "compressed badly": http(200, _VALUE.encode(), "Content-Encoding: gzip"),
    "a redirect": http(302, _VALUE.encode(), f"Location: https://elsewhere.test/?{urllib.parse.quote(_VALUE)}"),
    **{
        f"a {status}": http(
            status,
            json.dumps(
                {
                    "error": {"code": _VALUE, "message": _VALUE, "errorCode": _CREDENTIAL, "requestId": _VALUE},
                    "code": _CREDENTIAL,
                    "message": _VALUE,
                    "requestId": _VALUE,
                }
            ).encode(),
            "Retry-After: 3600",
            f"X-Request-Id: {_CREDENTIAL}",
            f"X-Ncp-Trace-Id: {_CREDENTIAL}",
            "Date: " + _CREDENTIAL,
        )
        for status in (400, 401, 403, 404, 409, 422, 429, 500, 503)
    },
}


def _fails(done: subprocess.CompletedProcess[bytes]) -> None:
    assert done.returncode in (65, 66, 69, 75, 77), done
    assert done.stdout == b""
    assert b"secrets-exec: error: " in done.stderr or b'"level": "error"' in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"a bug" not in done.stderr


@pytest.mark.parametrize("verbosity", _FORMATS, ids=["text", "json"])
@pytest.mark.parametrize("name", _ANSWERS)
def test_no_answer_of_a_store_is_quoted(
    play: Callable[..., Any], transport: str, name: str, verbosity: list[str]
) -> None:
    """Of KakaoCloud's store, of its token service, and of NAVER Cloud's store: all three give the same answer."""
    with Store(lambda _: _ANSWERS[name]) as store:
        text = f"""
            [providers.kakao]
            type = "kakaocloud"
            endpoint = "{store.url}"
            iam_endpoint = "{store.url}"
            [providers.given]
            type = "kakaocloud"
            endpoint = "{store.url}"
            token_env = "GIVEN"
            [providers.ncloud]
            endpoint = "{store.url}"
            [secrets]
            X = "kakao://1"
            Y = "given://1#password"
            Z = "ncloud://1"
        """
        environ = {
            **_KAKAO_KEYS,
            **_NAVER_KEYS,
            "GIVEN": _CREDENTIAL,
            "SECRETS_EXEC_TRANSPORT": transport,
            "SECRETS_EXEC_TIMEOUT": "1s",
        }
        done = play(Scene(text, environ), *verbosity, command=["echo", "started"])
    _fails(done)
    assert all(re.search(rf"\b{variable}\b", done.stderr.decode()) for variable in "XYZ")


@pytest.mark.parametrize("verbosity", _VERBOSITIES, ids=" ".join)
def test_nor_at_any_verbosity(play: Callable[..., Any], transport: str, verbosity: list[str]) -> None:
    with Store(lambda _: _ANSWERS["a 401"]) as store:
        environ = {**_TOKEN, "SECRETS_EXEC_TRANSPORT": transport}
        scene = Scene(store.manifest('X = "kakaocloud://1"\nY = "kakaocloud://2"'), environ)
        _fails(play(scene, *verbosity, command=["echo", "started"]))


_VALUES: dict[str, tuple[str, str]] = {
    "no object for a key": ('"{}"', 'X = "kakaocloud://1#password"'),
    "no such key": ('{{"a": "{}"}}', 'X = "kakaocloud://1#password"'),
    "no pointer": ('{{"a": ["{}"]}}', 'X = "kakaocloud://1#/a/7"'),
    "a pointer into text": ('{{"a": "{}"}}', 'X = "kakaocloud://1#/a/b"'),
    "no object to expand": ('"{}"', 'X = { provider = "kakaocloud", id = "1", expand = true }'),
    "a list to expand": ('["{}"]', 'X = { provider = "kakaocloud", id = "1", expand = true }'),
    "a collision": ('{{"a-b": "{0}", "a_b": "{0}"}}', 'X = { provider = "kakaocloud", id = "1", expand = true }'),
    "a nested value": (
        '{{"a": {{"b": "{}"}}}}',
        'X = { provider = "kakaocloud", id = "1", expand = { nested = "error" } }',
    ),
    "a refused name": (
        '{{"LD_PRELOAD": "{}"}}',
        'X = { provider = "kakaocloud", id = "1", expand = { prefix = "" } }',
    ),
    "no name": ('{{"1": "{}"}}', 'X = { provider = "kakaocloud", id = "1", expand = { prefix = "" } }'),
    "a NUL": ('"{}\\u0000"', 'X = "kakaocloud://1"'),
    "half a character": ('"{}\\ud800"', 'X = "kakaocloud://1"'),
    "no base64": ('"{}"', 'X = { provider = "kakaocloud", id = "1", decode = "base64" }'),
    "too long": ('"' + "{}" * 10_000 + '"', 'X = "kakaocloud://1"'),
    "no base64 for a file": (
        '"{}"',
        'X = { provider = "kakaocloud", id = "1", decode = "base64", as = "file" }',
    ),
    "no match": ('{{"a": "{}"}}', 'X = { provider = "kakaocloud", id = "1", expand = { keys = ["b*"] } }'),
    "a group": (
        '{{"a": "{}"}}',
        'X = "kakaocloud://1#b"\nY = "kakaocloud://1#c"\n[options]\nrequired_one_of = [["X", "Y"]]',
    ),
    "missing keys": ('{{"a": "{}"}}', 'X = { provider = "kakaocloud", id = "1", expand = { keys = ["b"] } }'),
}


@pytest.mark.parametrize("verbosity", _FORMATS, ids=["text", "json"])
@pytest.mark.parametrize("name", _VALUES)
def test_no_value_that_cannot_become_a_variable_is_quoted(
    play: Callable[..., Any], name: str, verbosity: list[str]
) -> None:
    value, secret = _VALUES[name]
    answer = kakao_value(value.format(*[_IN_JSON] * 10_000))
    with Store(lambda _: answer) as store:
        done = play(Scene(store.manifest(secret), _TOKEN), *verbosity, command=["echo", "started"])
    _fails(done)


_TROUBLE: dict[str, tuple[str, dict[str, str], dict[str, bytes]]] = {
    "a credential with a newline": ("kakaocloud://1", {"KAKAOCLOUD_TOKEN": f"{_CREDENTIAL}\n"}, {}),
    "a credential that is not ASCII": ("kakaocloud://1", {"KAKAOCLOUD_TOKEN": f"{_CREDENTIAL}é"}, {}),
    "half a pair": ("kakaocloud://1", {"KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": _CREDENTIAL}, {}),
    "half of the other pair": ("ncloud://1", {"NCLOUD_ACCESS_KEY": _CREDENTIAL}, {}),
    "a broken dotenv file": ("dotenv://x.env#A", {}, {"x.env": f"A='{_VALUE}\nB".encode()}),
    "a dotenv file that is not UTF-8": ("dotenv://x.env#A", {}, {"x.env": b"A=\xff" + _VALUE.encode()}),
    "a dotenv file without the key": ("dotenv://x.env#B", {}, {"x.env": b"A=" + _QUOTED}),
    "a file with a NUL": ("file://x", {}, {"x": _VALUE.encode() + b"\0"}),
    "a file that is not UTF-8": ("file://x", {}, {"x": _VALUE.encode() + b"\xff"}),
    "a variable that is no object": ("env://V#key", {"V": _VALUE}, {}),
    "an unreachable store": ("down://1", {"KAKAOCLOUD_TOKEN": _CREDENTIAL}, {}),
}


@pytest.mark.parametrize("verbosity", _FORMATS, ids=["text", "json"])
@pytest.mark.parametrize("name", _TROUBLE)
def test_no_credential_and_no_local_value_is_quoted(play: Callable[..., Any], name: str, verbosity: list[str]) -> None:
    reference, environ, files = _TROUBLE[name]
    down = f'[providers.down]\ntype = "kakaocloud"\nendpoint = "http://127.0.0.1:{unused_port()}"\n'
    scene = Scene(f'{down}[secrets]\nX = "{reference}"\n', environ, ["--timeout", "300ms"], files)
    _fails(play(scene, *verbosity, command=["echo", "started"]))


_MANIFESTS: dict[str, str] = {
    "no TOML": f'[env]\nX = "{_IN_JSON}\n',
    "something behind a value": f'[env]\nX = "{_IN_JSON}" {_CREDENTIAL}\n',
    "twice": f'[env]\nX = "{_IN_JSON}"\nX = "{_IN_JSON}"\n',
    "no variable name": f'[env]\n"1X" = "{_IN_JSON}"\n',
    "a refused name": f'[env]\nLD_PRELOAD = "{_IN_JSON}"\n',
    "in both tables": f'[env]\nX = "{_IN_JSON}"\n[secrets]\nX = "env://HOME"\n',
    "a list": f'[env]\nX = ["{_IN_JSON}"]\n',
    "a secret that is none": f'[secrets]\nX = "{_IN_JSON}"\n',
    "an inline credential": f'[providers.kakaocloud]\ntoken = "{_IN_JSON}"\n[secrets]\nX = "kakaocloud://1"\n',
    "a credential for a name": f'[providers.kakaocloud]\ntoken_env = "{_CREDENTIAL}"\n[secrets]\nX = "kakaocloud://1"\n',
    "an endpoint with a password": (
        f'[providers.kakaocloud]\nendpoint = "https://u:{_CREDENTIAL}@kakaocloud.com"\n[secrets]\nX = "kakaocloud://1"\n'
    ),
    "a default that is no text": f'[secrets]\nX = {{ provider = "env", id = "A", default = ["{_IN_JSON}"] }}\n',
}


@pytest.mark.parametrize("verbosity", _FORMATS, ids=["text", "json"])
@pytest.mark.parametrize("name", _MANIFESTS)
def test_no_value_in_a_manifest_is_quoted(play: Callable[..., Any], name: str, verbosity: list[str]) -> None:
    done = play(Scene(_MANIFESTS[name], {}), *verbosity, command=["echo", "started"])
    assert (done.returncode, done.stdout) == (78, b"")


@pytest.mark.parametrize("verbosity", _FORMATS, ids=["text", "json"])
def test_no_value_in_an_env_file_is_quoted(play: Callable[..., Any], verbosity: list[str]) -> None:
    content = b"".join(b"%s=%s\n" % (name, _QUOTED) for name in (b"1X", b"LD_PRELOAD", b"FINE", b"NULL-NAME"))
    scene = Scene("", {}, ["-f", "secrets.toml", "--env-file", "x.env"], {"x.env": content})
    done = play(scene, *verbosity, command=["echo", "started"])
    assert (done.returncode, done.stdout) == (78, b"")


# While it runs


def test_no_argument_list_holds_a_value_while_secrets_are_fetched(play: Callable[..., Any], transport: str) -> None:
    """Seen by every process on this machine, at the moment when a store is asked, its answer already in part here."""
    seen: list[bytes] = []

    def answer(asked: Asked) -> bytes:
        for process in psutil.process_iter():
            try:
                seen.append(" ".join(process.cmdline()).encode("utf-8", "surrogateescape"))
            except psutil.Error:
                continue
        if asked.method == "POST":
            return http(201, b"{}", f"X-Subject-Token: {_CREDENTIAL}")
        return kakao_value(f'"{_IN_JSON}"')

    with Store(answer) as store:
        more = f'iam_endpoint = "{store.url}"'
        text = (
            store.manifest('A = "kakaocloud://1"\nB = "kakaocloud://2"', more=more) + f"[env]\nC = {_QUOTED.decode()}\n"
        )
        environ = {**_KAKAO_KEYS, "SECRETS_EXEC_TRANSPORT": transport}
        done = play(Scene(text, environ), "--debug", command=["printenv", "A", "C"])
    assert done.stdout == f"{_VALUE}\n{_VALUE}\n".encode()
    assert len(store.requests) == 3
    assert any("envinject" in line for line in map(bytes.decode, seen))
    _assert_clean(b"\n".join(seen), "an argument list")


def test_the_childs_own_argument_list_holds_none(emulator: Emulator) -> None:
    with ExitStack() as stack:
        scene = _scenes(emulator)["kakaocloud"]
        Path("secrets.toml").write_text(scene.manifest)
        environ = {**os.environ, **scene.environ}
        command = [*LAUNCHER, "--", "sleep", str(PATIENCE)]
        process = stack.enter_context(subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL))
        stack.callback(process.kill)
        child = psutil.Process(process.pid)
        eventually(lambda: child.environ().get("A") == _VALUE, "the child runs with its secrets")
        _assert_clean(" ".join(child.cmdline()).encode(), "its argument list")
        assert _CREDENTIAL not in str(child.environ())
