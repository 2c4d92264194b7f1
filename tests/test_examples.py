"""The examples run as they stand: against the emulator, with the example application, and as `make demo`."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envinject.emulator import Emulator, load_seed, serve

EXAMPLES = Path(__file__).parents[1] / "examples"
SEED = EXAMPLES / "emulator" / "seed.toml"
OVERLAY = EXAMPLES / "emulated.toml"
PORT_IN_OVERLAY = "http://127.0.0.1:8480"
APP = [sys.executable, EXAMPLES / "app" / "app.py"]
CREDENTIALS = {
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "fake-access-key-id",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "fake-secret-access-key",
    "NCLOUD_ACCESS_KEY_ID": "fake-access-key",
    "NCLOUD_SECRET_ACCESS_KEY": "fake-secret-key",
}
VARIABLES = {
    "local": "DB_PASSWORD MAIL_USER MAIL_PASSWORD SIGNING_KEY KEY_FILE REPLICA_OF LOG_LEVEL",
    "kakaocloud": "API_TOKEN API_URL BANNER LIMITS_RATIO LIMITS_HUGE LOG_LEVEL",
    "ncloud": "DB_LOGIN DB_PASSWORD OLD_PASSWORD REDIS_HOST REDIS_PORT",
    "mixed": "API_TOKEN API_URL DB_USER DB_PASSWORD OLD_PASSWORD LOG_LEVEL",
    "container": "API_TOKEN API_URL LOG_LEVEL",
}
VALUE = b"fake"
"""In every secret of the examples that is worth hiding, and in nothing else that is printed."""


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator(load_seed(SEED)) as running:
        yield running


@pytest.fixture
def over(emulator: Emulator, tmp_path: Path) -> Path:
    """The manifest that goes over an example: the clouds are this test's emulator, mounted credentials are files."""
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    text = OVERLAY.read_text().replace(PORT_IN_OVERLAY, emulator.url)
    path = tmp_path / "over.toml"
    path.write_text(text)
    return path


def with_mounted_credentials(over: Path) -> Path:
    """The same for the container's example, whose credentials are files."""
    lines = []
    for setting, value in (("access_key_id", "fake-access-key-id"), ("secret_access_key", "fake-secret-access-key")):
        file = over.parent / "mounted" / setting
        file.write_text(f"{value}\n")
        lines.append(f'{setting}_file = "{file}"')
    head = "[providers.kakaocloud]"
    over.write_text(over.read_text().replace(head, "\n".join((head, *lines))))
    return over


def environ_of(example: str) -> dict[str, str]:
    return {} if example in ("local", "container") else CREDENTIALS


@pytest.mark.parametrize(
    "example", [pytest.param(name, marks=pytest.mark.slow if name == "ncloud" else ()) for name in VARIABLES]
)
def test_an_example_brings_its_variables_to_the_application(
    example: str, launch: Any, over: Path, tmp_path: Path
) -> None:
    if example == "container":
        with_mounted_credentials(over)
    manifests = ("-f", EXAMPLES / example / "secrets.toml", "-f", over)
    planned = launch("plan", "--fetch", "--json", *manifests, environ=environ_of(example))
    assert planned.returncode == 0, planned.stderr
    plan = tmp_path / "plan.json"
    plan.write_bytes(planned.stdout)

    ran = launch(*manifests, "--", *APP, plan, environ=environ_of(example))

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stderr == b""
    arrived = re.findall(r"^([A-Z_]+) +\d+ bytes  \S", ran.stdout.decode(), re.MULTILINE)
    assert arrived == VARIABLES[example].split()
    assert b"credentials of the clouds: none are here" in ran.stdout
    assert VALUE not in ran.stdout + planned.stdout + planned.stderr


def test_the_example_application_notices_a_variable_that_is_missing(tmp_path: Path) -> None:
    row = {"name": "NOT_HERE", "bytes": 3, "provider": None}
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"variables": [row]}))

    ran = subprocess.run([*APP, plan], capture_output=True, check=False)

    assert ran.returncode == 1
    assert b"wrong: NOT_HERE" in ran.stdout


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/secrets.toml")), ids=lambda path: path.parent.name)
def test_the_manifest_of_an_example_is_valid_without_its_cloud(path: Path, launch: Any) -> None:
    checked = launch("check", "-f", path)

    assert (checked.returncode, checked.stderr) == (0, b"")
    assert path.parent.name in VARIABLES, "an example that no test runs"


def test_the_overlay_is_what_the_emulator_prints() -> None:
    stop, out = threading.Event(), io.StringIO()
    stop.set()
    serve(SEED, out=out, log=io.StringIO(), stop=stop)
    printed = re.sub(r"http://127\.0\.0\.1:\d+", PORT_IN_OVERLAY, out.getvalue())

    overlay = OVERLAY.read_text()

    assert overlay[overlay.index("[") :] == printed[printed.index("[") :]


# The container


def instruction(name: str) -> list[str]:
    """The words of an instruction of the Dockerfile that is written as a list, as it should be."""
    found = re.search(rf"^{name} (\[.*\])$", (EXAMPLES / "container" / "Dockerfile").read_text(), re.MULTILINE)
    assert found, f"{name} is no list: a shell would stand between"
    words: list[str] = json.loads(found[1])
    return words


def test_the_entry_point_of_the_container_starts_its_command(launch: Any, over: Path) -> None:
    program, *words = instruction("ENTRYPOINT")
    assert (program, words[-1]) == ("secrets-exec", "--")
    here = {"/etc/app/secrets.toml": EXAMPLES / "container" / "secrets.toml"}
    options = [here.get(word, word) for word in words[:-1]]
    command = [{"python": APP[0], "app.py": APP[1]}[word] for word in instruction("CMD")]

    ran = launch(*options, "-f", with_mounted_credentials(over), "--", *command)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(rb"^API_TOKEN +14 bytes$", ran.stdout, re.MULTILINE)


def test_the_container_copies_files_that_are_there() -> None:
    copied = re.findall(r"^COPY (\S+) ", (EXAMPLES / "container" / "Dockerfile").read_text(), re.MULTILINE)
    ours = [path for path in copied if not path.startswith("dist/")]

    assert ours
    assert [path for path in ours if not (EXAMPLES.parent / path).exists()] == []


# The demo


def demo(*before: str | Path, script: Path = EXAMPLES / "demo.py", folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end, with a folder of its own for what is temporary."""
    environ = {**os.environ, "TMPDIR": str(folder)}
    return subprocess.run(
        [*before, sys.executable, script], env=environ, capture_output=True, text=True, timeout=60, check=False
    )


def is_listening(port: str) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(port))) == 0


@pytest.mark.slow
def test_the_demo_succeeds_twice_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    for _ in range(2):
        ran = demo(folder=folder)

        assert ran.returncode == 0, ran.stdout + ran.stderr
        became = re.search(r"^this is process (\d+)\nprocess (\d+) was the launcher, then", ran.stdout, re.MULTILINE)
        assert became
        assert became[1] == became[2]
        assert VALUE.decode() not in ran.stdout + ran.stderr
        assert list(folder.iterdir()) == []
        assert not is_listening(re.findall(r"http://127\.0\.0\.1:(\d+)", ran.stdout)[0])


@pytest.mark.slow
def test_the_demo_needs_no_network(tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if not (shutil.which("unshare") and shutil.which("ip")):
        pytest.skip("unshare and ip are not installed")
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine allows no network namespace")

    ran = demo(*alone, folder=tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        pytest.param('id = "4f1c"', 'id = "other"', id="a-secret-that-is-not-there"),
        pytest.param("\n[kakaocloud]", "\n[kakaoclout]", id="a-seed-that-is-refused"),
    ],
)
def test_the_demo_fails_when_something_is_wrong(was: str, becomes: str, tmp_path: Path) -> None:
    copy = shutil.copytree(EXAMPLES, tmp_path / "examples")
    seed = copy / "emulator" / "seed.toml"
    assert was in seed.read_text()
    seed.write_text(seed.read_text().replace(was, becomes, 1))
    folder = tmp_path / "temporary"
    folder.mkdir()

    ran = demo(script=copy / "demo.py", folder=folder)

    assert ran.returncode == 1
    assert "demo: " in ran.stderr
    assert list(folder.iterdir()) == []
    assert not any(is_listening(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", ran.stdout))
