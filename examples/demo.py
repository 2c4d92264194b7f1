"""`make demo`: both clouds on this machine, and an application that runs with secrets of both. No network.

It starts the emulator on a free port, and shows three runs of secrets-exec: one that only checks, one that becomes
the application, and one that refuses to start it. Then it ends the emulator. Exit code 1 when anything went wrong.
"""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FAKES = {  # what examples/emulator/seed.toml lets in
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID": "fake-access-key-id",
    "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET": "fake-secret-access-key",
    "NCLOUD_ACCESS_KEY_ID": "fake-access-key",
    "NCLOUD_SECRET_ACCESS_KEY": "fake-secret-key",
}
OURS = ("SECRETS_EXEC_", "KAKAOCLOUD_", "NCLOUD_")
NOT_FOUND = 66


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the emulator ends with us
    with tempfile.TemporaryDirectory(prefix="demo-") as folder:
        log, endpoints, plan = (Path(folder, name) for name in ("emulator.log", "emulated.toml", "plan.json"))
        print("Both clouds, emulated on this machine:")
        with emulator(log) as providers:
            endpoints.write_text(providers)
            manifests = ("-f", "examples/mixed/secrets.toml", "-f", str(endpoints))

            print("\nWhat would be set, and is it all there? Nothing is started.")
            run("check", "--fetch", *manifests)
            with plan.open("wb") as file:
                run("plan", "--fetch", "--json", *manifests, out=file)

            print("\nThe launcher fetches, then becomes the application, which prints no value:")
            run(*manifests, "--", "python", "examples/app/app.py", str(plan))

            print("\nWith one secret that is not there, nothing starts:")
            run("--set", "MISSING=ncloud://nowhere", *manifests, "--", "python", "examples/app/app.py", code=NOT_FOUND)
    print("\nThe emulator has ended. Next: README.md, and the manifest examples/mixed/secrets.toml.")


@contextmanager
def emulator(log: Path) -> Iterator[str]:
    """Run the emulator; gives the manifest that points at it, which it prints when it is ready."""
    words = ["emulator", "--seed", "examples/emulator/seed.toml"]
    with log.open("wb") as errors, start(*words, stdout=subprocess.PIPE, stderr=errors) as process:
        try:
            assert process.stdout is not None
            said = os.read(process.stdout.fileno(), 1 << 16).decode()  # all at once, or nothing when it has ended
            if not said:
                sys.exit(f"demo: the emulator did not start:\n{log.read_text()}")
            print("  " + said.split()[1].rpartition("/")[0])
            yield said[said.index("[providers") :]
        finally:
            process.terminate()


def run(*words: str, code: int = 0, out: IO[bytes] | None = None) -> None:
    """Run secrets-exec to its end, as one would type it, and insist on its exit code."""
    print(f"$ secrets-exec {shlex.join(words)}" + (f" > {out.name}" if out else ""), flush=True)
    with start(*words, stdout=out) as process:
        pass
    if process.returncode != code:
        sys.exit(f"demo: that ended with {process.returncode}, not with {code}")
    if "--" in words:
        became = "was the launcher, then the application, and" if code == 0 else "was the launcher, and"
        print(f"process {process.pid} {became} ended with {process.returncode}")


def start(*words: str, stdout: IO[bytes] | int | None, stderr: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
    environ = {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | FAKES
    environ["PATH"] = f"{BIN}:{environ.get('PATH', os.defpath)}"
    return subprocess.Popen([BIN / "secrets-exec", *words], cwd=ROOT, env=environ, stdout=stdout, stderr=stderr)


if __name__ == "__main__":
    main()
