"""The commands: which there are, their help, and their refusals."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import LAUNCHER, PATIENCE

import envinject
from envinject.cli.commands import COMMANDS

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.mark.parametrize("word", ["--version", "-V"])
def test_version(launch: Launch, word: str) -> None:
    done = launch(word)
    assert (done.returncode, done.stdout) == (0, f"secrets-exec {envinject.__version__}\n".encode())


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_lists_every_command_and_has_examples(launch: Launch, word: str) -> None:
    done = launch(word)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert all(re.search(rf"^  {name} ", text, re.M) for name in COMMANDS)
    assert "secrets-exec -f secrets.toml -- gunicorn app:app" in text
    assert "SECRETS_EXEC_<OPTION>" in text


@pytest.mark.parametrize("word", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_names_every_option_of_it(launch: Launch, command: str, word: str) -> None:
    done = launch(command, word)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    for option in COMMANDS[command].options:
        assert all(flag in text for flag in option.flags)
    assert max(map(len, text.splitlines())) <= 80


def test_the_help_of_run_has_examples(launch: Launch) -> None:
    assert b"secrets-exec check --fetch" in launch("run", "--help").stdout


def test_help_behind_the_dashes_is_the_commands(launch: Launch, literal: Path) -> None:
    assert launch("-f", literal, "--", "printf", "%s", "--help").stdout == b"--help"


def test_no_words_at_all_are_64(launch: Launch) -> None:
    done = launch()
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"there is no command" in done.stderr


@pytest.mark.parametrize("words", [["run"], ["--"], ["run", "--"], ["-q"]], ids=" ".join)
def test_run_without_a_command_is_64(launch: Launch, literal: Path, words: list[str]) -> None:
    done = launch(*words, environ={"SECRETS_EXEC_MANIFEST": str(literal)})
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"there is no command to run" in done.stderr


@pytest.mark.parametrize("word", ["chekc", "inti", "imprt", "docter", "ls", ""])
def test_an_unknown_command_is_64_and_not_run(launch: Launch, word: str) -> None:
    done = launch(word)
    assert (done.returncode, done.stdout) == (64, b"")
    assert f"secrets-exec has no command '{word}'".encode() in done.stderr
    assert f"secrets-exec -- {word}".encode() in done.stderr


def test_a_near_command_is_suggested(launch: Launch) -> None:
    assert b"did you mean 'check'?" in launch("chekc").stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_program_of_a_commands_name_runs_behind_the_dashes(launch: Launch, literal: Path, command: str) -> None:
    program = Path("bin", command)
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho the program\n")
    program.chmod(0o755)
    done = launch("--", command, environ={"PATH": "bin:/bin", "SECRETS_EXEC_MANIFEST": str(literal)})
    assert done.stdout == b"the program\n"


# The emulator; what it serves is tested with it


def _announced(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    line: bytes = process.stdout.readline()
    return line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_emulator_tells_where_it_is_and_ends_well(number: signal.Signals) -> None:
    Path("seed.toml").write_text("")
    words = [*LAUNCHER, "emulator", "--seed", "seed.toml"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b" http://127.0.0.1:" in _announced(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ([], 64, "the emulator needs a seed"),
        (["--seed", "missing.toml"], 78, "cannot be read"),
        (["--seed", "wrong.toml"], 78, "kakaocloud.nonsense is unknown"),
        (["--seed", "seed.toml", "--port", "http"], 64, "--port does not take that"),
        (["--seed", "seed.toml", "--port", "65536"], 64, "--port does not take that"),
        (["--seed", "seed.toml", "--host", "192.0.2.1"], 71, "is not a loopback address"),
    ],
    ids=["no seed", "missing", "wrong", "no port", "large port", "foreign host"],
)
def test_an_emulator_that_cannot_start_says_why(launch: Launch, words: list[str], code: int, told: str) -> None:
    Path("seed.toml").write_text("")
    Path("wrong.toml").write_text("[kakaocloud]\nnonsense = 1\n")
    done = launch("emulator", *words)
    assert (done.returncode, done.stdout) == (code, b"")
    assert told.encode() in done.stderr
