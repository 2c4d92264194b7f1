"""The machine that was measured on, in a few words: no name, no path."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import build

_LIBRARIES = """\
import pycurl
from importlib.metadata import version
print(pycurl.version)
print("pycurl " + version("pycurl") + ", requests " + version("requests") + ", click " + version("click"))
print("pip " + version("pip"))
"""


def describe(python: str, load: Sequence[float]) -> Mapping[str, str]:
    """What is worth knowing of the machine and of the interpreter's libraries, by what it is; `load` is from before."""
    told = build.call([python, "-c", _LIBRARIES], shown="import pycurl", given=build.environ()).splitlines()
    compiler = build.call([build.BUILT / "go" / "bin" / "go", "version"], shown="go version").split()
    return {
        "processor": f"{os.cpu_count()} cores, {_model()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "load at the start": ", ".join(f"{each:.1f}" for each in load),
        "Python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "libcurl": _without_details(told[0]),
        "packages": f"{told[1]}; scripts written by {told[2]}",
        "Go": compiler[2].removeprefix("go"),
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _without_details(version: str) -> str:
    """libcurl and the libraries that matter here, of all that it is made of."""
    wanted = ("libcurl/", "OpenSSL/", "nghttp2/")
    return ", ".join(word.replace("/", " ") for word in version.split() if word.startswith(wanted))
