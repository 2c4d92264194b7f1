"""Builds the zipapp: `dist/secrets-exec.pyz`, one file for images that have Python, all that is pure Python inside.

    python onefile/archive.py

Beside each module lies its bytecode, made by the Python that runs this and taken without a look at the source; another
release of Python reads the source. Nothing is unpacked, and nothing is written. What has parts in C cannot be inside:
pycurl and psutil are used where the image's Python has them.
"""

from __future__ import annotations

import importlib.util
import marshal
import shutil
import sys
import zipfile
from pathlib import Path
from types import CodeType

from build import HERE, PYPI, ROOT, WORK, empty, from_pypi, step

RESULT = ROOT / "dist" / "secrets-exec.pyz"
PACKAGES = "certifi charset_normalizer click dotenv idna requests urllib3 yaml".split()
FIRST_LINE = b"#!/usr/bin/env python3\n"
"""Without options of the interpreter: not every env(1) hands more than one word on."""

MAIN = """\
import os
import sys

sys.path[0] = os.path.abspath(sys.path[0])  # the archive, which may be called by a relative path
from envinject.__main__ import main

main()
"""
EPOCH = (1980, 1, 1, 0, 0, 0)
_HASHED_UNCHECKED = 1


def main() -> None:
    WORK.mkdir(parents=True, exist_ok=True)
    step(from_pypi, PYPI)
    folder = gathered(empty(ROOT / "build" / "zipapp"))
    RESULT.parent.mkdir(exist_ok=True)
    new = RESULT.with_suffix(".new")
    with new.open("wb") as file:
        file.write(FIRST_LINE)
        with zipfile.ZipFile(file, "w") as archive:
            for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                add(archive, path.relative_to(folder).as_posix(), path.read_bytes())
    new.chmod(0o755)
    new.replace(RESULT)
    release = ".".join(map(str, sys.version_info[:2]))
    print(f"{RESULT.relative_to(ROOT)}: {RESULT.stat().st_size / 1e6:.1f} MB, with bytecode for Python {release}")


def gathered(folder: Path) -> Path:
    """Everything as it will lie in the archive."""
    left_out = shutil.ignore_patterns("__pycache__", "*.pyi", "*.so", "py.typed", "emscripten", "testing.py")
    shutil.copytree(ROOT / "envinject", folder / "envinject", ignore=left_out)
    for name in PACKAGES:
        shutil.copytree(WORK / "packages" / name, folder / name, ignore=left_out)
    (folder / "certifi" / "cacert.pem").rename(folder / "cacert.pem")
    shutil.rmtree(folder / "certifi")
    shutil.copy(HERE / "inside" / "certifi.py", folder)
    (folder / "__main__.py").write_text(MAIN)
    return folder


def add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """A file, and of a module also its bytecode. What every start reads is not compressed: that takes 5 ms less."""
    if name.endswith(".py"):
        code = bytecode(compile(data, name, "exec", dont_inherit=True), data)
        form = zipfile.ZIP_STORED if name.startswith(("envinject/", "__main__")) else zipfile.ZIP_DEFLATED
        archive.writestr(zipfile.ZipInfo(f"{name}c", EPOCH), code, form)
    archive.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)


def bytecode(code: CodeType, source: bytes) -> bytes:
    """A file of bytecode that is tied to its source by a digest that nobody checks (PEP 552)."""
    head = importlib.util.MAGIC_NUMBER + _HASHED_UNCHECKED.to_bytes(4, "little") + importlib.util.source_hash(source)
    return head + marshal.dumps(code)


if __name__ == "__main__":
    main()
