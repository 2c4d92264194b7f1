"""A supervisor gives every signal on, exactly once, and none before the child can take it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, PATIENCE, Answer, Store, eventually, kakao_value, line_of

WITNESS = [sys.executable, "-I", "-S", str(Path(__file__).with_name("witness.py"))]
_NEVER = {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
_FENCE = int(signal.SIGRTMAX)
FORWARDABLE = sorted(int(number) for number in signal.valid_signals() - _NEVER - {_FENCE})

Start = Callable[..., "subprocess.Popen[bytes]"]


def _begin(start: Start, words: list[str], **how: Any) -> subprocess.Popen[bytes]:
    """Start without a terminal, and come back when the command runs."""
    process = start(words, start_new_session=True, **how)
    assert line_of(process) == b"ready\n"
    return process


def _told(process: subprocess.Popen[bytes], first: bytes = b"") -> list[int]:
    """What a witness told from `first` on, after a signal that ends it."""
    process.send_signal(_FENCE)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, b"")
    assert out.startswith(first)
    return [int(line) for line in out.removeprefix(first).split()]


def test_every_signal_reaches_the_child_once(supervised: list[str], start: Start) -> None:
    process = _begin(start, [*supervised, *WITNESS])
    told = []
    for number in FORWARDABLE:
        process.send_signal(number)
        told.append(int(line_of(process)))
    assert told == FORWARDABLE
    assert _told(process) == []


@pytest.mark.parametrize("to", ["child", "group"])
def test_where_signals_go_is_as_asked(literal: Path, start: Start, to: str) -> None:
    words = [*LAUNCHER, "--forward", to, "-f", str(literal), "--"]
    script = f"{' '.join(WITNESS)} 3 3>&1 >/dev/null & trap 'kill -{_FENCE} $!' USR2; wait; wait"
    process = _begin(start, [*words, "/bin/sh", "-c", script])
    eventually(lambda: _catches(_child(process.pid), signal.SIGUSR2), "the shell has set its trap")
    if to == "group":
        process.send_signal(signal.SIGWINCH)
        assert line_of(process) == b"%d\n" % signal.SIGWINCH
    process.send_signal(signal.SIGUSR2)
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err) == (b"%d\n" % signal.SIGUSR2 if to == "group" else b"", b"")


def _sleeps(pid: int) -> bool:
    """Whether it waits for signals: then the system shows as blocked none that it waits for."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def _child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _catches(pid: int, number: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigCgt:")[2].split()[0], 16) >> (number - 1) & 1)


def test_a_sigchld_from_outside_is_not_passed_on(supervised: list[str], start: Start) -> None:
    process = _begin(start, [*supervised, *WITNESS])
    process.send_signal(signal.SIGCHLD)
    process.send_signal(signal.SIGUSR1)
    assert line_of(process) == b"%d\n" % signal.SIGUSR1
    assert _told(process) == []


def test_queued_real_time_signals_all_arrive(supervised: list[str], start: Start) -> None:
    process = _begin(start, [*supervised, *WITNESS])
    for _ in range(2000):
        process.send_signal(signal.SIGRTMIN + 2)
    assert _told(process) == [signal.SIGRTMIN + 2] * 2000


@pytest.mark.slow
def test_of_ten_thousand_signals_in_a_row_none_is_lost(supervised: list[str], start: Start) -> None:
    """Each is sent when the one before has been told, so that the kernel merges none."""
    process = _begin(start, [*supervised, *WITNESS])
    for _ in range(10_000):
        process.send_signal(signal.SIGUSR1)
        assert line_of(process) == b"%d\n" % signal.SIGUSR1
    assert _told(process) == []


def test_a_stop_and_going_on_are_followed(supervised: list[str], start: Start) -> None:
    process = start([*supervised, "/bin/sh", "-c", "kill -STOP $$; exit 6"], start_new_session=True)
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 6


def _prepared(ignored: set[int], blocked: set[int]) -> Callable[[], None]:
    def prepare() -> None:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

    return prepare


def test_the_mask_and_the_dispositions_are_as_given(mode: list[str]) -> None:
    ignored = {signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGUSR2, signal.SIGRTMIN + 3}
    prepare = _prepared(ignored, {signal.SIGUSR1, signal.SIGTERM, signal.SIGTSTP, signal.SIGRTMIN + 1})
    command = ["grep", "-E", "^(Sig|Shd)(Blk|Ign|Cgt|Pnd)", "/proc/self/status"]
    direct = subprocess.run(command, preexec_fn=prepare, capture_output=True, check=True).stdout
    done = subprocess.run([*mode, *command], preexec_fn=prepare, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, direct, b"")


def test_an_ignored_sigchld_does_not_hide_the_childs_end(supervised: list[str]) -> None:
    done = subprocess.run(
        [*supervised, "/bin/sh", "-c", "exit 7"], preexec_fn=_prepared({signal.SIGCHLD}, set()), timeout=PATIENCE
    )
    assert done.returncode == 7


def test_what_nohup_ignores_ends_neither(supervised: list[str], start: Start) -> None:
    process = _begin(
        start, ["nohup", *supervised, "/bin/sh", "-c", "echo ready; read line; exit 4"], stdin=subprocess.PIPE
    )
    process.send_signal(signal.SIGHUP)
    process.communicate(b"go\n", timeout=PATIENCE)
    assert process.returncode == 4


# Before the child runs


@pytest.fixture
def fetching(
    store: Callable[[Answer], Store], start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Start a witness whose secret is being fetched, and give it with what lets the fetch go on."""
    monkeypatch.setenv("KAKAOCLOUD_TOKEN", "token")
    go: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    server = store(lambda _: go.get(timeout=PATIENCE))
    manifest = tmp_path / "slow.toml"
    manifest.write_text(server.manifest('X = "kakaocloud://1"'))

    def begin(command: list[str] = WITNESS, **how: Any) -> tuple[subprocess.Popen[bytes], Callable[[], None]]:
        process = start([*LAUNCHER, "--supervise", "-f", str(manifest), "--", *command], start_new_session=True, **how)
        server.arrived.get(timeout=PATIENCE)
        return process, lambda: go.put(kakao_value('"x"'))

    return begin


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_during_the_fetch_ends_the_start(fetching: Callable[..., Any], number: signal.Signals) -> None:
    process, _ = fetching(["touch", "started"])
    fetcher = _child(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (128 + number, b"", b"")
    assert not Path(f"/proc/{fetcher}").exists()
    assert not Path("started").exists()


def test_all_others_wait_for_the_child(fetching: Callable[..., Any]) -> None:
    """As does one that ends the start, where it was given to us as blocked."""
    process, go = fetching(preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals()))
    eventually(lambda: b"supervisor" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), "the supervisor is there")
    eventually(lambda: _sleeps(process.pid), "and waits")
    # A new Python forgets what it ignores; a stop and a SIGCONT that wait cancel each other.
    lost = {signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCONT}
    sent = [number for number in [*FORWARDABLE, *[int(signal.SIGRTMIN)] * 9] if number not in lost]
    for number in sent:
        process.send_signal(number)
    go()
    told = _told(process, b"ready\n")
    assert sorted(told) == sorted(sent)


def test_one_that_was_given_as_ignored_does_not_end_the_start(fetching: Callable[..., Any]) -> None:
    process, go = fetching(["/bin/sh", "-c", "exit 5"], preexec_fn=_prepared({signal.SIGINT, signal.SIGTERM}, set()))
    process.send_signal(signal.SIGINT)
    process.terminate()
    go()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 5
