"""The emulator as a process of its own, over TLS: for launchers that are run somewhere else than in a test."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
CREDENTIALS = {  # what examples/emulator/seed.toml lets in
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "fake-access-key-id",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "fake-secret-access-key",
    "NCLOUD_ACCESS_KEY_ID": "fake-access-key",
    "NCLOUD_SECRET_ACCESS_KEY": "fake-secret-key",
}


class Emulated(NamedTuple):
    """A running emulator: the manifest that points at it, and the certificate of its authority."""

    manifest: str
    authority: bytes

    def trusting(self, ca_file: str | None) -> str:
        """The manifest with another path of the authority's file, or with none."""
        line = f'ca_bundle = "{ca_file}"\n' if ca_file else ""
        return re.sub(r"ca_bundle = .*\n", line, self.manifest)


@contextmanager
def emulated(*before: str) -> Iterator[Emulated]:
    """Run an emulator; `before` is a command that starts another one, to start it in."""
    command = [*before, sys.executable, "-P", "-m", "envinject", "emulator", "--tls"]
    command += ["--seed", str(EXAMPLES / "emulator" / "seed.toml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            said = os.read(process.stdout.fileno(), 1 << 16).decode()  # all at once
            manifest = said[said.index("[providers") :]
            (ca_file,) = set(re.findall(r'ca_bundle = "(.*)"', manifest))
            yield Emulated(manifest, Path(ca_file).read_bytes())
        finally:
            process.terminate()
