"""The command's words arrive byte for byte, whatever is in them and whatever the locale."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from launching import LAUNCHER, Way, works

_SHOW = [b"/bin/sh", b"-c", b"cat /proc/$$/cmdline; :"]

_WORDS = {
    "spaces": b"a b  c ",
    "quotes": b'it\'s "so" `called`',
    "dollars": b"$HOME ${X:-y} $(id) $$",
    "globs": b"* ? [a-z] ~ {a,b}",
    "newlines": b"one\ntwo\r\nthree\t",
    "empty": b"",
    "latin-1": b"caf\xe9",
    "no UTF-8": b"\xff\xfe\x80\xc0\xaf\xed\xa0\x80",
    "UTF-8": "값 ключ 🔑".encode(),
    "EUC-KR": "값".encode("euc-kr") + b"\xb0",
    "every byte": bytes(range(1, 256)),
    "dash": b"-",
    "two dashes": b"--",
    "our option": b"--dry-run",
    "our short option": b"-v",
    "an option with a value": b"--manifest=/nowhere",
    "long": b"x" * 100_000,
}

_LOCALES: dict[str, dict[str, str | None]] = {
    "given": {},
    "LC_ALL=C": {"LC_ALL": "C", "LANG": None},
    "LC_ALL=POSIX": {"LC_ALL": "POSIX", "LANG": None},
    "LC_CTYPE=C": {"LC_CTYPE": "C", "LANG": None},
    "LANG=nowhere": {"LANG": "xx_YY.ZZ"},
    "none": {"LANG": None},
    "ASCII": {"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


def _arrived(way: Way, words: list[bytes], **changes: str | None) -> list[bytes]:
    environ = {name: value for name, value in {**os.environ, **way.environ, **changes}.items() if value is not None}
    done = subprocess.run([*way.words, *_SHOW, *words], env=environ, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("locale", _LOCALES.values(), ids=_LOCALES)
def test_words_arrive_byte_for_byte_in_every_locale(way: Way, locale: dict[str, str | None]) -> None:
    words = list(_WORDS.values())
    assert _arrived(way, words, **locale) == [*_SHOW, *words]


@pytest.mark.parametrize("word", _WORDS.values(), ids=_WORDS)
def test_a_word_arrives_byte_for_byte_as_the_only_one(literal: Path, word: bytes) -> None:
    assert _arrived(Way([*LAUNCHER, "-f", str(literal), "--"], {}), [word]) == [*_SHOW, word]


@pytest.mark.parametrize("charmap", ["EUC-KR", "ISO-8859-1"])
def test_words_arrive_byte_for_byte_where_the_locale_is_not_utf_8(literal: Path, tmp_path: Path, charmap: str) -> None:
    if shutil.which("localedef") is None:
        pytest.skip("there is no localedef to make a locale with")
    language = {"EUC-KR": "ko_KR", "ISO-8859-1": "de_DE"}[charmap]
    name = f"{language}.{charmap.lower().replace('-', '')}"
    if not works(["localedef", "-i", language, "-f", charmap, str(tmp_path / name)]):
        pytest.skip(f"localedef cannot make {name} here")
    way, words = Way([*LAUNCHER, "-f", str(literal), "--"], {}), list(_WORDS.values())
    assert _arrived(way, words, LOCPATH=str(tmp_path), LC_ALL=name) == [*_SHOW, *words]


def test_the_first_word_is_as_it_was_typed(literal: Path, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "renamed").symlink_to("/bin/sh")
    words = [b"renamed", b"-c", b"cat /proc/$$/cmdline; :"]
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run([*LAUNCHER, "-f", literal, "--", *words], env=environ, capture_output=True, timeout=60)
    assert done.stdout.split(b"\0")[:-1] == words


@pytest.mark.parametrize("start", [["run", "-f"], ["-f"]], ids=["run", "short"])
@pytest.mark.parametrize("dashes", [["--"], []], ids=["dashes", "no dashes"])
def test_everything_behind_the_command_is_the_commands(literal: Path, start: list[str], dashes: list[str]) -> None:
    words = [b"--dry-run", b"-f", b"--", b"-h", b"--version", b"run"]
    arrived = _arrived(Way([*LAUNCHER, *start, str(literal), *dashes], {}), words)
    assert arrived == [*_SHOW, *words]


def test_a_command_line_that_begins_with_two_dashes_is_run(literal: Path) -> None:
    arrived = _arrived(Way([*LAUNCHER, "--"], {}), [b"x"], SECRETS_EXEC_MANIFEST=str(literal))
    assert arrived == [*_SHOW, b"x"]
