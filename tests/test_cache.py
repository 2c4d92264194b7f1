"""The last-known-good cache: when it is written, used, refused and removed, and what it never shows."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="the cache needs the extra envinject[cache]")

from envinject.cache import Cache, CacheSettings
from envinject.emulator import Emulator, parse_seed
from envinject.errors import Denied, ManifestError, NotFound, SecretsExecError, StoreError, Unavailable
from envinject.log import Log
from envinject.reference import SecretRef
from envinject.secret import Secret

KEY = base64.b64encode(bytes(range(32))).decode()
ONE, TWO = SecretRef("store", "one"), SecretRef("store", "two", version="2")
Found = dict[SecretRef, Secret | SecretsExecError]
FRESH: Found = {ONE: Secret(b"first value"), TWO: Secret(b"\xff\x00binary")}
DOWN: Found = {ONE: Secret(b"newer value"), TWO: Unavailable("store: no answer")}

Open = Callable[..., Cache]
Start = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "secrets.cache"


@pytest.fixture
def opened(path: Path) -> Open:
    path.parent.mkdir()

    def open_cache(question: bytes = b"question", key: str = KEY, max_age: float = 3600) -> Cache:
        return Cache(CacheSettings(str(path), key_env="KEY", max_age=max_age), {"KEY": key}, question, Log())

    return open_cache


def revealed(found: object) -> dict[SecretRef, bytes]:
    assert isinstance(found, dict)
    return {ref: value.reveal() for ref, value in found.items() if isinstance(value, Secret)}


def test_a_fresh_start_is_written_for_its_owner_only(opened: Open, path: Path) -> None:
    assert opened().settle(FRESH, ()) is FRESH
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [path.name]


def test_the_file_shows_no_value_and_no_reference(opened: Open, path: Path) -> None:
    opened().settle(FRESH, ())
    data = path.read_bytes()
    assert all(text not in data for text in (b"first value", base64.b64encode(b"first value"), b"one", b"store"))


def test_two_fresh_starts_are_sealed_with_two_nonces(opened: Open, path: Path) -> None:
    opened().settle(FRESH, ())
    first = path.read_bytes()
    opened().settle(FRESH, ())
    assert path.read_bytes() != first


def test_all_values_are_of_one_generation_when_one_store_is_out_of_reach(
    opened: Open, capfd: pytest.CaptureFixture[str]
) -> None:
    opened().settle(FRESH, ())
    assert revealed(opened().settle(DOWN, ())) == revealed(FRESH)
    assert "2 secrets come from the cache" in capfd.readouterr().err


def test_an_optional_secret_that_was_missing_is_missing_again(opened: Open) -> None:
    opened().settle({ONE: FRESH[ONE], TWO: NotFound("none")}, [TWO])
    found = opened().settle({ONE: Unavailable("down"), TWO: Unavailable("down")}, [TWO])
    assert isinstance(found[TWO], NotFound)


@pytest.mark.parametrize("error", [Denied("401"), NotFound("404"), StoreError("html")], ids=lambda e: type(e).__name__)
def test_a_refusal_is_no_outage_and_removes_the_cache(opened: Open, path: Path, error: SecretsExecError) -> None:
    opened().settle(FRESH, ())
    found: Found = {ONE: error, TWO: Unavailable("down")}
    assert opened().settle(found, ()) is found
    assert not path.exists()


def test_an_incomplete_start_writes_nothing(opened: Open, path: Path) -> None:
    assert opened().settle(DOWN, ()) is DOWN
    assert not path.exists()


@pytest.mark.parametrize(
    ("question", "key"),
    [(b"another question", KEY), (b"question", base64.b64encode(bytes(32)).decode())],
    ids=["question", "key"],
)
def test_another_question_or_key_does_not_open_it(opened: Open, question: bytes, key: str) -> None:
    opened().settle(FRESH, ())
    assert opened(question, key).last([ONE]) is None


def test_a_changed_byte_anywhere_closes_it(opened: Open, path: Path) -> None:
    opened().settle(FRESH, ())
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        assert opened().last([ONE]) is None, at


@pytest.mark.parametrize("length", [0, 5, 21, 30, 41, 50])
def test_a_truncated_file_is_told_and_not_used(
    opened: Open, path: Path, length: int, capfd: pytest.CaptureFixture[str]
) -> None:
    opened().settle(FRESH, ())
    path.write_bytes(path.read_bytes()[:length])
    assert opened().last([ONE]) is None
    assert "does not open" in capfd.readouterr().err


def test_it_is_not_used_beyond_its_age(
    opened: Open, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    opened().settle(FRESH, ())
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert opened().last([ONE]) is None
    assert "max_age" in capfd.readouterr().err


def test_one_from_the_future_is_not_used(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    opened().settle(FRESH, ())
    earlier = time.time() - 3600
    monkeypatch.setattr(time, "time", lambda: earlier)
    assert opened().last([ONE]) is None


def test_it_is_not_used_for_a_secret_that_it_lacks(opened: Open) -> None:
    opened().settle(FRESH, ())
    assert opened().last([ONE, SecretRef("store", "three")]) is None


def test_a_file_that_others_may_read_is_not_used(opened: Open, path: Path) -> None:
    opened().settle(FRESH, ())
    path.chmod(0o640)
    assert opened().last([ONE]) is None


def test_a_folder_that_cannot_be_written_stops_nothing(
    opened: Open, path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path.parent.rmdir()
    assert opened().settle(FRESH, ()) is FRESH
    assert "cannot be written" in capfd.readouterr().err


@pytest.mark.parametrize("key", ["", "short", KEY + "AAAA", "\udcff"], ids=["empty", "short", "long", "binary"])
def test_a_key_that_is_none_is_a_manifest_error_that_does_not_show_it(opened: Open, key: str) -> None:
    with pytest.raises(ManifestError) as caught:
        opened(key=key)
    assert not key or key not in f"{caught.value.what} {caught.value.where} {caught.value.hint}"


def test_a_key_file_may_hold_hex_and_a_line_end(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(bytes(range(32)).hex() + "\n")
    Cache(CacheSettings(str(tmp_path / "c" / "x"), key_file=str(key)), {}, b"", Log())


# The launcher with a cache


SEED = {
    "kakaocloud": {
        "credentials": [
            {"name": "app", "id": "an-id", "secret": "a-secret"},
            {"name": "b", "id": "other", "secret": "s"},
        ],
        "secrets": [{"id": "one", "value": {"key": "from-the-store"}}, {"id": "two", "value": "second"}],
    }
}
CREDENTIALS = {"KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "an-id", "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "a-secret"}


@pytest.fixture
def start(launch: Start, tmp_path: Path) -> Start:
    """Print both secrets and the cache's key as the command sees them, with a cache, against an endpoint."""
    (tmp_path / "cache").mkdir()

    def run(endpoint: str, *words: str, more: str = "", **environ: str) -> subprocess.CompletedProcess[bytes]:
        file = tmp_path / "secrets.toml"
        file.write_text(
            f'[providers.kakaocloud]\nendpoint = "{endpoint}/kakaocloud"\niam_endpoint = "{endpoint}/kakaocloud-iam"\n'
            '[cache]\npath = "cache/sealed"\nkey_env = "CACHE_KEY"\n'
            f'[secrets]\nONE = "kakaocloud://one#key"\nTWO = "kakaocloud://two"\n{more}'
        )
        given = {**CREDENTIALS, "CACHE_KEY": KEY, **environ}
        return launch(
            "-f", file, "--timeout", "1s", *words, "--", "sh", "-c", "echo $ONE $TWO $CACHE_KEY", environ=given
        )

    return run


def test_an_outage_is_bridged_with_one_line(start: Start) -> None:
    with Emulator(parse_seed(SEED)) as emulator:
        url = emulator.url
        assert start(url).stdout == b"from-the-store second\n"
    done = start(url)
    assert (done.returncode, done.stdout) == (0, b"from-the-store second\n")
    assert done.stderr.count(b"2 secrets come from the cache") == 1
    assert b"from-the-store" not in done.stderr


def test_offline_asks_no_store(start: Start) -> None:
    with Emulator(parse_seed(SEED)) as emulator:
        start(emulator.url)
        before = len(emulator.requests)
        assert start(emulator.url, "--offline").stdout == b"from-the-store second\n"
        assert len(emulator.requests) == before


def test_offline_without_a_generation_is_75(start: Start) -> None:
    assert start("http://127.0.0.1:9", "--offline").returncode == 75


def test_offline_without_a_cache_is_64(launch: Start, manifest: Callable[[str], Path]) -> None:
    file = manifest('[secrets]\nA = "kakaocloud://one"\n')
    assert launch("-f", file, "--offline", "--", "true", environ=CREDENTIALS).returncode == 64


def test_a_denial_removes_the_cache_and_stops_the_start(start: Start, tmp_path: Path) -> None:
    with Emulator(parse_seed(SEED)) as emulator:
        start(emulator.url)
        assert (tmp_path / "cache" / "sealed").exists()
        done = start(emulator.url, KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET="wrong")
        assert (done.returncode, done.stdout) == (77, b"")
        assert not (tmp_path / "cache" / "sealed").exists()


@pytest.mark.parametrize(
    ("more", "environ"),
    [
        ('THREE = "kakaocloud://two"\n', {}),
        ("", {"KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "other", "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "s"}),
        ("", {"CACHE_KEY": base64.b64encode(bytes(32)).decode()}),
    ],
    ids=["manifest", "identity", "key"],
)
def test_the_cache_opens_for_the_same_question_only(start: Start, more: str, environ: dict[str, str]) -> None:
    with Emulator(parse_seed(SEED)) as emulator:
        start(emulator.url)
        done = start(emulator.url, "--offline", more=more, **environ)
    assert (done.returncode, done.stdout) == (75, b"")


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('path = "c/x"', b"needs one key"),
        ('path = "c/x"\nkey_env = "K"\nkey_file = "k"', b"needs one key"),
        ('key_env = "K"', b"no path"),
        ('path = "c/x"\nkey_file = "c/key"', b"in the folder of the cache"),
        ('path = "c/x"\nkey_env = "K"\nmax_age = "8d"', b"must be a duration"),
        ('path = "c/x"\nkey_env = "K"\nmax_age = "200h"', b"max_age"),
        ('path = "c/x"\nkey_env = "K"\npaht = "y"', b"did you mean 'path'"),
        ('path = "c/x"\nkey_env = "a value, not a name"', b"name of a variable"),
    ],
)
def test_a_table_that_makes_no_sense_is_78(
    launch: Start, manifest: Callable[[str], Path], table: str, told: bytes
) -> None:
    done = launch("check", "-f", manifest(f"[cache]\n{table}\n"))
    assert done.returncode == 78
    assert told in done.stderr
    assert b"a value, not" not in done.stderr
