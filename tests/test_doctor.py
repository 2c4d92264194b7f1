"""What doctor finds, step by step, how it says to mend it, and the exit code that follows. Never a value."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from launching import Asked, Store, http, kakao_value, unused_port
from loopback import Server, answer

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_TOKEN = {"KAKAOCLOUD_TOKEN": "canary-token"}
_KEYS = {"about", "check", "result", "told", "mend", "exit_code", "facts"}


@pytest.fixture
def examine(launch: Launch) -> Callable[..., Any]:
    """Run `doctor --json`: its answer, held to its shape."""

    def examine(*words: str, **environ: str | None) -> Any:
        done = launch("doctor", "--json", *words, environ=environ)
        assert b"canary" not in done.stdout + done.stderr
        assert b"Traceback" not in done.stderr
        found = json.loads(done.stdout)
        assert set(found) == {"shape", "ok", "exit_code", "findings", "mends"}
        assert (found["shape"], found["ok"], found["exit_code"]) == (1, done.returncode == 0, done.returncode)
        for row in found["findings"]:
            assert set(row) == _KEYS
            assert row["result"] in ("ok", "warn", "fail", "skip")
            assert (row["result"] == "fail") == bool(row["exit_code"])
            assert row["result"] in ("ok", "skip") or row["mend"] is not None
            assert row["mend"] is None or found["mends"][row["mend"] - 1]
        return found

    return examine


def _rows(found: Any, check: str) -> list[Any]:
    return [row for row in found["findings"] if row["check"] == check]


def _results(found: Any, check: str) -> list[str]:
    return [row["result"] for row in _rows(found, check)]


@pytest.fixture
def store() -> Iterator[Store]:
    """A store with a clock: the id `denied` may not be read, `gone` is not there."""

    def answer(asked: Asked) -> bytes:
        date = f"Date: {formatdate(usegmt=True)}"
        if asked.method == "HEAD":
            return http(404, b"", date)
        if "/denied/" in asked.target:
            return http(403, b'{"error": {"code": "Forbidden", "message": "canary"}}', date)
        if "/gone/" in asked.target:
            return http(404, b'{"error": {"code": "NotFound"}}', date)
        return kakao_value('"canary-value"')

    with Store(answer) as running:
        yield running


def _manifest(text: str) -> None:
    Path("secrets.toml").write_text(text)


def test_all_is_well(examine: Callable[..., Any], store: Store) -> None:
    Path("x").write_text("canary")
    _manifest(
        store.manifest('A = "kakaocloud://a#key"\nB = "kakaocloud://a"\nC = "file://x"\n') + '[env]\nD = "canary"\n'
    )
    found = examine(**_TOKEN)
    checks = [(row["about"], row["check"], row["result"]) for row in found["findings"]]
    assert checks == [
        ("launcher", "version", "ok"),
        ("secrets.toml", "manifest", "ok"),
        ("kakaocloud", "credentials", "ok"),
        ("kakaocloud", "name", "ok"),
        ("kakaocloud", "connection", "ok"),
        ("kakaocloud", "answer", "ok"),
        ("kakaocloud", "clock", "ok"),
        ("kakaocloud", "read", "ok"),
        ("file", "read", "ok"),
    ]
    assert found["mends"] == []
    assert "the variable KAKAOCLOUD_TOKEN" in _rows(found, "credentials")[0]["told"]
    assert _rows(found, "read")[0]["facts"]["variables"] == ["A", "B"]
    assert [request.method for request in store.requests] == ["HEAD", "GET"]
    assert not any("canary" in str(request.headers) for request in store.requests if request.method == "HEAD")


def test_each_secret_is_read_once_and_told_apart(examine: Callable[..., Any], store: Store) -> None:
    optional = 'C = { provider = "kakaocloud", id = "gone", required = false }\n'
    _manifest(store.manifest(f'A = "kakaocloud://a"\nB = "kakaocloud://denied"\n{optional}'))
    found = examine(**_TOKEN)
    assert found["exit_code"] == 77
    assert _results(found, "read") == ["ok", "fail", "warn"]
    assert "(403, code Forbidden)" in _rows(found, "read")[1]["told"]
    assert "grant the credentials' owner the right to read it" in found["mends"]


def test_of_several_failures_the_order_of_the_codes_decides(examine: Callable[..., Any], store: Store) -> None:
    _manifest(store.manifest('A = "kakaocloud://gone"\nB = "kakaocloud://denied"\n'))
    assert examine(**_TOKEN)["exit_code"] == 77
    _manifest(store.manifest('A = "kakaocloud://gone"\n'))
    assert examine(**_TOKEN)["exit_code"] == 66


@pytest.mark.parametrize("off", [-4000, -45, 45, 4000])
def test_a_clock_that_is_off_is_told_and_secrets_are_read_all_the_same(examine: Callable[..., Any], off: int) -> None:
    date = {"Date": formatdate(time.time() - off, usegmt=True)}
    value = answer(200, b'{"version": {"secret": "canary"}}', date)
    with Server({}, otherwise=value) as server:
        _manifest(f'[providers.kakaocloud]\nendpoint = "{server.url}"\n[secrets]\nA = "kakaocloud://a"\n')
        found = examine(**_TOKEN)
    (clock,) = _rows(found, "clock")
    assert clock["result"] == ("warn" if abs(off) < 300 else "fail")
    assert abs(clock["facts"]["ahead"] - off) <= 3
    assert ("ahead of" if off > 0 else "behind") in clock["told"]
    assert found["exit_code"] == (0 if abs(off) < 300 else 77)
    assert _results(found, "read") == ["ok"]


def test_a_server_that_tells_no_time_is_no_failure(examine: Callable[..., Any]) -> None:
    with Server({}, otherwise=answer(200, b'{"version": {"secret": "x"}}')) as server:
        _manifest(f'[providers.kakaocloud]\nendpoint = "{server.url}"\n[secrets]\nA = "kakaocloud://a"\n')
        assert _results(examine(**_TOKEN), "clock") == ["skip"]


def test_a_store_that_cannot_be_reached_is_not_asked(examine: Callable[..., Any]) -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    _manifest(f'[providers.kakaocloud]\nendpoint = "{url}"\n[secrets]\nA = "kakaocloud://a"\nB = "env://HOME"\n')
    found = examine(**_TOKEN)
    assert (found["exit_code"], _results(found, "connection")) == (75, ["fail"])
    assert [(row["about"], row["result"]) for row in _rows(found, "read")] == [("kakaocloud", "skip"), ("env", "ok")]
    assert any("let this machine reach 127.0.0.1" in mend for mend in found["mends"])


def test_a_name_that_cannot_be_resolved(examine: Callable[..., Any]) -> None:
    _manifest('[providers.kakaocloud]\nendpoint = "https://secrets.invalid"\n[secrets]\nA = "kakaocloud://a"\n')
    found = examine("--allow-endpoint", "secrets.invalid", **_TOKEN)
    assert (found["exit_code"], _results(found, "name")) == (75, ["fail"])


# Credentials


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "no credentials for kakaocloud"),
        ({"KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "canary"}, "half of the access key for kakaocloud is missing"),
        ({"KAKAOCLOUD_TOKEN": "canary\n"}, "the variable KAKAOCLOUD_TOKEN"),
    ],
    ids=["none", "half", "with a line end"],
)
def test_credentials_that_are_not_there(
    examine: Callable[..., Any], store: Store, environ: dict[str, str], told: str
) -> None:
    _manifest(store.manifest('A = "kakaocloud://a"\n', more=f'iam_endpoint = "{store.url}"'))
    found = examine(**environ)
    (row,) = _rows(found, "credentials")
    assert (row["result"], found["exit_code"], told in row["told"]) == ("fail", 77, True)
    assert _results(found, "read") == ["skip"]
    assert {request.method for request in store.requests} == {"HEAD"}


@pytest.mark.parametrize(
    ("settings", "environ", "told"),
    [
        ("", {"NCLOUD_ACCESS_KEY": "canary", "NCLOUD_SECRET_KEY": "canary"}, "the variable NCLOUD_ACCESS_KEY and"),
        ('access_key_file = "id"\nsecret_key_env = "MINE"', {"MINE": "canary"}, "id and the variable MINE"),
        ("", {}, "~/.ncloud/configure"),
        ("server_role = true", {"HOME": "/nowhere"}, "the server's role"),
    ],
    ids=["variables", "settings", "the vendor's file", "role"],
)
def test_where_credentials_were_found_is_told(
    examine: Callable[..., Any], store: Store, settings: str, environ: dict[str, str], told: str
) -> None:
    Path("id").write_text("canary\n")
    home = Path("home/.ncloud")
    home.mkdir(parents=True)
    (home / "configure").write_text("ncloud_access_key_id = canary\nncloud_secret_access_key = canary\n")
    environ = {"HOME": str(Path("home").absolute()), **environ}
    _manifest(f'[providers.ncloud]\nendpoint = "{store.url}"\n{settings}\n[secrets]\nA = "ncloud://a"\n')
    (row,) = _rows(examine("--offline", **environ), "credentials")
    assert (row["result"], told in row["told"]) == ("ok", True), row


def test_the_token_service_is_looked_at_where_a_token_is_exchanged(examine: Callable[..., Any], store: Store) -> None:
    iam = f'iam_endpoint = "http://localhost:{store.port}"'
    _manifest(store.manifest('A = "kakaocloud://a"\n', more=iam))
    pair = {"KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "canary", "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "canary"}
    hosts = {row["facts"]["host"] for row in _rows(examine(**pair), "answer")}
    assert hosts == {f"127.0.0.1:{store.port}", f"localhost:{store.port}"}
    assert len(_rows(examine(**_TOKEN), "answer")) == 1


# TLS


@pytest.fixture
def authority() -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path("ca.pem")
    return authority


def _context(authority: trustme.CA, **how: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **how).configure_cert(context)
    return context


_VALUE = answer(200, b'{"version": {"secret": "canary"}}')
_SECURE = '[providers.kakaocloud]\nendpoint = "{url}"\nca_bundle = "ca.pem"\n[secrets]\nA = "kakaocloud://a"\n'


@pytest.mark.parametrize(("days", "result"), [(90, "ok"), (5, "warn")])
def test_a_certificate_is_told_with_its_days(
    examine: Callable[..., Any], authority: trustme.CA, days: int, result: str
) -> None:
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)
    with Server({}, otherwise=_VALUE, context=_context(authority, not_after=ends)) as server:
        _manifest(_SECURE.format(url=server.url))
        found = examine(**_TOKEN)
    (row,) = _rows(found, "tls")
    assert (row["result"], row["facts"]["days_left"], found["exit_code"]) == (result, days, 0)
    assert row["facts"]["version"].startswith("TLSv1.")
    assert {"subject", "issuer", "expires"} == set(row["facts"]["chain"][0])
    assert _results(found, "read") == ["ok"]


@pytest.mark.usefixtures("authority")
def test_a_certificate_that_nobody_trusts_is_shown(examine: Callable[..., Any]) -> None:
    with Server({}, otherwise=_VALUE, context=_context(trustme.CA())) as server:
        _manifest(_SECURE.format(url=server.url))
        found = examine(**_TOKEN)
    (row,) = _rows(found, "tls")
    assert (row["result"], found["exit_code"]) == ("fail", 69)
    assert "its authority is unknown; it shows " in row["told"]
    assert row["facts"]["chain"]
    assert any("ca_bundle or SSL_CERT_FILE" in mend for mend in found["mends"])
    assert (_results(found, "read"), server.received) == (["skip"], [])


# Manifests


def test_every_problem_of_a_manifest_is_a_finding(examine: Callable[..., Any]) -> None:
    _manifest('[secrets]\nA = "nowhere://1"\n2 = "env://X"\n')
    found = examine()
    assert (_results(found, "manifest"), found["exit_code"]) == (["fail", "fail"], 78)
    assert "secrets.toml:2" in _rows(found, "manifest")[0]["told"]


def test_a_manifest_that_is_named_and_not_there_is_78(examine: Callable[..., Any]) -> None:
    assert examine("-f", "missing.toml")["exit_code"] == 78


def test_without_a_manifest_the_stores_are_looked_at_whose_credentials_are_there(examine: Callable[..., Any]) -> None:
    found = examine("--offline", NCLOUD_ACCESS_KEY="canary", NCLOUD_SECRET_KEY="canary")
    assert (_results(found, "manifest"), found["exit_code"]) == (["warn"], 0)
    assert [(row["about"], row["check"]) for row in found["findings"][2:]] == [
        ("ncloud", "credentials"),
        ("ncloud", "read"),
    ]
    found = examine("--offline")
    assert found["exit_code"] == 77
    assert "KAKAOCLOUD_TOKEN" in found["mends"][-1]


def test_a_provider_that_no_secret_uses_is_not_looked_at(examine: Callable[..., Any]) -> None:
    _manifest('[providers.spare]\ntype = "ncloud"\n[secrets]\nA = "env://HOME"\n')
    found = examine()
    assert [(row["about"], row["result"]) for row in _rows(found, "use")] == [("spare", "skip")]
    assert found["ok"]


def test_a_transport_that_is_not_there_is_a_finding(examine: Callable[..., Any], store: Store) -> None:
    _manifest(store.manifest('A = "kakaocloud://a"\nB = "env://HOME"\n'))
    found = examine(SECRETS_EXEC_TRANSPORT="pigeon", **_TOKEN)
    assert (_results(found, "transport"), found["exit_code"]) == (["fail"], 64)
    assert (_results(found, "read"), store.requests) == (["skip", "ok"], [])


def test_nothing_is_taken_from_a_cache_or_put_there(examine: Callable[..., Any], store: Store) -> None:
    Path("keys").mkdir()
    Path("keys/key").write_text("00" * 32)
    cache = '[cache]\npath = "the.cache"\nkey_file = "keys/key"\n'
    _manifest(store.manifest('A = "kakaocloud://a"\n') + cache)
    assert examine(**_TOKEN)["ok"]
    assert not Path("the.cache").exists()


# In words


def test_the_words_number_the_ways_to_mend(launch: Launch, store: Store) -> None:
    _manifest(store.manifest('A = "kakaocloud://a"\nB = "kakaocloud://denied"\nC = "kakaocloud://denied?version=2"\n'))
    done = launch("doctor", environ=_TOKEN)
    lines = done.stdout.decode("ascii").splitlines()
    assert (done.returncode, done.stderr) == (77, b"")
    assert lines[0].split() == ["ABOUT", "CHECK", "RESULT", "MEND", "FINDING"]
    failed = [line.split() for line in lines if " fail " in line]
    assert [row[:4] for row in failed] == [["kakaocloud", "read", "fail", "1"]] * 2
    mends = lines[lines.index("To mend:") + 1 :]
    assert mends == ["  1. grant the credentials' owner the right to read it", "", "not ok: 2 problems"]


def test_all_is_well_in_words(launch: Launch, store: Store) -> None:
    _manifest(store.manifest('A = "kakaocloud://a"\n'))
    done = launch("doctor", environ=_TOKEN)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, b"ok")
