"""The environment mapping: which names it may hold, what is inherited, how large it may be."""

from __future__ import annotations

import os
import sys

from .errors import BadValue
from .record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

OVERRIDE, KEEP, ERROR = "override", "keep", "error"
CONFLICTS = (OVERRIDE, KEEP, ERROR)
"""What happens to a variable that is injected and inherited."""

OWN = b"SECRETS_EXEC_"
LONGEST_NAME = 256

_REFUSED_NAMES = frozenset(
    """
    BASHOPTS BASH_ENV BROWSER CDPATH CLASSPATH CREDENTIALS_DIRECTORY CURL_CA_BUNDLE DOTNET_STARTUP_HOOKS
    EDITOR ENV FPATH GCONV_PATH GETCONF_DIR GLIBC_TUNABLES GLOBIGNORE HOME HOSTALIASES IFS
    JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS KRB5_KTNAME LESSCLOSE LESSOPEN LIBPATH LOCALDOMAIN LOCPATH LOGNAME
    MANPAGER NIS_PATH NLSPATH NODE_EXTRA_CA_CERTS NODE_OPTIONS NODE_PATH NOTIFY_SOCKET NULLCMD OPENSSL_CONF
    OPENSSL_ENGINES OPENSSL_MODULES PAGER PATH PERLIO_DEBUG PERLLIB PHPRC PHP_INI_SCAN_DIR PROMPT_COMMAND
    PS1 PS2 PS4 READNULLCMD REQUESTS_CA_BUNDLE RESOLV_HOST_CONF RES_OPTIONS RUBYLIB RUBYOPT SHELL SHELLOPTS
    SHLIB_PATH SSLKEYLOGFILE SSL_CERT_DIR SSL_CERT_FILE TMPDIR TMPPREFIX USER VISUAL ZDOTDIR _JAVA_OPTIONS
    """.split()
)
_REFUSED_STARTS = tuple(
    """
    BASH_FUNC_ BUNDLE_ CORECLR_ COR_ DYLD_ GEM_ GIT_ KRB5_CONFIG LDR_ LD_ LISTEN_ LUA_CPATH LUA_INIT LUA_PATH
    MALLOC_ PERL5 PYTHON R_ENVIRON R_PROFILE SECRETS_EXEC_ TERM _RLD
    """.split()
)
_REFUSED_ENDS = ("_proxy", "_PROXY")
_FIRST_TWO = frozenset(start[:2] for start in _REFUSED_STARTS)
"""What tells most names apart from the refused ones sooner."""

_FLOOR, _CEILING = 131_072, 6_291_456
"""Bytes for arguments and environment that Linux allows at the least and at the most."""

_COERCED_LOCALES = (b"C.UTF-8", b"C.utf8", b"UTF-8")


class Limits(Record):
    """What the system lets a process be started with, in bytes: `one` string, `total` of all of them."""

    one: int
    total: int


def is_name(text: str) -> bool:
    """Whether a variable may be called so: `[A-Za-z_][A-Za-z0-9_]*`, at most 256 characters."""
    return text.isascii() and text.isidentifier() and len(text) <= LONGEST_NAME


def changes_how_programs_run(name: str) -> bool:
    """Whether programs take orders from a variable of this name (LD_PRELOAD, BASH_ENV, PATH, ...)."""
    return (
        name in _REFUSED_NAMES
        or name.endswith(_REFUSED_ENDS)
        or (name[:2] in _FIRST_TWO and name.startswith(_REFUSED_STARTS))
    )


def is_glob(text: str) -> bool:
    """Whether a text may match others than itself. A `*` that means itself is written `[*]`."""
    return any(character in text for character in "*?[")


def matches(name: str, glob: str) -> bool:
    """Whether a name matches a glob (`*`, `?`, `[...]`), case and all."""
    import fnmatch  # costs milliseconds, needed only where globs are used

    return fnmatch.fnmatchcase(name, glob)


def words() -> list[bytes]:
    """Our command line as the system has it, byte for byte."""
    try:
        with open("/proc/self/cmdline", "rb") as line:
            return line.read().split(b"\0")[:-1]
    except OSError:
        return [os.fsencode(word) for word in sys.orig_argv]


def given() -> dict[bytes, bytes]:
    """The environment that we were started with: without the LC_CTYPE that the interpreter adds (PEP 538)."""
    environ = dict(os.environb)
    if environ.get(b"LC_CTYPE") in _COERCED_LOCALES:
        from .child.program import IS_ONE_FILE

        if IS_ONE_FILE:  # its interpreter adds nothing
            return environ
        original = _original_locale(environ)
        if original is None:
            del environ[b"LC_CTYPE"]
        else:
            environ[b"LC_CTYPE"] = original
    return environ


def decoded(environ: Mapping[bytes, bytes]) -> dict[str, str]:
    """An environment as text, the way the interpreter decodes it; `os.fsencode` gives the bytes back."""
    return {os.fsdecode(name): os.fsdecode(value) for name, value in environ.items()}


def _original_locale(environ: Mapping[bytes, bytes]) -> bytes | None:
    try:
        with open("/proc/self/environ", "rb") as block:
            lines = block.read().split(b"\0")
        return next((line[9:] for line in lines if line.startswith(b"LC_CTYPE=")), None)
    except OSError:  # no /proc: the interpreter adds it only where the locale would be C
        language = environ.get(b"LC_ALL") or environ.get(b"LANG") or b"C"
        return None if language in (b"C", b"POSIX") else environ[b"LC_CTYPE"]


def inherited(
    environ: Mapping[bytes, bytes], *, inherit: bool | Sequence[str], withheld: Iterable[str]
) -> dict[bytes, bytes]:
    """What the child inherits: all, nothing, or what matches the globs; never `withheld` nor our own."""
    hidden = {os.fsencode(name) for name in withheld}
    return {
        name: value
        for name, value in environ.items()
        if name not in hidden and not name.startswith(OWN) and _is_inherited(name, inherit)
    }


def _is_inherited(name: bytes, inherit: bool | Sequence[str]) -> bool:
    if isinstance(inherit, bool):
        return inherit
    text = os.fsdecode(name)
    return any(matches(text, glob) for glob in inherit)


def limits() -> Limits:
    """What this system allows now: `execve` fails with E2BIG beyond it (execve(2), "Limits on size")."""
    if sys.platform != "linux":
        return Limits(os.sysconf("SC_ARG_MAX"), os.sysconf("SC_ARG_MAX"))
    import resource  # not on every system

    stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
    total = _CEILING if stack == resource.RLIM_INFINITY else max(_FLOOR, min(stack // 4, _CEILING))
    return Limits(32 * os.sysconf("SC_PAGE_SIZE"), total)


def check_size(path: bytes, argv: Sequence[bytes], environ: Mapping[bytes, bytes], allowed: Limits) -> None:
    """Find out before exec whether the system will take this command line and environment.

    Counted as the kernel does: every string with its NUL, a pointer each, and the path.
    Raises: BadValue, which names the largest variables and their sizes.
    """
    sizes = {name: len(name) + len(value) + 2 for name, value in environ.items()}
    too_long = [name for name, size in sizes.items() if size > allowed.one]
    if too_long:
        raise BadValue(
            f"a variable is larger than the system's {allowed.one} bytes for one string",
            where=_by_size(sizes, too_long),
            hint='as = "file" hands it over as a file; or expand it into smaller variables',
        )
    words = sum(len(word) + 1 for word in argv)
    total = len(path) + 1 + words + sum(sizes.values()) + 8 * (max(1, len(argv)) + len(environ))
    if total > allowed.total:
        raise BadValue(
            f"command line and environment are {total} bytes, the system allows {allowed.total}",
            where=f"{_by_size(sizes, sizes)}; arguments: {words} bytes",
            hint="inherit less (--pristine, options.inherit), or raise the stack limit (ulimit -s)",
        )


def _by_size(sizes: Mapping[bytes, int], names: Iterable[bytes]) -> str:
    largest = sorted(names, key=lambda name: -sizes[name])[:5]
    return ", ".join(f"{os.fsdecode(name)}: {sizes[name]} bytes" for name in largest)
