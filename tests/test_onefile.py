"""The one file: a launcher for images without Python. Run in an empty root, where nothing else is."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from emulated import CREDENTIALS, EXAMPLES, ROOT, Emulated, emulated
from launching import LAUNCHER, PATIENCE, eventually, works

ONE = ROOT / "dist" / "secrets-exec"
LARGEST = 20_000_000
PT_DYNAMIC, PT_INTERP = 2, 3
MANIFEST = EXAMPLES / "mixed" / "secrets.toml"
ENVIRONMENT = {
    b"API_TOKEN": b"fake-api-token",
    b"API_URL": b"https://api.shop.test",
    b"DB_USER": b"shop",
    b"DB_PASSWORD": b"fake-password",
    b"OLD_PASSWORD": b"fake-old-password",
    b"LOG_LEVEL": b"info",
}
"""What the example sets: a child that inherits nothing has this, and nothing else."""

APPLICATION = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
int main(int argc, char **argv) {
    extern char **environ;
    for (char **each = environ; *each; each++) { fputs(*each, stdout); putchar(0); }
    for (int fd = 3; fd < 64; fd++) if (fcntl(fd, F_GETFD) >= 0) printf("fd=%d%c", fd, 0);
    return argc > 1 ? atoi(argv[1]) : 0;
}
"""
"""Stands for the example application, which is a script: tells its environment, and which descriptors it was given."""

NETWORK = r"""
import fcntl, socket, struct, sys
with socket.socket() as one:  # lo, up: netdevice(7)
    fcntl.ioctl(one, 0x8914, struct.pack("16sh22x", b"lo", 0x49))
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
print("ready", flush=True)
while True:
    query, client = server.recvfrom(512)
    end = query.index(0, 12) + 5
    known = query[12:end] == b"\x05store\x04test\x00" + b"\x00\x01\x00\x01"
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1])
    head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, known, 0, 0)
    server.sendto(head + query[12:end] + record * known, client)
"""
"""A network with nothing but loopback, and a name server there that knows store.test (RFC 1035)."""

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the one file is for Linux"),
    pytest.mark.skipif(not ONE.exists(), reason="there is no dist/secrets-exec: make onefile"),
    pytest.mark.skipif(os.geteuid() != 0, reason="an empty root needs root"),
]
with_namespaces = pytest.mark.skipif(
    not works(["unshare", "--net", "--pid", "--fork", "true"]), reason="namespaces need unshare, and to be permitted"
)


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("application")
    (folder / "app.c").write_text(APPLICATION)
    subprocess.run(["gcc", "-static", "-O1", "-o", folder / "app", folder / "app.c"], check=True)
    return folder / "app"


@pytest.fixture(scope="module")
def clouds() -> Iterator[Emulated]:
    with emulated() as running:
        yield running


@pytest.fixture
def root(application: Path, tmp_path: Path) -> Path:
    """A folder with the launcher, the application, the example's manifest, and nothing else."""
    folder = tmp_path / "root"
    folder.mkdir()
    shutil.copy(ONE, folder)
    shutil.copy(application, folder)
    shutil.copy(MANIFEST, folder / "mixed.toml")
    return folder


Within = Callable[..., "subprocess.CompletedProcess[bytes]"]


@pytest.fixture
def within(root: Path) -> Within:
    """Run the launcher in the empty root: `within("-f", "/mixed.toml", "--", "/app")`."""

    def run(
        *words: str, environ: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        command = [*before, shutil.which("chroot") or "chroot", str(root), "/secrets-exec", *words]
        given = CREDENTIALS if environ is None else environ
        return subprocess.run(command, env=given, capture_output=True, timeout=PATIENCE, check=False)

    return run


def variables(output: bytes) -> dict[bytes, bytes]:
    pairs = [pair.split(b"=", 1) for pair in output.split(b"\0") if pair]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


# What it is


def test_it_is_at_most_twenty_megabytes() -> None:
    assert ONE.stat().st_size <= LARGEST


def test_it_is_linked_statically() -> None:
    head = ONE.read_bytes()[:4096]
    assert head[:5] == b"\x7fELF\x02"
    (first,), (size, count) = struct.unpack_from("<Q", head, 32), struct.unpack_from("<HH", head, 54)
    kinds = {struct.unpack_from("<I", head, first + index * size)[0] for index in range(count)}

    assert not kinds & {PT_DYNAMIC, PT_INTERP}


# In an empty root


@pytest.mark.parametrize("transport", ["curl", "requests"])
def test_the_example_runs_in_an_empty_root(within: Within, root: Path, clouds: Emulated, transport: str) -> None:
    (root / "ca.pem").write_bytes(clouds.authority)
    (root / "clouds.toml").write_text(clouds.trusting("/ca.pem"))

    ran = within(
        "-f", "/mixed.toml", "-f", "/clouds.toml", "--", "/app", "7",
        environ={**CREDENTIALS, "SECRETS_EXEC_TRANSPORT": transport},
    )  # fmt: skip

    assert (ran.stderr, ran.returncode) == (b"", 7)
    assert variables(ran.stdout) == ENVIRONMENT


def test_as_a_parent_and_with_a_mask_too(within: Within, root: Path, clouds: Emulated) -> None:
    (root / "ca.pem").write_bytes(clouds.authority)
    (root / "clouds.toml").write_text(clouds.trusting("/ca.pem"))

    ran = within("--supervise", "--mask", "-f", "/mixed.toml", "-f", "/clouds.toml", "--", "/app", "7")

    assert (ran.stderr, ran.returncode) == (b"", 7)
    assert variables(ran.stdout) == {
        **ENVIRONMENT,
        b"API_TOKEN": b"[API_TOKEN]",
        b"API_URL": b"[API_URL]",
        b"DB_PASSWORD": b"[DB_PASSWORD]",
        b"OLD_PASSWORD": b"[OLD_PASSWORD]",
    }


def test_the_child_inherits_what_we_were_given_and_nothing_of_ours(within: Within) -> None:
    given = {"PATH": "/", "LC_CTYPE": "C.UTF-8", "PYTHONHOME": "/x", "SSL_CERT_FILE": "/y", "SECRETS_EXEC_QUIET": "1"}

    ran = within("--set", "COPY=env://PYTHONHOME", "--", "app", environ=given)

    del given["SECRETS_EXEC_QUIET"]
    assert variables(ran.stdout) == {name.encode(): value.encode() for name, value in given.items()} | {b"COPY": b"/x"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--version"], b"secrets-exec 0."),
        (["--help"], b"Usage: secrets-exec"),
        (["copy", "--help"], b"DIR"),
        (["check", "-f", "/mixed.toml"], b"ok: 5 variables"),
        (["plan", "--json", "-f", "/mixed.toml"], b'"shape": 1'),
        (["providers"], b"kakaocloud"),
        (["check", "-f", "/m.yaml"], b"ok: 1 variable"),
        (["check", "-f", "/m.json"], b"ok: 1 variable"),
        (["--set", "X=dotenv://x.env#X", "--", "/app"], b"X=y"),
        (["--env-file", "x.env", "--only", "X", "--", "/app"], b"X=y"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_every_command_runs_there(within: Within, root: Path, words: list[str], said: bytes) -> None:
    (root / "m.yaml").write_text("env: {X: x}\n")
    (root / "m.json").write_text('{"env": {"X": "x"}}')
    (root / "x.env").write_text("X=y\n")

    ran = within(*words)

    assert (ran.stderr, ran.returncode) == (b"", 0)
    assert said in ran.stdout


def test_the_emulator_runs_there(root: Path) -> None:
    shutil.copy(EXAMPLES / "emulator" / "seed.toml", root)
    command = ["chroot", root, "/secrets-exec", "emulator", "--seed", "/seed.toml"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert b"[providers.ncloud]" in os.read(process.stdout.fileno(), 1 << 16)
        process.terminate()
    assert process.returncode == 0


@pytest.mark.parametrize("words", [[], ["-x"], ["--wach", "1s"], ["bogus"]], ids=str)
def test_a_mistake_is_told_there(within: Within, words: list[str]) -> None:
    ran = within(*words)

    assert ran.returncode == 64
    assert ran.stderr.startswith(b"secrets-exec: error: ")
    assert b"hint: " in ran.stderr


def test_it_opens_nothing_but_what_a_start_needs(within: Within, root: Path, clouds: Emulated) -> None:
    if not shutil.which("strace"):
        pytest.skip("there is no strace")
    (root / "ca.pem").write_bytes(clouds.authority)
    (root / "clouds.toml").write_text(clouds.trusting("/ca.pem"))

    ran = within("-f", "/mixed.toml", "-f", "/clouds.toml", "--", "/app", before=["strace", "-f", "-e", "openat,open"])

    opened = re.findall(rb'open(?:at)?\([^"]*"([^"]*)"', ran.stderr)
    ours = opened[opened.index(b"/mixed.toml") :]
    of_the_system = {b"/etc/nsswitch.conf", b"/proc/self/status"}  # the latter tells which signals are ignored
    assert set(ours) - of_the_system == {b"/mixed.toml", b"/clouds.toml", b"/ca.pem", b"/app"}
    assert set(opened[: opened.index(b"/mixed.toml")][-1:]) <= {b"/etc/localtime"}


# The cache


@pytest.mark.parametrize("first", ["sealed here", "sealed there"])
def test_the_cache_is_that_of_an_installed_launcher(clouds: Emulated, tmp_path: Path, first: str) -> None:
    """The cipher is another: what one of them sealed, the other one opens; and nobody what was changed."""
    (tmp_path / "ca.pem").write_bytes(clouds.authority)
    (tmp_path / "key").write_text("5a" * 32)
    cache = tmp_path / "cache" / "sealed"
    cache.parent.mkdir()
    path = tmp_path / "m.toml"
    settings = f'[cache]\npath = "{cache}"\nkey_file = "{tmp_path / "key"}"\n'
    path.write_text(f"{MANIFEST.read_text()}\n{clouds.trusting(str(tmp_path / 'ca.pem'))}\n{settings}")

    def run(launcher: Sequence[str | Path], *words: str) -> subprocess.CompletedProcess[bytes]:
        command = [*launcher, *words, "-f", path, "--", "printenv", "DB_PASSWORD"]
        environ = {**os.environ, **CREDENTIALS}
        return subprocess.run(command, env=environ, capture_output=True, timeout=PATIENCE, check=False)

    sealing, opening = ([ONE], LAUNCHER) if first == "sealed here" else (LAUNCHER, [ONE])
    assert run(sealing).stderr == b""
    offline = run(opening, "--offline")
    data = bytearray(cache.read_bytes())
    data[-1] ^= 1
    cache.write_bytes(data)
    changed = run([ONE], "--offline")

    assert (offline.stdout, offline.returncode) == (b"fake-password\n", 0)
    assert (changed.stdout, changed.returncode) == (b"", 75)
    assert b"the cache does not open" in changed.stderr


# Whom it trusts


def test_the_systems_authorities_are_trusted(within: Within, root: Path, clouds: Emulated) -> None:
    (root / "etc" / "ssl").mkdir(parents=True)
    (root / "etc" / "ssl" / "cert.pem").write_bytes(clouds.authority)
    (root / "clouds.toml").write_text(clouds.trusting(None))

    ran = within("-f", "/mixed.toml", "-f", "/clouds.toml", "--", "/app")

    assert (ran.stderr, ran.returncode) == (b"", 0)


@pytest.mark.parametrize("transport", ["curl", "requests"])
def test_where_there_are_none_those_inside_are_and_that_is_told(
    within: Within, root: Path, clouds: Emulated, transport: str
) -> None:
    (root / "clouds.toml").write_text(clouds.trusting(None))
    environ = {**CREDENTIALS, "SECRETS_EXEC_TRANSPORT": transport}

    ran = within("-f", "/mixed.toml", "-f", "/clouds.toml", "--", "/app", environ=environ)

    assert (ran.stdout, ran.returncode) == (b"", 69)
    assert ran.stderr.count(b"warning: this system has no certificate authorities") == 1
    assert b"not to be trusted: its authority is unknown" in ran.stderr


# Names


@pytest.fixture(scope="module")
def network() -> Iterator[list[str]]:
    """A network of its own with a name server: gives the words that run a command in it."""
    command = ["unshare", "--net", sys.executable, "-I", "-c", NETWORK]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield ["nsenter", f"--net=/proc/{process.pid}/ns/net"]
        finally:
            process.kill()


@with_namespaces
@pytest.mark.parametrize("transport", ["curl", "requests"])
@pytest.mark.parametrize("where", ["hosts", "resolv.conf", "nowhere"])
def test_names_are_looked_up_in_hosts_and_by_resolv_conf(
    within: Within, root: Path, network: list[str], where: str, transport: str
) -> None:
    (root / "etc").mkdir()
    (root / "etc" / "nsswitch.conf").write_text("hosts: mymachines mdns4_minimal [NOTFOUND=return] resolve\n")
    if where == "hosts":
        (root / "etc" / "hosts").write_text("127.0.0.1 store.test\n")
    if where == "resolv.conf":
        (root / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    if where == "nowhere":
        (root / "etc" / "resolv.conf").write_text("nameserver 127.0.0.9\noptions timeout:1 attempts:1\n")
    with emulated(*network) as clouds:
        (root / "ca.pem").write_bytes(clouds.authority)
        (root / "clouds.toml").write_text(clouds.trusting("/ca.pem").replace("127.0.0.1", "store.test"))
        ran = within(
            "--timeout", "3s", "--allow-endpoint", "store.test", "-f", "/mixed.toml", "-f", "/clouds.toml",
            "--", "/app", before=network, environ={**CREDENTIALS, "SECRETS_EXEC_TRANSPORT": transport},
        )  # fmt: skip

    if where == "nowhere":
        assert ran.returncode == 75
        assert b"its name cannot be resolved" in ran.stderr
    else:  # it was found: the certificate is for other names
        assert ran.returncode == 69
        assert b"it is for another host" in ran.stderr


# As the first process


@with_namespaces
@pytest.mark.parametrize("microseconds", [0, 100, 300, 1000, 2000, 3000, 5000, 8000, 12000, 20000])
def test_a_term_ends_the_first_process_at_every_moment(microseconds: int, tmp_path: Path) -> None:
    """Also before there is an interpreter that could handle it; what the kernel drops would never end it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        path = tmp_path / "silent.toml"
        endpoint = f'endpoint = "http://127.0.0.1:{silent.getsockname()[1]}"'
        path.write_text(f'[providers.kakaocloud]\n{endpoint}\n[secrets]\nX = "kakaocloud://1"\n')
        command = ["unshare", "--pid", "--fork", "--kill-child", ONE, "-f", path, "--", "true"]
        with subprocess.Popen(command, env={**os.environ, "KAKAOCLOUD_TOKEN": "t"}) as process:
            first = eventually(lambda: _handling_child(process.pid), "a handler of TERM")
            until = time.perf_counter() + microseconds / 1e6
            while time.perf_counter() < until:
                pass
            os.kill(first, signal.SIGTERM)
            assert process.wait(PATIENCE) == 143


def _handling_child(parent: int) -> int:
    """The child that is the launcher and handles TERM; 0 as long as there is none."""
    try:
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        status = Path(f"/proc/{children[0]}/status").read_text() if children else ""
    except OSError:
        return 0
    caught = int(status.partition("SigCgt:\t")[2].split()[0], 16) if "SigCgt" in status else 0
    return int(children[0]) if caught >> (signal.SIGTERM - 1) & 1 else 0


@pytest.mark.parametrize("mode", [[], ["--supervise"]], ids=["replace", "supervise"])
def test_the_childs_signals_are_as_given(mode: list[str]) -> None:
    script = "trap '' INT PIPE USR1; exec \"$@\""
    look = ["grep", "^Sig[BIC]", "/proc/self/status"]

    def seen(*words: str) -> bytes:
        command: list[Any] = ["sh", "-c", script, "sh", *words, *look]
        return subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE).stdout

    def ignored(text: bytes) -> int:
        return int(text.partition(b"SigIgn:\t")[2].split()[0], 16) & ~(1 << (signal.SIGPIPE - 1))

    ours, plain = seen(str(ONE), *mode, "--set", "X=env://PATH", "--"), seen()

    assert ignored(ours) == ignored(plain)
    assert [line for line in ours.splitlines() if b"Ign" not in line] == [
        line for line in plain.splitlines() if b"Ign" not in line
    ]


def test_a_parent_ends_what_left_the_commands_group() -> None:
    script = "setsid sleep 1000 & echo $!"

    ran = subprocess.run(
        [ONE, "--supervise", "--grace", "5s", "--set", "X=env://PATH", "--", "sh", "-c", script],
        stdout=subprocess.PIPE, timeout=PATIENCE, check=True,
    )  # fmt: skip

    assert not Path(f"/proc/{int(ran.stdout)}").exists()


def test_a_changed_value_is_noticed(tmp_path: Path) -> None:
    value = tmp_path / "value"
    value.write_text("old")
    words = ["--watch", "50ms", "--on-change", "restart", "--grace", "10ms", "--set", f"X=file://{value}"]
    command = [ONE, *words, "--", "sh", "-c", "echo $X; exec sleep 1000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"old\n"
        value.write_text("new")
        assert process.stdout.readline() == b"new\n"
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM


# Into a volume


def test_it_copies_itself_into_a_folder(within: Within, root: Path) -> None:
    volume = root / "volume"
    volume.mkdir()
    (volume / "secrets-exec").write_text("an older one")

    ran = within("copy", "/volume")

    assert (ran.stderr, ran.returncode) == (b"", 0)
    assert ran.stdout.startswith(b"wrote /volume/secrets-exec, ")
    assert os.listdir(volume) == ["secrets-exec"]
    assert (volume / "secrets-exec").read_bytes() == ONE.read_bytes()
    assert (volume / "secrets-exec").stat().st_mode & 0o777 == 0o755
    assert subprocess.run([volume / "secrets-exec", "--version"], check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [([], 64, b"one DIR"), (["/a", "/b"], 64, b"one DIR"), (["/nowhere"], 64, b"no folder /nowhere")],
    ids=str,
)
def test_a_copy_that_makes_no_sense_is_refused(within: Within, words: list[str], code: int, said: bytes) -> None:
    ran = within("copy", *words)

    assert (ran.stdout, ran.returncode) == (b"", code)
    assert said in ran.stderr


def test_a_copy_that_cannot_be_written_leaves_nothing(root: Path) -> None:
    (root / "volume" / "secrets-exec").mkdir(parents=True)

    ran = subprocess.run([ONE, "copy", root / "volume"], capture_output=True, check=False)

    assert ran.returncode == 71
    assert os.listdir(root / "volume") == ["secrets-exec"]
