"""The emulator as a command: what it says when it is ready, and how it ends."""

from __future__ import annotations

import http.client
import io
import json
import signal
import subprocess
import sys
import threading
import tomllib
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from launching import LAUNCHER, eventually, unused_port

from envinject.emulator import CannotStart, SeedError, serve

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/emulator/seed.toml"
PROGRAM = "import sys; from envinject.emulator import serve; sys.exit(serve(sys.argv[1], tls=len(sys.argv) > 2))"
SERVICES = ["kakaocloud", "kakaocloud-classic", "kakaocloud-iam", "ncloud", "ncloud-jp", "ncloud-global", "metadata"]


@pytest.fixture
def stopped():
    stop = threading.Event()
    stop.set()
    return stop


def announced(stopped, **options):
    out = io.StringIO()
    assert serve(EXAMPLE, out=out, stop=stopped, **options) == 0
    endpoints, _, snippet = out.getvalue().partition("\n\n")
    return dict(line.split() for line in endpoints.splitlines()), tomllib.loads(snippet)


def test_it_says_its_endpoints_and_a_manifests_providers(stopped):
    endpoints, snippet = announced(stopped)
    assert list(endpoints) == SERVICES
    assert snippet == {
        "providers": {
            "kakaocloud": {"endpoint": endpoints["kakaocloud"], "iam_endpoint": endpoints["kakaocloud-iam"]},
            "ncloud": {"endpoint": endpoints["ncloud"], "keys": "isolated"},
        }
    }


def test_it_says_so_in_json_too(stopped):
    out = io.StringIO()
    assert serve(EXAMPLE, out=out, stop=stopped, tls=True, as_json=True) == 0
    told = json.loads(out.getvalue())
    endpoints, snippet = announced(stopped)

    assert list(told) == ["shape", "endpoints", "ca_file", "providers"]
    assert told["shape"] == 1
    assert told["endpoints"].keys() == endpoints.keys()
    assert told["providers"].keys() == snippet["providers"].keys()
    assert told["providers"]["ncloud"]["ca_bundle"] == told["ca_file"]


def test_with_tls_it_says_the_authoritys_file_and_takes_it_away_at_the_end(stopped):
    endpoints, snippet = announced(stopped, tls=True)
    assert endpoints["ncloud"].startswith("https://")
    assert snippet["providers"]["ncloud"]["ca_bundle"] == endpoints["ca-file"]
    assert snippet["providers"]["kakaocloud"]["ca_bundle"] == endpoints["ca-file"]
    assert not Path(endpoints["ca-file"]).exists()


def test_a_seed_that_makes_no_sense_starts_nothing(tmp_path, stopped):
    path = tmp_path / "seed.toml"
    path.write_text("delai = 1\n")
    with pytest.raises(SeedError, match="did you mean 'delay'"):
        serve(path, stop=stopped)


def test_a_host_that_is_not_loopback_starts_nothing(stopped):
    with pytest.raises(CannotStart):
        serve(EXAMPLE, "0.0.0.0", stop=stopped)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0(number):
    with _started(str(EXAMPLE)) as process:
        url = process.stdout.readline().split()[1]
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.request("GET", urlsplit(url).path + "/api/v1/secrets", headers={"X-Auth-Token": "fake-token"})
        assert connection.getresponse().status == 200
        process.send_signal(number)
        _, log = process.communicate()
        connection.close()
    assert process.returncode == 0
    assert log.endswith("GET /kakaocloud/api/v1/secrets 200 kakaocloud reporting\n")
    assert log.count("\n") == 1


def test_the_last_line_is_there_before_the_end():
    with _started(str(EXAMPLE), "--tls") as process:
        lines = []
        while not lines or lines.count("\n") < 2 or not lines[-1].startswith("ca_bundle"):
            lines.append(process.stdout.readline())
        assert Path(lines[-1].split('"')[1]).read_text().startswith("-----BEGIN CERTIFICATE-----")
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def test_streams_that_were_closed_from_the_start_stop_nothing():
    port = unused_port()
    command = [*LAUNCHER, "emulator", "--seed", str(EXAMPLE), "--port", str(port)]
    with subprocess.Popen(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]) as process:
        try:
            assert eventually(lambda: _answers(port), "the emulator answers") == 200
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


def _answers(port):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with closing(connection), suppress(ConnectionError):
        connection.request("GET", "/kakaocloud/api/v1/secrets", headers={"X-Auth-Token": "fake-token"})
        return connection.getresponse().status


def _started(*arguments):
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
