"""libcurl's C core from pycurl, without pycurl's Python helpers.

Since 7.48 the package `pycurl` imports an asyncio helper, which takes four times as long as the core itself and
which nobody here uses. So the extension module inside the package is loaded by its own loader. At its begin it makes
types of its own from `collections` and `datetime`, for WebSockets, keys of SSH servers and HSTS; making them takes as
long as all of its libraries. So it finds stand-ins there, which it asks for nothing later on. And of the functions in
those libraries a run calls few, so each is looked up when it is called first.
"""

from __future__ import annotations

import os
import sys

from ..loading import Instead, find_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Collections:
    """In place of `collections`: a plain tuple for each named one."""

    @staticmethod
    def namedtuple(_name: str, _fields: str) -> type:
        return tuple


class _Datetime:
    """In place of `datetime`."""

    datetime = object

    class timezone:
        utc = None


_STAND_INS = {"collections": _Collections, "datetime": _Datetime}


def load() -> Any:
    """The module with `Curl`, `CurlMulti` and the constants.

    Raises: ImportError when pycurl is not installed, or has no build for this interpreter.
    """
    flags = sys.getdlopenflags()
    sys.setdlopenflags(os.RTLD_LAZY)
    try:
        with Instead(_STAND_INS):
            return _load()
    except (AttributeError, TypeError):  # a release that asks for more: then with the real ones
        return _load()
    finally:
        sys.setdlopenflags(flags)


def _load() -> Any:
    if "_pycurl" in sys.builtin_module_names:  # the one file has it inside
        return __import__("_pycurl")
    package = find_spec("pycurl")
    if package is None:
        raise ImportError("pycurl is not installed")
    spec = find_spec("pycurl._pycurl", package.submodule_search_locations)
    if spec is None or spec.loader is None or not package.submodule_search_locations:
        import pycurl  # before 7.48 the core is the package

        return pycurl
    module = spec.loader.create_module(spec)
    if module is None:
        raise ImportError("pycurl's core is no extension module")
    spec.loader.exec_module(module)
    return module
