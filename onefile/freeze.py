"""Freezes modules: compiles what the launcher can reach, and writes it as data for the linker, with a table in C.

    python3.11 -S freeze.py RESULT PACKAGES ENVINJECT PYTHON

Four folders; PYTHON is CPython's source. Run by the very interpreter that will read the result, since bytecode is for
one release. What is reached is found by reading the code (modulefinder), from every module of the packages.

The modules of a start come first in the table, which is searched from its begin, and are frozen deeply: CPython's own
tool writes their code objects as C structures that are there when the executable is. All others are read when they
are imported.
"""

import marshal
import os
import pkgutil
import subprocess
import sys
from modulefinder import ModuleFinder

PACKAGES = "envinject click dotenv requests urllib3 idna charset_normalizer yaml psutil".split()

START = """
    encodings encodings.aliases encodings.utf_8 envinject.__main__ envinject.child.signals envinject.child.ending
    envinject.cli.line envinject.run envinject.fetch.engine envinject.providers.kakaocloud envinject.providers.ncloud
    envinject.transports.curl envinject.hashes signal envinject.child.supervise
""".split()
"""Modules that a usual start imports, by themselves or by what they import."""

PROGRAMS = "program supervisor watcher fetcher descendants".split()
"""Our small programs (envinject/child/program.py), which are imported by their names alone."""

CODECS = """
    ascii charmap cp1252 cp437 idna latin_1 punycode utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le utf_8
    utf_8_sig
""".split()

LEFT_OUT = """
    IPython OpenSSL _pydecimal argparse asyncio bz2 concurrent ctypes curses distutils doctest
    email._header_value_parser email.contentmanager email.headerregistry email.policy ensurepip ftplib idlelib
    ipywidgets js lib2to3 lzma multiprocessing optparse pdb pickle plistlib py_compile pydoc pyodide setuptools sqlite3
    statistics tarfile test tkinter tracemalloc trustme unittest webbrowser xml xmlrpc
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
    result, packages, ours, python = sys.argv[1:]
    sys.path[:0] = [ours, INSIDE, packages]
    files = found()
    at_start = [name for name in imported(START) if name in files]
    others = sorted(files.keys() - set(at_start))
    codes = {name: compiled(name, *files[name]) for name in (*at_start, *others)}
    write_deep(os.path.join(result, "deep.c"), python, {name: codes[name] for name in at_start})
    blobs = {name: marshal.dumps(codes[name]) for name in others}
    with open(os.path.join(result, "frozen.bin"), "wb") as file:
        file.write(b"".join(blobs.values()))
    with open(os.path.join(result, "frozen.h"), "w") as file:
        file.write(table(at_start, blobs, {name for name in files if files[name][1]}))
    with open(os.path.join(packages, "certifi", "cacert.pem"), "rb") as file:
        authorities = file.read()
    with open(os.path.join(result, "authorities.pem"), "wb") as file:
        file.write(authorities)


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
    """What is imported with these modules, in the order of its coming; asked of an interpreter that has nothing yet."""
    program = f"import sys; sys.path[:0] = {sys.path[:3]}; import {', '.join(names)}; print(*sys.modules)"
    return subprocess.check_output([sys.executable, "-S", "-B", "-c", program], text=True).split()


def compiled(name: str, file: str, is_package: bool) -> object:
    """The code, with the place of a module in it instead of a path of this machine."""
    with open(file, "rb") as source:
        text = source.read()
    shown = name.replace(".", "/") + ("/__init__.py" if is_package else ".py")
    return compile(text, shown, "exec", dont_inherit=True, optimize=0 if name.startswith("envinject") else 2)


def write_deep(path: str, python: str, codes: "dict[str, object]") -> None:
    """Code objects as C. Names become the interpreter's own when a module is asked for, not all at the begin."""
    sys.path.append(os.path.join(python, "Tools", "scripts"))
    import deepfreeze
    import umarshal

    with open(path, "w", encoding="utf-8") as file:
        printer = deepfreeze.Printer(file)
        for name, code in codes.items():
            printer.generate_file(name, umarshal.loads(marshal.dumps(code)))
            file.write(GETTER.replace("NAME", name.replace(".", "_")))


GETTER = """
PyObject *get_NAME(void) {
    extern int _PyStaticCode_InternStrings(PyCodeObject *);
    PyObject *code = _Py_get_NAME_toplevel();
    return _PyStaticCode_InternStrings((PyCodeObject *)code) < 0 ? NULL : code;
}
"""


def table(deep: "list[str]", blobs: "dict[str, bytes]", packages: "set[str]") -> str:
    """The table that the interpreter looks modules up in; a program of ours stands in it by its name alone too."""
    getters = [f"PyObject *get_{name.replace('.', '_')}(void);" for name in deep]
    rows = [(name, f"NULL, 0, {int(name in packages)}, get_{name.replace('.', '_')}") for name in deep]
    at = 0
    for name, blob in blobs.items():
        rows.append((name, f"code + {at}, {len(blob)}, {int(name in packages)}, NULL"))
        at += len(blob)
    again = [(name.rpartition(".")[2], where) for name, where in rows if name.startswith("envinject.child.")]
    rows += [(name, where) for name, where in again if name in PROGRAMS]
    return HEADER % ("\n".join(getters), "\n".join(f'    {{"{name}", {where}}},' for name, where in rows))


HEADER = """\
/* Made by freeze.py. */
__asm__(".section .rodata\\n.balign 16\\n"
        "code: .incbin \\"frozen.bin\\"\\n.balign 16\\n"
        "authorities: .incbin \\"authorities.pem\\"\\n"
        "authorities_end:\\n.previous\\n");
extern const unsigned char code[] __asm__("code"), authorities[] __asm__("authorities");
extern const unsigned char authorities_end[] __asm__("authorities_end");
#define authorities_size (authorities_end - authorities)
%s
static const struct _frozen frozen_modules[] = {
%s
    {NULL, NULL, 0, 0, NULL},
};
"""

if __name__ == "__main__":
    main()
