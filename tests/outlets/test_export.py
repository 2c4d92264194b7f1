"""Values for other programs: each format is read back by its reader, byte for byte, or refuses what it cannot hold."""

from __future__ import annotations

import base64
import io
import json
import os
import pty
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from dotenv.parser import parse_stream
from hypothesis import example, given, settings
from hypothesis import strategies as st
from launching import LAUNCHER, PATIENCE, seen_through

from envinject.cli.options import EXPORT
from envinject.errors import BadValue, Failures
from envinject.inject import Injection
from envinject.manifest import Literal
from envinject.manifest.document import Document, Node
from envinject.outlets.export import masks, written
from envinject.outlets.formats import FORMATS, is_secret_name
from envinject.secret import Secret

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

AWKWARD = {
    "plain": "hunter2",
    "empty": "",
    "blank": "  \t ",
    "single quotes": "it's 'x' ''",
    "double quotes": 'a "b" ""',
    "both quotes": """'"'"'""",
    "quotes at its ends": "'x'",
    "backslashes": r"a\b\\c\n\'\"",
    "a backslash at its end": "C:\\",
    "two at its end": "C:\\\\",
    "a backslash and a quote": "\\'",
    "a line end": "x\n",
    "several": "\n\na\n\n",
    "carriage returns": "a\rb\r\nc\r",
    "PEM": "-----BEGIN KEY-----\nMIIB+/==\n-----END KEY-----\n",
    "dollars": "$HOME $(id) `id` $$ ${",
    "a comment": "a # b #c",
    "begins as one": "#abc",
    "equals": "a=b==",
    "export": "export X=1",
    "JSON": '{"a": "b\\n"}',
    "percent": "%0A%d%%",
    "history": "wow!! !x",
    "glob": "* ? [a] ~ {a,b}",
    "operators": "a;b&c|d>e<f(g)",
    "unicode": "값 é \U0001f511 \u202e",
    "line ends of Unicode": "a\u2028b\x85c\x0bd\x0ce",
    "a mark": "\ufeffx",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "a delimiter": "EOF\nX<<EOF\nEOF",
    "a command to the runner": "::set-env name=X::y\n::stop-commands::z",
    "spaces around": "  x  ",
}
REFERENCE = "${HOME} ${x:-y}"
BINARY = bytes(range(1, 256)) + b"\xff\xfe'\xe2'\xf0\x9f"


def injection(name: str, value: bytes, *, is_secret: bool = True) -> Injection:
    node = Node("", Document("m.toml", "/", lambda _path: None), ("env", name))
    return Injection(name, Secret(value), Literal(name, Secret(value), node), is_secret=is_secret)


def exported(form: str, values: Mapping[str, bytes], **how: Any) -> bytes:
    return written([injection(name, value) for name, value in values.items()], form, **how).reveal()


def named(values: Mapping[str, str]) -> dict[str, bytes]:
    """The same values under names that variables can have, in pairs, so that one can spoil the next."""
    return {f"{half}_{number}": value.encode() for number, value in enumerate(values.values()) for half in ("A", "B")}


def refusals(form: str, values: Mapping[str, bytes]) -> list[str]:
    with pytest.raises(Failures) as caught:
        exported(form, values)
    assert {error.exit_code for error in caught.value.errors} == {65}
    assert all(error.hint for error in caught.value.errors)
    assert all(name in error.where for name, error in zip(values, caught.value.errors, strict=False))
    return [error.what for error in caught.value.errors]


# dotenv


def dotenv_of(data: bytes, folder: Path, *, interpolate: bool) -> dict[str, str | None]:
    path = folder / "exported.env"
    path.write_bytes(data)
    return dotenv_values(path, interpolate=interpolate, encoding="utf-8")


@pytest.mark.parametrize("interpolate", [True, False])
def test_python_dotenv_reads_every_value_back(tmp_path: Path, interpolate: bool) -> None:
    values = named(AWKWARD)
    found = dotenv_of(exported("dotenv", values), tmp_path, interpolate=interpolate)
    assert {name: (value or "").encode() for name, value in found.items()} == values


texts = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("'\"\\\n\r #=$`")), max_size=12)


@settings(deadline=None)
@given(first=texts, second=texts)
@example(first="\\'", second="'")
def test_so_it_is_for_any_text(first: str, second: str) -> None:
    values = {"A": first.replace("${", "").replace("\0", ""), "B": second.replace("${", "").replace("\0", "")}
    data = exported("dotenv", {name: value.encode() for name, value in values.items()}).decode()
    bindings = list(parse_stream(io.StringIO(data, newline=None)))
    assert not any(binding.error for binding in bindings)
    assert {binding.key: binding.value for binding in bindings} == values


def test_our_own_provider_reads_it_too(launch: Launch, manifest: Callable[..., Path]) -> None:
    values = named({name: text for name, text in AWKWARD.items() if "\0" not in text})
    path = manifest("", "x.env")
    path.write_bytes(exported("dotenv", values))
    done = launch("--env-file", path, "--pristine", "--", "env", "-0")
    pairs = dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if pair)
    assert {name.decode(): value for name, value in pairs.items()} == values


def test_dotenv_refuses_what_its_readers_replace() -> None:
    (what, other) = refusals("dotenv", {"A": REFERENCE.encode(), "B": BINARY})
    assert what == "dotenv cannot hold A: readers put a variable in place of '${...}', and no quotes prevent that"
    assert other == "dotenv cannot hold B: it is not UTF-8 text"


# json


def test_json_is_one_object() -> None:
    values = named(AWKWARD | {"reference": REFERENCE})
    found = json.loads(exported("json", values))
    assert {name: value.encode() for name, value in found.items()} == values
    assert refusals("json", {"A": BINARY}) == ["json cannot hold A: it is not UTF-8 text"]


# shell

SHELLS = ["sh", "bash", "dash", "zsh", "ksh", "busybox sh"]


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_real_shell_reads_every_value_back(shell: str, locale: str) -> None:
    words = shell.split()
    if not shutil.which(words[0]):
        pytest.skip(f"there is no {words[0]} here")
    values = named(AWKWARD | {"reference": REFERENCE}) | {"BINARY": BINARY, "AFTER": b"x"}
    Path("exported").write_bytes(exported("shell", values))
    script = 'eval "$(cat exported)" && exec env -0'
    environ = {"PATH": os.environ["PATH"], "LC_ALL": locale}
    done = subprocess.run([*words, "-c", script], env=environ, capture_output=True, timeout=PATIENCE, check=True)
    pairs = dict(pair.split(b"=", 1) for pair in done.stdout.split(b"\0") if pair)
    assert {name: pairs.get(name.encode()) for name in values} == values
    assert done.stderr == b""


def test_a_shell_evaluates_what_the_command_writes(manifest: Callable[..., Path]) -> None:
    path = manifest(f"[env]\nA = {json.dumps(AWKWARD['PEM'])}\n")
    script = f'eval "$({" ".join(LAUNCHER)} export -f {path} --format shell)"; printf %s "$A"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, timeout=PATIENCE, check=True)
    assert done.stdout.decode() == AWKWARD["PEM"]


# docker


def docker_of(data: bytes) -> dict[str, str]:
    """As docker/cli reads an env-file (pkg/kvfile): lines without their end, blanks at their front left out."""
    found = {}
    for line in data.split(b"\n"):
        assert len(line) < 65536
        text = line.removesuffix(b"\r").decode().lstrip(" \t")
        if text and not text.startswith("#"):
            name, _, value = text.partition("=")
            found[name] = value
    return found


def test_dockers_rules_give_every_value_of_one_line_back() -> None:
    values = named({name: text for name, text in AWKWARD.items() if "\n" not in text and "\r" not in text})
    values["LONG"] = b"x" * (65535 - len("LONG="))
    found = docker_of(exported("docker", values))
    assert {name: value.encode() for name, value in found.items()} == values


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"a\nb", "it has more than one line"),
        (b"a\n", "it has more than one line"),
        (b"a\r", "it has more than one line"),
        (BINARY, "it is not UTF-8 text"),
        (b"x" * 65535, "a line may have 65535 bytes"),
    ],
)
def test_docker_refuses_what_no_line_holds(value: bytes, why: str) -> None:
    assert refusals("docker", {"A": value}) == [f"docker cannot hold A: {why}"]


# github


def runner_of(data: bytes) -> dict[str, bytes]:
    """As GitHub's runner reads $GITHUB_ENV: a line NAME<<END, then everything up to a line END."""
    found, left = {}, data
    while left:
        head, _, left = left.partition(b"\n")
        name, _, end = head.partition(b"<<")
        lines = []
        while True:
            line, newline, left = left.partition(b"\n")
            assert newline, "no line ends the value"
            if line == end:
                break
            lines.append(line)
        found[name.decode()] = b"\n".join(lines)
    return found


def test_githubs_runner_reads_every_value_back() -> None:
    values = named(AWKWARD | {"reference": REFERENCE})
    assert runner_of(exported("github", values)) == values


def test_what_ends_a_value_is_random() -> None:
    ends = {exported("github", {"A": b"x"}).split(b"\n")[0] for _ in range(8)}
    assert len(ends) == 8
    assert all(len(end) > 30 for end in ends)


@pytest.mark.parametrize("name", ["NODE_OPTIONS", "GITHUB_TOKEN", "RUNNER_TEMP"])
def test_names_that_the_runner_refuses_are_told(name: str) -> None:
    assert refusals("github", {name: b"x"}) == [
        f"github cannot hold {name}: the runner lets nobody set a variable of this name"
    ]


def test_masks_are_escaped_as_the_runner_expects_and_only_of_secrets() -> None:
    made = [
        injection("A", b"50%\r\nx"),
        injection("B", b" \n"),
        injection("C", b"literal", is_secret=False),
        injection("D", b"50%\r\nx"),
    ]
    assert masks(made).reveal() == b"::add-mask::50%25%0D%0Ax\n"


SECRET = ["--set", "TOKEN=env://GIVEN"]


def test_masks_go_to_standard_error_in_a_step_of_github(launch: Launch) -> None:
    environ = {"GIVEN": "hunter2", "GITHUB_ACTIONS": "true"}
    done = launch("export", *SECRET, "--format", "github", "--add-mask", environ=environ)
    assert (done.returncode, done.stderr) == (0, b"::add-mask::hunter2\n")
    assert runner_of(done.stdout) == {"TOKEN": b"hunter2"}


def test_without_them_a_step_is_warned(launch: Launch) -> None:
    environ = {"GIVEN": "hunter2", "GITHUB_ACTIONS": "true"}
    done = launch("export", *SECRET, "--format", "github", environ=environ)
    assert done.returncode == 0
    assert b"--add-mask hides them" in done.stderr
    assert b"hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("form", "environ"),
    [("github", {}), ("json", {"GITHUB_ACTIONS": "true"}), ("github", {"GITHUB_ACTIONS": "1"})],
    ids=["elsewhere", "another format", "nearly"],
)
def test_nowhere_else(launch: Launch, form: str, environ: dict[str, str]) -> None:
    done = launch("export", *SECRET, "--format", form, "--add-mask", environ={"GIVEN": "hunter2", **environ})
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"hunter2" not in done.stderr


def test_masks_that_cannot_be_written_stop_the_export() -> None:
    words = [*LAUNCHER, "export", *SECRET, "--format", "github", "--add-mask"]
    environ = {**os.environ, "GIVEN": "hunter2", "GITHUB_ACTIONS": "true"}
    with open("/dev/full", "wb") as full:
        done = subprocess.run(words, env=environ, stdout=subprocess.PIPE, stderr=full, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (71, b"")


# kubernetes


def test_a_secret_of_kubernetes_holds_any_bytes() -> None:
    values = named(AWKWARD | {"reference": REFERENCE}) | {"BINARY": BINARY, "NO": b"x", "null": b"", "Y": b"1"}
    found = yaml.safe_load(exported("kubernetes", values, name="shop.prod"))
    assert found.pop("metadata") == {"name": "shop.prod"}
    data = found.pop("data")
    assert found == {"apiVersion": "v1", "kind": "Secret", "type": "Opaque"}
    assert {name: base64.b64decode(value, validate=True) for name, value in data.items()} == values


def test_kubernetes_refuses_what_is_too_large_together() -> None:
    values = {f"A{n}": b"x" * 100_000 for n in range(10)}
    with pytest.raises(BadValue, match="kubernetes cannot hold") as caught:
        exported("kubernetes", values)
    assert "A0: 100000 bytes" in caught.value.where


@pytest.mark.parametrize("name", ["a", "shop-1", "a.b-c.d", "1"])
def test_names_of_a_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", "é", "a b", 'a"\nx: "', "x" * 254])
def test_what_is_no_name_of_a_secret_is_64(launch: Launch, name: str) -> None:
    assert not is_secret_name(name)
    if name:
        done = launch("export", *SECRET, "--format", "kubernetes", "--name", name, environ={"GIVEN": "x"})
        assert (done.returncode, done.stdout) == (64, b"")


def test_nothing_at_all_is_an_empty_secret() -> None:
    assert yaml.safe_load(exported("kubernetes", {}))["data"] == {}
    assert all(isinstance(exported(form, {}), bytes) for form in FORMATS)


# What is exported


def test_every_format_is_an_option() -> None:
    (option,) = [option for option in EXPORT if option.name == "format"]
    assert list(option.choices) == list(FORMATS)
    assert all(form in option.help for form in FORMATS)


def exported_names(done: subprocess.CompletedProcess[bytes]) -> dict[str, str]:
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_what_the_manifest_makes_and_nothing_that_is_inherited(launch: Launch, manifest: Callable[..., Path]) -> None:
    path = manifest(
        '[secrets]\nA = "env://GIVEN"\nGONE = { provider = "env", id = "NOT_THERE", required = false }\n'
        'O = { provider = "env", id = "OBJECT", expand = true }\n[env]\nB = "b"\nC = { template = "${A}-${B}" }\n'
        '[profiles.p]\nenv.B = "of p"\noptions.export_profile = "PROFILE"\n'
    )
    environ = {"GIVEN": "given", "OBJECT": '{"x": 1, "y": "two"}'}
    done = launch("export", "-f", path, "-P", "p", "--format", "json", environ=environ)
    assert exported_names(done) == {
        "A": "given",
        "O_X": "1",
        "O_Y": "two",
        "B": "of p",
        "PROFILE": "p",
        "C": "given-of p",
    }
    assert done.stderr == b""


def test_an_inherited_variable_changes_nothing(launch: Launch, manifest: Callable[..., Path]) -> None:
    path = manifest('[env]\nA = "ours"\n[options]\non_conflict = "keep"\n')
    done = launch("export", "-f", path, "--format", "json", environ={"A": "theirs"})
    assert exported_names(done) == {"A": "ours"}


def test_all_the_ways_to_say_what_is_wanted(launch: Launch, manifest: Callable[..., Path]) -> None:
    path = manifest('[env]\nA = "a"\nB = "b"\n')
    env_file = manifest("C='c'\n", "x.env")
    words = ["-f", path, "--env-file", env_file, "--set", "D=env://GIVEN", "--only", "[B-D]"]
    done = launch("export", *words, "--format", "json", environ={"GIVEN": "d"})
    assert exported_names(done) == {"B": "b", "C": "c", "D": "d"}


def test_every_problem_is_told_before_anything_is_written(launch: Launch, manifest: Callable[..., Path]) -> None:
    path = manifest('[env]\nA = "a"\nB = "b\\n"\nC = "c\\r"\n')
    done = launch("export", "-f", path, "--format", "docker")
    assert (done.returncode, done.stdout) == (65, b"")
    assert done.stderr.count(b"it has more than one line") == 2
    assert b"these formats can: dotenv, json, shell, github, kubernetes" in done.stderr
    assert f"B, {path}:3, env.B".encode() in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 64, b"--format takes one of dotenv, json, shell, docker, github, kubernetes"),
        (["--format", "xml"], 64, b"--format does not take that"),
        (["--format", "json", "--name", "x"], 64, b"--name is for --format kubernetes"),
        (["--format", "json", "--only", "Z*"], 64, b"--only matches nothing"),
        (["--format", "json", "more"], 64, b"the command line makes no sense"),
        (["--format", "json", "-f", "missing.toml"], 78, b"there is no such manifest"),
        (["--format", "json", "--set", "A=env://NOT_THERE"], 66, b"no variable NOT_THERE"),
        (["--format", "json", "--set", "A=env://GIVEN#key"], 65, b"no key 'key' can be in this secret"),
    ],
)
def test_what_is_wrong_has_the_codes_of_run(
    launch: Launch, manifest: Callable[..., Path], words: list[str], code: int, told: bytes
) -> None:
    path = manifest('[env]\nA = "a"\n')
    done = launch("export", "-f", path, *words, environ={"GIVEN": "hunter2"})
    assert (done.returncode, done.stdout) == (code, b"")
    assert told in done.stderr
    assert b"hunter2" not in done.stderr


# A terminal


def on_terminal(*words: str, **environ: str) -> tuple[int, bytes, bytes]:
    """The launcher with a terminal as its standard output: its exit code, what is seen there, and its errors."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*LAUNCHER, *words], env={**os.environ, **environ}, stdout=theirs, stderr=subprocess.PIPE
    )
    os.close(theirs)
    seen = seen_through(ours)
    _, err = process.communicate(timeout=PATIENCE)
    return process.returncode, seen, err


@pytest.mark.parametrize(
    "words", [["export", *SECRET, "--format", "shell"], ["get", "env://GIVEN"]], ids=["export", "get"]
)
def test_a_terminal_is_shown_nothing_unless_asked(words: list[str]) -> None:
    code, seen, err = on_terminal(*words, GIVEN="hunter2")
    assert (code, seen) == (64, b"")
    assert b"standard output is a terminal" in err
    assert b"--reveal" in err
    for how in ((["--reveal"], {}), ([], {"SECRETS_EXEC_REVEAL": "1"})):
        code, seen, err = on_terminal(*words, *how[0], GIVEN="hunter2", **how[1])
        assert (code, err) == (0, b"")
        assert b"hunter2" in seen


def test_a_pipe_that_nobody_reads_is_no_error_of_ours() -> None:
    words = [*LAUNCHER, "export", "--set", "A=env://GIVEN", "--format", "json"]
    with subprocess.Popen(words, env={**os.environ, "GIVEN": "x" * 100_000}, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(PATIENCE) == -13


def test_standard_output_that_is_full_is_71() -> None:
    with open("/dev/full", "wb") as full:
        words = [*LAUNCHER, "get", "env://GIVEN"]
        done = subprocess.run(
            words, env={**os.environ, "GIVEN": "hunter2"}, stdout=full, stderr=subprocess.PIPE, timeout=PATIENCE
        )
    assert done.returncode == 71
    assert b"hunter2" not in done.stderr
