"""Expansion and merge of many secrets, in this process: prints the CPU (ms) and the memory (MiB) that it took.

Run by the interpreter that has the package: `python bench/expansion.py`.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import tempfile
import time

SECRETS, KEYS = 1000, 20


def main() -> None:
    """Prepare the manifest and the answers of a store, then do what a run does with them."""
    gc.disable()  # as the launcher does
    from envinject import environ, inject
    from envinject.manifest import load
    from envinject.secret import Secret

    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        secrets = {
            f"S{number}": {"provider": "kakaocloud", "id": f"s{number}", "expand": True} for number in range(SECRETS)
        }
        json.dump({"secrets": secrets}, file)
        file.flush()
        manifest = load([file.name], {}, warn=lambda _what, _hint: None)
    found = {entry.target: Secret(_value(number)) for number, entry in enumerate(manifest.entries)}
    given = dict(os.environb)
    before = _kib()
    began = time.process_time()
    made = inject.injections(manifest, found, {})
    put = inject.put(made, environ.inherited(given, inherit=True, withheld=frozenset()), manifest.options.on_conflict)
    seconds = time.process_time() - began
    if len(put) < SECRETS * KEYS:
        sys.exit(f"{len(put)} variables came out")
    print(json.dumps({"cpu": seconds * 1000, "memory": (_kib() - before) / 1024}))


def _value(number: int) -> bytes:
    return json.dumps({f"key_{key}": f"fake-{number}-{key}" for key in range(KEYS)}).encode()


def _kib() -> int:
    """The largest resident set so far."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


if __name__ == "__main__":
    main()
