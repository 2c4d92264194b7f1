"""The site of the documentation: its links are those of the repository. That it builds is tried by `make docs`."""

from __future__ import annotations

import posixpath

import pytest
from test_docs import ROOT

from manual import hook

LINKED = hook.linked(["README.md", *(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))])


def test_a_file_has_one_place_in_the_site_and_is_found_from_there() -> None:
    places = {hook.in_site(path): path for path in LINKED}

    assert len(places) == len(LINKED)
    assert {hook.in_repository(place): place for place in places} == {path: place for place, path in places.items()}


@pytest.mark.parametrize("path", [path for path in LINKED if path.endswith(".md")])
def test_the_links_of_a_page_lead_to_the_same_files_in_the_site(path: str) -> None:
    text = (ROOT / path).read_text()
    place = hook.in_site(path)
    found = [
        hook.in_repository(posixpath.normpath(posixpath.join(posixpath.dirname(place), link)))
        for link in hook.LINK.findall(hook.rewritten(text, path))
    ]

    wanted = [posixpath.normpath(posixpath.join(posixpath.dirname(path), link)) for link in hook.LINK.findall(text)]
    assert found == wanted
    assert set(found) <= set(LINKED)


def test_a_page_outside_of_docs_is_linked_inside_of_the_site() -> None:
    text = "[a](../SECURITY.md#refused-names) [b](running.md) [c](https://x.example/x.md) [d](../README.md) [e](no.md)"

    assert hook.rewritten(text, "docs/manifest.md") == (
        "[a](SECURITY.md#refused-names) [b](running.md) [c](https://x.example/x.md) [d](index.md) [e](no.md)"
    )
    assert hook.rewritten("[a](../../docs/onefile.md)", "examples/container/README.md") == "[a](../../onefile.md)"


def test_what_a_fenced_block_tells_the_tests_is_not_in_the_site() -> None:
    assert hook.rewritten("```yaml kubernetes\na: 1\n```\n", "docs/onefile.md") == "```yaml\na: 1\n```\n"
