"""Many secrets, more than one manifest holds: joins the manifests that it is given, and does what a run does with them.

Run by the interpreter that has the package: `python bench/growth.py MANIFEST...`. It starts no command.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence


def main(paths: Sequence[str]) -> None:
    """Read every manifest, fetch all their secrets at once, and put them in an environment."""
    from envinject import environ, inject
    from envinject.fetch import fetch
    from envinject.log import Log
    from envinject.manifest import load

    given = dict(os.environb)
    parts = [load([path], environ.decoded(given), warn=lambda _what, _hint: None) for path in paths]
    whole = parts[0].replace(entries=tuple(entry for part in parts for entry in part.entries))
    found = fetch(whole, given, Log(), time.monotonic())
    made = inject.injections(whole, found, {})
    put = inject.put(made, {}, whole.options.on_conflict)
    if len(put) != len(whole.entries):
        sys.exit(f"{len(put)} of {len(whole.entries)} variables came out")


if __name__ == "__main__":
    main(sys.argv[1:])
