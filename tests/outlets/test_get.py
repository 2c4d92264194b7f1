"""One value to a pipe: the very bytes, from the manifest's providers or from a type."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import Store, kakao_value

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.mark.parametrize("data", [b"", b"x", b"x\n", b"\0\xff\n\n", bytes(range(256)) * 4], ids=repr)
def test_the_bytes_as_they_are(launch: Launch, data: bytes) -> None:
    Path("secret").write_bytes(data)
    done = launch("get", "file://secret")
    assert (done.returncode, done.stdout, done.stderr) == (0, data, b"")


def test_a_key_of_an_object(launch: Launch) -> None:
    Path("o.json").write_text('{"a": {"b": [1.0, "x"]}}')
    assert launch("get", "file://o.json#/a/b/0").stdout == b"1.0"
    assert launch("get", "file://o.json#a").stdout == b'{"b":[1.0,"x"]}'


@pytest.mark.parametrize("words", [["-f", "m.toml"], []], ids=["named", "default"])
def test_the_providers_of_a_manifest_have_their_names(launch: Launch, words: list[str]) -> None:
    with Store(lambda _: kakao_value('"of the store"')) as store:
        name = words[-1] if words else "secrets.toml"
        Path(name).write_text(
            f'[providers.shop]\ntype = "kakaocloud"\nendpoint = "{store.url}"\n[secrets]\nREF = "shop://other"\n'
            "[profiles.p.providers.shop]\nconcurrency = 1\n"
        )
        environ = {"KAKAOCLOUD_TOKEN": "t"}
        done = launch("get", *words, "-P", "p", "shop://1?version=2", environ=environ)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"of the store", b"")
        assert len(store.requests) == 1
        assert "other" not in store.requests[0].target


def test_the_manifests_own_secrets_need_not_be_there(launch: Launch) -> None:
    Path("secrets.toml").write_text('[secrets]\nA = "env://NOT_THERE"\n[env]\nB = "x"\n')
    assert launch("get", "env://GIVEN", environ={"GIVEN": "x"}).stdout == b"x"


def test_options_may_stand_behind(launch: Launch) -> None:
    done = launch("get", "env://GIVEN", "--timeout", "5s", "-v", environ={"GIVEN": "x"})
    assert (done.returncode, done.stdout) == (0, b"x")


def test_a_path_is_seen_from_the_working_folder(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("")
    (tmp_path / "secret").write_text("beside the manifest")
    Path("secret").write_text("here")
    assert launch("get", "-f", tmp_path / "m.toml", "file://secret").stdout == b"here"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 64, "get takes one REF"),
        (["env://A", "env://B"], 64, "get takes one REF"),
        (["hunter2"], 64, "get takes a reference, and this is none"),
        (["env://A?nothing=hunter2"], 64, "says nothing about a secret"),
        (["env://A#"], 64, "the key after '#' is empty"),
        (["env://"], 78, "'id' is empty"),
        (["nowhere://A"], 78, "there is no provider 'nowhere'"),
        (["env://A?version=2"], 78, "env has no version"),
        (["env://NOT_THERE"], 66, "no variable NOT_THERE"),
        (["env://GIVEN#key"], 65, "no key 'key' can be in this secret"),
        (["kakaocloud://1"], 77, "kakaocloud"),
        (["-f", "missing.toml", "env://A"], 78, "there is no such manifest"),
        (["-P", "p", "env://A"], 78, "there is no profile 'p'"),
        (["--only", "A", "env://A"], 64, "there is no option --only"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_is_wrong_has_the_codes_of_run(launch: Launch, words: list[str], code: int, told: str) -> None:
    done = launch("get", *words, environ={"GIVEN": "hunter2"})
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert told in done.stderr.decode()
    assert b"hunter2" not in done.stderr.replace(b"'?nothing=hunter2'", b"")


def test_a_name_of_the_manifest_is_told_its_reference(launch: Launch) -> None:
    Path("secrets.toml").write_text(
        '[secrets]\nDB_PASSWORD = "env://GIVEN#password"\nO = { provider = "env", id = "X", expand = true }\n'
        '[env]\nB = "x"\nC = { template = "${B}" }\n'
    )
    assert b"for DB_PASSWORD: secrets-exec get 'env://GIVEN#password'\n" in launch("get", "DB_PASSWORD").stderr
    assert b"for C: secrets-exec export --format json --only C\n" in launch("get", "C").stderr
    assert b"did you mean 'DB_PASSWORD'?\n" in launch("get", "DB_PASSWROD").stderr
    assert b"write PROVIDER://ID" in launch("get", "O").stderr


def test_where_it_went_wrong_is_the_reference(launch: Launch) -> None:
    assert b"  where: env://NOT_THERE\n" in launch("get", "env://NOT_THERE").stderr
    Path("o.json").write_text("[]")
    assert b"#key\n" in launch("get", "file://o.json#key").stderr
