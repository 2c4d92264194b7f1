"""Builds the one file: `dist/secrets-exec`, a static executable with CPython, libcurl, OpenSSL and every module inside.

    python onefile/build.py

Reads from top to bottom: what is taken from Debian and from PyPI, how libcurl and the modules in C are compiled, what
is frozen, how all is linked. Each step is done again only when what it is made of has changed; everything lies in
`build/onefile/`, nothing is installed on the machine. Needs Debian 12 with gcc, make, dpkg-dev and the usual deb lines.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
WORK = ROOT / "build" / "onefile"
RESULT = ROOT / "dist" / "secrets-exec"

JOBS = str(os.cpu_count() or 1)
LARGEST = 20_000_000

# What is taken from where

DEBS = """
    libbluetooth-dev libnghttp2-dev libpython3.11-dev libpython3.11-minimal libpython3.11-stdlib libssl-dev
    python3.11-minimal zlib1g-dev
""".split()
"""Static libraries and headers; the interpreter of the same build, which freezes."""

SOURCES = ("curl", "python3.11")
"""libcurl is built small; of Python only the modules that Debian's static library lacks."""

FROM_SOURCE = ("pycurl", "psutil")
PYPI = (HERE / "requirements.txt", HERE / "inside" / "psutil" / "_psutil_linux.py")

CURL = """
    --disable-shared --enable-static --with-openssl --with-nghttp2 --enable-threaded-resolver
    --disable-openssl-auto-load-config --disable-dependency-tracking --disable-symbol-hiding --without-ca-bundle
    --without-ca-path --without-zlib --without-brotli --without-zstd --without-libpsl --without-libidn2
    --without-librtmp --without-libssh2 --without-libgsasl --without-gssapi --disable-ares --disable-alt-svc
    --disable-cookies --disable-dict --disable-doh --disable-file --disable-ftp --disable-gopher --disable-hsts
    --disable-imap
    --disable-ldap --disable-ldaps --disable-manual --disable-mqtt --disable-ntlm --disable-ntlm-wb
    --disable-pop3 --disable-rtsp --disable-smb --disable-smtp --disable-telnet --disable-tftp --disable-tls-srp
    --disable-unix-sockets --disable-websockets --disable-dateparse --disable-libcurl-option
""".split()

OF_PYTHON = """
    _contextvarsmodule.c _json.c _queuemodule.c _ssl.c _typingmodule.c resource.c termios.c
""".split()

COMPILE = "-O2 -DNDEBUG -fwrapv -fno-strict-aliasing -ffunction-sections -fdata-sections -w".split()
LINK = "-static -no-pie -s -Wl,--gc-sections -Wl,-z,noseparate-code".split()
LIBRARIES = "-lnghttp2 -lssl -lcrypto -lz -lm -ldl -lpthread".split()


def main() -> None:
    started = time.monotonic()
    WORK.mkdir(parents=True, exist_ok=True)
    RESULT.parent.mkdir(exist_ok=True)
    step(debian, DEBS, SOURCES)
    step(from_pypi, PYPI)
    step(libcurl, CURL, [WORK / "debian.made"])
    step(modules_in_c, COMPILE, OF_PYTHON, [WORK / "libcurl.made", WORK / "from_pypi.made"])
    step(
        frozen,
        [HERE / "freeze.py", *ours(), *(HERE / "inside").rglob("*.py"), WORK / "debian.made", WORK / "from_pypi.made"],
    )
    step(linked, COMPILE, LINK, [HERE / "main.c", WORK / "modules_in_c.made", WORK / "frozen.made", RESULT])
    size = RESULT.stat().st_size
    print(f"{RESULT.relative_to(ROOT)}: {size / 1e6:.1f} MB, made in {time.monotonic() - started:.0f} s")
    if size > LARGEST:
        sys.exit(f"larger than {LARGEST / 1e6:.0f} MB")


# Steps


def step(make: Callable[[], None], *made_of: Iterable[str | Path]) -> None:
    """Do it, unless it has been done with these words, these files and this very code."""
    made = WORK / f"{make.__name__}.made"
    state = digest(inspect.getsource(make), *made_of)
    if made.exists() and made.read_text() == state:
        return
    started = time.monotonic()
    made.unlink(missing_ok=True)
    make()
    made.write_text(digest(inspect.getsource(make), *made_of))
    print(f"  {make.__name__.replace('_', ' ')}: {time.monotonic() - started:.0f} s", flush=True)


def digest(*parts: str | Iterable[str | Path]) -> str:
    found = hashlib.sha256()
    for part in parts:
        for one in [part] if isinstance(part, str) else part:
            data = one.encode() if isinstance(one, str) else one.read_bytes() if one.exists() else b""
            found.update(b"%d " % len(data) + data)
    return found.hexdigest()


def run(*words: str | Path, cwd: Path = WORK, environ: dict[str, str] | None = None) -> None:
    """Run a command to its end; where it fails, so do we, and tell it."""
    done = subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **(environ or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout.decode(errors='replace')[-4000:]}\nthis failed: {' '.join(map(str, words))}")


def empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def ours() -> list[Path]:
    return sorted([*(ROOT / "envinject").rglob("*.py"), *(HERE / "inside").glob("*.py")])


# 1. Debian: static libraries, and the sources of what is built here


def debian() -> None:
    folder, sources = empty(WORK / "debian"), empty(WORK / "sources")
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *own_lists(empty(WORK / "apt"))]
    run(*apt, "update")
    run(*apt, "download", *DEBS, cwd=folder)
    for package in sorted(folder.glob("*.deb")):
        run("dpkg", "-x", package, folder / "root")
    for name in SOURCES:
        newest_source(apt, name, sources)


def own_lists(folder: Path) -> list[str]:
    """Options of apt for lists of our own: the machine's entries for Debian, and their sources too."""
    for place in ("sources", "lists/partial", "cache/archives/partial"):
        (folder / place).mkdir(parents=True)
    machine = Path("/etc/apt")
    for file in [machine / "sources.list", *sorted((machine / "sources.list.d").glob("*"))]:
        text = file.read_text() if file.suffix in (".list", ".sources") and file.exists() else ""
        (folder / "sources" / file.name).write_text(with_sources(text, stanzas=file.suffix == ".sources"))
    places = {"sourcelist": "/dev/null", "sourceparts": folder / "sources"}
    return [
        *(word for name, place in places.items() for word in ("-o", f"Dir::Etc::{name}={place}")),
        *("-o", f"Dir::State::lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"),
    ]


def with_sources(text: str, *, stanzas: bool) -> str:
    """Entries of apt (sources.list(5)) for Debian's own archive, for packages and for sources."""
    if stanzas:
        kept = [stanza for stanza in text.split("\n\n") if re.search(r"^Suites:.*bookworm", stanza, re.MULTILINE)]
        kept = [stanza for stanza in kept if re.search(r"^URIs:.*/debian", stanza, re.MULTILINE)]
        return "\n\n".join(re.sub(r"^Types:.*", "Types: deb deb-src", stanza, flags=re.MULTILINE) for stanza in kept)
    kept = [line for line in text.splitlines() if re.match(r"deb\s.*/debian\S*\s+bookworm", line)]
    return "".join(f"{line}\ndeb-src{line[3:]}\n" for line in kept)


def newest_source(apt: Sequence[str], name: str, folder: Path) -> None:
    """Fetch and unpack a source package; an older one of the same release, where the newest cannot be fetched."""
    shown = subprocess.run(["apt-cache", *apt[2:], "showsrc", name], capture_output=True, text=True, check=True).stdout
    versions = [line.split()[1] for line in shown.splitlines() if line.startswith("Version: ")]
    newest_first: list[str] = []
    for version in versions:
        older = [is_older(other, version) for other in newest_first]
        newest_first.insert(older.index(True) if True in older else len(older), version)
    for version in newest_first:
        command = [*apt, "source", "--download-only", f"{name}={version}"]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0:
            break
        print(f"  the source of {name} {version} cannot be fetched; an older one is tried", flush=True)
    else:
        sys.exit(f"no source package can be fetched: {name}")
    (described,) = folder.glob(f"{name}_{version.partition(':')[2] or version}.dsc")
    run("dpkg-source", "--no-check", "-x", described, folder / name, cwd=folder)


def is_older(one: str, other: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False).returncode == 0


# 2. PyPI: the packages in Python, and the sources of the two in C


def from_pypi() -> None:
    packages, sources = empty(WORK / "packages"), empty(WORK / "pypi")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    lines = [line for line in (HERE / "requirements.txt").read_text().split("\n") if "==" in line]
    in_c = [line for line in lines if line.startswith(FROM_SOURCE)]
    environ = {"PYCURL_CURL_CONFIG": "/bin/true", "PYCURL_SSL_LIBRARY": "openssl"}  # its setup.py asks, and need not
    run(*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", sources, *in_c, environ=environ)
    for archive in sorted(sources.glob("*.tar.gz")):
        shutil.unpack_archive(archive, sources, filter="data")
        archive.unlink()
    pure = [line for line in lines if line not in in_c]
    run(*pip, "install", "--no-deps", "--no-compile", "--target", packages, *pure)
    shutil.copytree(the(sources, "psutil-*/psutil"), packages / "psutil")
    shutil.copy(HERE / "inside" / "psutil" / "_psutil_linux.py", packages / "psutil")
    for compiled in packages.rglob("*.so"):  # each has a twin in Python, or is not needed
        compiled.unlink()


def the(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


# 3. libcurl: HTTPS, HTTP/1.1 and HTTP/2, names by the C library in a thread, and nothing else


def libcurl() -> None:
    source, folder = WORK / "sources" / "curl", empty(WORK / "libcurl")
    made_by_tools = [*source.rglob("Makefile.in"), *source.rglob("*.h.in"), source / "aclocal.m4", source / "configure"]
    for file in made_by_tools:  # Debian's patches touch what they are made of, without meaning for us
        os.utime(file)
    flags = [f"CPPFLAGS={' '.join(includes())} -DOPENSSL_NO_ENGINE", f"LDFLAGS=-L{libraries()}", "CFLAGS=-O2 -w"]
    run(source / "configure", "--quiet", *CURL, *flags, "LIBS=-lz -ldl -pthread", "PKG_CONFIG=false", cwd=folder)
    run("make", "-s", f"-j{JOBS}", "-C", "lib", cwd=folder)


def triplet() -> str:
    return subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True, check=True).stdout.strip()


def includes() -> list[str]:
    usr = WORK / "debian" / "root" / "usr" / "include"
    return [f"-I{usr}", f"-I{usr / triplet()}", f"-I{usr / 'python3.11'}", f"-I{usr / 'python3.11' / 'internal'}"]


def libraries() -> Path:
    return WORK / "debian" / "root" / "usr" / "lib" / triplet()


# 4. Modules in C: Python's own that Debian keeps apart, pycurl, the part of psutil for Linux


def modules_in_c() -> None:
    folder = empty(WORK / "objects")
    python, pypi = WORK / "sources" / "python3.11" / "Modules", WORK / "pypi"
    curl, psutil = the(pypi, "pycurl-*"), the(pypi, "psutil-*")
    commands = [compiling(python / name, folder, "-DPy_BUILD_CORE_BUILTIN", f"-I{python}") for name in OF_PYTHON]
    version = curl.name.partition("-")[2]
    flags = [f'-DPYCURL_VERSION="{version}"', "-DHAVE_CURL_SSL=1", "-DHAVE_CURL_OPENSSL=1", "-DCURL_STATICLIB"]
    flags += [f"-I{WORK / 'sources/curl/include'}"]
    names = sorted(file.stem for file in (curl / "doc" / "docstrings").glob("*.rst"))
    (curl / "src" / "docstrings.h").write_text("".join(f'#define {name}_doc ""\n' for name in names))
    commands += [compiling(file, folder, *flags) for file in sorted((curl / "src").glob("*.c"))]
    flags = [f"-DPSUTIL_VERSION={psutil.name.partition('-')[2].replace('.', '')}", "-DPSUTIL_SIZEOF_PID_T=4"]
    flags += ["-DPSUTIL_POSIX=1", "-DPSUTIL_LINUX=1", f"-I{psutil}"]
    files = [psutil / "psutil" / "_psutil_linux.c"]
    for part in ("all", "posix", "linux"):
        files += sorted((psutil / "psutil" / "arch" / part).glob("*.c"))
    commands += [compiling(file, folder, *flags) for file in files]
    all_at_once(commands)


def compiling(file: Path, folder: Path, *flags: str) -> list[str]:
    name = "-".join(file.with_suffix(".o").parts[-3:])
    return ["gcc", *COMPILE, *includes(), *flags, "-c", str(file), "-o", str(folder / name)]


def all_at_once(commands: Sequence[Sequence[str]]) -> None:
    """Run commands, as many together as there are processors."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(int(JOBS)) as pool:
        list(pool.map(lambda words: run(*words), commands))


# 5. Frozen modules: everything in Python, as data


def frozen() -> None:
    usr = WORK / "debian" / "root" / "usr"
    folder, python = empty(WORK / "frozen"), WORK / "sources" / "python3.11"
    words = [usr / "bin" / "python3.11", "-S", HERE / "freeze.py", folder, WORK / "packages", ROOT, python]
    run(*words, environ={"PYTHONHOME": str(usr), "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"})
    data = [word for word in COMPILE if word != "-O2"]
    run("gcc", *data, *includes(), "-DPy_BUILD_CORE", "-c", folder / "deep.c", "-o", folder / "deep.o")


# 6. The executable


def linked() -> None:
    objects = [*sorted((WORK / "objects").glob("*.o")), WORK / "frozen" / "deep.o"]
    python = the(WORK, "debian/*/usr/lib/python3.11/config-3.11-*/libpython3.11.a")
    archives = [python, WORK / "libcurl" / "lib" / ".libs" / "libcurl.a"]
    made = WORK / RESULT.name
    main = [*COMPILE, *includes(), f"-I{WORK / 'frozen'}", f"-Wa,-I{WORK / 'frozen'}", HERE / "main.c"]
    run("gcc", *main, *LINK, "-o", made, *objects, *archives, f"-L{libraries()}", *LIBRARIES)
    os.replace(made, RESULT)


if __name__ == "__main__":
    main()
