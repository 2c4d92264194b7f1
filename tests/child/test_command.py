"""The command is found as execvp finds it, before anything is fetched; 127: it is not there, 126: it cannot run."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import Answer, Store, kakao_value

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def program() -> Callable[..., Path]:
    """Write a file that can be run, in the working folder or elsewhere."""

    def write(name: str, content: bytes | str = "#!/bin/sh\necho $0\n", mode: int = 0o755) -> Path:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def served(store: Callable[[Answer], Store], tmp_path: Path, launch: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command with a secret of a store; gives the store too, which may have been asked or not."""
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    server = store(lambda _: kakao_value('"hello"'))
    manifest = tmp_path / "served.toml"
    manifest.write_text(server.manifest('GREETING = "kakaocloud://1"'))

    def run(*command: str | Path, path: str | None = "unchanged") -> tuple[subprocess.CompletedProcess[bytes], Store]:
        environ = {} if path == "unchanged" else {"PATH": path}
        return launch("-f", manifest, "--", *command, environ=environ), server

    return run


def _asked_before_failing(done: subprocess.CompletedProcess[bytes], server: Store, code: int, words: bytes) -> bool:
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert words in done.stderr
    assert b"Traceback" not in done.stderr
    return bool(server.requests)


@pytest.mark.parametrize("command", ["no-such-command", "./no-such-command", "/no/such/command", "", "/bin/sh/x"])
def test_a_command_that_is_not_there_is_127_and_nothing_is_fetched(served: Any, command: str) -> None:
    assert not _asked_before_failing(*served(command), 127, b"command")


def test_a_name_longer_than_any_file_is_127(served: Any) -> None:
    assert not _asked_before_failing(*served("x" * 5000), 127, b"there is no command")


@pytest.mark.parametrize("named", ["./thing", "thing"], ids=["path", "PATH"])
def test_a_folder_is_126_and_nothing_is_fetched(served: Any, named: str) -> None:
    Path("thing").mkdir()
    assert not _asked_before_failing(*served(named, path=f".:{os.environ['PATH']}"), 126, b"it is a folder")


@pytest.mark.parametrize("named", ["./thing", "thing"], ids=["path", "PATH"])
def test_a_file_that_is_not_executable_is_126_and_nothing_is_fetched(
    served: Any, program: Callable[..., Path], named: str
) -> None:
    program("thing", mode=0o644)
    outcome = served(named, path=f".:{os.environ['PATH']}")
    assert not _asked_before_failing(*outcome, 126, b"it may not be run by this user")


@pytest.mark.parametrize(
    "first_line",
    [b"#!/no/such/interpreter", b"#! /no/such/interpreter -x", b"#!\t/no/such/interpreter", b"#!/etc", b"#!no-such"],
    ids=repr,
)
def test_a_script_whose_interpreter_is_missing_is_126_and_nothing_is_fetched(
    served: Any, program: Callable[..., Path], first_line: bytes
) -> None:
    program("script", first_line + b"\n")
    assert not _asked_before_failing(*served("./script"), 126, b"its interpreter")


def test_a_script_with_windows_line_ends_is_126_and_the_hint_says_so(served: Any, program: Callable[..., Path]) -> None:
    program("script", "#!/bin/sh\r\necho hello\r\n")
    assert not _asked_before_failing(*served("./script"), 126, b"save it with Unix line ends")


@pytest.mark.parametrize(
    "content",
    [b"\x01\x02\x03\0\xff" * 100, b"\x7fELF\x02\x01\x01" + bytes(100), b"MZ\0\0" * 50],
    ids=["binary garbage", "broken ELF", "of another system"],
)
def test_a_file_that_the_system_will_not_run_is_126(served: Any, program: Callable[..., Path], content: bytes) -> None:
    program("garbage", content)
    _asked_before_failing(*served("./garbage"), 126, b"the command cannot be run")


def test_a_program_whose_loader_is_missing_is_126(served: Any, program: Callable[..., Path]) -> None:
    """As a program for glibc is where there is only musl: the system says that a file is missing, not which."""
    content = Path(shutil.which("true") or "/bin/true").read_bytes()
    loader = content[content.index(b"/lib") :].partition(b"\0")[0]
    if not loader.startswith((b"/lib/ld", b"/lib64/ld")):
        pytest.skip("programs name no loader here")
    program("foreign", content.replace(loader, b"/x" + loader[2:], 1))
    _asked_before_failing(*served("./foreign"), 126, b"the program that loads or reads it is missing")


def test_a_command_that_goes_while_its_secrets_are_fetched_is_127(
    store: Callable[[Answer], Store], tmp_path: Path, launch: Run, program: Callable[..., Path]
) -> None:
    path = program("here-today")

    def answer(_: object) -> bytes:
        path.unlink()
        return kakao_value('"hello"')

    manifest = tmp_path / "served.toml"
    manifest.write_text(store(answer).manifest('GREETING = "kakaocloud://1"'))
    done = launch("-f", manifest, "--", "./here-today", environ={"KAKAOCLOUD_TOKEN": "token"})
    assert (done.returncode, done.stdout) == (127, b"")
    assert b"the command is gone" in done.stderr


# What runs


def _ran(launch: Run, literal: Path, *command: str, path: str | None) -> bytes:
    done = launch("-f", literal, "--", *command, environ={"PATH": path})
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_the_first_program_on_path_runs(launch: Run, literal: Path, program: Callable[..., Path]) -> None:
    program("one/tool", "#!/bin/sh\necho one\n")
    program("two/tool", "#!/bin/sh\necho two\n")
    assert _ran(launch, literal, "tool", path="nowhere:one:two") == b"one\n"


@pytest.mark.parametrize("path", [":{}", "{}:", "{}::/nowhere", ""], ids=["first", "last", "middle", "empty"])
def test_an_empty_part_of_path_is_the_working_folder(
    launch: Run, literal: Path, program: Callable[..., Path], path: str
) -> None:
    program("tool", "#!/bin/sh\necho here\n")
    assert _ran(launch, literal, "tool", path=path.format("/nowhere")) == b"here\n"


@pytest.mark.parametrize("obstacle", ["folder", "not executable", "dangling", "a file as folder"])
def test_what_cannot_run_does_not_end_the_search(
    launch: Run, literal: Path, program: Callable[..., Path], obstacle: str
) -> None:
    Path("one").mkdir()
    if obstacle == "folder":
        Path("one/tool").mkdir()
    elif obstacle == "not executable":
        program("one/tool", mode=0o644)
    elif obstacle == "dangling":
        Path("one/tool").symlink_to("nothing")
    else:
        Path("one").rmdir()
        Path("one").write_text("")
    program("two/tool", "#!/bin/sh\necho two\n")
    assert _ran(launch, literal, "tool", path="one:two") == b"two\n"


def test_without_path_the_systems_own_folders_are_searched(launch: Run, literal: Path) -> None:
    assert _ran(launch, literal, "true", path=None) == b""


@pytest.mark.parametrize("words", [[], ["--pristine"]], ids=["", "--pristine"])
def test_the_inherited_path_counts_and_not_the_childs(
    launch: Run, tmp_path: Path, program: Callable[..., Path], words: list[str]
) -> None:
    program("bin/tool", "#!/bin/sh\necho $PATH\n")
    manifest = tmp_path / "path.toml"
    manifest.write_text('[env]\nPATH = "/the/childs"\n[options]\nallow_names = ["PATH"]\n')
    done = launch("-f", manifest, *words, "--", "tool", environ={"PATH": "bin"})
    assert (done.returncode, done.stdout) == (0, b"/the/childs\n"), done.stderr


def test_a_word_with_a_slash_is_not_searched(launch: Run, literal: Path, program: Callable[..., Path]) -> None:
    program("bin/folder/tool")
    done = launch("-f", literal, "--", "folder/tool", environ={"PATH": "bin"})
    assert done.returncode == 127


def test_a_script_gets_the_path_that_was_found(launch: Run, literal: Path, program: Callable[..., Path]) -> None:
    program("bin/tool")
    assert _ran(launch, literal, "tool", path=f"{os.getcwd()}/bin") == f"{os.getcwd()}/bin/tool\n".encode()


@pytest.mark.parametrize("first_line", ["", "echo first\n", "#!\n", "#\n"], ids=repr)
def test_a_script_without_an_interpreter_is_run_by_the_shell(
    launch: Run, literal: Path, program: Callable[..., Path], first_line: str
) -> None:
    program("script", f'{first_line}echo "$GREETING" "$1" $$\nexit 7\n')
    process_id = "-c"
    done = launch("-f", literal, "--", "./script", "a  b", process_id)
    assert done.returncode == 7
    assert done.stdout.splitlines()[-1].startswith(b"hello a  b ")


def test_an_empty_file_is_run_by_the_shell(launch: Run, literal: Path, program: Callable[..., Path]) -> None:
    program("empty", b"")
    assert launch("-f", literal, "--", "./empty").returncode == 0


def test_an_interpreter_gets_its_argument(launch: Run, literal: Path, program: Callable[..., Path]) -> None:
    program("script", "#! /bin/sh -e\nfalse\necho never\n")
    done = launch("-f", literal, "--", "./script")
    assert (done.returncode, done.stdout) == (1, b"")


# What a user may not do


@pytest.mark.parametrize(("other", "code"), [("/bin", 0), ("/nowhere", 126)], ids=["found elsewhere", "nowhere else"])
def test_a_folder_that_may_not_be_searched_does_not_end_the_search(
    as_nobody: Run, open_folder: Path, other: str, code: int
) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    done = as_nobody("-f", "m.toml", "--", "true", environ={"PATH": f"{closed}:{other}"})
    assert done.returncode == code, done.stderr


def test_a_program_of_another_user_is_126(as_nobody: Run, open_folder: Path, program: Callable[..., Path]) -> None:
    tool = program(str(open_folder / "tool"), mode=0o700)
    done = as_nobody("-f", "m.toml", "--", str(tool))
    assert (done.returncode, done.stdout) == (126, b"")
    assert b"it may not be run by this user" in done.stderr


def test_a_program_that_can_be_run_but_not_read_runs(as_nobody: Run, open_folder: Path) -> None:
    tool = open_folder / "tool"
    shutil.copy(shutil.which("true") or "/bin/true", tool)
    tool.chmod(0o711)
    assert as_nobody("-f", "m.toml", "--", str(tool)).returncode == 0
