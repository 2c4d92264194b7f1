"""The launcher needs no home, no rights, no writable disk and hardly a descriptor."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, NOBODY, TRANSPORTS, Answer, Store, Way, kakao_value, works

_GREET = ["/bin/sh", "-c", 'echo "$GREETING"']


def _greets(words: list[str], **how: Any) -> None:
    done = subprocess.run([*words, *_GREET], capture_output=True, timeout=60, check=False, **how)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@pytest.mark.parametrize("home", [None, "", "/nowhere", "relative"], ids=["none", "empty", "nowhere", "relative"])
def test_it_needs_no_home(way: Way, home: str | None) -> None:
    environ = {**os.environ, **way.environ, "HOME": home}
    _greets(way.words, env={name: value for name, value in environ.items() if value is not None})


def test_it_needs_no_environment_at_all(literal: Path) -> None:
    _greets([*LAUNCHER, "-f", str(literal), "--"], env={})


def test_it_runs_as_a_user_that_nobody_knows(as_nobody: Callable[..., subprocess.CompletedProcess[bytes]]) -> None:
    done = as_nobody("-f", "m.toml", "--", "/bin/sh", "-c", 'echo "$GREETING" $(id -u)')
    assert (done.returncode, done.stdout, done.stderr) == (0, f"hello {NOBODY}\n".encode(), b"")


def test_that_user_is_told_what_it_may_not_read(
    as_nobody: Callable[..., subprocess.CompletedProcess[bytes]], open_folder: Path
) -> None:
    (open_folder / "secret").touch(mode=0o600)
    done = as_nobody("-f", "m.toml", "--set", "X=file://secret", "--", "true")
    assert (done.returncode, done.stdout) == (77, b"")
    assert b"may not be read by this user" in done.stderr


def test_it_runs_where_nothing_can_be_written(way: Way) -> None:
    if not works(["unshare", "--mount", "mount", "-o", "remount,bind,ro", "/"]):
        pytest.skip("unshare --mount and a read-only root are not permitted here")
    script = 'mount -o remount,bind,ro / && ! touch /tmp/x 2>/dev/null && exec "$@"'
    words = ["unshare", "--mount", "/bin/sh", "-c", script, "sh", *way.words]
    _greets(words, env={**os.environ, **way.environ})


def test_it_runs_with_sixteen_descriptors(way: Way) -> None:
    limit = (16, 16)
    _greets(
        way.words,
        env={**os.environ, **way.environ},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, limit),
    )


def test_it_runs_in_a_folder_that_is_gone(way: Way, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def enter() -> None:
        os.chdir(gone)
        gone.rmdir()

    command = [*way.words, "printenv", "GREETING"]
    done = subprocess.run(
        command, env={**os.environ, **way.environ}, preexec_fn=enter, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--set", "X=env://HOME", "--", "printenv", "X"], 0, b""),
        (["--", "true"], 78, b"there is no manifest"),
        (["-f", "secrets.toml", "--", "true"], 78, b"there is no such manifest"),
        (["-f", "-", "--", "true"], 78, b"[cache] needs one key"),
    ],
    ids=["--set", "no manifest", "a relative manifest", "a cache in standard input"],
)
def test_in_a_folder_that_is_gone_words_come_out_as_ever(
    tmp_path: Path, words: list[str], code: int, said: bytes
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def enter() -> None:
        os.chdir(gone)
        gone.rmdir()

    cache = b'[cache]\npath = "x"\nkey_file = "y"\nkey_env = "Z"\n'
    done = subprocess.run(
        [*LAUNCHER, *words], preexec_fn=enter, input=cache, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert said in done.stderr


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sixty_secrets_need_no_more_than_sixteen_descriptors(
    transport: str, store: Callable[[Answer], Store], tmp_path: Path
) -> None:
    manifest = tmp_path / "sixty.toml"
    secrets = "\n".join(f'S{n} = "kakaocloud://{n}"' for n in range(60))
    manifest.write_text(store(lambda _: kakao_value('"x"')).manifest(secrets))
    done = subprocess.run(
        [*LAUNCHER, "-f", manifest, "--", "printenv", "S0", "S59"],
        env={**os.environ, "KAKAOCLOUD_TOKEN": "t", "SECRETS_EXEC_TRANSPORT": transport},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x\nx\n", b"")


def test_nothing_is_left_behind(way: Way, tmp_path: Path) -> None:
    def files() -> set[Path]:
        return {path for path in tmp_path.rglob("*") if path.is_file()}

    before = files()
    _greets(way.words, env={**os.environ, **way.environ, "TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert files() == before
