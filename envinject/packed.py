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

    Packed = dict[str, tuple[bool, bytes]]
    """By the name of the module: whether it is a package, and its code as marshal writes it."""


def file_name() -> str:
    """What the file is called for this interpreter."""
    return f"start.{sys.implementation.cache_tag}.pack"


class Finder:
    """Finds and loads what is in the file, as the import system asks for it; all else is left to the next finder."""

    def __init__(self, folder: str, packed: "Packed") -> None:
        self._folder = folder
        self._packed = packed

    def find_spec(self, name: str, _path: "Any" = None, _target: "Any" = None) -> "ModuleSpec | None":
        """Where the module comes from, when it is one of these."""
        if name not in self._packed:
            return None
        is_package, _ = self._packed[name]
        path = "/".join([self._folder, *name.split(".")[1:]])
        origin = f"{path}/__init__.py" if is_package else f"{path}.py"
        spec: ModuleSpec = _Spec(name, self, origin=origin, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [path]  # of what is not in the file
        return spec

    def create_module(self, _spec: "ModuleSpec") -> None:
        """The ordinary kind of module will do."""

    def exec_module(self, module: "ModuleType") -> None:
        """Run the module's code, which is needed once."""
        _, code = self._packed.pop(module.__name__)
        module.__file__ = module.__spec__.origin if module.__spec__ else None
        exec(marshal.loads(code), module.__dict__)


_Spec: "Any" = type(__spec__)
"""`importlib.machinery.ModuleSpec`, without importing that."""


def use() -> None:
    """From now on look into the file first, where there is one for this interpreter."""
    folder = __file__.rpartition("/")[0]
    try:
        with open(f"{folder}/{file_name()}", "rb", 0) as file:
            packed = marshal.loads(file.read())
    except OSError:
        return
    sys.meta_path.insert(0, Finder(folder, packed))
