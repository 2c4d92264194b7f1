"""An application that tells which variables reached it: their names, lengths and sources. Never a value.

    python app.py         every variable of its environment
    python app.py PLAN    those of a plan, which is what `secrets-exec plan --fetch --json` wrote

A program cannot see where a variable of its environment comes from. The plan says it, so the plan is handed over.
Exit code 1: a variable of the plan is missing here, or its value (of a file: what the file holds) is not as long as it
was planned.
"""

import json
import os
import sys
from pathlib import Path

CREDENTIALS = ("KAKAOCLOUD_", "NCLOUD_")


def main() -> int:
    rows = (
        planned(Path(sys.argv[1])) if len(sys.argv) > 1 else [(name, len(os.environb[name]), "", "") for name in here()]
    )
    wrong = [name for name, size, form, _source in rows if arrived(name, form) != size]
    width = max((len(name) for name, *_ in rows), default=0)
    for name, size, _form, source in rows:
        print(f"{os.fsdecode(name):{width}}  {size:5} bytes  {source}".rstrip())
    keys = [name for name in map(os.fsdecode, here()) if name.startswith(CREDENTIALS)]
    print(f"credentials of the clouds: {', '.join(keys) or 'none are here'}")
    print(f"this is process {os.getpid()}", flush=True)
    if wrong:
        print("wrong:", ", ".join(map(os.fsdecode, wrong)))
    return 1 if wrong else 0


def here() -> list[bytes]:
    return sorted(os.environb)


def arrived(name: bytes, form: str) -> int:
    """The length of what came, in the variable or in the file whose path it holds."""
    held = os.environb.get(name, b"")
    return len(Path(os.fsdecode(held)).read_bytes()) if form == "file" and held else len(held)


def planned(plan: Path) -> list[tuple[bytes, int, str, str]]:
    """Name, length, form and source of each variable."""
    rows = json.loads(plan.read_text())["variables"]
    return [(os.fsencode(row["name"]), row["bytes"], row.get("as", ""), source(row)) for row in rows]


def source(row: dict[str, str | None]) -> str:
    """The reference that a variable comes from, as the manifest writes it."""
    if row["provider"] is None:
        return "the manifest itself"
    revision = next((f"?{name}={row[name]}" for name in ("version", "stage") if row[name]), "")
    return f"{row['provider']}://{row['id']}{revision}" + (f"#{row['key']}" if row["key"] else "")


if __name__ == "__main__":
    sys.exit(main())
