"""`file = "tmpfs"`: files with names, for commands whose children close descriptors; removed when nobody needs them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from launching import LAUNCHER, NOBODY, PATIENCE, Answer, Store, eventually, memory_of, works

from envinject.child import tmpfs

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervising needs Linux")

VALUE = b"canary-4f77\0\xff\n" * 3
PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
MOUNTS = ["unshare", "--mount", "/bin/sh", "-ec"]
KEY = 'KEY = { provider = "file", id = "key", as = "file", file = "tmpfs" }'

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(autouse=True)
def source() -> None:
    Path("key").write_bytes(VALUE)


def filed(secrets: str = KEY, *options: str, more: str = "") -> list[str]:
    """The words up to the command."""
    Path("m.toml").write_text(f"[secrets]\n{secrets}\n{more}")
    return [*LAUNCHER, "--supervise", *options, "-f", "m.toml", "--"]


def run(words: Sequence[str], script: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    settings = {"capture_output": True, "timeout": PATIENCE, "check": False, **how}
    return subprocess.run([*words, "/bin/sh", "-c", script], **settings)


class Running:
    """A command that has told where its file is, and stays until it is ended."""

    def __init__(self, start: Start, words: Sequence[str], script: str = "") -> None:
        script = f"{script} echo $$ $KEY; while :; do sleep 0.02; done"
        self.process = start([*words, "/bin/sh", "-c", script])
        assert self.process.stdout is not None
        pid, path = self.process.stdout.readline().split()
        self.pid, self.path = int(pid), Path(path.decode())

    @property
    def folder(self) -> Path:
        return self.path.parent


# What it is


def test_the_content_is_the_value_byte_for_byte_also_for_children_that_close_descriptors() -> None:
    code = "import os, subprocess; subprocess.run(['cat', os.environ['KEY']], close_fds=True)"
    done = subprocess.run([*filed(), sys.executable, "-I", "-c", code], capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, VALUE, b"")


def test_it_is_the_owners_to_read_in_a_private_folder_in_memory() -> None:
    code = """
import os
path = os.environ["KEY"]
folder = os.stat(os.path.dirname(path))
print(oct(os.stat(path).st_mode & 0o7777), oct(folder.st_mode & 0o7777), folder.st_uid == os.geteuid())
print(os.path.basename(path), os.listdir(os.path.dirname(path)), f"{os.major(folder.st_dev)}:{os.minor(folder.st_dev)}")
"""
    words = [*filed(), sys.executable, "-I", "-c", code]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, preexec_fn=lambda: os.umask(0o777))
    first, second = done.stdout.decode().splitlines()
    assert first == "0o400 0o700 True"
    assert second.startswith("KEY ['KEY'] ")
    (mount, *_) = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if second.split()[2] in line]
    assert " - tmpfs " in mount


def test_mode_and_name_are_as_set_and_several_lie_in_one_folder() -> None:
    secret = KEY.replace("file =", 'mode = "0640", name = "a key.pem", file =')
    other = KEY.replace("KEY", "B")
    done = run(filed(f"{secret}\n{other}"), 'stat -c "%a %n" "$KEY" "$B"; ls "${KEY%/*}"')
    lines = done.stdout.decode().splitlines()
    folder = os.path.dirname(lines[1].split(" ", 1)[1])
    assert lines == [f"640 {folder}/a key.pem", f"400 {folder}/B", "B", "a key.pem"]


@pytest.mark.parametrize(
    ("mode", "folder", "outcome"), [("0400", 0o700, "denied"), ("0440", 0o710, "denied"), ("0444", 0o711, "read")]
)
@pytest.mark.parametrize("kind", ["memfd", "tmpfs"])
def test_a_mode_for_others_lets_a_program_read_that_has_changed_its_user(
    kind: str, mode: str, folder: int, outcome: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can change its user")
    code = f"""
import os
path = os.environ["KEY"]
print(oct(os.stat(os.path.dirname(path)).st_mode & 0o777))
os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
try:
    print("read" if open(path, "rb").read() == {VALUE!r} else "wrong")
except PermissionError:
    print("denied")
"""
    secret = KEY.replace('"tmpfs"', f'"{kind}", mode = "{mode}"')
    words = [*filed(secret), sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
    told = done.stdout.decode().split()
    assert told[1:] == [outcome], done.stderr
    assert kind == "memfd" or told[0] == oct(folder)


def test_both_kinds_of_file_and_variables_can_be_had_at_once() -> None:
    secrets = f'{KEY}\nM = {{ provider = "file", id = "key", as = "file" }}\nV = {{ provider = "env", id = "X" }}'
    done = run(filed(secrets), 'cmp "$KEY" "$M" && echo "$V"', env={**os.environ, "X": "x"})
    assert (done.returncode, done.stdout) == (0, b"x\n")


def test_an_optional_one_that_is_not_found_leaves_nothing() -> None:
    secret = KEY.replace('"key"', '"missing", required = false')
    assert run(filed(secret), 'echo "${KEY-unset}"').stdout == b"unset\n"


def _is_held(what: bytes, pid: int) -> bool:
    """Whether a process has that in its memory; not yet where it becomes another program at this moment."""
    try:
        return what in memory_of(pid)
    except OSError:
        return False


def test_the_parent_knows_where_they_are_and_not_what_is_in_them(start: Start) -> None:
    running = Running(start, filed())
    folder = os.fsencode(running.folder)
    eventually(lambda: _is_held(folder, running.process.pid), "it has heard of the folder")
    assert b"canary-4f77" not in memory_of(running.process.pid)


# Without a parent


@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["run", "dry run"])
def test_without_a_parent_it_is_64_before_anything_is_fetched_and_told_with_all_else(
    store: Callable[[Answer], Store], options: list[str]
) -> None:
    asked = store(lambda _: None)
    secrets = 'A = { provider = "kakaocloud", id = "1", as = "file", file = "tmpfs" }\nB = "kakaocloud://2"'
    Path("m.toml").write_text(asked.manifest(secrets))
    words = [*LAUNCHER, *options, "-f", "m.toml", "--", "no-such-command"]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (64, b"")
    assert b"error: files on a tmpfs need a parent that removes them\n  where: A, m.toml:5\n" in done.stderr
    assert b"--supervise" in done.stderr
    assert b"no-such-command" in done.stderr
    assert asked.requests == []


@pytest.mark.parametrize("option", [["--mask"], ["--grace", "1s"], ["--watch", "1h"]], ids=" ".join)
def test_every_option_that_means_a_parent_will_do(option: list[str]) -> None:
    words = [word for word in filed(KEY, *option) if word != "--supervise"]
    assert run(words, 'test -s "$KEY"').returncode == 0


# Removed


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 7", 7), ("kill -KILL $$", 137), ("kill -INT $$", 130), ("sleep 100 & exit 0", 0)],
)
@pytest.mark.parametrize("prefix", [[], PID_1], ids=["a process", "process 1"])
def test_it_is_removed_when_the_command_ends(prefix: list[str], script: str, code: int) -> None:
    if prefix and not works([*prefix, "true"]):
        pytest.skip("PID namespaces are not permitted here")
    done = run([*prefix, *filed(KEY, "--grace", "200ms")], f'test -s "$KEY" && echo "$KEY"; {script}')
    assert done.returncode == code, done.stderr
    _assert_gone(done.stdout)


def _assert_gone(out: bytes) -> None:
    path = Path(out.decode().strip())
    assert path.is_absolute()
    assert not os.path.lexists(path.parent)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_it_is_removed_when_a_signal_ends_the_command(start: Start, number: int) -> None:
    running = Running(start, filed())
    assert running.path.read_bytes() == VALUE
    running.process.send_signal(number)
    assert running.process.wait(PATIENCE) == 128 + number
    assert not running.folder.exists()


def test_it_is_there_until_the_command_has_ended_its_own_way(start: Start) -> None:
    script = 'trap "cmp $KEY key && echo still there; exit 3" TERM;'
    running = Running(start, filed(), script)
    running.process.send_signal(signal.SIGTERM)
    out, _ = running.process.communicate(timeout=PATIENCE)
    assert (out, running.process.returncode) == (b"still there\n", 3)
    assert not running.folder.exists()


def test_what_the_command_has_put_there_goes_too() -> None:
    script = 'cd "${KEY%/*}"; mkdir -p a/b; echo x >a/b/c; ln -s / a/root; ln -s /nowhere b; rm KEY; echo "$KEY"'
    done = run(filed(), script)
    _assert_gone(done.stdout)
    assert Path("/proc").exists()


@pytest.mark.parametrize("where", ["${KEY%/*}", "${KEY%/*}/a"])
def test_no_link_that_the_command_has_put_there_is_followed(where: str) -> None:
    Path("precious").mkdir()
    Path("precious/file").touch()
    done = run(filed(), f'rm -r "{where}"; ln -s "$PWD/precious" "{where}"; echo "$KEY"')
    _assert_gone(done.stdout)
    assert Path("precious/file").exists()


def test_a_folder_that_the_command_has_closed_is_removed(
    as_nobody: Callable[..., subprocess.CompletedProcess[bytes]], open_folder: Path
) -> None:
    (open_folder / "f.toml").write_text(KEY.replace("KEY", "secrets.KEY", 1).replace('"key"', '"m.toml"'))
    script = (
        'd="${KEY%/*}"; stat -c "%U %a" "$KEY" "$d" >&2; mkdir "$d/a"; touch "$d/a/b"; chmod 0 "$d/a" "$d"; echo "$KEY"'
    )
    done = as_nobody("--supervise", "-f", "f.toml", "--", "/bin/sh", "-c", script)
    assert (done.returncode, done.stderr) == (0, b"nobody 400\nnobody 700\n")
    _assert_gone(done.stdout)


def test_a_folder_of_any_depth_is_removed() -> None:
    code = """
import os
print(os.environ["KEY"], flush=True)
os.chdir(os.path.dirname(os.environ["KEY"]))
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
"""
    words = [*filed(), sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    _assert_gone(done.stdout)


def test_a_command_that_cannot_be_run_leaves_none(start: Start) -> None:
    Path("broken").write_bytes(b"\0nothing")
    Path("broken").chmod(0o755)
    process = start([*filed(), "./broken"])
    assert process.wait(PATIENCE) == 126
    assert _of(process) == []


def _of(process: subprocess.Popen[bytes]) -> list[Path]:
    """The folders of a launcher. Other tests have some at the same time."""
    return list(Path("/dev/shm").glob(f"secrets-exec.*.{process.pid}.*"))


def test_a_signal_before_the_command_runs_leaves_none(store: Callable[[Answer], Store], start: Start) -> None:
    asked = store(lambda _: None)
    Path("m.toml").write_text(
        asked.manifest('KEY = { provider = "kakaocloud", id = "1", as = "file", file = "tmpfs" }')
    )
    environ = {**os.environ, "KAKAOCLOUD_TOKEN": "t"}
    process = start([*LAUNCHER, "--supervise", "-f", "m.toml", "--", "true"], env=environ)
    asked.arrived.get(timeout=PATIENCE)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 128 + signal.SIGTERM
    assert _of(process) == []


@pytest.mark.slow
def test_a_signal_at_the_very_moment_of_its_making_leaves_none(start: Start) -> None:
    """Much is written, so that it takes its time."""
    Path("key").write_bytes(bytes(1 << 20))
    secrets = "\n".join(KEY.replace("KEY", f"KEY_{number}") for number in range(50))
    for _ in range(5):
        process = start([*filed(secrets), "sleep", str(PATIENCE)])
        while not (found := _of(process)):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM
        assert not found[0].exists()


# A crash


def test_after_a_crash_the_command_keeps_its_file_and_a_later_start_removes_it(start: Start) -> None:
    running = Running(start, filed())
    running.process.kill()
    running.process.wait(PATIENCE)
    assert run(filed(), "true").returncode == 0
    assert running.path.read_bytes() == VALUE, "its command lives on"
    os.kill(running.pid, signal.SIGKILL)
    eventually(lambda: not _is_alive(running.pid), "the command has ended")
    assert running.path.exists(), "nobody is left who would remove it"
    assert run(filed(), "true").returncode == 0
    assert not running.folder.exists()


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize("name", ["{ns}.{gone}.1.{gone}.2", "{ns}.{me}.1.{gone}.2", "{ns}.{gone}.0.{me}.1"])
def test_what_is_left_of_others_is_removed(tmp_path: Path, name: str) -> None:
    folder = tmp_path / _named(name)
    folder.mkdir()
    (folder / "KEY").write_bytes(VALUE)
    tmpfs.sweep(str(tmp_path))
    assert not folder.exists()


def _named(name: str) -> str:
    """The name of a folder of processes that run and of such that are gone."""
    gone = subprocess.Popen(["true"])
    gone.wait(PATIENCE)
    ns = os.stat("/proc/self/ns/pid").st_ino
    me, start = os.getpid(), Path("/proc/self/stat").read_bytes().rpartition(b")")[2].split()[19].decode()
    return "secrets-exec." + name.format(ns=ns, me=me, gone=gone.pid, start=start, other=ns + 1)


@pytest.mark.parametrize(
    "name",
    [
        "{ns}.{me}.{start}.{gone}.1",
        "{ns}.{gone}.1.{me}.{start}",
        "{other}.{gone}.1.{gone}.1",
        "{ns}.{gone}.1",
        "{ns}.{gone}.1.{gone}.x",
        "mine",
        "",
    ],
)
def test_what_is_in_use_or_not_ours_is_left_alone(tmp_path: Path, name: str) -> None:
    folder = tmp_path / _named(name)
    folder.mkdir()
    tmpfs.sweep(str(tmp_path))
    assert folder.exists()


def test_a_link_or_a_file_of_such_a_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").touch()
    for number, make in enumerate([lambda path: path.symlink_to(tmp_path / "precious"), Path.touch]):
        make(tmp_path / _named(f"{{ns}}.{{gone}}.{number + 1}.{{gone}}.1"))
    before = set(tmp_path.rglob("*"))
    tmpfs.sweep(str(tmp_path))
    assert set(tmp_path.rglob("*")) == before


# Where


def _mounted(setup: str, script: str, *options: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
    """Run with other mounts; /dev/shm is none of memory."""
    if not works([*MOUNTS, "mount --bind / /mnt"]):
        pytest.skip("mounting is not permitted here")
    prefix = [*MOUNTS, f'while mountpoint -q /dev/shm; do umount -l /dev/shm; done; {setup}; exec "$@"', "sh"]
    return run([*prefix, *filed(KEY, *options)], script, env={**os.environ, **environ})


def test_without_dev_shm_the_runtime_folder_is_taken(tmp_path: Path) -> None:
    runtime = tmp_path / "a=b"
    runtime.mkdir()
    setup = f"mount -t tmpfs -o mode=700 none {runtime}"
    done = _mounted(setup, 'cmp "$KEY" key && echo "$KEY"', XDG_RUNTIME_DIR=str(runtime))
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode().startswith(f"{runtime}/secrets-exec.")


@pytest.mark.parametrize("mode", ["777", "500", "770"])
def test_a_folder_that_others_can_change_or_we_cannot_is_not_taken(tmp_path: Path, mode: str) -> None:
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    how = f"mode={mode}" if mode != "500" else "ro"
    done = _mounted(f"mount -t tmpfs -o {how} none {runtime}", "echo started", XDG_RUNTIME_DIR=str(runtime))
    assert (done.returncode, done.stdout) == (71, b"")
    assert b"there is no tmpfs that files could be kept in" in done.stderr
    assert str(runtime).encode() in done.stderr


def test_a_full_one_is_told_and_nothing_is_left() -> None:
    Path("key").write_bytes(VALUE * 2000)
    done = _mounted("mount -t tmpfs -o size=8k none /dev/shm", "echo started")
    assert (done.returncode, done.stdout) == (71, b"")
    assert b"files cannot be kept in memory: No space left on device" in done.stderr
