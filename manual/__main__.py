"""Renew the pages that are made from the code: `make manual`. A test compares them."""

from __future__ import annotations

from . import PAGES

if __name__ == "__main__":
    for path, renew in PAGES.items():
        was = path.read_text() if path.exists() else ""
        path.write_text(renew(was))
    print(f"renewed {len(PAGES)} pages")
