"""The launcher that many people write first: click, requests and ten threads.

It reads the same small manifest as the Go launcher (bench/limit), does the same requests, and becomes the command.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click
import requests

THREADS = 10
_SECONDS = 30


class KakaoCloud:
    """Exchanges the access key for a token, then reads."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.endpoint, self.authorities = asked["endpoint"], asked["ca"]
        credential = {
            "id": os.environ["KAKAOCLOUD_APPLICATION_CREDENTIAL_ID"],
            "secret": os.environ["KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET"],
        }
        identity = {"methods": ["application_credential"], "application_credential": credential}
        url = f"{self.endpoint}/identity/v3/auth/tokens"
        answer = requests.post(url, json={"auth": {"identity": identity}}, verify=self.authorities, timeout=_SECONDS)
        answer.raise_for_status()
        self.token = answer.headers["X-Subject-Token"]

    def read(self, secret: str) -> str:
        """The value of one secret."""
        url = f"{self.endpoint}/api/v1/secrets/{secret}/versions/value"
        answer = requests.get(url, headers={"X-Auth-Token": self.token}, verify=self.authorities, timeout=_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["version"]["secret"])


class NCloud:
    """Signs each request."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.endpoint, self.authorities = asked["endpoint"], asked["ca"]
        self.access, self.secret = os.environ["NCLOUD_ACCESS_KEY_ID"], os.environ["NCLOUD_SECRET_ACCESS_KEY"]

    def read(self, secret: str) -> str:
        """The value of one secret's active stage."""
        target = f"/secretmanager/api/v1/secrets/{secret}/active"
        timestamp = str(int(time.time() * 1000))
        message = f"GET {target}\n{timestamp}\n{self.access}".encode()
        signature = base64.b64encode(hmac.new(self.secret.encode(), message, hashlib.sha256).digest())
        headers = {
            "x-ncp-apigw-timestamp": timestamp,
            "x-ncp-iam-access-key": self.access,
            "x-ncp-apigw-signature-v2": signature.decode(),
        }
        answer = requests.get(self.endpoint + target, headers=headers, verify=self.authorities, timeout=_SECONDS)
        answer.raise_for_status()
        return str(answer.json()["data"]["decryptedSecretValue"]["value"])


CLOUDS: dict[str, type[KakaoCloud | NCloud]] = {"kakaocloud": KakaoCloud, "ncloud": NCloud}


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(manifest: Path, command: tuple[str, ...]) -> None:
    """Fetch the secrets of MANIFEST, and become COMMAND."""
    asked = json.loads(manifest.read_text())
    cloud = CLOUDS[asked["cloud"]](asked)
    with ThreadPoolExecutor(THREADS) as pool:
        values = dict(zip(asked["secrets"], pool.map(cloud.read, asked["secrets"].values()), strict=True))
    os.execvpe(command[0], command, {**os.environ, **values})


if __name__ == "__main__":
    main()
