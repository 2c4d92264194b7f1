"""The child's environment is exactly the one described: what it inherits, what is injected, each name once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, Answer, Store, Way, http, kakao_value

_SHOW = ["cat", "/proc/self/environ"]

_BASE = {b"PATH": os.fsencode(os.environ["PATH"])}


def _environment(words: list[str], environ: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The child's environment, as the system has it."""
    done = subprocess.run([*words, *_SHOW], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    pairs = [pair.split(b"=", 1) for pair in done.stdout.split(b"\0")[:-1]]
    assert len({name for name, _ in pairs}) == len(pairs), "each name once"
    return dict(pairs)


def _bytes(environ: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in environ.items()}


_LOCALES: dict[str, dict[bytes, bytes]] = {
    "none": {},
    "LC_ALL=C": {b"LC_ALL": b"C"},
    "LC_ALL=POSIX": {b"LC_ALL": b"POSIX"},
    "LANG=C": {b"LANG": b"C"},
    "LC_CTYPE=C": {b"LC_CTYPE": b"C"},
    "LC_CTYPE=POSIX": {b"LC_CTYPE": b"POSIX"},
    "LC_CTYPE=C.UTF-8": {b"LC_CTYPE": b"C.UTF-8"},
    "LC_CTYPE=nowhere": {b"LC_CTYPE": b"xx_YY"},
    "LC_CTYPE empty": {b"LC_CTYPE": b""},
    "LANG=C.UTF-8": {b"LANG": b"C.UTF-8"},
    "LANG and LC_CTYPE": {b"LANG": b"C.UTF-8", b"LC_CTYPE": b"C"},
}


@pytest.mark.parametrize("locale", _LOCALES.values(), ids=_LOCALES)
def test_the_child_gets_what_it_inherits_what_is_injected_and_nothing_else(
    way: Way, locale: dict[bytes, bytes]
) -> None:
    given = {**_BASE, **locale, b"EMPTY": b"", b"LINES": b"one\ntwo=2\n", b"BYTES": bytes(range(1, 256))}
    ours = {name: value for name, value in _bytes(way.environ).items() if name == b"PYTHONWARNINGS"}
    found = _environment(way.words, given | _bytes(way.environ))
    assert found == given | ours | {b"GREETING": b"hello"}


@pytest.mark.parametrize(
    "name", [b"with-dash", b"1digit", b"with space", b"\xff\xfe", "이름".encode(), b"BASH_FUNC_f%%", b"a.b"], ids=repr
)
def test_inherited_names_of_any_kind_are_handed_on(literal: Path, name: bytes) -> None:
    given = _BASE | {name: b"value"}
    assert _environment([*LAUNCHER, "-f", str(literal), "--"], given) == given | {b"GREETING": b"hello"}


_VALUES = {
    "empty": "",
    "spaces": "  a  b  ",
    "newlines": "one\ntwo\r\n\n",
    "quotes": "\"double\" 'single' `back`",
    "dollars": "$HOME ${X} $(id) $$ %s",
    "backslashes": "\\n \\0 \\",
    "equals": "a=b=c",
    "unicode": "값 🔑 \u0301e \ufeff",
    "controls": "".join(map(chr, [*range(1, 32), *range(127, 160)])),
    "JSON": '{"a": 1.0}',
    "a reference": "kakaocloud://1#x",
    "key": "-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n",
    "long": "x" * 100_000,
}


@pytest.mark.parametrize("value", _VALUES.values(), ids=_VALUES)
def test_values_arrive_byte_for_byte(tmp_path: Path, value: str) -> None:
    (tmp_path / "value").write_bytes(value.encode())
    given = _BASE | {b"GIVEN": value.encode(), b"LC_ALL": b"C"}
    words = [*LAUNCHER, "--set", f"FROM_FILE=file://{tmp_path}/value", "--set", "FROM_ENV=env://GIVEN"]
    found = _environment([*words, "--"], given)
    assert (found[b"FROM_FILE"], found[b"FROM_ENV"]) == (value.encode(), value.encode())


def test_our_own_variables_and_the_providers_credentials_are_removed(literal: Path) -> None:
    removed = {
        b"SECRETS_EXEC_MANIFEST": os.fsencode(literal),
        b"SECRETS_EXEC_VERBOSE": b"0",
        b"SECRETS_EXEC_": b"x",
        b"SECRETS_EXEC_SOMETHING_ELSE": b"x",
    }
    found = _environment([*LAUNCHER, "--"], _BASE | removed | {b"SECRETS_EXECUTIVE": b"x", b"SECRETS_EXEC": b"x"})
    assert found == _BASE | {b"SECRETS_EXECUTIVE": b"x", b"SECRETS_EXEC": b"x", b"GREETING": b"hello"}


_CREDENTIALS = {
    "kakaocloud": (
        "KAKAOCLOUD_TOKEN",
        "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID",
        "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET",
    ),
    "ncloud": ("NCLOUD_ACCESS_KEY_ID", "NCLOUD_ACCESS_KEY", "NCLOUD_SECRET_ACCESS_KEY", "NCLOUD_SECRET_KEY"),
}


@pytest.fixture
def served(store: Callable[[Answer], Store], tmp_path: Path) -> Callable[..., Path]:
    """Write a manifest with one secret of a provider that a store serves."""

    def write(provider: str, settings: str = "", options: str = "") -> Path:
        server = store(lambda asked: _value_of(asked.target))
        path = tmp_path / "served.toml"
        path.write_text(
            f'[providers.{provider}]\nendpoint = "{server.url}"\n{settings}\n'
            f'[secrets]\nGREETING = "{provider}://1"\n[options]\n{options}\n'
        )
        return path

    return write


def _value_of(target: str) -> bytes:
    if target.endswith("/active"):
        value = b'{"code":"SUCCESS","data":{"decryptedSecretValue":{"value":"hello","valueStage":"ACTIVE"}}}'
        return http(200, value, "Content-Type: application/json")
    return kakao_value('"hello"')


@pytest.mark.parametrize("provider", _CREDENTIALS)
def test_credentials_of_the_providers_in_use_are_removed(served: Callable[..., Path], provider: str) -> None:
    given = dict.fromkeys(map(str.encode, _CREDENTIALS[provider]), b"credential")
    found = _environment([*LAUNCHER, "-f", str(served(provider)), "--"], _BASE | given)
    assert found == _BASE | {b"GREETING": b"hello"}


def test_a_credential_under_a_name_of_ones_own_is_removed_too(served: Callable[..., Path]) -> None:
    manifest = served("kakaocloud", 'token_env = "MY_TOKEN"')
    found = _environment([*LAUNCHER, "-f", str(manifest), "--"], _BASE | {b"MY_TOKEN": b"t", b"OTHER": b"x"})
    assert found == _BASE | {b"OTHER": b"x", b"GREETING": b"hello"}


@pytest.mark.parametrize(
    ("option", "kept"),
    [
        ("keep_credentials = false", ()),
        ("keep_credentials = true", (b"NCLOUD_ACCESS_KEY", b"NCLOUD_SECRET_KEY")),
        ('keep_credentials = ["NCLOUD_ACCESS_KEY"]', (b"NCLOUD_ACCESS_KEY",)),
    ],
    ids=["none", "all", "one"],
)
def test_keep_credentials_lets_them_through(served: Callable[..., Path], option: str, kept: tuple[bytes, ...]) -> None:
    given = {b"NCLOUD_ACCESS_KEY": b"a", b"NCLOUD_SECRET_KEY": b"b"}
    found = _environment([*LAUNCHER, "-f", str(served("ncloud", options=option)), "--"], _BASE | given)
    assert found == _BASE | {name: given[name] for name in kept} | {b"GREETING": b"hello"}


@pytest.mark.parametrize(
    ("words", "inherited"),
    [
        ((), {"PATH", "APP_ONE", "APP_TWO", "OTHER"}),
        (("--pristine",), set()),
        (("--preserve-env", "APP_*"), {"APP_ONE", "APP_TWO"}),
        (("--preserve-env", "APP_ONE", "--preserve-env", "OTH??"), {"APP_ONE", "OTHER"}),
        (("--pristine", "--preserve-env", "PATH"), {"PATH"}),
    ],
    ids=["all", "pristine", "preserved", "two globs", "both"],
)
def test_what_is_inherited_can_be_chosen(literal: Path, words: tuple[str, ...], inherited: set[str]) -> None:
    given = _BASE | dict.fromkeys((b"APP_ONE", b"APP_TWO", b"OTHER"), b"x")
    found = _environment([*LAUNCHER, "-f", str(literal), *words, "--"], given)
    assert found == {name: given[name] for name in map(str.encode, inherited)} | {b"GREETING": b"hello"}


@pytest.mark.parametrize(("rule", "value"), [("override", b"hello"), ("keep", b"inherited")])
def test_an_inherited_name_is_overridden_or_kept(literal: Path, rule: str, value: bytes) -> None:
    words = [*LAUNCHER, "-f", str(literal), "--on-conflict", rule, "--"]
    assert _environment(words, _BASE | {b"GREETING": b"inherited"}) == _BASE | {b"GREETING": value}


def test_a_name_that_is_inherited_and_injected_can_be_an_error(literal: Path, launch: Any) -> None:
    done = launch("-f", literal, "--on-conflict", "error", "--", "touch", "started", environ={"GREETING": "inherited"})
    assert done.returncode == 65
    assert b"GREETING is in the inherited environment already" in done.stderr
    assert b"inherited\n" not in done.stdout
    assert not Path("started").exists()


_EXECUTE = """
import ctypes, sys
block, words = sys.argv[1].encode("latin-1").split(b"|"), [word.encode() for word in sys.argv[2:]]
array = lambda strings: (ctypes.c_char_p * (len(strings) + 1))(*strings, None)
ctypes.CDLL(None).execve(words[0], array(words), array(block))
"""


def test_an_environment_that_is_none_does_no_harm(literal: Path) -> None:
    """A parent may hand on a name twice, an empty name, and a string without `=`."""
    block = "|".join(["PATH=/usr/bin:/bin", "TWICE=first", "TWICE=second", "=nameless", "novalue", "=", "LAST=x"])
    words = [sys.executable, "-c", _EXECUTE, block, *LAUNCHER, "-f", str(literal), "--"]
    found = _environment(words, dict(os.environb))
    assert found == {b"PATH": b"/usr/bin:/bin", b"TWICE": b"first", b"LAST": b"x", b"GREETING": b"hello"}
