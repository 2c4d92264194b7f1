"""Write the pages that are made from the code: `make manual`. A test compares them."""

from __future__ import annotations

from . import PAGES

if __name__ == "__main__":
    for path, make in PAGES.items():
        path.write_text(make())
        print(f"wrote {path.name}")
