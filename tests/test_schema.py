"""The schema of a manifest: published as it is made, true of every example, and it refuses what a schema can refuse."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from test_docs import ROOT, Block, loaded, manifests

from envinject import providers
from envinject.errors import Failures
from envinject.schema import schema

PUBLISHED = ROOT / "docs" / "secrets-exec.schema.json"
VALIDATOR = Draft202012Validator(schema())
PARSERS: dict[str, Callable[[str], Any]] = {"toml": tomllib.loads, "json": json.loads, "yaml": yaml.safe_load}
EXAMPLES = [path for path in sorted(ROOT.glob("examples/**/*.toml")) if path.name != "seed.toml"]


def refused(text: str, form: str = "toml") -> list[str]:
    """What the schema finds wrong in a manifest."""
    return [error.message for error in VALIDATOR.iter_errors(PARSERS[form](text))]


def test_it_is_a_schema_itself() -> None:
    Draft202012Validator.check_schema(schema())


def test_the_published_one_is_what_the_command_writes(launch: Callable[..., CompletedProcess[bytes]]) -> None:
    done = launch("schema")
    assert (done.returncode, done.stderr) == (0, b"")
    assert PUBLISHED.read_bytes() == done.stdout, "write it anew: make schema"
    assert json.loads(done.stdout) == schema()


def test_every_reference_in_it_leads_somewhere() -> None:
    text = json.dumps(schema())
    named = {part.partition('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert named <= schema()["$defs"].keys()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_takes_every_example(path: Path) -> None:
    assert refused(path.read_text()) == []


@pytest.mark.parametrize("block", [block for block in manifests() if "error" not in block.info], ids=str)
def test_it_takes_every_manifest_of_the_documents(block: Block) -> None:
    assert refused(block.text, block.info[0]) == []


@pytest.mark.parametrize("kind", providers.TYPES)
def test_it_knows_the_settings_of_each_provider(kind: str) -> None:
    found = providers.provider_class(kind)
    names = {setting.name for setting in found.SETTINGS}
    names |= {f"{one.name}_{how}" for one in found.CREDENTIALS for how in ("env", "file")}
    assert schema()["$defs"][kind]["properties"].keys() == {"type", *names}


VALID = {
    "nothing": "",
    "the version": 'manifest = 1\n"$schema" = "x.json"',
    "a type of another package": '[providers.acme]\ntype = "acme"\nanything = [1]',
    "a type by its name": '[providers.ncloud]\nregion = "JP"\nserver_role = true\ntimeout = 2.5',
    "another type by that name": '[providers.ncloud]\ntype = "kakaocloud"\napi = "classic"',
    "a part of a provider": '[providers.naver]\nendpoint = "https://ocapi-kr.ncloud.com"',
    "a part of a secret": '[secrets]\nA = { default = "x" }',
    "a reference": '[secrets]\nA = "x.y-z://a/b%20c?stage=s#/k/0 \\n#"',
    "a removal": "[profiles.p]\nsecrets.A = false\nenv.B = false",
    "options": '[options]\ninherit = ["A*"]\nkeep_credentials = true\ntimeout = ".5m"\noutage = 3',
    "an expansion": '[secrets]\nA = { provider = "env", id = "X", expand = { prefix = "", rename = { "a b" = "C" } } }',
    "a cache": '[cache]\npath = "x"\nkey_env = "K"\nmax_age = "1h"',
}


@pytest.mark.parametrize("text", VALID.values(), ids=VALID)
def test_it_takes(text: str) -> None:
    assert refused(text) == []


INVALID = {
    "another version": "manifest = 2",
    "an unknown key": "secret = {}",
    "a table that is none": 'secrets = "x"',
    "a secret that is no reference": '[secrets]\nA = "hunter2"',
    "a reference without an id": '[secrets]\nA = "env://#KEY"',
    "a reference with a coordinate that is none": '[secrets]\nA = "env://X?revision=2"',
    "a number": "[secrets]\nA = 1",
    "no variable name": '[secrets]\n"1A" = "env://X"',
    "no variable name in env": '[env]\n"A-B" = "x"',
    "an unknown field": '[secrets]\nA = { provider = "env", id = "X", kee = "x" }',
    "an empty id": '[secrets]\nA = { provider = "env", id = "" }',
    "a version that is true": '[secrets]\nA = { provider = "env", id = "X", version = true }',
    "another encoding": '[secrets]\nA = { provider = "env", id = "X", decode = "hex" }',
    "an expansion's case": '[secrets]\nA = { provider = "env", id = "X", expand = { case = "lower" } }',
    "a prefix": '[secrets]\nA = { provider = "env", id = "X", expand = { prefix = "1" } }',
    "a removal without a profile": "[secrets]\nA = false",
    "a literal that is none": "[env]\nA = 1",
    "an unknown field of a template": '[env]\nA = { template = "", x = "" }',
    "a list as a literal": '[env]\nA = ["x"]',
    "an option": "[options]\nretries = 3",
    "a duration": '[options]\ntimeout = "soon"',
    "no time at all": "[options]\ntimeout = 0",
    "a month": "[options]\ntimeout = 2592000",
    "a count": "[options]\nconcurrency = 0",
    "a rule": '[options]\non_conflict = "merge"',
    "no provider's name": '[providers."1x"]\ntype = "env"',
    "a provider that is no table": 'providers.env = "x"',
    "an unknown setting by name": "[providers.ncloud]\nregio = 1",
    "an unknown setting by type": '[providers.naver]\ntype = "ncloud"\nregio = "KR"',
    "a setting of another type": '[providers.naver]\ntype = "ncloud"\napi = "classic"',
    "a choice": '[providers.ncloud]\nregion = "DE"',
    "a credential": '[providers.naver]\ntype = "ncloud"\nsecret_key = "x"',
    "a credential twice": '[providers.ncloud]\nsecret_key_env = "X"\nsecret_key_file = "x"',
    "a credential for a name": '[providers.ncloud]\nsecret_key_env = "not a name"',
    "an endpoint": '[providers.ncloud]\nendpoint = "ocapi-kr.ncloud.com"',
    "a flag in quotes": '[providers.ncloud]\nserver_role = "true"',
    "an unknown key of a profile": "[profiles.p]\ncache = {}",
    "a profile in a profile": "[profiles.p.profiles.q]",
    "a cache without end": '[cache]\npath = "x"\nmax_age = true',
}


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID)
def test_it_refuses_and_the_reader_does_too(text: str, tmp_path: Path) -> None:
    assert refused(text) != []
    with pytest.raises(Failures):
        loaded(text, tmp_path)


@pytest.mark.parametrize("form", ["toml", "yaml", "json"])
def test_it_says_the_same_of_every_format(form: str) -> None:
    good = {"secrets": {"A": "env://X"}, "env": {"B": "b"}}
    bad = {"secrets": {"A": "env://X"}, "env": {"B": 1}}
    written = {"yaml": yaml.safe_dump, "json": json.dumps, "toml": _toml}[form]
    assert refused(written(good), form) == []
    assert len(refused(written(bad), form)) == 1


def _toml(manifest: dict[str, dict[str, Any]]) -> str:
    tables = (
        f"[{table}]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in m.items()) for table, m in manifest.items()
    )
    return "\n".join(tables)
