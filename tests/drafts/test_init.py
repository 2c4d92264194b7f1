"""A manifest is begun: names are carried over, values never are, and check tells what is left to fill in."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import threading
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import LAUNCHER, PATIENCE, eventually

from envinject.drafts.draft import Draft, _text
from envinject.environ import is_name

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

CANARY = "hunter2-canary"


def begun(path: str = "secrets.toml") -> dict[str, Any]:
    text = Path(path).read_text()
    assert text.isascii()
    assert CANARY not in text
    return tomllib.loads(text)


# From a dotenv file


def test_the_names_of_a_dotenv_file_become_secrets_to_fill_in(launch: Launch) -> None:
    Path("app.env").write_text(f"DB_PASSWORD={CANARY}\nexport LEVEL='{CANARY}'\nEMPTY=\n# {CANARY}\n")
    done = launch("init", "--from", "app.env")
    assert (done.returncode, done.stdout) == (0, b"")
    assert CANARY.encode() not in done.stderr
    assert b"wrote secrets.toml: 3 secrets; secrets-exec check -f secrets.toml tells" in done.stderr
    assert begun() == {
        "manifest": 1,
        "providers": {"store": {"type": "TODO"}},
        "secrets": {name: {"provider": "store", "id": "", "key": name} for name in ("DB_PASSWORD", "LEVEL", "EMPTY")},
    }


def test_check_tells_everything_that_is_left(launch: Launch) -> None:
    Path("app.env").write_text("A=x\nB=x\n")
    launch("init", "--from", "app.env")
    done = launch("check")
    assert done.returncode == 78
    err = done.stderr.decode()
    assert "there is no provider type 'TODO'\n  where: secrets.toml:7, providers.store.type\n" in err
    assert err.count("'id' is empty") == 2
    assert "where: secrets.toml:10, secrets.A.id" in err


def test_two_words_make_it_work_with_the_file_itself(launch: Launch) -> None:
    """The way from a dotenv file to a store: first the file is the store."""
    Path("app.env").write_text(f"A={CANARY}\nB=other\n")
    launch("init", "--from", "app.env")
    text = Path("secrets.toml").read_text().replace('"TODO"', '"dotenv"').replace('id = ""', 'id = "app.env"')
    Path("secrets.toml").write_text(text)
    assert launch("--", "sh", "-c", 'echo "$A $B"').stdout == f"{CANARY} other\n".encode()


def test_standard_input_can_be_the_file(launch: Launch) -> None:
    Path("in").write_text(f"A={CANARY}\n")
    with open("in", "rb") as stream:
        done = launch("init", "--from", "-", "--output", "-", stdin=stream)
    assert (done.returncode, done.stderr) == (0, b"")
    assert list(tomllib.loads(done.stdout.decode())["secrets"]) == ["A"]


def test_names_that_are_refused_are_left_out_and_told(launch: Launch) -> None:
    Path("app.env").write_text("PATH=/x\nKAKAOCLOUD_TOKEN=x\nFINE=x\nNOT-FINE=x\nBARE\n")
    done = launch("init", "--from", "app.env")
    assert done.returncode == 0
    err = done.stderr.decode()
    assert "not carried over: PATH, which changes how programs run or is a provider's credential" in err
    assert "not carried over: KAKAOCLOUD_TOKEN" in err
    assert "not carried over: 1 lines without '='" in err
    assert "not carried over: 1 names that no variable can have" in err
    assert list(begun()["secrets"]) == ["FINE"]
    assert "# - app.env: not carried over: PATH" in Path("secrets.toml").read_text()


@pytest.mark.parametrize(
    "text",
    [
        "KEY=-----BEGIN KEY-----\nhunter2canary\n-----END KEY-----\n",
        "KEY=a\nhunter2/canary+\nhunter2canary==\n",
        "KEY='hunter2canary\n",
        "hunter2 canary = x\n",
    ],
    ids=["PEM", "base64", "quote", "blanks"],
)
def test_a_value_without_quotes_is_not_taken_for_names(launch: Launch, text: str) -> None:
    Path("app.env").write_text(text)
    done = launch("init", "--from", "app.env")
    assert (done.returncode, done.stdout) == (78, b"")
    assert b"is no NAME=VALUE" in done.stderr
    assert b"hunter2" not in done.stderr
    assert not Path("secrets.toml").exists()


def test_a_line_that_may_be_of_a_value_is_not_shown(launch: Launch) -> None:
    Path("app.env").write_text("A=x\nhunter2canary\n")
    done = launch("init", "--from", "app.env")
    assert b"hunter2" not in done.stderr + Path("secrets.toml").read_bytes()


# From the environment


def test_without_a_file_the_environments_names_are_taken(launch: Launch) -> None:
    environ = {"SHOP_TOKEN": CANARY, "LANG": "C", "PWD": "/", "XDG_DATA": "x", "LC_ALL": "C", "NCLOUD_ACCESS_KEY": "x"}
    tests = dict.fromkeys(name for name in os.environ if name.startswith(("PYTEST", "HYPOTHESIS", "COVERAGE")))
    done = launch("init", environ=tests | environ | {"SECRETS_EXEC_VERBOSE": "1"})
    assert done.returncode == 0, done.stderr
    assert CANARY.encode() not in done.stderr
    assert begun()["secrets"] == {"SHOP_TOKEN": {"provider": "store", "id": ""}}


def test_in_json_it_tells_what_was_carried_over(launch: Launch) -> None:
    Path("app.env").write_text(f"A={CANARY}\nPATH=x\n")
    done = launch("init", "--from", "app.env", "--json")
    assert CANARY.encode() not in done.stdout
    assert json.loads(done.stdout) == {
        "shape": 1,
        "source": "app.env",
        "form": "dotenv",
        "output": "secrets.toml",
        "profiles": [],
        "variables": [{"profile": None, "name": "A", "provider": "store", "id": "", "key": "A"}],
        "left_out": [
            {
                "message": "not carried over: PATH, which changes how programs run or is a provider's credential",
                "where": "app.env",
                "hint": "set it where the command is started",
            }
        ],
    }


# Where it goes


def test_half_a_manifest_is_removed() -> None:
    script = 'ulimit -f 0; trap "" XFSZ; exec "$@"'
    environ = {"PATH": os.environ["PATH"], "SOMETHING": "x", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        ["sh", "-c", script, "sh", *LAUNCHER, "init"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 71, done.stderr
    assert not Path("secrets.toml").exists()


def test_a_manifest_is_never_written_over(launch: Launch) -> None:
    Path("secrets.toml").symlink_to("nowhere")
    done = launch("init")
    assert done.returncode == 64
    assert b"is there already, and is not written over" in done.stderr
    assert Path("secrets.toml").is_symlink()


def test_the_output_has_a_name_of_ones_own(launch: Launch) -> None:
    assert launch("init", "--output", "other.toml").returncode == 0
    assert begun("other.toml")["manifest"] == 1
    assert Path("other.toml").stat().st_mode & 0o022 == 0


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--output", "secrets.yaml"], 64, "a manifest is made in TOML"),
        (["--output", "nowhere/secrets.toml"], 71, "the manifest cannot be written"),
        (["--from", "missing.env"], 78, "there is no file missing.env"),
        (["--from", "."], 78, "is no regular file"),
        (["--from", "binary.env"], 78, "is not UTF-8"),
        (["app.env"], 64, "the command line makes no sense"),
    ],
)
def test_what_is_wrong_is_told(launch: Launch, words: list[str], code: int, told: str) -> None:
    Path("binary.env").write_bytes(b"A=\xff\n")
    done = launch("init", *words)
    assert (done.returncode, done.stdout) == (code, b"")
    assert told in done.stderr.decode()
    assert not Path("secrets.toml").exists()


# A person


class Person:
    """Somebody at a terminal, who answers what is asked."""

    def __init__(self, *words: str, **environ: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*LAUNCHER, *words], env={"PATH": os.environ["PATH"], **environ}, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.seen = ""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 4096):
                self.seen += part.decode()
        except OSError:
            return

    def answers(self, question: str, answer: str) -> None:
        eventually(lambda: question in self.seen and self.seen.rstrip().endswith(":"), f"{question} in {self.seen!r}")
        self.seen = ""
        os.write(self._ours, answer.encode())

    def ends(self) -> int:
        return self.process.wait(PATIENCE)


def test_a_person_is_asked_for_provider_and_ids() -> None:
    person = Person("init", AAA=CANARY, BBB="x", CCC="x", DDD="x")
    person.answers("Which provider holds the secrets", "ncloud\n")
    person.answers("AAA: ID or ID#KEY", "4f1c?stage=previous#password\n")
    person.answers("BBB: ID or ID#KEY", "\n")
    person.answers("CCC: ID or ID#KEY", "x#\n")
    person.answers("the key after '#' is empty. CCC: ID", "91bd\n")
    person.answers("DDD: ID or ID#KEY", "-\n")
    assert person.ends() == 0
    assert begun() == {
        "manifest": 1,
        "secrets": {
            "AAA": {"provider": "ncloud", "id": "4f1c", "stage": "previous", "key": "password"},
            "BBB": {"provider": "ncloud", "id": ""},
            "CCC": {"provider": "ncloud", "id": "91bd"},
        },
    }


def test_the_provider_may_be_said_later() -> None:
    person = Person("init", AAA=CANARY)
    person.answers("Which provider holds the secrets", "\n")
    person.answers("AAA: ID or ID#KEY", "4f1c\n")
    assert person.ends() == 0
    assert begun()["providers"] == {"store": {"type": "TODO"}}
    assert begun()["secrets"] == {"AAA": {"provider": "store", "id": "4f1c"}}


def test_somebody_who_gives_no_answer_gets_no_manifest() -> None:
    person = Person("init", AAA=CANARY)
    person.answers("Which provider holds the secrets", "\x04")
    assert person.ends() == 64
    assert not Path("secrets.toml").exists()


def test_with_a_file_nobody_is_asked() -> None:
    Path("app.env").write_text("A=x\n")
    person = Person("init", "--from", "app.env")
    assert person.ends() == 0
    assert "Which provider" not in person.seen


# TOML


@given(st.text())
def test_any_text_is_written_as_toml(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert tomllib.loads(f"x = {_text(text)}")["x"] == text
    assert _text(text).isascii()


@given(st.dictionaries(st.text(), st.text(), max_size=4), st.text(), st.text())
def test_whatever_is_carried_over_is_a_manifest(fields: dict[str, str], name: str, where: str) -> None:
    draft = Draft(where, "test")
    draft.store(name, note=where)
    draft.add(name, {"provider": "x", **fields}, where)
    draft.add_literal(name, where, draft.profile(name))
    found = tomllib.loads(draft.toml())
    assert found["manifest"] == 1
    assert all(is_name(one) for one in found.get("secrets", {}))
