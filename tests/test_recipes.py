"""The recipes: their files are what the schemas of others ask for, their command lines are ours, their scripts run.

The schemas are in packages, so nothing is fetched for that.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from test_docs import ROOT, Block, blocks, loaded, not_understood
from test_examples import EXAMPLES, PORT_IN_OVERLAY

from envinject.emulator import Emulator, load_seed

RECIPES = ROOT / "docs/recipes.md"
KUBERNETES = "1.33"


def foreign(language: str, kind: str) -> list[Block]:
    found = [block for block in blocks(language) if kind in block.info]
    assert found, f"no block of {kind}"
    return found


def named(found: list[Block]) -> Any:
    return pytest.mark.parametrize("block", found, ids=str)


# By the schemas of others


def refused(schema: str, path: Path) -> str:
    """What check-jsonschema finds wrong, with one of the schemas that it has in itself."""
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def check_by(schema: str, block: Block, path: Path, wrong: tuple[str, str], told: str) -> None:
    """The schema takes the block, and tells of a word in it that is another."""
    path.write_text(block.text)
    assert refused(schema, path) == ""

    path.write_text(block.text.replace(*wrong))
    assert told in refused(schema, path)


@named(foreign("yaml", "compose"))
def test_a_compose_file_is_one(block: Block, tmp_path: Path) -> None:
    check_by("compose-spec", block, tmp_path / "compose.yaml", ("image:", "imago:"), "imago")


@named(foreign("yaml", "workflow"))
def test_a_workflow_is_one(block: Block, tmp_path: Path) -> None:
    check_by("github-workflows", block, tmp_path / "workflow.yaml", ("runs-on:", "runs-off:"), "runs-o")


def objects(block: Block) -> list[Any]:
    """The objects of a block; what is part of a pod becomes a whole one."""
    found = list(yaml.safe_load_all(block.text))
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}}
    return [one if "kind" in one else {**pod, "spec": one} for one in found]


def validate(block: Block) -> None:
    for one in objects(block):
        kubernetes_validate.validate(one, KUBERNETES, strict=True)


@named(foreign("yaml", "kubernetes"))
def test_the_objects_of_kubernetes_are_such(block: Block) -> None:
    validate(block)

    with pytest.raises(kubernetes_validate.ValidationError, match="mountP"):
        validate(block._replace(text=block.text.replace("mountPath:", "mountPoint:")))


@named([block for block in foreign("yaml", "kubernetes") if "ConfigMap" in block.text])
def test_the_volumes_that_are_mounted_are_there(block: Block) -> None:
    (pod,) = [one["spec"]["template"]["spec"] for one in objects(block) if one["kind"] == "Deployment"]
    (manifest,) = [one for one in objects(block) if one["kind"] == "ConfigMap"]
    mounts = [mount for kind in ("initContainers", "containers") for one in pod[kind] for mount in one["volumeMounts"]]

    assert {mount["name"] for mount in mounts} == {volume["name"] for volume in pod["volumes"]}
    assert manifest["metadata"]["name"] in [
        volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume
    ]


def manifest_of(block: Block) -> str:
    """The manifest in a block's ConfigMap."""
    (text,) = [one["data"]["secrets.toml"] for one in objects(block) if one["kind"] == "ConfigMap"]
    return str(text)


@named([block for block in foreign("yaml", "kubernetes") if "ConfigMap" in block.text])
def test_the_manifest_in_a_config_map_is_one(block: Block, tmp_path: Path) -> None:
    assert [entry.name for entry in loaded(manifest_of(block), tmp_path).entries] == ["API_TOKEN"]


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@named(blocks("ini"))
def test_a_unit_is_one(block: Block, tmp_path: Path) -> None:
    unit = tmp_path / "shop.service"
    program = shutil.which("true")
    text = re.sub(r"/usr/local/bin/\w+(-exec)?", str(program), block.text)

    def verified() -> tuple[int, str]:
        words = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    unit.write_text(text)
    assert verified() == (0, "")
    unit.write_text(text.replace("ExecStart", "ExecBegin"))
    assert "ExecBegin" in verified()[1]


# Manifests, against the emulator


@named([*blocks("toml", pages=[RECIPES]), *(one for one in blocks("yaml", pages=[RECIPES]) if "ConfigMap" in one.text)])
def test_a_manifest_brings_its_values(block: Block, launch: Any, tmp_path: Path) -> None:
    text = manifest_of(block) if block.info[0] == "yaml" else block.text
    text, folders = re.subn(r"/run/(secrets|kakaocloud|credentials/shop\.service)(?=/)", str(tmp_path), text)
    given = {"access_key_id": "fake-access-key-id", "secret_access_key": "fake-secret-access-key", "licence": "ours"}
    for name, value in given.items():
        (tmp_path / name).write_text(value)
    (tmp_path / "secrets.toml").write_text(text)
    environ = {"CREDENTIALS_DIRECTORY": str(tmp_path)}

    with Emulator(load_seed(EXAMPLES / "emulator" / "seed.toml")) as emulator:
        over = (EXAMPLES / "emulated.toml").read_text().replace(PORT_IN_OVERLAY, emulator.url)
        (tmp_path / "over.toml").write_text(over)
        manifests = ("-f", tmp_path / "secrets.toml", "-f", tmp_path / "over.toml")
        done = launch(*manifests, "--", "printenv", "API_TOKEN", *["LICENCE"] * ("LICENCE" in text), environ=environ)

    assert folders == 2
    assert (done.stderr, done.returncode) == (b"", 0)
    assert done.stdout.split() == [b"fake-api-token", *[b"ours"] * ("LICENCE" in text)]


# Command lines


def lists(value: Any) -> Iterator[list[str]]:
    """Every list of words that begins with the launcher, wherever it stands."""
    if isinstance(value, list) and value and str(value[0]).rpartition("/")[2] == "secrets-exec":
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from lists(one)


def command_lines() -> Iterator[tuple[str, list[str]]]:
    for block in [*foreign("yaml", "compose"), *foreign("yaml", "kubernetes")]:
        for document in yaml.safe_load_all(block.text):
            yield from ((str(block), words) for words in lists(document))
    for block in foreign("yaml", "workflow"):
        runs = re.findall(r"run: (secrets-exec .*)", block.text)
        yield from ((str(block), shlex.split(line.partition(" >")[0])) for line in runs)
    for block in blocks("ini"):
        runs = re.findall(r"^ExecStart=(.*)$", block.text, re.MULTILINE)
        yield from ((str(block), shlex.split(line)) for line in runs)
    for block in blocks("dockerfile"):
        runs = re.findall(r"^ENTRYPOINT (.*)$", block.text, re.MULTILINE)
        yield from ((str(block), json.loads(line)) for line in runs)
    for block in foreign("json", "vscode"):
        for one in [*(found := json.loads(block.text)).get("tasks", ()), *found.get("configurations", ())]:
            program, words = one.get("command", one.get("runtimeExecutable")), one.get("args", one.get("runtimeArgs"))
            yield from [(str(block), [program, *words])] if program else []


@pytest.mark.parametrize(("place", "words"), [pytest.param(*one, id=one[0]) for one in command_lines()])
def test_a_command_line_in_a_file_of_others_has_options_that_exist(place: str, words: list[str]) -> None:
    assert words[0].rpartition("/")[2] == "secrets-exec", place
    assert not_understood(words[1:]) == []


def test_no_block_of_the_recipes_is_left_out() -> None:
    read = {place for place, _words in command_lines()}
    found = blocks("yaml", "ini", "dockerfile", "json", pages=[RECIPES])

    assert [str(block) for block in found if "secrets-exec" in block.text and str(block) not in read] == []


# Scripts


def test_the_wrapper_of_lambda_hands_on_what_it_gets(tmp_path: Path) -> None:
    (block,) = [block for block in blocks("sh", pages=[RECIPES]) if block.text.startswith("#!")]
    (tmp_path / "value").write_text("from a file")
    (tmp_path / "secrets.toml").write_text('[secrets]\nVALUE = "file://value"\n')
    launcher = f"{sys.executable} -P -m envinject"
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(block.text.replace("/opt/secrets-exec", launcher))
    wrapper.chmod(0o755)
    code = "import os, sys; print([os.environ['VALUE'], *sys.argv[1:]])"
    given = ["a b", "", "$HOME", "--flag", "é"]

    done = subprocess.run(
        [str(wrapper), sys.executable, "-c", code, *given],
        env={"LAMBDA_TASK_ROOT": str(tmp_path), "PYTHONUTF8": "1"},
        capture_output=True,
        check=False,
    )

    assert (done.stdout.decode(), done.stderr, done.returncode) == (f"{['from a file', *given]}\n", b"", 0)
