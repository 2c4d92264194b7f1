"""`--watch`: values are fetched again, and a real change, nothing else, does something to the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from launching import LAUNCHER, PATIENCE, Answer, Store, eventually, http, kakao_value, memory_of, works

PID_1 = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
SCRIPT = 'echo "$$ $VALUE" >>starts; trap "echo $VALUE >>ends; exit 9" TERM; while :; do sleep 0.02; done'
TOKEN = "canary-token-93ad2e"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="supervising needs Linux")


class Watched:
    """A store whose value can be changed, and a command that is watched. It writes down its starts and its ends."""

    def __init__(self, store: Callable[[Answer], Store], start: Callable[..., Any]) -> None:
        self.value = "canary-one-5f1b"
        self.fails = False
        self.store = store(lambda _: http(503) if self.fails else kakao_value(f'"{self.value}"'))
        self._start = start
        self.process: Any = None

    def begin(
        self,
        *options: str,
        script: str = SCRIPT,
        interval: str = "50ms",
        prefix: tuple[str, ...] = (),
        secret: str = 'VALUE = "kakaocloud://1"',
    ) -> subprocess.Popen[bytes]:
        Path("watched.toml").write_text(self.store.manifest(secret))
        words = [
            *prefix,
            *LAUNCHER,
            "--pdeathsig",
            "KILL",
            "--watch",
            interval,
            "--timeout",
            "2s",
            *options,
            "-f",
            "watched.toml",
            "--",
        ]
        environ = {**os.environ, "KAKAOCLOUD_TOKEN": TOKEN}
        self.process = self._start([*words, "/bin/sh", "-c", script], env=environ)
        eventually(lambda: self.starts, "the command has started")
        return self.process

    def settle(self) -> None:
        """Wait until some more looks at the store are over."""
        before = len(self.store.requests)
        eventually(lambda: len(self.store.requests) >= before + 3, "values are fetched again")

    @property
    def starts(self) -> list[str]:
        """The value of each start so far."""
        return [line.split()[1] for line in self._lines("starts")]

    @property
    def pids(self) -> list[int]:
        return [int(line.split()[0]) for line in self._lines("starts")]

    @property
    def ends(self) -> list[str]:
        return self._lines("ends")

    def _lines(self, name: str) -> list[str]:
        return Path(name).read_text().splitlines() if Path(name).exists() else []


@pytest.fixture
def watched(store: Callable[[Answer], Store], start: Callable[..., Any]) -> Watched:
    return Watched(store, start)


def test_a_changed_value_restarts_the_command_with_the_new_one(watched: Watched) -> None:
    process = watched.begin()
    watched.settle()
    assert watched.starts == ["canary-one-5f1b"]
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    assert (watched.starts[1], watched.ends) == ("canary-two-77aa", ["canary-one-5f1b"])
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 9
    assert watched.ends[1:] == ["canary-two-77aa"]


def test_as_process_1_too(watched: Watched) -> None:
    if not works([*PID_1, "true"]):
        pytest.skip("PID namespaces are not permitted here")
    watched.begin(prefix=tuple(PID_1))
    watched.value = "canary-two-77aa"
    eventually(lambda: watched.starts[1:] == ["canary-two-77aa"], "the command has started again")


def test_without_a_change_nothing_happens(watched: Watched) -> None:
    process = watched.begin()
    watched.settle()
    watched.settle()
    assert (len(watched.starts), watched.ends, process.poll()) == (1, [], None)


def test_a_fetch_that_fails_is_told_and_the_command_runs_on(watched: Watched) -> None:
    process = watched.begin("--timeout", "200ms")
    watched.fails = True
    assert process.stderr is not None
    assert any(b"secrets-exec: error: " in line for line in process.stderr), "it is told"
    watched.value, watched.fails = "canary-two-77aa", False
    eventually(lambda: len(watched.starts) == 2, "the store is back, and so is the new value")


def test_a_signal_is_sent_for_each_change(watched: Watched) -> None:
    script = 'trap "echo hup >>hups" HUP; echo "$$ $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin("--on-change", "signal:HUP", script=script)
    for number in (1, 2):
        watched.value = f"canary-{number}"
        eventually(lambda n=number: Path("hups").exists() and len(Path("hups").read_text().split()) == n, "it is told")
        watched.settle()
    assert Path("hups").read_text() == "hup\nhup\n"
    assert (len(watched.starts), process.poll()) == (1, None)


def test_it_ends_with_the_childs_code_where_that_was_asked_for(watched: Watched) -> None:
    process = watched.begin("--on-change", "exit")
    watched.value = "canary-two-77aa"
    assert process.wait(PATIENCE) == 9
    assert (len(watched.starts), watched.ends) == (1, ["canary-one-5f1b"])


def test_a_command_that_ignores_term_is_killed_before_the_next_begins(watched: Watched) -> None:
    script = 'trap "" TERM; echo "$$ $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin("--grace", "100ms", script=script)
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    assert not Path(f"/proc/{watched.pids[0]}").exists()
    process.kill()


def test_what_is_left_of_the_old_tree_is_ended_and_the_new_one_lives(watched: Watched) -> None:
    script = 'setsid sleep 100 & echo "$! $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin(script=script)
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    old, new = watched.pids
    eventually(lambda: not Path(f"/proc/{old}").exists(), "the old one's process has ended")
    assert Path(f"/proc/{new}").exists()
    process.send_signal(signal.SIGTERM)
    process.wait(PATIENCE)
    assert not Path(f"/proc/{new}").exists()


def test_a_storm_of_changes_is_damped(watched: Watched) -> None:
    watched.begin("--grace", "1h")
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    watched.value = "canary-three-88bb"
    watched.settle()
    watched.settle()
    assert len(watched.starts) == 2, "one restart in a grace period"


def test_a_command_that_ends_by_itself_ends_all(watched: Watched) -> None:
    process = watched.begin(script='echo "$$ $VALUE" >>starts; exit 5', interval="1h")
    assert process.wait(PATIENCE) == 5


def test_who_asks_to_end_during_a_restart_gets_no_other_command(watched: Watched) -> None:
    script = 'trap "echo asked >>asked" TERM; echo "$$ $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin("--grace", "300ms", script=script)
    watched.value = "canary-two-77aa"
    eventually(Path("asked").exists, "the old command was asked to end")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 128 + signal.SIGKILL
    assert len(watched.starts) == 1


@pytest.mark.slow
def test_a_fetcher_that_dies_while_it_waits_is_followed_by_another(watched: Watched) -> None:
    script = 'trap "echo asked >>asked" TERM; echo "$$ $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin("--grace", "3s", script=script)
    watched.value = "canary-two-77aa"
    eventually(Path("asked").exists, "the old command was asked to end")
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        if int(pid) not in watched.pids:
            os.kill(int(pid), signal.SIGKILL)
    eventually(lambda: watched.starts[1:] == ["canary-two-77aa"], "the command has started again")


FILED = """
VALUE = { provider = "kakaocloud", id = "1", as = "file", file = "FILE" }
[env]
OPTION = { template = "--value=${VALUE}" }
"""
OF_FILES = """
echo "$$ $(cat $VALUE) $OPTION" >>starts
trap 'echo "$(cat $VALUE)" >>ends; exit 9' TERM
while :; do sleep 0.02; done
"""


@pytest.mark.parametrize("kind", ["memfd", "tmpfs"])
def test_a_file_whose_content_has_changed_restarts_the_command_with_a_new_one(watched: Watched, kind: str) -> None:
    process = watched.begin(script=OF_FILES, secret=FILED.replace("FILE", kind))
    watched.settle()
    assert watched.starts == ["canary-one-5f1b"], "another path is no change"
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    assert (watched.starts[1], watched.ends) == ("canary-two-77aa", ["canary-one-5f1b"])
    old, new = (Path(line.partition("=")[2]) for line in Path("starts").read_text().splitlines())
    if kind == "tmpfs":
        assert not old.parent.exists(), "a restart gets fresh files"
        assert new.read_text() == "canary-two-77aa"
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 9
    assert watched.ends[1:] == ["canary-two-77aa"]
    assert kind == "memfd" or not new.parent.exists()


def test_a_file_keeps_its_content_where_a_signal_tells_of_a_change(watched: Watched) -> None:
    script = 'trap "cat $VALUE >>hups" HUP; ' + OF_FILES
    watched.begin("--on-change", "signal:HUP", script=script, secret=FILED.replace("FILE", "tmpfs"))
    watched.value = "canary-two-77aa"
    eventually(Path("hups").exists, "it is told")
    assert watched.starts == ["canary-one-5f1b"]
    eventually(lambda: Path("hups").read_text() == "canary-one-5f1b", "the file is as it was")


def test_the_parent_knows_no_value_and_no_credential_between_the_looks(watched: Watched) -> None:
    process = watched.begin()
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    held = memory_of(process.pid) + Path(f"/proc/{process.pid}/environ").read_bytes()
    assert b"supervisor" in held
    for canary in ("canary-one", "canary-two", TOKEN):
        assert canary.encode() not in held


def test_the_next_command_inherits_what_the_first_one_did(watched: Watched) -> None:
    facts = "umask; pwd; ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; env | sort"
    script = f'({facts}) >facts-$VALUE; echo "$$ $VALUE" >>starts; while :; do sleep 0.02; done'
    process = watched.begin(script=script)
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command has started again")
    one, two = (Path(f"facts-{value}").read_text() for value in watched.starts)
    assert one.replace("canary-one-5f1b", "V") == two.replace("canary-two-77aa", "V")
    assert "SECRETS_EXEC_" not in two
    process.kill()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--on-change", "exit"], b"--on-change needs --watch"),
        (["--watch", "60s", "--on-change", "signal:NOPE"], b"--on-change does not take that"),
        (["--watch", "60s", "--on-change", "reload"], b"--on-change does not take that"),
        (["--watch", "soon"], b"--watch does not take that"),
    ],
)
def test_what_makes_no_sense_is_64(literal: Path, options: list[str], said: bytes) -> None:
    done = subprocess.run(
        [*LAUNCHER, *options, "-f", str(literal), "--", "true"], capture_output=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 64
    assert said in done.stderr


# Audited


def test_an_audited_command_has_one_line_for_each_start_and_none_for_a_look(watched: Watched) -> None:
    Path("audit.toml").write_text('[options]\naudit = "audit.log"\n')
    process = watched.begin("-f", "audit.toml")
    watched.settle()
    assert Path("audit.log").read_bytes().count(b"\n") == 1
    watched.value = "canary-two-77aa"
    eventually(lambda: len(watched.starts) == 2, "the command was restarted")
    watched.settle()
    assert Path("audit.log").read_bytes().count(b"\n") == 2
    process.terminate()
    process.wait(PATIENCE)
