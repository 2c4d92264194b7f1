"""The modules of a start, compiled beforehand into one file: a wheel brings it (scripts/hatch_build.py).

Many images have no bytecode, and compiling these modules takes longer than all that they do then; where there is some,
it takes six system calls a module to find out that it is still right. A wheel has its modules and this file from one
build, so there is nothing to find out. The file is of one release of Python: others, and a checkout, do without.
"""

import marshal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Index = dict[str, tuple[bool, int, int]]
    """By the name of the module: whether it is a package, and from where to where its code is."""

_SIZE = 4
"""Bytes of the index's length, with which the file begins. Behind the index, all code; each as marshal writes it."""


def file_name() -> str:
    """What the file is called for this interpreter. Before a release is final, each one has bytecode of its own."""
    is_final = sys.version_info[3] == "final"
    return f"start.{sys.implementation.cache_tag}{'' if is_final else f'-{sys.hexversion:x}'}.pack"


class Finder:
    """Finds and loads what is in the file, as the import system asks for it; all else is left to the next finder.

    Raises: EOFError, ValueError, TypeError for a file that is not whole.
    """

    def __init__(self, folder: str, data: bytes) -> None:
        self._folder = folder
        code = _SIZE + int.from_bytes(data[:_SIZE], "little")
        self._index: Index = marshal.loads(data[_SIZE:code])
        self._code = memoryview(data)[code:]
        *_, (_, _, end) = self._index.values()
        if end != len(self._code):
            raise ValueError("the file is not whole")

    def find_spec(self, name: str, _path: "Any" = None, _target: "Any" = None) -> "ModuleSpec | None":
        """Where the module comes from, when it is one of these."""
        if name not in self._index:
            return None
        is_package = self._index[name][0]
        path = "/".join([self._folder, *name.split(".")[1:]])
        origin = f"{path}/__init__.py" if is_package else f"{path}.py"
        spec: ModuleSpec = _Spec(name, self, origin=origin, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [path]  # of what is not in the file
        return spec

    def create_module(self, _spec: "ModuleSpec") -> None:
        """The ordinary kind of module will do."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code."""
        _, begin, end = self._index[module.__name__]
        module.__file__ = module.__spec__.origin if module.__spec__ else None
        exec(marshal.loads(self._code[begin:end]), module.__dict__)


_Spec: "Any" = type(__spec__)
"""`importlib.machinery.ModuleSpec`, without importing that."""


def use() -> None:
    """From now on look into the file first, where there is one for this interpreter."""
    folder = __file__.rpartition("/")[0]
    try:
        with open(f"{folder}/{file_name()}", "rb", 0) as file:
            finder = Finder(folder, file.read())
    except (OSError, ValueError, EOFError, TypeError):  # none, or one that was cut short
        return
    sys.meta_path.insert(0, finder)
