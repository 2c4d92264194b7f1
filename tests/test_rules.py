"""What holds for every file of this repository, whatever it does."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_FOLDERS = ("envinject", "tests", "bench", "fuzz", "herd", "inits", "manual", "onefile", "scripts", "examples")
_FILES = sorted(path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.py"))

_EXCEPTION = re.compile(r"#\s*(?:type:\s*ignore(?:\[[\w, -]+\])?|noqa(?:: ?[A-Z0-9, ]+)?|pragma:[\w ]+)")
_WORDS = re.compile(r"\w+\W+\w+")


def _without_a_reason(text: str) -> Iterator[int]:
    """The lines with an exception from a tool's rule that say nothing else, neither there nor in a comment above."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and _EXCEPTION.search(token.string):
            number = token.start[0]
            above = lines[number - 2].strip() if number > 1 else ""
            beside = _EXCEPTION.sub("", token.string)
            if not _WORDS.search(beside) and not (above.startswith("# ") and not _EXCEPTION.search(above)):
                yield number


_REASONS = {"skip": "reason", "skipif": "reason", "xfail": "reason", "importorskip": "modname"}
"""What tells why a test does not run; a module that is not there is a reason by its name."""


def _unexplained_skips(tree: ast.AST) -> Iterator[int]:
    """The lines where a test is skipped, or expected to fail, with no word why."""
    marks = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            marks.add(node.func)
            needed = _REASONS.get(node.func.attr)
            given = [*node.args, *(word.value for word in node.keywords if word.arg == needed)]
            if node.func.attr in ("skipif", "xfail"):  # what is told first is the condition
                given = given[1:] if node.args and not _is_text(node.args[0]) else given
            if needed and _is_of_pytest(node.func) and not any(map(_tells, given)):
                yield node.lineno
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _REASONS and node not in marks and _is_of_pytest(node):
            yield node.lineno


def _is_of_pytest(node: ast.Attribute) -> bool:
    return ast.unparse(node.value) in ("pytest", "pytest.mark")


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _tells(node: ast.AST) -> bool:
    """Whether it is a text that is not empty, or something that will be one."""
    return bool(node.value) if isinstance(node, ast.Constant) else True


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", _FILES, ids=_name)
def test_an_exception_from_a_rule_has_its_reason_beside_it(path: Path) -> None:
    text = path.read_text()
    assert [*_without_a_reason(text)] == []
    assert [*_unexplained_skips(ast.parse(text))] == []


_IGNORED = "x = y  # type: " + "ignore"
_QUIET = "x = y  # no" + "qa: F821"


@pytest.mark.parametrize("line", [_IGNORED, f"{_IGNORED}[name-defined]", _QUIET, f"{_QUIET}, E501", f"{_QUIET}  # so"])
def test_one_without_a_reason_is_found(line: str) -> None:
    assert [*_without_a_reason(f"{line}\n")] == [1]
    assert [*_without_a_reason(f"{_IGNORED}  # it has none\n{line}\n")] == [2]
    assert [*_without_a_reason(f"{line}  # the store says so\n# that is why:\n{line}\nz = '{line}'\n")] == []


_SILENT = """
pytest.skip()
pytest.skip('')
pytest.mark.skip
pytest.mark.skipif(is_old)
pytest.mark.skipif(is_old, reason='')
pytest.mark.xfail
pytest.mark.xfail(strict=True)
""".strip()
_TELLING = """
pytest.skip('no bash')
pytest.skip(f'no {bash}')
pytest.skip(why())
pytest.mark.skipif(is_old, reason='too old')
pytest.mark.xfail(reason='a bug')
pytest.importorskip('rich')
other.skip()
""".strip()


@pytest.mark.parametrize("call", _SILENT.splitlines())
def test_a_skip_without_a_word_is_found(call: str) -> None:
    assert [*_unexplained_skips(ast.parse(call))] == [1]


@pytest.mark.parametrize("call", _TELLING.splitlines())
def test_a_skip_that_says_why_is_fine(call: str) -> None:
    assert [*_unexplained_skips(ast.parse(call))] == []
