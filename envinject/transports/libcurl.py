"""libcurl's C core from pycurl, without pycurl's Python helpers.

Since 7.48 the package `pycurl` imports an asyncio helper, which takes four times as long as the core itself and
which nobody here uses. So the extension module inside the package is loaded by its own loader. At its begin it makes
types of its own from `collections` and `datetime`, for WebSockets, keys of SSH servers and HSTS; making them takes as
long as all of its libraries. So it finds stand-ins there, which it asks for nothing later on.
"""

from __future__ import annotations

import sys

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
    modules: dict[str, Any] = sys.modules
    added = [name for name in _STAND_INS if name not in modules]
    for name in added:
        modules[name] = _STAND_INS[name]
    try:
        return _load()
    except (AttributeError, TypeError):  # a release that asks for more: then with the real ones
        pass
    finally:
        for name in added:
            del modules[name]
    return _load()


def _load() -> Any:
    if "_pycurl" in sys.builtin_module_names:  # the one file has it inside
        return __import__("_pycurl")
    package = _spec("pycurl")
    if package is None:
        raise ImportError("pycurl is not installed")
    spec = _spec("pycurl._pycurl", package.submodule_search_locations)
    if spec is None or spec.loader is None or not package.submodule_search_locations:
        import pycurl  # before 7.48 the core is the package

        return pycurl
    module = spec.loader.create_module(spec)
    if module is None:
        raise ImportError("pycurl's core is no extension module")
    spec.loader.exec_module(module)
    return module


def _spec(name: str, path: Any = None) -> Any:
    """Where a module is: asked of the finders that the interpreter asks."""
    found = (finder.find_spec(name, path) for finder in sys.meta_path)
    return next((spec for spec in found if spec is not None), None)
