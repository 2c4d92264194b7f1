"""What the documents say is what the code does: links, manifests, tables, the tree, the commands."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from envinject import environ, errors, providers
from envinject.cli import options
from envinject.cli.commands import COMMANDS
from envinject.errors import BUG, Failures, SecretsExecError, UsageError
from envinject.manifest import Manifest, Options, load
from envinject.providers.base import COMMON_HTTP, Call
from envinject.reference import SecretRef
from envinject.transports import Answer

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "envinject"
PAGES = sorted(path for where in ("*.md", "docs/**/*.md", "examples/**/*.md", "*/*.md") for path in ROOT.glob(where))
PAGES = list(dict.fromkeys(PAGES))

# Reading Markdown


class Block(NamedTuple):
    """A fenced block: its first word tells the language, the others what it is for."""

    page: Path
    line: int
    info: list[str]
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(*languages: str, pages: Sequence[Path] = PAGES) -> list[Block]:
    found = []
    for page in pages:
        text = page.read_text()
        for match in re.finditer(r"^```(\w+.*)\n((?:.*\n)*?)```$", text, re.MULTILINE):
            block = Block(page, text.count("\n", 0, match.start()) + 1, match[1].split(), match[2])
            found += [block] if block.info[0] in languages else []
    return found


def section(page: str, heading: str) -> str:
    """What stands under a heading, up to the next one of the same or a higher level."""
    text = (ROOT / page).read_text()
    match = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert match, f"{page} has no heading {heading}"
    return re.split(rf"^#{{1,{len(match[1])}}} ", text[match.end() :], maxsplit=1, flags=re.MULTILINE)[0]


def table(text: str, first: str) -> list[dict[str, str]]:
    """The rows of the table whose first column is called so, by the names of the columns."""
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    for lines in map(str.splitlines, tables):
        head, _rule, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        if head[0] == first:
            return [dict(zip(head, row, strict=True)) for row in rows]
    raise AssertionError(f"there is no table of {first}")


def codes(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]*)`", cell)


def column(text: str, first: str) -> list[str]:
    """What is named in the first column of a table."""
    return [name for row in table(text, first) for name in codes(row[first])]


# Links


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"[a-z]+:", link):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


# Manifests


def loaded(text: str, folder: Path, form: str = "toml") -> Manifest:
    path = folder / f"secrets.{form}"
    path.write_text(text)
    return load([str(path)], {}, warn=lambda what, hint: pytest.fail(f"{what}; {hint}"))


FOREIGN = {"kubernetes", "compose", "workflow", "vscode", "lambda"}
"""What else blocks in these languages are, by their second word (test_recipes.py)."""


def manifests() -> list[Block]:
    """Those of all pages, the refused ones too; not files of others, seeds and output (test_blocks.py)."""
    return [block for block in blocks("toml", "json", "yaml") if block.info[1:] in ([], ["error"])]


def test_the_three_formats_are_shown_with_one_manifest(tmp_path: Path) -> None:
    shown = {
        block.info[0]: block for block in reversed(blocks("toml", "json", "yaml", pages=[ROOT / "docs/manifest.md"]))
    }

    def told(block: Block) -> tuple[object, ...]:
        found = loaded(block.text, tmp_path, block.info[0])
        entries = [(entry.name, str(entry.ref), entry.expansion) for entry in found.entries]
        return entries, [literal.name for literal in found.literals], found.options, list(found.providers)

    assert told(shown["toml"]) == told(shown["json"]) == told(shown["yaml"])


KNOWN = {
    "the manifest": ("zzz = 1", "Top level", "key"),
    "a secret": ('[secrets]\nA = { provider = "env", id = "X", zzz = 1 }', "Fields of a secret", "field"),
    "expand": ('[secrets]\nA = { provider = "env", id = "X", expand = { zzz = 1 } }', "Expansion", "field"),
    "options": ("[options]\nzzz = 1", "Options", "option"),
}


def known_fields(text: str, folder: Path) -> list[str]:
    """What the error of an unknown field lists."""
    with pytest.raises(Failures) as caught:
        loaded(text, folder)
    return caught.value.errors[0].hint.partition("It knows: ")[2].split(", ")


@pytest.mark.parametrize(("text", "heading", "first"), KNOWN.values(), ids=KNOWN)
def test_every_field_of_a_manifest_is_documented(text: str, heading: str, first: str, tmp_path: Path) -> None:
    documented = column(section("docs/manifest.md", heading), first)

    assert sorted(documented) == sorted(known_fields(text, tmp_path))


def test_the_defaults_of_the_options_are_those_of_the_code(tmp_path: Path) -> None:
    rows = table(section("docs/manifest.md", "Options"), "option")
    given = {codes(row["option"])[0]: codes(row["default"]) for row in rows}
    text = "\n".join(f"{name} = {default[0]}" for name, default in given.items() if default)

    assert loaded(f"[options]\n{text}", tmp_path).options == Options()


# Providers

TYPES = pytest.mark.parametrize("kind", providers.TYPES)


@pytest.mark.parametrize("page", ["README.md", "docs/providers.md"])
def test_the_table_of_providers_is_the_registry(page: str) -> None:
    rows = table((ROOT / page).read_text(), "type")

    assert [codes(row["type"])[0] for row in rows] == sorted(providers.TYPES, key=[*_order()].index)
    for row in rows:
        for coordinate in providers.provider_class(codes(row["type"])[0]).COORDINATES:
            assert coordinate in codes(row["version or stage"])


def _order() -> Iterator[str]:
    """The clouds, then what is local; each in the registry's order."""
    yield from (name for name, row in providers.TYPES.items() if row.credentials)
    yield from (name for name, row in providers.TYPES.items() if not row.credentials)


def test_every_provider_has_a_page_of_its_own() -> None:
    assert {path.stem for path in ROOT.glob("docs/providers/*.md")} == set(providers.TYPES)


@TYPES
def test_the_settings_of_a_provider_are_documented(kind: str) -> None:
    found = providers.provider_class(kind)
    own = [setting for setting in found.SETTINGS if setting not in COMMON_HTTP]
    text = (ROOT / f"docs/providers/{kind}.md").read_text()
    rows = table(text, "setting") if own else []

    assert [codes(row["setting"])[0] for row in rows] == [setting.name for setting in own]
    for row, setting in zip(rows, own, strict=True):
        assert [choice.strip('"') for choice in codes(row["takes"])] in (list(setting.choices), ["true", "false"], [])


@TYPES
def test_the_credentials_of_a_provider_are_documented(kind: str) -> None:
    credentials = providers.provider_class(kind).CREDENTIALS
    text = (ROOT / f"docs/providers/{kind}.md").read_text()
    rows = table(text, "credential") if credentials else []

    found = [(codes(row["credential"])[0], tuple(codes(row["variables"]))) for row in rows]
    assert found == [(credential.name, credential.variables) for credential in credentials]


def test_the_settings_of_both_clouds_are_documented() -> None:
    found = column(section("docs/providers.md", "Settings of both clouds"), "setting")

    assert found == [setting.name for setting in COMMON_HTTP]


def test_the_provider_in_the_guide_works() -> None:
    (block,) = blocks("python", pages=[ROOT / "CONTRIBUTING.md"])
    names: dict[str, Any] = {}
    exec(compile(block.text, str(block), "exec"), names)
    provider = names["Example"]("example", {}, {"EXAMPLE_TOKEN": "fake"})
    ref = provider.target(SecretRef("example", "a1", version="2"), "/")

    flow = provider.read((ref,))
    call = next(flow)
    assert isinstance(call, Call)
    assert call.build(0.0).target == "/v1/a1/2"
    with pytest.raises(StopIteration) as end:
        flow.send(Answer(200, {}, b"value"))

    assert end.value.value[ref].reveal() == b"value"


# The command line


def all_options() -> dict[str, options.Option]:
    return {f"--{option.name}": option for command in COMMANDS.values() for option in command.options}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_options_on_the_page_of_a_command_are_those_of_the_command_line(name: str) -> None:
    rows = table(section(f"docs/commands/{name}.md", "Options"), "option")
    found = {codes(row["option"])[-1].split()[0]: row for row in rows}

    assert list(found) == [f"--{option.name}" for option in COMMANDS[name].options]
    for option in COMMANDS[name].options:
        row = found[f"--{option.name}"]
        *short, written = codes(row["option"])
        assert short == [option.short] * bool(option.short)
        assert written == f"--{option.name} {option.metavar}".strip()
        assert codes(row["variable"]) == [option.variable]
        assert ("be repeated" in row["meaning"]) == (option.takes == options.MANY)


def test_an_option_that_running_speaks_of_is_there() -> None:
    named = re.findall(r"(?<![\w-])--[a-z][a-z-]+", (ROOT / "docs/running.md").read_text())

    assert set(named) <= set(all_options()) | {"--help", "--version"}


def test_every_command_has_a_page_of_its_own() -> None:
    assert {path.stem for path in ROOT.glob("docs/commands/*.md")} == set(COMMANDS)


def test_the_table_of_commands_is_the_command_line() -> None:
    found = column((ROOT / "docs/commands.md").read_text(), "command")

    assert found == [f"{name} {row.argument}".strip() for name, row in COMMANDS.items()]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_of_a_command_has_its_exit_codes_its_json_and_an_example(name: str) -> None:
    page = ROOT / f"docs/commands/{name}.md"
    codes_of = section(f"docs/commands/{name}.md", "Exit codes")
    said = {int(code) for code in re.findall(r"\b\d{2,3}\b", re.sub(r"```.*?```", "", codes_of, flags=re.DOTALL))}
    run = [block.text for block in blocks("sh", pages=[page]) if "cannot-run:" not in block.info]

    assert said <= {BUG, *KINDS}
    assert UsageError.exit_code in said or "#exit-codes" in codes_of
    assert any(f"secrets-exec {'-' if name == 'run' else name}" in text for text in run)
    takes_json = any(option.name == "json" for option in COMMANDS[name].options)
    assert bool(re.search("^## JSON$", page.read_text(), re.MULTILINE)) == takes_json
    assert bool(blocks("json", pages=[page]) and takes_json) == takes_json


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    named = re.findall(r": ([\w./-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")}

    assert len(named) == len(set(named))
    assert pages <= set(named)


def typed_commands() -> list[tuple[str, str]]:
    """Every line of a shell block that runs secrets-exec, with where it stands; not those of click's own options."""
    lines = [(str(block), line) for block in blocks("sh") for line in block.text.splitlines()]
    return [(place, line) for place, line in lines if re.match(r"secrets-exec (?!.*--(help|version))", line)]


@pytest.mark.parametrize("line", [pytest.param(line, id=f"{place} {line[:40]}") for place, line in typed_commands()])
def test_a_command_in_the_documents_has_options_that_exist(line: str) -> None:
    assert not_understood(shlex.split(line.partition(" | ")[0])[1:]) == []


def not_understood(words: Sequence[str]) -> list[str]:
    """Of the words behind secrets-exec, the options that its command does not have, and the lack of a command."""
    command = words[0] if words[0] in COMMANDS else "run"
    given = words[: words.index("--")] if "--" in words else words
    flags = {flag for option in COMMANDS[command].options for flag in option.flags}

    unknown = [word for word in given if word.startswith("-") and word.partition("=")[0] not in flags]
    return unknown if command != "run" or "--" in words or "--dry-run" in words else [*unknown, "no --"]


# Exit codes and names


KINDS = {
    kind.exit_code: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SecretsExecError) and kind is not SecretsExecError
}
"""The errors by their exit codes."""


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    text = section("docs/running.md", "Exit codes")
    found = [int(row["code"]) for row in table(text, "code") if row["code"].isdigit()]

    assert found == sorted({BUG, *KINDS})


def test_the_order_of_deciding_codes_is_documented() -> None:
    text = " ".join(section("docs/running.md", "Exit codes").split())
    (codes,) = re.findall(r"cannot mend: ([\d, ]+), in this order", text)
    order = [int(code) for code in codes.split(", ")]

    assert sorted(order) == sorted(KINDS)
    for index, code in enumerate(order):
        assert Failures(KINDS[other]("") for other in reversed(order[index:])).exit_code == code


def test_the_exit_codes_of_the_readme_are_all_of_them() -> None:
    row = next(row for row in table(section("README.md", "Behaviour"), "what") if row["what"] == "exit code")
    found = {int(code) for code in re.findall(r"\b(\d{2,3})\b", row["how"])}

    assert found == {BUG, *KINDS}


def test_the_refused_names_are_all_listed() -> None:
    text = section("SECURITY.md", "Refused names").partition("**Loader")[2]
    listed = set(codes(text))
    starts = {f"{start}*" for start in environ._REFUSED_STARTS}
    ends = {f"*{end}" for end in environ._REFUSED_ENDS}

    assert listed == environ._REFUSED_NAMES | starts | ends | providers.CREDENTIAL_NAMES


EXPLAINED = column(section("docs/faults.md", "What the messages mean"), "message")


@pytest.mark.parametrize("message", EXPLAINED)
def test_a_message_that_is_explained_is_one_of_ours(message: str) -> None:
    sources = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
    parts = re.split(r"\.\.\.|HOST: |NAME|\d+|[(:']", message)

    assert max(parts, key=len).strip() in sources


# Architecture


def tree() -> Iterator[Path]:
    """The files and folders of ARCHITECTURE.md's tree."""
    (block,) = [block for block in blocks("text", pages=[ROOT / "ARCHITECTURE.md"]) if "run.py" in block.text]
    folders = {0: ROOT}
    for line in block.text.splitlines():
        depth, name = (len(line) - len(line.lstrip())) // 2, line.split()[0]
        path = folders[depth] / name
        folders[depth + 1] = path
        assert name.endswith("/") == path.is_dir(), path
        yield path


def test_the_tree_is_the_package() -> None:
    modules = {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    folders = {path.parent for path in PACKAGE.rglob("__init__.py")}
    drawn = list(tree())

    assert len(drawn) == len(set(drawn))
    assert set(drawn) == modules | folders


def floors() -> dict[str, int]:
    """The floor of each module or package right under envinject."""
    (block,) = [block for block in blocks("text", pages=[ROOT / "ARCHITECTURE.md"]) if block.text[0].isdigit()]
    return {name: int(line.split()[0]) for line in block.text.splitlines() for name in line.split()[1:]}


def imports(path: Path) -> set[str]:
    """What a module of ours imports of ours, by the name right under envinject; also where types alone are meant."""
    found = set()
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            module = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            named = [name for name in module[1:] if name] or [alias.name for alias in node.names]
            found |= {named[0]} if node.module or len(module) > 2 else set(named)
    return found - {"__version__"}


def test_imports_go_down_the_floors() -> None:
    floor = floors()
    own = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")}
    assert set(floor) == own - {"__init__", "emulator"}

    climbing = []
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        climbing += [f"{name} -> {other}" for other in imports(path) if floor.get(other, 0) > floor.get(name, 8)]
    assert climbing == []


def test_the_emulator_stands_apart() -> None:
    users = {path.parent.name for path in PACKAGE.rglob("*.py") if "emulator" in imports(path)}
    inside = set().union(*(imports(path) for path in (PACKAGE / "emulator").glob("*.py")))

    assert users - {"emulator"} == {"cli"}
    assert inside <= {"emulator"}


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *(one for name in extras if name != "dev" for one in extras[name])]
    wanted += project["build-system"]["requires"]
    cells = [row["package"] for row in table(section("ARCHITECTURE.md", "Dependencies"), "package")]
    named = {name.lower() for cell in cells for name in re.sub(r" \(.*\)", "", cell).split(", ")}

    assert named == {re.split(r"[^A-Za-z0-9-]", one)[0].lower() for one in wanted}
