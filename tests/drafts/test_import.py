"""Files of other tools: what becomes of them, and that what is not carried over is told with its place and its why."""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, PATIENCE

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

CANARY = "hunter2-canary"


class Imported:
    """What an import made: the manifest, the report, and what was told."""

    def __init__(self, launch: Launch, text: str, name: str) -> None:
        Path(name).write_text(text)
        done = launch("import", name, "--json")
        assert done.returncode == 0, done.stderr
        written = Path("secrets.toml").read_bytes()
        assert CANARY.encode() not in written + done.stdout + done.stderr
        self.manifest: dict[str, Any] = tomllib.loads(written.decode())
        self.report: dict[str, Any] = json.loads(done.stdout)
        self.told = [one["message"] for one in self.report["left_out"]]
        for loss in self.report["left_out"]:
            assert f"secrets-exec: warning: {loss['message']}\n".encode() in done.stderr
            assert loss["where"].startswith(name)
            assert loss["hint"]
        checked = launch("check")
        assert checked.returncode in (0, 78), checked.stderr
        self.problems = [
            line.partition("error: ")[2] for line in checked.stderr.decode().splitlines() if "error: " in line
        ]


@pytest.fixture
def imported(launch: Launch) -> Callable[[str, str], Imported]:
    return lambda text, name: Imported(launch, text, name)


NO_TYPE = "there is no provider type 'TODO'"

# ECS

_SM = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
_TASK = {
    "family": "shop",
    "containerDefinitions": [
        {
            "name": "web",
            "image": "shop",
            "environment": [{"name": "LEVEL", "value": CANARY}],
            "environmentFiles": [{"value": "arn:aws:s3:::bucket/x.env", "type": "s3"}],
            "secrets": [
                {"name": "WHOLE", "valueFrom": f"{_SM}prod/db-AbCdEf"},
                {"name": "KEY", "valueFrom": f"{_SM}prod/db-AbCdEf:password::"},
                {"name": "STAGE", "valueFrom": f"{_SM}prod/db-AbCdEf:password:AWSPREVIOUS:"},
                {"name": "VERSION", "valueFrom": f"{_SM}prod/db-AbCdEf:::9d4cb84b"},
                {"name": "ELSEWHERE", "valueFrom": f"{_SM.replace('eu-west', 'us-east')}x"},
                {"name": "PARAMETER", "valueFrom": "arn:aws:ssm:eu-west-1:111122223333:parameter/shop/token"},
                {"name": "NAMED", "valueFrom": "shop-token"},
                {"name": "LD_PRELOAD", "valueFrom": "x"},
                {"name": "BROKEN"},
            ],
            "logConfiguration": {"secretOptions": [{"name": "token", "valueFrom": "x"}]},
            "repositoryCredentials": {"credentialsParameter": "x"},
        },
        {"name": "side", "secrets": [{"name": "KEY", "valueFrom": "another"}, {"name": "SIDE", "valueFrom": "x"}]},
    ],
}


@pytest.mark.parametrize("wrapped", [False, True], ids=["registered", "described"])
def test_a_task_definition(imported: Callable[..., Imported], wrapped: bool) -> None:
    found = imported(json.dumps({"taskDefinition": _TASK} if wrapped else _TASK, indent=1), "task.json")
    manager, parameters = "aws-secrets-manager", "aws-parameter-store"
    assert found.manifest["secrets"] == {
        "WHOLE": {"provider": manager, "id": "prod/db-AbCdEf"},
        "KEY": {"provider": manager, "id": "prod/db-AbCdEf", "key": "password"},
        "STAGE": {"provider": manager, "id": "prod/db-AbCdEf", "stage": "AWSPREVIOUS", "key": "password"},
        "VERSION": {"provider": manager, "id": "prod/db-AbCdEf", "version": "9d4cb84b"},
        "ELSEWHERE": {"provider": f"{manager}-us-east-1", "id": "x"},
        "PARAMETER": {"provider": parameters, "id": "/shop/token"},
        "NAMED": {"provider": parameters, "id": "shop-token"},
        "SIDE": {"provider": parameters, "id": "x"},
    }
    assert found.manifest["providers"] == {
        name: {"type": "TODO"} for name in (manager, f"{manager}-us-east-1", parameters)
    }
    assert found.told == [
        "not carried over: LD_PRELOAD, which changes how programs run or is a provider's credential",
        "not carried over: a secret without name or valueFrom",
        "not carried over: the value of LEVEL, since it may be a secret",
        "not carried over: a file of variables in S3",
        "not carried over: a secret of the log driver",
        "not carried over: the credentials of the registry",
        "not carried over: another secret for KEY, which stands there twice",
    ]
    assert found.report["form"] == "an ECS task definition"
    assert found.problems == [NO_TYPE] * 3
    assert '# LEVEL = ""' in Path("secrets.toml").read_text()


def test_a_list_of_containers(imported: Callable[..., Imported]) -> None:
    found = imported(json.dumps(_TASK["containerDefinitions"]), "containers.json")
    assert "SIDE" in found.manifest["secrets"]


# External Secrets

_EXTERNAL = f"""
apiVersion: external-secrets.io/v1beta1
kind: SecretStore
metadata: {{name: aws}}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-west-1
      auth: {{secretRef: {{accessKeyIDSecretRef: {{name: x, key: y}}}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: shop}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: aws, kind: SecretStore}}
  target:
    name: shop
    template: {{data: {{url: "{CANARY}"}}}}
  data:
    - secretKey: DB_PASSWORD
      remoteRef: {{key: prod/db, property: password, version: "3"}}
    - secretKey: tls.key
      remoteRef: {{key: prod/tls, property: keys.server, decodingStrategy: Base64}}
    - secretKey: HEX
      remoteRef: {{key: prod/x, decodingStrategy: Base64URL}}
    - secretKey: OTHER_STORE
      remoteRef: {{key: x}}
      sourceRef: {{storeRef: {{name: vault}}}}
    - secretKey: BROKEN
  dataFrom:
    - extract: {{key: prod/all}}
    - extract: {{key: prod/more, property: inner}}
      rewrite: [{{regexp: {{source: a, target: b}}}}]
    - find: {{name: {{regexp: "^x"}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: plain}}
stringData: {{A: "{CANARY}"}}
"""


def test_external_secrets(imported: Callable[..., Imported]) -> None:
    found = imported(_EXTERNAL, "external.yaml")
    everything = {"prefix": "", "case": "keep"}
    assert found.manifest["secrets"] == {
        "DB_PASSWORD": {"provider": "aws", "id": "prod/db", "version": "3", "key": "password"},
        "TLS_KEY": {"provider": "aws", "id": "prod/tls", "key": "/keys/server", "decode": "base64"},
        "HEX": {"provider": "aws", "id": "prod/x"},
        "OTHER_STORE": {"provider": "vault", "id": "x"},
        "ALL_1": {"provider": "aws", "id": "prod/all", "expand": everything},
        "ALL_2": {"provider": "aws", "id": "prod/more", "key": "inner", "expand": everything},
    }
    assert found.told == [
        "not carried over: how the store's credentials are found",
        "not carried over: an object of kind Secret",
        "'tls.key' is called TLS_KEY here",
        "not carried over: decodingStrategy Base64URL",
        "not carried over: an entry without secretKey or remoteRef.key",
        "not carried over: rewrite, which renames keys",
        "not carried over: dataFrom with find",
        "not carried over: refreshInterval 1h",
        "not carried over: the template of the Secret",
    ]
    assert "# was: aws, region eu-west-1, service SecretsManager" in Path("secrets.toml").read_text()
    assert found.problems == [NO_TYPE] * 2


def test_a_list_and_a_secret_of_the_cluster(imported: Callable[..., Imported]) -> None:
    inner = {"secretStoreRef": {"name": "1st store"}, "data": [{"secretKey": "A", "remoteRef": {"key": "a"}}]}
    one = {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterExternalSecret",
        "spec": {"externalSecretSpec": inner},
    }
    found = imported(json.dumps({"apiVersion": "v1", "kind": "List", "items": [one]}), "list.json")
    assert found.manifest["secrets"] == {"A": {"provider": "store-1st_store", "id": "a"}}


# summon

_SUMMON = f"""
common:
  REGION: {CANARY}
  BOTH: !var shared/id
production:
  DB_PASSWORD: !var prod/db#password
  CERT: !var:file prod/cert
  KEY: !file |
    {CANARY}
  FALLBACK: !var:default='{CANARY}' prod/x
  PATH: !var x
staging:
  DB_PASSWORD: !var $environment/db
  NUMBER: !int 3
"""


def test_summon_with_environments(imported: Callable[..., Imported]) -> None:
    found = imported(_SUMMON, "secrets.yml")
    assert found.manifest["secrets"] == {"BOTH": {"provider": "summon", "id": "shared/id"}}
    assert found.manifest["profiles"] == {
        "production": {
            "secrets": {
                "DB_PASSWORD": {"provider": "summon", "id": "prod/db", "key": "password"},
                "CERT": {"provider": "summon", "id": "prod/cert", "as": "file"},
                "FALLBACK": {"provider": "summon", "id": "prod/x"},
            }
        },
        "staging": {"secrets": {"DB_PASSWORD": {"provider": "summon", "id": "$environment/db"}}, "env": {}},
    }
    assert found.told == [
        "not carried over: the value of REGION, since it may be a secret",
        "not carried over: the content of the file of KEY, which may be a secret",
        "not carried over: the default of FALLBACK, which may be a secret",
        "not carried over: PATH, which changes how programs run or is a provider's credential",
        "not carried over: the variable in the id of DB_PASSWORD",
        "not carried over: the value of NUMBER, since it may be a secret",
    ]
    assert found.report["profiles"] == ["production", "staging"]
    assert {"profile": "production", "name": "CERT"}.items() <= found.report["variables"][2].items()


def test_summon_without_environments(imported: Callable[..., Imported]) -> None:
    found = imported(f"A: !var a/b\nB: {CANARY}\n", "secrets.yml")
    assert found.manifest["secrets"] == {"A": {"provider": "summon", "id": "a/b"}}
    assert found.problems == [NO_TYPE]


# teller

_TELLER_2 = """
providers:
  files:
    kind: dotenv
    maps:
      - id: one
        path: app.env
        keys:
          DB_PASSWORD: ==
          mg: MAILGUN
  vault:
    kind: hashicorp
    options: {address: x}
    maps:
      - id: redis
        path: secret/redis
      - path: "secret/{{ get_env(name='STAGE') }}"
        keys: {A: ""}
      - id: none
"""


def test_teller_of_version_2(imported: Callable[..., Imported]) -> None:
    found = imported(_TELLER_2, ".teller.yml")
    assert found.manifest["providers"] == {"files": {"type": "dotenv"}, "vault": {"type": "TODO"}}
    assert found.manifest["secrets"] == {
        "DB_PASSWORD": {"provider": "files", "id": "app.env", "key": "DB_PASSWORD"},
        "MAILGUN": {"provider": "files", "id": "app.env", "key": "mg"},
        "vault_redis": {"provider": "vault", "id": "secret/redis", "expand": {"prefix": "", "case": "keep"}},
        "A": {"provider": "vault", "id": "secret/{{ get_env(name='STAGE') }}", "key": "A"},
    }
    assert found.told == [
        "not carried over: the template in a path",
        "not carried over: a map without a path",
        "not carried over: options of the provider",
    ]


_TELLER_1 = """
project: shop
opts: {stage: {prompt: "which?"}}
providers:
  hashicorp_vault:
    env:
      DB_PASSWORD: {path: secret/db, field: password}
      WHOLE: {path: secret/whole}
    env_sync:
      path: secret/all
      remap: {a: B}
  dotenv:
    env:
      TOKEN: {path: app.env}
  heroku:
    env_sync: {path: drakula}
    sink: x
"""


def test_teller_of_version_1(imported: Callable[..., Imported]) -> None:
    found = imported(_TELLER_1, ".teller.yml")
    everything = {"prefix": "", "case": "keep"}
    assert found.manifest["secrets"] == {
        "DB_PASSWORD": {"provider": "hashicorp_vault", "id": "secret/db", "key": "password"},
        "WHOLE": {"provider": "hashicorp_vault", "id": "secret/whole"},
        "hashicorp_vault_ALL": {
            "provider": "hashicorp_vault",
            "id": "secret/all",
            "expand": {**everything, "rename": {"a": "B"}},
        },
        "TOKEN": {"provider": "dotenv", "id": "app.env", "key": "TOKEN"},
        "heroku_ALL": {"provider": "heroku", "id": "drakula", "expand": everything},
    }
    assert found.told == [
        "not carried over: 'sink' of the provider",
        "not carried over: opts, which ask for words",
    ]


# What is none, and where it goes


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("x.env", f"A={CANARY}\n", "this is no file that can be imported"),
        ("x.yaml", f"a: {CANARY}\n", "this is no file that can be imported"),
        ("x.json", json.dumps({"a": [CANARY]}), "this is no file that can be imported"),
        ("x.json", f'{{"a": "{CANARY}"', "the file is not valid JSON"),
        ("x.json", f'["{CANARY}", 1]', "this is no file that can be imported"),
        ("x.yaml", f"a: [{CANARY}\n", "the file is not valid YAML"),
        ("x.yaml", f"a: &x {CANARY}\nb: *x\n", "the file holds an anchor or alias"),
        ("x.yaml", "", "this is no file that can be imported"),
        ("x.yaml", f"- {CANARY}\n", "this is no file that can be imported"),
        ("x.yaml", "[" * 1000, "the file"),
        ("x.json", "[" * 100_000, "the file is not valid JSON"),
    ],
)
def test_what_is_no_file_of_theirs_is_78_and_not_quoted(launch: Launch, name: str, text: str, told: str) -> None:
    Path(name).write_text(text)
    done = launch("import", name)
    assert (done.returncode, done.stdout) == (78, b""), done.stderr
    assert told in done.stderr.decode()
    assert CANARY.encode() not in done.stderr
    assert not Path("secrets.toml").exists()


def test_a_tag_makes_no_object(launch: Launch) -> None:
    Path("x.yml").write_text("A: !var x\nB: !!python/object/apply:os.system [touch made]\nC: !!python/name:os.system\n")
    launch("import", "x.yml")
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 64, "import takes one FILE"),
        (["missing.yaml"], 78, "there is no file missing.yaml"),
        (["secrets.yml", "--json", "--output", "-"], 64, "cannot both be standard output"),
        (["secrets.yml", "--output", "there.toml"], 64, "is not written over"),
        (["binary.yml"], 78, "the file is not UTF-8"),
    ],
)
def test_what_is_wrong_is_told(launch: Launch, words: list[str], code: int, told: str) -> None:
    Path("secrets.yml").write_text("A: !var x\n")
    Path("binary.yml").write_bytes(b"A: \xff\n")
    Path("there.toml").write_text("")
    done = launch("import", *words)
    assert (done.returncode, done.stdout) == (code, b"")
    assert told in done.stderr.decode()


def test_the_manifest_can_be_standard_output_and_the_file_standard_input() -> None:
    done = subprocess.run(
        [*LAUNCHER, "import", "-", "--output", "-"], input=b"A: !var x\n", capture_output=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert tomllib.loads(done.stdout.decode())["secrets"] == {"A": {"provider": "summon", "id": "x"}}


def test_without_pyyaml_it_says_what_is_needed() -> None:
    Path("secrets.yml").write_text("A: !var x\n")
    code = (
        "import sys; sys.modules['yaml'] = None; sys.argv[1:] = ['import', 'secrets.yml'];"
        "from envinject.__main__ import main; main()"
    )
    done = subprocess.run([LAUNCHER[0], "-P", "-c", code], capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 78
    assert b"pip install 'envinject[yaml]'" in done.stderr
