"""`as = "file"`: the variable holds a path, and what lies there is the value, byte for byte."""

from __future__ import annotations

import base64
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, PATIENCE, eventually, works

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files in memory need Linux")

BINARY = bytes(range(256)) * 5 + b"\0\xff\n"
MODES = pytest.mark.parametrize("stays", [[], ["--supervise"]], ids=["replace", "supervise"])


def filed(secrets: str, *options: str, more: str = "") -> list[str]:
    """The words up to the command; the secrets come from the working folder's files."""
    Path("m.toml").write_text(f"[secrets]\n{secrets}\n{more}")
    return [*LAUNCHER, *options, "-f", "m.toml", "--"]


def run(words: Sequence[str], script: str, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    settings = {"capture_output": True, "timeout": PATIENCE, "check": False, **how}
    return subprocess.run([*words, "/bin/sh", "-c", script, "sh", *arguments], **settings)


def python(words: Sequence[str], code: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
    """As the command, an interpreter that has the path in `path`."""
    begin = "import fcntl, os, subprocess, sys; path = os.environ['KEY']\n"
    settings = {"capture_output": True, "timeout": PATIENCE, "check": False, **how}
    return subprocess.run([*words, sys.executable, "-I", "-S", "-c", begin + code], **settings)


KEY = 'KEY = { provider = "file", id = "key", as = "file" }'
CODED = 'KEY = { provider = "file", id = "coded", decode = "base64", as = "file" }'


@pytest.fixture(autouse=True)
def sources() -> None:
    Path("key").write_bytes(BINARY)
    Path("coded").write_bytes(base64.encodebytes(BINARY))


# What is in it


@MODES
@pytest.mark.parametrize("secret", [KEY, CODED], ids=["as it is", "decoded"])
def test_the_content_is_the_value_byte_for_byte(stays: list[str], secret: str) -> None:
    done = run(filed(secret, *stays), 'cat "$KEY"')
    assert (done.returncode, done.stdout, done.stderr) == (0, BINARY, b"")


@pytest.mark.parametrize("size", [0, 1, 300_000])
def test_of_any_size_also_beyond_what_a_variable_holds(size: int) -> None:
    Path("key").write_bytes(b"\xfe" * size)
    done = run(filed(KEY), 'wc -c <"$KEY"')
    assert int(done.stdout) == size


def test_everybody_who_opens_it_reads_from_the_beginning() -> None:
    done = run(filed(KEY), 'cat "$KEY" "$KEY" | head -c 100000; head -c 3 "$KEY"; cat "$KEY"')
    assert done.stdout == BINARY * 2 + BINARY[:3] + BINARY


def test_the_descriptor_itself_stands_at_the_beginning_too() -> None:
    done = python(filed(KEY), "sys.stdout.buffer.write(os.read(int(path.rpartition('/')[2]), 9999))")
    assert done.stdout == BINARY


def test_children_of_the_command_that_inherit_descriptors_find_it() -> None:
    done = python(filed(KEY), "subprocess.run(['cat', path], close_fds=False)")
    assert done.stdout == BINARY
    done = python(filed(KEY), "sys.exit(subprocess.run(['cat', path], close_fds=True).returncode)")
    assert (done.stdout, done.returncode) == (b"", 1), "what --supervise and a tmpfs are for"


def test_a_key_of_an_object_and_a_default_can_be_files() -> None:
    Path("key").write_text('{"pem": "a\\u0000b"}')
    secrets = (
        'A = { provider = "file", id = "key", key = "pem", as = "file" }\n'
        'B = { provider = "file", id = "key", key = "no", default = "d\\n", as = "file" }'
    )
    assert run(filed(secrets), 'cat "$A" "$B"').stdout == b"a\0bd\n"


# What it is


def test_nobody_can_change_it_not_even_its_owner() -> None:
    code = """
for change in (
    lambda: os.write(os.open(path, os.O_WRONLY), b"x"),
    lambda: os.pwrite(int(path.rpartition("/")[2]), b"x", 0),
    lambda: os.truncate(path, 1),
    lambda: os.truncate(path, 100000),
    lambda: open(path, "w"),
    lambda: fcntl.fcntl(int(path.rpartition("/")[2]), fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE),
):
    try:
        change()
    except PermissionError as error:
        print(error.errno)
print(open(path, "rb").read() == open("key", "rb").read())
"""
    assert python(filed(KEY), code).stdout.split() == [b"1"] * 6 + [b"True"]


@pytest.mark.parametrize(("mode", "expected"), [(None, 0o400), ("0440", 0o440), ("644", 0o644)])
def test_its_mode_is_the_owners_to_read_or_as_set(mode: str | None, expected: int) -> None:
    secret = KEY if mode is None else KEY.replace("as =", f'mode = "{mode}", as =')
    done = python(filed(secret), "print(oct(os.stat(path).st_mode & 0o7777), os.stat(path).st_uid == os.geteuid())")
    assert done.stdout.decode().split() == [oct(expected), "True"]


def test_its_name_is_the_variables_or_as_set() -> None:
    other = 'B = { provider = "file", id = "key", as = "file", name = "server key.pem" }'
    done = run(filed(f"{KEY}\n{other}"), 'readlink "$KEY" "$B"')
    assert done.stdout == b"/memfd:KEY (deleted)\n/memfd:server key.pem (deleted)\n"


@MODES
def test_the_command_has_its_files_descriptors_and_no_others_of_ours(stays: list[str]) -> None:
    other = KEY.replace("KEY", "B")
    missing = 'C = { provider = "file", id = "missing", required = false, as = "file" }'
    read, write = os.pipe()
    code = (
        "import os; listed = os.listdir('/proc/self/fd'); "
        "print(*sorted(int(n) for n in listed if os.path.lexists('/proc/self/fd/' + n))); print('C' in os.environ)"
    )
    command = [*filed(f"{KEY}\n{missing}\n{other}", *stays), sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(command, pass_fds=[read, write], capture_output=True, timeout=PATIENCE, check=False)
    assert done.stdout.decode() == f"0 1 2 {read} {write} 64 66\nFalse\n"
    os.close(read)
    os.close(write)


def test_descriptors_that_were_given_are_left_alone() -> None:
    def prepare() -> None:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 64, inheritable=True)
        for number in (0, 1):
            os.close(number)

    words = filed(KEY)
    done = run(words, 'echo "$KEY" >&2; readlink /proc/self/fd/64 >&2', preexec_fn=prepare, close_fds=False)
    assert done.stderr.split() == [b"/proc/self/fd/65", b"/dev/null"]


def test_a_low_limit_of_open_files_is_kept() -> None:
    done = run(filed(KEY), 'cat "$KEY"', preexec_fn=_few_files)
    assert (done.returncode, done.stdout) == (0, BINARY)


def test_too_low_a_limit_is_told() -> None:
    many = "\n".join(KEY.replace("KEY", f"KEY_{number}") for number in range(20))
    done = run(filed(many), "echo started", preexec_fn=_few_files)
    assert (done.returncode, done.stdout) == (71, b"")
    assert b"the system has no memory file for KEY_" in done.stderr
    assert b"(ulimit -n)" in done.stderr


def _few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))


def test_without_proc_there_is_no_path_and_no_start() -> None:
    without = ["unshare", "--mount", "/bin/sh", "-ec", 'umount -l /proc; exec "$@"', "sh"]
    if not works([*without, "true"]):
        pytest.skip("mounts cannot be changed here")
    done = run([*without, *filed(KEY)], "echo started")
    assert (done.returncode, done.stdout) == (71, b"")
    assert b"a memory file has no path here: /proc is not mounted" in done.stderr


@pytest.mark.parametrize("kind", ["memfd", "tmpfs"])
def test_a_limit_of_file_sizes_is_told(kind: str) -> None:
    secret = KEY.replace("as =", f'file = "{kind}", as =')
    limit = len(BINARY) - 1
    limited: dict[str, Any] = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}
    done = run(filed(secret, "--supervise"), "echo started", **limited)
    assert (done.returncode, done.stdout) == (71, b"")
    assert b"File too large" in done.stderr


@MODES
def test_it_is_gone_with_the_last_process_that_has_it(
    stays: list[str], start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    name = f"gone-{os.urandom(8).hex()}"
    words = filed(KEY.replace("as =", f'name = "{name}", as ='), *stays)
    process = start([*words, "/bin/sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == b"ready\n"
    holders = _holders(name)
    assert len(holders) == 1, "the command; no supervisor"
    assert (process.pid in holders) == (not stays)
    process.communicate(b"\n", timeout=PATIENCE)
    eventually(lambda: not _holders(name), "nobody has it")


def _holders(name: str) -> set[int]:
    """The processes that have a memory file of this name open."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if name in os.readlink(link):
                found.add(int(link.parts[2]))
        except OSError:
            continue
    return found


# The variable


def test_a_template_is_made_of_the_path() -> None:
    more = '[env]\nOPTIONS = { template = "--key=${KEY} --url=${KEY:url}" }\n'
    done = run(filed(KEY, more=more), 'echo "$OPTIONS"')
    assert done.stdout == b"--key=/proc/self/fd/64 --url=%2Fproc%2Fself%2Ffd%2F64\n"


def test_only_brings_the_file_along_that_a_template_speaks_of() -> None:
    more = '[env]\nOPTION = { template = "${KEY}" }\n'
    done = run(filed(f"{KEY}\n{KEY.replace('KEY', 'B')}", "--only", "OPTION", more=more), 'cat $OPTION; echo "$B"')
    assert done.stdout == BINARY + b"\n"


@pytest.mark.parametrize(
    ("rule", "code", "out"),
    [("override", 0, b"/proc/self/fd/64\n"), ("keep", 0, b"mine\n"), ("error", 65, b"")],
)
def test_an_inherited_variable_of_its_name_is_treated_as_ever(rule: str, code: int, out: bytes) -> None:
    environ = {**os.environ, "KEY": "mine"}
    done = run(filed(KEY, "--on-conflict", rule), 'echo "$KEY"; ls /proc/self/fd | grep -c 64 >&2; :', env=environ)
    assert (done.returncode, done.stdout) == (code, out)
    assert rule != "keep" or done.stderr == b"0\n"


def test_a_dry_run_makes_none_and_tells_them() -> None:
    done = run(filed(KEY, "--dry-run"), "")
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"would set KEY: a file of %d bytes from " % len(BINARY) in done.stderr


def test_a_command_that_cannot_be_run_is_told_as_ever() -> None:
    Path("broken").write_bytes(b"\0nothing")
    Path("broken").chmod(0o755)
    done = subprocess.run([*filed(KEY), "./broken"], capture_output=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stdout) == (126, b"")


def test_its_content_is_masked_in_the_output_and_its_path_is_not() -> None:
    Path("key").write_text("-----BEGIN KEY-----\nabc\n-----END KEY-----\n")
    more = '[env]\nOPTION = { template = "${KEY}" }\n'
    done = run(filed(KEY, "--mask", more=more), 'cat "$KEY"; echo "$KEY $OPTION"')
    assert done.stdout == b"[KEY]/proc/self/fd/64 /proc/self/fd/64\n"
