"""Machines of their own: a network namespace with dead addresses, and files and a name server to look names up with.

Nothing of the real machine is touched, and everything is gone with the process that holds the namespace.
"""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

ALIVE, ALIVE_6 = "10.77.0.1", "fd77::1"
"""Addresses of the machine itself."""
DEAD, DEAD_6 = "10.77.0.66", "fd77::66"
"""Addresses from which nothing ever comes back."""
NOWHERE = "192.0.2.1"
"""An address to which no way leads."""
NAME = "store.test"

_PATIENCE = 30.0
_TOO_FEW = "this machine does not let us make namespaces: {}"
_HOLDER = r"""
import json, os, socket, subprocess, sys
order, control = json.loads(sys.argv[1]), socket.socket(fileno=0)
def ip(*words): return subprocess.run(["ip", *words], stdout=2).returncode == 0
ip("link", "set", "lo", "up")
if not any(ip("link", "add", "hole", "type", kind) for kind in ("dummy", "ifb")):
    sys.exit("no kind of interface that takes packets and drops them")
ip("link", "set", "hole", "up")
ip("addr", "add", order["alive"] + "/24", "dev", "hole")
ip("-6", "addr", "add", order["alive_6"] + "/64", "dev", "hole", "nodad")
for name in order["files"]:
    subprocess.run(["mount", "--bind", os.path.join(order["folder"], name), "/etc/" + name], check=True)
sockets = []
for kind, address, port in order["sockets"]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    made.bind((address, port))
    sockets.append(made)
socket.send_fds(control, [b"ready"], [made.fileno() for made in sockets])
for made in sockets:
    made.close()
control.recv(1)
"""


@dataclass(frozen=True)
class World:
    """What a machine is to be like. `at` is where the store listens; `hosts` are lines of /etc/hosts.

    `answers` is what the name server does with one question after the other, the last one repeated: addresses, the
    name of a failure, or seconds to wait before the good answer; without any there is no name server.
    """

    at: str = ALIVE
    hosts: Sequence[str] = ()
    answers: Sequence[str | float] = ()
    endpoint: str = NAME


class Machine:
    """A namespace that is there until its `with` block ends: `listeners`, and `enter`, which are words to run in it."""

    def __init__(self, world: World, addresses: Sequence[str]) -> None:
        self._stack = ExitStack()
        self._world = world
        self._addresses = addresses
        self.listeners: list[socket.socket] = []
        self.questions: list[str] = []
        """The names that were looked up."""
        self._is_over = threading.Event()

    def __enter__(self) -> Self:
        with self._stack:
            self._open()
            self._stack = self._stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._stack.close()

    @property
    def enter(self) -> list[str]:
        """Words before a command that is to run in there."""
        return ["nsenter", "-t", str(self._holder.pid), "-U", "-n", "-m", "--preserve-credentials", "--wd=."]

    def _open(self) -> None:
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        files = {
            "hosts": "127.0.0.1 localhost\n" + "".join(f"{line}\n" for line in self._world.hosts),
            "resolv.conf": "nameserver 127.0.0.1\n",
            "nsswitch.conf": "hosts: files dns\n",
        }
        there = {name: text for name, text in files.items() if Path("/etc", name).exists()}
        for name, text in there.items():
            (folder / name).write_text(text)
        sockets = [("tcp", address, 0) for address in self._addresses]
        sockets += [("udp", "127.0.0.1", 53)] if self._world.answers else []
        order = {
            "folder": str(folder),
            "files": list(there),
            "sockets": sockets,
            "alive": ALIVE,
            "alive_6": ALIVE_6,
        }
        ours, theirs = socket.socketpair()
        self._stack.enter_context(ours)
        ours.settimeout(_PATIENCE)
        self._holder = subprocess.Popen(
            ["unshare", "-U", "-r", "-n", "-m", sys.executable, "-IS", "-c", _HOLDER, json.dumps(order)],
            stdin=theirs,
            stderr=subprocess.PIPE,
        )
        self._stack.callback(self._end_holder)
        theirs.close()
        message, descriptors, _, _ = socket.recv_fds(ours, 16, len(sockets))
        if not message:
            raise OSError(_TOO_FEW.format(self._why()))
        opened = [self._stack.enter_context(socket.socket(fileno=descriptor)) for descriptor in descriptors]
        self.listeners = opened[: len(self._addresses)]
        if self._world.answers:
            thread = threading.Thread(target=self._serve_names, args=(opened[-1],), daemon=True)
            self._stack.callback(thread.join, _PATIENCE)
            thread.start()

    def _why(self) -> str:
        assert self._holder.stderr is not None
        lines = self._holder.stderr.read().decode("latin-1").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "no reason is given")

    def _end_holder(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    def _serve_names(self, server: socket.socket) -> None:
        server.settimeout(0.1)
        acts = list(self._world.answers)
        while not self._is_over.is_set():
            with suppress(OSError):
                question, client = server.recvfrom(4096)
                self.questions.append(_name(question))
                act = acts.pop(0) if len(acts) > 1 else acts[0]
                if isinstance(act, float):
                    self._is_over.wait(act)  # what a slow name server does
                    act = ALIVE
                if answer := _answer(question, act):
                    server.sendto(answer, client)


@cache
def why_not() -> str:
    """Why there can be no world here; empty when there can."""
    missing = [name for name in ("unshare", "nsenter", "ip", "mount") if shutil.which(name) is None]
    if missing:
        return f"this machine has no {' and no '.join(missing)}"
    try:
        with Machine(World(), [ALIVE, ALIVE_6]):
            return ""
    except OSError as error:
        return str(error)


_FAILURES: Mapping[str, int] = {"SERVFAIL": 2, "NXDOMAIN": 3, "REFUSED": 5}


def _name(question: bytes) -> str:
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode("latin-1"))
        at += 1 + length
    return ".".join(labels)


def _answer(question: bytes, act: str) -> bytes:
    """The bytes of an answer (RFC 1035, 4); empty for none."""
    if act == "silence":
        return b""
    if act == "noise":
        return question[:2] + bytes(range(200))
    end = question.index(b"\0", 12) + 5
    asked = question[12:end]
    kind = struct.unpack(">H", asked[-4:-2])[0]
    if act in _FAILURES:
        return question[:2] + struct.pack(">HHHHH", 0x8180 | _FAILURES[act], 1, 0, 0, 0) + asked
    wanted = {1: socket.AF_INET, 28: socket.AF_INET6}.get(kind)
    records = []
    for address in act.split():
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        if family == wanted:
            packed = socket.inet_pton(family, address)
            records.append(b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(packed)) + packed)
    return question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(records), 0, 0) + asked + b"".join(records)
