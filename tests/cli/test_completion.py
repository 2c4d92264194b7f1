"""Completion in real shells, as somebody types: commands, options, names of the manifest, and the wrapped command."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from launching import PATIENCE, eventually

from envinject.cli.commands import COMMANDS
from envinject.cli.completion import SHELLS, script
from envinject.cli.completion.zsh import _escaped
from envinject.manifest.names import names

Launch = Callable[..., "subprocess.CompletedProcess[bytes]"]

_BASH = """
PS1='ready> '; shopt -s checkwinsize
source {script}
dump() {{ printf %s "$READLINE_LINE" > dumped.new; mv dumped.new dumped; }}
bind -x '"\\C-xd": dump'
bind '"\\C-xa": insert-completions'
"""
_ZSH = """
PS1='ready> '; setopt no_beep; unsetopt auto_remove_slash
autoload -U compinit; compinit -u -D
source {script}
zstyle ':completion:*' completer _complete
everything() {{ _main_complete; compstate[insert]=all; compstate[list]= }}
zle -C everything complete-word everything
dump() {{ print -rn -- "$BUFFER" > dumped.new; mv dumped.new dumped }}
zle -N dump
bindkey '^Xa' everything
bindkey '^Xd' dump
"""
_MANIFEST = """
[providers.shop]
type = "ncloud"
[secrets]
DB_PASSWORD = "shop://1"
REDIS = { provider = "shop", id = "2", expand = true }
[env]
LEVEL = "x"
[profiles.prod]
[profiles.staging.env]
ONLY_HERE = "x"
"""


def _path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"


class Terminal:
    """An interactive shell that knows our completion; `completed` is the line that all candidates are put into."""

    def __init__(self, words: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 2000, 0, 0))
        environ = {**os.environ, "PATH": _path(), "TERM": "xterm", "INPUTRC": "/dev/null", "ZDOTDIR": os.getcwd()}
        self._shell = subprocess.Popen(
            words, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.seen = b""
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        try:
            while part := os.read(self._ours, 4096):
                self.seen += part
        except OSError:  # the shell has gone
            return

    def completed(self, line: str) -> str:
        eventually(lambda: b"ready> " in self.seen, "the shell is ready")
        os.write(self._ours, line.encode() + b"\x18a\x18d")
        eventually(lambda: Path("dumped").exists(), f"the line is there: {self.seen!r}")
        return Path("dumped").read_text()

    def end(self) -> None:
        self._shell.kill()
        self._shell.wait(PATIENCE)
        os.close(self._ours)


def _by_terminal(words: list[str], line: str) -> set[str]:
    terminal = Terminal(words)
    try:
        text = terminal.completed(line)
    finally:
        terminal.end()
    start = line.rpartition(" ")[0]
    assert text.startswith(start), (text, terminal.seen)
    return set(text[len(start) :].split())


def _bash(line: str) -> set[str]:
    Path("script").write_text(script("bash"))
    Path("rc").write_text(_BASH.format(script="./script"))
    return _by_terminal(["bash", "--noprofile", "--rcfile", "rc", "-i"], line)


def _zsh(line: str) -> set[str]:
    Path("script").write_text(script("zsh"))
    Path(".zshrc").write_text(_ZSH.format(script="./script"))
    return _by_terminal(["zsh", "-d", "-i"], line)


def _fish(line: str) -> set[str]:
    Path("script").write_text(script("fish"))
    command = ["fish", "--no-config", "-c", f"source ./script; complete -C {_quoted(line)}"]
    environ = {**os.environ, "PATH": _path()}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return {found.partition("\t")[0] for found in done.stdout.splitlines()}


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


Complete = Callable[[str], set[str]]


@pytest.fixture(params=SHELLS)
def complete(request: pytest.FixtureRequest) -> Complete:
    """What a shell makes of the last word of a line, in a folder with a manifest, another one, and a file."""
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param} here")
    Path("secrets.toml").write_text(_MANIFEST)
    Path("other.toml").write_text('[env]\nOTHER_NAME = "x"\n[profiles.elsewhere]\n')
    found: Complete = {"bash": _bash, "zsh": _zsh, "fish": _fish}[request.param]
    return found


CASES = {
    "a command": ("secrets-exec che", {"check"}),
    "the command run": ("secrets-exec ru", {"run"}),
    "a long option of run": ("secrets-exec --sup", {"--supervise"}),
    "an option of another command": ("secrets-exec check --fet", {"--fetch"}),
    "behind a value": ("secrets-exec plan -f other.toml --fet", {"--fetch"}),
    "behind a value that is joined": ("secrets-exec plan --manifest=other.toml --fet", {"--fetch"}),
    "behind an assignment": ("secrets-exec plan --set A=env://B --fet", {"--fetch"}),
    "an option that it has not": ("secrets-exec emulator --fet", set()),
    "a format": ("secrets-exec export --format ku", {"kubernetes"}),
    "a profile": ("secrets-exec -P pr", {"prod"}),
    "a profile of a long option": ("secrets-exec check --profile st", {"staging"}),
    "a profile of a manifest that is named": ("secrets-exec -f other.toml -P els", {"elsewhere"}),
    "a variable": ("secrets-exec plan --only DB", {"DB_PASSWORD"}),
    "a variable of a profile": ("secrets-exec plan -P staging --only ONLY", {"ONLY_HERE"}),
    "a variable of a manifest that is named": ("secrets-exec plan --manifest=other.toml --only OTH", {"OTHER_NAME"}),
    "a file": ("secrets-exec -f oth", {"other.toml"}),
    "a shell": ("secrets-exec completion zs", {"zsh"}),
    "a provider": ("secrets-exec get sho", {"shop://"}),
    "a file of the wrapped command": ("secrets-exec -f other.toml -- cat oth", {"other.toml"}),
    "and of one without dashes": ("secrets-exec -f other.toml cat oth", {"other.toml"}),
    "no option of ours behind it": ("secrets-exec -- cat --sup", set()),
}


@pytest.mark.parametrize(("line", "expected"), CASES.values(), ids=CASES)
def test_what_is_completed(complete: Complete, line: str, expected: set[str]) -> None:
    assert complete(line) in (expected, expected or {line.split()[-1]})


def test_all_commands_are_offered(complete: Complete) -> None:
    assert complete("secrets-exec ") >= COMMANDS.keys()


def test_all_formats_are_offered(complete: Complete) -> None:
    assert complete("secrets-exec export --format ") == {"dotenv", "json", "shell", "docker", "github", "kubernetes"}


def test_a_value_that_is_joined(complete: Complete) -> None:
    assert {word.removeprefix("--format=") for word in complete("secrets-exec export --format=ku")} == {"kubernetes"}


@pytest.mark.parametrize("line", ["secrets-exec -- printen", "secrets-exec run -f x printen"])
def test_a_program_is_completed_as_the_wrapped_command(complete: Complete, line: str) -> None:
    assert "printenv" in complete(line)


_COMPLETIONS = Path("/usr/share/bash-completion/bash_completion")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("secrets-exec -- printen", "printenv"),
        ("secrets-exec -f x -- cat oth", "other.toml"),
        ("secrets-exec che", "check"),
    ],
)
def test_with_bash_completion_a_program_has_its_own(line: str, expected: str) -> None:
    if not _COMPLETIONS.exists():
        pytest.skip("there is no bash-completion here")
    Path("other.toml").write_text("")
    Path("script").write_text(script("bash"))
    Path("rc").write_text(f"source {_COMPLETIONS}\n{_BASH.format(script='./script')}")
    assert expected in _by_terminal(["bash", "--noprofile", "--rcfile", "rc", "-i"], line)


@pytest.mark.parametrize("manifest", ["[secrets\n", None], ids=["broken", "missing"])
def test_a_manifest_that_cannot_be_read_completes_nothing(complete: Complete, manifest: str | None) -> None:
    Path("secrets.toml").unlink()
    if manifest is not None:
        Path("secrets.toml").write_text(manifest)
    assert complete("secrets-exec plan --only DB") <= {"DB"}


# The scripts


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_names_every_command_and_option(launch: Launch, shell: str) -> None:
    done = launch("completion", shell)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.isascii()
    for name, row in COMMANDS.items():
        assert name in text
        assert all((option.name if shell == "fish" else f"--{option.name}") in text for option in row.options)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "completion takes one SHELL"),
        (["bash", "zsh"], "completion takes one SHELL"),
        (["tcsh"], "it takes one of bash, zsh, fish"),
        (["--words", "secrets"], "it takes one of profiles, variables, providers"),
    ],
)
def test_what_is_no_shell_is_64(launch: Launch, words: list[str], told: str) -> None:
    done = launch("completion", *words)
    assert (done.returncode, done.stdout) == (64, b"")
    assert told in done.stderr.decode()


def test_help_is_escaped_for_zsh() -> None:
    assert _escaped(r"a [b]: c\d") == r"a \[b\]\: c\\d"


# Names


def test_words_are_the_manifests_names(launch: Launch) -> None:
    Path("secrets.toml").write_text(_MANIFEST)
    assert launch("completion", "--words", "profiles").stdout == b"prod\nstaging\n"
    assert launch("completion", "--words", "variables").stdout == b"DB_PASSWORD\nREDIS\nLEVEL\n"
    assert launch("completion", "--words", "providers").stdout.startswith(b"shop://\ndotenv://\n")


@pytest.mark.parametrize("words", [["-f", "missing.toml"], ["-f", "-"], ["-f", "broken.json"], ["-P", "none"]])
def test_words_fail_quietly(launch: Launch, words: list[str]) -> None:
    Path("broken.json").write_text("{")
    done = launch("completion", "--words", "profiles", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_manifest_with_mistakes_has_names_all_the_same() -> None:
    Path("m.toml").write_text(
        '[secrets]\nA = "nowhere://1"\nB = 3\n"a b" = "x"\n"$(id)" = "env://X"\n[profiles.p]\nx = 1\n'
    )
    found = names(["m.toml"])
    assert (found.variables, found.profiles) == (("A", "B"), ("p",))


def test_several_manifests_have_the_names_of_all() -> None:
    Path("a.toml").write_text('[env]\nA = "x"\n[profiles.p]\n')
    Path("b.yaml").write_text("env: {B: x}\nprofiles: {q: {env: {C: x, A: false}}}\n")
    assert names(["a.toml", "b.yaml"], "q").variables == ("B", "C")
    assert names(["a.toml", "b.yaml"]).profiles == ("p", "q")
