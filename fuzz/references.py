"""References: any text is one, or is refused; one that a provider takes is read back from its own short form."""

from __future__ import annotations

from envinject.errors import ManifestError
from envinject.providers import TYPES, provider_class
from envinject.reference import LONGEST, is_reference, parse

from .canary import check, marked

_PROVIDERS = [provider_class(name)(name, {}, {}) for name in TYPES]


def try_one(data: bytes) -> None:
    """The whole input is the reference."""
    text = marked(data).decode("utf-8", "surrogateescape")
    try:
        ref = parse(text)
    except ManifestError as error:
        if not is_reference(text):  # it may be a value that somebody took for one
            check(error)
        return
    for provider in _PROVIDERS:
        try:
            target = provider.target(ref, "/folder")
        except ManifestError:
            continue
        for each in (ref, target):
            if len(str(each)) <= LONGEST and parse(str(each)) != each:  # a manifest refuses longer ones
                raise AssertionError("a reference that is not read back")
