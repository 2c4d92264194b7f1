"""Reading a regular file: never anything that could hang, never more than a limit."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envinject.errors import NotFound, StoreError, SystemRefused
from envinject.files import drain, read_regular

LIMIT = 1000


def descriptors():
    return sorted(os.listdir("/dev/fd"))


@given(st.binary(max_size=LIMIT))
def test_a_file_is_read_byte_for_byte(data):
    Path("x").write_bytes(data)
    assert read_regular("x", LIMIT) == data


def test_a_link_to_a_file_is_followed():
    Path("x").write_bytes(b"x")
    os.symlink("x", "link")
    assert read_regular("link", LIMIT) == b"x"


def test_a_file_of_exactly_the_limit_is_read_and_one_byte_more_is_too_large():
    Path("x").write_bytes(b"x" * LIMIT)
    assert len(read_regular("x", LIMIT)) == LIMIT
    Path("x").write_bytes(b"x" * (LIMIT + 1))
    with pytest.raises(StoreError, match="too large"):
        read_regular("x", LIMIT)


def test_a_file_that_claims_no_size_is_read_to_its_end():
    if not os.path.exists("/proc/self/status"):
        pytest.skip("there is no /proc")
    assert os.stat("/proc/self/status").st_size == 0
    assert b"\nPid:\t%d\n" % os.getpid() in read_regular("/proc/self/status", 1 << 20)


def make_fifo():
    os.mkfifo("it")


def make_socket():
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("it")


def link(target):
    return lambda: os.symlink(target, "it")


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        pytest.param(lambda: None, NotFound, id="nothing"),
        pytest.param(link("nowhere"), NotFound, id="a link to nothing"),
        pytest.param(link("it"), SystemRefused, id="a link to itself"),
        pytest.param(lambda: os.mkdir("it"), StoreError, id="a folder"),
        pytest.param(make_fifo, StoreError, id="a FIFO that nobody writes to"),
        pytest.param(link("/dev/zero"), StoreError, id="an endless device"),
        pytest.param(link("/dev/tty"), (StoreError, SystemRefused), id="a terminal"),
        pytest.param(link("/dev/fd/0"), (StoreError, NotFound, SystemRefused), id="a descriptor"),
        pytest.param(make_socket, SystemRefused, id="a socket"),
    ],
)
def test_what_is_no_regular_file_is_an_error_at_once(make, kind):
    make()
    with pytest.raises(kind) as caught:
        read_regular("it", LIMIT)
    assert "it" in caught.value.what
    assert caught.value.hint
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("path", "kind"),
    [("", NotFound), ("x/y", NotFound), ("\0", SystemRefused), ("\ud800", SystemRefused), ("x" * 5000, SystemRefused)],
    ids=["empty", "beneath a file", "NUL", "surrogate", "too long"],
)
def test_what_cannot_be_a_path_is_an_error(path, kind):
    Path("x").touch()
    with pytest.raises(kind):
        read_regular(path, LIMIT)


_READ_AS_NOBODY = """
import os
from envinject.errors import Denied
from envinject.files import read_regular
if os.getuid() == 0:
    os.setuid(65534)
try:
    read_regular("x", 1000)
except Denied as error:
    print(error.what)
"""


def test_a_file_that_may_not_be_read_is_denied():
    Path("x").write_bytes(b"canary")
    os.chmod("x", 0)
    os.chmod(".", 0o755)
    told = subprocess.check_output([sys.executable, "-c", _READ_AS_NOBODY], text=True)
    assert told == "the file x may not be read by this user\n"


def test_no_descriptor_stays_open_however_it_ends():
    before = descriptors()
    Path("x").write_bytes(b"x" * (LIMIT + 1))
    make_fifo()
    for path, kind in (("x", StoreError), ("it", StoreError), ("nowhere", NotFound)):
        with pytest.raises(kind):
            read_regular(path, LIMIT)
    read_regular("x", 2 * LIMIT)
    assert descriptors() == before


def test_a_pipe_is_drained_to_its_end_however_slowly_it_is_filled():
    with subprocess.Popen(["sh", "-c", "printf a; printf b; exec printf c"], stdout=subprocess.PIPE) as child:
        assert drain(child.stdout.fileno(), 3) == b"abc"


def test_a_pipe_without_end_is_given_up_at_the_limit():
    with subprocess.Popen(["yes"], stdout=subprocess.PIPE) as child:
        assert drain(child.stdout.fileno(), 1 << 20) is None
        child.kill()
