"""What hatchling does when it builds a wheel: it adds the modules of a start, compiled (envinject/packed.py).

They are compiled by the interpreter that builds, which is the one that installs where a wheel is built for itself.
Any other one finds no file of its name, and reads the modules themselves.
"""

from __future__ import annotations
import __future__

import ast
import marshal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import CodeType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_STARTS = """
    __main__ cli.line cli.output run fetch transports.curl hashes child.supervise child.memfd placement expand template
    audit cache providers.dotenv providers.env providers.file providers.kakaocloud providers.ncloud
""".split()
"""Modules that a start of a command imports, itself or by what they import; not what is loaded when things go wrong."""

_LIST = """\
import sys
sys.path.insert(0, sys.argv[1])
for name in sys.argv[2:]:
    __import__(f"envinject.{name}")
import envinject.packed
print(envinject.packed.file_name())
for name, module in sys.modules.items():
    if name.startswith("envinject.") and name != "envinject.packed":
        print(name, module.__file__)
"""


def _compiled(source: bytes, path: str) -> CodeType:
    """The code of a module, without what a start would make and never look at: annotations of functions.

    Those of classes stay, since a record's fields are made of them.
    """
    tree = ast.parse(source, path)
    tree.body = [node for node in tree.body if not (isinstance(node, ast.ImportFrom) and node.module == "__future__")]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None
    return compile(tree, path, "exec", __future__.annotations.compiler_flag, dont_inherit=True)


def _packed(modules: dict[str, tuple[bool, bytes]]) -> bytes:
    """The file of these modules, as envinject/packed.py reads it: the length of the index, the index, all code."""
    index: dict[str, tuple[bool, int, int]] = {}
    end = 0
    for name, (is_package, code) in modules.items():
        index[name] = (is_package, end, end + len(code))
        end += len(code)
    head = marshal.dumps(index)
    return b"".join([len(head).to_bytes(4, "little"), head, *(code for _, code in modules.values())])


class PackedStart(BuildHookInterface[Any]):
    """Adds the file to the wheel, and leaves nothing in the tree."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before the wheel is built; one for development has the modules alone."""
        if version == "editable":
            return
        words = [sys.executable, "-I", "-B", "-c", _LIST, self.root, *_STARTS]
        done = subprocess.run(words, check=True, capture_output=True, text=True)
        name, *rows = done.stdout.splitlines()
        modules = {}
        for row in rows:
            module, _, path = row.partition(" ")
            shown = Path(path).relative_to(self.root).as_posix()
            code = _compiled(Path(path).read_bytes(), shown)
            modules[module] = (path.endswith("/__init__.py"), marshal.dumps(code))
        self._folder = tempfile.TemporaryDirectory()
        made = Path(self._folder.name, name)
        made.write_bytes(_packed(modules))
        build_data["force_include"][str(made)] = f"envinject/{name}"

    def finalize(self, version: str, _build_data: dict[str, Any], _artifact_path: str) -> None:
        """After it was built."""
        if version != "editable":
            self._folder.cleanup()
