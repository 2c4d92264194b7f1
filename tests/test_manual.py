"""The pages that are made from the code, and the links of the site. That the site builds is tried by `make docs`."""

from __future__ import annotations

import posixpath
from pathlib import Path

import pytest
from test_docs import ROOT, codes, section, table

import manual
from envinject import providers
from envinject.schema import schema
from manual import commands, hook, reference

LINKED = hook.linked(["README.md", *(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/**/*.md"))])


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


# Pages that are made


@pytest.mark.parametrize("path", manual.PAGES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_page_that_is_made_from_the_code_is_what_the_code_says(path: Path) -> None:
    text = path.read_text()

    assert text == manual.PAGES[path](text), "write it anew: make manual"


def test_what_is_written_by_hand_stays_around_what_is_made() -> None:
    page = "by hand\n<!-- usage: make manual -->\nold\n<!-- end -->\nby hand too\n"

    assert commands.renewed(page, "usage", "new\n") == page.replace("old", "\nnew\n")
    with pytest.raises(ValueError, match="0 places for options"):
        commands.renewed(page, "options", "new\n")


@pytest.mark.parametrize(
    ("heading", "name"),
    [("A secret", "secretTable"), ("Options", "options"), *((name, name) for name in providers.TYPES)],
)
def test_every_field_of_the_schema_is_on_the_page(heading: str, name: str) -> None:
    rows = table(section("docs/reference.md", heading), "field")

    assert [codes(row["field"])[0] for row in rows] == list(schema()["$defs"][name]["properties"])


@pytest.mark.parametrize(
    ("one", "words"),
    [
        ({}, "anything"),
        ({"enum": ["a", 1]}, '`"a"` or `1`'),
        ({"type": "boolean"}, "`true` or `false`"),
        ({"type": "integer"}, "a whole number"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "a whole number from 1 to 9"),
        ({"type": "array", "items": {"type": "string"}}, "a list of text"),
        ({"anyOf": [{"const": False}, {"$ref": "#/$defs/name"}]}, "`false` or [a name](#a-name)"),
    ],
)
def test_what_a_field_takes_is_told_in_words(one: dict[str, object], words: str) -> None:
    assert reference.takes(one) == words
