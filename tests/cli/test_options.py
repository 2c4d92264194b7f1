"""Every option works as a word and as SECRETS_EXEC_<OPTION>; what makes no sense is 64 and is never echoed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from launching import LAUNCHER, PATIENCE

from envinject.cli.commands import COMMANDS
from envinject.cli.options import COUNT, FLAG, MANY, RUN, TEXT, Option

OPTIONS = {option.name: option for row in COMMANDS.values() for option in row.options}
_CANARY = "hunter2-canary"

Done = subprocess.CompletedProcess[bytes]
Launch = Callable[..., Done]


class Example(NamedTuple):
    """What an option does, to be seen from outside: of `words`, with the option at `@`, `shows` is true only then."""

    words: str
    value: str
    shows: Callable[[Done], bool]
    environ: Mapping[str, str] = MappingProxyType({})


_RUN = "-f literal.toml @ -- env"
_PARENT = "-f literal.toml @ -- grep PPid /proc/self/status"
_CHECK = "check -f literal.toml @"
_CLOUD = "check --fetch -f elsewhere.toml @ --allow-endpoint secrets.example.test"


def _senseless(done: Done) -> bool:
    return done.returncode == 64 and b"does not take that" in done.stderr


def _has_a_parent_of_ours(done: Done) -> bool:
    return done.returncode == 0 and int(done.stdout.split()[1]) != os.getpid()


EXAMPLES = {
    "manifest": Example("@ -- env", "literal.toml", lambda done: b"GREETING=hello" in done.stdout),
    "profile": Example(_RUN, "prod", lambda done: b"there is no profile 'prod'" in done.stderr),
    "set": Example(_RUN, "MORE=env://HOME", lambda done: b"MORE=/" in done.stdout),
    "env-file": Example(_RUN, "more.env", lambda done: b"MORE=from a file" in done.stdout),
    "resolve-env": Example(
        _RUN, "", lambda done: b"THERE=from here" in done.stdout, {"THERE": "env://HERE", "HERE": "from here"}
    ),
    "only": Example(_RUN, "OTH*", lambda done: b"GREETING" not in done.stdout and b"OTHER=x" in done.stdout),
    "allow-endpoint": Example("check -f elsewhere.toml @", "secrets.example.test", lambda done: done.returncode == 0),
    "timeout": Example(_CHECK, "soon", _senseless),
    "concurrency": Example(_CHECK, "0", _senseless),
    "splay": Example("-v -f literal.toml @ -- env", "1ms", lambda done: b"waiting 0.0 s" in done.stderr),
    "quiet": Example("-f everybodys.toml @ -- true", "", lambda done: done.stderr == b""),
    "verbose": Example(_RUN, "", lambda done: b"set GREETING: 5 bytes" in done.stderr),
    "debug": Example(_RUN, "", lambda done: b"set GREETING: 5 bytes" in done.stderr),
    "log-format": Example("-f missing.toml @ -- true", "json", lambda done: done.stderr.startswith(b'{"level": "err')),
    "on-conflict": Example(_RUN, "keep", lambda done: b"GREETING=mine" in done.stdout, {"GREETING": "mine"}),
    "pristine": Example(_RUN, "", lambda done: b"HOME=" not in done.stdout),
    "preserve-env": Example(_RUN, "PA*", lambda done: b"HOME=" not in done.stdout and b"PATH=" in done.stdout),
    "dry-run": Example(_RUN, "", lambda done: b"would set GREETING" in done.stderr and not done.stdout),
    "supervise": Example(_PARENT, "", _has_a_parent_of_ours),
    "grace": Example(_PARENT, "10s", _has_a_parent_of_ours),
    "forward": Example(_PARENT, "child", _has_a_parent_of_ours),
    "pdeathsig": Example(_PARENT, "TERM", _has_a_parent_of_ours),
    "notify": Example(_PARENT, "", _has_a_parent_of_ours),
    "watch": Example(_RUN, "soon", _senseless),
    "on-change": Example("--watch 1h -f literal.toml @ -- env", "reload", _senseless),
    "mask": Example("--set SECRET=env://HOME @ -- printenv SECRET", "", lambda done: done.stdout == b"[SECRET]\n"),
    "timings": Example(_RUN, "t.png", _senseless),
    "offline": Example(_CLOUD, "", lambda done: done.returncode == 64 and b"--offline needs a cache" in done.stderr),
    "fetch": Example("check -f nowhere.toml @", "", lambda done: done.returncode == 66),
    "json": Example("plan -f literal.toml @", "", lambda done: done.stdout.startswith(b"{")),
    "format": Example("export -f literal.toml @", "json", lambda done: done.stdout.startswith(b"{")),
    "name": Example(
        "export -f literal.toml @ --format kubernetes", "shop", lambda done: b'name: "shop"' in done.stdout
    ),
    "words": Example("completion -f literal.toml @", "variables", lambda done: done.stdout == b"GREETING\nOTHER\n"),
    "from": Example("init @ --output -", "more.env", lambda done: b"MORE = " in done.stdout),
    "output": Example("init --from missing.env @", "x.yaml", lambda done: done.returncode == 64),
    "add-mask": Example(
        "export --set A=env://HOME --format github @",
        "",
        lambda done: done.stderr.startswith(b"::add-mask::/"),
        {"GITHUB_ACTIONS": "true"},
    ),
    "since": Example("plan -f literal.toml @", "earlier.json", lambda done: b"changes: 2" in done.stdout),
    "seed": Example("emulator @", "missing.toml", lambda done: done.returncode == 78),
    "port": Example("emulator --seed missing.toml @", "70000", _senseless),
}
SERVED = {"tls": "", "host": "127.0.0.9"}
"""Options that only an emulator that runs can show, and their values."""

SEEN = {"reveal"}
"""Options that only a terminal can show: in the tests of what they are for."""


@pytest.fixture
def observe(launch: Launch) -> Callable[..., Done]:
    """Run an example's words, with the option's words in their place, and with more in the environment."""
    Path("literal.toml").write_text('[env]\nGREETING = "hello"\nOTHER = "x"\n')
    Path("everybodys.toml").write_text('[env]\nGREETING = "hello"\n')
    Path("everybodys.toml").chmod(0o666)
    Path("more.env").write_text('MORE="from a file"\n')
    Path("nowhere.toml").write_text('[secrets]\nX = "file://nowhere"\n')
    Path("earlier.json").write_text('{"shape": 1, "variables": []}')
    Path("seed.toml").write_text("")
    Path("elsewhere.toml").write_text(
        '[providers.kakaocloud]\nendpoint = "https://secrets.example.test"\n[secrets]\nX = "kakaocloud://1"\n'
    )

    def run(example: Example, *option: str, **environ: str) -> Done:
        words = [word for part in example.words.split() for word in (option if part == "@" else [part])]
        return launch(*words, environ={**example.environ, **environ})

    return run


def _spelled(option: Option, value: str) -> list[list[str]]:
    if option.takes in (FLAG, COUNT):
        return [[flag] for flag in option.flags]
    return [[flag, value] for flag in option.flags] + [[f"{option.flags[-1]}={value}"]]


def test_every_option_of_the_table_has_an_example() -> None:
    assert EXAMPLES.keys() | SERVED.keys() | SEEN == OPTIONS.keys()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_option_works_as_a_word_and_as_a_variable(observe: Callable[..., Done], name: str) -> None:
    option, example = OPTIONS[name], EXAMPLES[name]
    assert not example.shows(observe(example)), "without the option"
    for words in _spelled(option, example.value):
        assert example.shows(done := observe(example, *words)), (words, done)
    variable = f"SECRETS_EXEC_{name.upper().replace('-', '_')}"
    assert example.shows(done := observe(example, **{variable: example.value or "1"})), (variable, done)


@pytest.mark.parametrize("way", ["word", "variable"])
@pytest.mark.parametrize(("name", "value"), SERVED.items())
def test_the_emulators_options_work_both_ways(way: str, name: str, value: str) -> None:
    Path("seed.toml").write_text("")
    word = [f"--{name}={value}"] if value else [f"--{name}"]
    variable = {f"SECRETS_EXEC_{name.upper()}": value or "1"}
    process = subprocess.Popen(
        [*LAUNCHER, "emulator", "--seed", "seed.toml", *(word if way == "word" else [])],
        env=os.environ | (variable if way == "variable" else {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout is not None
    address = process.stdout.readline().split()[1].decode()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    assert address.startswith("https://127.0.0.1:" if name == "tls" else "http://127.0.0.9:")
    assert process.returncode == 0


# Variables


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on"])
def test_these_words_switch_a_flag_on(launch: Launch, literal: Path, text: str) -> None:
    done = launch("-f", literal, "--", "env", environ={"SECRETS_EXEC_PRISTINE": text})
    assert b"HOME=" not in done.stdout


@pytest.mark.parametrize("text", ["", "0", "false", "no", "Off"])
def test_these_words_leave_a_flag_off(launch: Launch, literal: Path, text: str) -> None:
    done = launch("-f", literal, "--", "env", environ={"SECRETS_EXEC_PRISTINE": text})
    assert b"HOME=" in done.stdout


@pytest.mark.parametrize("name", [name for name, option in OPTIONS.items() if option.takes in (FLAG, COUNT)])
def test_any_other_word_for_a_flag_is_64_and_not_echoed(observe: Callable[..., Done], name: str) -> None:
    of = next(command for command, row in COMMANDS.items() if OPTIONS[name] in row.options)
    example = EXAMPLES.get(name, Example(f"{of} @", "", bool))
    variable = OPTIONS[name].variable
    done = observe(example, **{variable: _CANARY})
    assert (done.returncode, done.stdout) == (64, b"")
    assert f"{variable} is neither true nor false".encode() in done.stderr
    assert _CANARY.encode() not in done.stderr


@pytest.mark.parametrize("name", [name for name in EXAMPLES if OPTIONS[name].takes not in (FLAG, COUNT)])
def test_an_empty_variable_is_as_none(observe: Callable[..., Done], name: str) -> None:
    example = EXAMPLES[name]
    with_empty, without = observe(example, **{OPTIONS[name].variable: ""}), observe(example)
    assert (with_empty.returncode, with_empty.stdout) == (without.returncode, without.stdout)


@pytest.mark.parametrize("count", ["0", "1", "2", "9"])
def test_verbose_can_be_a_number(launch: Launch, literal: Path, count: str) -> None:
    done = launch("-f", literal, "--", "true", environ={"SECRETS_EXEC_VERBOSE": count})
    assert bool(done.stderr) == (count != "0")


def test_the_command_line_goes_over_the_variable(launch: Launch, literal: Path) -> None:
    environ = {"SECRETS_EXEC_MANIFEST": "missing.toml", "SECRETS_EXEC_ON_CONFLICT": "error", "GREETING": "mine"}
    done = launch("-f", literal, "--on-conflict", "keep", "--", "printenv", "GREETING", environ=environ)
    assert (done.returncode, done.stdout) == (0, b"mine\n")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("SECRETS_EXEC_MANIFEST", "literal.toml:second.toml"),
        ("SECRETS_EXEC_SET", "ONE=env://A\nTWO=env://B"),
        ("SECRETS_EXEC_ENV_FILE", "one.env:two.env"),
        ("SECRETS_EXEC_PRESERVE_ENV", "A,B"),
        ("SECRETS_EXEC_PRESERVE_ENV", "A  B"),
    ],
)
def test_a_variable_can_hold_several_values(launch: Launch, literal: Path, variable: str, text: str) -> None:
    Path("literal.toml").write_text('[env]\nONE = "a"\n')
    Path("second.toml").write_text('[env]\nTWO = "b"\n')
    Path("one.env").write_text("ONE=a\n")
    Path("two.env").write_text("TWO=b\n")
    words = [] if variable.endswith("MANIFEST") else ["-f", literal]
    command = ["sh", "-c", "echo ${ONE-$A} ${TWO-$B}"]
    path = os.environ["PATH"].split(":")[0]
    done = launch(*words, "--", *command, environ={variable: text, "A": "a", "B": "b", "PATH": f"/bin:{path}"})
    assert (done.returncode, done.stdout) == (0, b"a b\n"), done.stderr


def test_variables_of_options_that_a_command_has_not_are_left_alone(launch: Launch, literal: Path) -> None:
    environ = {"SECRETS_EXEC_DRY_RUN": "1", "SECRETS_EXEC_SOMETHING": "x", "SECRETS_EXEC_SEED": "x"}
    assert launch("check", "-f", literal, environ=environ).returncode == 0


# What makes no sense

_WRONG = {
    "mistyped": "--dryrun",
    "mistyped with a value": f"--passwrod={_CANARY}",
    "mistyped before a value": f"--passwrod {_CANARY}",
    "unknown short": f"-x{_CANARY}",
    "without its value": "--timeout",
    "a flag with a value": f"--pristine={_CANARY}",
    "too many dashes": f"---pristine={_CANARY}",
    "an abbreviation": "--pris",
    "of another command": "--fetch",
    "no duration": f"--timeout {_CANARY}",
    "empty duration": "--timeout=",
    "negative duration": "--timeout=-1s",
    "endless": "--timeout 9999h",
    "no count": f"-j {_CANARY}",
    "no count at all": "-j 0",
    "fraction": "-j 1.5",
    "not a digit of ours": "-j ٣",
    "too many": "-j 100000000000000000000",
    "no rule": f"--on-conflict {_CANARY}",
    "no format": f"--log-format {_CANARY}",
    "no assignment": f"--set {_CANARY}",
    "no reference": f"--set NAME={_CANARY}",
    "no name": f"--set 1X=env://{_CANARY}",
    "an inline value": f"--set PASSWORD=postgres//{_CANARY}",
    "matches nothing": f"--only {_CANARY}",
    "help after an option without its value": "--timeout --help",
}


@pytest.mark.parametrize("word", ["run", ""], ids=["run", "short"])
@pytest.mark.parametrize("wrong", _WRONG.values(), ids=_WRONG)
def test_a_wrong_option_is_64_not_echoed_and_nothing_runs(launch: Launch, literal: Path, wrong: str, word: str) -> None:
    done = launch(*word.split(), "-f", literal, *wrong.split(), "--", "touch", "started")
    assert (done.returncode, done.stdout) == (64, b"")
    assert not Path("started").exists()
    assert _CANARY.encode() not in done.stderr
    _assert_our_words(done.stderr)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "run"])
@pytest.mark.parametrize("wrong", ["--jsno", f"--jsno={_CANARY}", "-Z", f"{_CANARY} {_CANARY}", f"--quiet={_CANARY}"])
def test_so_it_is_for_the_other_commands(launch: Launch, command: str, wrong: str) -> None:
    done = launch(command, *wrong.split())
    assert (done.returncode, done.stdout) == (64, b"")
    assert _CANARY.encode() not in done.stderr
    _assert_our_words(done.stderr)


def _assert_our_words(err: bytes) -> None:
    lines = err.decode("ascii").splitlines()
    assert lines[0].startswith("secrets-exec: error: ")
    assert 1 <= len(lines) <= 3
    assert all(line.startswith(("  where: ", "  hint:  ")) for line in lines[1:])
    assert not any(click in err for click in (b"Usage:", b"Try '", b"Error:", b"No such option", b"Traceback"))


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("--dryrun", "--dry-run"), ("--manfest", "--manifest"), ("--log-fromat=json", "--log-format")],
)
def test_a_near_option_is_suggested(launch: Launch, literal: Path, wrong: str, near: str) -> None:
    err = launch("-f", literal, wrong, "--", "true").stderr.decode()
    assert f"there is no option {wrong.partition('=')[0]}\n" in err
    assert f"did you mean '{near}'?" in err


@pytest.mark.parametrize("option", [option for option in RUN if option.takes in (TEXT, MANY)], ids=lambda o: o.name)
def test_an_option_without_its_value_is_named(launch: Launch, option: Option) -> None:
    done = launch(*option.flags[:1])
    assert done.returncode == 64
    assert option.flags[-1].encode() in done.stderr or option.flags[0].encode() in done.stderr


# Messages


def test_messages_in_json_are_one_object_a_line(launch: Launch, literal: Path) -> None:
    done = launch("-f", literal, "--log-format", "json", "-vv", "--", "true")
    messages = [json.loads(line) for line in done.stderr.splitlines()]
    assert {"level": "info", "message": f"set OTHER: 1 byte from {literal}:3, env.OTHER"} in messages


@pytest.mark.parametrize("words", [["--log-format", "json"], ["--log-format=json"]], ids=["two words", "one"])
@pytest.mark.parametrize("wrong", ["--nonsense", "--timeout=soon", "-f missing.json"])
def test_errors_of_the_command_line_are_json_too(launch: Launch, words: list[str], wrong: str) -> None:
    done = launch(*wrong.split(), *words, "--", "true")
    (message,) = [json.loads(line) for line in done.stderr.splitlines()]
    assert message["level"] == "error"
    assert message["exit_code"] == done.returncode
    assert set(message) <= {"level", "message", "where", "hint", "exit_code"}


def test_that_a_command_has_such_words_makes_no_difference(launch: Launch) -> None:
    done = launch("-f", "missing.toml", "--", "tool", "--log-format=json", "--debug")
    assert done.stderr.startswith(b"secrets-exec: error: ")


def test_quiet_goes_over_verbose_and_errors_are_told_all_the_same(launch: Launch, literal: Path) -> None:
    assert launch("-f", literal, "-q", "-vv", "--", "true").stderr == b""
    assert b"there is no such manifest" in launch("-f", "missing.toml", "-q", "--", "true").stderr
    assert b"would set GREETING" in launch("-f", literal, "-q", "--dry-run").stderr


def test_messages_are_printable_whatever_is_named(launch: Launch) -> None:
    names: list[Any] = ["\x1b[2Jmissing.toml", "\u202e값.toml", b"\xff\xfe.toml", "line\nbreak.toml"]
    for name in names:
        err = launch("-f", name, "--", "true").stderr.decode("ascii")
        assert all(line.isprintable() for line in err.splitlines())
        assert len(err.splitlines()) == 3
