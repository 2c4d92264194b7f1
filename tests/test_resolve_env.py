"""--resolve-env: an inherited variable that is a known provider's reference gets its value, any other stays."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_ENVIRON = {"PASSWORD": "env://HELD", "HELD": "hunter2", "URL": "postgres://db/app", "OTHER": "naver://4f1c"}


def _child(launch: Launch, *words: str, **environ: str) -> dict[str, str]:
    done = launch(*words, "--", "env", "-0", environ={**_ENVIRON, **environ})
    assert done.returncode == 0, done.stderr
    return dict(pair.decode().split("=", 1) for pair in done.stdout.split(b"\0") if pair)


def test_no_file_is_needed_and_what_is_no_reference_stays(launch: Launch) -> None:
    child = _child(launch, "--resolve-env")
    assert child | _ENVIRON | {"PASSWORD": "hunter2"} == child


def test_nothing_is_resolved_unasked(launch: Launch) -> None:
    Path("secrets.toml").write_text("")
    assert _child(launch)["PASSWORD"] == "env://HELD"


def test_nothing_to_resolve_is_fine(launch: Launch) -> None:
    assert _child(launch, "--resolve-env", PASSWORD="plain")["PASSWORD"] == "plain"


def test_a_provider_of_the_manifest_is_known(launch: Launch) -> None:
    Path("m.toml").write_text('[providers.naver]\ntype = "env"\n')
    child = _child(launch, "--resolve-env", "-f", "m.toml", OTHER="naver://HELD")
    assert child["OTHER"] == "hunter2"


@pytest.mark.parametrize("table", ["secrets", "env"])
def test_what_the_manifest_sets_goes_over_it(launch: Launch, table: str) -> None:
    Path("m.toml").write_text(f'[{table}]\nPASSWORD = "env://URL"\n')
    child = _child(launch, "--resolve-env", "-f", "m.toml")
    assert child["PASSWORD"] == (child["URL"] if table == "secrets" else "env://URL")


@pytest.mark.parametrize("rule", ["keep", "error", "override"])
def test_a_reference_is_in_no_conflict_with_its_own_value(launch: Launch, rule: str) -> None:
    assert _child(launch, "--resolve-env", "--on-conflict", rule)["PASSWORD"] == "hunter2"


def test_what_is_not_inherited_is_not_resolved(launch: Launch) -> None:
    assert _child(launch, "--resolve-env", "--preserve-env", "UR*").keys() == {"URL"}


def test_a_template_has_the_value(launch: Launch) -> None:
    Path("m.toml").write_text('[env]\nLINE = { template = "p=${PASSWORD}" }\n')
    assert _child(launch, "--resolve-env", "-f", "m.toml")["LINE"] == "p=hunter2"


def test_one_that_cannot_be_resolved_starts_nothing_and_is_told_by_its_name(launch: Launch) -> None:
    done = launch("--resolve-env", "--", "echo", "started", environ={"PASSWORD": "env://NOWHERE"})
    assert (done.returncode, done.stdout) == (66, b"")
    assert b"PASSWORD, the environment" in done.stderr


def test_plan_tells_where_it_comes_from(launch: Launch) -> None:
    done = launch("plan", "--resolve-env", environ=_ENVIRON)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1].split() == [b"PASSWORD", b"env://HELD", b"yes", b"the", b"environment"]
