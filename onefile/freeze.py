"""Freezes modules: compiles what the launcher can reach, and writes it as data for the linker, with a table in C.

    python3.11 -S freeze.py FOLDER_FOR_THE_RESULT FOLDER_OF_PACKAGES FOLDER_OF_ENVINJECT

Run by the very interpreter that will read the result, since bytecode is for one release. What is reached is found by
reading the code (modulefinder), from every module of the packages; nothing is imported, but for the order: the modules
of a start come first in the table, which is searched from its begin.
"""

import marshal
import os
import pkgutil
import sys
from modulefinder import ModuleFinder

PACKAGES = "envinject click dotenv requests urllib3 idna charset_normalizer yaml psutil".split()

START = """
    encodings encodings.aliases encodings.utf_8 envinject.__main__ envinject.cli.line envinject.run
    envinject.fetch.engine envinject.providers.kakaocloud envinject.providers.ncloud envinject.transports.curl
""".split()
"""Modules that a usual start imports, by themselves or by what they import."""

PROGRAMS = "program supervisor watcher fetcher descendants".split()
"""Our small programs (envinject/child/program.py), which are imported by their names alone."""

CODECS = """
    ascii charmap cp1252 cp437 idna latin_1 punycode utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_8
    utf_8_sig
""".split()

LEFT_OUT = """
    IPython OpenSSL _pydecimal argparse asyncio bz2 concurrent cryptography ctypes curses distutils doctest
    ensurepip ftplib idlelib ipywidgets js lib2to3 lzma multiprocessing optparse pdb pickle plistlib py_compile
    pydoc pyodide setuptools sqlite3 statistics tarfile test tkinter trustme turtle unittest webbrowser xml xmlrpc
""".split()
"""What some module names and no path of ours comes to: other systems, other versions, development."""

LEFT_OUT_BELOW = """
    __main__ _pswindows _psosx _psbsd _pssunos _psaix _winappdirs _winconsole cli emscripten ipython pyopenssl socks
    testing
""".split()
"""Parts of packages: of other systems, or for people."""

INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")
"""Modules that stand in for others."""

ALREADY = """
    _collections_abc _sitebuiltins abc codecs genericpath importlib._bootstrap importlib._bootstrap_external
    importlib.machinery importlib.util io ntpath os posixpath site stat zipimport
""".split()
"""Frozen in CPython's own library, and faster from there."""


def main() -> None:
    result, packages, ours = sys.argv[1:]
    sys.path[:0] = [ours, INSIDE, packages]
    sys.dont_write_bytecode = True
    files = found()
    order = [name for name in imported(START) if name in files]
    names = [*order, *sorted(files.keys() - set(order))]
    blobs = {name: marshal.dumps(compiled(name, *files[name])) for name in names}
    write(result, blobs, {name for name in names if files[name][1]})
    authorities = os.path.join(packages, "certifi", "cacert.pem")
    with open(authorities, "rb") as source, open(os.path.join(result, "authorities.pem"), "wb") as copy:
        copy.write(source.read())


def found() -> "dict[str, tuple[str, bool]]":
    """Every module that can be reached, by name: its file, and whether it is a package."""
    finder = ModuleFinder(excludes=LEFT_OUT)
    for name in PACKAGES:
        finder.import_hook(name)
        for module in pkgutil.walk_packages(finder.modules[name].__path__, f"{name}."):
            if not is_left_out(module.name):
                reach(finder, module.name)
    for codec in CODECS:
        finder.import_hook(f"encodings.{codec}")
    return {
        name: (module.__file__, module.__path__ is not None)
        for name, module in finder.modules.items()
        if (module.__file__ or "").endswith(".py") and name not in ALREADY and not is_left_out(name)
    }


def is_left_out(name: str) -> bool:
    ours = name.startswith("envinject.")
    return not ours and any(part in LEFT_OUT_BELOW for part in name.split(".")[1:])


def reach(finder: ModuleFinder, name: str) -> None:
    try:
        finder.import_hook(name)
    except ImportError:  # an extension module, or one for another system
        return


def imported(names: "list[str]") -> "list[str]":
    """What is imported with these modules, in the order of its coming."""
    for name in names:
        try:
            __import__(name)
        except ImportError:  # a part that only the one file has
            continue
    return [name for name in sys.modules if name != "__main__"]


def compiled(name: str, file: str, is_package: bool) -> object:
    """The code, with the place of a module in it instead of a path of this machine."""
    with open(file, "rb") as source:
        text = source.read()
    shown = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
    return compile(text, shown, "exec", dont_inherit=True, optimize=0 if name.startswith("envinject") else 2)


def write(result: str, blobs: "dict[str, bytes]", packages: "set[str]") -> None:
    """One file of all code, and the table that says where each module lies in it."""
    rows, at = [], 0
    for name, blob in blobs.items():
        rows.append(row(name, at, len(blob), is_package=name in packages))
        if name.startswith("envinject.child.") and name.rpartition(".")[2] in PROGRAMS:
            rows.append(row(name.rpartition(".")[2], at, len(blob), is_package=False))
        at += len(blob)
    with open(os.path.join(result, "frozen.bin"), "wb") as file:
        file.write(b"".join(blobs.values()))
    with open(os.path.join(result, "frozen.h"), "w") as file:
        file.write(HEADER % "\n".join(rows))
    print(f"{len(blobs)} modules, {at / 1e6:.1f} MB")


def row(name: str, at: int, size: int, *, is_package: bool) -> str:
    return f'    {{"{name}", code + {at}, {size}, {int(is_package)}, NULL}},'


HEADER = """\
/* Made by freeze.py. */
__asm__(".section .rodata\\n.balign 16\\n"
        "code: .incbin \\"frozen.bin\\"\\n.balign 16\\n"
        "authorities: .incbin \\"authorities.pem\\"\\n"
        "authorities_end:\\n.previous\\n");
extern const unsigned char code[] __asm__("code"), authorities[] __asm__("authorities");
extern const unsigned char authorities_end[] __asm__("authorities_end");
#define authorities_size (authorities_end - authorities)
static const struct _frozen frozen_modules[] = {
%s
    {NULL, NULL, 0, 0, NULL},
};
"""

if __name__ == "__main__":
    main()
