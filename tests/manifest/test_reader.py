"""What a manifest may say of providers, secrets, names and endpoints; every problem told, in order and all at once."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from reading import outcome, problem, problems, read, read_files

from envinject.errors import Failures
from envinject.expand import Expansion
from envinject.manifest.model import AsFile
from envinject.providers import TYPES
from envinject.secret import Secret

CANARY = "canary-5f3a91"


def told(text, name="secrets.toml", **how):
    """What is wrong, without where."""
    return [error.what for error in problems(text, name, **how)]


def providers(text, **how):
    return read(text, **how).providers


def entry(text, **how):
    (found,) = read(text, **how).entries
    return found


# Providers


@pytest.mark.parametrize("name", TYPES)
def test_a_type_needs_no_declaration(name):
    assert entry(f'secrets.A = "{name}://x"').ref.provider == name


@pytest.mark.parametrize("name", TYPES)
def test_the_type_of_a_provider_may_be_left_out_when_its_name_is_one(name):
    assert providers(f"[providers.{name}]")[name].type == name


def test_a_provider_may_have_any_name_and_several_may_have_one_type():
    found = read("""
        [providers."kr.prod"]
        type = "ncloud"
        [providers.jp]
        type = "ncloud"
        region = "JP"
        [secrets]
        A = "kr.prod://a"
        B = "jp://a"
        C = "ncloud://a"
    """)
    assert {name: one.settings for name, one in found.providers.items()} == {
        "kr.prod": {}, "jp": {"region": "JP"}, "ncloud": {},
    }  # fmt: skip
    assert [one.target.provider for one in found.entries] == ["kr.prod", "jp", "ncloud"]


def test_a_declared_provider_may_be_named_as_another_type():
    assert providers('[providers.env]\ntype = "file"')["env"].type == "file"


def test_only_the_providers_that_a_manifest_names_are_made():
    assert list(providers('secrets.A = "env://X"')) == ["env"]


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("[providers.naver]", "the provider 'naver' has no type, and its name is none", "write type = ..., one of:"),
        ("[providers.ncluod]", "the provider 'ncluod' has no type, and its name is none", "did you mean 'ncloud'?"),
        ('[providers.n]\ntype = "nclod"', "there is no provider type 'nclod'", "did you mean 'ncloud'? The types are:"),
        ("[providers.n]\ntype = 1", "'type' must be text", ""),
        ('providers.naver = "ncloud"', "a provider is a table", "write [providers.naver]"),
        ('[providers."a b"]\ntype = "env"', "'a b' is no provider name", ""),
        ('[providers."1a"]\ntype = "env"', "'1a' is no provider name", ""),
        ('[providers.""]\ntype = "env"', "'' is no provider name", ""),
    ],
)  # fmt: skip
def test_a_provider_that_makes_no_sense_is_told_once(text, what, hint):
    error = problem(f"{text}\n")
    assert (error.what, error.where.startswith("secrets.toml:")) == (what, True)
    assert hint in error.hint


def test_a_provider_that_nobody_declared_is_told_with_those_that_there_are():
    errors = problems("""
        [providers.naver]
        type = "ncloud"
        [secrets]
        A = "navr://a"
        B = { provider = "kakao", id = "b" }
        C = "https://user:canary@example.com/"
    """)
    assert [error.what for error in errors] == [f"there is no provider '{name}'" for name in ("navr", "kakao", "https")]
    assert errors[0].hint.startswith("did you mean 'naver'? This manifest has: naver, dotenv, env, file, kakaocloud")
    assert all("canary" not in error.what + error.where + error.hint for error in errors)


def test_a_provider_that_could_not_be_made_is_not_told_again_for_each_secret():
    text = '[providers.n]\ntype = "nclod"\n[secrets]\nA = "n://a"\nB = "n://b"'
    assert told(text) == ["there is no provider type 'nclod'"]


@pytest.fixture
def vault(tmp_path, monkeypatch):
    """A package of somebody else, installed, with a provider of its own; `broken` cannot be imported."""
    folder = tmp_path / "site"
    (folder / "vaultly-1.0.dist-info").mkdir(parents=True)
    (folder / "vaultly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: vaultly\nVersion: 1.0\n")
    (folder / "vaultly-1.0.dist-info" / "entry_points.txt").write_text(
        "[envinject.providers]\nvault = vaultly:Vault\nbroken = vaultly:Missing\n"
    )
    (folder / "vaultly.py").write_text(
        "from envinject.providers.base import Credential, Provider, Setting\n"
        "class Vault(Provider):\n"
        "    type = 'vault'\n"
        "    about = 'a vault'\n"
        "    SETTINGS = (Setting('mount', 'text', 'where'),)\n"
        "    CREDENTIALS = (Credential('token', ('VAULT_TOKEN',)),)\n"
    )
    monkeypatch.syspath_prepend(str(folder))


@pytest.mark.usefixtures("vault")
def test_other_peoples_providers_are_types_like_ours():
    assert providers('[providers.vault]\nmount = "kv"')["vault"].settings == {"mount": "kv"}
    assert providers('[providers.v]\ntype = "vault"')["v"].type == "vault"
    assert entry('secrets.A = "vault://a"').target.provider == "vault"
    assert told('[providers.vault]\n[env]\nVAULT_TOKEN = "x"') == [
        "VAULT_TOKEN changes how programs run or is a provider's credential, and is refused"
    ]


@pytest.mark.usefixtures("vault")
def test_a_provider_that_cannot_be_imported_stops_the_run_by_name():
    error = problem("\n[providers.broken]\n")
    assert error.what == "the provider type 'broken' cannot be imported from vaultly:Missing"
    assert error.where == "secrets.toml:2, providers.broken"


# Credentials

INLINE = [
    ("kakaocloud", "token"),
    ("kakaocloud", "access_key_id"),
    ("kakaocloud", "secret_access_key"),
    ("ncloud", "access_key"),
    ("ncloud", "secret_key"),
]


@pytest.mark.parametrize(("kind", "name"), INLINE)
@pytest.mark.parametrize("value", [f'"{CANARY}"', f'["{CANARY}"]', f'{{ x = "{CANARY}" }}', "12345678"])
def test_a_credential_in_the_manifest_is_refused_without_showing_it(kind, name, value):
    error = problem(f"[providers.{kind}]\n{name} = {value}\n")
    assert error.what == f"the credential '{name}' stands in the manifest"
    assert error.where == f"secrets.toml:2, providers.{kind}.{name}"
    assert error.hint == f"write {name}_env with a variable's name, or {name}_file with a path"
    assert CANARY not in error.what + error.where + error.hint
    assert "12345678" not in error.what + error.where + error.hint


@pytest.mark.parametrize(("kind", "name"), INLINE)
def test_a_credential_is_named_by_its_variable_or_its_file(kind, name):
    found = providers(f'[providers.{kind}]\n{name}_env = "MY_KEY"\n')[kind]
    assert found.settings == {f"{name}_env": "MY_KEY"}
    assert "MY_KEY" in found.credential_names
    os.mkdir("config")
    Path("config/m.toml").write_text(f'[providers.{kind}]\n{name}_file = "keys/x"\n')
    settings = read_files("config/m.toml").providers[kind].settings
    assert settings == {f"{name}_file": os.path.join(os.getcwd(), "config/keys/x")}


@pytest.mark.parametrize("value", [f"{CANARY}", "$TOKEN", "a b", "", "1A"])
def test_what_is_no_variables_name_may_be_the_credential_itself_and_is_not_shown(value):
    error = problem(f'[providers.kakaocloud]\ntoken_env = "{value}"\n')
    assert error.what == "'token_env' is the name of a variable"
    assert error.hint == "never the credential itself"
    assert CANARY not in error.where


def test_a_credential_has_one_place():
    text = '[providers.kakaocloud]\ntoken_env = "A"\ntoken_file = "a"\n'
    error = problem(text)
    assert (error.what, error.where) == (
        "'token' has a variable and a file", "secrets.toml:3, providers.kakaocloud.token_file",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["token_file", "ca_bundle"])
def test_an_empty_path_is_refused(name):
    assert told(f'[providers.kakaocloud]\n{name} = ""') == [f"'{name}' is empty"]


def test_a_credential_in_the_url_of_a_proxy_is_one_too():
    error = problem(f'[providers.kakaocloud]\nproxy = "http://user:{CANARY}@proxy:3128"')
    assert error.what == "the proxy's URL holds a credential"
    assert CANARY not in error.what + error.where + error.hint
    assert providers('[providers.kakaocloud]\nproxy = ""')["kakaocloud"].settings == {"proxy": ""}


@pytest.mark.parametrize(
    ("kind", "setting", "what"),
    [
        ("ncloud", 'region = "US"', "'region' is none of KR, JP"),
        ("ncloud", 'keys = "any"', "'keys' is none of auto, isolated, global"),
        ("ncloud", 'server_role = "yes"', "'server_role' must be true or false"),
        ("kakaocloud", 'api = "v2"', "'api' is none of current, classic"),
        ("kakaocloud", "timeout = 0", "'timeout' must be a duration"),
        ("kakaocloud", "concurrency = 0", "'concurrency' must be a whole number from 1 to 1000"),
        ("kakaocloud", "region = 2", "'region' must be text"),
        ("kakaocloud", "verify = false", "a provider of type kakaocloud has no 'verify'"),
    ],
)
def test_a_setting_has_its_type(kind, setting, what):
    assert told(f"[providers.{kind}]\n{setting}\n") == [what]


# Endpoints


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("kakaocloud", "https://secrets-manager.kr-central-1.kakaocloud.com"),
        ("kakaocloud", "https://kakaocloud.com/api/v1"),
        ("ncloud", "https://secretmanager.apigw.ntruss.com"),
        ("ncloud", "https://ocapi-jp.ncloud.com/secretmanager"),
        ("kakaocloud", "http://127.0.0.1:8080"),
        ("kakaocloud", "http://localhost:8080/x"),
        ("ncloud", "https://[::1]:8443"),
    ],
)
def test_an_endpoint_may_lie_in_the_providers_own_domains_or_on_loopback(kind, endpoint):
    assert str(providers(f'[providers.{kind}]\nendpoint = "{endpoint}"')[kind].settings["endpoint"]) == endpoint


@pytest.mark.parametrize("setting", ["endpoint", "iam_endpoint"])
@pytest.mark.parametrize(
    ("endpoint", "what"),
    [
        ("https://evil.test", "the endpoint evil.test is not kakaocloud's own, and would receive its credentials"),
        ("https://evilkakaocloud.com", "the endpoint evilkakaocloud.com is not kakaocloud's own"),
        ("https://kakaocloud.com.evil.test", "the endpoint kakaocloud.com.evil.test is not kakaocloud's own"),
        ("https://secretmanager.apigw.ntruss.com", "is not kakaocloud's own"),
        ("https://127.0.0.1.evil.test", "is not kakaocloud's own"),
        ("https://169.254.169.254", "is not kakaocloud's own"),
        ("http://api.kakaocloud.com", "the endpoint is plain http"),
        ("http://evil.test", "the endpoint is plain http"),
        (f"https://user:{CANARY}@api.kakaocloud.com", "this is no endpoint"),
        (f"https://{CANARY}@evil.test", "this is no endpoint"),
        (r"https://evil.test\\@api.kakaocloud.com", "this is no endpoint"),
        ("https://evil.test#@api.kakaocloud.com", "this is no endpoint"),
        ("https://evil.test?@api.kakaocloud.com", "this is no endpoint"),
        ("https://api.kakaocloud.com/?x=1", "this is no endpoint"),
        ("https://api.kakaocloud.com/../x", "this is no endpoint"),
        ("https://api.kakaocloud.com:0", "this is no endpoint"),
        ("api.kakaocloud.com", "this is no endpoint"),
        ("file:///etc/passwd", "this is no endpoint"),
        ("", "this is no endpoint"),
    ],
)
def test_any_other_endpoint_is_refused(setting, endpoint, what):
    error = problem(f'[providers.kakaocloud]\n{setting} = "{endpoint}"')
    assert what in error.what
    assert error.where == f"secrets.toml:2, providers.kakaocloud.{setting}"
    assert CANARY not in error.what + error.hint


@pytest.mark.parametrize("allowed", ["evil.test", "Evil.Test", "evil.test:8443"])
def test_another_host_may_be_allowed_by_whoever_starts_the_command(allowed):
    text = '[providers.kakaocloud]\nendpoint = "https://EVIL.test:8443/x"'
    assert "--allow-endpoint evil.test" in problem(text).hint
    assert (
        str(providers(text, allowed_hosts=[allowed])["kakaocloud"].settings["endpoint"]) == "https://evil.test:8443/x"
    )


@pytest.mark.parametrize("allowed", ["test", "*.test", "*", "", "https://evil.test", "evil.test:443", "evil.tes"])
def test_but_only_that_host(allowed):
    problem('[providers.kakaocloud]\nendpoint = "https://evil.test:8443/x"', allowed_hosts=[allowed])


def test_an_allowed_host_is_still_not_reached_without_tls():
    text = '[providers.kakaocloud]\nendpoint = "http://evil.test"'
    assert told(text, allowed_hosts=["evil.test"]) == ["the endpoint is plain http"]


@pytest.mark.parametrize(
    "region", ["evil.test/x", "evil.test:1/", "a.b", "", "a@evil.test/", "a/../b", "evil.test#", "é", "a b"]
)
def test_a_region_cannot_lead_to_another_host(region):
    error = problem(f'[providers.kakaocloud]\nregion = "{region}"')
    assert error.what.startswith("'region' is none of kr-central-1, ")
    assert error.where == "secrets.toml:2, providers.kakaocloud.region"
    assert (
        providers('[providers.kakaocloud]\nregion = "kr-central-1"')["kakaocloud"].settings["region"] == "kr-central-1"
    )


def test_a_host_is_allowed_on_the_command_line_or_in_the_environment(launch, manifest):
    path = manifest('[providers.kakaocloud]\nendpoint = "https://elsewhere.test"\n[env]\nA = "a"\n')
    assert launch("-f", path, "--", "true").returncode == 78
    assert launch("-f", path, "--allow-endpoint", "elsewhere.test", "--", "true").returncode == 0
    allowed = {"SECRETS_EXEC_ALLOW_ENDPOINT": "other.test,elsewhere.test"}
    assert launch("-f", path, "--", "true", environ=allowed).returncode == 0


# Secrets


def test_a_secret_has_defaults():
    found = entry('secrets.A = "kakaocloud://a"')
    assert (found.name, found.expansion, found.required, found.default) == ("A", None, True, None)
    assert (found.decode, found.description) == (None, "")


def test_every_field_of_a_secret_is_read():
    found = entry("""
        [secrets.A]
        provider = "ncloud"
        id = "a"
        stage = "pending"
        key = "/a/b"
        required = false
        default = "no\\nne"
        decode = "base64"
        as = "env"
        description = "what it is for"
    """)
    assert str(found.ref) == "ncloud://a?stage=pending#/a/b"
    assert (found.required, found.default.reveal(), found.decode) == (False, b"no\nne", "base64")
    assert found.description == "what it is for"
    assert isinstance(found.default, Secret)


def test_null_in_json_is_a_field_that_is_not_given():
    fields = {
        "version": None,
        "stage": None,
        "key": None,
        "default": None,
        "required": None,
        "expand": None,
        "as": None,
    }
    text = json.dumps({"secrets": {"A": {"provider": "env", "id": "X", "decode": None, "description": None, **fields}}})
    (found,) = read(text, "m.json").entries
    assert (str(found.ref), found.required, found.default) == ("env://X", True, None)


@pytest.mark.parametrize(
    ("secret", "what"),
    [
        ('"7a0c41"', "this is no reference"),
        ('"kakaocloud://a?verzion=3"', "'?verzion' says nothing about a secret"),
        ('"kakaocloud://a%4"', "'%' is not followed by two hex digits of UTF-8"),
        ("1", "a secret is a reference or a table"),
        ("true", "a secret is a reference or a table"),
        ('["kakaocloud://a"]', "a secret is a reference or a table"),
        ("false", "only a profile can remove a secret with false"),
        ("{}", "the secret has no provider and no id"),
        ('{ provider = "env" }', "the secret has no id"),
        ('{ id = "X" }', "the secret has no provider"),
        ('{ provider = "env", id = "" }', "'id' is empty"),
        ('{ provider = "", id = "X" }', "'provider' is empty"),
        ('{ provider = "env", id = "X", key = "" }', "'key' is empty"),
        ('{ provider = "env", id = "X", key = "/a~b" }', "this is no JSON Pointer"),
        ('"env://X#/a~2"', "this is no JSON Pointer"),
        ('{ provider = "env", id = "X", as = "fle" }', "'as' is none of env, file"),
        ('{ provider = "env", id = "X", decode = "base32" }', "'decode' knows base64 only"),
        ('{ provider = "env", id = "X", expand = true, default = "x" }', "a default cannot be expanded"),
        ('{ provider = "env", id = "X", expand = "yes" }', "'expand' must be true or false"),
        ('{ provider = "env", id = "X", required = "no" }', "'required' must be true or false"),
        (f'{{ provider = "env", id = "{"x" * 3000}" }}', "a reference of 3006 characters"),
        (f'{{ provider = "env", id = "X", key = "{"x" * 3000}" }}', "a reference of 3008 characters"),
        ('"env://X?version=1"', "env has no version"),
        ('"kakaocloud://a?stage=active"', "kakaocloud has no stage"),
        ('"kakaocloud://a?version=0"', "version '0' is none of kakaocloud"),
        ('"ncloud://a?version=1"', "ncloud has no version"),
        ('"ncloud://a?stage=latest"', "stage 'latest' is none of ncloud"),
        ('{ provider = "ncloud", id = "a", version = 1, stage = "active" }', "ncloud has no version"),
        ('"kakaocloud://../a"', "'../a' is no id of kakaocloud"),
        ('"kakaocloud://a/b"', "'a/b' is no id of kakaocloud"),
        ('"kakaocloud://a%2Fb"', "'a/b' is no id of kakaocloud"),
        ('"kakaocloud://"', "'id' is empty"),
        ('"ncloud://a%0A"', "is no id of ncloud"),
        ('"file://"', "'id' is empty"),
        ('"file://a%00b"', "the path of the file is empty or holds a NUL byte"),
    ],
)  # fmt: skip
def test_a_secret_that_makes_no_sense_is_refused(secret, what):
    error = problem(f"\n\n[secrets]\nA = {secret}\n")
    assert what in error.what
    assert error.where.startswith("secrets.toml:4, secrets.A")


@pytest.mark.parametrize(
    ("secret", "hint"),
    [
        ('"kakaocloud://a?stage=active"', "it has version (a positive integer) instead"),
        ('"kakaocloud://a?version=x"', "it has version (a positive integer)"),
        ('"ncloud://a?version=1"', "it has stage (previous, active or pending) instead"),
        ('"ncloud://a?stage=x"', "it has stage (previous, active or pending)"),
        ('"file://a?version=1"', "it has neither version nor stage"),
    ],
)
def test_a_coordinate_that_a_provider_lacks_is_refused_with_what_it_has_instead(secret, hint):
    assert problem(f"secrets.A = {secret}").hint == hint


def test_an_entry_tells_variable_file_line_and_reference():
    found = entry('\n[secrets]\nA = "ncloud://a#k"\n')
    assert found.where == "A, secrets.toml:3, ncloud://a?stage=active#k"


def test_a_comma_in_a_files_name_does_not_confuse_where_things_are():
    Path("a, b.toml").write_text('secrets.A = "env://X"')
    assert read_files("a, b.toml").entries[0].where == "A, a, b.toml:1, env://X"


def test_a_thousand_secrets_are_fine_and_one_more_is_not():
    lines = [f'S{i} = "env://X"' for i in range(1001)]
    assert len(read("[secrets]\n" + "\n".join(lines[:1000])).entries) == 1000
    error = problem("[secrets]\n" + "\n".join(lines))
    assert (error.what, error.hint) == ("the manifest has 1001 secrets", "at most 1000")
    assert error.where == "secrets.toml:1002, secrets.S1000"


# Files


def as_file(fields):
    return entry(f'secrets.A = {{ provider = "env", id = "X", {fields} }}').as_file


def test_a_value_is_a_variable_until_it_is_said_to_be_a_file():
    assert entry('secrets.A = "env://X"').as_file is None
    assert as_file('as = "env"') is None
    assert as_file('as = "file"') == AsFile("memfd", 0o400, "A")


def test_every_setting_of_a_file_is_read():
    assert as_file('as = "file", file = "tmpfs", mode = "640", name = "서버 key.pem"') == AsFile(
        "tmpfs", 0o640, "서버 key.pem"
    )
    assert as_file('as = "file", file = "memfd", mode = "0666"').mode == 0o666


def test_the_mode_in_yaml_is_as_it_is_written():
    text = "secrets:\n  A: {provider: env, id: X, as: file, mode: 0440}\n"
    (found,) = read(text, "m.yaml").entries
    assert found.as_file.mode == 0o440


def test_a_profile_makes_a_file_a_variable_again():
    text = '[secrets]\nA = { provider = "env", id = "X", as = "file", mode = "0440", name = "a" }\n'
    text += '[profiles.dev]\nsecrets.A = { as = "env" }\n[profiles.ci]\nsecrets.A = "env://Y"\n'
    assert read(text, profile="dev").entries[0].as_file is None
    assert read(text, profile="ci").entries[0].as_file == AsFile("memfd", 0o440, "a")


@pytest.mark.parametrize(
    ("fields", "what", "field"),
    [
        ('as = "path"', "'as' is none of env, file", ".as"),
        ('as = "file", file = "disk"', "'file' is none of memfd, tmpfs", ".file"),
        ('mode = "0400"', "'mode' is for files", ".mode"),
        ('name = "x"', "'name' is for files", ".name"),
        ('file = "tmpfs"', "'file' is for files", ".file"),
        ('as = "file", mode = 0o400', "'mode' must be text", ".mode"),
        *(
            (f'as = "file", mode = "{mode}"', "'mode' must let the owner read, and nobody execute", ".mode")
            for mode in ("", "0", "40", "0200", "0500", "0755", "4400", "1400", "888", "0o400", "00400", "r--", " 400")
        ),
        *(
            (f'as = "file", name = "{name}"', "this is no name for a file", ".name")
            for name in ("", ".", "..", "a/b", "/", "a\\nb", "a\\u0000", "x" * 201, "\u202e", "한" * 67)
        ),
        ('as = "file", expand = true', "an expansion cannot be a file", ".as"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(fields, what, field):
    error = problem(f'\nsecrets.A = {{ provider = "env", id = "X", {fields} }}')
    assert (error.what, error.where) == (what, f"secrets.toml:2, secrets.A{field}")


def test_two_files_of_one_name_in_one_folder_are_an_error_that_names_both():
    text = 'A = { provider = "env", id = "X", as = "file", file = "KIND", name = "B" }\n'
    text += 'B = { provider = "env", id = "Y", as = "file", file = "KIND" }\n'
    error = problem("[secrets]\n" + text.replace("KIND", "tmpfs"))
    assert (error.what, error.where) == ("the files of A and B have one name", "secrets.toml:3, secrets.B")
    assert len(read("[secrets]\n" + text.replace("KIND", "memfd")).entries) == 2


# Expand


def expansion(text):
    return entry(f'secrets.DB = {{ provider = "env", id = "X", expand = {text} }}').expansion


def test_expand_is_off_until_it_is_asked_for():
    assert expansion("false") is None
    assert entry('secrets.DB = "env://X"').expansion is None


@pytest.mark.parametrize("text", ["true", "{}", '{ prefix = "DB_", case = "upper" }', '{ nested = "json", omit = [] }'])
def test_true_is_the_name_as_prefix_and_upper_case(text):
    assert expansion(text) == Expansion("DB_", "upper", None, (), {}, "json") or text == "true"
    assert expansion("true").prefix == "DB_"


def test_every_setting_of_expand_is_read():
    text = '{ prefix = "", case = "keep", keys = ["a", "b", "c"], rename = { a = "A_1" }, nested = "flatten" }'
    assert expansion(text) == Expansion("", "keep", ("a", "b", "c"), (), {"a": "A_1"}, "flatten")
    assert expansion('{ omit = ["x", "y"] }').omit == ("x", "y")
    assert expansion('{ keys = ["a*"], omit = ["ab*"], rename = { ac = "X" } }').keys == ("a*",)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{ case = "lower" }', "'case' is none of upper, keep"),
        ('{ nested = "flat" }', "'nested' is none of json, flatten, error"),
        ('{ prefix = "1_" }', "the prefix can begin no variable's name"),
        ('{ prefix = "a-" }', "the prefix can begin no variable's name"),
        ("{ prefix = true }", "'prefix' must be text"),
        ('{ keys = "a" }', "'keys' must be a list of texts"),
        ("{ omit = [1] }", "'omit' must be a list of texts"),
        ('{ rename = "a" }', "'rename' is a table of keys and names"),
        ("{ rename = { a = 1 } }", "'a' must be text"),
        ('{ rename = { a = "a-b" } }', "'a-b' is no variable name"),
        ('{ rename = { a = "" } }', "'' is no variable name"),
        ('{ rename = { a = "X", b = "X" } }', "the keys 'a' and 'b' are both renamed X"),
        ('{ keys = ["a"], omit = ["a"] }', "the key 'a' is asked for and left out"),
        ('{ rename = { a = "X" }, omit = ["a"] }', "the key 'a' is asked for and left out"),
        ('{ rename = { a = "X" }, keys = ["b"] }', "the key 'a' is asked for and left out"),
        ('{ rename = { a = "X" }, keys = ["b*"] }', "the key 'a' is asked for and left out"),
        ('{ keys = ["ab"], omit = ["a*"] }', "the key 'ab' is asked for and left out"),
        ('{ keys = ["a*"], omit = ["a*"] }', "the key 'a*' is asked for and left out"),
        ("1", "'expand' must be true or false"),
        ('"DB_"', "'expand' must be true or false"),
        ("[]", "'expand' must be true or false"),
    ],
)
def test_an_expansion_that_makes_no_sense_is_refused(text, what):
    error = problem(f'\nsecrets.DB = {{ provider = "env", id = "X", expand = {text} }}')
    assert error.what == what
    assert error.where.startswith("secrets.toml:2, secrets.DB.expand")


# Literals


@pytest.mark.parametrize("value", ["1", "1.5", "true", "[]", "2026-07-01", "{}", '{ value = "x" }'])
def test_a_literal_is_a_string(value):
    error = problem(f"[env]\nA = {value}\n")
    assert (error.what, error.where) == ("a literal is a string", "secrets.toml:2, env.A")


@pytest.mark.parametrize("value", ["", "a", " a ", "비밀", "a\nb", "$HOME ${HOME} $$", "\x7f"])
def test_a_literal_is_taken_as_it_stands(value):
    (literal,) = read(json.dumps({"env": {"A": value}}), "m.json").literals
    assert literal.value.reveal() == value.encode()


def test_a_literal_is_a_secret_too_as_far_as_showing_it_goes():
    assert CANARY not in repr(read(f'env.A = "{CANARY}"').literals[0].value)


# Names


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A.B", "A B", "é", "A=B", "A" * 257])
@pytest.mark.parametrize("table", ["secrets", "env"])
def test_what_is_no_variables_name_is_refused(table, name):
    value = {"secrets": "env://X", "env": "x"}[table]
    (what,) = told(json.dumps({table: {name: value}}), "m.json")
    assert "is no variable name" in what


DANGEROUS = ["PATH", "LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "NODE_OPTIONS", "https_proxy", "SECRETS_EXEC_TIMEOUT"]
CREDENTIALS = [name for row in TYPES.values() for name in row.credentials]


@pytest.mark.parametrize("name", [*DANGEROUS, *CREDENTIALS])
@pytest.mark.parametrize(
    "form", ['secrets.{} = "env://X"', 'secrets.{} = {{ provider = "env", id = "X" }}', 'env.{} = "x"']
)
def test_names_that_programs_take_orders_from_are_refused_unless_they_are_allowed(form, name):
    text = form.format(name)
    error = problem(text)
    assert error.what == f"{name} changes how programs run or is a provider's credential, and is refused"
    assert error.hint == f'if that is meant: options.allow_names = ["{name}"]'
    read(f'options.allow_names = ["{name}"]\n{text}')
    assert len(told(f'options.allow_names = ["{name}_"]\n{text}')) == 1


@pytest.mark.parametrize("name", ["m.toml", "m.json", "m.yaml"])
def test_an_expansion_that_is_off_does_not_let_a_name_through(name):
    text = {
        "m.toml": 'secrets.PATH = { provider = "env", id = "X", expand = false }',
        "m.json": '{"secrets": {"PATH": {"provider": "env", "id": "X", "expand": false}}}',
        "m.yaml": "secrets: {PATH: {provider: env, id: X, expand: false}}",
    }[name]
    assert "PATH changes how programs run" in problem(text, name).what


def test_the_name_of_a_secret_that_expands_is_no_variable():
    assert expansion("true").prefix == "DB_"
    assert entry('secrets.GIT = { provider = "env", id = "X", expand = true }').name == "GIT"
    assert entry('secrets.PATH = { provider = "env", id = "X", expand = { prefix = "P_" } }').name == "PATH"


def test_a_renamed_key_needs_to_be_allowed_too():
    text = 'secrets.DB = { provider = "env", id = "X", expand = { rename = { p = "PATH" } } }'
    assert problem(text).where == "secrets.toml:1, secrets.DB.expand.rename.p"
    assert read(f'options.allow_names = ["PATH"]\n{text}').entries


def test_a_variable_that_a_provider_of_this_manifest_reads_its_credential_from_is_refused():
    text = '[providers.kakaocloud]\ntoken_env = "MY_TOKEN"\n[env]\nMY_TOKEN = "x"'
    assert "MY_TOKEN changes how programs run or is a provider's credential" in problem(text).what


# All at once, in order

MANY = """
    manifest = 3
    [providers.kakao]
    type = "kakaocloud"
    endpoint = "https://evil.test"
    token = "canary"
    [options]
    timeout = "soon"
    [secrets]
    A = "kakao://a?stage=x"
    B = "kakao://b"
    C = "no reference"
    D = { provider = "kakao", id = "d", verison = 1, required = "no" }
    PATH = "kakao://e"
    F = "nosuch://f"
    [env]
    G = 1
    "1H" = "x"
"""
WHERE = [
    "manifest", "providers.kakao.endpoint", "providers.kakao.token", "options.timeout", "secrets.A", "secrets.C",
    "secrets.D.verison", "secrets.D.required", "secrets.PATH", "secrets.F", "env.G", "env.1H",
]  # fmt: skip


def test_everything_that_is_wrong_is_told_at_once_and_in_the_manifests_order():
    errors = problems(MANY)
    assert [error.where.split(", ")[1] for error in errors] == WHERE
    assert all(error.what and error.hint for error in errors)
    assert all("canary" not in error.what + error.where + error.hint for error in errors)
    lines = [int(error.where.split(":")[1].split(",")[0]) for error in errors]
    assert lines == sorted(lines)


def test_a_launched_command_does_not_start_and_each_message_has_where_and_hint(launch, manifest):
    done = launch("-f", manifest(MANY), "--", "touch", "started")
    assert (done.returncode, done.stdout) == (78, b"")
    assert done.stderr.count(b"secrets-exec: error: ") == done.stderr.count(b"  where: ") == len(WHERE)
    assert done.stderr.count(b"  hint:  ") == len(WHERE)
    assert b"canary" not in done.stderr
    assert not os.path.exists("started")


def test_the_order_of_a_providers_mistakes_is_the_manifests():
    fields = ["token", "regoin", "timeout", "concurrency", "secret_access_key", "access_key_id_env", "api", "endpoint"]
    for seed in range(5):
        random.Random(seed).shuffle(fields)
        text = "[providers.kakaocloud]\n" + "".join(f'{field} = "?"\n' for field in fields)
        found = [error.where.rpartition(".")[2] for error in problems(text) if "regoin" not in error.where]
        assert found == [field for field in fields if field != "regoin"]


# Whatever the fields

any_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["env", "kakaocloud", "base64"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=3,
)
FIELDS = ["provider", "id", "version", "stage", "key", "expand", "required", "default", "decode", "as", "description"]
any_secret = st.dictionaries(st.sampled_from(FIELDS), any_value) | st.text(max_size=10) | any_value


@given(st.dictionaries(st.sampled_from(["A", "PATH", "B-1"]), any_secret, max_size=3))
@example({"A": {"provider": "env", "id": "X", "version": 10**400}})
@example({"A": {"provider": "env", "id": "\0", "expand": {"rename": {"a": None}}}})
def test_any_secret_is_an_entry_or_told_at_its_place(secrets):
    found = outcome(lambda: read(json.dumps({"secrets": secrets}), "m.json"), Failures)
    if isinstance(found, Failures):
        assert {error.exit_code for error in found.errors} == {78}
        assert all(error.where.startswith("m.json:1, secrets.") for error in found.errors)
    else:
        assert [one.name for one in found.entries] == list(secrets)


SETTINGS = [
    "type",
    "endpoint",
    "ca_bundle",
    "timeout",
    "concurrency",
    "proxy",
    "region",
    "api",
    "token",
    "token_env",
    "x",
]


@given(st.dictionaries(st.sampled_from(SETTINGS), any_value | st.just("https://a.b"), max_size=4))
def test_any_settings_are_taken_or_told_at_their_place(settings):
    found = outcome(lambda: read(json.dumps({"providers": {"kakaocloud": settings}}), "m.json"), Failures)
    if isinstance(found, Failures):
        assert all(error.where.startswith("m.json:1, providers.kakaocloud.") for error in found.errors)
    else:
        assert set(found.providers["kakaocloud"].settings) <= settings.keys()
