"""The server of both clouds' APIs, a program of its own (bench/server): begins, counts, ends."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType

import psutil

KAKAOCLOUD, NCLOUD = "kakaocloud", "ncloud"
CLOUDS = (KAKAOCLOUD, NCLOUD)
HTTP_2, HTTP_1 = "h2", "h1"
"""Where HTTP/2 is offered beside HTTP/1.1, and where it is not."""

VAULT_TOKEN = "fake-vault-token"
CREDENTIALS = {
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "fake-access-key",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "fake-secret-key",
    "NCLOUD_ACCESS_KEY_ID": "fake-access-key",
    "NCLOUD_SECRET_ACCESS_KEY": "fake-secret-key",
}
"""What the server takes. It opens nothing else."""

_PATIENCE = 10.0


class Server:
    """One server with one delay, in milliseconds. Its files stand in `folder`, which lives longer than it."""

    def __init__(self, program: Path, folder: Path, delay: int) -> None:
        self.delay = delay
        self.folder = folder
        words: list[str | Path] = [program, "-folder", folder, "-delay", f"{delay}ms"]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout, "it is a pipe"
        told = json.loads(self._process.stdout.readline())
        self.authorities: str = told["ca"]
        self.endpoints: dict[str, str] = {HTTP_2: told[HTTP_2], HTTP_1: told[HTTP_1]}

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate(timeout=_PATIENCE)  # closes its standard input, which ends it

    def requests(self) -> int:
        """How many requests it has had."""
        trusted = ssl.create_default_context(cafile=self.authorities)
        with urllib.request.urlopen(f"{self.endpoints[HTTP_1]}/count", context=trusted, timeout=_PATIENCE) as answer:
            return int(json.load(answer)["requests"])

    def cpu(self) -> float:
        """Seconds of the processor that it has used."""
        used = psutil.Process(self._process.pid).cpu_times()
        return used.user + used.system
