"""Which providers there are. Names only: a provider is imported when a manifest asks for it."""

from __future__ import annotations

from ..errors import ManifestError, suggest
from ..record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .base import Provider

GROUP = "envinject.providers"
"""The entry point group of other people's packages."""


class Row(Record):
    """Where a type's class is, and the variables that hold its credentials."""

    target: str
    credentials: tuple[str, ...] = ()


TYPES: Mapping[str, Row] = {
    "dotenv": Row("envinject.providers.dotenv:Dotenv"),
    "env": Row("envinject.providers.env:Env"),
    "file": Row("envinject.providers.file:File"),
    "kakaocloud": Row(
        "envinject.providers.kakaocloud:KakaoCloud",
        (
            "KAKAOCLOUD_TOKEN",
            "KAKAOCLOUD_APPLICATION_CREDENTIAL_ID",
            "KAKAOCLOUD_APPLICATION_CREDENTIAL_SECRET",
        ),
    ),
    "ncloud": Row(
        "envinject.providers.ncloud:NCloud",
        (
            "NCLOUD_ACCESS_KEY_ID",
            "NCLOUD_ACCESS_KEY",
            "NCLOUD_SECRET_ACCESS_KEY",
            "NCLOUD_SECRET_KEY",
        ),
    ),
}

CREDENTIAL_NAMES = frozenset(name for row in TYPES.values() for name in row.credentials)
"""The variables that our own providers read credentials from."""


def provider_class(name: str) -> type[Provider]:
    """The class of a type.

    Raises: ManifestError when there is none, or when it cannot be imported: it is never skipped.
    """
    target = TYPES[name].target if name in TYPES else _elsewhere().get(name)
    if target is None:
        known = sorted({*TYPES, *_elsewhere()})
        raise ManifestError(
            f"there is no provider type '{name}'",
            hint=f"{suggest(name, known)}The types are: {', '.join(known)}",
        )
    module_name, _, class_name = target.partition(":")
    try:
        module = __import__(module_name, fromlist=[class_name])
        found: type[Provider] = getattr(module, class_name)
    except MemoryError:
        raise
    except Exception:  # the boundary to other people's code: whatever it raises, it is not there
        problem = f"the provider type '{name}' cannot be imported from {target}"
    else:
        return found
    raise ManifestError(problem, hint="install or mend the package that it comes from")


def all_types() -> list[str]:
    """Every type that is installed, ours first."""
    return [*TYPES, *sorted(_elsewhere().keys() - TYPES.keys())]


def _elsewhere() -> dict[str, str]:
    from importlib.metadata import entry_points  # costs 40 ms, needed only for types that are not ours

    return {entry.name: entry.value for entry in entry_points(group=GROUP)}
