"""The environment mapping: which names it may hold, what is inherited, and how large the system lets it be."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from launching import LAUNCHER
from reading import environment_of

from envinject import environ
from envinject.environ import Limits, changes_how_programs_run, check_size, inherited, is_name, matches
from envinject.errors import BadValue

TRUE = os.fsencode(shutil.which("true") or "/bin/true")

REFUSED = """
    LD_* _RLD* DYLD_* LDR_* LIBPATH SHLIB_PATH GCONV_PATH GETCONF_DIR GLIBC_TUNABLES MALLOC_* LOCPATH NLSPATH NIS_PATH
    RESOLV_HOST_CONF RES_OPTIONS LOCALDOMAIN HOSTALIASES TMPDIR PATH HOME SHELL USER LOGNAME IFS CDPATH ENV BASH_ENV
    BASH_FUNC_* BASHOPTS SHELLOPTS PS1 PS2 PS4 PROMPT_COMMAND GLOBIGNORE FPATH ZDOTDIR NULLCMD READNULLCMD TMPPREFIX
    TERM* PYTHON* PERL5* PERLLIB PERLIO_DEBUG RUBYOPT RUBYLIB GEM_* BUNDLE_* NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS
    JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS CLASSPATH DOTNET_STARTUP_HOOKS COR_* CORECLR_* PHPRC
    PHP_INI_SCAN_DIR LUA_INIT* LUA_PATH* LUA_CPATH* R_PROFILE* R_ENVIRON* OPENSSL_CONF OPENSSL_ENGINES OPENSSL_MODULES
    SSLKEYLOGFILE SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE *_proxy *_PROXY KRB5_CONFIG* KRB5_KTNAME
    GIT_* EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN LESSCLOSE LISTEN_* NOTIFY_SOCKET CREDENTIALS_DIRECTORY
    SECRETS_EXEC_*
""".split()  # fmt: skip
"""Names that programs take orders from, as the project's security notes list them."""


# Names


@pytest.mark.parametrize("pattern", REFUSED)
def test_names_that_change_how_programs_run_are_known(pattern):
    assert changes_how_programs_run(pattern.replace("*", "X"))
    assert changes_how_programs_run(pattern.replace("*", "http"))
    if pattern not in ("*_proxy", "*_PROXY"):
        assert changes_how_programs_run(pattern.replace("*", ""))


@pytest.mark.parametrize(
    "name",
    [
        "DATABASE_URL", "DB_PASSWORD", "API_TOKEN", "MYPATH", "PATHS", "HOMEPAGE", "USER_NAME", "LD", "XLD_PRELOAD",
        "PYTHO", "ENVIRONMENT", "GITHUB_TOKEN", "NODE_ENV", "JAVA_HOME", "PS3", "path", "REDIS_PORT", "PROXY", "SHELLS",
    ],
)  # fmt: skip
def test_names_of_applications_are_free(name):
    assert not changes_how_programs_run(name)


@pytest.mark.parametrize("name", ["A", "_", "a", "_1", "A1_b", "X" * 256])
def test_a_name_is_a_letter_or_underscore_then_letters_digits_underscores(name):
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A.B", "A B", "A=B", "É", "비", "A\0", "A\n", "X" * 257, "A\u0661"])
def test_anything_else_is_no_name(name):
    assert not is_name(name)


@given(st.text() | st.from_regex(r"[A-Za-z0-9_]+", fullmatch=True))
def test_a_name_has_the_form_that_the_manifest_promises(text):
    letters = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
    plain = text[:1] in letters and letters.union("0123456789").issuperset(text)
    assert is_name(text) == (bool(text) and plain and len(text) <= 256)


@pytest.mark.parametrize(
    ("name", "glob", "is_match"),
    [
        ("DB_HOST", "DB_*", True),
        ("DB_HOST", "DB_????", True),
        ("DB_HOST", "[A-D]*", True),
        ("DB_HOST", "*", True),
        ("db_host", "DB_*", False),
        ("XDB_HOST", "DB_*", False),
        ("DB_HOST", "", False),
        ("DB_HOST", "DB_[", False),
    ],
)
def test_a_glob_matches_the_whole_name_case_and_all(name, glob, is_match):
    assert matches(name, glob) is is_match


# What is inherited

GIVEN = {b"A": b"1", b"B_1": b"2", b"B_2": b"", b"TOKEN": b"t", b"SECRETS_EXEC_TIMEOUT": b"5s", b"\xff": b"\xfe"}


@pytest.mark.parametrize(
    ("inherit", "names"),
    [
        (True, [b"A", b"B_1", b"B_2", b"\xff"]),
        (False, []),
        (("B_*",), [b"B_1", b"B_2"]),
        (("A", "*_2"), [b"A", b"B_2"]),
        (("TOKEN", "SECRETS_EXEC_*"), []),
        ((), []),
    ],
)
def test_all_nothing_or_some_are_inherited_but_never_our_own_nor_what_is_withheld(inherit, names):
    assert inherited(GIVEN, inherit=inherit, withheld=["TOKEN"]) == {name: GIVEN[name] for name in names}


variables = st.dictionaries(
    st.binary(min_size=1, max_size=12).filter(lambda name: not {0, 0x3D} & {*name}),
    st.binary(max_size=20).filter(lambda value: 0 not in value),
    max_size=8,
)


@given(variables)
def test_an_environment_as_text_and_back_is_the_same_bytes(block):
    text = environ.decoded(block)
    assert {os.fsencode(name): os.fsencode(value) for name, value in text.items()} == block
    assert inherited(block, inherit=True, withheld=()) == block


_START = """
import ctypes, os, sys
count = int(sys.argv[1])
words = [os.fsencode(word) for word in sys.argv[2:]]
vectors = [(ctypes.c_char_p * (len(part) + 1))(*part, None) for part in (words[count:], words[:count])]
ctypes.CDLL(None).execve(words[count], *vectors)
"""


def start(block, *argv):
    """Run a program with these very strings as its environment, which no mapping could hold."""
    command = [sys.executable, "-c", _START, str(len(block)), *block, *argv]
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def run_with(*block):
    """The strings that a command under the launcher has as its environment, of these."""
    open("secrets.toml", "w").close()
    done = start([f"PATH={os.environ['PATH']}", *block], *LAUNCHER, "--", "env", "-0")
    assert done.stderr == b""
    return [string for string in done.stdout.split(b"\0") if string and not string.startswith(b"PATH=")]


def test_a_name_that_we_were_given_twice_occurs_once():
    assert sorted(run_with("A=first", "B=b", "A=second")) == [b"A=first", b"B=b"]


def test_strings_that_are_no_variables_do_not_stop_the_start():
    assert sorted(run_with("A=a", "=value without a name", "no equals sign", "")) == [b"A=a"]


def test_bytes_that_are_no_text_pass_unchanged():
    assert sorted(run_with(b"A=\xff\xfe\n", b"\xee=\x01")) == [b"A=\xff\xfe\n", b"\xee=\x01"]


@pytest.mark.parametrize(
    "block",
    [
        pytest.param([], id="no locale at all"),
        pytest.param(["LC_CTYPE=C"], id="C"),
        pytest.param(["LC_CTYPE=POSIX"], id="POSIX"),
        pytest.param(["LC_CTYPE=C.UTF-8"], id="what the interpreter sets too"),
        pytest.param(["LC_ALL=C"], id="C for all"),
        pytest.param(["LANG=C.UTF-8"], id="a language"),
        pytest.param(["LC_CTYPE=C", "LC_CTYPE=C.UTF-8"], id="twice"),
    ],
)
def test_the_locale_that_the_interpreter_sets_for_itself_does_not_reach_the_child(block):
    assert sorted(run_with("A=a", *block)) == sorted([b"A=a", *map(os.fsencode, block[:1])])


# Size


def environment_of_size(size, *, name=b"V"):
    """A variable whose string is so many bytes, with `=` and the NUL."""
    return {name: b"x" * (size - len(name) - 2)}


def test_a_string_may_be_as_large_as_the_system_takes_and_no_larger():
    allowed = Limits(1000, 1 << 20)
    check_size(b"/bin/true", [b"true"], environment_of_size(1000), allowed)
    with pytest.raises(BadValue) as caught:
        check_size(b"/bin/true", [b"true"], environment_of_size(1001), allowed)
    assert caught.value.what == "a variable is larger than the system's 1000 bytes for one string"
    assert caught.value.where == "V: 1001 bytes"


def test_all_that_is_too_large_is_named_the_largest_first_with_sizes_and_never_a_value():
    block = {name: value for i in range(1, 9) for name, value in environment_of_size(100 * i, name=b"V%d" % i).items()}
    with pytest.raises(BadValue) as caught:
        check_size(b"/bin/true", [b"true", b"-x"], block, Limits(10_000, 3000))
    assert caught.value.what == "command line and environment are 3698 bytes, the system allows 3000"
    assert caught.value.where == (
        "V8: 800 bytes, V7: 700 bytes, V6: 600 bytes, V5: 500 bytes, V4: 400 bytes; arguments: 8 bytes"
    )
    assert "xxx" not in caught.value.what + caught.value.where + caught.value.hint


_PROBE = """
import json, os, resource, sys
from envinject.environ import check_size, limits
from envinject.errors import BadValue
stack, path = int(sys.argv[1]), os.fsencode(sys.argv[2])
resource.setrlimit(resource.RLIMIT_STACK, (stack, resource.getrlimit(resource.RLIMIT_STACK)[1]))
allowed = limits()
print(json.dumps([allowed.one, allowed.total]), flush=True)
for line in sys.stdin:
    words, strings = json.loads(line)
    argv = [b"w" * (size - 1) for size in words]
    environ = {b"%07d" % i: b"x" * (size - 9) for i, size in enumerate(strings)}
    try:
        check_size(path, argv, environ, allowed)
        predicted = "fits"
    except BadValue:
        predicted = "too large"
    child = os.fork()
    if not child:
        try:
            os.execve(path, argv, environ)
        except OSError as error:
            os._exit(error.errno)
    _, status = os.waitpid(child, 0)
    actual = {0: "fits", 7: "too large"}.get(os.waitstatus_to_exitcode(status), f"ended with {status}")
    print(json.dumps([predicted, actual]), flush=True)
"""


class Probe:
    """A process of a stack limit, which tells what we predict of sizes and what execve does with them."""

    def __init__(self, stack):
        command = [sys.executable, "-c", _PROBE, str(stack), TRUE]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        first = self.process.stdout.readline()
        if not first:
            self.process.communicate()
            pytest.skip("the stack limit of this machine cannot be set so")
        self.one, self.total = json.loads(first)

    def verdicts(self, words, strings):
        """The prediction and the truth for words and environment strings of these sizes, each with its NUL."""
        self.process.stdin.write(json.dumps([words, strings]).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def fill(self, words, strings, total):
        """Environment strings that make it so many bytes in all, counted as the kernel does."""
        size = len(TRUE) + 1 + sum(words) + sum(strings) + 8 * (len(words) + len(strings))
        while (left := total - size) >= 20:
            piece = left - 8 if left <= 60_000 else 50_000
            strings = [*strings, piece]
            size += piece + 8
        return strings


@pytest.fixture(
    scope="module",
    params=[256 << 10, 640 << 10, 8 << 20, 64 << 20, -1],
    ids=["256K", "640K", "8M", "64M", "unlimited"],
)
def probe(request):
    if sys.platform != "linux":
        pytest.skip("the sizes are those of Linux")
    probe = Probe(request.param)
    yield probe
    probe.process.communicate()


@settings(max_examples=30, deadline=None)
@given(
    words=st.lists(st.integers(2, 2000), min_size=1, max_size=5),
    strings=st.lists(st.integers(20, 20_000), max_size=4),
    beyond=st.integers(-16, 16),
)
def test_what_we_say_of_the_size_of_all_is_what_the_system_does(probe, words, strings, beyond):
    predicted, actual = probe.verdicts(words, probe.fill(words, strings, probe.total + beyond))
    assert predicted == actual == ("fits" if beyond <= 0 else "too large")


@settings(max_examples=15, deadline=None)
@given(others=st.lists(st.integers(20, 2000), max_size=3), beyond=st.integers(-4, 4))
def test_what_we_say_of_the_size_of_one_string_is_what_the_system_does(probe, others, beyond):
    predicted, actual = probe.verdicts([5], [*others, probe.one + beyond])
    fits_in_all = probe.total > probe.one + 10_000
    assert predicted == actual == ("fits" if beyond <= 0 and fits_in_all else "too large")


@settings(max_examples=10, deadline=None)
@given(count=st.integers(1, 3000), size=st.integers(9, 40))
def test_many_small_variables_count_with_their_pointers(probe, count, size):
    predicted, actual = probe.verdicts([5], [size] * count)
    assert predicted == actual


def test_an_environment_that_is_too_large_is_65_and_names_the_variables(launch, manifest):
    path = manifest("".join(f'[secrets.V{i}]\nprovider = "env"\nid = "BIG"\n' for i in range(60)))
    done = launch("-f", path, "--", "touch", "started", environ={"BIG": "canary" * 20_000})
    assert done.returncode == 65
    assert b"the system allows" in done.stderr
    assert b"where: BIG: 120005 bytes, V10: 120005 bytes, " in done.stderr
    assert b"canary" not in done.stderr
    assert not os.path.exists("started")


def test_one_variable_that_is_too_large_is_65_and_the_message_says_which(launch, manifest, tmp_path):
    (tmp_path / "big").write_bytes(b"canary" * 30_000)
    done = launch("-f", manifest('[secrets]\nBIG = "file://big"\nSMALL = "env://HOME"\n'), "--", "touch", "started")
    assert done.returncode == 65
    assert b"BIG: 180005 bytes" in done.stderr
    assert b"SMALL" not in done.stderr
    assert b"canary" not in done.stderr
    assert not os.path.exists("started")


def test_an_environment_just_within_the_limit_starts(launch, manifest, tmp_path):
    (tmp_path / "big").write_bytes(b"x" * (32 * os.sysconf("SC_PAGE_SIZE") - len("BIG=") - 1))
    done = launch("-f", manifest('[secrets]\nBIG = "file://big"\n'), "--", "env", "-0")
    assert len(environment_of(done)[b"BIG"]) == 131_067


@pytest.mark.parametrize(("size", "code"), [(30_000, 0), (120_000, 65)], ids=["small", "too large"])
def test_beside_1_9_mebibytes_of_inherited_environment_a_secret_has_what_is_left(
    launch, manifest, tmp_path, size, code
):
    stack = (8 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1])
    given = {f"INHERITED_{n}": "x" * 100_000 for n in range(20)}
    (tmp_path / "big").write_bytes(b"s" * size)
    done = launch(
        *("-f", manifest('[secrets]\nBIG = "file://big"\n'), "--", "printenv", "BIG"),
        environ=given,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, stack),
    )
    assert done.returncode == code, done.stderr
    if code:
        assert b"BIG: 120005 bytes, INHERITED_" in done.stderr
    else:
        assert len(done.stdout) == size + 1
