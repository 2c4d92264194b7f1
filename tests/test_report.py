"""What check, plan and providers answer: on standard output, of a documented shape, and never a value."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from launching import Asked, Store, http, kakao_value

from envinject import providers

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_VALUE = "canary-value"
_SECRETS = """
ONE = "kakaocloud://1?version=3#key"
TWO = { provider = "dotenv", id = "x.env", expand = true }
THREE = { provider = "ncloud", id = "two", required = false }
FOUR = { provider = "kakaocloud", id = "1", default = "d" }
"""


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    monkeypatch.setenv("NCLOUD_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("NCLOUD_SECRET_ACCESS_KEY", "b")

    def answer(asked: Asked) -> bytes:
        if "/two/" in asked.target:
            return http(404, b'{"error": {"errorCode": "NOT_FOUND"}}')
        return kakao_value(f'{{"key": "{_VALUE}"}}')

    with Store(answer) as running:
        yield running


@pytest.fixture
def path(store: Store, tmp_path: Path) -> Path:
    """A manifest with something of every kind."""
    (tmp_path / "x.env").write_text(f"HOST=h\nPASSWORD={_VALUE}\n")
    manifest = tmp_path / "m.toml"
    naver = f'[providers.ncloud]\nendpoint = "{store.url}"\n'
    manifest.write_text(naver + store.manifest(_SECRETS) + f'[env]\nFIVE = "{_VALUE}"\n')
    return manifest


def _json(done: subprocess.CompletedProcess[bytes]) -> Any:
    assert _VALUE.encode() not in done.stdout + done.stderr
    return json.loads(done.stdout)


# check


def test_check_of_a_good_manifest_is_one_line(launch: Launch, path: Path, store: Store) -> None:
    done = launch("check", "-f", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"ok: 5 variables\n", b"")
    assert not store.requests


def test_check_needs_no_credentials(launch: Launch, path: Path) -> None:
    environ = dict.fromkeys(("KAKAOCLOUD_TOKEN", "NCLOUD_ACCESS_KEY_ID", "NCLOUD_SECRET_ACCESS_KEY"))
    assert launch("check", "-f", path, environ=environ).returncode == 0


def test_check_with_fetch_resolves_every_secret(launch: Launch, path: Path, store: Store) -> None:
    done = launch("check", "-f", path, "--fetch")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.splitlines()[-1] == b"ok: 5 variables"
    assert len(store.requests) == 3


def test_check_with_fetch_tells_what_became_of_each_secret_and_how_long_it_took(launch: Launch, path: Path) -> None:
    done = launch("check", "-f", path, "--fetch")
    head, *rows, _ok = done.stdout.decode().splitlines()
    assert head.split() == ["SECRET", "RESULT", "TIME", "ANSWERS", "VARIABLES"]
    assert [row.split()[:2] for row in rows] == [
        ["kakaocloud://1?version=3", "ok"],
        ["dotenv://x.env", "ok"],
        ["ncloud://two?stage=active", "absent"],
        ["kakaocloud://1", "ok"],
    ]
    assert all(row.split()[3] == "ms" and float(row.split()[2]) < 60_000 for row in rows)
    assert [row.split()[-1] for row in rows] == ["ONE", "TWO_*", "THREE", "FOUR"]


def test_check_with_fetch_tells_the_same_in_json_also_when_it_fails(launch: Launch, path: Path) -> None:
    done = launch("check", "-f", path, "--fetch", "--json", "--set", "SIX=env://NOT_THERE")
    found = _json(done)
    assert (done.returncode, found["ok"], found["variables"]) == (66, False, [])
    rows = {row["variables"][0]: row for row in found["secrets"]}
    assert set(rows["ONE"]) == {"reference", "variables", "result", "exit_code", "seconds", "answers"}
    assert (rows["ONE"]["result"], rows["ONE"]["exit_code"], rows["ONE"]["answers"]) == ("ok", 0, ["200"])
    assert (rows["THREE"]["result"], rows["THREE"]["exit_code"], rows["THREE"]["answers"]) == ("absent", 0, ["404"])
    assert (rows["SIX"]["result"], rows["SIX"]["exit_code"], rows["SIX"]["answers"]) == ("failed", 66, [])
    assert all(row["seconds"] >= 0 for row in rows.values())


def test_check_tells_every_problem_and_ends_with_the_code_of_a_run(launch: Launch) -> None:
    Path("m.toml").write_text('[secrets]\nA = "nowhere://1"\n2 = "env://X"\n[options]\ntimeout = "soon"\n')
    done = launch("check", "-f", "m.toml")
    assert (done.returncode, done.stdout) == (78, b"not ok: 3 problems\n")
    assert done.stderr.count(b"secrets-exec: error: ") == 3


def test_check_in_json(launch: Launch, path: Path) -> None:
    found = _json(launch("check", "-f", path, "--json"))
    assert set(found) == {"shape", "ok", "exit_code", "variables", "problems"}
    assert (found["shape"], found["ok"], found["exit_code"], found["problems"]) == (1, True, 0, [])
    assert [row["name"] for row in found["variables"]] == ["ONE", "TWO_*", "THREE", "FOUR", "FIVE"]


def test_check_in_json_of_a_bad_manifest(launch: Launch) -> None:
    Path("m.toml").write_text('[secrets]\nA = "env://NOT_THERE"\n')
    done = launch("check", "-f", "m.toml", "--json", "--fetch")
    found = _json(done)
    assert done.returncode == found["exit_code"] == 66
    assert (found["ok"], found["variables"]) == (False, [])
    (problem,) = found["problems"]
    assert set(problem) == {"message", "where", "hint", "exit_code"}
    assert problem["where"] == "A, m.toml:2, env://NOT_THERE"


# plan


def test_plan_is_a_table_in_the_manifests_order(launch: Launch, path: Path, store: Store) -> None:
    done = launch("plan", "-f", path)
    assert (done.returncode, done.stderr) == (0, b"")
    head, *rows = [line.split() for line in done.stdout.decode().splitlines()]
    assert head == ["VARIABLE", "FROM", "REQUIRED", "BYTES", "WHERE"]
    assert [row[:3] for row in rows[:4]] == [
        ["ONE", "kakaocloud://1?version=3#key", "yes"],
        ["TWO_*", "dotenv://x.env", "yes"],
        ["THREE", "ncloud://two?stage=active", "no"],
        ["FOUR", "kakaocloud://1", "no"],
    ]
    assert rows[4][:4] == ["FIVE", "the", "manifest", "yes"]
    assert all(row[-1].startswith(f"{path}:") for row in rows)
    assert not store.requests


def test_plan_with_fetch_tells_every_variable_and_its_length(launch: Launch, path: Path) -> None:
    found = _json(launch("plan", "-f", path, "--fetch", "--json"))
    assert {row["name"]: row["bytes"] for row in found["variables"]} == {
        "ONE": len(_VALUE),
        "TWO_HOST": 1,
        "TWO_PASSWORD": len(_VALUE),
        "FOUR": len(f'{{"key":"{_VALUE}"}}'),
        "FIVE": len(_VALUE),
    }
    assert [row["key"] for row in found["variables"]] == ["key", "HOST", "PASSWORD", None, None]


def test_plan_in_json_has_a_row_of_this_shape_for_each_variable(launch: Launch, path: Path) -> None:
    done = launch("plan", "-f", path, "--json", environ={"ONE": "inherited"})
    found = _json(done)
    assert (done.returncode, set(found), found["shape"]) == (0, {"shape", "profile", "variables"}, 1)
    assert found["variables"][0] == {
        "name": "ONE",
        "provider": "kakaocloud",
        "id": "1",
        "version": "3",
        "stage": None,
        "key": "key",
        "expand": False,
        "made_of": [],
        "required": True,
        "as": "env",
        "description": "",
        "where": f"{path}:8, secrets.ONE",
        "inherited": True,
        "inheritance": {"bytes": 9, "becomes": "replaced", "exit_code": 0},
    }
    assert [row["inherited"] for row in found["variables"]] == [True, False, False, False, False]
    assert found["variables"][2]["stage"] == "active"


@pytest.mark.parametrize("words", [[], ["--fetch"]], ids=["offline", "fetch"])
def test_plan_of_a_bad_manifest_fails_as_a_run_does(launch: Launch, words: list[str]) -> None:
    Path("m.toml").write_text('[secrets]\nA = "nowhere://1"\n')
    done = launch("plan", "-f", "m.toml", *words)
    assert (done.returncode, done.stdout) == (78, b"")
    assert b"there is no provider 'nowhere'" in done.stderr


def test_plan_tells_files_and_makes_none(launch: Launch) -> None:
    text = '[secrets]\nA = { provider = "env", id = "X", as = "file", file = "tmpfs" }\nB = "env://X"\n'
    Path("m.toml").write_text(text + '[env]\nC = { template = "${A}" }\n')
    for words in ([], ["--fetch"]):
        head, *rows = launch("plan", "-f", "m.toml", *words, environ={"X": _VALUE}).stdout.decode().splitlines()
        at = head.index("AS ")
        assert [row[at : at + 4].strip() for row in rows] == ["file", "", ""]
        found = _json(launch("plan", "-f", "m.toml", "--json", *words, environ={"X": _VALUE}))
        assert [row["as"] for row in found["variables"]] == ["file", "env", "env"]
    assert [row["bytes"] for row in found["variables"]][:2] == [len(_VALUE)] * 2


def test_plan_shows_descriptions_where_there_are_any(launch: Launch) -> None:
    long = "of the shop, " * 20
    text = (
        '[secrets]\nA = { provider = "env", id = "X", description = "첫째\\n줄\u202e" }\nB = "env://X"\n'
        f'C = {{ provider = "env", id = "X", description = "{long}" }}\n'
    )
    Path("m.toml").write_text(text)
    for words in ([], ["--fetch"]):
        head, *rows = launch("plan", "-f", "m.toml", *words, environ={"X": "x"}).stdout.decode().splitlines()
        at = head.index("DESCRIPTION")
        assert [row[at:] for row in rows] == ["첫째\\x0a줄\\u202e", "", f"{long[:64]}..."]
        found = _json(launch("plan", "-f", "m.toml", "--json", *words, environ={"X": "x"}))
        assert [row["description"] for row in found["variables"]] == ["첫째\n줄\u202e", "", long]


def test_plan_tells_the_profile_where_one_was_chosen(launch: Launch) -> None:
    Path("secrets.toml").write_text('[env]\nA = "1"\n[profiles.prod.env]\nA = "2"\n')
    chosen, plain = launch("plan", "-P", "prod").stdout, launch("plan").stdout

    assert chosen.endswith(b"secrets.toml:4\n\nprofile: prod\n")
    assert b"profile" not in plain


def test_plan_can_be_cut_down(launch: Launch, path: Path) -> None:
    found = _json(launch("plan", "-f", path, "--only", "F*", "--json"))
    assert [row["name"] for row in found["variables"]] == ["FOUR", "FIVE"]


@pytest.mark.parametrize("id", ["\\u001b[2J", "\\u202e", "값", "a b", "\\n"])
def test_plan_prints_nothing_that_moves_the_cursor(launch: Launch, id: str) -> None:
    Path("m.toml").write_text(f'[secrets]\nA = {{ provider = "env", id = "{id}" }}\n')
    done = launch("plan", "-f", "m.toml", environ={"LC_ALL": "C"})
    assert done.returncode == 0
    assert all(line.isascii() and line.decode().isprintable() for line in done.stdout.splitlines())
    assert len(done.stdout.splitlines()) == 2


def test_plan_takes_names_that_are_no_utf_8(launch: Launch) -> None:
    for words in ([], ["--json"]):
        done = launch("plan", "--set", b"A=env://\xff", *words)
        assert (done.returncode, done.stderr) == (0, b"")


# What the launcher's environment has


def _inheritance(launch: Launch, *words: str, **environ: str) -> dict[str, Any]:
    """What `plan` says of each name, and that `inherited` agrees."""
    rows = _json(launch("plan", "-f", "m.toml", "--json", *words, environ=environ))["variables"]
    assert all(row["inherited"] == (row["inheritance"] is not None) for row in rows)
    return {row["name"]: row["inheritance"] for row in rows}


@pytest.mark.parametrize(
    ("options", "words", "becomes", "code"),
    [
        ("", "", "replaced", 0),
        ('on_conflict = "keep"', "", "kept", 0),
        ('on_conflict = "error"', "", "conflict", 65),
        ("inherit = false", "", "excluded", 0),
        ('inherit = ["B*"]', "", "excluded", 0),
        ('inherit = ["A"]', "", "replaced", 0),
        ('inherit = false\non_conflict = "error"', "", "excluded", 0),
        ('on_conflict = "error"', "--on-conflict keep", "kept", 0),
        ("", "--on-conflict error", "conflict", 65),
        ("", "--pristine", "excluded", 0),
        ("inherit = false", "--preserve-env A", "replaced", 0),
        ("", "--preserve-env B*", "excluded", 0),
    ],
)
def test_plan_tells_what_becomes_of_an_inherited_variable_and_a_run_does_it(
    launch: Launch, options: str, words: str, becomes: str, code: int
) -> None:
    Path("m.toml").write_text(f'[env]\nA = "ours"\nNEW = "x"\n[options]\n{options}\n')
    found = _inheritance(launch, *words.split(), A=_VALUE)
    assert found == {"A": {"bytes": len(_VALUE), "becomes": becomes, "exit_code": code}, "NEW": None}

    done = launch("-f", "m.toml", *words.split(), "--", "/bin/sh", "-c", "echo $A", environ={"A": _VALUE})
    assert done.returncode == code
    assert done.stdout.decode().strip() == {"kept": _VALUE, "conflict": ""}.get(becomes, "ours")


def test_plan_tells_that_a_credential_is_withheld(launch: Launch) -> None:
    text = '[env]\nKAKAOCLOUD_TOKEN = "ours"\n[secrets]\nA = "kakaocloud://1"\n[options]\n'
    Path("m.toml").write_text(f'{text}allow_names = ["KAKAOCLOUD_TOKEN"]\non_conflict = "error"\n')
    found = _inheritance(launch, KAKAOCLOUD_TOKEN=_VALUE)["KAKAOCLOUD_TOKEN"]
    assert (found["becomes"], found["exit_code"]) == ("withheld", 0)


def test_plan_tells_references_that_are_resolved_and_none_that_are_not_inherited(launch: Launch) -> None:
    Path("m.toml").write_text('[options]\non_conflict = "error"\ninherit = ["A"]\n')
    environ = {"A": "env://HELD", "B": "env://HELD", "HELD": _VALUE}
    for words in ([], ["--fetch"]):
        found = _inheritance(launch, "--resolve-env", *words, **environ)
        assert list(found) == ["A"]
        assert (found["A"]["becomes"], found["A"]["bytes"]) == ("resolved", 10)


def test_plan_with_fetch_tells_whether_the_inherited_value_is_the_same(launch: Launch) -> None:
    Path("f").write_text("a file")
    text = '[secrets]\nSAME = "env://X"\nDIFFERS = "env://X"\nNEW = "env://X"\n'
    text += 'FILE = { provider = "file", id = "f", as = "file" }\n'
    Path("m.toml").write_text(text + 'J = { provider = "env", id = "JSON", expand = true }\n')
    environ = {"X": _VALUE, "SAME": _VALUE, "DIFFERS": f"{_VALUE[:-1]}x", "FILE": "f", "J_A": "1", "J": "x"}
    found = _inheritance(launch, "--fetch", **environ, JSON='{"a": 1, "b": 2}')
    same = {name: one and one["same"] for name, one in found.items()}
    assert same == {"SAME": True, "DIFFERS": False, "NEW": None, "FILE": None, "J_A": True, "J_B": None}
    assert found["FILE"] == {"bytes": 1, "becomes": "replaced", "exit_code": 0, "same": None}


@pytest.mark.parametrize(("name", "is_there"), [("J_A", True), ("J", False), ("K", False)])
def test_plan_without_fetch_knows_not_which_names_an_expansion_makes(launch: Launch, name: str, is_there: bool) -> None:
    Path("m.toml").write_text('[secrets]\nJ = { provider = "env", id = "JSON", expand = true }\n')
    (row,) = _json(launch("plan", "-f", "m.toml", "--json", environ={name: _VALUE}))["variables"]
    assert (row["inherited"], row["inheritance"]) == (is_there, None)
    assert (b"perhaps" in launch("plan", "-f", "m.toml", environ={name: _VALUE}).stdout) == is_there


def test_an_expansion_without_a_prefix_is_not_taken_for_what_every_environment_has(launch: Launch) -> None:
    Path("m.toml").write_text('[secrets]\nJ = { provider = "env", id = "JSON", expand = { prefix = "" } }\n')
    clean = {name: None for name in os.environ if name not in ("PATH", "HOME", "PYTHONPATH")}
    (row,) = _json(launch("plan", "-f", "m.toml", "--json", environ=clean))["variables"]
    assert not row["inherited"]


def test_the_table_has_a_column_for_what_is_inherited_where_anything_is(launch: Launch) -> None:
    Path("m.toml").write_text('[secrets]\nA = "env://X"\nB = "env://X"\n[options]\non_conflict = "error"\n')
    assert b"INHERITED" not in launch("plan", "-f", "m.toml").stdout
    for words, told in (([], "9 bytes, conflict (65)"), (["--fetch"], "9 bytes, conflict (65), differs")):
        done = launch("plan", "-f", "m.toml", *words, environ={"X": _VALUE, "A": "inherited"})
        head, first, second = done.stdout.decode().splitlines()
        cells = slice(head.index("INHERITED"), head.index("WHERE"))
        assert (first[cells].strip(), second[cells].strip()) == (told, "")
        assert b"inherited" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "words", [[], ["--fetch"], ["--json"], ["--fetch", "--json"], ["--fetch", "-vv"]], ids=" ".join
)
def test_plan_shows_no_value_that_is_inherited(launch: Launch, words: list[str]) -> None:
    Path("m.toml").write_text('[secrets]\nA = "env://X"\nB = "env://Y"\n[env]\nC = "x"\n')
    environ = {"X": "fetched", "Y": _VALUE, "A": _VALUE, "B": _VALUE, "C": _VALUE}
    for command in ("plan", "check"):
        done = launch(command, "-f", "m.toml", *words, environ=environ)
        assert done.returncode == 0
        assert _VALUE.encode() not in done.stdout + done.stderr


# providers


def test_providers_in_json_have_what_the_classes_say(launch: Launch) -> None:
    done = launch("providers", "--json")
    found = _json(done)
    assert (done.returncode, found["shape"]) == (0, 1)
    assert [row["type"] for row in found["providers"]] == list(providers.TYPES)
    for row in found["providers"]:
        kind = providers.provider_class(row["type"])
        assert set(row) == {"type", "about", "coordinates", "settings", "credentials"}
        assert row["about"] == kind.about
        assert set(row["settings"]) == {setting.name for setting in kind.SETTINGS}
        assert set(row["credentials"]) == {credential.name for credential in kind.CREDENTIALS}


def test_providers_as_text_name_every_setting_and_variable(launch: Launch) -> None:
    done = launch("providers")
    text = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    for name, row in providers.TYPES.items():
        assert f"{name}: " in text
        assert all(variable in text for variable in row.credentials)
        assert all(f"  {setting.name}: " in text for setting in providers.provider_class(name).SETTINGS)


def test_the_registrys_credentials_are_those_of_the_classes() -> None:
    for name, row in providers.TYPES.items():
        credentials = providers.provider_class(name).CREDENTIALS
        assert set(row.credentials) == {variable for credential in credentials for variable in credential.variables}
