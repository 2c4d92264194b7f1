"""libcurl's core without what it does not need: each in an interpreter of its own, since a core is loaded once."""

from __future__ import annotations

import subprocess
import sys

import pytest
from launching import PACKAGES, PATIENCE

pytest.importorskip("pycurl", reason="there is no core to load")

_CORE = "from envinject.transports import libcurl\ncurl = libcurl.load()\n"


def _said(code: str) -> str:
    code = f"import sys; sys.path[:0] = {PACKAGES!r}\n{code}"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_core_needs_no_module_of_the_library_beside_it() -> None:
    names = "collections datetime functools operator typing asyncio pycurl"
    told = _said(f"{_CORE}print([name for name in {names!r}.split() if name in sys.modules])")
    assert told == "[]\n"


def test_what_comes_afterwards_finds_the_real_ones() -> None:
    told = _said(
        f"{_CORE}import collections, datetime\nprint(collections.namedtuple('T', 'a')(1), datetime.date(1, 2, 3))"
    )
    assert told == "T(a=1) 0001-02-03\n"


def test_what_was_there_before_is_left_alone() -> None:
    told = _said(f"import collections, datetime\n{_CORE}print(curl.KhKey(1, 2), sys.modules['datetime'] is datetime)")
    assert told == "KhKey(key=1, keytype=2) True\n"


def test_a_core_that_asks_for_more_gets_the_real_ones() -> None:
    lacking = (
        "from envinject.transports import libcurl\nlibcurl._STAND_INS = {'collections': object, 'datetime': object}\n"
    )
    told = _said(
        f"{lacking}curl = libcurl.load()\nprint(curl.KhKey(1, 2), bool(curl.version), 'datetime' in sys.modules)"
    )
    assert told == "KhKey(key=1, keytype=2) True True\n"


def test_what_others_load_afterwards_is_linked_as_ever() -> None:
    assert _said(f"before = sys.getdlopenflags()\n{_CORE}print(sys.getdlopenflags() == before)") == "True\n"


def test_a_handle_works() -> None:
    told = _said(
        f"{_CORE}one = curl.Curl()\none.setopt(curl.URL, 'x')\nprint(bool(one.duphandle()), bool(curl.CurlMulti()))"
    )
    assert told == "True True\n"
