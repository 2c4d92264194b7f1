"""How a small program of ours is begun: by an interpreter that looks at nothing, or by the one file itself.

Imports nothing of ours: those programs import it too, from the folder that they lie in.
"""

from __future__ import annotations

import os
import sys

IS_ONE_FILE = "_secrets_exec" in sys.builtin_module_names
"""Whether we are the executable that has an interpreter and all modules inside (onefile/main.c)."""

FOLDER = "" if IS_ONE_FILE else os.path.dirname(os.path.abspath(__file__))

_BY_NAME = "secrets-exec:"
_IMPORTED = "import sys; sys.path.append(sys.argv.pop(1)); import {0}; {0}.main()"
"""Imported, for its bytecode: compiling it at each start would cost time, and 0.7 MiB that stay."""


def command(name: str, *words: str, site: bool = False) -> list[str]:
    """The argv by which `sys.executable` becomes one of our programs; with `site` it finds what is installed."""
    if IS_ONE_FILE:
        return [_BY_NAME + name, *words]
    options = ["-I", *["-S"] * (not site), *["-B"] * sys.flags.dont_write_bytecode]
    return [sys.executable, *options, "-c", _IMPORTED.format(name), FOLDER, *words]
