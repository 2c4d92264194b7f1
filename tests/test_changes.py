"""What has changed from one plan to the next; and which version the store says it gave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from launching import Asked, Store, http

from envinject.changes import between

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_rows = st.fixed_dictionaries(
    {"id": st.sampled_from("ab"), "version": st.sampled_from([None, "1", "2"]), "where": st.sampled_from("xy")}
)
_plans = st.dictionaries(st.sampled_from("ABCDE"), _rows).map(
    lambda rows: {"shape": 1, "variables": [{"name": name, **row} for name, row in rows.items()]}
)


@given(_plans)
def test_nothing_changes_from_a_plan_to_itself(plan: Any) -> None:
    assert between(plan, plan) == []


@given(_plans, _plans)
def test_changes_turn_one_plan_into_the_other(earlier: Any, later: Any) -> None:
    rows = {row["name"]: dict(row) for row in earlier["variables"]}
    now = {row["name"]: row for row in later["variables"]}
    for change in between(earlier, later):
        name = change["name"]
        if change["change"] == "removed":
            del rows[name]
        elif change["change"] == "added":
            assert name not in rows
            rows[name] = now[name]
        else:
            assert change["fields"]
            for field, (was, becomes) in change["fields"].items():
                assert rows[name][field] == was
                rows[name][field] = becomes

    def compared(found: Any) -> Any:
        return {name: (row["id"], row["version"]) for name, row in found.items()}

    assert compared(rows) == compared(now)


def _manifest(text: str) -> None:
    Path("secrets.toml").write_text(text)


def _save(launch: Launch, name: str, *words: str) -> None:
    done = launch("plan", "--json", *words)
    assert done.returncode == 0, done.stderr
    Path(name).write_bytes(done.stdout)


def test_plan_tells_what_has_changed_since_an_earlier_one(launch: Launch) -> None:
    _manifest('[secrets]\nA = "kakaocloud://1?version=3"\nB = "env://B"\nC = "env://C"\n')
    _save(launch, "was.json")
    _manifest('# moved\n[secrets]\nC = "env://C"\nA = "kakaocloud://1?version=4"\nD = "env://D"\n')

    done = launch("plan", "--since", "was.json", "--json")
    assert json.loads(done.stdout)["changes"] == [
        {"name": "A", "change": "changed", "fields": {"version": ["3", "4"]}},
        {"name": "D", "change": "added", "fields": {}},
        {"name": "B", "change": "removed", "fields": {}},
    ]
    text = launch("plan", "--since", "was.json").stdout.decode()
    assert text.partition("\n\n")[2].splitlines() == [
        "changes: 3",
        "changed  A  version: 3 -> 4",
        "added    D",
        "removed  B",
    ]


def test_lengths_are_compared_where_both_have_them_and_no_value_is_shown(launch: Launch) -> None:
    _manifest('[secrets]\nA = "file://a"\n')
    Path("a").write_text("canary")
    _save(launch, "was.json", "--fetch")
    Path("a").write_text("canary-2")
    done = launch("plan", "--fetch", "--since", "was.json")
    assert b"changed  A  bytes: 6 -> 8" in done.stdout
    assert b"canary" not in done.stdout


def test_that_a_value_is_in_a_file_now_is_a_change(launch: Launch) -> None:
    _manifest('[secrets]\nA = "env://A"\n')
    _save(launch, "was.json")
    _manifest('[secrets]\nA = { provider = "env", id = "A", as = "file" }\n')
    assert b"changed  A  as: env -> file" in launch("plan", "--since", "was.json").stdout


def test_what_is_inherited_is_no_change_also_beside_a_plan_that_did_not_tell_it(launch: Launch) -> None:
    _manifest('[secrets]\nA = "env://HOME"\n')
    done = launch("plan", "--json", environ={"A": "x"})
    plan = json.loads(done.stdout)
    Path("new.json").write_bytes(done.stdout)
    del plan["variables"][0]["inheritance"]
    Path("old.json").write_text(json.dumps(plan))
    for name in ("new.json", "old.json"):
        assert launch("plan", "--since", name).stdout.endswith(b"\n\nchanges: 0\n")


def test_no_change_is_told_as_such(launch: Launch) -> None:
    _manifest('[secrets]\nA = "env://A"\n')
    _save(launch, "was.json")
    assert launch("plan", "--since", "was.json").stdout.endswith(b"\n\nchanges: 0\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "there is no file was.json"),
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is no answer of plan --json"),
        (b'{"shape": 1, "variables": [{}]}', "is no answer of plan --json"),
        (b'{"shape": 2, "variables": []}', "is no answer of plan --json"),
        (b'{"shape": 1, "ok": true, "variables": []}', "is no answer of plan --json"),
    ],
    ids=["missing", "no JSON", "no text", "deep", "a list", "no name", "a later shape", "of check"],
)
def test_a_file_that_is_no_plan_is_64(launch: Launch, content: bytes | None, told: str) -> None:
    _manifest('[secrets]\nA = "env://A"\n')
    if content is not None:
        Path("was.json").write_bytes(content)
    done = launch("plan", "--since", "was.json")
    assert (done.returncode, done.stdout) == (64, b"")
    assert told.encode() in done.stderr


def test_a_plan_that_fetched_is_not_compared_with_one_that_did_not(launch: Launch) -> None:
    _manifest('[secrets]\nA = "env://HOME"\n')
    _save(launch, "was.json", "--fetch")
    done = launch("plan", "--since", "was.json")
    assert done.returncode == 64
    assert b"the earlier one was made with --fetch, and this one was not" in done.stderr


# The version that was read


def test_plan_tells_the_version_that_the_store_says_it_gave(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "t")
    monkeypatch.setenv("NCLOUD_ACCESS_KEY", "a")
    monkeypatch.setenv("NCLOUD_SECRET_KEY", "s")
    version = 4

    def answer(asked: Asked) -> bytes:
        if "/told/" in asked.target:
            return http(200, b'{"version": {"version": %d, "secret": "v"}}' % version)
        if "/odd/" in asked.target:
            return http(200, b'{"version": {"version": "canary-4", "secret": "v"}}')
        if "/versions/" in asked.target:
            return http(200, b'{"version": {"secret": "v"}}')
        return http(
            200, b'{"code": "SUCCESS", "data": {"decryptedSecretValue": {"value": "v", "valueStage": "ACTIVE"}}}'
        )

    with Store(answer) as store:
        naver = f'[providers.ncloud]\nendpoint = "{store.url}"\n'
        secrets = 'A = "kakaocloud://told"\nB = "kakaocloud://untold"\nC = "kakaocloud://odd"\nD = "ncloud://d"\n'
        _manifest(naver + store.manifest(secrets + 'E = "env://HOME"') + '[env]\nF = "x"\n')
        _save(launch, "was.json", "--fetch")
        version = 5
        text = launch("plan", "--fetch", "--since", "was.json").stdout.decode()
    rows = json.loads(Path("was.json").read_text())["variables"]
    assert [row["read"] for row in rows] == ["version=4", None, None, "stage=active", None, None]
    assert text.split()[:3] == ["VARIABLE", "FROM", "READ"]
    assert "changed  A  read: version=4 -> version=5" in text
