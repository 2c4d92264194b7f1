"""A hook of mkdocs: the site has the files outside of docs/ that pages link to, so that every link leads somewhere.

Pages link to each other as files of the repository, which is what a code host shows. Here README.md becomes the first
page, what lies in docs/ stands at the top with its folders, and everything else that is linked to, page or not, keeps
its path.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(?=[)#])")
"""A path in a link, without its anchor; no address with a scheme."""

_INFO = re.compile(r"^(```\w+) .*$", re.MULTILINE)
"""A fenced block whose first line has more words than the language: they are for the tests."""


def on_files(files: Any, config: Any) -> Any:
    """Add what the pages of docs/ and the README link to, and what that links to."""
    from mkdocs.structure.files import File

    first = ["README.md", *(path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob("docs/**/*.md")))]
    for path in linked(first):
        if not path.startswith("docs/"):
            files.append(File.generated(config, in_site(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page as mkdocs reads it."""
    return rewritten(markdown, in_repository(page.file.src_uri))


def linked(first: Iterable[str]) -> list[str]:
    """These files of the repository and all that they lead to, each once."""
    found = list(first)
    for path in found:  # grows while it is read
        if path.endswith(".md"):
            text = (ROOT / path).read_text()
            found += sorted({target for target in _targets(text, path) if target not in found})
    return found


def _targets(text: str, path: str) -> Iterator[str]:
    for link in LINK.findall(text):
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
        if (ROOT / target).is_file():
            yield target


def in_site(path: str) -> str:
    """Where a file of the repository stands in the site."""
    return "index.md" if path == "README.md" else path.removeprefix("docs/")


def in_repository(path: str) -> str:
    """The file of the repository that stands there in the site."""
    if path == "index.md":
        return "README.md"
    return f"docs/{path}" if (ROOT / "docs" / path).is_file() else path


def rewritten(text: str, path: str) -> str:
    """The text of a page with its links as the site has them; one that leads nowhere stays, and stops the build."""
    folder, here = posixpath.dirname(path), posixpath.dirname(in_site(path))

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, match[0]))
        return posixpath.relpath(in_site(target), here or ".") if (ROOT / target).is_file() else match[0]

    return _INFO.sub(r"\1", LINK.sub(link, text))
