"""One manifest file: three formats of one model, read once, never hanging, and refused with a place."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from launching import LAUNCHER
from reading import environment_of, model, outcome, problem, problems, read, read_files

from envinject.errors import Failures
from envinject.log import printable
from envinject.manifest import DEFAULT_FILES, Manifest

EXTENSIONS = ("toml", "json", "yaml", "yml")
EMPTY = {"toml": "", "json": "{}", "yaml": "", "yml": "{}"}

TOML = """\
"$schema" = "https://example.com/schema.json"
manifest = 1

[providers.kakao]
type = "kakaocloud"
timeout = "5s"
concurrency = 4

[providers.naver]
type = "ncloud"
region = "KR"
server_role = true
access_key_env = "NAVER_KEY"
secret_key_file = "keys/naver"

[secrets]
API_TOKEN = "kakao://7a0c41?version=3#token"
DB_PASSWORD = { provider = "naver", id = "4f1c", stage = "active", key = "password" }
REDIS = { provider = "naver", id = "91bd", expand = true }
OPTIONAL = { provider = "kakao", id = "b1", version = 7, required = false, description = "perhaps" }

[secrets.DB]
provider = "kakao"
id = "db"
expand = { prefix = "", case = "keep", keys = ["a", "b"], rename = { a = "A_1" }, nested = "error" }

[secrets.CERTIFICATE]
provider = "file"
id = "certificate"
decode = "base64"
default = "none"

[env]
LOG_LEVEL = "info"
TEXT = "no: 'quotes', \\"quotes\\", \\u00e9, # and = \\n"

[options]
timeout = 30
outage = "2m"
on_conflict = "error"
inherit = ["LANG", "LC_*"]
keep_credentials = false
allow_names = ["A_1"]
"""

YAML = """\
$schema: https://example.com/schema.json
manifest: 1
providers:
  kakao: {type: kakaocloud, timeout: 5s, concurrency: 4}
  naver:
    type: ncloud
    region: KR
    server_role: true
    access_key_env: NAVER_KEY
    secret_key_file: keys/naver
secrets:
  API_TOKEN: kakao://7a0c41?version=3#token
  DB_PASSWORD:
    provider: naver
    id: 4f1c
    stage: active
    key: password
  REDIS: {provider: naver, id: 91bd, expand: true}
  OPTIONAL: {provider: kakao, id: b1, version: 7, required: false, description: perhaps}
  DB:
    provider: kakao
    id: db
    expand:
      prefix: ""
      case: keep
      keys: [a, b]
      rename:
        a: A_1
      nested: error
  CERTIFICATE: {provider: file, id: certificate, decode: base64, default: none}
env:
  LOG_LEVEL: info
  TEXT: "no: 'quotes', \\"quotes\\", \\u00e9, # and = \\n"
options:
  timeout: 30
  outage: 2m
  on_conflict: error
  inherit:
  - LANG
  - LC_*
  keep_credentials: false
  allow_names: [A_1]
"""


def as_json():
    import tomllib

    return json.dumps(tomllib.loads(TOML), indent=2)


# One model


@pytest.mark.parametrize(("name", "text"), [("m.json", as_json()), ("m.yaml", YAML), ("m.yml", YAML)])
def test_toml_json_and_yaml_are_one_model(name, text):
    expected = model(read(TOML))
    assert model(read(text, name)) == expected
    assert len(expected["entries"]) == 6


LONG_FORMS = {
    "kakaocloud://a": {"provider": "kakaocloud", "id": "a"},
    "kakaocloud://a?version=3": {"provider": "kakaocloud", "id": "a", "version": "3"},
    "kakaocloud://a?version=3#": {"provider": "kakaocloud", "id": "a", "version": 3, "key": "k"},
    "ncloud://a?stage=previous#/x/0": {"provider": "ncloud", "id": "a", "stage": "previous", "key": "/x/0"},
    "file://a%3Fb%23c%25%20d": {"provider": "file", "id": "a?b#c% d"},
}


@pytest.mark.parametrize(("short", "long"), LONG_FORMS.items(), ids=LONG_FORMS)
def test_the_short_and_the_long_form_are_one_model(short, long):
    short = f"{short}k" if short.endswith("#") else short
    one, other = (model(read(json.dumps({"secrets": {"X": form}}), "m.json")) for form in (short, long))
    assert one == other
    assert str(one["entries"][0][0].ref) == short


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_an_empty_manifest_asks_for_nothing(extension):
    manifest = read(EMPTY[extension], f"m.{extension}")
    assert (manifest.entries, manifest.literals) == ((), ())


@pytest.mark.parametrize("version", ["manifest = 1", 'manifest = "1"', "", '"$schema" = { any = ["thing"] }'])
def test_the_version_may_be_left_out_and_a_schema_may_be_named(version):
    assert read(version).entries == ()


@pytest.mark.parametrize("version", ["2", "0", "true", "[1]", '"one"', "1.5"])
def test_a_manifest_of_another_version_is_refused(version):
    error = problem(f"\nmanifest = {version}")
    assert (error.what, error.where) == ("this manifest is of another version", "secrets.toml:2, manifest")


# Text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.toml", '[env]\nA = "비밀"\nB = "b"\n'),
        ("m.json", '{"env":\n{"A": "비밀",\n"B": "b"}}'),
        ("m.yaml", "env:\n  A: 비밀\n  B: b\n"),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no mark", "byte order mark"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_byte_order_mark_and_other_line_ends_make_no_difference(name, text, mark, end):
    manifest = read(mark + text.replace("\n", end), name)
    assert model(manifest)["literals"] == [("A", "비밀".encode()), ("B", b"b")]
    assert manifest.literals[1].node.file == f"{name}:3"


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize(
    "data", [b'\n\n"\xff"', "\n\n비밀".encode("euc-kr"), b"\n\n\xed\xa0\x80"], ids=["no text", "EUC-KR", "surrogate"]
)
def test_what_is_not_utf_8_is_refused_with_its_line(extension, data):
    error = problem(data, f"m.{extension}")
    assert (error.what, error.where) == ("the manifest is not UTF-8", f"m.{extension}:3")


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_utf_16_and_nul_bytes_are_refused(extension):
    problem("a = 1".encode("utf-16"), f"m.{extension}")
    problem(b"\0", f"m.{extension}")


@pytest.mark.parametrize(
    ("name", "text", "what", "where"),
    [
        ("m.toml", '[env]\nA = "a\n', "the manifest is not valid TOML", "m.toml:2:7"),
        ("m.toml", "[env]\nA = a\n", "(text needs quotes)", "m.toml:2:5"),
        ("m.toml", "[env]\nA\n", "'=' is missing after a key", "m.toml:2:2"),
        ("m.toml", '[env]\nA = "a" "b"\n', "something stands behind a value", "m.toml:2:9"),
        ("m.toml", '[env]\nA = "\\x"\n', "a backslash begins no escape", "m.toml:2"),
        ("m.toml", '[env]\nA = """a', "a string is not closed", "m.toml:2"),
        ("m.toml", "[env]\n[env]\n", "a table is given twice", "m.toml:2"),
        ("m.toml", '[env]\nA = "a"\nA = "b"\n', "a key is given twice", "m.toml:3"),
        ("m.toml", "[env]\nA = { b = 1, b = 2 }\n", "a key is given twice", "m.toml:2"),
        ("m.toml", "[env]\nA = {}\nA.b = 1\n", "a table is added to after it was closed", "m.toml:3"),
        ("m.toml", "[env]\n?\n", "this is neither a key nor a table", "m.toml:2:1"),
        ("m.toml", "[env\n", "is not valid TOML", "m.toml:1"),
        ("m.toml", "\nA = 2026-02-30\n", "this date does not exist", "m.toml:2"),
        ("m.toml", f"A = {'9' * 5000}\n", "a value is out of bounds", "m.toml"),
        ("m.toml", f"[env]\nA = {'[' * 5000}\n", "nested too deeply", "m.toml"),
        ("m.toml", f"[env]\nA{'.a' * 20_000} = 1\n", "a key has too many parts", "m.toml:2"),
        ("m.json", '{"env":\n {"A": "a"\n "B": "b"}}', "the manifest is not valid JSON", "m.json:3:2"),
        ("m.json", '{"env": {"A": "a",}}', "the manifest is not valid JSON", "m.json:1"),
        ("m.json", '{\n"env": {"A": NaN}}', "the manifest is not valid JSON", "m.json"),
        ("m.json", f'{{"env": {{"A": {"9" * 5000}}}}}', "the manifest is not valid JSON", "m.json"),
        ("m.json", "[" * 100_000, "the manifest is not valid JSON", "m.json"),
        ("m.json", "", "the manifest is not valid JSON", "m.json:1:1"),
        ("m.json", '{"env":\n{"A": "1",\n"A": "2"}}', "a key is given twice in one object", "m.json:3, env.A"),
        ("m.json", '{"env": {},\n"env": {}}', "a key is given twice in one object", "m.json:2, env"),
        ("m.json", '{"a": [{}, {"b": {"c": 1,\n"\\u0063": 2}}]}', "given twice", "m.json:2, a.1.b.c"),
        ("m.json", '{"env":\n{"A": "\\ud800"}}', "half a surrogate pair", "m.json:2, env.A"),
        ("m.json", "[]", "the manifest is no table", "m.json"),
        ("m.json", '"kakao://x"', "the manifest is no table", "m.json"),
        ("m.yaml", "env:\n  A: [\n", "the manifest is not valid YAML", "m.yaml:3:1"),
        ("m.yaml", "env:\n  A: a\n B: b\n", "the manifest is not valid YAML", "m.yaml:3"),
        ("m.yaml", "just a word", "the manifest is no table", "m.yaml"),
        ("m.yaml", "- a\n- b\n", "the manifest is no table", "m.yaml"),
        ("m.yaml", "env:\n\tA: a\n", "the manifest is not valid YAML", "m.yaml:2"),
        ("m.yaml", "env: \x07", "the manifest is not valid YAML", "m.yaml"),
    ],
)
def test_what_cannot_be_parsed_is_told_with_its_place_in_our_own_words(name, text, what, where):
    error = problem(text, name)
    assert what in error.what
    assert error.where.startswith(where)
    assert error.hint


@pytest.mark.parametrize("secret", ["canary", 'canary" "', "canary\\q", "canary\x01", "[canary", "{canary", "can'ary"])
@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_line_that_cannot_be_parsed_is_not_shown(extension, secret):
    for text in (f"env:\n  A: '{secret}\n", f'[env]\nA = "{secret}\n', f'{{"env": {{"A": "{secret}\n'):
        for error in problems(text, f"m.{extension}"):
            assert "canary" not in error.what + error.where + error.hint


NESTED = {
    "toml": lambda depth: "[" + ".".join(["a"] * depth) + "]",
    "json": lambda depth: '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1),
    "yaml": lambda depth: "\n".join("  " * i + "a:" for i in range(depth)),
}


@pytest.mark.parametrize("extension", NESTED)
def test_a_manifest_is_at_most_32_deep(extension):
    (fine,) = problems(NESTED[extension](32), f"m.{extension}")
    (deep,) = problems(NESTED[extension](34), f"m.{extension}")
    assert fine.what == "the manifest has no 'a'"
    assert "deeper than 32" in deep.what
    assert deep.where.startswith(f"m.{extension}")


# Files


@pytest.mark.parametrize(
    "name", ["secrets", "secrets.TOML", "secrets.txt", "secrets.toml.bak", ".toml", "toml", "/dev/fd/63"]
)
def test_a_format_is_told_by_the_files_name_alone(name):
    with pytest.raises(Failures) as caught:
        read_files(name)
    (error,) = caught.value.errors
    assert error.what == "the manifest's format is not told by its name"
    assert error.hint == "name it .toml, .json, .yaml or .yml"


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_a_manifest_of_one_mebibyte_is_read_and_one_byte_more_is_not(extension):
    text = EMPTY[extension] + "\n" * ((1 << 20) - len(EMPTY[extension]))
    assert read(text, f"m.{extension}").entries == ()
    assert "too large" in problem(text + "\n", f"m.{extension}").what


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


NO_FILES = {
    "nothing": len,
    "a folder": os.mkdir,
    "a FIFO": os.mkfifo,
    "a socket": make_socket,
    "an endless device": lambda path: os.symlink("/dev/zero", path),
    "a terminal": lambda path: os.symlink("/dev/tty", path),
    "our own memory": lambda path: os.symlink("/proc/self/mem", path),
    "a link to nothing": lambda path: os.symlink("nowhere", path),
    "a link to itself": lambda path: os.symlink(path, path),
}


@pytest.mark.parametrize("name", DEFAULT_FILES)
@pytest.mark.parametrize("make", NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_78_at_once(launch, name, make):
    make(name)
    done = launch("-f", name, "--", "touch", "started")
    assert done.returncode == 78
    assert f"where: {name}\n".encode() in done.stderr
    assert done.stderr.count(b"error:") == 1
    assert not os.path.exists("started")


@pytest.mark.parametrize("name", [*DEFAULT_FILES, "id_ed25519"])
def test_a_private_key_in_its_place_is_78_and_none_of_it_is_shown(launch, name):
    key = serialized_key()
    Path(name).write_bytes(key)
    done = launch("-f", name, "--", "touch", "started")
    assert done.returncode == 78
    words = [word for word in key.decode().split() if len(word) > 6]
    assert not [word for word in words if word.encode() in done.stderr]
    assert done.stderr.count(b"\n") <= 4


@pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="this system shows no environment as a file")
@pytest.mark.parametrize("name", DEFAULT_FILES)
def test_our_own_environment_in_its_place_is_78_and_none_of_it_is_shown(launch, name):
    os.symlink("/proc/self/environ", name)
    done = launch("-f", name, "--", "touch", "started", environ={"CANARY": "canary-5c1e"})
    assert done.returncode == 78
    assert b"canary" not in done.stderr.lower()


def serialized_key():
    """A private key as ssh-keygen writes it, in its form only: it opens nothing."""
    lines = [base64.b64encode(os.urandom(48)).decode() for _ in range(5)]
    begin, end = (f"-----{word} OPENSSH PRIVATE KEY-----" for word in ("BEGIN", "END"))
    return "\n".join([begin, *lines, end, ""]).encode()


def test_a_link_to_a_manifest_is_followed_and_paths_are_seen_from_the_link():
    os.mkdir("elsewhere")
    Path("elsewhere/m.toml").write_text('[secrets]\nX = "file://x"\n')
    os.symlink("elsewhere/m.toml", "m.toml")
    (entry,) = read_files("m.toml").entries
    assert entry.target.id == os.path.join(os.getcwd(), "x")


def test_paths_in_a_manifest_are_seen_from_its_folder():
    os.mkdir("config")
    Path("config/m.toml").write_text('[secrets]\nX = "file://../x"\n[providers.kakaocloud]\nca_bundle = "ca.pem"')
    manifest = read_files("config/m.toml")
    assert os.path.normpath(manifest.entries[0].target.id) == os.path.join(os.getcwd(), "x")
    assert manifest.providers["kakaocloud"].settings["ca_bundle"] == os.path.join(os.getcwd(), "config/ca.pem")


def test_a_manifest_that_anybody_may_change_is_warned_about():
    warned = []
    Path("m.toml").touch()
    for mode in (0o644, 0o664, 0o666):
        os.chmod("m.toml", mode)
        read_files("m.toml", warn=lambda *told: warned.append(told))
    assert warned == [("anybody on this machine may change the manifest m.toml", "chmod o-w m.toml")]


def test_all_files_that_cannot_be_read_are_told_at_once():
    Path("bad.toml").write_text("?")
    with pytest.raises(Failures) as caught:
        read_files("gone.toml", "bad.toml", "x.txt")
    assert [error.where for error in caught.value.errors] == ["gone.toml", "bad.toml:1:1", "x.txt"]


# Standard input


def test_a_dash_reads_toml_from_standard_input(launch):
    done = launch("-f", "-", "--", "env", "-0", stdin=None, input=b'[secrets]\nX = "env://HOME"\n[env]\nA = "a"\n')
    environ = environment_of(done)
    assert (environ[b"X"], environ[b"A"]) == (os.environb[b"HOME"], b"a")


def test_paths_in_standard_input_are_seen_from_the_working_folder(launch):
    Path("x").write_text("from a file")
    done = launch("-f", "-", "--", "env", "-0", stdin=None, input=b'[secrets]\nX = "file://x"\n')
    assert environment_of(done)[b"X"] == b"from a file"


@pytest.mark.parametrize(
    ("redirection", "what"),
    [
        ("<&-", b"standard input is closed"),
        ("0> x", b"standard input cannot be read"),
        ("< /dev/zero", b"larger than 1 MiB"),
        ("< bad", b"not valid TOML"),
    ],
)
def test_standard_input_that_is_no_manifest_is_78(redirection, what):
    Path("bad").write_text("?")
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", *LAUNCHER, "-f", "-", "--", "touch", "started"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 78
    assert what in done.stderr
    assert b"where: standard input" in done.stderr
    assert not os.path.exists("started")


def test_a_missing_yaml_parser_is_told_with_the_extra_to_install():
    Path("m.yaml").write_text("env: {}")
    code = "import sys; sys.modules['yaml'] = None; import runpy; runpy.run_module('envinject', run_name='__main__')"
    command = [sys.executable, "-P", "-c", code, "-f", "m.yaml", "--", "true"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 78
    assert b"a YAML manifest needs PyYAML" in done.stderr
    assert b"pip install 'envinject[yaml]'" in done.stderr


# Whatever the bytes

_FRAGMENTS = r"""
    [ ] { } " ' = : , . - # \ | > % ? &a *a !! << 0x 1e9 true null é file://x file://x?version=1 kakaocloud://a#/~
    [secrets] [env] [providers.p] [options] secrets: env: options: providers: secrets env options providers expand
    A B type file kakaocloud provider id version stage key default timeout inherit "A": "secrets": {"env": {"A":
""".split()
fragments = st.lists(st.sampled_from([*_FRAGMENTS, " ", " ", "\n", "\n  ", "\r\n", "\0", "\ufeff", '"""']), max_size=30)
fragments = fragments.map(lambda pieces: "".join(pieces).encode())


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary() | st.text().map(str.encode) | fragments, st.sampled_from(EXTENSIONS))
@example(b"version = 0x" + b"f" * 5000, "toml")
@example(b"[options]\ntimeout = 0x" + b"f" * 5000, "toml")
@example(b"[options]\ntimeout = -1e999", "toml")
@example(b'[secrets.X]\nprovider = "kakaocloud"\nid = "a"\nversion = 0x' + b"f" * 5000, "toml")
@example(b'{"env": {"A": "\\ud800"}}', "json")
@example(b'{"secrets": {"\\ud800": "kakaocloud://\\ud800"}}', "json")
@example(b'{"secrets": {"X": {"provider": "\\ud800", "id": "x", "default": "\\udc80"}}}', "json")
@example(b"secrets:\n  ? [a]\n  : b", "yaml")
@example(b"---\n---\n", "yaml")
@example(b"[secrets]\n'' = 1", "toml")
def test_any_bytes_are_a_manifest_or_our_errors_and_nothing_else(data, extension):
    found = outcome(lambda: read(data, f"m.{extension}", warn=print), Failures)
    if isinstance(found, Manifest):
        return
    assert found.errors
    for error in found.errors:
        assert error.exit_code == 78
        assert printable(error.where).startswith(f"m.{extension}")
        assert error.what


VAST = {
    "a key of many parts": ("toml", "a" + ".a" * 500_000 + " = 1"),
    "many keys under a header of many parts": (
        "toml",
        f"[{'.'.join('a' * 40)}]\n" + "".join(f"a{i}=1\n" for i in range(20_000)),
    ),
    "a header of many parts": ("toml", f"[{'.'.join('a' * 400_000)}]\n" + "a=1\n"),
    "an inline key of many parts": ("toml", "x = { " + "a." * 400_000 + "a = 1 }"),
    "a key of many parts behind a long string": ("toml", 'x = { s = """a"""", ' + "b." * 400_000 + "b = 1 }"),
    "inline tables in inline tables": ("toml", "a = { " + "a = { " * 100_000),
    "one array of many tables": ("toml", "[[a]]\n" * 20_000),
    "many tables": ("toml", "".join(f"[a.b{i}]\n" for i in range(20_000))),
    "an unclosed string of quotes": ("toml", "a" + ".a" * 40 + ' = "' + '\\"' * 500_000),
    "a long integer": ("toml", "a = 0x" + "f" * 1_000_000),
    "a key many times": ("json", "{" + ",".join(['"a":1'] * 170_000) + "}"),
    "many keys twice": ("json", "{" + ",".join(f'"{i % 40_000}":1' for i in range(80_000)) + "}"),
    "objects in objects": ("json", '{"a":' * 200_000),
    "many keys": ("json", "{" + ",".join(f'"{i}":1' for i in range(20_000)) + "}"),
    "sequences in sequences": ("yaml", "- " * 500_000),
    "flows in flows": ("yaml", "[" * 1_000_000),
    "keys of keys": ("yaml", "? " * 500_000),
    "many anchors": ("yaml", "".join(f"a{i}: &a{i} x\n" for i in range(50_000))),
    "many words": ("yaml", "a\n" * 500_000),
    "an unclosed quote": ("yaml", '"' + "a" * 1_000_000),
    "one wide flow": ("yaml", "a: [" + "b," * 50_000 + "]"),
}


@pytest.mark.parametrize(("extension", "text"), VAST.values(), ids=VAST)
def test_no_manifest_of_one_mebibyte_takes_long_to_refuse(extension, text):
    started = time.monotonic()
    outcome(lambda: read(text[: 1 << 20], f"m.{extension}"), Failures)
    assert time.monotonic() - started < 20


def test_a_thousand_problems_in_a_long_manifest_are_told_without_waiting():
    text = "[secrets]\n" + "".join(f"X{i} = 'nosuch://{i}'\n" for i in range(1000)) + "# a.b.c\n" * 80_000
    started = time.monotonic()
    errors = problems(text)
    assert [error.where for error in errors] == [f"secrets.toml:{i + 2}, secrets.X{i}" for i in range(1000)]
    assert time.monotonic() - started < 20
