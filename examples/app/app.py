"""An application that tells which variables reached it: their names, lengths and sources. Never a value.

    python app.py         every variable of its environment
    python app.py PLAN    those of a plan, which is what `secrets-exec plan --fetch --json` wrote

A program cannot see where a variable of its environment comes from. The plan says it, so the plan is handed over.
Exit code 1: a variable of the plan is missing here, or is not as long as it was planned.
"""

import json
import os
import sys
from pathlib import Path

CREDENTIALS = ("KAKAOCLOUD_", "NCLOUD_")


def main() -> int:
    rows = planned(Path(sys.argv[1])) if len(sys.argv) > 1 else {name: (len(os.environb[name]), "") for name in here()}
    wrong = [name for name, (size, _source) in rows.items() if len(os.environb.get(name, b"")) != size]
    width = max(map(len, rows), default=0)
    for name, (size, source) in rows.items():
        print(f"{os.fsdecode(name):{width}}  {size:5} bytes  {source}".rstrip())
    keys = [name for name in map(os.fsdecode, here()) if name.startswith(CREDENTIALS)]
    print(f"credentials of the clouds: {', '.join(keys) or 'none are here'}")
    print(f"this is process {os.getpid()}", flush=True)
    if wrong:
        print("wrong:", ", ".join(map(os.fsdecode, wrong)))
    return 1 if wrong else 0


def here() -> list[bytes]:
    return sorted(os.environb)


def planned(plan: Path) -> dict[bytes, tuple[int, str]]:
    """Length and source of each variable, by name."""
    rows = json.loads(plan.read_text())["variables"]
    return {os.fsencode(row["name"]): (row["bytes"], source(row)) for row in rows}


def source(row: dict[str, str | None]) -> str:
    """The reference that a variable comes from, as the manifest writes it."""
    if row["provider"] is None:
        return "the manifest itself"
    revision = next((f"?{name}={row[name]}" for name in ("version", "stage") if row[name]), "")
    return f"{row['provider']}://{row['id']}{revision}" + (f"#{row['key']}" if row["key"] else "")


if __name__ == "__main__":
    sys.exit(main())
